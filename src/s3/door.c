/* s3/door.c - requests come in and answers go out; see call.h. */
#include "s3/call.h"

#include <stdlib.h>
#include <unistd.h>

#define ID_LETTERS    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define FRAMING_SLACK (64u << 20)                           /* what aws-chunked may add to the largest object */

/* ---- life ---- */

struct s3 *s3_create(const struct s3_options *options)
{
    struct s3 *s3 = calloc(1, sizeof *s3);
    if (s3 == NULL)
        return NULL;
    s3->options = *options;
    sigv4_work_init(&s3->work);
    s3->keys = signing_keys_create();
    if (s3->keys != NULL && s3_routes_create(s3))
        return s3;
    s3_destroy(s3);
    return NULL;
}

void s3_destroy(struct s3 *s3)
{
    if (s3 == NULL)
        return;
    signing_keys_destroy(s3->keys);
    sigv4_work_free(&s3->work);
    free(s3->routes);
    free(s3);
}

/* ---- a call ---- */

static struct s3_call *call_create(struct s3 *s3, struct http_exchange *ex)
{
    const struct http_request *request = http_request(ex);
    struct s3_call *call = ARENA_NEW(request->arena, struct s3_call);
    if (call == NULL)
        return NULL;
    call->s3 = s3;
    call->ex = ex;
    call->request = request;
    call->arena = request->arena;
    call->region = s3->options.region;
    call->file = -1;
    buf_init(&call->reply, REPLY_MAX);
    random_id(call->request_id, REQUEST_ID_LEN, ID_LETTERS);
    http_set_context(ex, call);
    return call;
}

static void call_free(struct s3_call *call)
{
    buf_free(&call->reply);
    s3_stream_end(call);
    if (call->file >= 0)
        close(call->file);
    call->file = -1;
}

static void report(const struct s3_call *call, bool gone)
{
    const struct s3_options *options = &call->s3->options;
    const struct s3_outcome outcome = {
        .operation = call->route != NULL ? call->route->operation : NULL,
        .request_id = view_of(call->request_id, REQUEST_ID_LEN),
        .principal = call->principal.arn,
        .bucket = call->bucket,
        .key = call->key,
        .status = http_status(call->ex),
        .error = call->answered && call->error != S3_OK ? s3_error_code(call->error) : NULL,
        .gone = gone,
        .duration_us = clock_mono_us(loop_clock(options->loop)) - call->request->received_us,
        .request_bytes = call->request->body_size,
        .response_bytes = call->response_bytes,
    };
    options->on_done(options->done_ctx, &outcome);
}

static void settle(struct s3_call *call)
{
    if (call->closed && !call->working)
        call_free(call);
}

void s3_call_enter(struct s3_call *call)
{
    call->working = true;
    http_hold(call->ex);
}

void s3_call_left(struct s3_call *call)
{
    settle(call);
    http_release(call->ex);
}

static void in_pool(void *arg)
{
    struct s3_call *call = arg;
    call->error = call->route->served->handler(call);
}

static void out_of_pool(void *arg)
{
    struct s3_call *call = arg;
    call->working = false;
    if (!call->closed)
        s3_reply_send(call);
    s3_call_left(call);
}

/* ---- admission: on the loop, before the body ---- */

static bool address(struct s3_call *call)
{
    const struct s3_address where = s3_address_of(&call->s3->options.domains, call->request);
    call->virtual_host = where.virtual_host;
    if (!percent_decode(call->arena, where.bucket, false, &call->bucket) || !percent_decode(call->arena, where.key, false, &call->key)) {
        call->error = s3_fail(call, S3_INVALID_URI, "%s", s3_error_text(S3_INVALID_URI));
        return false;
    }
    call->level = call->bucket.len == 0 ? S3_SERVICE : call->key.len == 0 ? S3_BUCKET : S3_OBJECT;
    call->route = s3_route_find(call, call->level);
    return s3_params_read(call);
}

static bool routed(struct s3_call *call)
{
    if (call->route == NULL)
        call->error = s3_fail(call, S3_METHOD_NOT_ALLOWED, "%s", s3_error_text(S3_METHOD_NOT_ALLOWED));
    else if (call->route->served == NULL)
        call->error = s3_fail(call, S3_NOT_IMPLEMENTED, "The operation " VIEW_FMT " is not implemented by this server.",
                           VIEW_ARG(call->route->operation->name));
    else if (call->level != S3_SERVICE && !bucket_name_is_valid(call->bucket))
        call->error = s3_fail(call, S3_INVALID_BUCKET_NAME, "%s", s3_error_text(S3_INVALID_BUCKET_NAME));
    else if (call->key.len > OBJECT_KEY_MAX)
        call->error = s3_fail(call, S3_KEY_TOO_LONG, "%s", s3_error_text(S3_KEY_TOO_LONG));
    return call->error == S3_OK;
}

static uint64_t body_limit(const struct s3_call *call)
{
    if (call->route->served->body != S3_BODY_OBJECT)
        return XML_BODY_MAX;
    return call->payload.form == PAYLOAD_CHUNKED || call->payload.form == PAYLOAD_CHUNKED_SIGNED ? OBJECT_PUT_MAX + FRAMING_SLACK
                                                                                                 : OBJECT_PUT_MAX;
}

static bool sized(struct s3_call *call)
{
    const struct http_request *request = call->request;
    uint64_t announced = call->payload.has_length ? call->payload.length : 0;
    if ((!request->has_content_length || request->content_length <= body_limit(call)) && announced <= OBJECT_PUT_MAX)
        return true;
    call->error = s3_fail(call, S3_ENTITY_TOO_LARGE, "%s", s3_error_text(S3_ENTITY_TOO_LARGE));
    return false;
}

/* A stranger learns nothing of routes: who asks comes first. */
static bool admitted(struct s3_call *call)
{
    if (!address(call) || !s3_authenticate(call) || !routed(call) || !s3_authorize(call))
        return false;
    call->error = s3_payload_read(call);
    return call->error == S3_OK && sized(call);
}

/* ---- what the server calls ---- */

void s3_on_headers(struct s3 *s3, struct http_exchange *ex, struct http_admission *admission)
{
    struct s3_call *call = call_create(s3, ex);
    if (call == NULL) {
        const struct http_response broken = { .status = 503 };
        http_respond(ex, &broken, NULL);
        admission->refuse = true;
    } else if (admitted(call)) {
        admission->body_limit = body_limit(call);
        admission->outside_budget = true;
    } else {
        admission->refuse = true;
        s3_reply_send(call);
    }
}

void s3_on_request(struct s3 *s3, struct http_exchange *ex)
{
    struct s3_call *call = http_context(ex);
    if (call == NULL || call->answered)
        return;
    s3_call_enter(call);
    if (loop_work(s3->options.loop, in_pool, out_of_pool, call))
        return;
    call->working = false;
    call->error = s3_fail(call, S3_SLOW_DOWN, "%s", s3_error_text(S3_SLOW_DOWN));
    s3_reply_send(call);
    s3_call_left(call);
}

void s3_on_closed(struct s3 *s3, struct http_exchange *ex, bool aborted)
{
    struct s3_call *call = http_context(ex);
    (void)s3;
    if (call == NULL || call->closed)
        return;
    call->closed = true;
    report(call, aborted);
    settle(call);
}

void s3_on_error(enum http_refusal refusal, const struct http_request *request, struct http_refused *out)
{
    static const enum s3_error errors[] = {
        [HTTP_REFUSE_BAD_REQUEST] = S3_INVALID_REQUEST,
        [HTTP_REFUSE_HEADERS_TOO_LARGE] = S3_INVALID_REQUEST,
        [HTTP_REFUSE_BODY_TOO_LARGE] = S3_ENTITY_TOO_LARGE,
        [HTTP_REFUSE_TIMEOUT] = S3_REQUEST_TIMEOUT,
        [HTTP_REFUSE_OVERLOADED] = S3_SLOW_DOWN,
    };
    char id[REQUEST_ID_LEN + 1];
    enum s3_error error = errors[refusal];
    struct view text = view_from_cstr(s3_error_text(error));
    if (refusal == HTTP_REFUSE_HEADERS_TOO_LARGE)
        text = VIEW("Your request header section exceeds the maximum allowed size.");
    random_id(id, REQUEST_ID_LEN, ID_LETTERS);
    struct view request_id = arena_copy(request->arena, view_of(id, REQUEST_ID_LEN));
    s3_error_write(&out->body, s3_error_code(error), text, NULL, request_id);
    out->headers[out->header_count++] = (struct http_header){ VIEW("x-amz-request-id"), request_id };
    out->headers[out->header_count++] = (struct http_header){ VIEW("Content-Type"), VIEW("application/xml") };
}
