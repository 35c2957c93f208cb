/* aws/internal_call.h - operations called from inside the server: a batch job's records, the pipeline's submissions.
 *
 * The call takes the way of one that came over HTTP: authorised, bound, validated, handled, and answered with the same bytes, only
 * that its caller is known already. So a capability uses another by the name of an operation and by nothing else.
 *
 * internal_call_submit() may be called from any thread; on_done comes once, on the loop, must be brief, and the answer is valid
 * until it returns. What the request points to is copied, but for the body: it must stay until on_done. Calls begin in the order of
 * submission, a few in each turn of the loop, so thousands at once do not hold clients up.
 *
 * A handler that runs in the pool needs a pool thread, so pool threads should not wait for each other in numbers: whoever makes many
 * calls has a thread of its own.
 */
#ifndef CRATON_AWS_INTERNAL_CALL_H
#define CRATON_AWS_INTERNAL_CALL_H

#include "aws/call.h"
#include "aws/front.h"

struct internal_request {
    struct view operation;                                  /* "CreateModelInvocationJob" */
    const struct principal *principal;
    struct view region;
    struct view labels[AWS_MAX_LABELS];                     /* decoded, in the order of operation->labels */
    struct view query;                                      /* as on the wire, without '?' */
    struct view body;
    bool batch;                                             /* model work yields to live calls (PRIORITY_BATCH) */
};

struct internal_answer {
    enum aws_status status;                                 /* AWS_OK, or the error */
    int http_status;
    struct view message;                                    /* of the error */
    struct view body;                                       /* the reply, also of an error */
    const struct call_stats *stats;
};

struct internal_call;

/* NULL when out of memory; then on_done does not come. Operations that answer with a stream of events are refused. */
struct internal_call *internal_call_submit(struct aws_front *front, const struct internal_request *request,
                                           void (*on_done)(void *ctx, const struct internal_answer *answer), void *ctx);

/* Takes the caller away: the call ends as soon as may be, and on_done comes as ever. Any thread, before on_done has returned. */
void internal_call_cancel(struct internal_call *call);

/* Any thread but the loop: waits for the answer, which lives in the arena. */
enum aws_status internal_call(struct aws_front *front, const struct internal_request *request, struct arena *arena,
                              struct internal_answer *answer);

#endif
