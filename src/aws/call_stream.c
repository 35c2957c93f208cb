/* Event streams: frames out of events and exceptions. */
#include "aws/call_impl.h"

#include "aws/shape.h"
#include "net/eventstream.h"

#include <ctype.h>

#define PADDING "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

void call_stream_start(struct call *call)
{
    struct http_header headers[REPLY_HEADERS + 2];
    headers[0] = (struct http_header){ VIEW("Content-Type"), VIEW(EVENTSTREAM_CONTENT_TYPE) };
    headers[1] = (struct http_header){ VIEW("x-amzn-RequestId"), call_request_id(call) };
    memcpy(headers + 2, call->headers, call->header_count * sizeof headers[0]);
    struct http_response response = { .status = call->status != 0 ? call->status : call->operation->status, .headers = headers,
                                      .header_count = call->header_count + 2 };
    call->http_status = response.status;
    call->phase = CALL_STREAMING;
    http_start(call->exchange, &response);
}

bool call_stream_started(const struct call *call)
{
    return call->phase == CALL_STREAMING;
}

void call_on_writable(struct call *call, void (*on_writable)(struct call *call, void *arg), void *arg)
{
    call->on_writable = on_writable;
    call->on_writable_arg = arg;
}

static bool send_frame(struct call *call, struct view type_header, struct view type, struct view message_type, struct view payload)
{
    const struct eventstream_header headers[] = {
        { type_header, type },
        { VIEW(":content-type"), VIEW("application/json") },
        { VIEW(":message-type"), message_type },
    };
    struct buf *frame = &call->front->frame;
    buf_clear(frame);
    if (!eventstream_append(frame, headers, sizeof headers / sizeof headers[0], payload)) {
        http_abort(call->exchange);
        return false;
    }
    call->response_bytes += frame->len;
    return http_write(call->exchange, buf_view(frame));
}

/* A small fast generator, seeded from the system's: the length must not be guessable from the text, no more. */
static size_t padding_length(struct aws_front *front)
{
    front->random ^= front->random << 13;
    front->random ^= front->random >> 7;
    front->random ^= front->random << 17;
    return (size_t)(front->random >> 32) % sizeof PADDING;
}

/* The object with a member "p" of random length at its end. */
static struct view padded(struct call *call, struct view payload, char *out, size_t size)
{
    size_t pad = padding_length(call->front);
    size_t need = payload.len + pad + sizeof ",\"p\":\"\"";
    if (payload.len < 2 || payload.ptr[payload.len - 1] != '}' || need > size)
        return payload;
    size_t len = payload.len - 1;
    memcpy(out, payload.ptr, len);
    if (payload.len > 2)
        out[len++] = ',';
    memcpy(out + len, "\"p\":\"", 5);
    memcpy(out + len + 5, PADDING, pad);
    memcpy(out + len + 5 + pad, "\"}", 2);
    return view_of(out, len + 5 + pad + 2);
}

bool call_stream_event(struct call *call, const char *event_type, struct view json_payload)
{
    char room[4096];                                        /* a longer event hides its length well enough */
    if (call->front->options.pad_events)
        json_payload = padded(call, json_payload, room, sizeof room);
    return send_frame(call, VIEW(":event-type"), view_from_cstr(event_type), VIEW("event"), json_payload);
}

static struct view lower_camel(enum aws_status status, char *out, size_t size)
{
    struct view name = view_first(view_from_cstr(aws_status_name(status)), size);
    for (size_t i = 0; i < name.len; i++)
        out[i] = i == 0 ? (char)tolower((unsigned char)name.ptr[i]) : name.ptr[i];
    return view_of(out, name.len);
}

/* What a stream that has no member for an error sends instead. */
static enum aws_status stand_in(enum aws_status status)
{
    switch (status) {
    case AWS_MODEL_ERROR:
    case AWS_MODEL_TIMEOUT:
        return AWS_MODEL_STREAM_ERROR;
    case AWS_MODEL_NOT_READY:
        return AWS_SERVICE_UNAVAILABLE;
    default:
        return AWS_INTERNAL_SERVER;
    }
}

/* "throttlingException", when the stream has such a member. */
static struct view exception_type(struct call *call, enum aws_status status, char *out, size_t size)
{
    const struct shape *stream = shape_event_stream(call->operation->output);
    struct view name = lower_camel(status, out, size);
    if (stream == NULL || shape_member_find(stream, name) != NULL)
        return name;
    name = lower_camel(stand_in(status), out, size);
    return shape_member_find(stream, name) != NULL ? name : VIEW("internalServerException");
}

void call_stream_exception(struct call *call, enum aws_status status, const char *message)
{
    char type[64];
    struct buf payload = BUF_INIT(REPLY_MAX);
    struct json_writer w;
    json_writer_init(&w, &payload);
    json_object(&w);
    json_put_cstr(&w, "message", message != NULL ? message : "");
    for (size_t i = 0; i < call->fail_member_count; i++) {
        json_key_view(&w, call->fail_members[i].name);
        json_write_string(&w, call->fail_members[i].value);
    }
    json_end(&w);
    call->error = status;
    call->message = arena_copy(call->arena, view_from_cstr(message));
    if (!buf_failed(&payload))
        send_frame(call, VIEW(":exception-type"), exception_type(call, status, type, sizeof type), VIEW("exception"),
                   buf_view(&payload));
    buf_free(&payload);
    call_stream_end(call);
}

void call_stream_end(struct call *call)
{
    http_finish(call->exchange);
    call_end(call);
}
