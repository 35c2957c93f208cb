/* The chunkers, over the words and sentences that ICU finds. */
#include "unit.h"

#include "base/buf.h"
#include "text/chunk.h"
#include "worker/documents_segment.h"

#include <stdio.h>

/* 135 words between blanks, 133 for ICU (= is none, a hyphen parts two), in sentences of 16, 42, 60 and 15. */
static const char prose[] =
    "Xxxx xxxxxxxxxxxx xx xxx xxxxxxx xx xxxxxxxx x xxxxxx xx xxxxxxx xxxxxxxx xxxx xxx xxxxxxxxx xxxxx.\n"
    "Xx Xxxxxxx xxx xxxx xxxxx xxxxxxxxx xxxxx xxxx xxxx xx xxx Xxxxx xxxxxxxx, xxx xxxxx xx x xxxx xxxxxxxxxxxxx xx x "
    "xxxx xxxxxxx (xxxx xxxxxxxxx), xxxxxxxx xxxx xxxxxxx xxx xxxxxx xxxxxxx xx xxx xxxxxxxxxxx xxxx xxxxx xxxxxxxxx "
    "xxxxxxxx xxxxxx xxxxxxxxxxxx xxx xxxxxxxxx. "
    "Xxxx Xxxxxxx xxxxxxxx xxxxx xxx xxxxxxxx xxxxxxx (xxx xxxxxxx, xxx xxx = xxx-xxx = xxxxxx; xxx xxx = xxx-xxx = "
    "xxxxxx) xxxx x xxxxxxxxxxxxx xxxxxxxxx xx xxxxxxx xxxxxxxx xxxxx xx xxxx xx xxxx xxxxxxx xx xxxxxx xxxxx; xxxxx xxx "
    "xxxxxx xx xxx xxxxx xxx xxx, xxxx xx xxxx xxxx xxxxxxxxx xxxxx xxxx xxxxxxxxxx xx xxxxxxxx xx xxxxxxxxxx xxxxxxxxxx, "
    "xxx xxxxxxxxx xxxxxxx xxxxxxxx. "
    "Xx xxxxxxxx, Xxxxxx xxxxxxxx xxxxx xxxx xxxx xxxxxxxxxxxx xxxxxxxxx, xxxx xxxxxxxxxxxxxx xxxxx x xxxxxxxx xxxx.";

/* Two sentences of 7 and 9 characters, 3 and 5 words. */
#define CHINESE_PAIR "今天天气很好。我们去公园散步吧！"
#define PAIR_3       CHINESE_PAIR CHINESE_PAIR CHINESE_PAIR
static const char chinese[] = PAIR_3 PAIR_3 PAIR_3 PAIR_3;

static struct segmenter *segmenter;
static struct arena *arena;
static struct text_segments segments;
static struct chunks chunks;
static const char *message;

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

static enum chunk_status cut(const char *text, struct chunking chunking)
{
    struct view view = view_from_cstr(text);
    assert_true(segmenter_find(segmenter, arena, view, &segments));
    return chunk_text(arena, view, &segments, &chunking, &chunks, &message);
}

static size_t by_words(const char *text, int64_t max, int64_t overlap)
{
    assert_int_equal(cut(text, (struct chunking){ .strategy = CHUNK_WORD, .max_chunk_size = max, .overlap = overlap }), CHUNK_OK);
    return chunks.count;
}

static size_t by_sentences(const char *text, int64_t max, int64_t overlap)
{
    struct chunking chunking = { .strategy = CHUNK_SENTENCE, .max_chunk_size = max, .sentence_overlap = overlap };
    assert_int_equal(cut(text, chunking), CHUNK_OK);
    return chunks.count;
}

static enum chunk_status by_separators(const char *text, int64_t max, const struct view *separators, size_t count)
{
    struct chunking chunking = { .strategy = CHUNK_RECURSIVE, .max_chunk_size = max, .separators = separators, .separator_count = count };
    return cut(text, chunking);
}

/* Places in UTF-16 units, written "(0,100)(100,370)". */
static void assert_places(const char *expected)
{
    struct buf out = BUF_INIT(1u << 20);
    for (size_t i = 0; i < chunks.count; i++)
        buf_printf(&out, "(%zu,%zu)", chunks.items[i].start_utf16, chunks.items[i].end_utf16);
    assert_view_is(buf_view(&out), expected);
    buf_free(&out);
}

/* The chunks themselves, parted by |. */
static void assert_texts(const char *text, const char *expected)
{
    struct buf out = BUF_INIT(1u << 20);
    for (size_t i = 0; i < chunks.count; i++) {
        if (i > 0)
            buf_append_byte(&out, '|');
        buf_append_view(&out, view_of(text + chunks.items[i].start, chunks.items[i].end - chunks.items[i].start));
    }
    assert_view_is(buf_view(&out), expected);
    buf_free(&out);
}

static const char *numbers_up_to(unsigned count)
{
    static char text[1024];
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%u ", i);
    return text;
}

/* ---- words ---- */

static void text_is_cut_into_so_many_chunks_of_words(void **state)
{
    (void)state;
    assert_int_equal(by_words(prose, 10, 0), 14);
    assert_int_equal(by_words(prose, 20, 0), 7);
    assert_int_equal(by_words(prose, 100, 0), 2);
    assert_int_equal(by_words(prose, 300, 0), 1);
}

static void overlapping_windows_of_words_move_by_size_less_overlap(void **state)
{
    (void)state;
    static const struct {
        unsigned words;
        size_t counts[4];
    } rows[] = { { 22, { 3, 3, 2, 2 } }, { 50, { 8, 6, 3, 4 } }, { 73, { 12, 9, 5, 7 } }, { 100, { 16, 13, 6, 9 } } };
    static const int64_t sizes[4][2] = { { 10, 4 }, { 10, 2 }, { 20, 4 }, { 20, 10 } };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(by_words(numbers_up_to(rows[i].words), sizes[j][0], sizes[j][1]), rows[i].counts[j]);
    }
}

static void what_follows_the_last_word_of_a_chunk_begins_the_next(void **state)
{
    (void)state;
    by_words("Comma, separated", 1, 0);
    assert_texts("Comma, separated", "Comma|, separated");
    by_words("Won't you chunk", 1, 0);
    assert_texts("Won't you chunk", "Won't| you| chunk");
}

static void what_follows_the_last_word_of_all_stays_with_it(void **state)
{
    (void)state;
    by_words("One two. Three four!", 2, 0);
    assert_texts("One two. Three four!", "One two|. Three four!");
    by_words("a b c d ", 2, 1);
    assert_texts("a b c d ", "a b| b c| c d ");
}

static void chinese_is_cut_between_its_words(void **state)
{
    (void)state;
    by_words(chinese, 20, 10);
    assert_places("(0,41)(20,60)(41,79)(60,100)(79,121)(100,140)(121,159)(140,180)(159,192)");
}

/* ---- sentences ---- */

static void text_is_cut_into_so_many_chunks_of_sentences(void **state)
{
    (void)state;
    static const struct {
        int64_t size, overlap;
        size_t count;
    } rows[] = {
        { 10, 0, 21 }, { 30, 0, 7 },  { 50, 0, 4 },  { 10, 1, 24 }, { 30, 1, 9 },  { 50, 1, 6 },
        { 70, 1, 3 },  { 80, 1, 3 },  { 100, 1, 2 }, { 120, 1, 2 }, { 150, 1, 1 }, { 200, 1, 1 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(by_sentences(prose, rows[i].size, rows[i].overlap), rows[i].count);
}

static void chunks_hold_whole_sentences_and_cut_only_what_is_too_long(void **state)
{
    (void)state;
    by_sentences(prose, 100, 0);
    assert_places("(0,370)(370,857)");
    by_sentences(prose, 50, 0);
    assert_places("(0,100)(100,370)(370,664)(556,857)");
}

static void a_chunk_begins_with_the_sentence_before_it_or_the_last_words_of_that(void **state)
{
    (void)state;
    by_sentences(prose, 100, 1);
    assert_places("(0,370)(219,857)");
    by_sentences(prose, 50, 1);
    assert_places("(0,100)(0,304)(178,370)(219,556)(436,746)(611,857)");
}

/* Sentences of 15, 30, 20 and 5 words: "Numbers 1 2 3 4. " and so on. */
static const char *short_and_long(void)
{
    static const unsigned lengths[] = { 15, 30, 20, 5 };
    static char text[512];
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "Numbers");
        for (unsigned word = 1; word < lengths[i]; word++)
            len += (size_t)snprintf(text + len, sizeof text - len, " %u", word);
        len += (size_t)snprintf(text + len, sizeof text - len, ". ");
    }
    return text;
}

static void a_long_sentence_between_short_ones_is_cut_with_what_was_carried_over(void **state)
{
    (void)state;
    by_sentences(short_and_long(), 40, 1);
    assert_places("(0,42)(0,112)(59,129)(68,186)(129,203)");
    by_sentences(short_and_long(), 40, 0);
    assert_places("(0,42)(42,129)(129,203)");
}

static void a_sentence_after_a_chinese_full_stop_counts_one_word_more(void **state)
{
    (void)state;
    by_sentences(chinese, 20, 0);
    assert_places("(0,32)(32,64)(64,96)(96,128)(128,160)(160,192)");
    by_sentences(chinese, 20, 1);
    assert_int_equal(chunks.count, 8);
    static const size_t starts[] = { 0, 23, 48, 71, 96, 119, 144, 167 };
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        assert_int_equal(chunks.items[i].start_utf16, starts[i]);
}

/* ---- separators ---- */

static const struct view paragraphs_then_lines[] = { VIEW_INIT("(?<!\\n)\\n\\n(?!\\n)"), VIEW_INIT("(?<!\\n)\\n(?!\\n)") };

static void a_text_that_fits_is_not_split(void **state)
{
    (void)state;
    assert_int_equal(by_separators("a b\n\nc d", 4, paragraphs_then_lines, 2), CHUNK_OK);
    assert_texts("a b\n\nc d", "a b\n\nc d");
}

static void separators_begin_pieces_and_neighbours_that_fit_are_joined(void **state)
{
    (void)state;
    const char *text = "a b\n\nc d\n\ne f g\n\nh\n\ni";
    assert_int_equal(by_separators(text, 4, paragraphs_then_lines, 2), CHUNK_OK);
    assert_texts(text, "a b\n\nc d|\n\ne f g\n\nh|\n\ni");
}

static void pieces_that_do_not_fit_are_split_by_the_next_separator_and_then_by_sentences(void **state)
{
    (void)state;
    const char *text = "a b\n\nc d\ne f\ng\n\nOne two. Three four. Five six seven eight.";
    assert_int_equal(by_separators(text, 4, paragraphs_then_lines, 2), CHUNK_OK);
    assert_texts(text, "a b|\n\nc d\ne f|\ng|\n\nOne two. Three four. |Five six seven eight.");
}

static void a_line_may_be_named_by_its_ends(void **state)
{
    (void)state;
    static const struct view headings[] = { VIEW_INIT("\n^(?!\\s*$).*\\n={1,}\\n") };
    const char *text = "Intro here\nTitle\n=====\nBody of words\nNext\n==\nEnd";
    assert_int_equal(by_separators(text, 5, headings, 1), CHUNK_OK);
    assert_texts(text, "Intro here|\nTitle\n=====\nBody of words|\nNext\n==\nEnd");
}

static void what_is_no_regular_expression_is_refused_by_name(void **state)
{
    (void)state;
    static const struct view separators[] = { VIEW_INIT("(") };
    assert_int_equal(by_separators("a b c", 1, separators, 1), CHUNK_BAD_SEPARATOR);
    assert_string_equal(message, "The separator [(] is not a valid regular expression.");
}

static void a_separator_that_takes_for_ever_is_stopped(void **state)
{
    (void)state;
    static const struct view separators[] = { VIEW_INIT("(?:a+)+[bd]") };
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa c";
    assert_int_equal(by_separators(text, 1, separators, 1), CHUNK_BAD_SEPARATOR);
    assert_string_equal(message, "The separator [(?:a+)+[bd]] takes too long on this text.");
}

static void separators_are_found_in_long_texts_and_at_every_place(void **state)
{
    (void)state;
    static char text[10001];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    for (size_t i = 500; i < sizeof text - 2; i += 500)
        memcpy(text + i, "\n ", 2);
    static const struct view separators[] = { VIEW_INIT("\\n") };
    assert_int_equal(by_separators(text, 1, separators, 1), CHUNK_OK);
    assert_int_equal(chunks.count, 20);
    for (size_t i = 0; i < chunks.count; i++)
        assert_int_equal(chunks.items[i].start, i * 500);
}

/* ---- all ---- */

static void a_text_without_words_is_one_chunk(void **state)
{
    (void)state;
    static const char *const texts[] = { "", " ", "\n\t ", "?! ..." };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (int strategy = CHUNK_SENTENCE; strategy <= CHUNK_NONE; strategy++) {
            struct chunking chunking = { .strategy = (enum chunking_strategy)strategy, .max_chunk_size = 1 };
            assert_int_equal(cut(texts[i], chunking), CHUNK_OK);
            assert_int_equal(chunks.count, 1);
            assert_int_equal(chunks.items[0].start, 0);
            assert_int_equal(chunks.items[0].end, strlen(texts[i]));
        }
    }
}

static void none_leaves_the_text_whole(void **state)
{
    (void)state;
    assert_int_equal(cut(prose, (struct chunking){ .strategy = CHUNK_NONE }), CHUNK_OK);
    assert_places("(0,857)");
}

static void utf16_counts_two_units_for_what_lies_beyond_the_first_plane(void **state)
{
    (void)state;
    by_words("😀 caf\xC3\xA9 b", 1, 0);
    assert_places("(0,7)(7,9)");
    assert_int_equal(chunks.items[0].end, 10);
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    static const struct chunking sound = { .strategy = CHUNK_WORD, .max_chunk_size = 10, .overlap = 5 };
    static const struct segment_end inside[] = { { 1, true }, { 2, true } }, falling[] = { { 2, true }, { 2, true } };
    static const uint32_t whole[] = { 2 }, part[] = { 1 };
    const struct text_segments wrong[] = {
        { inside, 2, whole, 1 }, { falling, 2, whole, 1 }, { falling, 1, part, 1 }, { falling, 1, NULL, 0 }, { NULL, 0, whole, 1 }
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(chunk_text(arena, VIEW("\xC3\xA9"), &wrong[i], &sound, &chunks, &message), CHUNK_BAD_INPUT);
    assert_int_equal(chunk_text(arena, VIEW("\xC3\xC3"), &(struct text_segments){ falling, 1, whole, 1 }, &sound, &chunks, &message),
                     CHUNK_BAD_INPUT);
    assert_int_equal(cut("a b", (struct chunking){ .strategy = CHUNK_WORD, .max_chunk_size = 10, .overlap = 6 }), CHUNK_BAD_INPUT);
    assert_int_equal(cut("a b", (struct chunking){ .strategy = CHUNK_SENTENCE, .max_chunk_size = 0 }), CHUNK_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_into_so_many_chunks_of_words),
        cmocka_unit_test(overlapping_windows_of_words_move_by_size_less_overlap),
        cmocka_unit_test(what_follows_the_last_word_of_a_chunk_begins_the_next),
        cmocka_unit_test(what_follows_the_last_word_of_all_stays_with_it),
        cmocka_unit_test(chinese_is_cut_between_its_words),
        cmocka_unit_test(text_is_cut_into_so_many_chunks_of_sentences),
        cmocka_unit_test(chunks_hold_whole_sentences_and_cut_only_what_is_too_long),
        cmocka_unit_test(a_chunk_begins_with_the_sentence_before_it_or_the_last_words_of_that),
        cmocka_unit_test(a_long_sentence_between_short_ones_is_cut_with_what_was_carried_over),
        cmocka_unit_test(a_sentence_after_a_chinese_full_stop_counts_one_word_more),
        cmocka_unit_test(a_text_that_fits_is_not_split),
        cmocka_unit_test(separators_begin_pieces_and_neighbours_that_fit_are_joined),
        cmocka_unit_test(pieces_that_do_not_fit_are_split_by_the_next_separator_and_then_by_sentences),
        cmocka_unit_test(a_line_may_be_named_by_its_ends),
        cmocka_unit_test(what_is_no_regular_expression_is_refused_by_name),
        cmocka_unit_test(a_separator_that_takes_for_ever_is_stopped),
        cmocka_unit_test(separators_are_found_in_long_texts_and_at_every_place),
        cmocka_unit_test(a_text_without_words_is_one_chunk),
        cmocka_unit_test(none_leaves_the_text_whole),
        cmocka_unit_test(utf16_counts_two_units_for_what_lies_beyond_the_first_plane),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
