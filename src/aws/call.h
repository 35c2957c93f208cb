/* aws/call.h - one call of one operation: what a handler sees.
 *
 * A call is made by the server once the request is verified, routed, authorised, bound and validated. A handler named after its
 * operation reads members, writes the reply, and returns AWS_OK, or call_fail(). Most handlers run in pool threads and may block.
 * A handler row marked `on_loop` runs on the event loop, must not block, and may return AWS_PENDING; it then ends the call itself
 * with call_finish(), call_fail_later(), or by streaming (call_stream_*), always on the loop, later or before it returns. The call
 * must not be touched after that.
 *
 * Memory: everything a call hands out lives in its arena until the call has ended. call_retain/call_release are not needed: an
 * AWS_PENDING call lives until it is finished; when its client goes away first, on_gone is called once and the handler must still
 * finish the call (the bytes go nowhere).
 */
#ifndef CRATON_AWS_CALL_H
#define CRATON_AWS_CALL_H

#include "aws/credentials.h"
#include "base/clock.h"
#include "base/json.h"

struct call;

/* ---- what was asked ---- */
const struct operation *call_operation(const struct call *call);
struct arena *call_arena(const struct call *call);
const struct principal *call_principal(const struct call *call);
struct view call_region(const struct call *call);           /* of the signature's scope, else the configured one */
struct view call_request_id(const struct call *call);       /* a UUID */
struct view call_label(const struct call *call, const char *name);      /* decoded; empty when absent */
struct view call_query(const struct call *call, const char *wire_name); /* decoded; empty with NULL ptr when absent */
/* The next value of a query parameter that may repeat (tagKeys); start with *at = 0. False when there is no further one. */
bool call_query_next(const struct call *call, const char *wire_name, size_t *at, struct view *value);
struct view call_header(const struct call *call, const char *lower_case_name);
struct view call_body_bytes(const struct call *call);       /* the payload as sent */
const struct json *call_body(const struct call *call);      /* parsed, when the operation's input has a JSON body; else NULL */
void *call_context(const struct call *call);                /* what the capability needs; set by the server for its row */
const struct clock *call_clock(const struct call *call);
int64_t call_started_us(const struct call *call);
bool call_is_batch(const struct call *call);                /* a batch job's record: its model work yields to live calls */

/* ---- answering with JSON ---- */
struct json_writer *call_reply(struct call *call);          /* the body of the answer */
void call_reply_bytes(struct call *call, struct view content_type, struct buf *body_take);  /* instead of call_reply() */
void call_reply_header(struct call *call, const char *name, struct view value);     /* copied */
void call_reply_status(struct call *call, int status);      /* instead of the operation's */
/* Sets the error and returns status, so that `return call_fail(…)` reads well. */
enum aws_status call_fail(struct call *call, enum aws_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void call_fail_member(struct call *call, const char *name, struct view value);      /* an extra string member of the error body */

/* ---- later, on the loop ---- */
/* In a stream that has started, the first ends it and the second sends an exception before the end. */
void call_finish(struct call *call);                        /* sends the reply that call_reply() or call_reply_bytes() holds */
void call_fail_later(struct call *call, enum aws_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void call_on_gone(struct call *call, void (*on_gone)(struct call *call, void *arg), void *arg);
bool call_gone(const struct call *call);                    /* any thread */

/* Runs fn(arg) when the call has ended, before its arena goes: for what is not in the arena. Last registered, first run. */
void call_defer(struct call *call, void (*fn)(void *arg), void *arg);

/* ---- event streams (operation.event_stream), on the loop ---- */
void call_stream_start(struct call *call);                  /* status and headers go out; then only frames */
bool call_stream_started(const struct call *call);
/* One frame of type event. False when the client reads too slowly: the frame is taken, but wait for on_writable. */
bool call_stream_event(struct call *call, const char *event_type, struct view json_payload);
/* A frame of type exception, named after the stream's union member ("throttlingException"), and ends the stream. An error that the
 * union lacks is sent as its nearest kin: modelStreamErrorException, serviceUnavailableException, else internalServerException.
 * Members set by call_fail_member() go along. */
void call_stream_exception(struct call *call, enum aws_status status, const char *message);
void call_stream_end(struct call *call);
void call_on_writable(struct call *call, void (*on_writable)(struct call *call, void *arg), void *arg);

/* ---- for the log line and the metrics ---- */
struct call_stats {
    struct view model_id;                                   /* as asked */
    struct view served_by;                                  /* the local model, and its layout */
    int64_t input_tokens, output_tokens, cached_tokens;     /* -1: not an inference call */
    int64_t first_token_us;                                 /* from the start of the call; -1: none */
};
struct call_stats *call_stats(struct call *call);

/* ---- joining operations and handlers (src/server) ---- */
typedef enum aws_status handler_fn(struct call *call);

struct handler_row {
    const char *operation;                                  /* "Converse" */
    handler_fn *handler;
    bool on_loop;
};

#endif
