/* pipeline/submit.c - which rows become jobs now: the slots of each model, and whose turn it is. */
#include "base/log.h"
#include "pipeline/internal.h"

#include <stdlib.h>

#define SUBMIT_ARENA   (64u << 20)
#define CANDIDATES_MAX 1000

/* ---- slots ---- */

struct model_use {
    struct view model;
    unsigned used;
};

/* The active jobs of one account in one region, by model. */
struct slots {
    struct view account, region;
    struct model_use *models;
    size_t count, capacity;
    bool known;                                             /* false: they could not be counted, so none is free */
};

struct submission {                                         /* one round's */
    struct pipelines *p;
    struct arena *arena;
    struct slots *slots;
    size_t slot_sets;
    struct slots *counting;                                 /* what call_active_jobs() fills now */
    int64_t *again_ms;
};

/* A model may be named by its id or by an ARN that ends with it. */
static struct view model_part(struct view model_id)
{
    for (size_t i = model_id.len; i > 0; i--) {
        if (model_id.ptr[i - 1] == '/')
            return view_from(model_id, i);
    }
    return model_id;
}

/* NULL only when out of memory. */
static struct model_use *model_use(struct submission *s, struct slots *slots, struct view model_id)
{
    struct view model = model_part(model_id);
    for (size_t i = 0; i < slots->count; i++) {
        if (view_eq(slots->models[i].model, model))
            return &slots->models[i];
    }
    if (slots->count == slots->capacity) {
        size_t wanted = slots->capacity == 0 ? 8 : slots->capacity * 2;
        slots->models = arena_resize(s->arena, slots->models, slots->capacity * sizeof(*slots->models), wanted * sizeof(*slots->models));
        if (slots->models == NULL)
            return NULL;
        slots->capacity = wanted;
    }
    slots->models[slots->count] = (struct model_use){ .model = arena_copy(s->arena, model) };
    return &slots->models[slots->count++];
}

static void count_job(void *ctx, struct view model_id)
{
    struct submission *s = ctx;
    struct model_use *use = model_use(s, s->counting, model_id);
    if (use != NULL)
        use->used++;
}

/* Counted when the first pipeline of an account and region asks. */
static struct slots *slots_of(struct submission *s, const struct pipeline *pipeline)
{
    for (size_t i = 0; i < s->slot_sets; i++) {
        if (view_eq(s->slots[i].account, pipeline->account) && view_eq(s->slots[i].region, pipeline->region))
            return &s->slots[i];
    }
    struct slots *slots = s->counting = &s->slots[s->slot_sets++];
    *slots = (struct slots){ .account = pipeline->account, .region = pipeline->region };
    slots->known = call_active_jobs(s->p, pipeline, count_job, s) == AWS_OK && !arena_exhausted(s->arena);
    s->p->troubled |= !slots->known;
    return slots;
}

static bool slot_is_free(struct submission *s, const struct pipeline *pipeline)
{
    struct slots *slots = slots_of(s, pipeline);
    struct model_use *use = slots->known ? model_use(s, slots, pipeline->model_id) : NULL;
    return use != NULL && use->used < s->p->options.slots;
}

static void slot_take(struct submission *s, const struct pipeline *pipeline, bool all)
{
    struct model_use *use = model_use(s, slots_of(s, pipeline), pipeline->model_id);
    if (use != NULL)
        use->used = all ? s->p->options.slots : use->used + 1;
}

/* ---- one row ---- */

/* Only what was put is run: a file that was replaced has another row, one that was deleted is wanted no more. */
static bool file_is_there(struct pipelines *p, const struct pipeline *pipeline, struct row *row, struct arena *arena, bool *hold)
{
    struct object_info info;
    enum object_status status = object_head(p->options.objects, arena, pipeline->bucket, row->key, &info);
    *hold = false;
    if (status == OBJECT_OK && view_eq(info.id, row->object_id))
        return true;
    if (status != OBJECT_OK && object_status_is_passing(status)) {
        *hold = true;
        return false;
    }
    row_fail(p, row, status == OBJECT_OK       ? VIEW("The file was replaced before its turn came: the newer upload has a row of its own.")
                     : status == OBJECT_NO_KEY ? VIEW("The file was deleted before its turn came.")
                                               : view_from_cstr(object_status_text(status)));
    row_save(p, row);
    return false;
}

static void bring_forward(struct submission *s, int64_t ms)
{
    if (ms < *s->again_ms)
        *s->again_ms = ms;
}

/* What was in the way of one row would be in the way of the next. */
static void hold_back(struct submission *s, struct feed *feed, int64_t until_ms)
{
    feed->hold_until_ms = until_ms;
    bring_forward(s, until_ms);
}

static void take_answer(struct submission *s, const struct pipeline *pipeline, struct feed *feed, struct row *row,
                        enum aws_status status, struct view message)
{
    struct pipelines *p = s->p;
    if (status == AWS_OK) {
        row->status = ROW_SUBMITTED;
        row->turn = TURN_NONE;
        row->submitted_ms = store_now_ms(p->options.store);
        row->error = VIEW("");
        slot_take(s, pipeline, false);
    } else if (status == AWS_SERVICE_QUOTA_EXCEEDED) {      /* somebody was faster: this was no attempt */
        row->turn = TURN_READY;
        row->attempts--;
        slot_take(s, pipeline, true);
    } else if (call_error_is_passing(status) && row_may_retry(p, row)) {
        row_postpone(p, row, message);
        hold_back(s, feed, row->retry_ms);
    } else {
        row_fail(p, row, message);
    }
}

/* The row says that it is being submitted before it is, so that a crash between the two steps leaves no job without its row. */
static void submit_row(struct submission *s, const struct pipeline *pipeline, struct feed *feed, struct row *row)
{
    struct pipelines *p = s->p;
    struct view message, job_arn;
    bool again = row->turn == TURN_SUBMITTING, hold;
    if (!again) {
        if (!file_is_there(p, pipeline, row, s->arena, &hold)) {
            if (hold)
                hold_back(s, feed, store_now_ms(p->options.store) + p->options.retry_ms);
            return;
        }
        row->turn = TURN_SUBMITTING;
        row->attempts++;
        row->job_name = row_job_name(pipeline, row, s->arena);
        row->job_arn = VIEW("");
        row->started_ms = row->finished_ms = 0;
        if (!row_save(p, row))
            return;
    }
    enum aws_status status = call_create_job(p, pipeline, row, s->arena, &job_arn, &message);
    if (status != AWS_OK && atomic_load(&p->stopping))
        return;                                             /* nobody knows what became of the call: it is made again */
    if (status == AWS_OK)
        row->job_arn = job_arn;
    take_answer(s, pipeline, feed, row, status, message);
    row_save(p, row);
    log_info("a file of a pipeline was submitted", LOG_VIEW("pipeline", pipeline->name), LOG_VIEW("key", row->key),
             LOG_STR("result", aws_status_name(status)), LOG_VIEW("job", row->job_arn));
}

/* ---- whose turn it is ---- */

struct queue {                                              /* of one pipeline, in this round */
    struct row *rows;
    size_t count, at;
};

/* Reads rows of one turn behind those that are there. */
static bool read_turn(struct submission *s, const struct pipeline *pipeline, struct store_scan *scan, struct queue *queue, size_t limit)
{
    struct store_page page;
    scan->limit = limit;
    if (store_scan(s->p->options.store, s->arena, scan, &page) != STORE_OK)
        return false;
    for (size_t i = 0; i < page.count; i++) {
        if (row_read_record(&page.records[i], s->arena, &queue->rows[queue->count]))
            queue->count++;
        else
            log_error("a row of a pipeline cannot be read", LOG_VIEW("pipeline", pipeline->name), LOG_VIEW("row", page.records[i].key.id));
    }
    return true;
}

/* The next retry that is not due yet brings the next round forward. */
static void note_next_retry(struct submission *s, struct store_scan *later)
{
    struct store_page page;
    struct row row;
    later->limit = 1;
    if (store_scan(s->p->options.store, s->arena, later, &page) == STORE_OK && page.count == 1 &&
        row_read_record(&page.records[0], s->arena, &row))
        bring_forward(s, row.retry_ms);
}

static int older_first(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    if (left->created_ms != right->created_ms)
        return left->created_ms < right->created_ms ? -1 : 1;
    return view_compare(left->key, right->key);
}

/* At most as many rows as there are slots: those that are ready, and those whose retry is due. */
static bool fill_queue(struct submission *s, const struct pipeline *pipeline, struct queue *queue)
{
    size_t limit = s->p->options.slots < CANDIDATES_MAX ? s->p->options.slots : CANDIDATES_MAX;
    struct store_scan ready, due, later;
    *queue = (struct queue){ .rows = ARENA_ARRAY(s->arena, struct row, 2 * limit) };
    if (limit == 0)
        return true;
    if (queue->rows == NULL || !row_scan_turn(pipeline, s->arena, TURN_READY, &ready) ||
        !row_scan_retries(pipeline, s->arena, store_now_ms(s->p->options.store), &due, &later) ||
        !read_turn(s, pipeline, &ready, queue, limit) || !read_turn(s, pipeline, &due, queue, limit))
        return false;
    note_next_retry(s, &later);
    qsort(queue->rows, queue->count, sizeof(*queue->rows), older_first);
    return true;
}

struct interrupted {
    struct submission *s;
    struct feed *feed;
};

static void submit_again(struct pipelines *p, const struct pipeline *pipeline, struct row *row, struct arena *arena, void *ctx)
{
    struct interrupted *interrupted = ctx;
    (void)p;
    (void)arena;
    submit_row(interrupted->s, pipeline, interrupted->feed, row);
}

/* What a crash has left between its two steps goes first: its job may exist, and then holds a slot already. */
static void submit_interrupted(struct submission *s, const struct pipeline *pipeline, struct feed *feed)
{
    struct interrupted interrupted = { s, feed };
    struct store_scan scan;
    if (row_scan_turn(pipeline, s->arena, TURN_SUBMITTING, &scan))
        rows_visit(s->p, pipeline, &scan, submit_again, &interrupted);
}

static bool on_hold(struct submission *s, const struct feed *feed)
{
    if (store_now_ms(s->p->options.store) >= feed->hold_until_ms)
        return false;
    bring_forward(s, feed->hold_until_ms);
    return true;
}

/* One row each, so that a pipeline with many files does not take all slots of a model from one with few. */
static bool take_turns(struct submission *s, const struct fed_pipeline *list, struct queue *queues, size_t count)
{
    bool progress = false;
    for (size_t i = 0; i < count && !atomic_load(&s->p->stopping); i++) {
        size_t at = (i + s->p->rounds) % count;
        const struct fed_pipeline *fed = &list[at];
        struct queue *queue = &queues[at];
        if (queue->at == queue->count || on_hold(s, fed->feed) || !slot_is_free(s, &fed->pipeline))
            continue;
        submit_row(s, &fed->pipeline, fed->feed, &queue->rows[queue->at++]);
        progress = true;
    }
    return progress;
}

void submit_rows(struct pipelines *p, const struct fed_pipeline *list, size_t count, int64_t *again_ms)
{
    struct submission s = { .p = p, .arena = arena_create(SUBMIT_ARENA), .again_ms = again_ms };
    struct queue *queues = s.arena != NULL ? ARENA_ARRAY(s.arena, struct queue, count) : NULL;
    s.slots = queues != NULL ? ARENA_ARRAY(s.arena, struct slots, count) : NULL;
    bool ok = s.slots != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        submit_interrupted(&s, &list[i].pipeline, list[i].feed);
        ok = fill_queue(&s, &list[i].pipeline, &queues[i]);
    }
    while (ok && take_turns(&s, list, queues, count))
        continue;
    if (!ok)
        log_warn("files of pipelines could not be submitted in this round");
    p->troubled |= !ok;
    arena_destroy(s.arena);
}
