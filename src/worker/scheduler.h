/* worker/scheduler.h - many generations on one model: who gets a slot, and what each step computes.
 *
 * A step is: admit what waits while slots are free; compute one token for every running sequence, in one pass; compute pieces of
 * prompts, as many as the step budget allows. Then the caller flushes the channel, reads it and comes back, so a cancelled
 * sequence is gone, and its cells are free, before the next step.
 *
 * Live calls (provisioned, on demand) and batch calls share the slots and the time. Batch leaves SCHEDULER_LIVE_SLOTS slots to live
 * calls; when these do not suffice, batch sequences make way: they are parked with what was computed, and go on when there is a slot
 * again. One slot stays with batch. While live calls are running batch gets a quarter of the time (a sixteenth while one of them
 * waits for its first token), otherwise all of it; then steps are short, either a piece of a prompt or a token for everybody, so that
 * a live call that comes is soon looked at. It has the first steps to itself.
 *
 * Prompts: a new sequence takes over the longest prefix that the prefix cache has for its account. If another sequence is about to
 * compute more of the same prefix, it waits for that one instead of computing it a second time.
 *
 * Runs on the compute thread. Frames for the server are appended to the buffer given at creation.
 */
#ifndef CRATON_WORKER_SCHEDULER_H
#define CRATON_WORKER_SCHEDULER_H

#include "base/clock.h"
#include "worker/job.h"
#include "worker/model.h"

#define SCHEDULER_LIVE_SLOTS  2                             /* of four slots or more */
#define SCHEDULER_BATCH_SLOTS 1                             /* batch keeps, whoever comes */
#define SCHEDULER_STEP_US     40000

struct scheduler;

struct scheduler_stats {
    uint64_t prompt_tokens, cached_tokens, output_tokens;   /* since the start; prompt_tokens with the cached ones */
    uint32_t running, queued;                               /* queued: with those parked */
};

struct scheduler_options {
    const struct model *model;                              /* must outlive the scheduler; its compute does the work */
    const struct clock *clock;
    struct buf *out;                                        /* the channel's */
    void (*ended)(void *ctx, struct job *job);              /* END has been written: the job is the callee's again */
    void *ctx;
};

struct scheduler *scheduler_create(const struct scheduler_options *options);   /* NULL when out of memory */
void scheduler_destroy(struct scheduler *scheduler);        /* NULL is fine; jobs that it still has are not ended */

/* A prepared job of kind MODEL_GENERATE; the scheduler's until ended(). */
void scheduler_add(struct scheduler *scheduler, struct job *job);
void scheduler_cancel(struct scheduler *scheduler, struct job *job);           /* ended() follows at once */

/* Whether a step would compute anything now: false too when all that runs waits for credit. */
bool scheduler_ready(const struct scheduler *scheduler);
enum priority scheduler_priority(const struct scheduler *scheduler);           /* the highest that waits or runs */
void scheduler_step(struct scheduler *scheduler);

struct scheduler_stats scheduler_stats(const struct scheduler *scheduler);

#endif
