/* What a handler sees of a call, and how its answer goes out. The way in is front.c's, event streams are in call_stream.c. */
#include "aws/call_impl.h"

#include "aws/protocol.h"

#include <stdio.h>
#include <stdlib.h>

#define NO_MEMORY  "The answer could not be built."

/* ---- what was asked ---- */

const struct operation *call_operation(const struct call *call)
{
    return call->operation;
}

struct arena *call_arena(const struct call *call)
{
    return call->arena;
}

const struct principal *call_principal(const struct call *call)
{
    return &call->principal;
}

struct view call_region(const struct call *call)
{
    return call->region;
}

struct view call_request_id(const struct call *call)
{
    return view_of(call->request_id, UUID_SIZE - 1);
}

struct view call_header(const struct call *call, const char *lower_case_name)
{
    return http_header_get(call->request, lower_case_name);
}

struct view call_body_bytes(const struct call *call)
{
    return call->payload;
}

const struct json *call_body(const struct call *call)
{
    return call->body;
}

void *call_context(const struct call *call)
{
    return call->served->context;
}

const struct clock *call_clock(const struct call *call)
{
    return loop_clock(call->front->options.loop);
}

int64_t call_started_us(const struct call *call)
{
    return call->request->received_us;
}

struct call_stats *call_stats(struct call *call)
{
    return &call->stats;
}

bool call_gone(const struct call *call)
{
    return atomic_load_explicit(&call->gone, memory_order_relaxed);
}

bool call_decode_labels(struct call *call)
{
    for (size_t i = 0; i < call->operation->label_count; i++) {
        struct view raw = call->destination.labels[i];
        if (view_find_byte(raw, '%') == VIEW_NPOS)
            call->labels[i] = raw;
        else if (!percent_decode(call->arena, raw, false, &call->labels[i]))
            return false;
    }
    return true;
}

struct view call_label(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->operation->label_count; i++) {
        if (view_is(call->operation->labels[i], name))
            return call->labels[i];
    }
    return VIEW("");
}

bool call_query_next(const struct call *call, const char *wire_name, size_t *at, struct view *value)
{
    struct view query = call->request->query;
    while (*at < query.len) {
        struct view rest = view_from(query, *at);
        struct view pair = view_split(&rest, '&');
        *at += pair.len + 1;
        struct view raw = pair, name;
        if (!percent_decode(call->arena, view_split(&raw, '='), true, &name) || !view_is(name, wire_name))
            continue;
        if (raw.ptr == NULL)
            raw = VIEW("");
        return percent_decode(call->arena, raw, true, value);
    }
    return false;
}

struct view call_query(const struct call *call, const char *wire_name)
{
    size_t at = 0;
    struct view value;
    return call_query_next(call, wire_name, &at, &value) ? value : (struct view){ NULL, 0 };
}

/* ---- the answer ---- */

struct json_writer *call_reply(struct call *call)
{
    if (!call->reply_started) {
        call->reply_started = true;
        call->content_type = protocol_media_type(call->service);
        json_writer_init(&call->writer, &call->reply);
    }
    return &call->writer;
}

void call_reply_bytes(struct call *call, struct view content_type, struct buf *body_take)
{
    buf_free(&call->reply);
    buf_swap(&call->reply, body_take);
    call->content_type = arena_copy(call->arena, content_type);
    call->reply_started = false;
}

void call_reply_header(struct call *call, const char *name, struct view value)
{
    if (call->header_count == REPLY_HEADERS)
        return;
    call->headers[call->header_count++] =
        (struct http_header){ arena_copy(call->arena, view_from_cstr(name)), arena_copy(call->arena, value) };
}

void call_reply_status(struct call *call, int status)
{
    call->status = status;
}

void call_set_error(struct call *call, enum aws_status status, const char *text)
{
    call->error = status;
    call->message = text != NULL ? arena_copy(call->arena, view_from_cstr(text)) : VIEW("");
}

enum aws_status call_fail(struct call *call, enum aws_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    call->error = status;
    call->message = view_from_cstr(arena_vprintf(call->arena, format, args));
    va_end(args);
    return status;
}

void call_fail_member(struct call *call, const char *name, struct view value)
{
    if (call->fail_member_count == FAIL_MEMBERS)
        return;
    call->fail_members[call->fail_member_count++] =
        (struct http_header){ arena_copy(call->arena, view_from_cstr(name)), arena_copy(call->arena, value) };
}

static void write_error_body(struct call *call)
{
    const struct error_reply error = { call->error, call->message, call_request_id(call), call->fail_members, call->fail_member_count };
    protocol_write_error(call->service, &error, &call->reply);
}

/* A reply that could not be written whole is never sent in part. */
static void settle_reply(struct call *call)
{
    bool broken = buf_failed(&call->reply) || (call->reply_started && json_writer_failed(&call->writer));
    if (call->error == AWS_OK && !broken && call->reply.len == 0 && call->content_type.ptr == NULL)
        buf_append_cstr(&call->reply, "{}");
    if (call->error == AWS_OK && !broken && call->service->protocol == AWS_QUERY)
        broken = !protocol_write_xml(call->operation, buf_view(&call->reply), call_request_id(call), call->arena, &call->reply);
    if (call->error == AWS_OK && (broken || buf_failed(&call->reply)))
        call_set_error(call, AWS_INTERNAL_SERVER, NO_MEMORY);
}

void call_send(struct call *call)
{
    settle_reply(call);
    struct http_header headers[REPLY_HEADERS + 3];
    size_t count = 0;
    bool failed = call->error != AWS_OK;
    struct http_response response = { .headers = headers };
    if (failed) {
        write_error_body(call);
        response.status = aws_status_http(call->service, call->error);
        headers[count++] = (struct http_header){ VIEW("x-amzn-ErrorType"), protocol_error_code(call->service, call->error) };
    } else {
        /* Only a call that found its operation can succeed. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        response.status = call->status != 0 ? call->status : call->operation->status;
    }
    bool usual = failed || call->content_type.ptr == NULL;
    headers[count++] = (struct http_header){ VIEW("Content-Type"), usual ? protocol_media_type(call->service) : call->content_type };
    headers[count++] = (struct http_header){ VIEW("x-amzn-RequestId"), call_request_id(call) };
    memcpy(headers + count, call->headers, call->header_count * sizeof headers[0]);
    response.header_count = count + call->header_count;

    if (!call_gone(call)) {
        call->http_status = response.status;
        call->response_bytes = call->reply.len;
    }
    if (call->internal != NULL)
        internal_call_answer(call, response.status);
    else
        http_respond(call->exchange, &response, &call->reply);
    call_end(call);
}

void call_finish(struct call *call)
{
    if (call->phase == CALL_STREAMING)
        call_stream_end(call);
    else
        call_send(call);
}

void call_fail_later(struct call *call, enum aws_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    call->error = status;
    call->message = view_from_cstr(arena_vprintf(call->arena, format, args));
    va_end(args);
    if (call->phase == CALL_STREAMING)
        call_stream_exception(call, status, call->message.ptr);
    else
        call_send(call);
}

/* ---- the end ---- */

void call_on_gone(struct call *call, void (*on_gone)(struct call *call, void *arg), void *arg)
{
    call->on_gone = on_gone;
    call->on_gone_arg = arg;
}

void call_defer(struct call *call, void (*fn)(void *arg), void *arg)
{
    struct deferred *deferred = ARENA_NEW(call->arena, struct deferred);
    if (deferred == NULL) {                                 /* no call is so large that losing it would not matter */
        fn(arg);
        return;
    }
    *deferred = (struct deferred){ fn, arg, call->deferred };
    call->deferred = deferred;
}

void call_client_gone(struct call *call)
{
    atomic_store_explicit(&call->gone, true, memory_order_relaxed);
    if (call->on_gone != NULL)
        call->on_gone(call, call->on_gone_arg);
}

static void report(struct call *call)
{
    const struct aws_front_options *options = &call->front->options;
    if (options->on_done == NULL)
        return;
    struct call_outcome outcome = {
        .http_status = call->http_status,
        .error = call->error,
        .duration_us = clock_mono_us(call_clock(call)) - call_started_us(call),
        .request_bytes = call->request->body_size,
        .response_bytes = call->response_bytes,
        .gone = call_gone(call),
        .stats = &call->stats,
    };
    options->on_done(options->done_ctx, call, &outcome);
}

void call_end(struct call *call)
{
    call->phase = CALL_ENDED;
    call->front->running--;
    report(call);
    while (call->deferred != NULL) {
        struct deferred *deferred = call->deferred;
        call->deferred = deferred->next;
        deferred->fn(deferred->arg);
    }
    buf_free(&call->reply);
    explicit_bzero(call->signing_key, sizeof call->signing_key);
    if (call->internal != NULL)                             /* the call may be freed here */
        internal_call_end(call->internal);
    else
        http_release(call->exchange);
}
