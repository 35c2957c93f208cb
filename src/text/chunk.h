/* text/chunk.h - cuts a text into pieces that are small enough to be embedded, the way Elasticsearch does.
 *
 * A word is a segment of letters, digits or ideographs; sizes are words. Where words and sentences end is found elsewhere and given
 * (base/segments.h), so these are pure functions. All chunks together cover the whole text, they are in its order, and none has
 * more than max_chunk_size words.
 *
 *   word       A chunk ends with its last word; what follows that word, blanks and punctuation, begins the next chunk. Each chunk
 *              begins max_chunk_size - overlap words after the one before it. What is left at the end becomes a chunk when it has
 *              more words than the overlap; else it is part of the last chunk.
 *   sentence   Whole sentences, as many as fit. With sentence_overlap 1 a chunk begins with the last sentence of the chunk before
 *              it, or, when that and the next sentence would not fit, with its last words (half of max_chunk_size, at most 20).
 *              What is still too long is cut by words, with an overlap of up to 20, and its last piece takes further sentences.
 *   recursive  A text that does not fit is split before each match of the first separator, a regular expression; neighbours that
 *              fit together are joined again, and pieces that still do not fit are split by the next separator. When there is no
 *              further one, sentences are used, without overlap.
 *   none       The text itself.
 *
 * A text of blanks, or of nothing, is one chunk. A sentence is counted from the segment before its beginning: when that one is a
 * word directly before the end of the sentence before it, as with CJK full stops, the sentence counts one word more than it has.
 */
#ifndef CRATON_TEXT_CHUNK_H
#define CRATON_TEXT_CHUNK_H

#include "base/arena.h"
#include "base/segments.h"

enum chunking_strategy { CHUNK_SENTENCE, CHUNK_WORD, CHUNK_RECURSIVE, CHUNK_NONE };

struct chunking {
    enum chunking_strategy strategy;
    int64_t max_chunk_size;                                 /* words, at least 1; not used by CHUNK_NONE */
    int64_t overlap;                                        /* CHUNK_WORD: words, at most half of max_chunk_size */
    int64_t sentence_overlap;                               /* CHUNK_SENTENCE: 0 or 1 */
    const struct view *separators;                          /* CHUNK_RECURSIVE: patterns, in the order of their use */
    size_t separator_count;
};

struct chunk {
    size_t start, end;                                      /* bytes */
    size_t start_utf16, end_utf16;                          /* the same places in UTF-16 code units */
};

struct chunks {
    struct chunk *items;
    size_t count;
};

enum chunk_status {
    CHUNK_OK,
    CHUNK_BAD_INPUT,                                        /* not UTF-8, segments that do not fit it, sizes out of range */
    CHUNK_BAD_SEPARATOR,                                    /* no regular expression, or one that takes too long on this text */
    CHUNK_NO_MEMORY,                                        /* of the arena */
};

#define CHUNK_SEPARATORS_MAX 100

/* Any thread. out lives in the arena. *message says in a sentence what was wrong with a separator (in the arena), else NULL. */
enum chunk_status chunk_text(struct arena *arena, struct view text, const struct text_segments *segments, const struct chunking *chunking,
                             struct chunks *out, const char **message);

#endif
