/* worker/scheduler_slots.c - the scheduler's slots: who enters, who makes way, and how they are kept without gaps. */
#include "worker/scheduler_internal.h"

#include <stdlib.h>

#define MOVE_MAX_BYTES (64u << 20)                          /* copying more to close a gap costs more than the gap */

/* ---- counting ---- */

uint32_t slots_running(const struct scheduler *scheduler, bool batch_only)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        const struct sequence *sequence = scheduler->slots[slot];
        count += sequence != NULL && (!batch_only || is_batch(sequence));
    }
    return count;
}

static uint32_t free_slot(const struct scheduler *scheduler)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        if (scheduler->slots[slot] == NULL)
            return slot;
    }
    return scheduler->used;
}

static bool has_free_slot(const struct scheduler *scheduler)
{
    return free_slot(scheduler) < scheduler->compute->slots;
}

/* Batch leaves slots to live calls, where there are enough of them to do so. */
static bool batch_may_enter(const struct scheduler *scheduler)
{
    uint32_t slots = scheduler->compute->slots;
    uint32_t most = slots >= 2 * SCHEDULER_LIVE_SLOTS ? slots - SCHEDULER_LIVE_SLOTS : slots;
    return slots_running(scheduler, true) < most;
}

static bool live_waits(const struct scheduler *scheduler)
{
    return fair_waiting(&scheduler->queue, PRIORITY_PROVISIONED) || fair_waiting(&scheduler->queue, PRIORITY_ON_DEMAND);
}

/* ---- taking and leaving ---- */

static void take_slot(struct scheduler *scheduler, struct sequence *sequence)
{
    sequence->slot = free_slot(scheduler);
    scheduler->slots[sequence->slot] = sequence;
    if (sequence->slot == scheduler->used)
        scheduler->used++;
}

static void shrink(struct scheduler *scheduler)
{
    while (scheduler->used > 0 && scheduler->slots[scheduler->used - 1] == NULL)
        scheduler->used--;
}

static void leave_slot(struct scheduler *scheduler, struct sequence *sequence)
{
    scheduler->compute->ops->clear(scheduler->compute, sequence->slot);
    scheduler->slots[sequence->slot] = NULL;
    prefill_orphans(scheduler, sequence);
    shrink(scheduler);
}

static bool unpark(struct scheduler *scheduler, const struct sequence *sequence)
{
    for (uint32_t i = 0; i < scheduler->parked_count; i++) {
        if (scheduler->parked[i] != sequence)
            continue;
        scheduler->parked_count--;
        for (; i < scheduler->parked_count; i++)
            scheduler->parked[i] = scheduler->parked[i + 1];
        return true;
    }
    return false;
}

void slots_leave(struct scheduler *scheduler, struct sequence *sequence)
{
    if (!unpark(scheduler, sequence))
        leave_slot(scheduler, sequence);
}

/* ---- gaps ---- */

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

void slots_close_gaps(struct scheduler *scheduler)
{
    for (uint32_t gap = free_slot(scheduler); gap < scheduler->used; gap = free_slot(scheduler)) {
        uint32_t last = scheduler->used - 1;
        struct sequence *sequence = scheduler->slots[last];
        if (sequence->computed * scheduler->compute->token_bytes > MOVE_MAX_BYTES || !move_cells(scheduler, last, gap))
            return;
        scheduler->slots[gap] = sequence;
        scheduler->slots[last] = NULL;
        sequence->slot = gap;
        shrink(scheduler);
    }
}

/* ---- making way ---- */

static bool cheaper_to_park(const struct sequence *a, const struct sequence *b)
{
    if (a->state != b->state)
        return a->state == SEQ_DECODE;                      /* others may wait for the prompt of one that is not there yet */
    return a->computed < b->computed;
}

/* The batch sequence that makes way for a live call; NULL: batch has only its guaranteed slot. */
static struct sequence *next_to_park(const struct scheduler *scheduler)
{
    struct sequence *best = NULL;
    if (slots_running(scheduler, true) <= SCHEDULER_BATCH_SLOTS)
        return NULL;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        struct sequence *sequence = scheduler->slots[slot];
        if (sequence != NULL && is_batch(sequence) && (best == NULL || cheaper_to_park(sequence, best)))
            best = sequence;
    }
    return best;
}

/* Takes a batch sequence out of its slot; what was computed goes with it. */
static bool park(struct scheduler *scheduler)
{
    struct sequence *sequence = next_to_park(scheduler);
    if (sequence == NULL)
        return false;
    if (sequence->computed > 0) {
        sequence->parked = scheduler->compute->ops->save(scheduler->compute, sequence->slot, &sequence->parked_size);
        if (sequence->parked == NULL)
            return false;
    }
    sequence->leader = NULL;
    leave_slot(scheduler, sequence);
    scheduler->parked[scheduler->parked_count++] = sequence;
    return true;
}

/* The one that was parked first goes on where it was. */
static void resume(struct scheduler *scheduler)
{
    struct sequence *sequence = scheduler->parked[0];
    unpark(scheduler, sequence);
    take_slot(scheduler, sequence);
    bool loaded = sequence->parked == NULL ||
                  scheduler->compute->ops->load(scheduler->compute, sequence->slot, sequence->parked, sequence->parked_size);
    free(sequence->parked);
    sequence->parked = NULL;
    if (!loaded)
        scheduler_fail(scheduler, sequence);
    else if (sequence->state == SEQ_PREFILL)
        prefill_begin(scheduler, sequence);
}

/* ---- admission ---- */

/* Cells for so many tokens of one sequence. */
bool slots_make_room(struct scheduler *scheduler, size_t tokens)
{
    struct compute *compute = scheduler->compute;
    return tokens <= compute->context || (tokens <= compute->max_context && compute->ops->grow(compute, (uint32_t)tokens));
}

static void enter(struct scheduler *scheduler, struct job *job)
{
    struct sequence *sequence =
        sequence_create(job, scheduler->options.model, scheduler->compute->max_context, scheduler->options.out);
    if (sequence == NULL || !slots_make_room(scheduler, job->token_count + 1)) {
        sequence_destroy(sequence);
        scheduler_end_queued(scheduler, job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
        return;
    }
    job->state = JOB_RUNNING;
    take_slot(scheduler, sequence);
    prefill_begin(scheduler, sequence);
    scheduler->stats.prompt_tokens += job->token_count;
}

/* Parked sequences come before other batch work, and before live calls where batch has less than its guaranteed slot. */
static bool parked_is_next(const struct scheduler *scheduler)
{
    return scheduler->parked_count > 0 && batch_may_enter(scheduler) &&
           (!live_waits(scheduler) || slots_running(scheduler, true) < SCHEDULER_BATCH_SLOTS);
}

static bool queue_may_enter(const struct scheduler *scheduler)
{
    return live_waits(scheduler) || (fair_waiting(&scheduler->queue, PRIORITY_BATCH) && scheduler->parked_count == 0 &&
                                     batch_may_enter(scheduler));
}

bool slots_may_admit(const struct scheduler *scheduler)
{
    if (has_free_slot(scheduler))
        return parked_is_next(scheduler) || queue_may_enter(scheduler);
    return live_waits(scheduler) && next_to_park(scheduler) != NULL;
}

void slots_admit(struct scheduler *scheduler)
{
    while (slots_may_admit(scheduler)) {
        if (!has_free_slot(scheduler) && !park(scheduler))
            return;
        if (parked_is_next(scheduler)) {
            resume(scheduler);
            continue;
        }
        bool batch_allowed = scheduler->parked_count == 0 && batch_may_enter(scheduler);
        enter(scheduler, job_of_turn(fair_take(&scheduler->queue, batch_allowed)));
    }
}
