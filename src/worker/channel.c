#include "worker/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (64u << 10)
#define IN_MAX    (WIRE_MAX_PAYLOAD + WIRE_HEADER_SIZE + READ_SIZE)

struct channel {
    int fd;
    struct buf in, out;
    size_t taken;                                           /* bytes of in that frames have used */
    size_t sent;                                            /* bytes of out that have left */
};

struct channel *channel_create(int fd)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    int flags = fcntl(fd, F_GETFL);
    if (channel == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(channel);
        close(fd);
        return NULL;
    }
    channel->fd = fd;
    buf_init(&channel->in, IN_MAX);
    buf_init(&channel->out, CHANNEL_OUT_MAX);
    return channel;
}

void channel_destroy(struct channel *channel)
{
    if (channel == NULL)
        return;
    close(channel->fd);
    buf_free(&channel->in);
    buf_free(&channel->out);
    free(channel);
}

/* One read. WIRE_FRAME: bytes came. */
static enum wire_result receive(struct channel *channel)
{
    buf_consume(&channel->in, channel->taken);
    channel->taken = 0;
    char *room = buf_reserve(&channel->in, READ_SIZE);
    if (room == NULL)
        return WIRE_BROKEN;
    ssize_t got = recv(channel->fd, room, READ_SIZE, 0);
    if (got > 0) {
        buf_commit(&channel->in, (size_t)got);
        return WIRE_FRAME;
    }
    if (got < 0 && errno == EINTR)
        return receive(channel);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? WIRE_MORE : WIRE_BROKEN;
}

enum wire_result channel_next(struct channel *channel, struct wire_frame *frame)
{
    for (;;) {
        enum wire_result result = wire_next(&channel->in, &channel->taken, frame);
        if (result != WIRE_MORE)
            return result;
        result = receive(channel);
        if (result != WIRE_FRAME)
            return result;
    }
}

struct buf *channel_out(struct channel *channel)
{
    return &channel->out;
}

bool channel_flush(struct channel *channel)
{
    if (buf_failed(&channel->out))
        return false;
    while (channel->sent < channel->out.len) {
        ssize_t sent = send(channel->fd, channel->out.ptr + channel->sent, channel->out.len - channel->sent, MSG_NOSIGNAL);
        if (sent >= 0)
            channel->sent += (size_t)sent;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            return false;
    }
    buf_consume(&channel->out, channel->sent);
    channel->sent = 0;
    return true;
}

bool channel_wait(struct channel *channel, int wake_fd, int timeout_ms)
{
    struct pollfd fds[] = {
        { .fd = channel->fd, .events = (short)(POLLIN | (channel->out.len > 0 ? POLLOUT : 0)) },
        { .fd = wake_fd, .events = POLLIN },
    };
    return poll(fds, 2, timeout_ms) >= 0 || errno == EINTR;
}
