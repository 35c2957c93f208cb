#include "batch/segments.h"

#include "fixture.h"

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    return 0;
}

static void append(struct buf *out, uint64_t record, const char *line)
{
    size_t begun = segment_begin(out, record);
    buf_append_cstr(out, line);
    segment_end(out, begun);
}

static void put_segment(struct fixture *fixture, const char *key, const struct buf *bytes)
{
    put_object(fixture, VIEW(OBJECT_OWN_BUCKET), key, buf_view(bytes));
}

static void entries_come_back_in_the_order_they_were_written(void **state)
{
    struct fixture *fixture = *state;
    struct segment_reader reader;
    struct segment_entry entry;
    struct buf bytes = BUF_INIT(4096);
    append(&bytes, 7, "seven\n");
    append(&bytes, UINT64_C(1) << 40, "");
    append(&bytes, 3, "three\n");
    put_segment(fixture, "batch/j/00000000-00000001", &bytes);

    assert_int_equal(segment_open(fixture->objects, fixture->arena, "batch/j/00000000-00000001", &reader), OBJECT_OK);
    static const struct {
        uint64_t record;
        const char *line;
    } expected[] = { { 7, "seven\n" }, { UINT64_C(1) << 40, "" }, { 3, "three\n" } };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        buf_clear(&bytes);
        assert_int_equal(segment_next(&reader, &entry), OBJECT_OK);
        assert_int_equal(entry.record, expected[i].record);
        assert_int_equal(segment_read(&reader, &entry, &bytes), OBJECT_OK);
        assert_view_is(buf_view(&bytes), expected[i].line);
    }
    assert_int_equal(segment_next(&reader, &entry), OBJECT_NO_KEY);
    segment_close(&reader);
    buf_free(&bytes);
}

static void bytes_that_are_no_entries_are_an_error(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = { "batch/j/short", "batch/j/long" };
    struct buf bytes = BUF_INIT(4096);
    append(&bytes, 1, "line\n");
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct segment_reader reader;
        struct segment_entry entry;
        buf_clear(&bytes);
        append(&bytes, 1, "line\n");
        bytes.len = i == 0 ? 9 : bytes.len - 1;             /* cut in the head, cut in the line */
        put_segment(fixture, keys[i], &bytes);
        assert_int_equal(segment_open(fixture->objects, fixture->arena, keys[i], &reader), OBJECT_OK);
        assert_int_equal(segment_next(&reader, &entry), OBJECT_ERROR);
        segment_close(&reader);
    }
    buf_free(&bytes);
}

static void names_follow_from_job_window_and_segment(void **state)
{
    char key[SEGMENT_KEY_SIZE];
    (void)state;
    segment_key(key, VIEW("abc"), 2, 17);
    assert_string_equal(key, "batch/abc/00000002-00000017");
    segment_window_key(key, VIEW("abc"), 2);
    assert_string_equal(key, "batch/abc/00000002");
    segment_files_key(key, VIEW("abc"));
    assert_string_equal(key, "batch/abc/files");
}

static void a_job_is_removed_and_others_stay(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = { "batch/abc/files", "batch/abc/00000000", "batch/abc/00000001-00000000", "batch/abcd/files" };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        put_object(fixture, VIEW(OBJECT_OWN_BUCKET), keys[i], VIEW("x"));
    assert_int_equal(segments_remove(fixture->objects, VIEW("abc")), OBJECT_OK);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(get_object(fixture, VIEW(OBJECT_OWN_BUCKET), keys[i]).ptr != NULL, i == 3);
    assert_int_equal(segments_remove(fixture->objects, VIEW("abc")), OBJECT_OK);
}

static void the_segments_of_a_window_are_removed_and_the_window_stays(void **state)
{
    struct fixture *fixture = *state;
    put_object(fixture, VIEW(OBJECT_OWN_BUCKET), "batch/abc/00000001-00000000", VIEW("x"));
    put_object(fixture, VIEW(OBJECT_OWN_BUCKET), "batch/abc/00000001", VIEW("x"));
    assert_int_equal(segments_remove_of(fixture->objects, VIEW("abc"), 1, 3), OBJECT_OK);
    assert_null(get_object(fixture, VIEW(OBJECT_OWN_BUCKET), "batch/abc/00000001-00000000").ptr);
    assert_non_null(get_object(fixture, VIEW(OBJECT_OWN_BUCKET), "batch/abc/00000001").ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_come_back_in_the_order_they_were_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_entries_are_an_error, set_up, tear_down),
        cmocka_unit_test(names_follow_from_job_window_and_segment),
        cmocka_unit_test_setup_teardown(a_job_is_removed_and_others_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_segments_of_a_window_are_removed_and_the_window_stays, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
