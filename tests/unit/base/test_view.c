/* Views: searching, comparing, splitting, numbers, hashing. */
#include "unit.h"

#include <math.h>

static void comparisons_ignore_case_only_for_ascii_letters(void **state)
{
    (void)state;
    assert_true(view_eq_nocase(VIEW("Content-Type"), VIEW("content-TYPE")));
    assert_false(view_eq_nocase(VIEW("content-type"), VIEW("content_type")));
    assert_false(view_eq_nocase(VIEW("a["), VIEW("A{")));
    assert_false(view_eq_nocase(VIEW("\xc3\xa9"), VIEW("\xc3\x89")));
    assert_true(view_starts_with_nocase(VIEW("Bearer abc"), VIEW("bearer ")));
    assert_false(view_starts_with_nocase(VIEW("Bear"), VIEW("bearer ")));
}

static void order_is_by_unsigned_bytes_with_the_shorter_first(void **state)
{
    (void)state;
    assert_true(view_compare(VIEW("a"), VIEW("ab")) < 0);
    assert_true(view_compare(VIEW("b"), VIEW("ab")) > 0);
    assert_true(view_compare(VIEW("\xff"), VIEW("z")) > 0);
    assert_int_equal(view_compare(VIEW(""), (struct view){ NULL, 0 }), 0);
}

static void needles_are_found_or_reported_absent(void **state)
{
    (void)state;
    assert_int_equal(view_find(VIEW("one two"), VIEW("two")), 4);
    assert_int_equal(view_find(VIEW("one two"), VIEW("")), 0);
    assert_true(view_find(VIEW("one"), VIEW("one two")) == VIEW_NPOS);
    assert_int_equal(view_find_byte(VIEW("a\0b"), 'b'), 2);
    assert_true(view_find_byte((struct view){ NULL, 0 }, 'b') == VIEW_NPOS);
}

static void splitting_yields_every_part_once_also_empty_ones(void **state)
{
    (void)state;
    struct view rest = VIEW("a,,b,");
    assert_view_is(view_split(&rest, ','), "a");
    assert_view_is(view_split(&rest, ','), "");
    assert_view_is(view_split(&rest, ','), "b");
    assert_non_null(rest.ptr);
    assert_view_is(view_split(&rest, ','), "");
    assert_null(rest.ptr);
}

static void trimming_takes_blanks_at_both_ends_only(void **state)
{
    (void)state;
    assert_view_is(view_trim(VIEW(" \t\r\n a b \n")), "a b");
    assert_view_is(view_trim(VIEW(" \n ")), "");
}

static void whole_numbers_are_exact_to_their_limits(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(view_to_u64(VIEW("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(view_to_u64(VIEW("18446744073709551616"), &u));
    assert_true(view_to_i64(VIEW("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(view_to_i64(VIEW("9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "1e3" };
    for (size_t n = 0; n < COUNT_OF(bad); n++)
        assert_false(view_to_i64(view_from_cstr(bad[n]), &i));
}

static void doubles_read_as_the_nearest_value(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {
        { "0", 0.0 },
        { "-0.0", -0.0 },
        { "1", 1.0 },
        { "0.1", 0.1 },
        { "-12.5e-1", -1.25 },
        { "1E+2", 100.0 },
        { "123456789012345678", 123456789012345678.0 },
        { "9007199254740993", 9007199254740992.0 },
        { "9007199254740993.00000000000000000000000000000000001", 9007199254740994.0 },
        { "2.2250738585072011e-308", 2.2250738585072011e-308 },
        { "5e-324", 5e-324 },
        { "1e-400", 0.0 },
        { "0e999999999999999999999", 0.0 },
        { "1.7976931348623157e308", 1.7976931348623157e308 },
        { "100000000000000000000000000000000e-32", 1.0 },
    };
    for (size_t n = 0; n < COUNT_OF(good); n++) {
        double value = NAN;
        assert_true(view_to_double(view_from_cstr(good[n].text), &value));
        assert_memory_equal(&value, &good[n].value, sizeof value);
    }
    static const char *const bad[] = { "", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1e400", "NaN", "inf", "1 ", "0x10", "1_0" };
    for (size_t n = 0; n < COUNT_OF(bad); n++) {
        double value = 3.0;
        assert_false(view_to_double(view_from_cstr(bad[n]), &value));
        assert_true(value == 3.0);
    }
}

static void a_number_of_thousands_of_digits_still_rounds_right(void **state)
{
    (void)state;
    static char text[3000];
    memset(text, '0', sizeof text);
    memcpy(text, "9007199254740993.", 17); /* a tie without the last digit, which tips it */
    double value;
    assert_true(view_to_double(view_of(text, sizeof text), &value));
    assert_true(value == 9007199254740992.0);
    text[sizeof text - 1] = '1';
    assert_true(view_to_double(view_of(text, sizeof text), &value));
    assert_true(value == 9007199254740994.0);
}

static void hashes_depend_on_every_byte_the_length_and_the_seed(void **state)
{
    (void)state;
    static const char zeros[64];
    for (size_t len = 0; len < sizeof zeros; len++)
        assert_true(view_hash(view_of(zeros, len), 1) != view_hash(view_of(zeros, len + 1), 1));
    assert_true(view_hash(VIEW("key"), 1) != view_hash(VIEW("key"), 2));
    assert_true(view_hash(VIEW("key"), 1) == view_hash(VIEW("key"), 1));
    assert_true(view_hash(VIEW("abcdefgh1"), 1) != view_hash(VIEW("abcdefgh2"), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_ignore_case_only_for_ascii_letters),
        cmocka_unit_test(order_is_by_unsigned_bytes_with_the_shorter_first),
        cmocka_unit_test(needles_are_found_or_reported_absent),
        cmocka_unit_test(splitting_yields_every_part_once_also_empty_ones),
        cmocka_unit_test(trimming_takes_blanks_at_both_ends_only),
        cmocka_unit_test(whole_numbers_are_exact_to_their_limits),
        cmocka_unit_test(doubles_read_as_the_nearest_value),
        cmocka_unit_test(a_number_of_thousands_of_digits_still_rounds_right),
        cmocka_unit_test(hashes_depend_on_every_byte_the_length_and_the_seed),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
