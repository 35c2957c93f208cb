#include "batch/internal.h"

#include <stdlib.h>

#define RUNS 100                                            /* threads; most wait until they may be in progress */

static const char *const working[] = { "Stopping", "InProgress", "Scheduled", "Validating", "Submitted", NULL };

struct batch *batch_create(const struct batch_options *options)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->options = *options;
    list_init(&batch->waiting);
    pthread_mutex_init(&batch->creating, NULL);
    pthread_mutex_init(&batch->lock, NULL);
    return batch;
}

void batch_destroy(struct batch *batch)
{
    if (batch == NULL)
        return;
    pthread_mutex_destroy(&batch->creating);
    pthread_mutex_destroy(&batch->lock);
    free(batch);
}

void batch_set_caller(struct batch *batch, const struct batch_caller *caller)
{
    batch->caller = *caller;
}

static struct internal_call *submit(void *ctx, const struct internal_request *request,
                                    void (*on_done)(void *ctx, const struct internal_answer *answer), void *done_ctx)
{
    return internal_call_submit(ctx, request, on_done, done_ctx);
}

static void cancel(void *ctx, struct internal_call *call)
{
    (void)ctx;
    internal_call_cancel(call);
}

void batch_set_front(struct batch *batch, struct aws_front *front)
{
    batch_set_caller(batch, &(struct batch_caller){ front, submit, cancel });
}

bool batch_join(struct batch *batch, struct jobs *jobs)
{
    const struct job_type type = { .kind = BATCH_KIND, .working = working, .threads = RUNS, .run = batch_run, .ctx = batch };
    return jobs_add(jobs, &type);
}

/* ---- metrics ---- */

/* The last place is for all models that have none. Under the lock. */
static struct batch_model_counts *counts_of(struct batch *batch, struct view model)
{
    for (size_t i = 0; i < batch->counted_count; i++) {
        if (view_is(model, batch->counted[i].model))
            return &batch->counted[i];
    }
    bool last = batch->counted_count >= BATCH_COUNTED_MODELS - 1;
    struct view name = last || model.len >= sizeof(batch->counted[0].model) ? VIEW("other") : model;
    for (size_t i = 0; i < batch->counted_count; i++) {
        if (view_is(name, batch->counted[i].model))
            return &batch->counted[i];
    }
    struct batch_model_counts *counts = &batch->counted[batch->counted_count++];
    memcpy(counts->model, name.ptr, name.len);
    return counts;
}

void batch_count(struct batch *batch, struct view model, const struct batch_counts *more)
{
    pthread_mutex_lock(&batch->lock);
    struct batch_counts *counts = &counts_of(batch, model)->counts;
    counts->success += more->success;
    counts->error += more->error;
    counts->input_tokens += more->input_tokens;
    counts->output_tokens += more->output_tokens;
    pthread_mutex_unlock(&batch->lock);
}

static void write_counter(struct buf *out, const char *name, const char *model, const char *label, const char *value, uint64_t number)
{
    buf_printf(out, "%s{model=\"%s\",%s=\"%s\"} %llu\n", name, model, label, value, (unsigned long long)number);
}

void batch_write_metrics(struct batch *batch, struct buf *out)
{
    static const char records[] = "craton_batch_records_total", tokens[] = "craton_batch_tokens_total";
    pthread_mutex_lock(&batch->lock);
    buf_printf(out, "# TYPE %s counter\n", records);
    for (size_t i = 0; i < batch->counted_count; i++) {
        const struct batch_model_counts *counted = &batch->counted[i];
        write_counter(out, records, counted->model, "result", "success", counted->counts.success);
        write_counter(out, records, counted->model, "result", "error", counted->counts.error);
    }
    buf_printf(out, "# TYPE %s counter\n", tokens);
    for (size_t i = 0; i < batch->counted_count; i++) {
        const struct batch_model_counts *counted = &batch->counted[i];
        write_counter(out, tokens, counted->model, "direction", "input", counted->counts.input_tokens);
        write_counter(out, tokens, counted->model, "direction", "output", counted->counts.output_tokens);
    }
    buf_printf(out, "# TYPE craton_batch_jobs_active gauge\ncraton_batch_jobs_active %u\n", batch->active);
    buf_printf(out, "# TYPE craton_batch_jobs_running gauge\ncraton_batch_jobs_running %u\n", batch->running);
    pthread_mutex_unlock(&batch->lock);
}
