/* worker/job.h - one call from the server, from its arrival to its END.
 *
 *           preparer thread          compute thread
 *   PREPARING ───────────► QUEUED ───────────────► RUNNING ──► gone (END is written, job_destroy)
 *
 * The compute thread makes and destroys jobs. While a job is PREPARING it is the preparer's, and the compute thread touches only
 * `cancelled` and `credit`, which the preparer does not.
 */
#ifndef CRATON_WORKER_JOB_H
#define CRATON_WORKER_JOB_H

#include "engine/wire.h"
#include "worker/chat.h"
#include "worker/fair_queue.h"

enum job_state { JOB_PREPARING, JOB_QUEUED, JOB_RUNNING };

struct window {                                             /* a piece of a text that fits an embedding model */
    size_t text;                                            /* which of the request's texts */
    size_t first, count;                                    /* in the job's tokens */
};

struct job {
    uint32_t stream;
    enum job_state state;
    bool cancelled;
    int64_t credit;                                         /* deltas that may still be sent */
    int64_t arrived_us;
    struct job *next;                                       /* of the preparer's list */
    struct job *bucket_next;                                /* of the table of calls */
    struct fair_item turn;                                  /* while queued */

    struct arena *arena;                                    /* request and texts live here */
    struct view payload;
    struct model_request request;

    enum engine_status status;                              /* other than ENGINE_OK: preparation failed, message says why */
    char message[512];
    llama_token *tokens;                                    /* the prompt; of an embedding: all windows, one after the other */
    size_t token_count;
    size_t keep_count;                                      /* tokens up to the last cache point; 0: there is none */
    struct chat_prompt *prompt;                             /* generation only */
    struct grammar *grammar;                                /* NULL: any text */
    struct window *windows;                                 /* embedding only; in the arena */
    size_t window_count;
    int32_t *text_tokens;                                   /* a count for each text */
    size_t windows_done;
    float *vectors;                                         /* a row for each text, once the first window is done; in the arena */
};

struct job *job_create(uint32_t stream, struct view payload, int64_t now_us);  /* copies payload; NULL when out of memory */
void job_destroy(struct job *job);                          /* NULL is fine */

/* Ends preparation with an error; the message is cut to fit. */
void job_fail(struct job *job, enum engine_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Input tokens of a prepared job: of the prompt, or of all texts. */
int64_t job_input_tokens(const struct job *job);

/* Writes the END of a call that generated nothing; with ENGINE_OK its usage is the input. */
void job_write_end(struct buf *out, const struct job *job, enum engine_status status, const char *message, int64_t now_us);

static inline struct job *job_of_turn(struct fair_item *item)
{
    return (struct job *)((char *)item - offsetof(struct job, turn));
}

#endif
