/* Feeds one request to the signature parser and the canonicaliser. The input is text: method, path, query, authority, then
 * header lines "name:value", each ended by a line feed. Whatever it is, nothing may be read out of bounds, and only a signature made with
 * the right key may pass. */
#include "aws/sigv4.h"

#define HEADERS 32

static struct view line(struct view *rest)
{
    return rest->ptr != NULL ? view_split(rest, '\n') : VIEW("");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = view_of(data, size);
    struct http_header headers[HEADERS];
    struct sigv4_message message = { .headers = headers };
    struct sigv4_rules rules = { VIEW("bedrock"), true, size % 2 == 0, 300 };
    struct sigv4 signature;
    struct sigv4_refusal why;
    uint8_t key[SHA256_SIZE] = { 1 }, hash[SHA256_SIZE] = { 2 };

    message.method = line(&rest);
    message.path = line(&rest);
    message.query = line(&rest);
    message.authority = line(&rest);
    while (rest.ptr != NULL && message.header_count < HEADERS) {
        struct view value = line(&rest);
        headers[message.header_count].name = view_split(&value, ':');
        headers[message.header_count++].value = value;
    }
    struct arena *arena = arena_create(1u << 20);
    struct sigv4_work work;
    sigv4_work_init(&work);
    const struct http_request request = { .method = message.method, .path = message.path, .query = message.query, .headers = headers,
                                          .header_count = message.header_count };
    struct destination to;
    aws_destination(&request, &to);
    if (to.in_body)
        aws_destination_action(message.query, &to);
    if (to.operation != NULL && to.operation->service != to.service)
        __builtin_trap();
    if (sigv4_parse(&message, arena, &signature, &why)) {
        sigv4_check(&signature, &rules, signature.signed_ms, &why);
        bool needs_body = sigv4_needs_body(&signature, &rules);
        if (sigv4_verify(&signature, &message, &rules, key, needs_body ? hash : NULL, &work, &why))
            __builtin_trap();
    }
    sigv4_work_free(&work);
    arena_destroy(arena);
    return 0;
}
