/* engine/channel.c - see channel.h. */
#include "engine/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK    (64u << 10)
#define READS_A_TURN  8                                     /* then other sockets get their turn */
#define OUT_MAX       ((size_t)2 * WIRE_MAX_PAYLOAD)
#define IN_MAX        ((size_t)WIRE_MAX_PAYLOAD + WIRE_HEADER_SIZE + READ_CHUNK)

static void on_ready(uv_poll_t *poll, int status, int events);

static void lose(struct channel *channel, const char *reason)
{
    if (channel->fd < 0)
        return;
    uv_poll_stop(&channel->poll);
    channel->on_lost(channel->ctx, reason);
}

/* It fails only where another handle watches the same descriptor, and this one is ours alone. */
static void watch(struct channel *channel, bool write)
{
    channel->wants_write = write;
    uv_poll_start(&channel->poll, UV_READABLE | UV_DISCONNECT | (write ? UV_WRITABLE : 0), on_ready);
}

bool channel_open(struct channel *channel, uv_loop_t *uv, int fd)
{
    buf_init(&channel->in, IN_MAX);
    buf_init(&channel->out, OUT_MAX);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || uv_poll_init(uv, &channel->poll, fd) != 0)
        return false;
    channel->poll.data = channel;
    channel->fd = fd;
    watch(channel, false);
    return true;
}

void channel_close(struct channel *channel, uv_close_cb on_closed)
{
    uv_poll_stop(&channel->poll);
    close(channel->fd);
    channel->fd = -1;
    buf_free(&channel->in);
    buf_free(&channel->out);
    uv_close((uv_handle_t *)&channel->poll, on_closed);
}

struct buf *channel_out(struct channel *channel)
{
    return &channel->out;
}

size_t channel_queued(const struct channel *channel)
{
    return channel->out.len - channel->out_offset;
}

/* False: the peer is gone. */
static bool write_some(struct channel *channel)
{
    while (channel->out_offset < channel->out.len) {
        ssize_t sent = send(channel->fd, channel->out.ptr + channel->out_offset, channel_queued(channel), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            buf_consume(&channel->out, channel->out_offset);
            channel->out_offset = 0;
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
        channel->out_offset += (size_t)sent;
    }
    buf_clear(&channel->out);
    channel->out_offset = 0;
    return true;
}

/* A peer that is gone is noticed by the poll, on a later turn, so that senders are never called back from inside. */
void channel_flush(struct channel *channel)
{
    if (channel->fd < 0)
        return;
    if (buf_failed(&channel->out)) {                        /* it takes nothing, and frames are lost: no way to go on */
        shutdown(channel->fd, SHUT_RDWR);
        return;
    }
    if (!write_some(channel))
        shutdown(channel->fd, SHUT_RDWR);
    bool more = channel_queued(channel) > 0;
    if (more != channel->wants_write)
        watch(channel, more);
}

static void take_frames(struct channel *channel)
{
    for (;;) {
        struct wire_frame frame;
        switch (wire_next(&channel->in, &channel->in_offset, &frame)) {
        case WIRE_FRAME:
            channel->on_frame(channel->ctx, &frame);
            if (channel->fd < 0)
                return;
            break;
        case WIRE_MORE:
            buf_consume(&channel->in, channel->in_offset);
            channel->in_offset = 0;
            return;
        case WIRE_BROKEN:
            lose(channel, "it broke the protocol");
            return;
        }
    }
}

/* False: there is nothing to read now, or the channel has ended. */
static bool read_some(struct channel *channel)
{
    char *room = buf_reserve(&channel->in, READ_CHUNK);
    if (room == NULL) {
        lose(channel, "out of memory for its frames");
        return false;
    }
    ssize_t got = recv(channel->fd, room, READ_CHUNK, 0);
    if (got < 0 && errno == EINTR)
        return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (got <= 0) {
        lose(channel, "its process has ended");
        return false;
    }
    buf_commit(&channel->in, (size_t)got);
    take_frames(channel);
    return channel->fd >= 0 && (size_t)got == READ_CHUNK;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct channel *channel = poll->data;
    if (status < 0) {
        lose(channel, "its socket failed");
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        channel_flush(channel);
    for (unsigned reads = 0; reads < READS_A_TURN && read_some(channel); reads++)
        continue;
}
