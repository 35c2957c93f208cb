/* worker/llama_compute.h - struct compute over a llama_context.
 *
 * Every slot is a stream of its own (kv_unified is off): a token's attention then runs over its own sequence alone, and where its
 * cells lie does not depend on what other sequences did, so warm and cold runs are equal to the bit. Cells are reserved for all
 * slots at once and touched when they are made, so the context begins small and grows with the first long sequence.
 */
#ifndef CRATON_WORKER_LLAMA_COMPUTE_H
#define CRATON_WORKER_LLAMA_COMPUTE_H

#include "worker/compute.h"
#include "worker/threads.h"

struct llama_compute_options {
    uint32_t context;                                       /* tokens a slot; 0: what the model was trained for */
    uint32_t slots;                                         /* fewer when kv_bytes does not hold them */
    uint64_t kv_bytes;
    unsigned threads;                                       /* at most; the pool has as many */
};

/* The model and the pool must outlive it. NULL: the library refused, which it has logged. */
struct compute *llama_compute_create(struct llama_model *model, struct thread_pool *pool,
                                     const struct llama_compute_options *options);

#endif
