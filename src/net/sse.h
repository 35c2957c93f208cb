/* net/sse.h - server-sent events (text/event-stream): writing them, and reading them as they arrive in pieces.
 *
 * Not thread-safe. A parser holds at most its cap in bytes.
 */
#ifndef CRATON_NET_SSE_H
#define CRATON_NET_SSE_H

#include "base/buf.h"

#define SSE_CONTENT_TYPE "text/event-stream"

/* Appends one event. An empty name leaves the field out; data of several lines becomes several data fields. False when the
 * buffer has failed. */
bool sse_append(struct buf *out, struct view name, struct view data);

struct sse_parser {
    struct buf line;                                        /* what is there of an unfinished line */
    struct buf name;
    struct buf data;
    bool after_cr;                                          /* a line feed now belongs to the line before */
    bool begun;                                             /* past the place where a byte order mark may stand */
    bool failed;
    bool (*on_event)(void *ctx, struct view name, struct view data);    /* false: stop, the parser fails */
    void *ctx;
};

/* An event without a name is a "message". Comments, ids and retry times are passed over, as are events without data. */
void sse_parser_init(struct sse_parser *parser, size_t max_event, bool (*on_event)(void *ctx, struct view name, struct view data),
                     void *ctx);
void sse_parser_free(struct sse_parser *parser);
/* Calls on_event for each event that is complete. False, from then on, when one was larger than the cap or on_event said so. */
bool sse_feed(struct sse_parser *parser, struct view bytes);

#endif
