/* pipeline/internal.h - what the files of this folder share: the state of the thread, and the steps of its rounds.
 *
 * All of it belongs to the pipelines' thread, but for what stands under the lock.
 */
#ifndef CRATON_PIPELINE_INTERNAL_H
#define CRATON_PIPELINE_INTERNAL_H

#include "base/list.h"
#include "pipeline/pipeline.h"
#include "pipeline/record.h"

#include <pthread.h>
#include <stdatomic.h>

/* What is remembered of a pipeline from round to round; nothing that a crash must not forget. */
struct feed {
    struct list_link link;
    char suffix[PIPELINE_SUFFIX_SIZE];
    bool seen;                                              /* in the present round; the others are dropped */
    bool listed;                                            /* all its files have been looked at once */
    int64_t next_listing_ms;                                /* of the store's clock: listing many files is not done all the time */
    int64_t hold_until_ms;                                  /* submissions pause: the last one failed for a passing reason */
};

struct fed_pipeline {
    struct pipeline pipeline;                               /* as it was when the round began */
    struct feed *feed;
};

struct pipelines {
    struct pipelines_options options;
    pipeline_call_fn *call;
    void *call_ctx;
    struct list feeds;
    int64_t next_tick_ms;                                   /* when the interval is over; 0: at once */
    size_t rounds;
    bool troubled;                                          /* something failed that may pass: the next tick comes soon */

    struct store_watch *object_watch, *job_watch, *pipeline_watch;
    pthread_t thread;
    bool started;
    atomic_bool stopping;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool files_changed, others_changed;                     /* from here on: under the lock */
    bool ended;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* ---- round.c ---- */

/* Does what is to be done now. Returns when there is something to do again even if nothing changes. */
int64_t pipelines_round(struct pipelines *p, bool files_changed);

/* ---- intake.c: files become rows ---- */

/* Makes the rows that are missing. *again_ms is brought forward when files could not all be looked at now. */
void intake_files(struct pipelines *p, const struct pipeline *pipeline, struct feed *feed, int64_t *again_ms);

/* ---- follow.c: rows show what their jobs do ---- */

void follow_jobs(struct pipelines *p, const struct pipeline *pipeline);

/* ---- submit.c: rows become jobs ---- */

/* All pipelines share the slots of their models, in turns. *again_ms is brought forward to the next retry. */
void submit_rows(struct pipelines *p, const struct fed_pipeline *list, size_t count, int64_t *again_ms);

/* ---- rows.c ---- */

/* Replaces the row's record, and its version in *row. False, after a log line, when that fails: the next round sees to it. */
bool row_save(struct pipelines *p, struct row *row);

bool row_may_retry(const struct pipelines *p, const struct row *row);
void row_postpone(const struct pipelines *p, struct row *row, struct view reason);  /* Pending again, after a while */
void row_fail(const struct pipelines *p, struct row *row, struct view reason);      /* for good */

typedef void row_visit_fn(struct pipelines *p, const struct pipeline *pipeline, struct row *row, struct arena *arena, void *ctx);

/* Visits the rows of a scan, page by page, until all are seen, or limit, or the thread is to stop. False when they cannot be read. */
bool rows_visit(struct pipelines *p, const struct pipeline *pipeline, struct store_scan *scan, row_visit_fn *visit, void *ctx);

/* ---- calls.c: batch inference, by the names of its operations ---- */

struct job_state {
    enum row_status status;
    struct view message;
    struct row_counts counts;
    int64_t start_ms, end_ms;                               /* of its records; 0: not yet */
};

enum aws_status call_create_job(struct pipelines *p, const struct pipeline *pipeline, const struct row *row, struct arena *arena,
                                struct view *job_arn, struct view *message);
enum aws_status call_get_job(struct pipelines *p, const struct pipeline *pipeline, struct view job_arn, struct arena *arena,
                             struct job_state *out, struct view *message);

/* Calls found() for the model of each active job of the pipeline's account and region. */
enum aws_status call_active_jobs(struct pipelines *p, const struct pipeline *pipeline, void (*found)(void *ctx, struct view model_id),
                                 void *ctx);

/* An error that may be gone when the call is made again. */
bool call_error_is_passing(enum aws_status status);

#endif
