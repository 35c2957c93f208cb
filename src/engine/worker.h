/* engine/worker.h - one craton-worker process: its socket, its calls, its share of the cores. Private to worker*.c.
 *
 *    worker.c        the process (process.h) and its life: first words, load, end
 *    worker_calls.c  frames that belong to calls; the local backend
 *    worker_grants.c between the wire and the policy of grants.h
 */
#ifndef CRATON_ENGINE_WORKER_H
#define CRATON_ENGINE_WORKER_H

#include "engine/internal.h"
#include "engine/process.h"

#define WORKER_STREAMS 2048u                                /* calls at once: a power of two */

struct worker {
    struct list_link link;                                  /* engine->workers, until it is freed */
    struct engine *engine;
    struct lane *lane;                                      /* NULL: stopped or lost */
    struct process process;
    bool said_hello;
    struct loop_timer *timer;                               /* for its hello, its load or its end */
    uint64_t memory_bytes;                                  /* once it has no lane */
    struct grant_share share;
    struct engine_call *streams[WORKER_STREAMS];
    uint16_t free_streams[WORKER_STREAMS];                  /* a stack of places in streams */
    unsigned free_count;
    uint32_t generation;                                    /* upper part of the next stream's number */
};

void worker_streams_init(struct worker *worker);
void worker_streams_fail(struct worker *worker);            /* all its calls, when it is lost */
/* False: the frame breaks the protocol. */
bool worker_take_deltas(struct worker *worker, const struct wire_frame *frame);
bool worker_take_vectors(struct worker *worker, const struct wire_frame *frame);
bool worker_take_end(struct worker *worker, const struct wire_frame *frame);
bool worker_take_want(struct worker *worker, const struct wire_frame *frame);
bool worker_take_done(struct worker *worker);
void worker_grants_join(struct worker *worker);
void worker_grants_leave(struct worker *worker);

#endif
