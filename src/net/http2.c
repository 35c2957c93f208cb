/* net/http2.c - an HTTP/2 connection over nghttp2: streams to exchanges and back (see front.h).
 *
 * nghttp2 parses, compresses, validates and counts windows. Here a stream gets its exchange; a body's window is given back only
 * as its bytes find room; an answer's bytes are pulled when the client's window and the connection have room. Answers are
 * submitted at once but written by http2_pump(), at the end of the turn.
 */
#include "net/front.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define STREAM_WINDOW     (256 * 1024)
#define CONNECTION_WINDOW (4 * 1024 * 1024)
/* A body that brings fewer in body_timeout_ms is too slow, and so is a client that takes fewer of a waiting answer in
 * idle_timeout_ms: with the usual ten minutes, that is 27 bytes a second. */
#define PROGRESS_BYTES    (16u * 1024)
#define DRAIN_MAX         (32u << 20)   /* of a body whose answer is sent; a little more than the largest body that is wanted */

/* A peer may not make us work for nothing: answers to PING and SETTINGS in the queue, entries of one SETTINGS frame,
 * CONTINUATION frames of one head, and streams that it opens and resets (so many at once, so many a second). */
#define ACKS_QUEUED_MAX   1000
#define SETTINGS_MAX      32
#define CONTINUATIONS_MAX 8
#define RESETS_AT_ONCE    1000
#define RESETS_A_SECOND   33

struct http2 {
    struct session session;
    nghttp2_session *ng;
    struct list dirty;                                      /* exchanges whose answer has changed: dirty_link */
    struct http_header fields[HTTP_FIELDS_MAX];             /* of the head that is arriving; heads never interleave */
    size_t field_count;
    size_t field_bytes;
    uint64_t bodies_by_ms;                                  /* when progress is looked at; 0: no body is awaited */
    bool head_open;
    bool head_too_large;
    bool stopping;
    bool ending;                                            /* being destroyed: nghttp2 calls nothing any more */
};

static struct http2 *http2_of(struct session *session)
{
    return (struct http2 *)session;
}

static struct http_exchange *exchange_of(struct http2 *h2, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(h2->ng, stream_id);
}

/* The client has its answer, and hears that the rest of its body is not wanted. */
static void cut_off(struct http2 *h2, struct http_exchange *ex)
{
    ex->draining = false;
    nghttp2_submit_rst_stream(h2->ng, NGHTTP2_FLAG_NONE, ex->stream_id, NGHTTP2_NO_ERROR);
}

/* ---- time --------------------------------------------------------------------------------------------------------------- */

static bool body_awaited(const struct http_exchange *ex)
{
    return ex->body_open && (!ex->discard || ex->draining) && !exchange_body_full(ex);
}

static bool any_body_awaited(const struct http2 *h2)
{
    for (const struct http_exchange *ex = h2->session.first; ex != NULL; ex = ex->next)
        if (body_awaited(ex))
            return true;
    return false;
}

/* The client's window is shut for bytes that it could have. */
static bool answer_waits(const struct http_exchange *ex)
{
    return ex->answer != ANSWER_BROKEN && exchange_out(ex).len > 0;
}

/* A client that gives no window, or a byte of it now and then, may not hold an answer for ever. As over HTTP/1.1, it has the idle
 * time to take what waits, or enough of it. */
static void note_stalled_answers(struct http2 *h2)
{
    const struct front *front = h2->session.link->front;
    for (struct http_exchange *ex = h2->session.first; ex != NULL; ex = ex->next)
        if (ex->take_by_ms == 0 && answer_waits(ex)) {
            ex->take_by_ms = loop_now_ms(front->loop) + front->options.idle_timeout_ms;
            ex->taken = 0;
        }
}

static void note_taken(struct http_exchange *ex, size_t len)
{
    ex->taken += len;
    if (ex->taken >= PROGRESS_BYTES || exchange_out(ex).len == 0)
        ex->take_by_ms = 0;                                 /* and a new one, when more waits */
}

static uint64_t sooner(uint64_t one_ms, uint64_t other_ms)  /* 0: none */
{
    return one_ms == 0 || (other_ms != 0 && other_ms < one_ms) ? other_ms : one_ms;
}

/* The connection's is the first of: the time of all awaited bodies, the time of each stalled answer; or that of idleness. */
static void set_deadline(struct http2 *h2)
{
    const struct http_server_options *options = &h2->session.link->front->options;
    uint64_t now = loop_now_ms(h2->session.link->front->loop);
    if (!any_body_awaited(h2))
        h2->bodies_by_ms = 0;
    else if (h2->bodies_by_ms == 0)
        h2->bodies_by_ms = now + options->body_timeout_ms;
    h2->session.deadline_ms = h2->session.count > 0 ? h2->bodies_by_ms : now + options->idle_timeout_ms;
    for (const struct http_exchange *ex = h2->session.first; ex != NULL; ex = ex->next)
        h2->session.deadline_ms = sooner(h2->session.deadline_ms, ex->take_by_ms);
}

static void end_slow_bodies(struct http2 *h2)
{
    h2->bodies_by_ms = 0;
    if (h2->head_open)
        h2->session.link->broken = true;
    for (struct http_exchange *ex = h2->session.first, *next; ex != NULL && !h2->head_open; ex = next) {
        next = ex->next;
        if (body_awaited(ex) && ex->progress < PROGRESS_BYTES) {
            if (ex->draining)
                cut_off(h2, ex);
            else
                exchange_refuse(ex, HTTP_REFUSE_TIMEOUT);
        }
        ex->progress = 0;
    }
}

static void end_stalled_answers(struct http2 *h2, uint64_t now)
{
    for (struct http_exchange *ex = h2->session.first, *next; ex != NULL; ex = next) {
        next = ex->next;
        if (ex->take_by_ms != 0 && ex->take_by_ms <= now) {
            ex->take_by_ms = 0;
            http_abort(ex);
        }
    }
}

static void http2_timeout(struct session *session)
{
    struct http2 *h2 = http2_of(session);
    uint64_t now = loop_now_ms(session->link->front->loop);
    session->deadline_ms = 0;
    if (session->count == 0)
        nghttp2_session_terminate_session(h2->ng, NGHTTP2_NO_ERROR);
    if (h2->bodies_by_ms != 0 && h2->bodies_by_ms <= now)
        end_slow_bodies(h2);
    end_stalled_answers(h2, now);
    link_touch(session->link);
}

/* ---- requests ------------------------------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2 *h2 = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;                                           /* trailers: passed over */
    struct http_exchange *ex = exchange_create(&h2->session);
    if (ex == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    ex->stream_id = frame->hd.stream_id;
    ex->body_open = true;
    ex->request.version = HTTP_2;
    ex->request.peer = arena_copy(ex->request.arena, view_from_cstr(h2->session.link->peer));
    h2->head_open = true;
    h2->head_too_large = false;
    h2->field_count = h2->field_bytes = 0;
    nghttp2_session_set_stream_user_data(ng, ex->stream_id, ex);
    return 0;
}

static void take_pseudo_field(struct http_request *request, struct view name, struct view value)
{
    if (view_is(name, ":method"))
        request->method = value;
    else if (view_is(name, ":path"))
        request->target = value;
    else if (view_is(name, ":authority"))
        request->authority = value;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *user)
{
    struct http2 *h2 = user;
    struct http_exchange *ex = exchange_of(h2, frame->hd.stream_id);
    (void)ng;
    (void)flags;
    if (ex == NULL || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    h2->field_bytes += name_len + value_len;
    if (h2->field_bytes > HTTP_HEAD_MAX || h2->field_count == HTTP_FIELDS_MAX)
        h2->head_too_large = true;
    if (h2->head_too_large)
        return 0;
    struct http_header field = { arena_copy(ex->request.arena, view_of(name, name_len)),
                                 arena_copy(ex->request.arena, view_of(value, value_len)) };
    if (name_len > 0 && name[0] == ':')
        take_pseudo_field(&ex->request, field.name, field.value);
    else
        h2->fields[h2->field_count++] = field;
    return 0;
}

/* False: malformed, or more than the arena holds. */
static bool fill_request(struct http2 *h2, struct http_request *request)
{
    struct http_header *fields = arena_array(request->arena, h2->field_count, sizeof(*fields));
    if (fields == NULL || arena_exhausted(request->arena))
        return false;
    if (h2->field_count > 0)
        memcpy(fields, h2->fields, h2->field_count * sizeof(*fields));
    request->headers = fields;
    request->header_count = h2->field_count;
    if (request->authority.ptr == NULL)
        request->authority = http_header_get(request, "host");
    request->has_content_length = view_to_u64(http_header_get(request, "content-length"), &request->content_length);
    size_t mark = view_find_byte(request->target, '?');
    request->path = view_first(request->target, mark);
    request->query = mark != VIEW_NPOS ? view_from(request->target, mark + 1) : (struct view){ NULL, 0 };
    bool rooted = request->target.len > 0 && (request->target.ptr[0] == '/' || view_is(request->target, "*"));
    return rooted && view_find_byte(request->target, '#') == VIEW_NPOS;
}

static void send_continue(struct http2 *h2, const struct http_exchange *ex)
{
    const nghttp2_nv status = { (uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE };
    nghttp2_submit_headers(h2->ng, NGHTTP2_FLAG_NONE, ex->stream_id, NULL, &status, 1, NULL);
}

static void head_complete(struct http2 *h2, struct http_exchange *ex, bool last)
{
    h2->head_open = false;
    if (last)
        ex->body_open = false;
    if (h2->head_too_large || ex->request.target.len > HTTP_TARGET_MAX) {
        exchange_refuse(ex, HTTP_REFUSE_HEADERS_TOO_LARGE);
        return;
    }
    if (!fill_request(h2, &ex->request)) {
        exchange_refuse(ex, HTTP_REFUSE_BAD_REQUEST);
        return;
    }
    exchange_headers(ex);
    if (last)
        exchange_body_end(ex);
    else if (!ex->discard && view_eq_nocase(http_header_get(&ex->request, "expect"), VIEW("100-continue")))
        send_continue(h2, ex);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2 *h2 = user;
    bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    (void)ng;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct http_exchange *ex = exchange_of(h2, frame->hd.stream_id);
    if (ex == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        head_complete(h2, ex, last);
    } else if (last && ex->body_open) {
        ex->body_open = false;
        exchange_body_end(ex);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len, void *user)
{
    struct http2 *h2 = user;
    struct http_exchange *ex = exchange_of(h2, stream_id);
    (void)flags;
    nghttp2_session_consume_connection(ng, len);
    if (ex != NULL) {
        ex->progress += len;
        ex->received += len;
        exchange_body(ex, view_of(data, len));
        if (ex->draining && ex->received > DRAIN_MAX)
            cut_off(h2, ex);
    }
    if (ex != NULL && exchange_body_full(ex))
        ex->unacknowledged += len;
    else
        nghttp2_session_consume_stream(ng, stream_id, len);
    return 0;
}

static void http2_body_room(struct session *session, struct http_exchange *ex)
{
    if (!exchange_body_full(ex) && ex->unacknowledged > 0) {
        nghttp2_session_consume_stream(http2_of(session)->ng, ex->stream_id, ex->unacknowledged);
        ex->unacknowledged = 0;
    }
    link_touch(session->link);
}

static void not_dirty(struct http_exchange *ex)
{
    if (ex->dirty)
        list_remove(&ex->dirty_link);
    ex->dirty = false;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t error_code, void *user)
{
    struct http2 *h2 = user;
    struct http_exchange *ex = h2->ending ? NULL : exchange_of(h2, stream_id);
    (void)ng;
    (void)error_code;
    if (ex == NULL)
        return 0;
    if (h2->head_open && h2->session.last == ex)
        h2->head_open = false;
    not_dirty(ex);
    exchange_end(ex, !exchange_out_done(ex));
    return 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

static ssize_t read_answer(nghttp2_session *ng, int32_t stream_id, uint8_t *place, size_t size, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
    struct http_exchange *ex = source->ptr;
    (void)ng;
    (void)stream_id;
    (void)user;
    struct view bytes = view_first(exchange_out(ex), size);
    if (ex->answer == ANSWER_BROKEN)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (bytes.len > 0) {
        memcpy(place, bytes.ptr, bytes.len);
        exchange_out_use(ex, bytes.len);
        note_taken(ex, bytes.len);
    }
    if (exchange_out_done(ex))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (bytes.len == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)bytes.len;
}

/* A client that has its answer need not send the rest of its body. There are clients that take a reset for a failure while they
 * send, and lose the answer: so a body of a bearable size is read to its end and dropped. */
static void drain_body(struct http2 *h2, struct http_exchange *ex)
{
    ex->discard = true;
    ex->draining = true;
    if (ex->received > DRAIN_MAX || (ex->request.has_content_length && ex->request.content_length > DRAIN_MAX))
        cut_off(h2, ex);
    else
        http2_body_room(&h2->session, ex);
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2 *h2 = user;
    bool answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!answer || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    struct http_exchange *ex = exchange_of(h2, frame->hd.stream_id);
    (void)ng;
    if (ex != NULL && ex->body_open)
        drain_body(h2, ex);
    return 0;
}

static nghttp2_nv field_of(struct view name, struct view value)
{
    return (nghttp2_nv){ (uint8_t *)name.ptr, (uint8_t *)value.ptr, name.len, value.len, NGHTTP2_NV_FLAG_NONE };
}

/* A value without what no header may hold. */
static struct view clean_value(struct arena *arena, struct view value)
{
    struct view copy = arena_copy(arena, value);
    for (size_t i = 0; i < copy.len; i++)
        if (copy.ptr[i] == '\r' || copy.ptr[i] == '\n' || copy.ptr[i] == '\0')
            ((char *)copy.ptr)[i] = ' ';
    return copy;
}

static void http2_answer_begin(struct session *session, struct http_exchange *ex, const struct http_response *response)
{
    struct http2 *h2 = http2_of(session);
    struct arena *arena = ex->request.arena;
    nghttp2_nv *fields = arena_array(arena, response->header_count + 3, sizeof(*fields));
    const char *status = arena_printf(arena, "%d", response->status);
    const char *length = arena_printf(arena, "%llu", (unsigned long long)ex->length);
    size_t count = 0;
    if (fields != NULL && !arena_exhausted(arena)) {
        fields[count++] = field_of(VIEW(":status"), view_from_cstr(status));
        fields[count++] = field_of(VIEW("date"), front_date(ex->front));
        for (size_t i = 0; i < response->header_count; i++)
            fields[count++] = field_of(response->headers[i].name, clean_value(arena, response->headers[i].value));
        if (ex->length_kind == ANSWER_LENGTH_KNOWN && ex->status != 204 && ex->status != 304)
            fields[count++] = field_of(VIEW("content-length"), view_from_cstr(length));
    }
    bool empty = ex->bodiless || (ex->length_kind == ANSWER_LENGTH_KNOWN && ex->length == 0);
    nghttp2_data_provider provider = { .source.ptr = ex, .read_callback = read_answer };
    if (arena_exhausted(arena) ||
        nghttp2_submit_response(h2->ng, ex->stream_id, fields, count, empty ? NULL : &provider) != 0)
        http_abort(ex);
}

static void http2_changed(struct session *session, struct http_exchange *ex)
{
    if (!ex->dirty)
        list_push_back(&http2_of(session)->dirty, &ex->dirty_link);
    ex->dirty = true;
    link_touch(session->link);
}

static void hand_over_changes(struct http2 *h2)
{
    while (!list_empty(&h2->dirty)) {
        struct http_exchange *ex = LIST_ITEM(list_first(&h2->dirty), struct http_exchange, dirty_link);
        not_dirty(ex);
        if (ex->answer == ANSWER_BROKEN)
            nghttp2_submit_rst_stream(h2->ng, NGHTTP2_FLAG_NONE, ex->stream_id, NGHTTP2_INTERNAL_ERROR);
        else
            nghttp2_session_resume_data(h2->ng, ex->stream_id);     /* fails when nothing waits, which is fine */
    }
}

static void http2_pump(struct session *session)
{
    struct http2 *h2 = http2_of(session);
    struct link *link = session->link;
    hand_over_changes(h2);
    while (!link_full(link)) {
        const uint8_t *bytes = NULL;
        ssize_t len = nghttp2_session_mem_send(h2->ng, &bytes);
        if (len < 0)
            link->broken = true;
        if (len <= 0)
            break;
        buf_append(&link->out, bytes, (size_t)len);
    }
    if (!link_full(link))                                   /* else it is the socket that they wait for: conn.c limits that */
        note_stalled_answers(h2);
    bool over = nghttp2_session_want_read(h2->ng) == 0 && nghttp2_session_want_write(h2->ng) == 0;
    if (over || (h2->stopping && session->count == 0 && nghttp2_session_want_write(h2->ng) == 0))
        link->closing = true;
    set_deadline(h2);
}

/* ---- the session -------------------------------------------------------------------------------------------------------------- */

static void http2_receive(struct session *session, struct view bytes)
{
    struct http2 *h2 = http2_of(session);
    ssize_t used = nghttp2_session_mem_recv(h2->ng, (const uint8_t *)bytes.ptr, bytes.len);
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC || used == NGHTTP2_ERR_NOMEM || used == NGHTTP2_ERR_CALLBACK_FAILURE)
        session->link->broken = true;
    else if (used < 0)                                      /* a flood: it hears why before the connection ends */
        nghttp2_session_terminate_session(h2->ng, NGHTTP2_ENHANCE_YOUR_CALM);
    set_deadline(h2);
    link_touch(session->link);
}

static bool http2_wants_input(const struct session *session)
{
    return !link_full(session->link);
}

static void http2_stop(struct session *session)
{
    struct http2 *h2 = http2_of(session);
    h2->stopping = true;
    nghttp2_submit_goaway(h2->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h2->ng), NGHTTP2_NO_ERROR, NULL, 0);
    link_touch(session->link);
}

static void http2_destroy(struct session *session)
{
    struct http2 *h2 = http2_of(session);
    h2->ending = true;
    while (session->first != NULL) {
        not_dirty(session->first);
        exchange_end(session->first, !exchange_out_done(session->first));
    }
    nghttp2_session_del(h2->ng);
    free(h2);
}

static const struct session_ops http2_ops = {
    .receive = http2_receive,
    .wants_input = http2_wants_input,
    .pump = http2_pump,
    .timeout = http2_timeout,
    .stop = http2_stop,
    .destroy = http2_destroy,
    .answer_begin = http2_answer_begin,
    .changed = http2_changed,
    .body_room = http2_body_room,
};

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    return callbacks;
}

static nghttp2_option *make_option(void)
{
    nghttp2_option *option = NULL;
    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, ACKS_QUEUED_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_MAX);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_AT_ONCE, RESETS_A_SECOND);
    return option;
}

static bool introduce(struct http2 *h2)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2->session.link->front->options.max_streams },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX },
    };
    return nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0])) == 0 &&
           nghttp2_session_set_local_window_size(h2->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

struct session *http2_create(struct link *link)
{
    struct http2 *h2 = calloc(1, sizeof(*h2));
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = make_option();
    bool made = h2 != NULL && callbacks != NULL && option != NULL &&
                nghttp2_session_server_new2(&h2->ng, callbacks, h2, option) == 0;
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (!made) {
        free(h2);
        return NULL;
    }
    h2->session.ops = &http2_ops;
    h2->session.link = link;
    list_init(&h2->dirty);
    if (!introduce(h2)) {
        http2_destroy(&h2->session);
        return NULL;
    }
    set_deadline(h2);
    return &h2->session;
}
