/* Any JSON as the body of Converse: refused with a message, or a request whose parts are all in bounds. */
#include "runtime/converse_parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t weigh(const struct generate_request *request)
{
    size_t bytes = request->assistant_prefix.len;
    for (size_t i = 0; i < request->message_count; i++) {
        for (size_t j = 0; j < request->messages[i].part_count; j++)
            bytes += request->messages[i].parts[j].text.len + request->messages[i].parts[j].bytes.len;
    }
    for (size_t i = 0; i < request->tool_count; i++)
        bytes += request->tools[i].name.len + json_size(request->tools[i].schema);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(16u << 20);
    struct buf error = BUF_INIT(4096);
    const struct json *body = json_parse(arena, view_of(data, size), JSON_DEPTH_DEFAULT, NULL);
    if (body != NULL) {
        struct converse_input input = { .arena = arena, .body = body, .vision = size % 2 == 0, .error = &error };
        struct model_request request;
        model_request_init(&request);
        enum aws_status status = converse_parse(&input, &request);
        if (status != AWS_OK && error.len == 0 && !buf_failed(&error))
            abort();
        if (status == AWS_OK && weigh(&request.generate) > (size_t)(64u << 20))
            abort();
    }
    buf_free(&error);
    arena_destroy(arena);
    return 0;
}
