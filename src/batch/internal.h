/* batch/internal.h - what the files of this folder share: the capability's state, and one run of one job. */
#ifndef CRATON_BATCH_INTERNAL_H
#define CRATON_BATCH_INTERNAL_H

#include "batch/batch.h"
#include "batch/flight.h"
#include "batch/job.h"
#include "batch/lines.h"
#include "batch/segments.h"
#include "base/list.h"

#include <pthread.h>

#define BATCH_WINDOW_RECORDS 4096
#define BATCH_WINDOW_BYTES   (32u << 20)                    /* of lines; a single longer one still fits */
#define BATCH_SEGMENT_RECORDS 256                           /* results that make a segment, … */
#define BATCH_SEGMENT_BYTES  (8u << 20)                     /* … or their bytes, … */
#define BATCH_SEGMENT_MS     1000                           /* … or the age of the first of them */
#define BATCH_FILES_MAX      100000                         /* of one job's input */
#define BATCH_MESSAGE_MAX    1024

/* ---- what the metrics show ---- */

#define BATCH_COUNTED_MODELS 64                             /* further ones are counted together */

struct batch_model_counts {
    char model[128];
    struct batch_counts counts;
};

struct batch {
    struct batch_options options;
    struct batch_caller caller;
    pthread_mutex_t creating;                               /* from counting a model's jobs to making one more */
    pthread_mutex_t lock;                                   /* of all that follows */
    unsigned running;                                       /* jobs in progress */
    struct list waiting;                                    /* runs that want to be: struct batch_run */
    unsigned active;                                        /* runs, whatever their state */
    struct batch_model_counts counted[BATCH_COUNTED_MODELS];
    size_t counted_count;
};

void batch_count(struct batch *batch, struct view model, const struct batch_counts *more);

/* ---- a run ---- */

/* What is to be done after a step. */
enum course {
    COURSE_ON,
    COURSE_RETURN,                                          /* the server stops, or somebody else has the job */
    COURSE_STOP,                                            /* the job is to be stopped */
    COURSE_LATE,                                            /* its time is over */
    COURSE_FAIL,                                            /* run->failure says why */
};

struct batch_file {                                         /* of the input */
    struct view key;
    struct view id;                                         /* of the object, as it was validated */
    uint64_t size, records;
};

struct batch_run {
    struct batch *batch;
    struct job *job;
    struct arena *arena;                                    /* of the run */
    struct arena *scratch;                                  /* of one step: whoever uses it resets it */
    struct batch_job state;                                 /* as saved last, with what has been done since */
    char failure[BATCH_MESSAGE_MAX];
    char message[BATCH_MESSAGE_MAX];                        /* what state.progress.message points to */
    bool told;                                              /* it is not saved yet */

    struct view input_bucket, input_prefix;                 /* keys of files begin with the prefix; the rest is their name in the output */
    struct view output_bucket, output_prefix;               /* with the job's id and a slash at the end */
    struct batch_file *files;
    size_t file_count;
    struct object_reader *reader;                           /* of files[reader_file] */
    size_t reader_file;

    struct {                                                /* where the window after the open one begins */
        uint64_t file, record;
        struct line_place place;
    } window_end;

    struct list_link link;                                  /* in batch->waiting */
    bool has_slot;
    unsigned in_flight;                                     /* how many records may be: less when the model is busy */
    int64_t slowed_ms;                                      /* when that was made less */
    int64_t saved_ms;                                       /* for the rate */
    uint64_t saved_done;
};

/* Whether something else than work is due now. Cheap; called often. */
enum course run_course(struct batch_run *run);

/* Saves state, and takes over what others have changed. COURSE_ON, or COURSE_RETURN. Waits while the store cannot be written. */
enum course run_save(struct batch_run *run);

/* Sets run->failure and returns COURSE_FAIL. */
enum course run_fail(struct batch_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the job's message, which is saved with the next change; empty takes it away. */
void run_tell(struct batch_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An object could not be read or written, `what` says which. Passing troubles are waited for, with the reason in the job's message:
 * COURSE_ON means try again. */
enum course run_object_trouble(struct batch_run *run, enum object_status status, const char *what, struct view bucket, struct view key);

/* Writes an object of the server's own bucket, however long that takes. */
enum course run_put_own(struct batch_run *run, const char *key, struct view bytes);

/* ---- the steps ---- */

enum course run_validate(struct batch_run *run);            /* validate.c: finds the files and counts their records */
enum course run_load_files(struct batch_run *run);          /* files.c: what validation has found */
enum course run_save_files(struct batch_run *run);
/* The lines of a file from a place on; the source lives as long as the run. */
enum course run_open_file(struct batch_run *run, size_t file, struct line_source *out);
void run_close_file(struct batch_run *run);

enum course run_window(struct batch_run *run);              /* window.c: the records of the open window */
enum course run_close_window(struct batch_run *run);        /* close.c: its results, in order, become one object */
enum course run_write_output(struct batch_run *run);        /* output.c: closed windows become the output */

void batch_run(struct job *job, void *ctx);                 /* run.c */

#endif
