/* The map, against a plain array that says what must be in it. */
#include "unit.h"

#include "base/hashmap.h"

#define KEYS 2000

static void a_map_agrees_with_an_array_through_random_changes(void **state)
{
    (void)state;
    static char names[KEYS][8];
    static int values[KEYS];
    static bool present[KEYS];
    struct hashmap map = { 0 };
    size_t count = 0;
    uint32_t random = 1;
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "k%d", i);
    for (int step = 0; step < 40000; step++) {
        random = random * 1664525 + 1013904223;
        size_t k = random >> 8 & 0x7fffff;
        k %= KEYS;
        struct view key = view_from_cstr(names[k]);
        assert_ptr_equal(hashmap_get(&map, key), present[k] ? &values[k] : NULL);
        if (random >> 31) {
            assert_true(hashmap_put(&map, key, &values[k]));
            count += !present[k];
            present[k] = true;
        } else {
            assert_ptr_equal(hashmap_remove(&map, key), present[k] ? &values[k] : NULL);
            count -= present[k];
            present[k] = false;
        }
        assert_int_equal(map.count, count);
    }
    size_t at = 0, seen = 0;
    const struct hashmap_slot *slot;
    while ((slot = hashmap_next(&map, &at)) != NULL) {
        assert_true(present[(int *)slot->value - values]);
        seen++;
    }
    assert_int_equal(seen, count);
    hashmap_free(&map);
    assert_null(hashmap_get(&map, VIEW("k1")));
}

static void putting_again_replaces_the_value(void **state)
{
    (void)state;
    struct hashmap map = { 0 };
    int a, b;
    assert_null(hashmap_get(&map, VIEW("x")));
    assert_null(hashmap_remove(&map, VIEW("x")));
    assert_true(hashmap_put(&map, VIEW("x"), &a));
    assert_true(hashmap_put(&map, VIEW("x"), &b));
    assert_true(hashmap_put(&map, VIEW("x\0"), &a));
    assert_int_equal(map.count, 2);
    assert_ptr_equal(hashmap_get(&map, VIEW("x")), &b);
    assert_ptr_equal(hashmap_get(&map, VIEW("x\0")), &a);
    hashmap_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_agrees_with_an_array_through_random_changes),
        cmocka_unit_test(putting_again_replaces_the_value),
    };
    return cmocka_run_group_tests_name("hashmap", tests, NULL, NULL);
}
