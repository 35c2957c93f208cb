/* Leases: one holder, running out by the store's clock, fences that stop a holder who was overtaken. */
#include "fixture.h"

static struct store_key make(const char *id, const char *state)
{
    struct store_record record = record_of(id, "{}");
    record.state = view_from_cstr(state);
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    clock_manual_advance(fixture_clock, 1);
    return record.key;
}

static void a_lease_has_one_holder_until_it_runs_out(void **state)
{
    (void)state;
    struct store_key key = make("a", "");
    struct store_lease first, second;
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("one"), 1000, &first), STORE_OK);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 1000, &second), STORE_CONFLICT);
    clock_manual_advance(fixture_clock, 999);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 1000, &second), STORE_CONFLICT);
    clock_manual_advance(fixture_clock, 1);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 1000, &second), STORE_OK);
    assert_true(second.fence > first.fence);
    assert_int_equal(store_lease_renew(fixture_store, &first, 1000), STORE_CONFLICT);
    struct store_key absent = key_of("b");
    assert_int_equal(store_lease_take(fixture_store, &absent, VIEW("two"), 1000, &second), STORE_NOT_FOUND);
}

static void renewing_keeps_it_and_releasing_frees_it(void **state)
{
    (void)state;
    struct store_key key = make("a", "");
    struct store_lease first, second;
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("one"), 1000, &first), STORE_OK);
    clock_manual_advance(fixture_clock, 900);
    assert_int_equal(store_lease_renew(fixture_store, &first, 1000), STORE_OK);
    clock_manual_advance(fixture_clock, 900);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 1000, &second), STORE_CONFLICT);
    assert_int_equal(store_lease_release(fixture_store, &first), STORE_OK);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 1000, &second), STORE_OK);
    assert_int_equal(store_lease_release(fixture_store, &first), STORE_OK); /* lost: nothing happens */
    assert_int_equal(store_lease_renew(fixture_store, &second, 1000), STORE_OK);
}

static void the_same_owner_gets_it_again_with_a_new_fence(void **state)
{
    (void)state;
    struct store_key key = make("a", "");
    struct store_lease first, again;
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("one"), 1000, &first), STORE_OK);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("one"), 1000, &again), STORE_OK);
    assert_true(again.fence > first.fence);
}

static void a_write_with_an_overtaken_fence_is_refused(void **state)
{
    (void)state;
    struct store_key key = make("a", "");
    struct store_lease old, new;
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("one"), 10, &old), STORE_OK);
    clock_manual_advance(fixture_clock, 10);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 10, &new), STORE_OK);
    struct store_write write = { .action = STORE_UPDATE, .record = record_of("a", "late"), .fence = old.fence };
    assert_int_equal(store_apply(fixture_store, &write, 1, NULL), STORE_CONFLICT);
    write.fence = new.fence;
    assert_int_equal(store_apply(fixture_store, &write, 1, NULL), STORE_OK);
    struct store_key unleased = make("b", "");
    write = (struct store_write){ .action = STORE_DELETE, .record.key = unleased, .fence = 1 };
    assert_int_equal(store_apply(fixture_store, &write, 1, NULL), STORE_CONFLICT);
}

static void fences_grow_even_when_the_record_is_made_anew(void **state)
{
    (void)state;
    struct store_key key = make("a", "");
    struct store_lease old, new;
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("one"), 1000, &old), STORE_OK);
    assert_int_equal(store_delete(fixture_store, &key, 0), STORE_OK);
    key = make("a", "");
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), 1000, &new), STORE_OK);
    assert_true(new.fence > old.fence);
}

static void claims_take_the_oldest_that_is_free(void **state)
{
    (void)state;
    make("c", "QUEUED");
    make("a", "DONE");
    make("b", "QUEUED");
    struct store_record record;
    struct store_lease lease, other;
    struct view kind = VIEW("job"), queued = VIEW("QUEUED");
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("one"), 100, &record, &lease), STORE_OK);
    assert_view_is(record.key.id, "c");
    assert_view_is(lease.key.id, "c");
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("two"), 100, &record, &other), STORE_OK);
    assert_view_is(record.key.id, "b");
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("x"), 100, &record, &other),
                     STORE_NOT_FOUND);
    assert_int_equal(store_lease_release(fixture_store, &lease), STORE_OK);
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("x"), 100, &record, &other), STORE_OK);
    assert_view_is(record.key.id, "c");
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, (struct view){ NULL, 0 }, VIEW("x"), 100, &record,
                                       &other),
                     STORE_OK);
    assert_view_is(record.key.id, "a");
    clock_manual_advance(fixture_clock, 100);
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("y"), 100, &record, &other), STORE_OK);
}

static void releasing_all_frees_what_this_owner_holds_and_nothing_else(void **state)
{
    (void)state;
    struct store_key ours = make("a", ""), theirs = make("b", "");
    struct store_lease mine, other, taken;
    assert_int_equal(store_lease_take(fixture_store, &ours, VIEW("one"), 1000, &mine), STORE_OK);
    assert_int_equal(store_lease_take(fixture_store, &theirs, VIEW("two"), 1000, &other), STORE_OK);
    assert_int_equal(store_lease_release_all(fixture_store, VIEW("another kind"), VIEW("one")), STORE_OK);
    assert_int_equal(store_lease_take(fixture_store, &ours, VIEW("three"), 1000, &taken), STORE_CONFLICT);
    assert_int_equal(store_lease_release_all(fixture_store, VIEW("job"), VIEW("one")), STORE_OK);
    assert_int_equal(store_lease_take(fixture_store, &ours, VIEW("three"), 1000, &taken), STORE_OK);
    assert_true(taken.fence > mine.fence);
    assert_int_equal(store_lease_take(fixture_store, &theirs, VIEW("three"), 1000, &taken), STORE_CONFLICT);
}

static void claims_pass_over_what_the_owner_has_taken_before(void **state)
{
    (void)state;
    struct store_record record;
    struct store_lease lease, other;
    make("a", "QUEUED");
    struct view kind = VIEW("job"), queued = VIEW("QUEUED");
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("one"), 100, &record, &lease), STORE_OK);
    clock_manual_advance(fixture_clock, 100);
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("one"), 100, &record, &other), STORE_NOT_FOUND);
    assert_int_equal(store_lease_renew(fixture_store, &lease, 100), STORE_OK);
    assert_int_equal(store_lease_release(fixture_store, &lease), STORE_OK);
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("one"), 100, &record, &other), STORE_OK);
    clock_manual_advance(fixture_clock, 100);
    assert_int_equal(store_lease_claim(fixture_store, fixture_arena, kind, queued, VIEW("two"), 100, &record, &other), STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lease_has_one_holder_until_it_runs_out),
        TEST(renewing_keeps_it_and_releasing_frees_it),
        TEST(the_same_owner_gets_it_again_with_a_new_fence),
        TEST(a_write_with_an_overtaken_fence_is_refused),
        TEST(fences_grow_even_when_the_record_is_made_anew),
        TEST(claims_take_the_oldest_that_is_free),
        TEST(claims_pass_over_what_the_owner_has_taken_before),
        TEST(releasing_all_frees_what_this_owner_holds_and_nothing_else),
    };
    return cmocka_run_group_tests_name("store_lease", tests, NULL, NULL);
}
