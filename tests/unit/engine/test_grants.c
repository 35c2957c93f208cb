#include "unit.h"

#include "engine/grants.h"

/* The last messages that the policy sent, and to whom. */
static struct grant_share *given_to, *revoked_from;
static unsigned given_threads, gifts;
static bool given_standing;

static struct grants grants;
static struct grant_share chat, batch, embed;

static void on_give(struct grant_share *share, unsigned threads, bool standing)
{
    given_to = share;
    given_threads = threads;
    given_standing = standing;
    gifts++;
    assert_true(grants.running <= grants.cores);
}

static void on_revoke(struct grant_share *share)
{
    revoked_from = share;
}

static int set_up(void **state)
{
    (void)state;
    given_to = revoked_from = NULL;
    gifts = 0;
    grants_init(&grants, 2);
    grants.give = on_give;
    grants.revoke = on_revoke;
    grants_add(&grants, &chat);
    grants_add(&grants, &batch);
    grants_add(&grants, &embed);
    return 0;
}

static bool done(struct grant_share *share, uint64_t now_ms)
{
    bool held = grants_done(&grants, share, now_ms);
    grants_next(&grants, now_ms);
    return held;
}

static void lone_worker_is_granted_in_advance(void **state)
{
    (void)state;
    assert_true(grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 1000));
    assert_ptr_equal(given_to, &chat);
    assert_true(given_standing);
    assert_int_equal(given_threads, 2);
}

static void second_worker_revokes_the_standing_grant_and_waits_for_done(void **state)
{
    (void)state;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 1000);
    grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 1010);
    assert_ptr_equal(revoked_from, &chat);
    assert_ptr_equal(given_to, &chat);                      /* not embed, not yet */
    assert_true(done(&chat, 1020));
    assert_ptr_equal(given_to, &embed);
    assert_false(given_standing);
}

static void equals_take_turns(void **state)
{
    (void)state;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
    for (int turn = 0; turn < 10; turn++) {
        struct grant_share *holder = turn % 2 == 0 ? &chat : &embed, *other = turn % 2 == 0 ? &embed : &chat;
        assert_ptr_equal(given_to, holder);
        grants_want(&grants, other, PRIORITY_ON_DEMAND, 1);
        done(holder, 1);
    }
}

static void worker_that_had_company_lately_has_to_ask_for_each_step(void **state)
{
    (void)state;
    grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 1000);
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 1001);
    done(&embed, 1002);
    assert_false(given_standing);
    done(&chat, 1003);
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 1000 + GRANTS_ALONE_MS - 1);
    assert_false(given_standing);
    done(&chat, 1000 + GRANTS_ALONE_MS);
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 1000 + GRANTS_ALONE_MS);
    assert_true(given_standing);
}

static void better_priority_goes_first_but_batch_gets_its_share(void **state)
{
    (void)state;
    grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 0);
    grants_want(&grants, &batch, PRIORITY_BATCH, 0);
    struct grant_share *holder = &embed, *other = &chat;
    unsigned steps_of_batch = 0;
    for (unsigned step = 0; step < 4 * GRANTS_FAIR_EVERY; step++) {
        if (holder == &batch) {
            steps_of_batch++;
            done(&batch, 0);
            grants_want(&grants, &batch, PRIORITY_BATCH, 0);
        } else {
            grants_want(&grants, other, PRIORITY_ON_DEMAND, 0);
            done(holder, 0);
            other = holder;
        }
        if (given_to != &batch)
            other = given_to == &chat ? &embed : &chat;
        holder = given_to;
    }
    assert_in_range(steps_of_batch, 2, 4);
}

static void stream_that_wants_again_at_once_is_not_overtaken_by_batch(void **state)
{
    (void)state;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
    grants_want(&grants, &batch, PRIORITY_BATCH, 0);
    for (unsigned step = 1; step < GRANTS_FAIR_EVERY; step++) {
        assert_ptr_equal(given_to, &chat);
        grants_done(&grants, &chat, 0);
        grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
        grants_next(&grants, 0);
    }
    assert_ptr_equal(given_to, &batch);
}

static void long_steps_of_batch_take_a_share_of_the_time(void **state)
{
    (void)state;
    uint64_t now_ms = 0, batch_ms = 0;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
    grants_want(&grants, &batch, PRIORITY_BATCH, 0);
    while (now_ms < 60000) {
        struct grant_share *holder = given_to;
        uint64_t took = holder == &batch ? 200 : 10;
        batch_ms += holder == &batch ? took : 0;
        now_ms += took;
        grants_done(&grants, holder, now_ms);
        grants_want(&grants, holder, holder == &batch ? PRIORITY_BATCH : PRIORITY_ON_DEMAND, now_ms);
        grants_next(&grants, now_ms);
    }
    assert_in_range(batch_ms, 60000 / GRANTS_FAIR_TIME * 8 / 10, 60000 / GRANTS_FAIR_TIME * 12 / 10);
}

static void grant_dies_with_its_worker(void **state)
{
    (void)state;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
    grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 0);
    grants_remove(&grants, &chat, 5);
    assert_ptr_equal(given_to, &embed);
    assert_int_equal(grants.running, 2);
    grants_remove(&grants, &embed, 6);
    assert_int_equal(grants.running, 0);
}

static void worker_that_waited_and_died_gets_nothing(void **state)
{
    (void)state;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
    grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 0);
    grants_remove(&grants, &embed, 1);
    done(&chat, 2);
    assert_int_equal(gifts, 1);
    assert_int_equal(grants.running, 0);
}

static void asking_twice_and_giving_back_nothing_are_refused(void **state)
{
    (void)state;
    assert_false(done(&chat, 0));
    assert_true(grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0));
    assert_false(grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0));
    assert_true(grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 0));
    assert_false(done(&embed, 0));
    assert_true(done(&chat, 0));
    assert_false(done(&chat, 0));
}

static void holder_is_overdue_only_while_others_wait(void **state)
{
    (void)state;
    grants_want(&grants, &chat, PRIORITY_ON_DEMAND, 0);
    assert_null(grants_overdue(&grants, 10 * GRANTS_HOLD_MS));
    grants_want(&grants, &embed, PRIORITY_ON_DEMAND, 10 * GRANTS_HOLD_MS);
    assert_null(grants_overdue(&grants, 11 * GRANTS_HOLD_MS - 1));     /* counted from the revoke */
    assert_ptr_equal(grants_overdue(&grants, 11 * GRANTS_HOLD_MS), &chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lone_worker_is_granted_in_advance, set_up),
        cmocka_unit_test_setup(second_worker_revokes_the_standing_grant_and_waits_for_done, set_up),
        cmocka_unit_test_setup(equals_take_turns, set_up),
        cmocka_unit_test_setup(worker_that_had_company_lately_has_to_ask_for_each_step, set_up),
        cmocka_unit_test_setup(better_priority_goes_first_but_batch_gets_its_share, set_up),
        cmocka_unit_test_setup(stream_that_wants_again_at_once_is_not_overtaken_by_batch, set_up),
        cmocka_unit_test_setup(long_steps_of_batch_take_a_share_of_the_time, set_up),
        cmocka_unit_test_setup(grant_dies_with_its_worker, set_up),
        cmocka_unit_test_setup(worker_that_waited_and_died_gets_nothing, set_up),
        cmocka_unit_test_setup(asking_twice_and_giving_back_nothing_are_refused, set_up),
        cmocka_unit_test_setup(holder_is_overdue_only_while_others_wait, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
