#include "text/chunk.h"

#include "base/utf8.h"
#include "text/separators.h"

#define SEPARATORS_CPU_MS 2000                              /* for all separators of a text */
#define CARRIED_MAX       20                                      /* words of one chunk that the next may repeat, when cut by words */

struct word {
    uint32_t start, end;
};

struct span {
    size_t start, end;
};

struct cutter {
    struct arena *arena;
    struct view text;
    const struct text_segments *segments;
    const struct chunking *chunking;
    size_t max;                                             /* words of a chunk */
    struct word *words;
    size_t word_count;
    struct splits *splits;                                  /* of each separator; those before `searched` are known */
    size_t searched;
    int64_t cpu_ms;                                         /* what is left for the others */
    struct chunks *out;
    size_t capacity;
    enum chunk_status status;                               /* sticky: after a failure nothing more is added */
    const char **message;
};

static void add(struct cutter *cut, size_t start, size_t end)
{
    struct chunks *out = cut->out;
    if (cut->status != CHUNK_OK)
        return;
    if (out->count == cut->capacity) {
        size_t wider = cut->capacity * 2 + 8;
        struct chunk *room = arena_resize(cut->arena, out->items, cut->capacity * sizeof(*room), wider * sizeof(*room));
        if (room == NULL) {
            cut->status = CHUNK_NO_MEMORY;
            return;
        }
        out->items = room;
        cut->capacity = wider;
    }
    out->items[out->count++] = (struct chunk){ .start = start, .end = end };
}

/* ---- counting ---- */

/* The index of the first of these rising places that lies behind this one. */
static size_t first_above(const uint32_t *places, size_t count, size_t at)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Words that end at this place or before it. */
static size_t words_until(const struct cutter *cut, size_t at)
{
    size_t low = 0, high = cut->word_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cut->words[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t words_in(const struct cutter *cut, size_t start, size_t end)
{
    return words_until(cut, end) - words_until(cut, start);
}

/* Whether the last segment that ends between these places, and at neither, is a word. */
static bool word_ends_between(const struct cutter *cut, size_t after, size_t at)
{
    const struct segment_end *ends = cut->segments->ends;
    size_t low = 0, high = cut->segments->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ends[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && ends[low - 1].at > after && ends[low - 1].word;
}

/* ---- by words ---- */

/* All chunks of a span but the last, which is returned. */
static struct span cut_words_but_last(struct cutter *cut, struct span span, size_t overlap)
{
    size_t first = words_until(cut, span.start), end = words_until(cut, span.end);
    struct span last = span;
    bool full = false;                                      /* last is whole, and waits for what may follow */
    size_t from = span.start;
    while (end - first >= cut->max) {
        if (full)
            add(cut, last.start, last.end);
        last = (struct span){ from, cut->words[first + cut->max - 1].end };
        full = true;
        first += cut->max - overlap;
        from = cut->words[first - 1].end;
    }
    if (full && end - first > overlap) {
        add(cut, last.start, last.end);
        last.start = from;
    }
    last.end = span.end;
    return last;
}

static void cut_by_words(struct cutter *cut)
{
    struct span all = { 0, cut->text.len };
    struct span last = cut_words_but_last(cut, all, (size_t)cut->chunking->overlap);
    add(cut, last.start, last.end);
}

/* ---- by sentences ---- */

struct sentences {
    size_t begin;                                           /* of them all */
    struct span open;                                       /* what the next chunk has so far */
    size_t open_words;
    struct span before;                                     /* the sentence that came last */
    size_t before_words;
    bool overlap;
};

/* The open chunk is done; the next one begins at this sentence, or a little before it. */
static void close_chunk(struct cutter *cut, struct sentences *s, struct span sentence, size_t words)
{
    add(cut, s->open.start, s->open.end);
    s->open = (struct span){ sentence.start, sentence.start };
    s->open_words = 0;
    if (!s->overlap)
        return;
    s->open.start = s->before.start;
    s->open_words = s->before_words;
    if (s->before_words + words <= cut->max)
        return;
    size_t carried = cut->max / 2 < CARRIED_MAX ? cut->max / 2 : CARRIED_MAX;
    size_t first = words_until(cut, s->before.start), end = words_until(cut, s->before.end);
    if (end - first <= carried)
        return;
    s->open.start = carried > 0 ? cut->words[end - carried].start : sentence.start;
    s->open_words = carried;
}

static void take_sentence(struct cutter *cut, struct sentences *s, struct span sentence)
{
    size_t words = words_in(cut, sentence.start, sentence.end) + (word_ends_between(cut, s->begin, sentence.start) ? 1 : 0);
    if (s->open.end > s->open.start && s->open_words + words > cut->max)
        close_chunk(cut, s, sentence, words);
    s->open.end = sentence.end;
    s->open_words += words;
    if (s->open_words > cut->max) {
        size_t overlap = (cut->max - 1) / 2 < CARRIED_MAX ? (cut->max - 1) / 2 : CARRIED_MAX;
        s->open = cut_words_but_last(cut, s->open, overlap);
        s->open_words = words_in(cut, s->open.start, s->open.end);
    }
    s->before = sentence;
    s->before_words = words;
}

static void cut_by_sentences(struct cutter *cut, struct span span, bool overlap)
{
    const struct text_segments *segments = cut->segments;
    struct sentences s = { .begin = span.start, .open = { span.start, span.start }, .overlap = overlap };
    size_t from = span.start;
    for (size_t i = first_above(segments->sentences, segments->sentence_count, span.start); from < span.end; i++) {
        size_t end = segments->sentences[i] < span.end ? segments->sentences[i] : span.end;
        take_sentence(cut, &s, (struct span){ from, end });
        from = end;
    }
    add(cut, s.open.start, s.open.end);
}

/* ---- by separators ---- */

static const struct splits *splits_of(struct cutter *cut, size_t level)
{
    static const char *const reasons[] = {
        [SEPARATOR_INVALID] = "is not a valid regular expression", [SEPARATOR_TOO_SLOW] = "takes too long on this text"
    };
    for (; cut->searched <= level && cut->status == CHUNK_OK; cut->searched++) {
        struct view pattern = cut->chunking->separators[cut->searched];
        enum separator_result result = separator_find(cut->arena, pattern, cut->text, &cut->cpu_ms, &cut->splits[cut->searched]);
        if (result == SEPARATOR_NO_MEMORY) {
            cut->status = CHUNK_NO_MEMORY;
        } else if (result != SEPARATOR_OK) {
            cut->status = CHUNK_BAD_SEPARATOR;
            pattern = view_first(pattern, utf8_whole(view_first(pattern, 200)));
            *cut->message = arena_printf(cut->arena, "The separator [" VIEW_FMT "] %s.", VIEW_ARG(pattern), reasons[result]);
        }
    }
    return &cut->splits[level];
}

static bool fits(const struct cutter *cut, struct span span)
{
    return words_in(cut, span.start, span.end) <= cut->max;
}

/* Recursion is as deep as there are separators. */
static void cut_by_separators(struct cutter *cut, struct span span, size_t level)
{
    if (fits(cut, span)) {
        add(cut, span.start, span.end);
        return;
    }
    if (level == cut->chunking->separator_count) {
        cut_by_sentences(cut, span, false);
        return;
    }
    const struct splits *splits = splits_of(cut, level);
    struct span joined = { span.start, span.start };
    for (size_t i = first_above(splits->at, splits->count, span.start); joined.end < span.end && cut->status == CHUNK_OK; i++) {
        size_t end = i < splits->count && splits->at[i] < span.end ? splits->at[i] : span.end;
        struct span wider = { joined.start, end };
        if (joined.end > joined.start && !fits(cut, wider)) {
            cut_by_separators(cut, joined, level + 1);
            wider.start = joined.end;
        }
        joined = wider;
    }
    if (cut->status == CHUNK_OK)
        cut_by_separators(cut, joined, level + 1);
}

/* ---- all of it ---- */

/* Offsets rise from chunk to chunk, so each of the two places moves once through the text. */
static size_t utf16_forward(struct view text, size_t *at, size_t *units, size_t target)
{
    for (; *at < target; (*at)++) {
        unsigned char byte = (unsigned char)text.ptr[*at];
        if ((byte & 0xC0) != 0x80)
            *units += byte >= 0xF0 ? 2 : 1;
    }
    return *units;
}

static void count_utf16(struct view text, struct chunks *chunks)
{
    size_t start = 0, start_units = 0, end = 0, end_units = 0;
    for (size_t i = 0; i < chunks->count; i++) {
        chunks->items[i].start_utf16 = utf16_forward(text, &start, &start_units, chunks->items[i].start);
        chunks->items[i].end_utf16 = utf16_forward(text, &end, &end_units, chunks->items[i].end);
    }
}

static bool sizes_are_sound(const struct chunking *chunking)
{
    if (chunking->strategy == CHUNK_NONE)
        return true;
    bool overlap = chunking->strategy != CHUNK_WORD || (chunking->overlap >= 0 && chunking->overlap <= chunking->max_chunk_size / 2);
    bool separators = chunking->strategy != CHUNK_RECURSIVE || chunking->separator_count <= CHUNK_SEPARATORS_MAX;
    return chunking->max_chunk_size >= 1 && chunking->max_chunk_size <= UINT32_MAX && overlap && separators;
}

static bool list_words(struct cutter *cut)
{
    const struct text_segments *segments = cut->segments;
    cut->words = ARENA_ARRAY(cut->arena, struct word, segments->count + 1);
    cut->splits = ARENA_ARRAY(cut->arena, struct splits, cut->chunking->separator_count + 1);
    if (cut->words == NULL || cut->splits == NULL)
        return false;
    uint32_t start = 0;
    for (size_t i = 0; i < segments->count; i++) {
        if (segments->ends[i].word)
            cut->words[cut->word_count++] = (struct word){ start, segments->ends[i].at };
        start = segments->ends[i].at;
    }
    return true;
}

static void cut_text(struct cutter *cut)
{
    struct span all = { 0, cut->text.len };
    if (cut->word_count == 0) {
        add(cut, all.start, all.end);
        return;
    }
    switch (cut->chunking->strategy) {
    case CHUNK_SENTENCE:
        cut_by_sentences(cut, all, cut->chunking->sentence_overlap > 0);
        break;
    case CHUNK_WORD:
        cut_by_words(cut);
        break;
    case CHUNK_RECURSIVE:
        cut_by_separators(cut, all, 0);
        break;
    case CHUNK_NONE:
        add(cut, all.start, all.end);
        break;
    }
}

enum chunk_status chunk_text(struct arena *arena, struct view text, const struct text_segments *segments, const struct chunking *chunking,
                             struct chunks *out, const char **message)
{
    *out = (struct chunks){ .count = 0 };
    *message = NULL;
    if (text.len > SEGMENTS_TEXT_MAX || !utf8_valid(text) || !segments_fit(segments, text) || !sizes_are_sound(chunking))
        return CHUNK_BAD_INPUT;
    struct cutter cut = {
        .arena = arena,
        .text = text,
        .segments = segments,
        .chunking = chunking,
        .max = (size_t)chunking->max_chunk_size,
        .cpu_ms = SEPARATORS_CPU_MS,
        .out = out,
        .message = message,
    };
    if (!list_words(&cut))
        return CHUNK_NO_MEMORY;
    cut_text(&cut);
    count_utf16(text, out);
    return cut.status;
}
