#include "worker/scheduler_internal.h"

#include "base/log.h"

#include <stdlib.h>

#define MOVE_MAX_BYTES   (64u << 20)                        /* copying more to close a gap costs more than the gap */
#define BATCH_TIME_SHARE 4                                  /* one part in so many, while live calls run */

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

bool scheduler_has_live(const struct scheduler *scheduler)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        const struct sequence *sequence = scheduler->slots[slot];
        if (sequence != NULL && !is_batch(sequence) && (sequence->state == SEQ_PREFILL || decodes(sequence)))
            return true;
    }
    return false;
}

bool scheduler_batch_turn(const struct scheduler *scheduler)
{
    return !scheduler_has_live(scheduler) || scheduler->batch_us * (BATCH_TIME_SHARE - 1) <= scheduler->live_us;
}

void scheduler_share_time(struct scheduler *scheduler, bool batch, int64_t us)
{
    if (!scheduler_has_live(scheduler))
        scheduler->live_us = scheduler->batch_us = 0;
    else if (batch)
        scheduler->batch_us += us;
    else
        scheduler->live_us += us;
}

static uint32_t running(const struct scheduler *scheduler, bool batch_only)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        const struct sequence *sequence = scheduler->slots[slot];
        count += sequence != NULL && (!batch_only || is_batch(sequence));
    }
    return count;
}

/* ---- slots ---- */

static uint32_t free_slot(const struct scheduler *scheduler)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        if (scheduler->slots[slot] == NULL)
            return slot;
    }
    return scheduler->used;
}

static void shrink(struct scheduler *scheduler)
{
    while (scheduler->used > 0 && scheduler->slots[scheduler->used - 1] == NULL)
        scheduler->used--;
}

/* Copies the cells of `from` into the free slot `to`. */
static bool move_cells(struct scheduler *scheduler, uint32_t from, uint32_t to)
{
    const struct compute_ops *ops = scheduler->compute->ops;
    size_t size;
    if (scheduler->slots[from]->computed == 0)
        return true;
    void *state = ops->save(scheduler->compute, from, &size);
    if (state == NULL)
        return false;
    bool moved = ops->load(scheduler->compute, to, state, size);
    free(state);
    if (moved)
        ops->clear(scheduler->compute, from);
    return moved;
}

/* One pass over the weights serves slots that follow each other, so the last sequence moves into the gap. */
static void close_gap(struct scheduler *scheduler)
{
    shrink(scheduler);
    uint32_t gap = free_slot(scheduler);
    if (gap >= scheduler->used)
        return;
    uint32_t last = scheduler->used - 1;
    struct sequence *sequence = scheduler->slots[last];
    if (sequence->computed * scheduler->compute->token_bytes > MOVE_MAX_BYTES || !move_cells(scheduler, last, gap))
        return;
    scheduler->slots[gap] = sequence;
    scheduler->slots[last] = NULL;
    sequence->slot = gap;
    shrink(scheduler);
}

/* ---- endings ---- */

static void release(struct scheduler *scheduler, struct sequence *sequence)
{
    scheduler->compute->ops->clear(scheduler->compute, sequence->slot);
    scheduler->slots[sequence->slot] = NULL;
    prefill_orphans(scheduler, sequence);
    close_gap(scheduler);
}

void scheduler_retire(struct scheduler *scheduler, struct sequence *sequence)
{
    struct job *job = sequence->job;
    sequence_write_end(sequence, scheduler_now(scheduler));
    scheduler->stats.output_tokens += (uint64_t)sequence->generated;
    release(scheduler, sequence);
    sequence_destroy(sequence);
    scheduler->options.ended(scheduler->options.ctx, job);
}

void scheduler_fail(struct scheduler *scheduler, struct sequence *sequence)
{
    sequence->end.status = ENGINE_MODEL_ERROR;
    sequence->end.message = "The engine could not compute this sequence.";
    scheduler_retire(scheduler, sequence);
}

static void end_queued(struct scheduler *scheduler, struct job *job, enum engine_status status, const char *message)
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
    end_queued(scheduler, job, ENGINE_CANCELLED, NULL);
}

/* ---- admission ---- */

void scheduler_add(struct scheduler *scheduler, struct job *job)
{
    job->state = JOB_QUEUED;
    job->turn.caller = job->request.caller;
    job->turn.priority = job->request.priority;
    fair_push(&scheduler->queue, &job->turn);
}

/* Batch leaves slots to live calls, where there are enough of them to do so. */
static bool batch_may_enter(const struct scheduler *scheduler)
{
    uint32_t slots = scheduler->compute->slots;
    uint32_t most = slots >= 2 * SCHEDULER_LIVE_SLOTS ? slots - SCHEDULER_LIVE_SLOTS : slots;
    return running(scheduler, true) < most;
}

/* Cells for so many tokens of one sequence. */
static bool make_room(struct scheduler *scheduler, size_t tokens)
{
    struct compute *compute = scheduler->compute;
    return tokens <= compute->context || (tokens <= compute->max_context && compute->ops->grow(compute, (uint32_t)tokens));
}

static struct job *next_admitted(struct scheduler *scheduler)
{
    if (free_slot(scheduler) >= scheduler->compute->slots)
        return NULL;
    struct fair_item *item = fair_take(&scheduler->queue, batch_may_enter(scheduler));
    return item == NULL ? NULL : job_of_turn(item);
}

static void admit(struct scheduler *scheduler)
{
    struct job *job;
    while ((job = next_admitted(scheduler)) != NULL) {
        struct sequence *sequence =
            sequence_create(job, scheduler->options.model, scheduler->compute->max_context, scheduler->options.out);
        if (sequence == NULL || !make_room(scheduler, job->token_count + 1)) {
            sequence_destroy(sequence);
            end_queued(scheduler, job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
            continue;
        }
        job->state = JOB_RUNNING;
        sequence->slot = free_slot(scheduler);
        scheduler->slots[sequence->slot] = sequence;
        if (sequence->slot == scheduler->used)
            scheduler->used++;
        prefill_begin(scheduler, sequence);
        scheduler->stats.prompt_tokens += job->token_count;
    }
}

static bool may_admit(const struct scheduler *scheduler)
{
    if (free_slot(scheduler) >= scheduler->compute->slots)
        return false;
    return fair_waiting(&scheduler->queue, PRIORITY_PROVISIONED) || fair_waiting(&scheduler->queue, PRIORITY_ON_DEMAND) ||
           (fair_waiting(&scheduler->queue, PRIORITY_BATCH) && batch_may_enter(scheduler));
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
    for (uint32_t slot = 0; slot < scheduler->used;) {
        struct sequence *sequence = scheduler->slots[slot];
        if (!decodes(sequence) || make_room(scheduler, sequence->computed + 1))
            slot++;
        else
            scheduler_fail(scheduler, sequence);            /* another may have moved into its slot */
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

    /* Only now: retiring moves cells, and logits are valid until the next run. */
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
    if (may_admit(scheduler) || prefill_ready(scheduler))
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

void scheduler_step(struct scheduler *scheduler)
{
    admit(scheduler);
    decode_step(scheduler);
    prefill_step(scheduler);
}

struct scheduler_stats scheduler_stats(const struct scheduler *scheduler)
{
    struct scheduler_stats stats = scheduler->stats;
    stats.running = running(scheduler, false);
    stats.queued = (uint32_t)scheduler->queue.count;
    return stats;
}
