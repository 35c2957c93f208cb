/* batch/job.h - a batch job as it stands in the store.
 *
 * The record's state is the job's status, its index 0 the model while the job is active. The JSON has three parts: what was asked
 * for, in one canonical form, so that the same request under the same token is recognised; who asked; and how far the job is.
 * The first two never change, the last is the runner's alone; others change the status and nothing else.
 */
#ifndef CRATON_BATCH_JOB_H
#define CRATON_BATCH_JOB_H

#include "aws/credentials.h"
#include "base/json.h"
#include "jobs/jobs.h"

#define BATCH_KIND          "model-invocation-job"
#define BATCH_JOB_ID_SIZE   12
#define BATCH_TIMEOUT_HOURS 24                              /* where the request names none */

#define BATCH_STATUSES(X)                          \
    X(SUBMITTED, "Submitted", true)                \
    X(VALIDATING, "Validating", true)              \
    X(SCHEDULED, "Scheduled", true)                \
    X(IN_PROGRESS, "InProgress", true)             \
    X(STOPPING, "Stopping", true)                  \
    X(STOPPED, "Stopped", false)                   \
    X(COMPLETED, "Completed", false)               \
    X(PARTIALLY_COMPLETED, "PartiallyCompleted", false) \
    X(FAILED, "Failed", false)                     \
    X(EXPIRED, "Expired", false)

/*  Submitted ► Validating ► Scheduled ► InProgress ► Completed | PartiallyCompleted (time is over)
 *      │           │            │           │
 *      ├───────────┴────────────┴───────────┴────► Stopping ► Stopped
 *      ├───────────┴────────────┴───────────┴────► Failed
 *      └───────────┴────────────┴────────────────► Expired (time is over)
 */
enum batch_status {
#define X(name, text, active) BATCH_##name,
    BATCH_STATUSES(X)
#undef X
    BATCH_STATUS_COUNT
};

const char *batch_status_name(enum batch_status status);
bool batch_status_parse(struct view text, enum batch_status *out);
bool batch_status_is_active(enum batch_status status);      /* holds a slot of its model */

struct batch_request {                                      /* empty views: not given */
    struct view name, role_arn, model_id;
    struct view input_uri, input_owner;
    struct view output_uri, output_owner;
    bool converse;                                          /* modelInvocationType; else InvokeModel */
    int64_t timeout_hours;
    const struct json *vpc, *tags;
};

struct batch_counts {
    uint64_t total, success, error;                         /* records; total is known once the job is validated */
    uint64_t input_tokens, output_tokens;
};

struct batch_progress {
    struct batch_counts counts;
    struct view message;                                    /* why it failed, or what it waits for */
    int64_t started_ms, ended_ms;                           /* 0: not yet */
    double rate;                                            /* records per second, lately */

    uint64_t files;                                         /* of the input; their list is an object of the job */
    struct {                                                /* where the open window begins */
        uint64_t window;                                    /* windows before it, which are closed */
        uint64_t file, offset, line, record;                /* record counts over all files */
    } at;
    uint64_t segments;                                      /* of the open window */
    bool ending;                                            /* no more records: what is done goes to the output, then the job is … */
    enum batch_status outcome;                              /* … this */
    bool decided;                                           /* the output is written too: what remains is to tidy up */
};

struct batch_job {
    struct store_key key;
    enum batch_status status;
    struct view token;                                      /* clientRequestToken; ptr NULL: none */
    int64_t submitted_ms, changed_ms;
    struct view asked;                                      /* the canonical text of the request */
    struct batch_request request;
    struct principal principal;
    struct batch_progress progress;
};

/* The request of a CreateModelInvocationJob body that has been validated. */
void batch_request_read(const struct json *body, struct batch_request *out);
void batch_request_write(const struct batch_request *request, struct json_writer *out);
struct view batch_request_text(struct arena *arena, const struct batch_request *request);   /* ptr NULL: out of memory */

/* Everything points into the arena, which the record's JSON is read into; the key is borrowed from the record. False: not readable. */
bool batch_job_read(struct arena *arena, const struct store_record *record, struct batch_job *out);

/* The record of the job: state, index and JSON. The key, the token and the version are the caller's. False: out of memory. */
bool batch_job_write(struct arena *arena, const struct batch_job *job, struct store_record *out);

/* What the slots of a model are counted by: the same for an id and its ARN. Points into the text. */
struct view batch_model_key(struct view model_id);

int64_t batch_job_expires_ms(const struct batch_job *job);
uint64_t batch_counts_done(const struct batch_counts *counts);
struct view batch_job_arn(struct arena *arena, const struct store_key *key);

/* manifest.json.out */
bool batch_write_manifest(struct buf *out, const struct batch_counts *counts);

#endif
