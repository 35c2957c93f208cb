/* pipeline/pipeline.h - the queue pipeline: files that are put under to-process/ become batch jobs, whose results land under
 * processed/, as many at once as the model has slots.
 *
 * A pipeline belongs to a bucket and a model. Every .jsonl file of the bucket's to-process/ becomes one row; a row waits (Pending)
 * until its job can be submitted, then shows the job's status and counts. One thread of struct pipelines does all of this, in
 * rounds: notice files, follow jobs, submit. It alone writes rows. A round that was cut off by a crash is done again by the next:
 * what it does outside the store (submitting a job) is repeatable by its token.
 *
 * A round comes every interval, and at once when an object, a job or a pipeline has changed. With immediate off such a change
 * makes rows at once, but jobs are submitted and followed at the interval only.
 */
#ifndef CRATON_PIPELINE_PIPELINE_H
#define CRATON_PIPELINE_PIPELINE_H

#include "aws/front.h"
#include "aws/internal_call.h"
#include "dynamodb/table.h"
#include "models/registry.h"
#include "objects/objects.h"
#include "store/store.h"

/* An operation of batch inference, in the name of a principal; internal_call() of the server's front. */
typedef enum aws_status pipeline_call_fn(void *ctx, const struct internal_request *request, struct arena *arena,
                                         struct internal_answer *answer);

struct pipelines_options {
    struct store *store;
    struct objects *objects;
    struct models *models;                                  /* to refuse what no model serves */
    int64_t interval_ms;
    bool immediate;
    unsigned slots;                                         /* jobs of one model that may be active at once, whoever made them */
    unsigned max_attempts;                                  /* jobs made for one file before it has failed for good */
    int64_t retry_ms;                                       /* before the second attempt; doubled before each further one */
};

struct pipelines;

struct pipelines *pipelines_create(const struct pipelines_options *options);    /* NULL when out of memory */
bool pipelines_start(struct pipelines *pipelines, pipeline_call_fn *call, void *ctx);   /* false: no thread */

/* Asks the thread to return. It may wait for the answer of a call meanwhile, which needs the loop, so stopped() tells when it no
 * longer does: once, from that thread, or at once when there is none. Any thread, also the loop. */
void pipelines_stop(struct pipelines *pipelines, void (*stopped)(void *ctx), void *ctx);
void pipelines_destroy(struct pipelines *pipelines);        /* waits for the thread; NULL is fine */

/* The rows of each pipeline as a table "NAME-DynamoDBTable-…", for the DynamoDB door. Lives as long as the pipelines. */
struct table_source pipelines_tables(struct pipelines *pipelines);

/* CreatePipeline and its kin; their call_context() is a struct pipelines. They run in the pool. */
extern const struct handler_row pipeline_handlers[];
extern const size_t pipeline_handler_count;

#endif
