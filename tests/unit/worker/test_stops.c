#include "worker/stops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define assert_view_eq(actual, literal)                                                                                   \
    do {                                                                                                                  \
        struct view actual_ = (actual);                                                                                   \
        assert_int_equal(actual_.len, sizeof(literal) - 1);                                                               \
        assert_memory_equal(actual_.ptr, literal, sizeof(literal) - 1);                                                   \
    } while (0)

#define assert_nothing(actual) assert_int_equal((actual).len, 0)

static void text_without_stops_passes_at_once(void **state)
{
    (void)state;
    struct stop_matcher stop;
    stop_init(&stop, NULL, 0);
    assert_view_eq(stop_feed(&stop, VIEW("Paris.\n")), "Paris.\n");
    assert_nothing(stop_flush(&stop));
    assert_false(stop_hit(&stop));
    stop_clear(&stop);
}

static void stop_sequence_split_over_three_tokens_never_leaks(void **state)
{
    (void)state;
    struct stop_matcher stop;
    stop_init(&stop, (struct view[]){ VIEW("\n\nHuman:") }, 1);
    assert_view_eq(stop_feed(&stop, VIEW("Paris.\n")), "Paris.");
    assert_nothing(stop_feed(&stop, VIEW("\nHu")));
    assert_nothing(stop_feed(&stop, VIEW("man: next")));
    assert_true(stop_hit(&stop));
    assert_int_equal(stop.hit, 0);
    assert_nothing(stop_feed(&stop, VIEW("more")));
    assert_nothing(stop_flush(&stop));
    stop_clear(&stop);
}

static void beginning_of_a_stop_that_goes_elsewhere_is_released(void **state)
{
    (void)state;
    struct stop_matcher stop;
    stop_init(&stop, (struct view[]){ VIEW("abab!") }, 1);
    assert_nothing(stop_feed(&stop, VIEW("aba")));
    assert_view_eq(stop_feed(&stop, VIEW("bab")), "ab");
    assert_view_eq(stop_feed(&stop, VIEW("x")), "abab" "x");
    assert_false(stop_hit(&stop));
    stop_clear(&stop);
}

static void what_was_held_back_comes_with_the_flush(void **state)
{
    (void)state;
    struct stop_matcher stop;
    stop_init(&stop, (struct view[]){ VIEW("###") }, 1);
    assert_view_eq(stop_feed(&stop, VIEW("end##")), "end");
    assert_view_eq(stop_flush(&stop), "##");
    assert_nothing(stop_flush(&stop));
    stop_clear(&stop);
}

static void stop_may_begin_inside_a_utf8_character_that_comes_in_two_tokens(void **state)
{
    (void)state;
    struct stop_matcher stop;
    stop_init(&stop, (struct view[]){ VIEW("\xe3\x80\x82") }, 1);     /* an ideographic full stop */
    assert_view_eq(stop_feed(&stop, VIEW("\xe5\xa5\xbd\xe3")), "\xe5\xa5\xbd");
    assert_nothing(stop_feed(&stop, VIEW("\x80\x82 more")));
    assert_true(stop_hit(&stop));
    stop_clear(&stop);
}

static void first_to_begin_wins_and_then_the_longest(void **state)
{
    (void)state;
    struct stop_matcher stop;
    stop_init(&stop, (struct view[]){ VIEW("lo"), VIEW("ell"), VIEW("ello"), VIEW("") }, 4);
    assert_view_eq(stop_feed(&stop, VIEW("hello")), "h");
    assert_int_equal(stop.hit, 2);
    stop_clear(&stop);
}

/* However the text is cut, what is released and what is met must be the same. */
static void cuts_do_not_change_the_result(void **state)
{
    (void)state;
    static const char text[] = "aab aaab aabaabc tail";
    struct view stops[] = { VIEW("aabc"), VIEW("aaac"), VIEW("b aaax") };
    for (unsigned seed = 0; seed < 2000; seed++) {
        struct stop_matcher stop;
        struct buf out = BUF_INIT(1024);
        unsigned random = seed * 2654435761u + 1;
        stop_init(&stop, stops, 3);
        for (size_t at = 0; at < sizeof(text) - 1;) {
            random = random * 1664525u + 1013904223u;
            size_t len = 1 + (random >> 24) % 5;
            struct view piece = view_first(view_from(view_from_cstr(text), at), len);
            assert_true(buf_append_view(&out, stop_feed(&stop, piece)));
            at += piece.len;
        }
        assert_true(buf_append_view(&out, stop_flush(&stop)));
        assert_view_eq(buf_view(&out), "aab aaab aab");
        assert_int_equal(stop.hit, 0);
        buf_free(&out);
        stop_clear(&stop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_stops_passes_at_once),
        cmocka_unit_test(stop_sequence_split_over_three_tokens_never_leaks),
        cmocka_unit_test(beginning_of_a_stop_that_goes_elsewhere_is_released),
        cmocka_unit_test(what_was_held_back_comes_with_the_flush),
        cmocka_unit_test(stop_may_begin_inside_a_utf8_character_that_comes_in_two_tokens),
        cmocka_unit_test(first_to_begin_wins_and_then_the_longest),
        cmocka_unit_test(cuts_do_not_change_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
