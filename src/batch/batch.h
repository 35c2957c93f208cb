/* batch/batch.h - batch inference: jobs that put every record of .jsonl objects to a model and write what it answers.
 *
 * The operations make, show and stop records of kind BATCH_KIND (batch/job.h); the runner (src/jobs) works on them:
 *
 *     validate.c   which files, how many records, is each line JSON?          Validating
 *     run.c        the states; windows of records one after the other         Scheduled, InProgress
 *     window.c     one window: records to the model, results into segments
 *     flight.c     the calls that are under way
 *     segments.c   what is on disk of a job that has not ended
 *     output.c     the segments become the output                             … Completed
 *
 * Handlers run in pool threads and block; runs have threads of their own. Everything goes by the store's clock.
 */
#ifndef CRATON_BATCH_BATCH_H
#define CRATON_BATCH_BATCH_H

#include "aws/internal_call.h"
#include "jobs/jobs.h"
#include "models/registry.h"
#include "objects/objects.h"

struct batch;

/* How records reach the model; internal_call_submit() and internal_call_cancel() outside of tests. */
struct batch_caller {
    void *ctx;
    struct internal_call *(*submit)(void *ctx, const struct internal_request *request,
                                    void (*on_done)(void *ctx, const struct internal_answer *answer), void *done_ctx);
    void (*cancel)(void *ctx, struct internal_call *call);
};

struct batch_options {
    struct store *store;
    struct objects *objects;
    struct models *models;
    unsigned jobs_per_model;                                /* active ones */
    unsigned running_jobs;                                  /* in progress at once; others stay Scheduled */
    uint64_t min_records, max_file_records, max_job_records;
    uint64_t max_file_bytes, max_job_bytes;
    size_t max_record_bytes;                                /* of one line */
    unsigned json_depth;
    unsigned in_flight;                                     /* records of one job that are at the model at once */
    int64_t retry_ms;                                       /* how long a record is tried again when the model takes no calls */
};

struct batch *batch_create(const struct batch_options *options);       /* NULL when out of memory */
void batch_destroy(struct batch *batch);                    /* no run and no call may be left; NULL is fine */
void batch_set_caller(struct batch *batch, const struct batch_caller *caller);      /* before jobs_start() */
void batch_set_front(struct batch *batch, struct aws_front *front);    /* the same: records go through this front */
bool batch_join(struct batch *batch, struct jobs *jobs);    /* makes batch jobs a type of the runner */

/* Counters of records and tokens, and gauges of jobs, as Prometheus has it. Any thread, brief. */
void batch_write_metrics(struct batch *batch, struct buf *out);

enum aws_status create_model_invocation_job(struct call *call);
enum aws_status get_model_invocation_job(struct call *call);
enum aws_status list_model_invocation_jobs(struct call *call);
enum aws_status stop_model_invocation_job(struct call *call);

extern const struct handler_row batch_handlers[];           /* their context is a struct batch */
extern const size_t batch_handler_count;

#endif
