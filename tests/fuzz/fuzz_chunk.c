/* Any boundaries and any settings must be cut or refused, in bounded memory; chunks that come cover the text in its order, at whole
 * characters, and none has too many words. The input: strategy, size, overlap, a mask of boundaries, then the text. */
#include "text/chunk.h"

#include "base/utf8.h"

#include <stdlib.h>

#define HEAD     5
#define TEXT_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct segment_end ends[TEXT_MAX];
static uint32_t sentences[TEXT_MAX];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool is_character(struct view text, size_t at)
{
    return at >= text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80;
}

/* Boundaries where a hash of the place says so; they fit, unless they are asked not to. */
static struct text_segments make_segments(struct view text, unsigned mask)
{
    struct text_segments segments = { ends, 0, sentences, 0 };
    bool misfit = (mask & 0x80) != 0;
    for (size_t at = 1; at <= text.len; at++) {
        uint64_t hash = view_hash(view_first(text, at), mask);
        if (!misfit && !is_character(text, at))
            continue;
        if (at == text.len || hash % 3 != 0)
            ends[segments.count++] = (struct segment_end){ (uint32_t)at, (hash & 0x300) != 0 };
        if (at == text.len || hash % 17 == 0)
            sentences[segments.sentence_count++] = (uint32_t)at;
    }
    return segments;
}

static size_t words_between(const struct text_segments *segments, size_t start, size_t end)
{
    size_t words = 0;
    for (size_t i = 0; i < segments->count; i++)
        words += segments->ends[i].word && segments->ends[i].at > start && segments->ends[i].at <= end;
    return words;
}

static void check(struct view text, const struct text_segments *segments, const struct chunking *chunking, const struct chunks *chunks)
{
    size_t covered = 0, start = 0;
    require(chunks->count > 0);
    for (size_t i = 0; i < chunks->count; i++) {
        const struct chunk *chunk = &chunks->items[i];
        require(chunk->start >= start && chunk->start <= covered && (chunk->end > covered || text.len == 0));
        require(is_character(text, chunk->start) && is_character(text, chunk->end));
        require(chunk->start_utf16 <= chunk->start && chunk->end_utf16 <= chunk->end && chunk->start_utf16 <= chunk->end_utf16);
        if (chunking->strategy != CHUNK_NONE)
            require(words_between(segments, chunk->start, chunk->end) <= (size_t)chunking->max_chunk_size);
        start = chunk->start;
        covered = chunk->end;
    }
    require(covered == text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct view separators[] = { VIEW_INIT("\n\n"), VIEW_INIT("\n"), VIEW_INIT("(?=[a-f])") };
    if (size < HEAD || size > HEAD + TEXT_MAX)
        return 0;
    struct view text = view_of(data + HEAD, size - HEAD), own = view_first(text, data[4] % 8);
    struct chunking chunking = {
        .strategy = (enum chunking_strategy)(data[0] % 4),
        .max_chunk_size = data[1],
        .overlap = data[2],
        .sentence_overlap = data[2] & 1,
        .separators = data[4] < 64 ? &own : separators,
        .separator_count = data[4] < 64 ? 1 : data[4] % 4,
    };
    struct text_segments segments = make_segments(text, data[3]);
    struct chunks chunks;
    const char *message;
    struct arena *arena = arena_create(1u << 20);
    if (arena == NULL)
        return 0;
    enum chunk_status status = chunk_text(arena, text, &segments, &chunking, &chunks, &message);
    require((message != NULL) == (status == CHUNK_BAD_SEPARATOR));
    if (status == CHUNK_OK)
        check(text, &segments, &chunking, &chunks);
    arena_destroy(arena);
    return 0;
}
