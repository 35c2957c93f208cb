#include "batch/lines.h"

#include "unit.h"

struct text {
    const char *bytes;
    size_t len, at_once;                                    /* bytes that one read gives */
    bool broken;
};

static bool read_text(void *ctx, uint64_t offset, char *out, size_t len, size_t *got)
{
    const struct text *text = ctx;
    size_t left = offset < text->len ? text->len - (size_t)offset : 0;
    *got = left < len ? left : len;
    *got = *got < text->at_once ? *got : text->at_once;
    memcpy(out, text->bytes + (left > 0 ? offset : 0), *got);
    return !text->broken;
}

static struct lines *open_at(struct text *text, struct line_place place, size_t max)
{
    const struct line_source source = { text, read_text };
    struct lines *lines = lines_open(&source, place, max);
    assert_non_null(lines);
    return lines;
}

static struct lines *open_text(struct text *text, size_t max)
{
    return open_at(text, (struct line_place){ 0, 0 }, max);
}

static void expect_line(struct lines *lines, const char *text, uint64_t number)
{
    struct line line;
    assert_int_equal(lines_next(lines, &line), LINES_OK);
    assert_view_is(line.text, text);
    assert_int_equal(line.number, number);
}

static void expect_end(struct lines *lines)
{
    struct line line;
    assert_int_equal(lines_next(lines, &line), LINES_END);
    assert_int_equal(lines_next(lines, &line), LINES_END);
    lines_close(lines);
}

#define TEXT(literal, pieces) { .bytes = "" literal, .len = sizeof(literal) - 1, .at_once = (pieces) }

static void lines_come_without_their_ends_however_the_input_is_cut(void **state)
{
    (void)state;
    for (size_t pieces = 1; pieces < 12; pieces++) {
        struct text text = TEXT("{\"a\":1}\n[2]\r\n\"three\"", pieces);
        struct lines *lines = open_text(&text, 100);
        expect_line(lines, "{\"a\":1}", 1);
        expect_line(lines, "[2]", 2);
        expect_line(lines, "\"three\"", 3);
        expect_end(lines);
    }
}

static void blank_lines_are_passed_over_and_counted(void **state)
{
    (void)state;
    struct text text = TEXT("\n  \t\n1\n\r\n\n  2  \n\n", 100);
    struct lines *lines = open_text(&text, 100);
    expect_line(lines, "1", 3);
    expect_line(lines, "2", 6);
    expect_end(lines);
}

static void an_input_of_nothing_has_no_line(void **state)
{
    (void)state;
    struct text empty = TEXT("", 100), blank = TEXT(" \n\n", 100);
    expect_end(open_text(&empty, 100));
    expect_end(open_text(&blank, 100));
}

static void a_byte_order_mark_is_dropped_at_the_beginning_alone(void **state)
{
    (void)state;
    struct text text = TEXT("\xef\xbb\xbf" "1\n\xef\xbb\xbf" "2\n", 2);
    struct lines *lines = open_text(&text, 100);
    expect_line(lines, "1", 1);
    expect_line(lines, "\xef\xbb\xbf" "2", 2);
    expect_end(lines);
}

static void a_line_over_the_limit_is_refused_with_its_number(void **state)
{
    (void)state;
    struct line line;
    struct text fits = TEXT("12345678\n", 3), too_long = TEXT("1\n1234567890\n", 3), endless = TEXT("1234567890123456", 3);
    struct lines *lines = open_text(&fits, 9);
    expect_line(lines, "12345678", 1);
    expect_end(lines);

    lines = open_text(&too_long, 9);
    expect_line(lines, "1", 1);
    assert_int_equal(lines_next(lines, &line), LINES_TOO_LONG);
    assert_int_equal(line.number, 2);
    lines_close(lines);

    lines = open_text(&endless, 9);
    assert_int_equal(lines_next(lines, &line), LINES_TOO_LONG);
    assert_int_equal(line.number, 1);
    lines_close(lines);
}

static void reading_goes_on_where_it_was_left(void **state)
{
    (void)state;
    struct text text = TEXT("1\n\n2\n3\n", 2);
    struct line line;
    struct lines *lines = open_text(&text, 100);
    expect_line(lines, "1", 1);
    assert_int_equal(lines_next(lines, &line), LINES_OK);
    lines_close(lines);

    lines = open_at(&text, line.after, 100);
    expect_line(lines, "3", 4);
    expect_end(lines);
}

static void a_long_line_is_read_whole(void **state)
{
    (void)state;
    size_t len = 3u << 20;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    memset(bytes, 'x', len);
    bytes[len - 2] = '\n';
    struct text text = { bytes, len, 1000000, false };
    struct lines *lines = open_text(&text, len);
    struct line line;
    assert_int_equal(lines_next(lines, &line), LINES_OK);
    assert_int_equal(line.text.len, len - 2);
    expect_line(lines, "x", 2);
    expect_end(lines);
    free(bytes);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct text text = TEXT("1\n", 100);
    struct line line;
    text.broken = true;
    struct lines *lines = open_text(&text, 100);
    assert_int_equal(lines_next(lines, &line), LINES_UNREADABLE);
    lines_close(lines);
    lines_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_without_their_ends_however_the_input_is_cut),
        cmocka_unit_test(blank_lines_are_passed_over_and_counted),
        cmocka_unit_test(an_input_of_nothing_has_no_line),
        cmocka_unit_test(a_byte_order_mark_is_dropped_at_the_beginning_alone),
        cmocka_unit_test(a_line_over_the_limit_is_refused_with_its_number),
        cmocka_unit_test(reading_goes_on_where_it_was_left),
        cmocka_unit_test(a_long_line_is_read_whole),
        cmocka_unit_test(what_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
