#include "worker/prefix_cache.h"

#include "worker/step_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define Q STEP_QUANTUM

static llama_token prompt[8 * Q];

static int fill_prompt(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8 * Q; i++)
        prompt[i] = (llama_token)(i * 7 % 1000);
    return 0;
}

static void insert(struct prefix_cache *cache, const char *scope, const llama_token *tokens, size_t count, size_t size,
                   bool keep, int64_t now_us)
{
    void *bytes = calloc(1, size);
    assert_non_null(bytes);
    prefix_insert_take(cache, view_from_cstr(scope), tokens, count, bytes, size, keep, now_us);
}

static size_t found(struct prefix_cache *cache, const char *scope, const llama_token *tokens, size_t count, int64_t now_us)
{
    return prefix_find(cache, view_from_cstr(scope), tokens, count, now_us).length;
}

static void longest_agreement_is_found_in_whole_quanta(void **state)
{
    (void)state;
    struct prefix_cache *cache = prefix_cache_create(1 << 20);
    llama_token other[4 * Q];
    memcpy(other, prompt, sizeof(other));
    other[3 * Q + 5] = 9999;
    insert(cache, "a", prompt, 4 * Q, 100, false, 1);

    assert_int_equal(found(cache, "a", prompt, 4 * Q, 2), 4 * Q);
    assert_int_equal(found(cache, "a", prompt, 4 * Q - 1, 2), 3 * Q);
    assert_int_equal(found(cache, "a", prompt, 8 * Q, 2), 4 * Q);
    struct prefix_hit hit = prefix_find(cache, VIEW("a"), other, 4 * Q, 2);
    assert_int_equal(hit.length, 3 * Q);
    assert_int_equal(hit.stored, 4 * Q);
    assert_int_equal(hit.state_size, 100);
    assert_int_equal(found(cache, "a", prompt + 1, 4 * Q, 2), 0);
    prefix_cache_destroy(cache);
}

static void another_account_never_sees_an_entry(void **state)
{
    (void)state;
    struct prefix_cache *cache = prefix_cache_create(1 << 20);
    insert(cache, "a", prompt, 4 * Q, 100, false, 1);
    assert_int_equal(found(cache, "b", prompt, 4 * Q, 2), 0);
    assert_int_equal(found(cache, "", prompt, 4 * Q, 2), 0);
    assert_false(prefix_has(cache, VIEW("b"), prompt, Q));
    assert_true(prefix_has(cache, VIEW("a"), prompt, Q));
    prefix_cache_destroy(cache);
}

static void least_recently_used_goes_when_the_budget_is_full(void **state)
{
    (void)state;
    struct prefix_cache *cache = prefix_cache_create(40000);
    insert(cache, "a", prompt, Q, 10000, false, 1);
    insert(cache, "a", prompt + 1, Q, 10000, false, 2);
    insert(cache, "a", prompt + 2, Q, 10000, false, 3);
    assert_int_equal(found(cache, "a", prompt, Q, 4), Q);
    insert(cache, "a", prompt + 3, Q, 10000, false, 5);
    assert_int_equal(found(cache, "a", prompt, Q, 6), Q);
    assert_int_equal(found(cache, "a", prompt + 1, Q, 6), 0);
    assert_int_equal(prefix_cache_count(cache), 3);
    assert_true(prefix_cache_bytes(cache) <= 40000);
    prefix_cache_destroy(cache);
}

static void entry_under_a_cache_point_outlives_others_until_its_time_is_over(void **state)
{
    (void)state;
    struct prefix_cache *cache = prefix_cache_create(25000);
    insert(cache, "a", prompt, Q, 10000, true, 1);
    insert(cache, "a", prompt + 1, Q, 10000, false, 2);
    insert(cache, "a", prompt + 2, Q, 10000, false, 3);
    assert_int_equal(found(cache, "a", prompt + 1, Q, 4), 0);
    assert_int_equal(found(cache, "a", prompt, Q, 4), Q);
    insert(cache, "a", prompt + 3, Q, 10000, false, 5 + PREFIX_KEEP_US);
    insert(cache, "a", prompt + 4, Q, 10000, false, 6 + PREFIX_KEEP_US);
    assert_int_equal(found(cache, "a", prompt, Q, 7 + PREFIX_KEEP_US), 0);
    prefix_cache_destroy(cache);
}

static void longer_entry_replaces_its_own_beginning_and_keeps_its_cache_point(void **state)
{
    (void)state;
    struct prefix_cache *cache = prefix_cache_create(50000);
    insert(cache, "a", prompt, 2 * Q, 10000, true, 1);
    insert(cache, "b", prompt, 2 * Q, 10000, false, 1);
    insert(cache, "a", prompt, 4 * Q, 10000, false, 2);
    assert_int_equal(prefix_cache_count(cache), 2);
    assert_int_equal(found(cache, "a", prompt, 2 * Q, 3), 2 * Q);
    for (size_t i = 1; i < 8; i++)
        insert(cache, "a", prompt + i, Q, 10000, false, 3 + (int64_t)i);
    assert_int_equal(found(cache, "a", prompt, 4 * Q, 20), 4 * Q);
    prefix_cache_destroy(cache);
}

static void state_too_large_for_the_budget_is_refused_and_freed(void **state)
{
    (void)state;
    struct prefix_cache *cache = prefix_cache_create(1000);
    assert_false(prefix_fits(cache, 501));
    insert(cache, "a", prompt, Q, 501, false, 1);
    assert_int_equal(prefix_cache_count(cache), 0);
    assert_int_equal(prefix_cache_bytes(cache), 0);
    prefix_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_agreement_is_found_in_whole_quanta),
        cmocka_unit_test(another_account_never_sees_an_entry),
        cmocka_unit_test(least_recently_used_goes_when_the_budget_is_full),
        cmocka_unit_test(entry_under_a_cache_point_outlives_others_until_its_time_is_over),
        cmocka_unit_test(longer_entry_replaces_its_own_beginning_and_keeps_its_cache_point),
        cmocka_unit_test(state_too_large_for_the_budget_is_refused_and_freed),
    };
    return cmocka_run_group_tests(tests, fill_prompt, NULL);
}
