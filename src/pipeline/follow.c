#include "base/log.h"
#include "pipeline/internal.h"

/* A job that found fault with its input, before it knew how many records there are, would find it again. Another may succeed where
 * this one ran out of time, or failed on its way: the disk was full, the bucket was not there. */
static bool failure_may_pass(const struct job_state *job)
{
    return job->status == ROW_EXPIRED || (job->status == ROW_FAILED && job->counts.total > 0);
}

static bool same_counts(const struct row_counts *a, const struct row_counts *b)
{
    return a->total == b->total && a->processed == b->processed && a->success == b->success && a->error == b->error;
}

static void finish(const struct pipelines *p, struct row *row, const struct job_state *job)
{
    row->finished_ms = job->end_ms > 0 ? job->end_ms : store_now_ms(p->options.store);
    if (!failure_may_pass(job) || !row_may_retry(p, row))
        return;
    row->job_number++;
    row_postpone(p, row, job->message.len > 0 ? job->message : VIEW("The job ran out of time."));
}

static void show_job(struct pipelines *p, struct row *row, const struct job_state *job)
{
    if (row->status == job->status && same_counts(&row->counts, &job->counts) && view_eq(row->error, job->message))
        return;
    row->status = job->status;
    row->counts = job->counts;
    row->error = job->message;
    row->started_ms = job->start_ms;
    if (!row_status_is_active(job->status))
        finish(p, row, job);
    if (row_save(p, row) && !row_status_is_active(row->status))
        log_info("a file of a pipeline is done", LOG_VIEW("key", row->key), LOG_VIEW("status", row_status_name(row->status)),
                 LOG_VIEW("job", row->job_arn));
}

static void follow_row(struct pipelines *p, const struct pipeline *pipeline, struct row *row, struct arena *arena, void *ctx)
{
    struct job_state job;
    struct view message;
    (void)ctx;
    enum aws_status status = call_get_job(p, pipeline, row->job_arn, arena, &job, &message);
    if (status == AWS_OK) {
        show_job(p, row, &job);
    } else if (status == AWS_RESOURCE_NOT_FOUND) {
        row_fail(p, row, VIEW("The job is gone."));
        row_save(p, row);
    } else if (call_error_is_passing(status)) {
        p->troubled = true;
    } else if (!view_eq(row->error, message)) {
        row->error = message;
        row_save(p, row);
    }
}

void follow_jobs(struct pipelines *p, const struct pipeline *pipeline)
{
    struct arena *arena = arena_create(64u << 10);
    for (int status = ROW_SUBMITTED; arena != NULL && status <= ROW_STOPPING; status++) {
        struct store_scan scan;
        if (row_scan_status(pipeline, arena, (enum row_status)status, &scan))
            rows_visit(p, pipeline, &scan, follow_row, NULL);
    }
    arena_destroy(arena);
}
