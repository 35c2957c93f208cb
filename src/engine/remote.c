/* engine/remote.c - the HTTP calls of the remote backend. See remote.h. */
#include "engine/remote.h"

#include "engine/internal.h"
#include "engine/wire.h"
#include "net/http_client.h"
#include "net/sse.h"

#include <stdio.h>

#define EVENT_MAX    (4u << 20)
#define BODY_MAX     (64u << 20)                            /* of errors and of embeddings */
#define SILENCE_MS   300000
#define MEMORY_MAX   (256u << 20)

/* One call to a remote server: call->work. */
struct remote_call {
    struct arena *arena;                                    /* holds the remote_call itself, too */
    struct engine_call *call;
    struct http_transfer *transfer;                         /* NULL: not begun, ended or cancelled */
    const char *path;
    size_t text_count;                                      /* of an embedding call */
    int status;                                             /* of the answer */
    struct sse_parser events;
    struct buf body;                                        /* what is no stream of events */
    struct remote_reply reply;
    size_t held;                                            /* bytes read while paused: not yet told to the sender */
    bool streams;                                           /* the answer is one */
    bool failed;                                            /* error says why */
    struct engine_end error;
    char message[256];
};

/* ---- what arrives -------------------------------------------------------------------------------------------------------- */

static void emit(void *ctx, const struct gen_delta *delta)
{
    struct remote_call *remote = ctx;
    if (remote->call->kind == MODEL_GENERATE)
        engine_call_deltas(remote->call, delta, 1);
}

/* False: the rest is of no use, because the call has failed or has been cancelled. */
static bool on_event(void *ctx, struct view name, struct view data)
{
    struct remote_call *remote = ctx;
    struct arena *scratch = remote->call->engine->scratch;
    (void)name;
    if (view_is(data, "[DONE]"))
        return true;
    arena_reset(scratch);
    if (!remote_reply_event(&remote->reply, scratch, data, emit, remote, &remote->error, remote->message)) {
        remote->failed = true;
        return false;
    }
    return remote->call->state == CALL_RUNNING;
}

static void on_head(void *ctx, int status, const struct http_header *headers, size_t count)
{
    struct remote_call *remote = ctx;
    (void)headers;
    (void)count;
    remote->status = status;
    remote->streams = status == 200 && remote->text_count == 0;
}

static void end_call(struct remote_call *remote, const struct engine_end *end)
{
    remote->transfer = NULL;
    engine_call_end(remote->call, end);
}

static void give_up(struct remote_call *remote)
{
    http_transfer_cancel(remote->transfer);
    if (!remote->failed)
        remote->error = (struct engine_end){ .status = ENGINE_MODEL_ERROR,
                                             .message = "The remote model server's answer cannot be read.",
                                             .original_status = remote->status };
    end_call(remote, &remote->error);
}

static void on_body(void *ctx, struct view bytes)
{
    struct remote_call *remote = ctx;
    bool fine = remote->streams ? sse_feed(&remote->events, bytes) : buf_append_view(&remote->body, bytes);
    if (remote->transfer == NULL)
        return;                                             /* cancelled meanwhile */
    if (!fine)
        give_up(remote);
    else if (remote->call->paused)
        remote->held += bytes.len;
    else
        http_transfer_taken(remote->transfer, bytes.len);
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

static void end_unreachable(struct remote_call *remote, const struct http_client_result *result)
{
    struct engine_end end = { .status = result->error == HTTP_CLIENT_TIMEOUT ? ENGINE_TIMEOUT : ENGINE_MODEL_ERROR,
                              .original_status = result->status };
    snprintf(remote->message, sizeof remote->message, "The remote model server cannot be used: %s", result->message);
    end.message = remote->message;
    end_call(remote, &end);
}

static void end_embeddings(struct remote_call *remote)
{
    struct engine_call *call = remote->call;
    struct embed_result result;
    struct engine_end end = { .status = ENGINE_OK };
    if (!remote_read_embeddings(remote->arena, buf_view(&remote->body), remote->text_count, &result, &end.usage, remote->message)) {
        end = (struct engine_end){ .status = ENGINE_MODEL_ERROR, .message = remote->message, .original_status = remote->status };
    } else if (call->kind == MODEL_EMBED) {
        call->lane->dimensions = (int64_t)result.dimensions;
        engine_call_vectors(call, &result);
        if (call->state != CALL_RUNNING)
            return;                                         /* cancelled by its own sink */
    }
    end_call(remote, &end);
}

static void on_done(void *ctx, const struct http_client_result *result)
{
    struct remote_call *remote = ctx;
    struct engine_end end;
    remote->transfer = NULL;
    if (result->error != HTTP_CLIENT_OK && !(remote->reply.finished && remote->reply.has_usage)) {
        end_unreachable(remote, result);
        return;
    }
    if (result->status == 200 && remote->text_count > 0) {
        end_embeddings(remote);
        return;
    }
    if (result->status == 200) {
        remote_reply_end(&remote->reply, &end);
        if (remote->call->kind == MODEL_COUNT)
            end.usage.output_tokens = 0;
    } else {
        remote_read_error(remote->arena, result->status, buf_view(&remote->body), &end, remote->message);
    }
    end_call(remote, &end);
}

/* ---- the backend ----------------------------------------------------------------------------------------------------------- */

static bool prepare(struct engine_call *call, const struct model_request *request)
{
    buf_init(&call->payload, WIRE_MAX_PAYLOAD);
    remote_write_request(&call->payload, &call->lane->model, request);
    if (call->payload.len == 0) {
        engine_call_refuse(call, ENGINE_TOO_LONG, "The request is larger than %u MiB.", WIRE_MAX_PAYLOAD >> 20);
        return false;
    }
    struct arena *arena = arena_create(MEMORY_MAX);
    struct remote_call *remote = arena != NULL ? ARENA_NEW(arena, struct remote_call) : NULL;
    if (remote == NULL) {
        arena_destroy(arena);
        return false;
    }
    remote->arena = arena;
    remote->call = call;
    remote->path = remote_path(request);
    remote->text_count = strcmp(remote->path, "/embeddings") == 0 ? request->embed.text_count : 0;
    buf_init(&remote->body, BODY_MAX);
    sse_parser_init(&remote->events, EVENT_MAX, on_event, remote);
    call->work = remote;
    return true;
}

static struct http_client *client_of(struct engine *engine)
{
    if (engine->http == NULL)
        engine->http = http_client_create(engine->loop);
    return engine->http;
}

static void start(struct engine_call *call)
{
    struct remote_call *remote = call->work;
    const struct engine_model *model = &call->lane->model;
    struct view base = model->url;
    if (view_ends_with(base, VIEW("/")))
        base.len--;
    struct http_header headers[] = {
        { VIEW("content-type"), VIEW("application/json") },
        { VIEW("accept"), remote->text_count > 0 ? VIEW("application/json") : VIEW(SSE_CONTENT_TYPE) },
        { VIEW("authorization"), VIEW("") },
    };
    const char *authorization = arena_printf(remote->arena, "Bearer " VIEW_FMT, VIEW_ARG(model->api_key));
    headers[2].value = view_from_cstr(authorization);
    const struct http_client_request request = {
        .method = "POST",
        .url = arena_printf(remote->arena, VIEW_FMT "%s", VIEW_ARG(base), remote->path),
        .headers = headers,
        .header_count = model->api_key.len > 0 ? 3 : 2,
        .body = buf_view(&call->payload),
        .silence_timeout_ms = SILENCE_MS,
    };
    const struct http_client_handler handler = { .on_head = on_head, .on_body = on_body, .on_done = on_done };
    struct http_client *client = client_of(call->engine);
    if (client != NULL && request.url != NULL && authorization != NULL)
        remote->transfer = http_client_start(client, &request, &handler, remote);
    buf_free(&call->payload);
    if (remote->transfer == NULL)
        engine_call_fail(call, ENGINE_MODEL_ERROR, "The remote model server cannot be called: out of memory, or libcurl is missing.");
}

static void stop(struct engine_call *call)
{
    struct remote_call *remote = call->work;
    http_transfer_cancel(remote->transfer);
    remote->transfer = NULL;
}

static void resume(struct engine_call *call)
{
    struct remote_call *remote = call->work;
    if (call->paused || remote->transfer == NULL || remote->held == 0)
        return;
    http_transfer_taken(remote->transfer, remote->held);
    remote->held = 0;
}

static void release(struct engine_call *call)
{
    struct remote_call *remote = call->work;
    stop(call);
    call->work = NULL;
    sse_parser_free(&remote->events);
    buf_free(&remote->body);
    arena_destroy(remote->arena);
}

const struct backend backend_remote = {
    .prepare = prepare, .start = start, .stop = stop, .pause = resume, .release = release
};
