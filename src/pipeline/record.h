/* pipeline/record.h - pipelines and their rows as records of the store.
 *
 *     kind            account, region     id                state     order
 *     pipeline        the creator's       name              "" | "deleting"
 *     pipeline-bucket none                bucket                               one pipeline alone feeds on a bucket
 *     pipeline-row    the pipeline's      SUFFIX/ROW        status    ROW_BY_STATUS, ROW_BY_TURN
 *
 * SUFFIX names one life of a pipeline: one that is deleted and made again under the same name has other rows. ROW is a digest of
 * the suffix, the key and the object's id, so that the same upload always means the same row, whoever notices it how often.
 *
 * Pure functions, but for those that take a store: these block. What is read points into the record or lives in the arena.
 */
#ifndef CRATON_PIPELINE_RECORD_H
#define CRATON_PIPELINE_RECORD_H

#include "aws/credentials.h"
#include "base/json.h"
#include "store/store.h"

#define PIPELINE_KIND        "pipeline"
#define PIPELINE_BUCKET_KIND "pipeline-bucket"
#define PIPELINE_ROW_KIND    "pipeline-row"

#define PIPELINE_INPUT       "to-process/"
#define PIPELINE_OUTPUT      "processed/"
#define PIPELINE_SUFFIX_SIZE 12
#define PIPELINE_ROW_ID_SIZE 32                             /* lower-case hexadecimal */

struct pipeline {
    struct view account, region, name;
    uint64_t version;
    bool deleting;
    struct view suffix;
    struct view model_id, role_arn, bucket;
    struct principal principal;                             /* of the creator: its jobs are submitted in this name */
    int64_t created_ms;
    struct view problem;                                    /* why its bucket cannot be read at present; empty: it can */
};

/* The name of its table: "nightly-DynamoDBTable-1Q2W3E4R5T6Y". NULL: out of memory. */
struct view pipeline_table_name(const struct pipeline *pipeline, struct arena *arena);
struct view pipeline_arn(const struct pipeline *pipeline, struct arena *arena);

bool pipeline_write_record(const struct pipeline *pipeline, struct arena *arena, struct store_record *out);
bool pipeline_read_record(const struct store_record *record, struct arena *arena, struct pipeline *out);

enum store_status pipeline_load(struct store *store, struct arena *arena, struct view account, struct view region, struct view name,
                                struct pipeline *out);

/* ---- rows ---- */

/* PENDING waits for a slot; the others are what batch inference calls the row's job. */
enum row_status {
    ROW_PENDING,
    ROW_SUBMITTED,
    ROW_VALIDATING,
    ROW_SCHEDULED,
    ROW_IN_PROGRESS,
    ROW_STOPPING,
    ROW_COMPLETED,
    ROW_PARTIALLY_COMPLETED,
    ROW_FAILED,
    ROW_STOPPED,
    ROW_EXPIRED,
    ROW_STATUSES
};
struct view row_status_name(enum row_status status);        /* "InProgress" */
bool row_status_parse(struct view name, enum row_status *out);
bool row_status_is_active(enum row_status status);          /* its job holds a slot */

/* Where a Pending row stands in the queue.
 *
 *   READY ────► SUBMITTING ────► (a job: no longer Pending)
 *     ▲   no slot   │   ▲                 │ failed for a passing reason
 *     └─────────────┤   │                 │
 *                   └─► RETRY ◄───────────┘
 */
enum row_turn { TURN_NONE, TURN_READY, TURN_SUBMITTING, TURN_RETRY };

struct row_counts {
    int64_t total, processed, success, error;               /* -1: not known */
};

struct row {
    struct view account, region, suffix;                    /* of its pipeline */
    uint64_t version;
    struct view id;
    struct view key, object_id;                             /* the file */
    enum row_status status;
    enum row_turn turn;                                     /* TURN_NONE unless Pending */
    unsigned attempts;                                      /* submissions begun */
    unsigned job_number;                                    /* jobs of this row that failed before: names the present one */
    int64_t created_ms;                                     /* when the file was put */
    int64_t retry_ms;                                       /* TURN_RETRY: when its turn comes again */
    int64_t submitted_ms, started_ms, finished_ms;          /* 0: not yet */
    struct view job_name, job_arn;                          /* of the latest attempt; may be empty */
    struct view error;                                      /* of the latest failure; may be empty */
    struct row_counts counts;
};

/* A new row for this upload: Pending, ready, at no attempt. id is written into the arena. */
bool row_init(const struct pipeline *pipeline, struct arena *arena, struct view key, struct view object_id, int64_t put_ms,
              struct row *out);

bool row_write_record(const struct row *row, struct arena *arena, struct store_record *out);
bool row_read_record(const struct store_record *record, struct arena *arena, struct row *out);

/* The file, and the folder where the results are to be or, once there is a job, where they lie. */
struct view row_input_uri(const struct pipeline *pipeline, const struct row *row, struct arena *arena);
struct view row_output_uri(const struct pipeline *pipeline, const struct row *row, struct arena *arena);

/* The name and the token of the row's present job, the same however often it is submitted. */
struct view row_job_name(const struct pipeline *pipeline, const struct row *row, struct arena *arena);
struct view row_token(const struct row *row, struct arena *arena);

struct store_key row_key(const struct pipeline *pipeline, struct arena *arena, struct view row_id);

/* ---- orders ---- */

enum { ROW_BY_STATUS, ROW_BY_TURN };                        /* indexes of the records */

/* Prepares a scan over a pipeline's rows: all by id; of one status by the time of their files; or of one turn, the next first. */
bool row_scan_all(const struct pipeline *pipeline, struct arena *arena, struct store_scan *out);
bool row_scan_status(const struct pipeline *pipeline, struct arena *arena, enum row_status status, struct store_scan *out);
bool row_scan_turn(const struct pipeline *pipeline, struct arena *arena, enum row_turn turn, struct store_scan *out);
/* The rows of TURN_RETRY whose time has come, and those whose time comes later. */
bool row_scan_retries(const struct pipeline *pipeline, struct arena *arena, int64_t now_ms, struct store_scan *due,
                      struct store_scan *later);

/* Bounds of ROW_BY_STATUS for files put from a time on, or before one: "…/Pending/2025-01-02T03:04:05.000Z". */
struct view row_status_bound(const struct pipeline *pipeline, struct arena *arena, enum row_status status, struct view created_at);

#endif
