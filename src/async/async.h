/* async/async.h - asynchronous invocations: InvokeModel as a job whose answer becomes an object.
 *
 * StartAsyncInvoke puts an invocation on record (async/invocation.h); the runner (src/jobs) makes the call and writes
 *
 *     <s3Uri>/<invocation id>/output.json     what InvokeModel answered
 *     <s3Uri>/<invocation id>/manifest.json   the invocation, its tokens and the files that it has left
 *
 * What fails for a passing reason (no free model, a store of objects that does not answer) is tried again for a while; then the
 * invocation is Failed and says why. A run that was cut off is begun anew by the next one: nothing of it is visible before its end.
 */
#ifndef CRATON_ASYNC_ASYNC_H
#define CRATON_ASYNC_ASYNC_H

#include "aws/internal_call.h"
#include "jobs/jobs.h"
#include "models/registry.h"
#include "objects/objects.h"

struct async;

/* How an invocation reaches the model; internal_call_submit() and internal_call_cancel() outside of tests. */
struct async_caller {
    void *ctx;
    struct internal_call *(*submit)(void *ctx, const struct internal_request *request,
                                    void (*on_done)(void *ctx, const struct internal_answer *answer), void *done_ctx);
    void (*cancel)(void *ctx, struct internal_call *call);
};

struct async_options {
    struct store *store;
    struct objects *objects;
    struct models *models;
    unsigned at_once;                                       /* invocations that run at the same time */
    unsigned active_max;                                    /* of an account and region: InProgress ones */
    int64_t retry_ms;                                       /* how long a passing failure is tried again */
};

struct async *async_create(const struct async_options *options);        /* NULL when out of memory */
void async_destroy(struct async *async);                    /* no run may be left; NULL is fine */
void async_set_caller(struct async *async, const struct async_caller *caller);      /* before jobs_start() */
void async_set_front(struct async *async, struct aws_front *front);     /* the same: calls go through this front */
bool async_join(struct async *async, struct jobs *jobs);    /* makes invocations a type of the runner */

enum aws_status start_async_invoke(struct call *call);
enum aws_status get_async_invoke(struct call *call);
enum aws_status list_async_invokes(struct call *call);

extern const struct handler_row async_handlers[];           /* their context is a struct async; they run in the pool */
extern const size_t async_handler_count;

#endif
