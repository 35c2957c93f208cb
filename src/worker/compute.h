/* worker/compute.h - a text model's arithmetic, as the scheduler sees it: slots that hold sequences, and runs over rows of tokens.
 *
 * A slot is one sequence's own cells. Rows of one run that belong to one slot stand together and continue where the slot ends. A run
 * over several slots is one pass over the weights only when their numbers follow each other without a gap, so the scheduler keeps
 * the slots in use dense. Everything runs on the compute thread. llama_compute.h makes the real one; tests bring their own.
 */
#ifndef CRATON_WORKER_COMPUTE_H
#define CRATON_WORKER_COMPUTE_H

#include <llama.h>

#include <stddef.h>

struct compute_row {
    llama_token token;
    int32_t position;                                       /* in its sequence, from 0 */
    uint32_t slot;
    bool output;                                            /* its logits are wanted */
};

struct compute;

struct compute_ops {
    /* False: the run failed, and what its slots hold is not known any more. */
    bool (*run)(struct compute *compute, const struct compute_row *rows, size_t count);
    /* Of the last run's row with this index, which had output set; vocabulary numbers, valid until the next run. */
    const float *(*logits)(struct compute *compute, size_t row);
    void (*clear)(struct compute *compute, uint32_t slot);
    /* Forgets positions from `from` on. False: this model's memory cannot, and the slot must be cleared. */
    bool (*cut)(struct compute *compute, uint32_t slot, int32_t from);
    /* A copy of what the slot holds, from malloc(), or NULL when out of memory. */
    void *(*save)(struct compute *compute, uint32_t slot, size_t *size);
    /* Makes room for sequences of at least `context` tokens (at most max_context), whatever the slots hold now. False: memory is short,
     * and nothing has changed. */
    bool (*grow)(struct compute *compute, uint32_t context);
    /* Replaces what the slot holds. False: it is empty afterwards. */
    bool (*load)(struct compute *compute, uint32_t slot, const void *state, size_t size);
    void (*set_threads)(struct compute *compute, unsigned threads);
    void (*destroy)(struct compute *compute);
};

struct compute {
    const struct compute_ops *ops;
    int32_t vocabulary;
    uint32_t slots;
    uint32_t context;                                       /* tokens that a slot can hold now */
    uint32_t max_context;                                   /* and after grow() */
    size_t max_rows;                                        /* of one run */
    size_t token_bytes;                                     /* what save() needs for a token, about */
    bool can_cut;                                           /* else prefixes cannot be shared */
};

#endif
