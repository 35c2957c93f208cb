/* batch/lines.h - the lines of a large input, one at a time, in bounded memory.
 *
 * Blank lines are passed over, blanks around a line and a byte order mark at the very beginning do not belong to it. Numbers count
 * all lines of the input from 1, so that people find them in an editor. A reader belongs to one thread.
 */
#ifndef CRATON_BATCH_LINES_H
#define CRATON_BATCH_LINES_H

#include "base/view.h"

/* Gives bytes of the input: *got may be less than len only at its end, and is 0 there. False: it cannot be read. */
struct line_source {
    void *ctx;
    bool (*read)(void *ctx, uint64_t offset, char *out, size_t len, size_t *got);
};

enum lines_status { LINES_OK, LINES_END, LINES_TOO_LONG, LINES_UNREADABLE, LINES_NO_MEMORY };

struct line_place {                                         /* where reading may go on later */
    uint64_t offset;                                        /* of the next byte to read */
    uint64_t number;                                        /* lines before it */
};

struct line {
    struct view text;                                       /* valid until the next call; without line end */
    uint64_t number;
    struct line_place after;
};

struct lines;
/* Lines longer than max bytes are refused. NULL when out of memory. */
struct lines *lines_open(const struct line_source *source, struct line_place from, size_t max);
enum lines_status lines_next(struct lines *lines, struct line *out);    /* number is also set for LINES_TOO_LONG */
void lines_close(struct lines *lines);                      /* NULL is fine */

#endif
