/* cli/progress.h - how far something is, in words and bars for people. Pure functions that append to a buffer. */
#ifndef CRATON_CLI_PROGRESS_H
#define CRATON_CLI_PROGRESS_H

#include "base/buf.h"

/* "#######............." of width cells; a full bar only when all is done. total 0 or less: an empty bar. */
void progress_bar(struct buf *out, int64_t done, int64_t total, unsigned width);

void progress_rate(struct buf *out, double per_second);     /* "12.5/s", "3.2/min"; "-" for none */
void progress_duration(struct buf *out, int64_t ms);        /* "12 s", "3 min 05 s", "2 h 10 min", "3 d 4 h" */

/* Text from elsewhere in a column: what a terminal would obey becomes '?', what is too long is cut, the rest is filled up. */
void progress_column(struct buf *out, struct view text, unsigned width);

#endif
