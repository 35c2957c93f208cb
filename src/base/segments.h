/* base/segments.h - where the words and the sentences of a text end, as byte offsets into its UTF-8.
 *
 * craton-worker finds them (worker/documents_segment.h), the wire carries them, the chunkers (text/chunk.h) cut by them. Plain
 * data, borrowed from whatever arena made it.
 */
#ifndef CRATON_BASE_SEGMENTS_H
#define CRATON_BASE_SEGMENTS_H

#include "base/view.h"

#define SEGMENTS_TEXT_MAX ((size_t)4 << 20)                 /* bytes of one text */

struct segment_end {
    uint32_t at;                                            /* the segment reaches from the end before it to here */
    bool word;                                              /* letters, digits or ideographs; else blanks, punctuation, … */
};

/* Every byte belongs to one segment and to one sentence: ends rise strictly, and the last of each kind is the text's own. */
struct text_segments {
    const struct segment_end *ends;
    size_t count;
    const uint32_t *sentences;                              /* their ends */
    size_t sentence_count;
};

/* Whether these can be of this text, which must be valid UTF-8: as said above, and no end lies inside a character. */
bool segments_fit(const struct text_segments *segments, struct view text);

#endif
