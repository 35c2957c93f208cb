#include "unit.h"

#include "engine/wire.h"

#define TEXT VIEW("Hi you. Yes")

static const struct segment_end ends[] = { { 2, true }, { 3, false }, { 6, true }, { 7, false }, { 8, false }, { 11, true } };
static const uint32_t sentences[] = { 8, 11 };
static const struct text_segments sent = { ends, COUNT_OF(ends), sentences, COUNT_OF(sentences) };

static void segments_come_back_as_they_were_sent(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096);
    struct buf out = BUF_INIT(4096);
    struct text_segments got;
    wire_write_segments(&out, &sent);
    assert_true(wire_read_segments(arena, buf_view(&out), TEXT, &got));
    assert_int_equal(got.count, sent.count);
    assert_int_equal(got.sentence_count, sent.sentence_count);
    for (size_t i = 0; i < got.count; i++) {
        assert_int_equal(got.ends[i].at, ends[i].at);
        assert_int_equal(got.ends[i].word, ends[i].word);
    }
    assert_memory_equal(got.sentences, sentences, sizeof sentences);
    buf_free(&out);
    arena_destroy(arena);
}

static void segments_of_another_text_or_length_are_malformed(void **state)
{
    (void)state;
    struct arena *arena = arena_create(65536);
    struct buf out = BUF_INIT(4096);
    struct text_segments got;
    wire_write_segments(&out, &sent);
    assert_false(wire_read_segments(arena, buf_view(&out), VIEW("Hi you."), &got));
    for (size_t len = 0; len < out.len; len++)
        assert_false(wire_read_segments(arena, view_first(buf_view(&out), len), TEXT, &got));
    buf_append_byte(&out, 0);
    assert_false(wire_read_segments(arena, buf_view(&out), TEXT, &got));
    assert_false(wire_read_segments(arena, VIEW("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), TEXT, &got));
    buf_free(&out);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_come_back_as_they_were_sent),
        cmocka_unit_test(segments_of_another_text_or_length_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
