/* aws/front.h - the door for AWS-shaped calls: from an HTTP exchange to a handler and back.
 *
 *   on_headers   route ── handler? ── length ── who is it? (key id, scope, date; or a bearer key)      refuse before the body
 *   on_request   signature over the body ── authorised? ── JSON ── shape ── handler ── reply
 *                └── on the loop up to 64 KiB, in the pool beyond ──┘       └── on the loop or in the pool, as its row says
 *
 * The front joins the generated operations with the handlers that it is given, so what is not given answers 501. It knows no
 * capability, no key and no policy. One front belongs to one loop; everything here is on the loop.
 */
#ifndef CRATON_AWS_FRONT_H
#define CRATON_AWS_FRONT_H

#include "aws/call.h"
#include "aws/credentials.h"
#include "net/http.h"

/* The handlers of one capability and what they share. */
struct handler_set {
    const struct handler_row *rows;
    size_t count;
    void *context;                                          /* call_context() of their calls */
};

/* How a call ended, for the log line and the metrics. */
struct call_outcome {
    int http_status;                                        /* 0: the client went before anything was answered */
    enum aws_status error;                                  /* AWS_OK, or what was answered; in a stream also after its start */
    int64_t duration_us;                                    /* from the first byte of the request to the end of the call */
    uint64_t request_bytes, response_bytes;                 /* of the bodies */
    bool gone;                                              /* the client did not wait for the end */
    const struct call_stats *stats;
};

struct aws_front_options {
    struct loop *loop;
    const struct credentials *credentials;                  /* borrowed */
    const struct handler_set *handlers;                     /* copied; row names are checked */
    size_t handler_count;
    struct view account;                                    /* for ARNs, when the principal has none; copied */
    struct view region;                                     /* when no signature names one; copied */
    uint64_t body_limit;                                    /* bytes, of any operation */
    unsigned json_depth;
    bool pad_events;                                        /* hide the length of streamed text, as Bedrock does */
    /* Called once for each call, when it has ended; call_operation() is NULL where no operation was found. Optional. */
    void (*on_done)(void *ctx, const struct call *call, const struct call_outcome *outcome);
    void *done_ctx;
};

void aws_front_defaults(struct aws_front_options *options);

struct aws_front;
/* NULL with a message in error when a handler names no operation, or two name the same one, or memory is out. */
struct aws_front *aws_front_create(const struct aws_front_options *options, char *error, size_t error_size);
void aws_front_destroy(struct aws_front *front);            /* when no call is running */
unsigned aws_front_running(const struct aws_front *front);  /* calls that have not ended */

/* The front as an HTTP handler. The context of each exchange that it gets (http_set_context) is the front's own. */
const struct http_handler *aws_front_handler(const struct aws_front *front);

bool aws_front_serves(const struct aws_front *front, const struct operation *operation);

#endif
