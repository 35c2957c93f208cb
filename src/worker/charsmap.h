/* worker/charsmap.h - replacement of characters before tokenizing, in the form that SentencePiece calls precompiled_charsmap.
 *
 * A u32 with the size of a double array in bytes, the array, then the replacements, each ended by NUL. The array is a trie of the
 * keys' bytes: a node at index i whose children hang at base b has, for the byte c, its child at b ^ c. An entry holds the byte that
 * leads to it (bits 0-7), whether a key ends there (bit 8) and i ^ b (from bit 10 on; in units of 256 when bit 9 is set); the entry
 * at b itself then holds the replacement's offset, with bit 31 set.
 */
#ifndef CRATON_WORKER_CHARSMAP_H
#define CRATON_WORKER_CHARSMAP_H

#include "base/buf.h"

struct charsmap_entry {
    struct view key;         /* 1 to 8 bytes, no NUL; each key once */
    struct view replacement; /* no NUL */
};

#define CHARSMAP_MAX (16u << 20)

/* Sorts entries. False: out of memory, or a key that is empty, too long or there twice. */
bool charsmap_build(struct charsmap_entry *entries, size_t count, struct buf *out);

#endif
