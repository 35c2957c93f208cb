/* net/http1.c - an HTTP/1.0 or 1.1 connection: bytes to exchanges and back (see front.h).
 *
 * A request's head is gathered whole, copied once into the exchange's arena and parsed there by llhttp in its strict mode, so
 * that every view of the request points into that copy. On top of llhttp this file refuses what another server on the way
 * might read differently: bare line feeds, folded fields, two spaces, any transfer coding but `chunked`, a repeated Host.
 *
 *            head complete, body follows           last byte
 *   HEAD ───────────────────────────────► LENGTH ─────────────► HEAD        LENGTH, CHUNKED: the body of `reading`
 *    │                               └──► CHUNKED ────────────►  …
 *    └── malformed, last request, or a body that nobody wants ──────────► DISCARD: what still comes is dropped
 */
#include "net/front.h"

#include <llhttp.h>
#include <stdlib.h>

#define PIPELINE_MAX     16             /* requests of one connection at a time */
#define DRAIN_MAX        (64u * 1024)   /* a refused body is read and dropped up to here, to keep the connection */
#define OVERHEAD_MAX     (16u * 1024)   /* chunk extensions and trailers of one request */
#define PROGRESS_BYTES   (16u * 1024)   /* a body that brings fewer in body_timeout_ms is too slow */
#define INPUT_MAX        (HTTP_HEAD_MAX + 256u * 1024)      /* an unfinished head and one read that came after it */

enum h1_state { H1_HEAD, H1_LENGTH, H1_CHUNKED, H1_DISCARD };
enum h1_wait { WAIT_NONE, WAIT_FIRST, WAIT_IDLE, WAIT_HEAD, WAIT_BODY };

struct http1 {
    struct session session;
    enum h1_state state;
    enum h1_wait wait;
    llhttp_t parser;
    struct head *head;                  /* while a head is being parsed */
    struct buf input;                   /* a head that is not whole yet, or input that has to wait */
    size_t scanned;                     /* whole lines of the head at the front of the input */
    bool held;                          /* input waits for room, not for more bytes */
    bool blank_line;                    /* one empty line before a request has been passed over */
    bool served;                        /* a request has come */
    bool stopping;
    struct http_exchange *reading;      /* whose body is arriving; NULL when it is dropped */
    uint64_t body_left;                 /* in LENGTH */
    size_t overhead;                    /* in CHUNKED */
    uint64_t progress;                  /* body bytes since the deadline was set */
};

/* What llhttp tells of one head. */
struct head {
    struct view target;
    struct http_header fields[HTTP_FIELDS_MAX];
    size_t count;
    bool too_many;
};

static const llhttp_settings_t head_settings, body_settings;

static struct http1 *http1_of(struct session *session)
{
    return (struct http1 *)session;
}

/* ---- time --------------------------------------------------------------------------------------------------------------- */

static bool blocked(const struct http1 *h1);

static enum h1_wait what_is_awaited(const struct http1 *h1)
{
    if (h1->held || h1->state == H1_DISCARD)
        return WAIT_NONE;
    if (h1->state != H1_HEAD)
        return blocked(h1) ? WAIT_NONE : WAIT_BODY;
    if (h1->input.len > 0)
        return WAIT_HEAD;
    if (h1->session.count > 0)
        return WAIT_NONE;
    return h1->served ? WAIT_IDLE : WAIT_FIRST;
}

static void set_deadline(struct http1 *h1)
{
    const struct http_server_options *options = &h1->session.link->front->options;
    enum h1_wait wait = what_is_awaited(h1);
    bool progress = wait == WAIT_BODY && h1->progress >= PROGRESS_BYTES;
    if (wait == h1->wait && !progress)
        return;
    /* The first head's time runs from the beginning of the connection. */
    if (!(h1->wait == WAIT_FIRST && wait == WAIT_HEAD)) {
        const uint64_t timeout[] = { [WAIT_FIRST] = options->header_timeout_ms, [WAIT_IDLE] = options->idle_timeout_ms,
                                     [WAIT_HEAD] = options->header_timeout_ms, [WAIT_BODY] = options->body_timeout_ms };
        h1->session.deadline_ms = wait != WAIT_NONE ? loop_now_ms(h1->session.link->front->loop) + timeout[wait] : 0;
    }
    h1->wait = wait;
    h1->progress = 0;
}

/* ---- what llhttp calls ------------------------------------------------------------------------------------------------- */

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = ((struct http1 *)parser->data)->head;
    head->target = view_of(at, len);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = ((struct http1 *)parser->data)->head;
    if (head->count == HTTP_FIELDS_MAX) {
        head->too_many = true;
        return HPE_USER;
    }
    head->fields[head->count++] = (struct http_header){ { at, len }, { at + len, 0 } };
    return len > 0 ? 0 : HPE_USER;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = ((struct http1 *)parser->data)->head;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    head->fields[head->count - 1].value = view_of(at, len);
    return 0;
}

static int on_head_complete(llhttp_t *parser)
{
    parser->upgrade = 0;                                    /* nothing is offered, so the request is an ordinary one */
    return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_url = on_target,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head_complete,
};

static int on_body_bytes(llhttp_t *parser, const char *at, size_t len)
{
    struct http1 *h1 = parser->data;
    h1->progress += len;
    if (h1->reading != NULL)
        exchange_body(h1->reading, view_of(at, len));
    return 0;
}

static int on_overhead(llhttp_t *parser, const char *at, size_t len)
{
    struct http1 *h1 = parser->data;
    (void)at;
    h1->overhead += len + 4;                                /* and what separates them */
    return h1->overhead <= OVERHEAD_MAX ? 0 : HPE_USER;
}

static int on_body_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t body_settings = {
    .on_header_field = on_overhead,
    .on_header_value = on_overhead,
    .on_chunk_extension_name = on_overhead,
    .on_chunk_extension_value = on_overhead,
    .on_body = on_body_bytes,
    .on_message_complete = on_body_complete,
};

/* ---- from a head to a request ------------------------------------------------------------------------------------------ */

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Field names become lower case in place: the head is the arena's own copy. */
static void lower_names(struct head *head)
{
    for (size_t i = 0; i < head->count; i++) {
        char *name = (char *)head->fields[i].name.ptr;
        for (size_t k = 0; k < head->fields[i].name.len; k++)
            name[k] = ascii_lower(name[k]);
    }
}

/* The only field of this name. False when there are several. */
static bool single_field(const struct head *head, struct view name, struct view *value)
{
    *value = (struct view){ NULL, 0 };
    for (size_t i = 0; i < head->count; i++) {
        if (!view_eq(head->fields[i].name, name))
            continue;
        if (value->ptr != NULL)
            return false;
        *value = head->fields[i].value;
    }
    return true;
}

/* Takes scheme and authority off a target in absolute form, as a client sends it to a proxy. */
static bool split_target(struct http_request *request, struct view target)
{
    static const struct view scheme = VIEW_INIT("http://");
    if (view_starts_with_nocase(target, scheme)) {
        struct view rest = view_from(target, scheme.len);
        size_t slash = view_find_byte(rest, '/');
        if (slash == VIEW_NPOS || slash == 0)
            return false;
        request->authority = view_first(rest, slash);
        target = view_from(rest, slash);
    } else if (target.ptr[0] != '/' && !view_is(target, "*")) {
        return false;
    }
    if (view_find_byte(target, '#') != VIEW_NPOS)
        return false;
    request->target = target;
    size_t mark = view_find_byte(target, '?');
    request->path = view_first(target, mark);
    request->query = mark != VIEW_NPOS ? view_from(target, mark + 1) : (struct view){ NULL, 0 };
    return true;
}

static bool valid_framing(const struct http1 *h1, const struct head *head, const struct http_request *request)
{
    struct view coding;
    if (!single_field(head, VIEW("transfer-encoding"), &coding))
        return false;
    return coding.ptr == NULL || (request->version == HTTP_1_1 && view_eq_nocase(coding, VIEW("chunked")) &&
                                  (h1->parser.flags & F_CHUNKED) != 0);
}

/* METHOD TARGET HTTP/1.x, with one blank between each. */
static bool single_blanks(struct view text, struct view method, struct view target)
{
    size_t begin = method.len + 1;
    return target.len > 0 && target.ptr == text.ptr + begin &&
           view_starts_with(view_from(text, begin + target.len), VIEW(" HTTP/1."));
}

/* Fills the request from what llhttp found; text is the whole head. False: malformed. */
static bool fill_request(const struct http1 *h1, struct head *head, struct view text, struct http_request *request)
{
    const llhttp_t *parser = &h1->parser;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return false;
    request->version = parser->http_minor == 0 ? HTTP_1_0 : HTTP_1_1;
    request->method = view_first(text, view_find_byte(text, ' '));
    if (!single_blanks(text, request->method, head->target) || parser->method == HTTP_CONNECT || parser->method == HTTP_PRI)
        return false;

    lower_names(head);
    if (!single_field(head, VIEW("host"), &request->authority) ||
        (request->authority.ptr == NULL && request->version == HTTP_1_1))
        return false;
    if (!split_target(request, head->target) || !valid_framing(h1, head, request))
        return false;

    request->has_content_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    request->content_length = request->has_content_length ? parser->content_length : 0;
    struct http_header *fields = arena_bytes(request->arena, head->count * sizeof(*fields));
    if (fields == NULL)
        return false;
    memcpy(fields, head->fields, head->count * sizeof(*fields));
    request->headers = fields;
    request->header_count = head->count;
    return true;
}

/* ---- taking input --------------------------------------------------------------------------------------------------------- */

/* The body of this exchange is not wanted any more: read on when little is left, else close after the answer. */
static void drop_body(struct http1 *h1, struct http_exchange *ex)
{
    ex->discard = true;
    if (!ex->body_open)
        return;
    if (h1->state != H1_LENGTH || h1->body_left > DRAIN_MAX || ex->continue_due)
        ex->last_on_connection = true;
    ex->continue_due = false;
}

static void refuse(struct http1 *h1, struct http_exchange *ex, enum http_refusal refusal)
{
    ex->last_on_connection = true;
    exchange_refuse(ex, refusal);
    h1->reading = NULL;
    h1->state = H1_DISCARD;
}

static void request_complete(struct http1 *h1)
{
    struct http_exchange *ex = h1->reading;
    h1->reading = NULL;
    h1->state = H1_HEAD;
    if (ex == NULL)                                         /* answered meanwhile */
        return;
    ex->body_open = false;
    if (ex->last_on_connection)
        h1->state = H1_DISCARD;
    exchange_body_end(ex);
}

static bool expects_continue(const struct http_request *request)
{
    return request->version == HTTP_1_1 && view_eq_nocase(http_header_get(request, "expect"), VIEW("100-continue"));
}

static void begin_request(struct http1 *h1, struct http_exchange *ex)
{
    const llhttp_t *parser = &h1->parser;
    bool chunked = (parser->flags & F_CHUNKED) != 0;
    if (!llhttp_should_keep_alive(parser) || h1->stopping)
        ex->last_on_connection = true;
    h1->served = true;
    h1->reading = ex;
    h1->state = chunked ? H1_CHUNKED : H1_LENGTH;
    h1->body_left = ex->request.content_length;
    h1->overhead = 0;
    ex->body_open = chunked || h1->body_left > 0;
    ex->continue_due = ex->body_open && expects_continue(&ex->request);
    exchange_headers(ex);
    if (!ex->body_open)
        request_complete(h1);
    else if (ex->discard)
        drop_body(h1, ex);
    if (ex->continue_due)
        link_touch(h1->session.link);
}

static struct http_exchange *new_exchange(struct http1 *h1)
{
    struct http_exchange *ex = exchange_create(&h1->session);
    if (ex == NULL) {
        h1->session.link->broken = true;
        link_touch(h1->session.link);
        return NULL;
    }
    ex->request.version = HTTP_1_1;
    return ex;
}

static void refuse_head(struct http1 *h1, enum http_refusal refusal)
{
    h1->state = H1_DISCARD;
    struct http_exchange *ex = new_exchange(h1);
    if (ex != NULL)
        refuse(h1, ex, refusal);
}

static void parse_head(struct http1 *h1, struct view text)
{
    struct http_exchange *ex = new_exchange(h1);
    if (ex == NULL)
        return;
    struct view copy = arena_copy(ex->request.arena, text);
    ex->request.peer = arena_copy(ex->request.arena, view_from_cstr(h1->session.link->peer));
    if (copy.ptr == NULL) {
        refuse(h1, ex, HTTP_REFUSE_OVERLOADED);
        return;
    }
    struct head head;
    head.count = 0;
    head.too_many = false;
    head.target = (struct view){ NULL, 0 };
    h1->head = &head;
    llhttp_init(&h1->parser, HTTP_REQUEST, &head_settings);
    h1->parser.data = h1;
    enum llhttp_errno result = llhttp_execute(&h1->parser, copy.ptr, copy.len);
    h1->head = NULL;
    if (head.too_many || head.target.len > HTTP_TARGET_MAX) {
        refuse(h1, ex, HTTP_REFUSE_HEADERS_TOO_LARGE);
    } else if (result != HPE_PAUSED || !fill_request(h1, &head, copy, &ex->request)) {
        refuse(h1, ex, HTTP_REFUSE_BAD_REQUEST);
    } else {
        begin_request(h1, ex);
    }
}

enum scan { SCAN_MORE, SCAN_WHOLE, SCAN_BAD };

/* Looks for the empty line that ends a head; *len is then its length. Each line must end in CR LF, none
 * may continue the one before. */
static enum scan scan_head(struct http1 *h1, struct view bytes, size_t *len)
{
    for (;;) {
        struct view rest = view_from(bytes, h1->scanned);
        size_t feed = view_find_byte(rest, '\n');
        if (feed == VIEW_NPOS)
            return SCAN_MORE;
        bool folded = h1->scanned > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t');
        if (folded || feed == 0 || rest.ptr[feed - 1] != '\r')
            return SCAN_BAD;
        h1->scanned += feed + 1;
        if (feed == 1) {
            *len = h1->scanned;
            return SCAN_WHOLE;
        }
    }
}

static size_t take_head(struct http1 *h1, struct view bytes)
{
    if (h1->scanned == 0 && !h1->blank_line && view_starts_with(bytes, VIEW("\r\n"))) {
        h1->blank_line = true;                              /* some old clients end a body with one */
        return 2;
    }
    size_t len = 0;
    enum scan scan = scan_head(h1, bytes, &len);
    if (scan == SCAN_MORE && bytes.len <= HTTP_HEAD_MAX)
        return 0;
    h1->scanned = 0;
    h1->blank_line = false;
    if (scan == SCAN_BAD) {
        refuse_head(h1, HTTP_REFUSE_BAD_REQUEST);
    } else if (scan == SCAN_MORE || len > HTTP_HEAD_MAX) {
        refuse_head(h1, HTTP_REFUSE_HEADERS_TOO_LARGE);
    } else {
        parse_head(h1, view_first(bytes, len));
        return len;
    }
    return bytes.len;
}

static size_t take_length(struct http1 *h1, struct view bytes)
{
    struct view piece = view_first(bytes, h1->body_left < bytes.len ? (size_t)h1->body_left : bytes.len);
    h1->body_left -= piece.len;
    h1->progress += piece.len;
    if (h1->reading != NULL)
        exchange_body(h1->reading, piece);
    if (h1->body_left == 0)
        request_complete(h1);
    return piece.len;
}

/* The head's own last bytes are not llhttp's any more; it goes on with the body as if it had just read them. */
static size_t take_chunked(struct http1 *h1, struct view bytes)
{
    if (llhttp_get_errno(&h1->parser) == HPE_PAUSED) {
        llhttp_resume(&h1->parser);
        h1->parser.settings = (void *)&body_settings;
    }
    enum llhttp_errno result = llhttp_execute(&h1->parser, bytes.ptr, bytes.len);
    if (result == HPE_OK)
        return bytes.len;
    if (result == HPE_PAUSED) {
        size_t used = (size_t)(llhttp_get_error_pos(&h1->parser) - bytes.ptr);
        request_complete(h1);
        return used;
    }
    struct http_exchange *ex = h1->reading;
    if (ex != NULL)
        refuse(h1, ex, HTTP_REFUSE_BAD_REQUEST);
    h1->state = H1_DISCARD;
    return bytes.len;
}

/* True when input has to wait: for an answer, for a reader, or for the disk. */
static bool blocked(const struct http1 *h1)
{
    if (h1->state == H1_HEAD)
        return h1->session.count >= PIPELINE_MAX || (h1->session.count > 0 && link_full(h1->session.link));
    return h1->reading != NULL && exchange_body_full(h1->reading);
}

static size_t take_some(struct http1 *h1, struct view bytes)
{
    if (h1->reading != NULL && h1->reading->discard)
        drop_body(h1, h1->reading);
    if (h1->reading != NULL && h1->reading->discard && h1->reading->last_on_connection)
        h1->state = H1_DISCARD;
    if (h1->session.link->closing || h1->session.link->broken)
        return bytes.len;
    switch (h1->state) {
    case H1_HEAD: return take_head(h1, bytes);
    case H1_LENGTH: return take_length(h1, bytes);
    case H1_CHUNKED: return take_chunked(h1, bytes);
    case H1_DISCARD: break;
    }
    return bytes.len;
}

/* Returns how much of the bytes is done with; the rest is to be kept. */
static size_t take_input(struct http1 *h1, struct view bytes)
{
    size_t used = 0;
    h1->held = false;
    while (used < bytes.len) {
        if (blocked(h1)) {
            h1->held = true;
            break;
        }
        size_t n = take_some(h1, view_from(bytes, used));
        if (n == 0)
            break;
        used += n;
    }
    return used;
}

static void http1_receive(struct session *session, struct view bytes)
{
    struct http1 *h1 = http1_of(session);
    struct buf *input = &h1->input;
    if (input->len > 0) {
        buf_append_view(input, bytes);
        buf_consume(input, take_input(h1, buf_view(input)));
    } else {
        buf_append_view(input, view_from(bytes, take_input(h1, bytes)));
    }
    if (buf_failed(input)) {
        session->link->broken = true;
        link_touch(session->link);
    } else if (input->len == 0) {
        buf_free(input);                                    /* an idle connection keeps nothing */
    }
    set_deadline(h1);
}

static bool http1_wants_input(const struct session *session)
{
    const struct http1 *h1 = (const struct http1 *)session;
    return !h1->held && !blocked(h1);
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

/* A line end inside a value would begin another field; it becomes a blank. */
static void append_clean(struct buf *out, struct view text)
{
    size_t at = out->len;
    if (!buf_append_view(out, text))
        return;
    for (; at < out->len; at++)
        if (out->ptr[at] == '\r' || out->ptr[at] == '\n' || out->ptr[at] == '\0')
            out->ptr[at] = ' ';
}

static void append_field(struct buf *out, struct view name, struct view value)
{
    append_clean(out, name);
    buf_append(out, ": ", 2);
    append_clean(out, value);
    buf_append(out, "\r\n", 2);
}

static bool is_chunked(const struct http_exchange *ex)
{
    return ex->length_kind == ANSWER_LENGTH_UNKNOWN && ex->request.version == HTTP_1_1 && !ex->bodiless;
}

static void append_framing(struct http_exchange *ex, struct buf *out)
{
    if (is_chunked(ex)) {
        buf_append_cstr(out, "Transfer-Encoding: chunked\r\n");
    } else if (ex->length_kind == ANSWER_LENGTH_KNOWN && ex->status != 204 && ex->status != 304) {
        buf_append_cstr(out, "Content-Length: ");
        buf_append_u64(out, ex->length);
        buf_append(out, "\r\n", 2);
    }
}

static void http1_answer_begin(struct session *session, struct http_exchange *ex, const struct http_response *response)
{
    struct http1 *h1 = http1_of(session);
    if (ex->body_open)
        drop_body(h1, ex);
    if (h1->stopping || (ex->request.version == HTTP_1_0 && ex->length_kind == ANSWER_LENGTH_UNKNOWN))
        ex->last_on_connection = true;

    struct buf *out = &ex->head;
    buf_append_cstr(out, "HTTP/1.1 ");
    buf_append_u64(out, (uint64_t)response->status);
    buf_append_byte(out, ' ');
    buf_append_cstr(out, http_reason(response->status));
    buf_append(out, "\r\n", 2);
    append_field(out, VIEW("Date"), front_date(ex->front));
    for (size_t i = 0; i < response->header_count; i++)
        append_field(out, response->headers[i].name, response->headers[i].value);
    append_framing(ex, out);
    if (ex->last_on_connection)
        buf_append_cstr(out, "Connection: close\r\n");
    else if (ex->request.version == HTTP_1_0)
        buf_append_cstr(out, "Connection: keep-alive\r\n");
    buf_append(out, "\r\n", 2);
    if (buf_failed(out))
        http_abort(ex);
}

static void send_body(struct http_exchange *ex, struct link *link)
{
    while (!link_full(link)) {
        struct view piece = view_first(exchange_out(ex), LINK_BACKLOG);
        if (piece.len == 0)
            return;
        if (is_chunked(ex)) {
            buf_printf(&link->out, "%zx\r\n", piece.len);
            buf_append_view(&link->out, piece);
            buf_append(&link->out, "\r\n", 2);
        } else {
            buf_append_view(&link->out, piece);
        }
        exchange_out_use(ex, piece.len);
    }
}

/* Moves what there is of an answer. True when all of it has gone. */
static bool send_answer(struct http_exchange *ex, struct link *link)
{
    if (ex->continue_due && ex->body.size == 0)
        buf_append_cstr(&link->out, "HTTP/1.1 100 Continue\r\n\r\n");
    ex->continue_due = false;
    if (ex->answer == ANSWER_NONE)
        return false;
    if (!ex->head_sent) {
        buf_append_view(&link->out, buf_view(&ex->head));
        ex->head_sent = true;
    }
    send_body(ex, link);
    if (ex->answer == ANSWER_BROKEN || !exchange_out_done(ex))
        return false;
    if (is_chunked(ex))
        buf_append_cstr(&link->out, "0\r\n\r\n");
    return true;
}

static void http1_pump(struct session *session)
{
    struct http1 *h1 = http1_of(session);
    struct link *link = session->link;
    while (session->first != NULL && !link->closing && !link_full(link)) {
        struct http_exchange *ex = session->first;
        bool sent = ex->answer != ANSWER_BROKEN && send_answer(ex, link);
        if (ex->answer == ANSWER_BROKEN) {                  /* cut off where it stands, so that nobody takes it for whole */
            link->broken = true;
            return;
        }
        if (!sent)
            break;
        link->closing = ex->last_on_connection;
        if (h1->reading == ex)
            h1->reading = NULL;
        exchange_end(ex, false);
    }
    if (h1->stopping && session->first == NULL)
        link->closing = true;
    if (h1->held && !blocked(h1))
        http1_receive(session, (struct view){ NULL, 0 });
    set_deadline(h1);
}

/* ---- the rest of a session --------------------------------------------------------------------------------------------------- */

static void http1_changed(struct session *session, struct http_exchange *ex)
{
    (void)ex;
    link_touch(session->link);
}

static void http1_timeout(struct session *session)
{
    struct http1 *h1 = http1_of(session);
    session->deadline_ms = 0;
    if (h1->wait == WAIT_HEAD)
        refuse_head(h1, HTTP_REFUSE_TIMEOUT);
    else if (h1->wait == WAIT_BODY && h1->reading != NULL)
        refuse(h1, h1->reading, HTTP_REFUSE_TIMEOUT);
    else
        session->link->closing = true;
    h1->wait = WAIT_NONE;
    link_touch(session->link);
}

static void http1_stop(struct session *session)
{
    struct http1 *h1 = http1_of(session);
    h1->stopping = true;
    if (h1->state == H1_HEAD)
        h1->state = H1_DISCARD;
    link_touch(session->link);
}

static void http1_destroy(struct session *session)
{
    struct http1 *h1 = http1_of(session);
    while (session->first != NULL)
        exchange_end(session->first, true);
    buf_free(&h1->input);
    free(h1);
}

static const struct session_ops http1_ops = {
    .receive = http1_receive,
    .wants_input = http1_wants_input,
    .pump = http1_pump,
    .timeout = http1_timeout,
    .stop = http1_stop,
    .destroy = http1_destroy,
    .answer_begin = http1_answer_begin,
    .changed = http1_changed,
    .body_room = http1_changed,
};

struct session *http1_create(struct link *link)
{
    struct http1 *h1 = calloc(1, sizeof(*h1));
    if (h1 == NULL)
        return NULL;
    h1->session.ops = &http1_ops;
    h1->session.link = link;
    buf_init(&h1->input, INPUT_MAX);
    set_deadline(h1);
    return &h1->session;
}
