/* worker/stops.h - finds stop sequences in a stream of bytes and lets nothing of them through.
 *
 * Bytes come in pieces of any size, cut anywhere. What can no longer be the beginning of a stop sequence is released at once,
 * the rest is held back until more bytes decide. When a sequence is complete, everything from its first byte on is dropped; of
 * several that match, the one that begins first wins, and of those the longest that is complete. Not thread-safe.
 */
#ifndef CRATON_WORKER_STOPS_H
#define CRATON_WORKER_STOPS_H

#include "base/arena.h"
#include "base/buf.h"

#define STOPS_NONE SIZE_MAX

struct stop_matcher {
    const struct view *stops;                               /* borrowed; empty ones never match */
    size_t count;
    size_t longest;                                         /* bytes */
    struct buf held;                                        /* what may be the beginning of a stop, and what is being released */
    size_t released;                                        /* bytes at the front of held that the last call gave away */
    size_t hit;                                             /* index of the stop met, or STOPS_NONE */
};

void stop_init(struct stop_matcher *matcher, const struct view *stops, size_t count);
void stop_clear(struct stop_matcher *matcher);

/* Both return bytes that may be sent, valid until the next call. After a hit nothing more comes. Out of memory shows in
 * stop_failed(), and then nothing more comes either. */
struct view stop_feed(struct stop_matcher *matcher, struct view bytes);
struct view stop_flush(struct stop_matcher *matcher);       /* the stream has ended: what was held back */

static inline bool stop_hit(const struct stop_matcher *matcher)
{
    return matcher->hit != STOPS_NONE;
}

static inline bool stop_failed(const struct stop_matcher *matcher)
{
    return buf_failed(&matcher->held);
}

#endif
