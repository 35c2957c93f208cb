#include "unit.h"

#include "cli/progress.h"

static struct buf out = BUF_INIT(4096);

static void assert_text(const char *expected)
{
    assert_view_is(buf_view(&out), expected);
    buf_clear(&out);
}

static void a_bar_is_full_only_when_all_is_done(void **state)
{
    (void)state;
    static const struct {
        int64_t done, total;
        const char *bar;
    } cases[] = {
        { 0, 10, "....." }, { 1, 10, "....." }, { 2, 10, "#...." }, { 9, 10, "####." }, { 999999, 1000000, "####." },
        { 10, 10, "#####" }, { 11, 10, "#####" }, { 0, 0, "....." }, { 3, -1, "....." }, { -3, 10, "....." },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        progress_bar(&out, cases[i].done, cases[i].total, 5);
        assert_text(cases[i].bar);
    }
}

static void rates_and_times_have_the_unit_that_fits(void **state)
{
    (void)state;
    progress_rate(&out, 0);
    assert_text("-");
    progress_rate(&out, 0.05);
    assert_text("3.0/min");
    progress_rate(&out, 12.34);
    assert_text("12.3/s");
    progress_rate(&out, 1234.5);
    assert_text("1234/s");
    progress_duration(&out, 0);
    assert_text("0 s");
    progress_duration(&out, 1);
    assert_text("1 s");
    progress_duration(&out, 185000);
    assert_text("3 min 05 s");
    progress_duration(&out, 7800000);
    assert_text("2 h 10 min");
    progress_duration(&out, INT64_C(273600000));
    assert_text("3 d 4 h");
}

static void a_column_keeps_its_width_and_obeys_nobody(void **state)
{
    (void)state;
    progress_column(&out, VIEW("ab"), 4);
    assert_text("ab  ");
    progress_column(&out, VIEW("abcdef"), 4);
    assert_text("abc\xe2\x80\xa6");
    progress_column(&out, VIEW("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f"), 4);
    assert_text("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f");
    progress_column(&out, VIEW("\033[2J\n"), 6);
    assert_text("?[2J? ");
    progress_column(&out, VIEW("\xc2\x9b!"), 2);            /* a control character of two bytes */
    assert_text("?!");
    progress_column(&out, VIEW(""), 0);
    assert_text("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bar_is_full_only_when_all_is_done),
        cmocka_unit_test(rates_and_times_have_the_unit_that_fits),
        cmocka_unit_test(a_column_keeps_its_width_and_obeys_nobody),
    };
    int failed = cmocka_run_group_tests_name("progress", tests, NULL, NULL);
    buf_free(&out);
    return failed;
}
