/* engine/channel.h - frames over one end of a Unix socket, on the loop.
 *
 * The owner embeds a struct channel. Frames that are sent go out at once as far as the kernel takes them, the rest when it can; the
 * queue is bounded. on_frame may close the channel; nothing comes after on_lost or channel_close().
 */
#ifndef CRATON_ENGINE_CHANNEL_H
#define CRATON_ENGINE_CHANNEL_H

#include "engine/wire.h"

#include <uv.h>

struct channel {
    uv_poll_t poll;                                         /* its data pointer is the channel */
    int fd;                                                 /* -1: closed */
    bool wants_write;
    struct buf in, out;
    size_t in_offset, out_offset;
    void *ctx;
    void (*on_frame)(void *ctx, const struct wire_frame *frame);
    void (*on_lost)(void *ctx, const char *reason);         /* the peer is gone or broke the protocol; comes once */
};

/* Takes fd over (non-blocking from now on) and starts to read. False: fd stays the caller's. */
bool channel_open(struct channel *channel, uv_loop_t *uv, int fd);
/* Nothing more comes or goes. on_closed frees what embeds the channel; it runs on a later turn. */
void channel_close(struct channel *channel, uv_close_cb on_closed);

/* Where the next frame is written: wire_begin(channel_out(c), …), … then channel_flush(). */
struct buf *channel_out(struct channel *channel);
void channel_flush(struct channel *channel);
size_t channel_queued(const struct channel *channel);       /* bytes that the peer has not taken */

#endif
