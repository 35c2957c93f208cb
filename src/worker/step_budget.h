/* worker/step_budget.h - how much prompt may be computed between two decode steps.
 *
 * Running streams must not wait long for their next token, so prompts are computed in pieces. The budget learns what a piece
 * costs and what a decode step costs, and hands out as many pieces as fit what is left of the target. When a decode step alone
 * passes the target, a share of its time is still given to prompts, so that they come forward too; time that is too short
 * for one piece is saved up over steps.
 *
 * A piece is STEP_QUANTUM tokens. Prompts are cut at multiples of it and nowhere else, because only then is the arithmetic of a
 * token the same however many pieces were computed together, and whether or not the ones before came from the prefix cache. (From
 * 64 rows on ggml's attention takes its tiled path, whose rows do not depend on each other.)
 */
#ifndef CRATON_WORKER_STEP_BUDGET_H
#define CRATON_WORKER_STEP_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STEP_QUANTUM 64

struct step_budget {
    int64_t target_us;                                      /* a step should not take longer */
    double quantum_us;                                      /* learned: one piece of prompt; 0: nothing yet */
    double decode_us;                                       /* learned: the last decode steps */
    double saved_us;                                        /* granted to prompts and not used yet */
};

enum step_load {
    STEP_IDLE,                                              /* nobody waits for a token: pieces as large as latency allows */
    STEP_BACKGROUND,                                        /* only batch work: ready to make way, one piece at a time */
    STEP_STREAMING,                                         /* streams are waiting for their next token */
};

void step_budget_init(struct step_budget *budget, int64_t target_us);
void step_budget_learn_decode(struct step_budget *budget, int64_t us);
void step_budget_learn_prefill(struct step_budget *budget, size_t tokens, int64_t us);

/* Tokens of prompt for this step, a multiple of STEP_QUANTUM up to max; 0: not in this step. Under STEP_STREAMING what is handed
 * out is charged. */
size_t step_budget_take(struct step_budget *budget, enum step_load load, size_t max);

#endif
