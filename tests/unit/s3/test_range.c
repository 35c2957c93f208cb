/* Ranges and conditions. */
#include "unit.h"

#include "s3/range.h"

static void ranges_are_cut_to_the_object(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t size;
        enum range_result result;
        uint64_t offset, length;
    } cases[] = {
        { "", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=0-0", 10, RANGE_PART, 0, 1 },
        { "bytes=2-5", 10, RANGE_PART, 2, 4 },
        { "bytes=2-", 10, RANGE_PART, 2, 8 },
        { "bytes=2-99", 10, RANGE_PART, 2, 8 },
        { "bytes=0-18446744073709551615", 10, RANGE_PART, 0, 10 },
        { "bytes=-4", 10, RANGE_PART, 6, 4 },
        { "bytes=-99", 10, RANGE_PART, 0, 10 },
        { "bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 10 },
        { "bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 10 },
        { "bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=5-2", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=1-2,4-5", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=-", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=a-b", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=1-2-3", 10, RANGE_WHOLE, 0, 10 },
        { "items=1-2", 10, RANGE_WHOLE, 0, 10 },
        { "bytes=99999999999999999999-", 10, RANGE_WHOLE, 0, 10 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t offset, length;
        enum range_result result = s3_range_parse(view_from_cstr(cases[i].text), cases[i].size, &offset, &length);
        if (result != cases[i].result || offset != cases[i].offset || length != cases[i].length)
            fail_msg("%s: %d, %llu, %llu", cases[i].text, (int)result, (unsigned long long)offset, (unsigned long long)length);
    }
}

#define CHANGED "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE  "Sun, 06 Nov 1994 08:49:36 GMT"

static enum condition_result check(const char *match, const char *none, const char *since, const char *unless)
{
    const struct conditions conditions = { view_from_cstr(match), view_from_cstr(none), view_from_cstr(since), view_from_cstr(unless) };
    return s3_conditions_check(&conditions, VIEW("abc"), 784111777500);
}

static void an_etag_outweighs_a_date(void **state)
{
    (void)state;
    assert_int_equal(check(NULL, NULL, NULL, NULL), CONDITION_HOLDS);
    assert_int_equal(check("\"abc\"", NULL, NULL, BEFORE), CONDITION_HOLDS);
    assert_int_equal(check("\"x\", \"abc\"", NULL, NULL, NULL), CONDITION_HOLDS);
    assert_int_equal(check("*", NULL, NULL, NULL), CONDITION_HOLDS);
    assert_int_equal(check("\"x\"", NULL, NULL, CHANGED), CONDITION_FAILED);
    assert_int_equal(check(NULL, NULL, NULL, BEFORE), CONDITION_FAILED);
    assert_int_equal(check(NULL, NULL, NULL, CHANGED), CONDITION_HOLDS);
    assert_int_equal(check(NULL, "W/\"abc\"", NULL, NULL), CONDITION_NOT_MODIFIED);
    assert_int_equal(check(NULL, "\"x\"", CHANGED, NULL), CONDITION_HOLDS);
    assert_int_equal(check(NULL, NULL, CHANGED, NULL), CONDITION_NOT_MODIFIED);
    assert_int_equal(check(NULL, NULL, BEFORE, NULL), CONDITION_HOLDS);
    assert_int_equal(check(NULL, NULL, "yesterday", "tomorrow"), CONDITION_HOLDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_cut_to_the_object),
        cmocka_unit_test(an_etag_outweighs_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
