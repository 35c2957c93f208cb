#include "worker/scheduler_internal.h"

#include "base/log.h"

#include <stdlib.h>

#define BATCH_TIME_SHARE 4                                  /* one part in so many, while live calls run ... */
#define BATCH_WAIT_SHARE 16                                 /* ... and while one of them waits for its first token */

/* ---- creation ---- */

struct scheduler *scheduler_create(const struct scheduler_options *options)
{
    struct scheduler *scheduler = calloc(1, sizeof(*scheduler));
    if (scheduler == NULL)
        return NULL;
    struct compute *compute = options->model->compute;
    scheduler->options = *options;
    scheduler->compute = compute;
    scheduler->prefixes = prefix_cache_create(options->model->options.cache_bytes);
    scheduler->scratch = sampler_scratch_create(compute->vocabulary);
    scheduler->rows = calloc(compute->max_rows, sizeof(*scheduler->rows));
    step_budget_init(&scheduler->budget, SCHEDULER_STEP_US);
    fair_init(&scheduler->queue);
    if (scheduler->prefixes == NULL || scheduler->scratch == NULL || scheduler->rows == NULL) {
        scheduler_destroy(scheduler);
        return NULL;
    }
    return scheduler;
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    for (uint32_t slot = 0; slot < scheduler->used; slot++)
        sequence_destroy(scheduler->slots[slot]);
    for (uint32_t i = 0; i < scheduler->parked_count; i++)
        sequence_destroy(scheduler->parked[i]);
    prefix_cache_destroy(scheduler->prefixes);
    sampler_scratch_destroy(scheduler->scratch);
    free(scheduler->rows);
    free(scheduler);
}

/* ---- who is there ---- */

static bool decodes(const struct sequence *sequence)
{
    return sequence != NULL && sequence->state == SEQ_DECODE && sequence->job->credit > 0;
}

static bool waits_for_first_token(const struct sequence *sequence)
{
    return sequence != NULL && sequence->state == SEQ_PREFILL;
}

static bool has_live(const struct scheduler *scheduler, bool (*wanted)(const struct sequence *sequence))
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        const struct sequence *sequence = scheduler->slots[slot];
        if (wanted(sequence) && !is_batch(sequence))
            return true;
    }
    return false;
}

bool scheduler_has_live(const struct scheduler *scheduler)
{
    return has_live(scheduler, waits_for_first_token) || has_live(scheduler, decodes);
}

bool scheduler_batch_turn(const struct scheduler *scheduler)
{
    int64_t share = has_live(scheduler, waits_for_first_token) ? BATCH_WAIT_SHARE : BATCH_TIME_SHARE;
    return !scheduler_has_live(scheduler) || scheduler->batch_us * (share - 1) <= scheduler->live_us;
}

void scheduler_share_time(struct scheduler *scheduler, bool batch, int64_t us)
{
    if (!scheduler_has_live(scheduler)) {
        scheduler->live_us = 0;
        scheduler->batch_us = SCHEDULER_STEP_US;            /* who comes next has the first steps to itself */
    } else if (batch)
        scheduler->batch_us += us;
    else
        scheduler->live_us += us;
}

/* ---- endings ---- */

void scheduler_retire(struct scheduler *scheduler, struct sequence *sequence)
{
    struct job *job = sequence->job;
    sequence_write_end(sequence, scheduler_now(scheduler));
    scheduler->stats.output_tokens += (uint64_t)sequence->generated;
    slots_leave(scheduler, sequence);
    sequence_destroy(sequence);
    scheduler->options.ended(scheduler->options.ctx, job);
}

void scheduler_fail(struct scheduler *scheduler, struct sequence *sequence)
{
    sequence->end.status = ENGINE_MODEL_ERROR;
    sequence->end.message = "The engine could not compute this sequence.";
    scheduler_retire(scheduler, sequence);
}

void scheduler_end_queued(struct scheduler *scheduler, struct job *job, enum engine_status status, const char *message)
{
    job_write_end(scheduler->options.out, job, status, message, scheduler_now(scheduler));
    scheduler->options.ended(scheduler->options.ctx, job);
}

static struct sequence *sequence_of(const struct scheduler *scheduler, const struct job *job)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        if (scheduler->slots[slot] != NULL && scheduler->slots[slot]->job == job)
            return scheduler->slots[slot];
    }
    for (uint32_t i = 0; i < scheduler->parked_count; i++) {
        if (scheduler->parked[i]->job == job)
            return scheduler->parked[i];
    }
    return NULL;
}

void scheduler_cancel(struct scheduler *scheduler, struct job *job)
{
    struct sequence *sequence = sequence_of(scheduler, job);
    if (sequence != NULL) {
        sequence->end.status = ENGINE_CANCELLED;
        scheduler_retire(scheduler, sequence);
        return;
    }
    fair_remove(&scheduler->queue, &job->turn);
    scheduler_end_queued(scheduler, job, ENGINE_CANCELLED, NULL);
}

void scheduler_add(struct scheduler *scheduler, struct job *job)
{
    job->state = JOB_QUEUED;
    job->turn.caller = job->request.caller;
    job->turn.priority = job->request.priority;
    fair_push(&scheduler->queue, &job->turn);
}

/* ---- one token for everybody ---- */

static size_t gather_rows(struct scheduler *scheduler, struct sequence *sequences[MAX_SLOTS], bool *batch)
{
    bool batch_turn = scheduler_batch_turn(scheduler);
    size_t count = 0;
    for (uint32_t slot = 0; slot < scheduler->used && count < scheduler->compute->max_rows; slot++) {
        struct sequence *sequence = scheduler->slots[slot];
        if (!decodes(sequence) || (is_batch(sequence) && !batch_turn))
            continue;
        *batch = *batch || is_batch(sequence);
        sequences[count] = sequence;
        scheduler->rows[count++] = (struct compute_row){
            .token = sequence->next,
            .position = (int32_t)sequence->computed,
            .slot = slot,
            .output = true,
        };
    }
    return count;
}

/* A sequence that outgrows its cells gets more, or ends. */
static void make_room_for_next(struct scheduler *scheduler)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        struct sequence *sequence = scheduler->slots[slot];
        if (decodes(sequence) && !slots_make_room(scheduler, sequence->computed + 1))
            scheduler_fail(scheduler, sequence);
    }
}

static void decode_step(struct scheduler *scheduler)
{
    struct sequence *sequences[MAX_SLOTS];
    bool ended[MAX_SLOTS], batch = false;
    make_room_for_next(scheduler);
    size_t count = gather_rows(scheduler, sequences, &batch);
    if (count == 0)
        return;

    int64_t started = scheduler_now(scheduler);
    bool computed = scheduler->compute->ops->run(scheduler->compute, scheduler->rows, count);
    for (size_t i = 0; i < count; i++) {
        sequences[i]->computed++;
        ended[i] = computed && !sequence_take(sequences[i], scheduler->scratch,
                                              scheduler->compute->ops->logits(scheduler->compute, i), started);
    }
    int64_t elapsed = scheduler_now(scheduler) - started;
    step_budget_learn_decode(&scheduler->budget, elapsed);
    scheduler_share_time(scheduler, batch, elapsed);

    /* Only now: the loop above reads the slots' sequences. */
    for (size_t i = 0; i < count; i++) {
        if (!computed)
            scheduler_fail(scheduler, sequences[i]);
        else if (ended[i])
            scheduler_retire(scheduler, sequences[i]);
    }
}

/* ---- the step ---- */

bool scheduler_ready(const struct scheduler *scheduler)
{
    if (slots_may_admit(scheduler) || prefill_ready(scheduler))
        return true;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        if (decodes(scheduler->slots[slot]))
            return true;
    }
    return false;
}

enum priority scheduler_priority(const struct scheduler *scheduler)
{
    enum priority best = PRIORITY_BATCH;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        if (scheduler->slots[slot] != NULL && scheduler->slots[slot]->job->request.priority < best)
            best = scheduler->slots[slot]->job->request.priority;
    }
    for (unsigned priority = 0; priority < (unsigned)best; priority++) {
        if (fair_waiting(&scheduler->queue, (enum priority)priority))
            return (enum priority)priority;
    }
    return best;
}

/* A pass over the weights costs nearly the same for one row as for sixteen, so batch work alone first computes the prompts of all
 * slots, and then tokens for all of them. */
static bool prompts_first(const struct scheduler *scheduler)
{
    return !scheduler_has_live(scheduler) && prefill_ready(scheduler);
}

void scheduler_step(struct scheduler *scheduler)
{
    slots_admit(scheduler);
    slots_close_gaps(scheduler);
    if (!prompts_first(scheduler))
        decode_step(scheduler);
    prefill_step(scheduler);
}

struct scheduler_stats scheduler_stats(const struct scheduler *scheduler)
{
    struct scheduler_stats stats = scheduler->stats;
    stats.running = slots_running(scheduler, false);
    stats.queued = (uint32_t)scheduler->queue.count + scheduler->parked_count;
    return stats;
}
