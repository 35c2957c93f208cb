/* engine/wire_segments.c - the payload of SEGMENTS: u32 count, u32 sentence count, then the ends as u32, and the sentences' ends as
 * u32. The lowest bit of a segment's end says that it is a word; the others are the place. */
#include "engine/wire.h"

#define HEAD_SIZE 8

static void store_u32(char *bytes, uint32_t number)
{
    unsigned char *b = (unsigned char *)bytes;
    b[0] = (unsigned char)number;
    b[1] = (unsigned char)(number >> 8);
    b[2] = (unsigned char)(number >> 16);
    b[3] = (unsigned char)(number >> 24);
}

static uint32_t load_u32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

void wire_write_segments(struct buf *out, const struct text_segments *segments)
{
    size_t size = HEAD_SIZE + 4 * (segments->count + segments->sentence_count);
    char *at = buf_reserve(out, size);
    if (at == NULL)
        return;
    store_u32(at, (uint32_t)segments->count);
    store_u32(at + 4, (uint32_t)segments->sentence_count);
    at += HEAD_SIZE;
    for (size_t i = 0; i < segments->count; i++, at += 4)
        store_u32(at, segments->ends[i].at << 1 | (segments->ends[i].word ? 1 : 0));
    for (size_t i = 0; i < segments->sentence_count; i++, at += 4)
        store_u32(at, segments->sentences[i]);
    buf_commit(out, size);
}

bool wire_read_segments(struct arena *arena, struct view payload, struct view text, struct text_segments *segments)
{
    if (payload.len < HEAD_SIZE)
        return false;
    size_t count = load_u32(payload.ptr), sentence_count = load_u32(payload.ptr + 4);
    const char *at = payload.ptr + HEAD_SIZE;
    if (payload.len != HEAD_SIZE + 4 * (count + sentence_count))
        return false;
    struct segment_end *ends = ARENA_ARRAY(arena, struct segment_end, count + 1);
    uint32_t *sentences = ARENA_ARRAY(arena, uint32_t, sentence_count + 1);
    if (ends == NULL || sentences == NULL)
        return false;
    for (size_t i = 0; i < count; i++, at += 4)
        ends[i] = (struct segment_end){ load_u32(at) >> 1, (load_u32(at) & 1) != 0 };
    for (size_t i = 0; i < sentence_count; i++, at += 4)
        sentences[i] = load_u32(at);
    *segments = (struct text_segments){ ends, count, sentences, sentence_count };
    return segments_fit(segments, text);
}
