#include "worker/documents_segment.h"

#include <stdlib.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

/* Chinese, Japanese, Thai, Lao, Burmese, Khmer: each script without spaces has a dictionary of its own. */
#define DICTIONARY_TEXT "\xE4\xBB\x8A\xE5\xA4\xA9 \xE3\x81\x93\xE3\x82\x93 \xE0\xB8\xA0\xE0\xB8\xB2\xE0\xB8\xA9\xE0\xB8\xB2 " \
                        "\xE0\xBA\x9E\xE0\xBA\xB2\xE0\xBA\xAA\xE0\xBA\xB2 \xE1\x80\x99\xE1\x80\xBC\xE1\x80\x94\xE1\x80\xBA " \
                        "\xE1\x9E\x97\xE1\x9E\xB6\xE1\x9E\x9F\xE1\x9E\xB6"

struct segmenter {
    UBreakIterator *words, *sentences;
};

struct ends {
    struct segment_end *items;
    size_t count, capacity;
};

/* The iterator reads utext, and utext the text, until utext is closed. */
static bool begin(UBreakIterator *iterator, struct view text, UText *utext)
{
    UErrorCode status = U_ZERO_ERROR;
    utext_openUTF8(utext, text.ptr != NULL ? text.ptr : "", (int64_t)text.len, &status);
    ubrk_setUText(iterator, utext, &status);
    return U_SUCCESS(status);
}

static bool add(struct ends *ends, struct arena *arena, int32_t at, bool word)
{
    if (ends->count == ends->capacity) {
        size_t wider = ends->capacity * 2 + 64;
        struct segment_end *room = arena_resize(arena, ends->items, ends->capacity * sizeof(*room), wider * sizeof(*room));
        if (room == NULL)
            return false;
        ends->items = room;
        ends->capacity = wider;
    }
    ends->items[ends->count++] = (struct segment_end){ (uint32_t)at, word };
    return true;
}

static bool find_words(struct segmenter *segmenter, struct arena *arena, struct view text, struct text_segments *out)
{
    UText utext = UTEXT_INITIALIZER;
    struct ends ends = { .count = 0 };
    bool found = begin(segmenter->words, text, &utext);
    int32_t at;
    if (found)
        (void)ubrk_first(segmenter->words);                 /* 0 */
    while (found && (at = ubrk_next(segmenter->words)) != UBRK_DONE)
        found = add(&ends, arena, at, ubrk_getRuleStatus(segmenter->words) >= UBRK_WORD_NONE_LIMIT);
    utext_close(&utext);
    out->ends = ends.items;
    out->count = ends.count;
    return found;
}

static bool find_sentences(struct segmenter *segmenter, struct arena *arena, struct view text, struct text_segments *out)
{
    UText utext = UTEXT_INITIALIZER;
    uint32_t *places = NULL;
    size_t count = 0, capacity = 0;
    bool found = begin(segmenter->sentences, text, &utext);
    int32_t at;
    if (found)
        (void)ubrk_first(segmenter->sentences);
    while (found && (at = ubrk_next(segmenter->sentences)) != UBRK_DONE) {
        if (count == capacity) {
            size_t wider = capacity * 2 + 64;
            uint32_t *room = arena_resize(arena, places, capacity * sizeof(*room), wider * sizeof(*room));
            found = room != NULL;
            if (!found)
                break;
            places = room;
            capacity = wider;
        }
        places[count++] = (uint32_t)at;
    }
    utext_close(&utext);
    out->sentences = places;
    out->sentence_count = count;
    return found;
}

bool segmenter_find(struct segmenter *segmenter, struct arena *arena, struct view text, struct text_segments *out)
{
    *out = (struct text_segments){ .count = 0 };
    return find_words(segmenter, arena, text, out) && find_sentences(segmenter, arena, text, out);
}

struct segmenter *segmenter_create(void)
{
    struct segmenter *segmenter = calloc(1, sizeof(*segmenter));
    struct arena *arena = arena_create(64u << 10);
    UErrorCode status = U_ZERO_ERROR;
    struct text_segments segments;
    if (segmenter != NULL) {
        segmenter->words = ubrk_open(UBRK_WORD, "", NULL, 0, &status);
        segmenter->sentences = ubrk_open(UBRK_SENTENCE, "", NULL, 0, &status);
    }
    bool usable = segmenter != NULL && arena != NULL && U_SUCCESS(status) &&
                  segmenter_find(segmenter, arena, VIEW(DICTIONARY_TEXT), &segments) &&
                  segments_fit(&segments, VIEW(DICTIONARY_TEXT));
    arena_destroy(arena);
    if (usable)
        return segmenter;
    segmenter_destroy(segmenter);
    return NULL;
}

void segmenter_destroy(struct segmenter *segmenter)
{
    if (segmenter == NULL)
        return;
    if (segmenter->words != NULL)
        ubrk_close(segmenter->words);
    if (segmenter->sentences != NULL)
        ubrk_close(segmenter->sentences);
    free(segmenter);
}
