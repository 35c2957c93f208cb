/* The buffer: growth, the cap, sticky failure. */
#include "unit.h"

#include "base/buf.h"

static void appended_bytes_come_back_in_order(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(1 << 20);
    assert_true(buf_append_cstr(&buf, "a"));
    assert_true(buf_append_view(&buf, (struct view){ NULL, 0 }));
    assert_true(buf_append_byte(&buf, '-'));
    assert_true(buf_append_u64(&buf, UINT64_MAX));
    assert_true(buf_append_u64(&buf, 0));
    assert_true(buf_printf(&buf, "%05d", 42));
    assert_view_is(buf_view(&buf), "a-18446744073709551615000042");
    for (int i = 0; i < 10000; i++)
        buf_append_byte(&buf, 'x');
    assert_int_equal(buf.len, 10028);
    buf_free(&buf);
}

static void the_cap_itself_can_be_reached_but_not_passed(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(600);
    for (int i = 0; i < 600; i++)
        assert_true(buf_append_byte(&buf, 'x'));
    assert_false(buf_append_byte(&buf, 'x'));
    assert_true(buf_failed(&buf));
    assert_int_equal(buf.len, 0);
    assert_false(buf_append_cstr(&buf, "")); /* later calls are no-ops */
    assert_null(buf_reserve(&buf, 1));
    buf_commit(&buf, 1);
    assert_int_equal(buf.len, 0);
    buf_clear(&buf);
    assert_true(buf_append_cstr(&buf, "again"));
    assert_view_is(buf_view(&buf), "again");
    buf_free(&buf);
}

static void formatting_may_fill_the_buffer_to_its_cap(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(1000);
    assert_true(buf_printf(&buf, "%1000s", "x"));
    assert_int_equal(buf.len, 1000);
    assert_false(buf_printf(&buf, "%s", "y"));
    assert_true(buf_failed(&buf));
    buf_free(&buf);
}

static void lengths_that_overflow_are_refused(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(SIZE_MAX);
    assert_true(buf_append_cstr(&buf, "x"));
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf_failed(&buf));
    buf_free(&buf);
    assert_false(buf_failed(&buf));
}

static void consuming_drops_the_front_and_never_more_than_there_is(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(100);
    buf_append_cstr(&buf, "abcdef");
    buf_consume(&buf, 2);
    assert_view_is(buf_view(&buf), "cdef");
    buf_consume(&buf, 100);
    assert_int_equal(buf.len, 0);
    buf_free(&buf);
}

static void reserved_room_counts_once_it_is_committed(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(100);
    char *room = buf_reserve(&buf, 10);
    memcpy(room, "0123456789", 10);
    buf_commit(&buf, 4);
    assert_view_is(buf_view(&buf), "0123");
    struct buf other = BUF_INIT(5);
    buf_swap(&buf, &other);
    assert_view_is(buf_view(&other), "0123");
    assert_int_equal(buf.max, 5);
    buf_free(&buf);
    buf_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_come_back_in_order),
        cmocka_unit_test(the_cap_itself_can_be_reached_but_not_passed),
        cmocka_unit_test(formatting_may_fill_the_buffer_to_its_cap),
        cmocka_unit_test(lengths_that_overflow_are_refused),
        cmocka_unit_test(consuming_drops_the_front_and_never_more_than_there_is),
        cmocka_unit_test(reserved_room_counts_once_it_is_committed),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
