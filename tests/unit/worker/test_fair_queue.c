#include "worker/fair_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct fair_item item_of(const char *caller, enum priority priority)
{
    return (struct fair_item){ .caller = view_from_cstr(caller), .priority = priority };
}

static void one_caller_is_served_in_order(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item items[4];
    fair_init(&queue);
    for (size_t i = 0; i < 4; i++) {
        items[i] = item_of("a", PRIORITY_ON_DEMAND);
        fair_push(&queue, &items[i]);
    }
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(fair_take(&queue, true), &items[i]);
    assert_null(fair_take(&queue, true));
    assert_int_equal(queue.count, 0);
}

static void caller_with_a_hundred_calls_does_not_hold_up_one_with_a_single_call(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item many[100], single = item_of("b", PRIORITY_ON_DEMAND);
    fair_init(&queue);
    for (size_t i = 0; i < 100; i++) {
        many[i] = item_of("a", PRIORITY_ON_DEMAND);
        fair_push(&queue, &many[i]);
    }
    fair_push(&queue, &single);
    assert_ptr_equal(fair_take(&queue, true), &many[0]);
    assert_ptr_equal(fair_take(&queue, true), &single);
    assert_ptr_equal(fair_take(&queue, true), &many[1]);
}

static void callers_take_turns(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item a[3], b[3];
    fair_init(&queue);
    for (size_t i = 0; i < 3; i++) {
        a[i] = item_of("a", PRIORITY_BATCH);
        fair_push(&queue, &a[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        b[i] = item_of("b", PRIORITY_BATCH);
        fair_push(&queue, &b[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(fair_take(&queue, true), &a[i]);
        assert_ptr_equal(fair_take(&queue, true), &b[i]);
    }
}

static void caller_that_was_away_gets_no_turns_for_the_past(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item a[10], b[10];
    fair_init(&queue);
    for (size_t i = 0; i < 5; i++) {
        a[i] = item_of("a", PRIORITY_ON_DEMAND);
        fair_push(&queue, &a[i]);
        assert_ptr_equal(fair_take(&queue, true), &a[i]);
    }
    for (size_t i = 5; i < 7; i++) {
        a[i] = item_of("a", PRIORITY_ON_DEMAND);
        b[i] = item_of("b", PRIORITY_ON_DEMAND);
        fair_push(&queue, &a[i]);
        fair_push(&queue, &b[i]);
    }
    assert_ptr_equal(fair_take(&queue, true), &a[5]);
    assert_ptr_equal(fair_take(&queue, true), &b[5]);
    assert_ptr_equal(fair_take(&queue, true), &a[6]);
}

static void higher_priority_goes_first(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item batch = item_of("a", PRIORITY_BATCH), demand = item_of("a", PRIORITY_ON_DEMAND),
                     provisioned = item_of("a", PRIORITY_PROVISIONED);
    fair_init(&queue);
    fair_push(&queue, &batch);
    fair_push(&queue, &demand);
    fair_push(&queue, &provisioned);
    assert_ptr_equal(fair_take(&queue, true), &provisioned);
    assert_ptr_equal(fair_take(&queue, true), &demand);
    assert_ptr_equal(fair_take(&queue, true), &batch);
}

static void batch_gets_its_share_under_a_flood(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item flood[64], batch[8];
    unsigned served = 0;
    fair_init(&queue);
    for (size_t i = 0; i < 64; i++) {
        flood[i] = item_of("a", PRIORITY_PROVISIONED);
        fair_push(&queue, &flood[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        batch[i] = item_of("b", PRIORITY_BATCH);
        fair_push(&queue, &batch[i]);
    }
    for (size_t i = 0; i < 64; i++)
        served += fair_take(&queue, true)->priority == PRIORITY_BATCH;
    assert_int_equal(served, 64 / FAIR_BATCH_TURN);
}

static void batch_waits_where_it_is_not_allowed(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item batch = item_of("a", PRIORITY_BATCH);
    fair_init(&queue);
    fair_push(&queue, &batch);
    assert_null(fair_take(&queue, false));
    assert_true(fair_waiting(&queue, PRIORITY_BATCH));
    assert_ptr_equal(fair_take(&queue, true), &batch);
}

static void removed_item_is_not_served(void **state)
{
    (void)state;
    struct fair_queue queue;
    struct fair_item items[3];
    fair_init(&queue);
    for (size_t i = 0; i < 3; i++) {
        items[i] = item_of("a", PRIORITY_ON_DEMAND);
        fair_push(&queue, &items[i]);
    }
    fair_remove(&queue, &items[1]);
    assert_int_equal(queue.count, 2);
    assert_ptr_equal(fair_take(&queue, true), &items[0]);
    assert_ptr_equal(fair_take(&queue, true), &items[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_caller_is_served_in_order),
        cmocka_unit_test(caller_with_a_hundred_calls_does_not_hold_up_one_with_a_single_call),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(caller_that_was_away_gets_no_turns_for_the_past),
        cmocka_unit_test(higher_priority_goes_first),
        cmocka_unit_test(batch_gets_its_share_under_a_flood),
        cmocka_unit_test(batch_waits_where_it_is_not_allowed),
        cmocka_unit_test(removed_item_is_not_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
