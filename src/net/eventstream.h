/* net/eventstream.h - frames of application/vnd.amazon.eventstream: length, headers, payload, two checksums.
 *
 * Only string headers are written and read; other header types are skipped when reading. Pure functions.
 */
#ifndef CRATON_NET_EVENTSTREAM_H
#define CRATON_NET_EVENTSTREAM_H

#include "base/buf.h"

#define EVENTSTREAM_CONTENT_TYPE "application/vnd.amazon.eventstream"
#define EVENTSTREAM_HEADERS_MAX  16
#define EVENTSTREAM_FRAME_MAX    (25u * 1024 * 1024)

struct eventstream_header {
    struct view name;                                       /* at most 255 bytes: ":event-type" */
    struct view value;                                      /* at most 32,767 bytes */
};

/* Appends one frame. False when a limit is passed or the buffer has failed; nothing is appended then. */
bool eventstream_append(struct buf *out, const struct eventstream_header *headers, size_t header_count, struct view payload);

struct eventstream_frame {
    struct eventstream_header headers[EVENTSTREAM_HEADERS_MAX];
    size_t header_count;
    struct view payload;
    size_t size;                                            /* bytes that the frame takes */
};

enum eventstream_result { EVENTSTREAM_FRAME, EVENTSTREAM_INCOMPLETE, EVENTSTREAM_BROKEN };

/* Reads the frame at the front of bytes; views of the frame point into them. BROKEN: lengths or checksums are wrong. */
enum eventstream_result eventstream_read(struct view bytes, struct eventstream_frame *frame);
struct view eventstream_header(const struct eventstream_frame *frame, const char *name);   /* empty with NULL ptr when absent */

#endif
