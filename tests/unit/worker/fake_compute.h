/* tests: a struct compute without a model. Each slot holds the tokens themselves, and the next token is a function of all tokens
 * before it, so any mix-up of slots, positions or prefixes changes the text. Time passes on a manual clock, by the rows of a run. */
#ifndef CRATON_TESTS_FAKE_COMPUTE_H
#define CRATON_TESTS_FAKE_COMPUTE_H

#include "base/clock.h"
#include "worker/compute.h"

#include <stdbool.h>

#define FAKE_SLOTS   8
#define FAKE_CONTEXT 4096                                   /* after growing; 512 at first */

struct fake_compute {
    struct compute base;
    struct clock *clock;
    llama_token tokens[FAKE_SLOTS][FAKE_CONTEXT];
    size_t counts[FAKE_SLOTS];
    float *logits;                                          /* max_rows rows */
    int64_t row_us, run_us;                                 /* what a run costs */
    bool fails;                                             /* the next run is refused */
    bool broken;                                            /* a row did not continue its slot */
    bool full;                                              /* it cannot grow */
    bool unsaved;                                           /* there is no memory for copies of slots */
    size_t runs, rows, loads, saves, growths;
    size_t decode_passes, decode_runs;                      /* of runs whose rows are all of different slots */
    size_t largest_piece;                                   /* rows of one slot in one run */
};

struct fake_compute *fake_compute_create(int32_t vocabulary, struct clock *clock);
void fake_compute_destroy(struct fake_compute *fake);

/* The token that follows these. Always a plain one. */
llama_token fake_next(const llama_token *tokens, size_t count);

#endif
