#include "unit.h"

#include "base/segments.h"

static void ends_rise_and_the_last_is_the_end_of_the_text(void **state)
{
    (void)state;
    const struct segment_end ends[] = { { 3, true }, { 4, false }, { 6, true } };
    const uint32_t sentences[] = { 4, 6 };
    assert_true(segments_fit(&(struct text_segments){ ends, 3, sentences, 2 }, VIEW("one tw")));
    assert_false(segments_fit(&(struct text_segments){ ends, 3, sentences, 2 }, VIEW("one two")));
    assert_false(segments_fit(&(struct text_segments){ ends, 2, sentences, 2 }, VIEW("one tw")));
    assert_false(segments_fit(&(struct text_segments){ ends, 3, sentences, 1 }, VIEW("one tw")));
    assert_false(segments_fit(&(struct text_segments){ ends, 3, sentences, 2 }, VIEW("one t")));
}

static void no_end_lies_inside_a_character(void **state)
{
    (void)state;
    const struct segment_end inside[] = { { 1, true }, { 2, true } }, around[] = { { 2, true } };
    const uint32_t sentences[] = { 2 };
    assert_false(segments_fit(&(struct text_segments){ inside, 2, sentences, 1 }, VIEW("\xC3\xA9")));
    assert_true(segments_fit(&(struct text_segments){ around, 1, sentences, 1 }, VIEW("\xC3\xA9")));
}

static void an_empty_text_has_no_ends(void **state)
{
    (void)state;
    const struct segment_end ends[] = { { 0, true } };
    assert_true(segments_fit(&(struct text_segments){ NULL, 0, NULL, 0 }, VIEW("")));
    assert_false(segments_fit(&(struct text_segments){ ends, 1, NULL, 0 }, VIEW("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_rise_and_the_last_is_the_end_of_the_text),
        cmocka_unit_test(no_end_lies_inside_a_character),
        cmocka_unit_test(an_empty_text_has_no_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
