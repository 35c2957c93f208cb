/* text/separators.h - where a regular expression splits a text. Private to the chunkers. */
#ifndef CRATON_TEXT_SEPARATORS_H
#define CRATON_TEXT_SEPARATORS_H

#include "base/arena.h"

struct splits {
    uint32_t *at;                                           /* where matches begin, rising */
    size_t count;
};

enum separator_result { SEPARATOR_OK, SEPARATOR_INVALID, SEPARATOR_TOO_SLOW, SEPARATOR_NO_MEMORY };

/* All matches in text, which must be valid UTF-8 of less than 4 GiB. ^ and $ are the ends of lines. SEPARATOR_TOO_SLOW: one place
 * takes too many steps, or the whole more than *cpu_ms of this thread's time, which is what is left of it afterwards. */
enum separator_result separator_find(struct arena *arena, struct view pattern, struct view text, int64_t *cpu_ms, struct splits *out);

#endif
