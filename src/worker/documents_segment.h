/* worker/documents_segment.h - finds the words and sentences of a text with ICU, by the rules of the root locale. */
#ifndef CRATON_WORKER_DOCUMENTS_SEGMENT_H
#define CRATON_WORKER_DOCUMENTS_SEGMENT_H

#include "base/arena.h"
#include "base/segments.h"

struct segmenter;

/* Opens what ICU reads at first use, its dictionaries too, so that a sealed process needs no files. NULL: ICU cannot be used. */
struct segmenter *segmenter_create(void);
void segmenter_destroy(struct segmenter *segmenter);        /* NULL is fine */

/* text must be valid UTF-8 of at most SEGMENTS_TEXT_MAX. out lives in the arena. False: out of memory. One thread at a time. */
bool segmenter_find(struct segmenter *segmenter, struct arena *arena, struct view text, struct text_segments *out);

#endif
