/* worker/embedder.h - many embedding calls on one model.
 *
 * A step fills one run with windows of as many calls as fit, callers in turn, and adds up what comes out. A text's vector is the
 * average of its windows' vectors, weighted by their tokens, and of length 1. Compute thread only.
 */
#ifndef CRATON_WORKER_EMBEDDER_H
#define CRATON_WORKER_EMBEDDER_H

#include "base/clock.h"
#include "worker/job.h"
#include "worker/model.h"

struct embedder;

struct embedder_options {
    const struct model *model;                              /* must outlive the embedder; its encoder does the work */
    const struct clock *clock;
    struct buf *out;                                        /* the channel's */
    void (*ended)(void *ctx, struct job *job);              /* END has been written: the job is the callee's again */
    void *ctx;
};

struct embedder *embedder_create(const struct embedder_options *options);      /* NULL when out of memory */
void embedder_destroy(struct embedder *embedder);           /* NULL is fine */

void embedder_add(struct embedder *embedder, struct job *job);                 /* prepared, of kind MODEL_EMBED */
void embedder_cancel(struct embedder *embedder, struct job *job);              /* ended() follows at once */
bool embedder_ready(const struct embedder *embedder);
enum priority embedder_priority(const struct embedder *embedder);
void embedder_step(struct embedder *embedder);

uint64_t embedder_tokens(const struct embedder *embedder);  /* computed since the start */
size_t embedder_queued(const struct embedder *embedder);

#endif
