#include "worker/step_budget.h"

#define LEARNING_RATE    0.2
#define IDLE_TARGETS     6                                  /* an idle worker's step: still soon over when somebody comes or goes */
#define LEAST_SHARE      1.0                                /* prompts get as much time as decode steps, however slow these are */
#define SAVED_QUANTA     2.0                                /* more is never saved up */

void step_budget_init(struct step_budget *budget, int64_t target_us)
{
    *budget = (struct step_budget){ .target_us = target_us };
}

static double learn(double old, double seen)
{
    return old == 0 ? seen : old + LEARNING_RATE * (seen - old);
}

void step_budget_learn_decode(struct step_budget *budget, int64_t us)
{
    budget->decode_us = learn(budget->decode_us, (double)us);
}

void step_budget_learn_prefill(struct step_budget *budget, size_t tokens, int64_t us)
{
    /* A short tail reads all weights for few tokens and says nothing about a whole piece. */
    if (tokens >= STEP_QUANTUM)
        budget->quantum_us = learn(budget->quantum_us, (double)us * STEP_QUANTUM / (double)tokens);
}

static size_t quanta(double us, double quantum_us, size_t max)
{
    size_t whole_max = max / STEP_QUANTUM;
    if (quantum_us <= 0)
        return whole_max > 0 ? 1 : 0;                       /* nothing learned yet */
    double fit = us / quantum_us;
    return fit >= (double)whole_max ? whole_max : (size_t)fit;
}

static size_t take_streaming(struct step_budget *budget, size_t max)
{
    double left = (double)budget->target_us - budget->decode_us;
    double share = budget->decode_us * LEAST_SHARE;
    budget->saved_us += left > share ? left : share;
    size_t pieces = quanta(budget->saved_us, budget->quantum_us, max);
    budget->saved_us -= (double)pieces * budget->quantum_us;
    if (budget->saved_us > SAVED_QUANTA * budget->quantum_us)
        budget->saved_us = SAVED_QUANTA * budget->quantum_us;
    return pieces * STEP_QUANTUM;
}

size_t step_budget_take(struct step_budget *budget, enum step_load load, size_t max)
{
    if (load == STEP_STREAMING)
        return take_streaming(budget, max);

    budget->saved_us = 0;
    double us = (double)budget->target_us * (load == STEP_IDLE ? IDLE_TARGETS : 1);
    size_t pieces = quanta(us, budget->quantum_us, max);
    return (pieces > 0 ? pieces : 1) * STEP_QUANTUM;
}
