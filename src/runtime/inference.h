/* runtime/inference.h - one call on its way through the engine: what Converse, InvokeModel and CountTokens share.
 *
 * A door resolves the model, sets its parser and the callbacks it wants and runs it. The inference lives in the call's arena. It
 * answers every failure itself, cancels when the client goes, and holds the model back while the client reads too slowly. All on
 * the loop.
 */
#ifndef CRATON_RUNTIME_INFERENCE_H
#define CRATON_RUNTIME_INFERENCE_H

#include "runtime/converse_write.h"
#include "runtime/runtime.h"

struct inference {
    struct call *call;
    struct model_target target;
    struct model_request request;
    struct engine_call *engine_call;
    bool cache_points;                                      /* the request has some: usage reports the cached part apart */
    enum aws_status parsed;                                 /* what parse returned in the pool */
    bool streamed;                                          /* a frame has gone out: failures are exceptions of the stream */
    const char *error_prefix;                               /* before what the model refuses; "" */

    void *door;                                             /* the door's own state */
    enum aws_status (*parse)(struct inference *inference);  /* fills request, or returns what call_fail() returned */
    void (*on_deltas)(struct inference *inference, const struct gen_delta *deltas, size_t count);
    void (*on_vectors)(struct inference *inference, const struct embed_result *result);
    void (*on_done)(struct inference *inference, const struct engine_end *end);     /* ENGINE_OK: end the call here */
};

/* Resolves the call's modelId. NULL after call_fail(), whose status is in *status. */
struct inference *inference_create(struct call *call, enum aws_status *status);

/* Parses the body and submits. A body of more than 64 KiB is parsed in the pool, so parse may use only the call, the inference and what
 * is immutable. AWS_PENDING, or what call_fail() returned. */
enum aws_status inference_run(struct inference *inference);

/* x-craton-served-by, and the token and latency headers of a whole reply (usage may be NULL before a stream). */
void inference_headers(struct inference *inference, const struct reported_usage *usage, const struct engine_end *end);

/* A streamed frame. Pauses the model when the client reads too slowly. */
void inference_event(struct inference *inference, const char *type, struct view json);

int64_t inference_latency_ms(const struct engine_end *end);
bool request_has_cache_points(const struct generate_request *request);

#endif
