/* net/body.c - request bodies: gathered in memory, and in an unlinked file once they are large (see front.h). */
#include "net/front.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- in a thread ------------------------------------------------------------------------------------------------------- */

/* A file without a name. Some file systems cannot make one at once, so there it has a name for a moment. */
static int unnamed_file(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/body.XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof(path))
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static bool write_all(int fd, struct view bytes, uint64_t offset)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = view_from(bytes, (size_t)n);
        offset += (uint64_t)n;
    }
    return true;
}

static void write_slice(uv_work_t *work)
{
    struct http_exchange *ex = work->data;
    struct body *body = &ex->body;
    if (body->fd < 0)
        body->fd = unnamed_file(body->dir);
    if (body->fd < 0 || !write_all(body->fd, buf_view(&body->writing), body->written))
        body->failed = true;
}

/* ---- on the loop ------------------------------------------------------------------------------------------------------- */

static void deliver(struct http_exchange *ex)
{
    struct body *body = &ex->body;
    ex->request.body_size = body->size;
    ex->request.body_fd = body->spooled ? body->fd : -1;
    if (!body->spooled)
        ex->request.body = buf_view(&body->memory);
    body_release_budget(ex);
    ex->announced = true;
    ex->requested = true;
    ex->front->handler.on_request(ex->front->handler.ctx, ex);
}

static void start_slice(struct http_exchange *ex);

static void on_slice_written(uv_work_t *work, int status)
{
    struct http_exchange *ex = work->data;
    struct body *body = &ex->body;
    body->busy = false;
    if (ex->closed) {
        exchange_release(ex);
        return;
    }
    if (status != 0)
        body->failed = true;
    body->written += body->writing.len;
    buf_clear(&body->writing);
    if (ex->session == NULL || ex->discard)
        return;
    if (body->failed) {
        exchange_refuse(ex, HTTP_REFUSE_OVERLOADED);
    } else if (body->memory.len >= FILE_SLICE || (body->whole && body->memory.len > 0)) {
        start_slice(ex);
    } else if (body->whole) {
        deliver(ex);
    }
    if (ex->session != NULL)
        ex->session->ops->body_room(ex->session, ex);
}

static void start_slice(struct http_exchange *ex)
{
    struct body *body = &ex->body;
    buf_swap(&body->memory, &body->writing);
    body->dir = ex->front->options.body_dir;
    body->work.data = ex;
    body->busy = true;
    uv_queue_work(loop_uv(ex->front->loop), &body->work, write_slice, on_slice_written);
}

void body_release_budget(struct http_exchange *ex)
{
    ex->front->body_bytes -= ex->body.counted;
    ex->body.counted = 0;
}

static bool take_budget(struct http_exchange *ex, size_t len)
{
    struct front *front = ex->front;
    if (ex->admission.outside_budget)
        return true;
    if (front->body_bytes + len > front->options.body_budget)
        return false;
    front->body_bytes += len;
    ex->body.counted += len;
    return true;
}

void exchange_body(struct http_exchange *ex, struct view bytes)
{
    struct body *body = &ex->body;
    if (ex->discard)
        return;
    if (bytes.len > ex->admission.body_limit - body->size) {
        exchange_refuse(ex, HTTP_REFUSE_BODY_TOO_LARGE);
        return;
    }
    if (!take_budget(ex, bytes.len) || !buf_append_view(&body->memory, bytes)) {
        exchange_refuse(ex, HTTP_REFUSE_OVERLOADED);
        return;
    }
    body->size += bytes.len;
    if (body->size > ex->front->options.body_memory && ex->front->options.body_dir != NULL)
        body->spooled = true;
    if (body->spooled && !body->busy && body->memory.len >= FILE_SLICE)
        start_slice(ex);
}

bool exchange_body_full(const struct http_exchange *ex)
{
    return !ex->discard && ex->body.busy && ex->body.memory.len >= FILE_SLICE;
}

void exchange_body_end(struct http_exchange *ex)
{
    struct body *body = &ex->body;
    body->whole = true;
    if (ex->discard)
        return;
    if (!body->spooled)
        deliver(ex);
    else if (!body->busy)
        start_slice(ex);
}
