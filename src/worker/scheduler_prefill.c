/* worker/scheduler_prefill.c - the scheduler's work on prompts: prefixes taken over, waited for and kept, pieces computed. */
#include "worker/scheduler_internal.h"

#include <stdlib.h>

#define STARVED_US 1000000                                  /* a prompt without progress for so long goes before shorter ones */

static size_t whole_quanta(size_t tokens)
{
    return tokens - tokens % STEP_QUANTUM;
}

/* Prefixes are shared inside one account. Adapter and template show in the tokens or will be part of the scope. */
static struct view scope_of(const struct sequence *sequence)
{
    return sequence->job->request.account;
}

/* The last token is always computed, since its logits are wanted. */
static size_t reusable(const struct sequence *sequence)
{
    return whole_quanta(sequence->job->token_count - 1);
}

/* ---- taking over what is there ---- */

static void forget(struct scheduler *scheduler, struct sequence *sequence)
{
    scheduler->compute->ops->clear(scheduler->compute, sequence->slot);
    sequence->computed = sequence->reused = 0;
}

static void restore(struct scheduler *scheduler, struct sequence *sequence)
{
    const struct compute_ops *ops = scheduler->compute->ops;
    struct prefix_hit hit = prefix_find(scheduler->prefixes, scope_of(sequence), sequence->job->tokens, reusable(sequence),
                                        scheduler_now(scheduler));
    if (hit.length <= sequence->computed)
        return;
    if (!ops->load(scheduler->compute, sequence->slot, hit.state, hit.state_size) ||
        (hit.stored > hit.length && !ops->cut(scheduler->compute, sequence->slot, (int32_t)hit.length))) {
        forget(scheduler, sequence);
        return;
    }
    sequence->computed = sequence->reused = hit.length;
}

/* ---- keeping what was computed ---- */

static void keep(struct scheduler *scheduler, struct sequence *sequence)
{
    const struct compute *compute = scheduler->compute;
    struct job *job = sequence->job;
    size_t size;
    if (!compute->can_cut || !prefix_fits(scheduler->prefixes, sequence->computed * compute->token_bytes) ||
        prefix_has(scheduler->prefixes, scope_of(sequence), job->tokens, sequence->computed))
        return;
    void *state = compute->ops->save(scheduler->compute, sequence->slot, &size);
    if (state == NULL)
        return;
    prefix_insert_take(scheduler->prefixes, scope_of(sequence), job->tokens, sequence->computed, state, size,
                       job->keep_count > 0, scheduler_now(scheduler));
    size_t marked = whole_quanta(job->keep_count);
    marked = marked < sequence->computed ? marked : sequence->computed;
    sequence->written = marked > sequence->reused ? marked - sequence->reused : 0;
}

/* A batch record's own words come once: when most of its prompt was known, the rest is not worth the copy. */
static bool likely_wanted_again(const struct sequence *sequence)
{
    return !is_batch(sequence) || sequence->computed > 2 * sequence->reused;
}

/* ---- waiting for a sequence that computes the same ---- */

static size_t agreement(const struct sequence *a, const struct sequence *b)
{
    size_t most = a->job->token_count < b->job->token_count ? a->job->token_count : b->job->token_count;
    size_t same = 0;
    while (same < most && a->job->tokens[same] == b->job->tokens[same])
        same++;
    return whole_quanta(same);
}

static bool same_scope(const struct sequence *a, const struct sequence *b)
{
    return view_eq(scope_of(a), scope_of(b));
}

/* Finds the sequence whose prompt, being computed, has the most to offer beyond what this one has. A live call does not wait for a
 * batch call, which may be made to wait itself. */
static void find_leader(struct scheduler *scheduler, struct sequence *sequence)
{
    size_t best = sequence->computed;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        struct sequence *other = scheduler->slots[slot];
        if (other == NULL || other == sequence || other->state != SEQ_PREFILL || other->leader != NULL ||
            (is_batch(other) && !is_batch(sequence)) || !same_scope(sequence, other))
            continue;
        size_t same = agreement(sequence, other);
        same = same < reusable(sequence) ? same : reusable(sequence);
        if (same > best) {
            best = same;
            sequence->leader = other;
            sequence->awaited = same;
        }
    }
}

static bool is_awaited(const struct scheduler *scheduler, const struct sequence *leader)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        const struct sequence *other = scheduler->slots[slot];
        if (other != NULL && other->leader == leader && other->awaited <= leader->computed)
            return true;
    }
    return false;
}

/* Those who waited for what is now computed take it over; whether or not it could be kept, they go on by themselves. */
static void serve_waiting(struct scheduler *scheduler, struct sequence *leader)
{
    if (!is_awaited(scheduler, leader))
        return;
    keep(scheduler, leader);
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        struct sequence *other = scheduler->slots[slot];
        if (other != NULL && other->leader == leader && other->awaited <= leader->computed) {
            other->leader = NULL;
            restore(scheduler, other);
        }
    }
}

void prefill_orphans(struct scheduler *scheduler, const struct sequence *leader)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        struct sequence *other = scheduler->slots[slot];
        if (other == NULL || other->leader != leader)
            continue;
        other->leader = NULL;
        find_leader(scheduler, other);                      /* the first orphan leads those after it */
    }
}

void prefill_begin(struct scheduler *scheduler, struct sequence *sequence)
{
    sequence->served_us = scheduler_now(scheduler);
    if (!scheduler->compute->can_cut)
        return;
    restore(scheduler, sequence);
    find_leader(scheduler, sequence);
    if (sequence->leader != NULL)
        serve_waiting(scheduler, sequence->leader);
}

/* ---- computing ---- */

static bool wants_prefill(const struct sequence *sequence)
{
    return sequence != NULL && sequence->state == SEQ_PREFILL && sequence->leader == NULL;
}

bool prefill_ready(const struct scheduler *scheduler)
{
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        if (wants_prefill(scheduler->slots[slot]))
            return true;
    }
    return false;
}

static size_t remaining(const struct sequence *sequence)
{
    return sequence->job->token_count - sequence->computed;
}

/* Higher priority first; then those that have waited too long, the longest first; then the one that is soonest done. */
static bool goes_before(const struct sequence *a, const struct sequence *b, int64_t now_us)
{
    if (a->job->request.priority != b->job->request.priority)
        return a->job->request.priority < b->job->request.priority;
    bool a_starved = now_us - a->served_us > STARVED_US, b_starved = now_us - b->served_us > STARVED_US;
    if (a_starved != b_starved)
        return a_starved;
    return a_starved ? a->served_us < b->served_us : remaining(a) < remaining(b);
}

static struct sequence *next_prefill(const struct scheduler *scheduler)
{
    bool batch_turn = scheduler_batch_turn(scheduler);
    int64_t now_us = scheduler_now(scheduler);
    struct sequence *best = NULL;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        struct sequence *sequence = scheduler->slots[slot];
        if (wants_prefill(sequence) && (batch_turn || !is_batch(sequence)) &&
            (best == NULL || goes_before(sequence, best, now_us)))
            best = sequence;
    }
    return best;
}

static enum step_load load_of(const struct scheduler *scheduler)
{
    bool live = false;
    for (uint32_t slot = 0; slot < scheduler->used; slot++) {
        const struct sequence *sequence = scheduler->slots[slot];
        if (sequence == NULL || is_batch(sequence))
            continue;
        if (sequence->state == SEQ_DECODE && sequence->job->credit > 0)
            return STEP_STREAMING;
        live = true;
    }
    return live ? STEP_IDLE : STEP_BACKGROUND;
}

static bool run_piece(struct scheduler *scheduler, const struct sequence *sequence, size_t count)
{
    size_t total = sequence->job->token_count;
    for (size_t i = 0; i < count; i++) {
        scheduler->rows[i] = (struct compute_row){
            .token = sequence->job->tokens[sequence->computed + i],
            .position = (int32_t)(sequence->computed + i),
            .slot = sequence->slot,
            .output = sequence->computed + i + 1 == total,
        };
    }
    return scheduler->compute->ops->run(scheduler->compute, scheduler->rows, count);
}

/* The prompt is computed: its last row's logits give the first token. */
static void begin_answer(struct scheduler *scheduler, struct sequence *sequence, size_t row)
{
    const float *logits = scheduler->compute->ops->logits(scheduler->compute, row);
    scheduler->stats.cached_tokens += sequence->reused;
    if (!sequence_take(sequence, scheduler->scratch, logits, scheduler_now(scheduler)))
        scheduler_retire(scheduler, sequence);
}

/* Computes one piece: whole quanta, or the tail that is shorter than one. */
static void compute_piece(struct scheduler *scheduler, struct sequence *sequence, size_t most)
{
    size_t count = whole_quanta(remaining(sequence));
    count = count < most ? count : most;
    if (count == 0)
        count = remaining(sequence);
    int64_t started = scheduler_now(scheduler);
    bool batch = is_batch(sequence);
    if (!run_piece(scheduler, sequence, count)) {
        scheduler_fail(scheduler, sequence);
        return;
    }
    int64_t ended = scheduler_now(scheduler);
    step_budget_learn_prefill(&scheduler->budget, count, ended - started);
    scheduler_share_time(scheduler, batch, ended - started);

    sequence->computed += count;
    sequence->served_us = ended;
    if (count % STEP_QUANTUM == 0) {
        serve_waiting(scheduler, sequence);
        if (remaining(sequence) < STEP_QUANTUM && likely_wanted_again(sequence))
            keep(scheduler, sequence);
    }
    if (remaining(sequence) == 0)
        begin_answer(scheduler, sequence, count - 1);
}

void prefill_step(struct scheduler *scheduler)
{
    struct sequence *sequence = next_prefill(scheduler);
    if (sequence == NULL)
        return;
    size_t left = step_budget_take(&scheduler->budget, load_of(scheduler), scheduler->compute->max_rows);
    while (left > 0 && sequence != NULL) {
        size_t before = remaining(sequence) > left ? left : remaining(sequence);
        compute_piece(scheduler, sequence, left);
        left -= before < STEP_QUANTUM ? STEP_QUANTUM : whole_quanta(before);
        sequence = next_prefill(scheduler);
    }
}
