/* net/conn.c - see conn.h.
 *
 *   SNIFF ──► OPEN ──► FLUSH ──► LINGER ──► CLOSED        FLUSH: the session wants no more, its last bytes are going out
 *     └─────────┴────────┴──────────────────────┘         LINGER: shut down for writing; what still comes is dropped, so that
 *                                                         the peer reads the answer before it meets a reset
 */
#include "net/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <netinet/tcp.h>

#define LINGER_MS       2000
#define LINGER_BYTES    (1024u * 1024)
#define FLUSH_ROUNDS    8                                   /* full buffers written in one turn before others have theirs */
#define KEPT_BUFFER     (16u * 1024)

static const struct view h2_preface = VIEW_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

enum conn_state { CONN_SNIFF, CONN_OPEN, CONN_FLUSH, CONN_LINGER, CONN_CLOSED };

struct conn {
    struct link link;
    struct conns *conns;
    struct conn *next, *prev;
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct tls *tls;
    enum conn_state state;
    bool reading;
    bool writing;                                           /* the socket has `sending` */
    struct buf sending;
    struct buf cipher;                                      /* TLS: what is to go to the socket */
    char sniffed[24];
    size_t sniffed_len;
    size_t lingered;
    uint64_t deadline_ms;                                   /* of sniffing and lingering; 0: none */
    uint64_t write_deadline_ms;                             /* while the socket takes nothing */
};

static uint64_t now_ms(const struct conn *conn)
{
    return loop_now_ms(conn->conns->front->loop);
}

/* ---- closing ------------------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct conns *conns = conn->conns;
    loop_turn_cancel(conns->front->loop, &conn->link.turn);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        conns->first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conns->count--;
    tls_destroy(conn->tls);
    buf_free(&conn->link.out);
    buf_free(&conn->sending);
    buf_free(&conn->cipher);
    free(conn);
    conns->gone(conns->arg);
}

static void conn_close(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    conn->deadline_ms = conn->write_deadline_ms = 0;
    if (conn->link.session != NULL) {
        conn->link.session->ops->destroy(conn->link.session);
        conn->link.session = NULL;
    }
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status;                                           /* lingering ends by the peer or by time */
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer);

static void read_set(struct conn *conn, bool want)
{
    if (want == conn->reading)
        return;
    conn->reading = want;
    if (want)
        uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&conn->tcp);
}

static void conn_linger(struct conn *conn)
{
    conn->state = CONN_LINGER;
    conn->deadline_ms = now_ms(conn) + LINGER_MS;
    if (conn->link.session != NULL) {
        conn->link.session->ops->destroy(conn->link.session);
        conn->link.session = NULL;
    }
    if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown) != 0)
        conn_close(conn);
    else
        read_set(conn, true);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static bool flush(struct conn *conn);

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = write->data;
    conn->writing = false;
    conn->write_deadline_ms = 0;
    conn->link.unsent = 0;
    buf_clear(&conn->sending);
    if (conn->state == CONN_CLOSED)
        return;
    if (status != 0)
        conn_close(conn);
    else
        link_touch(&conn->link);
}

/* Gives bytes to the socket. What it does not take at once it gets from `sending`, later. */
static bool socket_write(struct conn *conn, struct buf *bytes)
{
    uv_stream_t *stream = (uv_stream_t *)&conn->tcp;
    uv_buf_t piece = uv_buf_init(bytes->ptr, (unsigned)bytes->len);
    int n = uv_try_write(stream, &piece, 1);
    if (n < 0 && n != UV_EAGAIN)
        return false;
    if (n > 0 && (size_t)n == bytes->len) {
        buf_clear(bytes);
        return true;
    }
    if (n > 0)
        buf_consume(bytes, (size_t)n);
    buf_swap(bytes, &conn->sending);
    piece = uv_buf_init(conn->sending.ptr, (unsigned)conn->sending.len);
    conn->write.data = conn;
    if (uv_write(&conn->write, stream, &piece, 1, on_written) != 0)
        return false;
    conn->writing = true;
    conn->link.unsent = conn->sending.len;
    conn->write_deadline_ms = now_ms(conn) + conn->conns->front->options.idle_timeout_ms;
    return true;
}

/* Writes what the session has put into the link. False when the connection has broken. */
static bool flush(struct conn *conn)
{
    struct buf *out = &conn->link.out;
    if (buf_failed(out))
        return false;
    if (conn->tls != NULL) {
        if (out->len > 0 && tls_ready(conn->tls) && !tls_seal(conn->tls, buf_view(out), &conn->cipher))
            return false;
        if (tls_ready(conn->tls))
            buf_clear(out);
        out = &conn->cipher;
    }
    return conn->writing || out->len == 0 || socket_write(conn, out);
}

static void drop_large(struct buf *buf)
{
    if (buf->len == 0 && buf->capacity > KEPT_BUFFER)
        buf_free(buf);
}

/* The session's last bytes have been taken: after them only the end of TLS goes out. */
static void conn_flush_out(struct conn *conn)
{
    conn->state = CONN_FLUSH;
    if (conn->tls != NULL)
        tls_end(conn->tls, &conn->cipher);
}

/* The end of a turn in which something happened to this connection. */
static void conn_turn(void *arg)
{
    struct conn *conn = arg;
    struct link *link = &conn->link;
    for (int round = 0; conn->state == CONN_OPEN || conn->state == CONN_SNIFF; round++) {
        if (link->session != NULL && !link->broken)
            link->session->ops->pump(link->session);
        bool more = link->out.len > 0;
        if (link->broken || !flush(conn)) {
            conn_close(conn);
            return;
        }
        if (link->closing)
            conn_flush_out(conn);
        else if (!more || conn->writing)
            break;
        else if (round >= FLUSH_ROUNDS) {
            link_touch(link);
            break;
        }
    }
    if (conn->state == CONN_FLUSH && !conn->writing) {
        if (!flush(conn))
            conn_close(conn);
        else if (!conn->writing && link->out.len == 0)
            conn_linger(conn);
    }
    if (conn->state == CONN_OPEN && link->session != NULL)
        read_set(conn, link->session->ops->wants_input(link->session));
    drop_large(&link->out);
    drop_large(&conn->sending);
    drop_large(&conn->cipher);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct conn *conn = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(conn->conns->read_buffer, (unsigned)conn->conns->read_size);
}

static void session_start(struct conn *conn, bool h2)
{
    conn->link.session = h2 ? http2_create(&conn->link) : http1_create(&conn->link);
    conn->state = CONN_OPEN;
    conn->deadline_ms = 0;
    if (conn->link.session == NULL)
        conn->link.broken = true;
}

/* The first bytes tell HTTP/2 with prior knowledge from HTTP/1. Until they do they are kept. */
static void sniff(struct conn *conn, struct view bytes)
{
    size_t have = conn->sniffed_len;
    size_t take = view_first(bytes, h2_preface.len - have).len;
    memcpy(conn->sniffed + have, bytes.ptr, take);
    conn->sniffed_len += take;
    struct view start = view_of(conn->sniffed, conn->sniffed_len);
    if (!view_starts_with(h2_preface, start))
        session_start(conn, false);
    else if (start.len == h2_preface.len)
        session_start(conn, true);
    if (conn->link.session == NULL)
        return;
    conn->link.session->ops->receive(conn->link.session, start);
    if (bytes.len > take)
        conn->link.session->ops->receive(conn->link.session, view_from(bytes, take));
}

static void receive_plain(struct conn *conn, struct view bytes)
{
    if (bytes.len == 0)
        return;
    if (conn->state == CONN_SNIFF)
        sniff(conn, bytes);
    else if (conn->state == CONN_OPEN && conn->link.session != NULL)
        conn->link.session->ops->receive(conn->link.session, bytes);
}

static void receive_sealed(struct conn *conn, struct view bytes)
{
    struct view plain;
    enum tls_result result = tls_open(conn->tls, bytes, &plain, &conn->cipher);
    while (result == TLS_PLAIN) {
        if (conn->state == CONN_SNIFF && tls_alpn(conn->tls).len > 0)
            session_start(conn, view_is(tls_alpn(conn->tls), "h2"));
        receive_plain(conn, plain);
        result = tls_open(conn->tls, (struct view){ NULL, 0 }, &plain, &conn->cipher);
    }
    if (result != TLS_WAIT)
        conn->link.closing = true;                          /* an alert may be waiting to go out */
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;
    if (len == 0)
        return;
    if (len < 0) {                                          /* also when the peer has only closed its half: that is how */
        conn_close(conn);                                   /* a client that hangs up is noticed at once */
        return;
    }
    if (conn->state == CONN_LINGER || conn->state == CONN_FLUSH) {
        conn->lingered += (size_t)len;
        if (conn->lingered > LINGER_BYTES)
            conn_close(conn);
        return;
    }
    struct view bytes = view_of(buffer->base, (size_t)len);
    if (conn->tls != NULL)
        receive_sealed(conn, bytes);
    else
        receive_plain(conn, bytes);
    if (conn->link.session != NULL && !conn->link.session->ops->wants_input(conn->link.session))
        read_set(conn, false);
    link_touch(&conn->link);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------ */

static void write_peer(struct conn *conn)
{
    struct sockaddr_storage address;
    int len = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "";
    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &len) != 0)
        return;
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address;
        uv_ip6_name(in6, host, sizeof(host));
        snprintf(conn->link.peer, sizeof(conn->link.peer), "[%s]:%u", host, (unsigned)ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
        uv_ip4_name(in, host, sizeof(host));
        snprintf(conn->link.peer, sizeof(conn->link.peer), "%s:%u", host, (unsigned)ntohs(in->sin_port));
    }
}

/* One too many: says so and goes. Beyond twice the limit nothing is said either. */
static void turn_away(struct conn *conn)
{
    static const struct view busy = VIEW_INIT("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    if (conn->tls != NULL || conn->conns->count > 2 * conn->conns->front->options.max_connections) {
        conn_close(conn);
        return;
    }
    buf_append_view(&conn->link.out, busy);
    conn->link.closing = true;
    link_touch(&conn->link);
}

bool conn_accept(struct conns *conns, uv_stream_t *listener)
{
    struct front *front = conns->front;
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return false;
    conn->conns = conns;
    conn->link.front = front;
    conn->link.turn = (struct loop_turn){ .fn = conn_turn, .arg = conn };
    conn->link.tls = conns->tls != NULL;
    buf_init(&conn->link.out, SIZE_MAX / 2);                /* link_full() bounds them */
    buf_init(&conn->sending, SIZE_MAX / 2);
    buf_init(&conn->cipher, SIZE_MAX / 2);
    uv_tcp_init(loop_uv(front->loop), &conn->tcp);
    conn->tcp.data = conn;
    conn->next = conns->first;
    if (conns->first != NULL)
        conns->first->prev = conn;
    conns->first = conn;
    conns->count++;
    bool usable = uv_accept(listener, (uv_stream_t *)&conn->tcp) == 0;
    if (conns->tls != NULL)
        usable = (conn->tls = tls_create(conns->tls)) != NULL && usable;
    if (!usable) {
        conn_close(conn);
        return false;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    write_peer(conn);
    conn->deadline_ms = now_ms(conn) + front->options.header_timeout_ms;
    if (conns->count > front->options.max_connections)
        turn_away(conn);
    else
        read_set(conn, true);
    return true;
}

static bool is_due(uint64_t deadline_ms, uint64_t now)
{
    return deadline_ms != 0 && deadline_ms <= now;
}

void conns_tick(struct conns *conns)
{
    uint64_t now = loop_now_ms(conns->front->loop);
    for (struct conn *conn = conns->first; conn != NULL; conn = conn->next) {
        if (is_due(conn->deadline_ms, now) || is_due(conn->write_deadline_ms, now))
            conn_close(conn);
        else if (conn->state == CONN_OPEN && conn->link.session != NULL && is_due(conn->link.session->deadline_ms, now))
            conn->link.session->ops->timeout(conn->link.session);
    }
}

void conns_stop(struct conns *conns)
{
    for (struct conn *conn = conns->first; conn != NULL; conn = conn->next) {
        if (conn->state == CONN_SNIFF)
            conn_close(conn);
        else if (conn->state == CONN_OPEN && conn->link.session != NULL)
            conn->link.session->ops->stop(conn->link.session);
    }
}

void conns_kill(struct conns *conns)
{
    for (struct conn *conn = conns->first; conn != NULL; conn = conn->next)
        conn_close(conn);
}
