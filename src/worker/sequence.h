/* worker/sequence.h - one generation while it runs: from chosen tokens to the deltas that the caller sees.
 *
 *            admit            first token           last token
 *  QUEUED ─────────► PREFILL ─────────────► DECODE ────────────► gone (its END is written)
 *     │                 │                     │
 *     └────── cancel ───┴───────── cancel ────┴──────────────────► gone (frees its cells at once)
 *
 * QUEUED sequences are still jobs; the scheduler makes a struct sequence on admission. A token's bytes go through the stop matcher
 * and then the chat parser, whose deltas are appended to the channel's buffer: one DELTAS frame a step. Compute thread only.
 */
#ifndef CRATON_WORKER_SEQUENCE_H
#define CRATON_WORKER_SEQUENCE_H

#include "worker/job.h"
#include "worker/model.h"
#include "worker/sampler.h"
#include "worker/stops.h"

enum seq_state { SEQ_PREFILL, SEQ_DECODE };

#define SEQ_MAX_PENDING 64

struct pending_prob {
    llama_token token;
    float logprob, runner_up;
};

struct sequence {
    struct job *job;                                        /* borrowed */
    const struct llama_vocab *vocab;
    struct buf *out;                                        /* borrowed: the channel's */
    enum seq_state state;

    /* The scheduler's bookkeeping. */
    uint32_t slot;
    size_t computed;                                        /* tokens whose cells are in the slot */
    size_t reused;                                          /* of them, from the prefix cache */
    size_t written;                                         /* tokens put into the prefix cache for a cache point */
    int64_t served_us;                                      /* when a piece of its prompt was last computed */
    struct sequence *leader;                                /* computes a prefix that this one waits for; NULL: none */
    size_t awaited;                                         /* how much of it */
    void *parked;                                           /* its cells while it has no slot, from malloc() */
    size_t parked_size;

    /* The answer. */
    llama_token next;                                       /* DECODE: chosen, not yet computed */
    int64_t generated, limit;
    struct sampler *sampler;
    struct chat_parser *parser;
    struct stop_matcher stops;
    struct view *stop_list;                                 /* the caller's, then the template's; in the job's arena */
    size_t caller_stops;
    struct pending_prob pending[SEQ_MAX_PENDING];           /* of tokens whose text has not been sent */
    size_t pending_count;
    bool begun;                                             /* GEN_BEGIN has been written */
    bool frame_open;
    size_t frame;
    struct engine_end end;                                  /* valid once sequence_take() has returned false */
};

/* context: tokens that the slot can hold. NULL when out of memory. */
struct sequence *sequence_create(struct job *job, const struct model *model, uint32_t context, struct buf *out);
void sequence_destroy(struct sequence *sequence);           /* NULL is fine */

/* Chooses the next token from logits and sends what it makes certain. False: the answer is complete, sequence->end says how. */
bool sequence_take(struct sequence *sequence, struct sampler_scratch *scratch, const float *logits, int64_t now_us);

/* Writes sequence->end with its usage and times. */
void sequence_write_end(struct sequence *sequence, int64_t now_us);

#endif
