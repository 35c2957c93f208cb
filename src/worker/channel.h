/* worker/channel.h - the worker's end of its socket: frames in, one buffer out.
 *
 * Nothing blocks but channel_wait(). What is to be sent is appended to channel_out() with the functions of engine/wire.h and leaves
 * with channel_flush(), once a step, so all sequences of a step share one write. A peer that takes nothing for a long time finds
 * CHANNEL_OUT_MAX bytes waiting; more is an error. Compute thread only.
 */
#ifndef CRATON_WORKER_CHANNEL_H
#define CRATON_WORKER_CHANNEL_H

#include "engine/wire.h"

#define CHANNEL_OUT_MAX (256u << 20)

struct channel;

struct channel *channel_create(int fd);                     /* owns fd afterwards, also on failure; NULL when out of memory */
void channel_destroy(struct channel *channel);

/* The next frame that has arrived. WIRE_MORE: none for now; WIRE_BROKEN: the peer is gone or does not keep to the protocol. The
 * frame's payload is valid until the next call. */
enum wire_result channel_next(struct channel *channel, struct wire_frame *frame);

struct buf *channel_out(struct channel *channel);
bool channel_flush(struct channel *channel);                /* false: the peer is gone, or too much is waiting */

/* Waits until a frame may have come, the peer takes more, or wake_fd is readable; at most timeout_ms, -1: for ever. */
bool channel_wait(struct channel *channel, int wake_fd, int timeout_ms);

#endif
