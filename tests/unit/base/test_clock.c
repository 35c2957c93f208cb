/* Time: the three written forms both ways, and the clock that tests move. */
#include "unit.h"

#include "base/clock.h"

static void a_manual_clock_moves_only_when_told(void **state)
{
    (void)state;
    struct clock *clock = clock_manual_create(1000);
    int64_t mono = clock_mono_us(clock);
    assert_int_equal(clock_wall_ms(clock), 1000);
    clock_manual_advance(clock, 15 * 60 * 1000);
    assert_int_equal(clock_wall_ms(clock), 901000);
    assert_int_equal(clock_mono_us(clock) - mono, 900000000);
    clock_manual_destroy(clock);
    clock_manual_destroy(NULL);
}

static void the_system_clock_runs(void **state)
{
    (void)state;
    assert_true(clock_wall_ms(clock_system()) > INT64_C(1700000000000));
    int64_t before = clock_mono_us(clock_system());
    assert_true(clock_mono_us(clock_system()) >= before);
}

static const struct {
    int64_t ms;
    const char *iso, *http, *amz;
} moments[] = {
    { 0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z" },
    { 784111777000, "1994-11-06T08:49:37.000Z", "Sun, 06 Nov 1994 08:49:37 GMT", "19941106T084937Z" },
    { 951782399000, "2000-02-28T23:59:59.000Z", "Mon, 28 Feb 2000 23:59:59 GMT", "20000228T235959Z" },
    { 951782400000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT", "20000229T000000Z" },
    { 1735786984000, "2025-01-02T03:03:04.000Z", "Thu, 02 Jan 2025 03:03:04 GMT", "20250102T030304Z" },
    { -1000, "1969-12-31T23:59:59.000Z", "Wed, 31 Dec 1969 23:59:59 GMT", "19691231T235959Z" },
    { INT64_C(253402300799000), "9999-12-31T23:59:59.000Z", "Fri, 31 Dec 9999 23:59:59 GMT", "99991231T235959Z" },
};

static void each_form_is_written_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(moments); i++) {
        char text[CLOCK_ISO_SIZE];
        int64_t back = -1;
        clock_format_iso(moments[i].ms, true, text);
        assert_string_equal(text, moments[i].iso);
        assert_true(clock_parse_iso(view_from_cstr(text), &back));
        assert_true(back == moments[i].ms);
        clock_format_http(moments[i].ms, text);
        assert_string_equal(text, moments[i].http);
        assert_true(clock_parse_http(view_from_cstr(text), &back));
        assert_true(back == moments[i].ms);
        clock_format_amz(moments[i].ms, text);
        assert_string_equal(text, moments[i].amz);
        assert_true(clock_parse_amz(view_from_cstr(text), &back));
        assert_true(back == moments[i].ms);
    }
}

static void milliseconds_are_written_when_asked_for(void **state)
{
    (void)state;
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(1735786984678, true, text);
    assert_string_equal(text, "2025-01-02T03:03:04.678Z");
    clock_format_iso(1735786984678, false, text);
    assert_string_equal(text, "2025-01-02T03:03:04Z");
    clock_format_iso(-1, true, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    clock_format_iso(INT64_MAX, true, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    clock_format_iso(INT64_MIN, true, text);
    assert_string_equal(text, "1000-01-01T00:00:00.000Z");
}

static void iso_text_may_have_a_fraction_and_an_offset(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "2025-01-02T03:03:04Z", 1735786984000 },      { "2025-01-02T03:03:04.5Z", 1735786984500 },
        { "2025-01-02T03:03:04.6789Z", 1735786984678 }, { "2025-01-02T05:03:04+02:00", 1735786984000 },
        { "2025-01-01T19:33:04-0730", 1735786984000 },  { "2025-01-02t03:03:04z", 1735786984000 },
        { "2016-12-31T23:59:60Z", 1483228800000 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = 0;
        assert_true(clock_parse_iso(view_from_cstr(cases[i].text), &ms));
        assert_true(ms == cases[i].ms);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    int64_t ms = 7;
    static const char *const bad_iso[] = {
        "", "2025", "2025-01-02", "2025-01-02T03:04:05", "2025-13-02T03:04:05Z", "2025-00-02T03:04:05Z", "2025-02-29T03:04:05Z",
        "2025-01-32T03:04:05Z", "2025-01-02T24:04:05Z", "2025-01-02T03:60:05Z", "2025-01-02T03:04:61Z", "2025-01-02T03:04:05.Z",
        "2025-01-02T03:04:05ZZ", "2025-01-02T03:04:05+2", "2025-01-02T03:04:05+24:00", " 2025-01-02T03:04:05Z", "-025-01-02T03:04:05Z",
    };
    for (size_t i = 0; i < COUNT_OF(bad_iso); i++)
        assert_false(clock_parse_iso(view_from_cstr(bad_iso[i]), &ms));
    static const char *const bad_amz[] = { "", "20250102T030405", "20250102T030405z", "2025-01-02T03:04:05Z", "20250102T0304056Z",
                                           "20251302T030405Z", "2025010 T030405Z" };
    for (size_t i = 0; i < COUNT_OF(bad_amz); i++)
        assert_false(clock_parse_amz(view_from_cstr(bad_amz[i]), &ms));
    static const char *const bad_http[] = { "", "Sun, 06 Nov 1994 08:49:37", "06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
                                            "Sun, 06 Nob 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT" };
    for (size_t i = 0; i < COUNT_OF(bad_http); i++)
        assert_false(clock_parse_http(view_from_cstr(bad_http[i]), &ms));
    assert_int_equal(ms, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manual_clock_moves_only_when_told),
        cmocka_unit_test(the_system_clock_runs),
        cmocka_unit_test(each_form_is_written_and_read_back),
        cmocka_unit_test(milliseconds_are_written_when_asked_for),
        cmocka_unit_test(iso_text_may_have_a_fraction_and_an_offset),
        cmocka_unit_test(what_is_no_date_is_refused),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
