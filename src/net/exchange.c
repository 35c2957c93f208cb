/* net/exchange.c - the life of one exchange and the handler's half of it (see http.h and front.h).
 *
 *   created ─► announced (on_headers) ─► requested (on_request) ─► answer complete ─► sent ─► ended ─► on_closed ─► reused
 *                    └──────────── refused, aborted, or the connection has gone ───────────────┘
 */
#include "net/front.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT_BUFFER (64u * 1024)        /* a larger buffer is not kept for the next exchange */

/* ---- life -------------------------------------------------------------------------------------------------------------- */

static struct http_exchange *exchange_alloc(void)
{
    struct http_exchange *ex = calloc(1, sizeof(*ex));
    if (ex == NULL)
        return NULL;
    ex->request.arena = arena_create(HTTP_ARENA_MAX);
    if (ex->request.arena == NULL) {
        free(ex);
        return NULL;
    }
    buf_init(&ex->body.memory, SIZE_MAX / 2);               /* each is bounded by a rule of its own, not by its cap */
    buf_init(&ex->body.writing, SIZE_MAX / 2);
    buf_init(&ex->head, SIZE_MAX / 2);
    buf_init(&ex->out, SIZE_MAX / 2);
    buf_init(&ex->file.slice, SIZE_MAX / 2);
    return ex;
}

void exchange_free(struct http_exchange *ex)
{
    arena_destroy(ex->request.arena);
    buf_free(&ex->body.memory);
    buf_free(&ex->body.writing);
    buf_free(&ex->head);
    buf_free(&ex->out);
    buf_free(&ex->file.slice);
    free(ex);
}

static void buf_recycle(struct buf *buf)
{
    if (buf->capacity > KEPT_BUFFER)
        buf_free(buf);
    buf_clear(buf);
    buf->max = SIZE_MAX / 2;                                /* a swap may have brought a handler's cap */
}

/* Everything as new, but for the memory. */
static void exchange_recycle(struct http_exchange *ex)
{
    struct http_exchange kept = *ex;
    arena_reset(kept.request.arena);
    buf_recycle(&kept.body.memory);
    buf_recycle(&kept.body.writing);
    buf_recycle(&kept.head);
    buf_recycle(&kept.out);
    buf_recycle(&kept.file.slice);
    *ex = (struct http_exchange){
        .request.arena = kept.request.arena,
        .body = { .memory = kept.body.memory, .writing = kept.body.writing },
        .head = kept.head,
        .out = kept.out,
        .file.slice = kept.file.slice,
    };
}

static void exchanges_append(struct session *session, struct http_exchange *ex)
{
    ex->prev = session->last;
    ex->next = NULL;
    if (session->last != NULL)
        session->last->next = ex;
    else
        session->first = ex;
    session->last = ex;
    session->count++;
}

static void exchanges_remove(struct session *session, struct http_exchange *ex)
{
    if (ex->prev != NULL)
        ex->prev->next = ex->next;
    else
        session->first = ex->next;
    if (ex->next != NULL)
        ex->next->prev = ex->prev;
    else
        session->last = ex->prev;
    ex->next = ex->prev = NULL;
    session->count--;
}

struct http_exchange *exchange_create(struct session *session)
{
    struct front *front = session->link->front;
    struct http_exchange *ex = front->free_exchanges;
    if (ex != NULL) {
        front->free_exchanges = ex->next;
        front->free_count--;
    } else {
        ex = exchange_alloc();
        if (ex == NULL)
            return NULL;
    }
    ex->front = front;
    ex->session = session;
    ex->body.fd = -1;
    ex->file.fd = -1;
    ex->request.body_fd = -1;
    ex->request.tls = session->link->tls;
    ex->request.received_us = clock_mono_us(loop_clock(front->loop));
    ex->admission = (struct http_admission){ .body_limit = front->options.body_limit };
    exchanges_append(session, ex);
    front->live++;
    return ex;
}

void exchange_end(struct http_exchange *ex, bool aborted)
{
    struct front *front = ex->front;
    exchanges_remove(ex->session, ex);
    ex->session = NULL;
    ex->aborted = aborted || ex->refused;
    ex->answer = ANSWER_SENT;
    body_release_budget(ex);
    if (front->last_ended != NULL)
        front->last_ended->next = ex;
    else
        front->ended = ex;
    front->last_ended = ex;
    loop_turn_end(front->loop, &front->reap);
}

void exchange_release(struct http_exchange *ex)
{
    struct front *front = ex->front;
    if (ex->body.busy || ex->file.busy || ex->holds > 0)
        return;                                             /* the last of them comes here again */
    front_close_file(front, ex->body.fd);
    front_close_file(front, ex->file.fd);
    front->live--;
    if (front->free_count >= EXCHANGES_KEPT) {
        exchange_free(ex);
        return;
    }
    exchange_recycle(ex);
    ex->next = front->free_exchanges;
    front->free_exchanges = ex;
    front->free_count++;
}

/* ---- what the session tells -------------------------------------------------------------------------------------------- */

void exchange_headers(struct http_exchange *ex)
{
    const struct http_handler *handler = &ex->front->handler;
    if (handler->on_headers != NULL) {
        ex->announced = true;
        handler->on_headers(handler->ctx, ex, &ex->admission);
    }
    if (ex->admission.refuse || ex->answer != ANSWER_NONE)
        ex->discard = true;
    else if (ex->request.has_content_length && ex->request.content_length > ex->admission.body_limit)
        exchange_refuse(ex, HTTP_REFUSE_BODY_TOO_LARGE);
}

void exchange_refuse(struct http_exchange *ex, enum http_refusal refusal)
{
    ex->discard = true;
    if (ex->answer != ANSWER_NONE || ex->session == NULL)
        return;
    ex->refused = true;
    struct http_refused out = { .body = BUF_INIT(HTTP_HEAD_MAX) };
    const struct http_handler *handler = &ex->front->handler;
    if (handler->on_error != NULL)
        handler->on_error(handler->ctx, refusal, &ex->request, &out);
    const struct http_response response = { .status = http_refusal_status(refusal), .headers = out.headers,
                                            .header_count = out.header_count };
    http_respond(ex, &response, &out.body);
    buf_free(&out.body);
}

/* ---- the answer's bytes ------------------------------------------------------------------------------------------------- */

static size_t out_left(const struct http_exchange *ex)
{
    return ex->out.len - ex->out_used;
}

struct view exchange_out(const struct http_exchange *ex)
{
    return view_from(buf_view(&ex->out), ex->out_used);
}

bool exchange_out_done(const struct http_exchange *ex)
{
    return ex->answer == ANSWER_COMPLETE && out_left(ex) == 0 && ex->file.left == 0;
}

/* Drops what has been used, once that is most of the buffer. */
static void out_compact(struct http_exchange *ex)
{
    if (ex->out_used > 0 && ex->out_used >= ex->out.len / 2) {
        buf_consume(&ex->out, ex->out_used);
        ex->out_used = 0;
    }
}

static void read_slice(uv_work_t *work)
{
    struct http_exchange *ex = work->data;
    struct file_source *file = &ex->file;
    char *place = buf_reserve(&file->slice, file->want);
    size_t got = 0;
    while (place != NULL && got < file->want) {
        ssize_t n = pread(file->fd, place + got, file->want - got, (off_t)(file->offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (place != NULL)
        buf_commit(&file->slice, got);
}

static void on_slice_read(uv_work_t *work, int status)
{
    struct http_exchange *ex = work->data;
    struct file_source *file = &ex->file;
    file->busy = false;
    if (ex->closed) {
        exchange_release(ex);
        return;
    }
    if (ex->session == NULL)
        return;
    if (status != 0 || file->slice.len < file->want) {      /* shorter than promised: the client must not take it for whole */
        http_abort(ex);
        return;
    }
    file->offset += file->want;
    file->left -= file->want;
    out_compact(ex);
    if (ex->out.len == 0)
        buf_swap(&ex->out, &file->slice);
    else
        buf_append_view(&ex->out, buf_view(&file->slice));
    buf_clear(&file->slice);
    if (buf_failed(&ex->out))
        http_abort(ex);
    else
        ex->session->ops->changed(ex->session, ex);
}

static void file_read_on(struct http_exchange *ex)
{
    struct file_source *file = &ex->file;
    if (file->left == 0 || file->busy || out_left(ex) >= FILE_SLICE / 2)
        return;
    file->want = file->left < FILE_SLICE ? (size_t)file->left : FILE_SLICE;
    file->work.data = ex;
    file->busy = true;
    uv_queue_work(loop_uv(ex->front->loop), &file->work, read_slice, on_slice_read);
}

void exchange_out_use(struct http_exchange *ex, size_t len)
{
    ex->out_used += len;
    if (out_left(ex) == 0) {
        ex->out_used = 0;
        buf_clear(&ex->out);
    }
    file_read_on(ex);
    if (ex->full && ex->answer == ANSWER_OPEN && out_left(ex) <= ex->front->options.high_water / 2) {
        ex->full = false;
        if (ex->front->handler.on_writable != NULL)
            ex->front->handler.on_writable(ex->front->handler.ctx, ex);
    }
}

/* ---- what the handler calls ---------------------------------------------------------------------------------------------- */

const struct http_request *http_request(const struct http_exchange *ex)
{
    return &ex->request;
}

struct view http_header_get(const struct http_request *request, const char *lower_case_name)
{
    size_t len = strlen(lower_case_name);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (header->name.len == len && memcmp(header->name.ptr, lower_case_name, len) == 0)
            return header->value;
    }
    return (struct view){ NULL, 0 };
}

void http_set_context(struct http_exchange *ex, void *context)
{
    ex->context = context;
}

void *http_context(const struct http_exchange *ex)
{
    return ex->context;
}

bool http_gone(const struct http_exchange *ex)
{
    return ex->session == NULL || ex->answer == ANSWER_BROKEN;
}

int http_status(const struct http_exchange *ex)
{
    return ex->status;
}

void http_hold(struct http_exchange *ex)
{
    ex->holds++;
}

void http_release(struct http_exchange *ex)
{
    ex->holds--;
    if (ex->closed)
        exchange_release(ex);
}

static bool answer_begin(struct http_exchange *ex, const struct http_response *response, enum answer_length kind,
                         uint64_t length)
{
    if (ex->session == NULL || ex->answer != ANSWER_NONE)
        return false;
    ex->status = response->status;
    ex->bodiless = view_is(ex->request.method, "HEAD") || response->status == 204 || response->status == 304;
    ex->length_kind = kind;
    ex->length = length;
    ex->answer = ANSWER_OPEN;
    ex->session->ops->answer_begin(ex->session, ex, response);
    return true;
}

static void answer_complete(struct http_exchange *ex)
{
    if (ex->session == NULL || ex->answer != ANSWER_OPEN)
        return;
    ex->answer = ANSWER_COMPLETE;
    ex->session->ops->changed(ex->session, ex);
}

void http_respond(struct http_exchange *ex, const struct http_response *response, struct buf *body_take)
{
    static const struct http_response broken = { .status = 500 };
    if (body_take != NULL && buf_failed(body_take)) {       /* the handler ran out of its own limit unseen */
        response = &broken;
        buf_clear(body_take);
    }
    size_t length = body_take != NULL ? body_take->len : 0;
    if (answer_begin(ex, response, ANSWER_LENGTH_KNOWN, length)) {
        if (length > 0 && !ex->bodiless)
            buf_swap(&ex->out, body_take);
        answer_complete(ex);
    }
    if (body_take != NULL)
        buf_clear(body_take);
}

void http_respond_file(struct http_exchange *ex, const struct http_response *response, int fd, uint64_t offset, uint64_t length)
{
    bool begun = answer_begin(ex, response, ANSWER_LENGTH_KNOWN, length);
    if (!begun || ex->bodiless || length == 0) {
        front_close_file(ex->front, fd);
        if (begun)
            answer_complete(ex);
        return;
    }
    ex->file.fd = fd;
    ex->file.offset = offset;
    ex->file.left = length;
    ex->answer = ANSWER_COMPLETE;
    file_read_on(ex);
    ex->session->ops->changed(ex->session, ex);
}

void http_start(struct http_exchange *ex, const struct http_response *response)
{
    if (answer_begin(ex, response, ANSWER_LENGTH_UNKNOWN, 0))
        ex->session->ops->changed(ex->session, ex);
}

void http_start_sized(struct http_exchange *ex, const struct http_response *response, uint64_t length)
{
    if (answer_begin(ex, response, ANSWER_LENGTH_KNOWN, length))
        ex->session->ops->changed(ex->session, ex);
}

bool http_write(struct http_exchange *ex, struct view bytes)
{
    if (ex->session == NULL || ex->answer != ANSWER_OPEN || ex->bodiless)
        return true;
    out_compact(ex);
    if (!buf_append_view(&ex->out, bytes)) {
        http_abort(ex);
        return true;
    }
    ex->session->ops->changed(ex->session, ex);
    if (out_left(ex) > ex->front->options.high_water)
        ex->full = true;
    return !ex->full;
}

void http_finish(struct http_exchange *ex)
{
    answer_complete(ex);
}

void http_abort(struct http_exchange *ex)
{
    if (ex->session == NULL || ex->answer == ANSWER_SENT || ex->answer == ANSWER_BROKEN)
        return;
    ex->answer = ANSWER_BROKEN;
    ex->session->ops->changed(ex->session, ex);
}
