#include "unit.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "worker/documents_segment.h"

static struct segmenter *segmenter;
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    segmenter = segmenter_create();
    arena = arena_create(64u << 20);
    return segmenter != NULL && arena != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    segmenter_destroy(segmenter);
    arena_destroy(arena);
    return 0;
}

/* Segments parted by |, words in brackets; a line a sentence. */
static void assert_segments(const char *text, const char *expected)
{
    struct text_segments segments;
    struct buf out = BUF_INIT(4096);
    assert_true(segmenter_find(segmenter, arena, view_from_cstr(text), &segments));
    assert_true(segments_fit(&segments, view_from_cstr(text)));
    size_t start = 0, sentence = 0;
    for (size_t i = 0; i < segments.count; i++) {
        struct segment_end end = segments.ends[i];
        buf_printf(&out, end.word ? "[%.*s]" : "%.*s", (int)(end.at - start), text + start);
        start = end.at;
        if (start == segments.sentences[sentence]) {
            buf_append_byte(&out, '/');
            sentence++;
        }
    }
    assert_int_equal(sentence, segments.sentence_count);
    assert_view_is(buf_view(&out), expected);
    buf_free(&out);
}

static void words_are_letters_and_digits_and_not_what_is_between(void **state)
{
    (void)state;
    assert_segments("Won't 3.14 be ice-box? No!", "[Won't] [3.14] [be] [ice]-[box]? /[No]!/");
    assert_segments("Zoë said: “naïve”.", "[Zoë] [said]: “[naïve]”./");
    assert_segments("a = b", "[a] = [b]/");
}

static void scripts_without_blanks_have_dictionaries(void **state)
{
    (void)state;
    assert_segments("今天天气很好。我们去公园散步吧！", "[今天][天气][很好]。/[我们][去][公园][散步][吧]！/");
    assert_segments("สวัสดีครับ", "[สวัสดี][ครับ]/");
}

static void what_lies_beyond_the_first_plane_has_byte_offsets_too(void **state)
{
    (void)state;
    assert_segments("😀 𝒳 ok", "😀 [𝒳] [ok]/");
}

static void an_empty_text_has_no_segments(void **state)
{
    (void)state;
    assert_segments("", "");
}

static void odd_texts_are_wholly_covered(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        struct buf text = BUF_INIT(8192);
        for (int i = 0; i < 200; i++) {
            seed = seed * 1664525 + 1013904223;
            static const uint32_t bases[] = { 0x20, 0x300, 0x4E00, 0x0E01, 0x1F600, 0xAC00, 0x3040, 0x600 };
            utf8_append(&text, bases[seed >> 29] + (seed >> 8) % 90);
        }
        struct text_segments segments;
        assert_true(segmenter_find(segmenter, arena, buf_view(&text), &segments));
        assert_true(segments_fit(&segments, buf_view(&text)));
        buf_free(&text);
        arena_reset(arena);
    }
}

static void too_little_memory_is_reported(void **state)
{
    (void)state;
    struct arena *small = arena_create(1024);
    struct text_segments segments;
    char text[4096];
    memset(text, '.', sizeof text);
    assert_false(segmenter_find(segmenter, small, view_of(text, sizeof text), &segments));
    arena_destroy(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_letters_and_digits_and_not_what_is_between),
        cmocka_unit_test(scripts_without_blanks_have_dictionaries),
        cmocka_unit_test(what_lies_beyond_the_first_plane_has_byte_offsets_too),
        cmocka_unit_test(an_empty_text_has_no_segments),
        cmocka_unit_test(odd_texts_are_wholly_covered),
        cmocka_unit_test(too_little_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
