#include "unit.h"

#include "elastic/limiter.h"

#include <unistd.h>
#include <uv.h>

#define A_MINUTE 60000

struct caller {
    struct limiter_ticket ticket;
    enum limiter_verdict verdict;
    unsigned calls;
};

struct rig {
    struct clock *clock;
    struct loop *loop;
    struct limiter *limiter;
};

static const uint8_t one_pair[LIMITER_KEY] = { 1 }, other_pair[LIMITER_KEY] = { 2 };

static int make_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig->clock = clock_manual_create(1700000000000);
    rig->loop = loop_create(rig->clock, 1);
    rig->limiter = limiter_create(rig->loop);
    assert_non_null(rig->limiter);
    *state = rig;
    return 0;
}

static int drop_rig(void **state)
{
    struct rig *rig = *state;
    loop_destroy(rig->loop);
    limiter_destroy(rig->limiter);
    clock_manual_destroy(rig->clock);
    free(rig);
    return 0;
}

static void called(void *arg, enum limiter_verdict verdict)
{
    struct caller *caller = arg;
    caller->verdict = verdict;
    caller->calls++;
}

static enum limiter_verdict enter(struct rig *rig, const uint8_t *pair, int64_t rate, uint64_t timeout_ms, struct caller *caller)
{
    *caller = (struct caller){ .verdict = LIMITER_WAIT };
    caller->ticket = (struct limiter_ticket){ .called = called, .arg = caller };
    return limiter_enter(rig->limiter, pair, rate, timeout_ms, &caller->ticket);
}

/* Lets the clock go on in steps; the loop looks at a manual clock every real millisecond. */
static void pass(struct rig *rig, int64_t ms)
{
    const int64_t step = ms / 20 > 50 ? ms / 20 : 50;
    for (int64_t gone = 0; gone < ms; gone += step) {
        clock_manual_advance(rig->clock, ms - gone < step ? ms - gone : step);
        for (int i = 0; i < 4; i++) {
            usleep(1000);
            uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);
        }
    }
}

static void the_first_goes_and_the_next_waits_for_a_token(void **state)
{
    struct rig *rig = *state;
    struct caller first, second, third;
    assert_int_equal(enter(rig, one_pair, 240, A_MINUTE, &first), LIMITER_GO);
    assert_int_equal(enter(rig, one_pair, 240, A_MINUTE, &second), LIMITER_WAIT);
    assert_int_equal(enter(rig, one_pair, 240, A_MINUTE, &third), LIMITER_WAIT);
    pass(rig, 200);
    assert_int_equal(second.calls, 0);
    pass(rig, 100);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.verdict, LIMITER_GO);
    assert_int_equal(third.calls, 0);
    pass(rig, 250);
    assert_int_equal(third.calls, 1);
    assert_int_equal(first.calls, 0);
}

static void idle_time_is_worth_one_token(void **state)
{
    struct rig *rig = *state;
    struct caller caller;
    assert_int_equal(enter(rig, one_pair, 60, A_MINUTE, &caller), LIMITER_GO);
    pass(rig, 30000);
    assert_int_equal(enter(rig, one_pair, 60, A_MINUTE, &caller), LIMITER_GO);
    assert_int_equal(enter(rig, one_pair, 60, A_MINUTE, &caller), LIMITER_WAIT);
    limiter_leave(&caller.ticket);
}

static void key_pairs_do_not_disturb_each_other(void **state)
{
    struct rig *rig = *state;
    struct caller caller;
    assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &caller), LIMITER_GO);
    assert_int_equal(enter(rig, other_pair, 1, A_MINUTE, &caller), LIMITER_GO);
}

static void the_first_rate_of_a_group_holds_until_it_is_changed(void **state)
{
    struct rig *rig = *state;
    struct caller first, second;
    assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &first), LIMITER_GO);
    assert_int_equal(enter(rig, one_pair, 6000, 2 * A_MINUTE, &second), LIMITER_WAIT);
    pass(rig, 2000);
    assert_int_equal(second.calls, 0);
    limiter_set_rate(rig->limiter, one_pair, 6000);
    pass(rig, 100);
    assert_int_equal(second.verdict, LIMITER_GO);
}

static void waiting_ends_with_the_timeout(void **state)
{
    struct rig *rig = *state;
    struct caller first, late, patient;
    assert_int_equal(enter(rig, one_pair, 1, 1000, &first), LIMITER_GO);
    assert_int_equal(enter(rig, one_pair, 1, 1000, &late), LIMITER_WAIT);
    assert_int_equal(enter(rig, one_pair, 1, 3 * A_MINUTE, &patient), LIMITER_WAIT);
    pass(rig, 1100);
    assert_int_equal(late.calls, 1);
    assert_int_equal(late.verdict, LIMITER_TIMEOUT);
    assert_int_equal(patient.calls, 0);
    pass(rig, A_MINUTE);
    assert_int_equal(patient.verdict, LIMITER_GO); /* the token that was not taken is the next one's */
    assert_int_equal(late.calls, 1);
}

static void who_leaves_is_not_called(void **state)
{
    struct rig *rig = *state;
    struct caller first, second, third;
    assert_int_equal(enter(rig, one_pair, 60, A_MINUTE, &first), LIMITER_GO);
    assert_int_equal(enter(rig, one_pair, 60, A_MINUTE, &second), LIMITER_WAIT);
    assert_int_equal(enter(rig, one_pair, 60, A_MINUTE, &third), LIMITER_WAIT);
    limiter_leave(&second.ticket);
    limiter_leave(&second.ticket);
    limiter_leave(&first.ticket);
    pass(rig, 1100);
    assert_int_equal(second.calls, 0);
    assert_int_equal(third.verdict, LIMITER_GO);
}

static void the_queue_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct caller *callers = calloc(LIMITER_QUEUE, sizeof(*callers)), extra;
    assert_non_null(callers);
    assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &extra), LIMITER_GO);
    for (size_t i = 0; i < LIMITER_QUEUE; i++)
        assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &callers[i]), LIMITER_WAIT);
    assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &extra), LIMITER_FULL);
    limiter_leave(&callers[7].ticket);
    assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &extra), LIMITER_WAIT);
    limiter_leave(&extra.ticket);
    for (size_t i = 0; i < LIMITER_QUEUE; i++)
        limiter_leave(&callers[i].ticket);
    free(callers);
}

static void a_group_is_forgotten_after_ten_days(void **state)
{
    struct rig *rig = *state;
    struct caller caller;
    assert_int_equal(enter(rig, one_pair, 1, A_MINUTE, &caller), LIMITER_GO);
    clock_manual_advance(rig->clock, 11LL * 24 * 3600 * 1000);
    assert_int_equal(enter(rig, one_pair, 600, A_MINUTE, &caller), LIMITER_GO);
    assert_int_equal(enter(rig, one_pair, 600, A_MINUTE, &caller), LIMITER_WAIT);
    pass(rig, 150);
    assert_int_equal(caller.verdict, LIMITER_GO); /* at the new rate */
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, make_rig, drop_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_first_goes_and_the_next_waits_for_a_token),
        RIG_TEST(idle_time_is_worth_one_token),
        RIG_TEST(key_pairs_do_not_disturb_each_other),
        RIG_TEST(the_first_rate_of_a_group_holds_until_it_is_changed),
        RIG_TEST(waiting_ends_with_the_timeout),
        RIG_TEST(who_leaves_is_not_called),
        RIG_TEST(the_queue_is_bounded),
        RIG_TEST(a_group_is_forgotten_after_ten_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
