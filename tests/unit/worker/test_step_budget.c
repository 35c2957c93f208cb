#include "worker/step_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

/* A machine that takes quantum_us for a piece and decode_us for a decode step, known long enough to have been learned. */
static struct step_budget learned(int64_t quantum_us, int64_t decode_us)
{
    struct step_budget budget;
    step_budget_init(&budget, 40000);
    for (int i = 0; i < 100; i++) {
        step_budget_learn_prefill(&budget, STEP_QUANTUM, quantum_us);
        step_budget_learn_decode(&budget, decode_us);
    }
    return budget;
}

static void pieces_fill_what_the_decode_step_leaves_of_the_target(void **state)
{
    (void)state;
    struct step_budget budget = learned(5000, 9000);
    assert_int_equal(step_budget_take(&budget, STEP_STREAMING, 512), 6 * STEP_QUANTUM);
}

static void amount_is_a_multiple_of_the_quantum_within_the_maximum(void **state)
{
    (void)state;
    struct step_budget budget = learned(100, 100);
    assert_int_equal(step_budget_take(&budget, STEP_STREAMING, 512), 512);
    assert_int_equal(step_budget_take(&budget, STEP_STREAMING, 500), 448);
    assert_int_equal(step_budget_take(&budget, STEP_IDLE, 500), 448);
}

static void slow_machine_saves_up_for_a_piece_and_streams_keep_half_of_the_time(void **state)
{
    (void)state;
    struct step_budget budget = learned(160000, 80000);
    size_t tokens = 0;
    for (int step = 0; step < 100; step++) {
        size_t got = step_budget_take(&budget, STEP_STREAMING, 512);
        assert_true(got == 0 || got == STEP_QUANTUM);       /* never a burst of several */
        tokens += got;
    }
    assert_int_equal(tokens, 50 * STEP_QUANTUM);            /* as much as 100 * 80 ms, by 160 ms */
}

static void prompt_comes_forward_even_when_decode_steps_pass_the_target(void **state)
{
    (void)state;
    struct step_budget budget = learned(10000, 1000000);
    assert_true(step_budget_take(&budget, STEP_STREAMING, 512) > 0);
}

static void idle_worker_takes_more_at_once_than_one_with_background_work(void **state)
{
    (void)state;
    struct step_budget budget = learned(39000, 1000);
    assert_int_equal(step_budget_take(&budget, STEP_IDLE, 512), 6 * STEP_QUANTUM);
    assert_int_equal(step_budget_take(&budget, STEP_BACKGROUND, 512), STEP_QUANTUM);
}

static void slowest_machine_still_gets_one_piece_when_nobody_streams(void **state)
{
    (void)state;
    struct step_budget budget = learned(9000000, 1000);
    assert_int_equal(step_budget_take(&budget, STEP_IDLE, 512), STEP_QUANTUM);
    assert_int_equal(step_budget_take(&budget, STEP_BACKGROUND, 512), STEP_QUANTUM);
}

static void short_tails_do_not_spoil_what_was_learned(void **state)
{
    (void)state;
    struct step_budget budget = learned(5000, 5000);
    for (int i = 0; i < 100; i++)
        step_budget_learn_prefill(&budget, 1, 5000);
    assert_true(budget.quantum_us < 5001 && budget.quantum_us > 4999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_fill_what_the_decode_step_leaves_of_the_target),
        cmocka_unit_test(amount_is_a_multiple_of_the_quantum_within_the_maximum),
        cmocka_unit_test(slow_machine_saves_up_for_a_piece_and_streams_keep_half_of_the_time),
        cmocka_unit_test(prompt_comes_forward_even_when_decode_steps_pass_the_target),
        cmocka_unit_test(idle_worker_takes_more_at_once_than_one_with_background_work),
        cmocka_unit_test(slowest_machine_still_gets_one_piece_when_nobody_streams),
        cmocka_unit_test(short_tails_do_not_spoil_what_was_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
