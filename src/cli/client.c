#include "cli/client.h"

#include "aws/sigv4.h"
#include "base/json.h"
#include "net/http_call.h"

#include <stdio.h>

#define ANSWER_MAX   (64u << 20)
#define SKEW_SECONDS 300

struct gathering {
    const struct client_call *call;
    struct buf body;
    struct cli *cli;
    struct client_answer *answer;
};

static void take_header(void *ctx, struct view name, struct view value)
{
    struct gathering *gathering = ctx;
    if (view_is(name, "x-craton-served-by"))
        gathering->answer->served_by = arena_copy(gathering->cli->arena, value);
}

static bool take_body(void *ctx, int status, struct view bytes)
{
    struct gathering *gathering = ctx;
    if (status == 200 && gathering->call->on_bytes != NULL)
        return gathering->call->on_bytes(gathering->call->ctx, bytes);
    return buf_append_view(&gathering->body, bytes);
}

/* "127.0.0.1:4747" of "http://127.0.0.1:4747" */
static struct view authority_of(struct view url)
{
    size_t at = view_find(url, VIEW("://"));
    return at != VIEW_NPOS ? view_from(url, at + 3) : url;
}

/* The fields to send: content type, and what the signature adds. */
static size_t sign(struct cli *cli, const struct iam_key *key, const char *url, const struct client_call *call,
                   struct http_header out[1 + SIGV4_SIGNED_FIELDS])
{
    const struct sigv4_signer signer = {
        .key_id = key->id,
        .secret = key->secret,
        .region = view_from_cstr(config_string(cli->config, CONFIG_REGION)),
        .rules = { .service = VIEW("bedrock"), .encode_path_twice = true, .skew_seconds = SKEW_SECONDS },
    };
    uint8_t body[SHA256_SIZE];
    struct view query = view_from_cstr(call->path), path = view_split(&query, '?');
    sha256(call->body, body);
    out[0] = (struct http_header){ VIEW("content-type"), VIEW("application/json") };
    const struct sigv4_message message = {
        .method = view_from_cstr(call->method),
        .path = path,
        .query = query,
        .authority = authority_of(view_from_cstr(url)),
        .headers = out,
        .header_count = 1,
    };
    size_t added = sigv4_sign(&signer, &message, body, clock_wall_ms(clock_system()), cli->arena, out + 1);
    return added > 0 ? 1 + added : 0;
}

/* A server of ours on this machine is known by its data directory, so its certificate need not be. */
static bool call_server(struct cli *cli, const struct iam_key *key, const char *url, const struct client_call *call,
                        struct client_answer *answer, char *error, size_t error_size)
{
    struct http_header headers[1 + SIGV4_SIGNED_FIELDS];
    size_t header_count = sign(cli, key, url, call, headers);
    const char *target = arena_printf(cli->arena, "%s%s", url, call->path);
    if (header_count == 0 || target == NULL) {
        snprintf(error, error_size, "out of memory");
        return false;
    }
    struct gathering gathering = { .call = call, .body = BUF_INIT(ANSWER_MAX), .cli = cli, .answer = answer };
    const struct http_call http = {
        .method = call->method,
        .url = target,
        .headers = headers,
        .header_count = header_count,
        .body = call->body,
        .any_certificate = true,
        .on_header = take_header,
        .on_body = take_body,
        .ctx = &gathering,
    };
    struct http_call_result result;
    *answer = (struct client_answer){ 0 };
    http_call(&http, &result);
    answer->status = result.status;
    answer->body = arena_copy(cli->arena, buf_view(&gathering.body));
    buf_free(&gathering.body);
    if (!result.complete)
        snprintf(error, error_size, "%s", result.error);
    return result.complete;
}

bool client_call(struct cli *cli, struct local *local, const struct client_call *call, struct client_answer *answer)
{
    char error[256];
    const char *url = local_endpoint(cli);
    if (url == NULL) {
        cli_fail("no server runs on %s: start one with `craton serve`", cli->places.data);
        return false;
    }
    if (call_server(cli, &local->key, url, call, answer, error, sizeof(error)))
        return true;
    cli_fail("%s: %s", url, error);
    return false;
}

const char *client_model_path(struct cli *cli, const char *model, const char *operation)
{
    struct buf path = BUF_INIT(8192);
    buf_append_cstr(&path, "/model/");
    percent_append(&path, view_from_cstr(model), false);
    buf_printf(&path, "/%s", operation);
    const char *copy = buf_failed(&path) ? NULL : arena_cstr(cli->arena, buf_view(&path));
    buf_free(&path);
    if (copy == NULL)
        cli_fail("the model id is too long");
    return copy;
}

struct view client_error_message(struct cli *cli, const struct client_answer *answer)
{
    const struct json *body = json_parse(cli->arena, answer->body, JSON_DEPTH_DEFAULT, NULL);
    struct view message = json_get_string(body, "message");
    return message.len > 0 ? message : answer->body;
}

void client_reload(struct cli *cli, struct local *local)
{
    char error[256];
    struct client_answer answer;
    const struct client_call call = { .method = "POST", .path = "/_craton/reload" };
    const char *url = local_endpoint(cli);
    if (url == NULL)
        return;
    if (!call_server(cli, &local->key, url, &call, &answer, error, sizeof(error)))
        fprintf(stderr, "craton: the server at %s did not hear of the change: %s\n", url, error);
    else if (answer.status != 200)
        fprintf(stderr, "craton: the server at %s answered " VIEW_FMT "\n", url, VIEW_ARG(client_error_message(cli, &answer)));
}
