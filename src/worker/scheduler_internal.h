/* worker/scheduler_internal.h - what scheduler.c (who runs), scheduler_slots.c (who has a slot) and scheduler_prefill.c
 * (prompts and prefixes) share. */
#ifndef CRATON_WORKER_SCHEDULER_INTERNAL_H
#define CRATON_WORKER_SCHEDULER_INTERNAL_H

#include "worker/prefix_cache.h"
#include "worker/scheduler.h"
#include "worker/sequence.h"
#include "worker/step_budget.h"

#define MAX_SLOTS 256

struct scheduler {
    struct scheduler_options options;
    struct compute *compute;
    struct prefix_cache *prefixes;
    struct sampler_scratch *scratch;
    struct compute_row *rows;                               /* of one run */
    struct step_budget budget;
    struct fair_queue queue;
    struct sequence *slots[MAX_SLOTS];                      /* the first `used`; NULL: a gap */
    uint32_t used;
    struct sequence *parked[MAX_SLOTS];                     /* batch sequences that made way, in the order in which they go on */
    uint32_t parked_count;
    int64_t live_us, batch_us;                              /* how the time was shared since live calls began to run */
    struct scheduler_stats stats;
};

static inline bool is_batch(const struct sequence *sequence)
{
    return sequence->job->request.priority == PRIORITY_BATCH;
}

static inline int64_t scheduler_now(const struct scheduler *scheduler)
{
    return clock_mono_us(scheduler->options.clock);
}

/* scheduler.c */
bool scheduler_batch_turn(const struct scheduler *scheduler);          /* batch work may run in this step */
bool scheduler_has_live(const struct scheduler *scheduler);
void scheduler_share_time(struct scheduler *scheduler, bool batch, int64_t us);
void scheduler_retire(struct scheduler *scheduler, struct sequence *sequence); /* END is written, the slot is free */
void scheduler_fail(struct scheduler *scheduler, struct sequence *sequence);   /* the engine refused its run */
void scheduler_end_queued(struct scheduler *scheduler, struct job *job, enum engine_status status, const char *message);

/* scheduler_slots.c */
void slots_admit(struct scheduler *scheduler);
bool slots_may_admit(const struct scheduler *scheduler);               /* slots_admit() would find something to do */
void slots_leave(struct scheduler *scheduler, struct sequence *sequence);      /* its cells are gone */
void slots_close_gaps(struct scheduler *scheduler);                    /* one pass over the weights serves slots that follow each other */
bool slots_make_room(struct scheduler *scheduler, size_t tokens);      /* false: no cells for so many tokens in one slot */
uint32_t slots_running(const struct scheduler *scheduler, bool batch_only);

/* scheduler_prefill.c */
void prefill_begin(struct scheduler *scheduler, struct sequence *sequence);    /* it has a slot: restore or wait for a prefix */
void prefill_orphans(struct scheduler *scheduler, const struct sequence *leader);  /* leader is gone: who waited for it? */
bool prefill_ready(const struct scheduler *scheduler);
void prefill_step(struct scheduler *scheduler);

#endif
