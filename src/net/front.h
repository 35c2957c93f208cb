/* net/front.h - what the parts of the HTTP server share. Internal to src/net; everything here runs on the loop.
 *
 *      http_server ── owns ──► front ◄── http_exchange (net/exchange.c): a request, its body, its answer
 *          │                    ▲                │ belongs to
 *          └── accepts ──► conn (net/conn.c) ──► session: HTTP/1.1 (net/http1.c) or HTTP/2 (net/http2.c)
 *                          sockets, TLS, time        bytes ⇄ exchanges; knows nothing of sockets
 *
 * A session reads and writes through a struct link. Tests and fuzzers drive sessions with a link of their own.
 *
 * Nothing is written while the handler or a parser runs: http_respond() and the others only change the exchange and mark the
 * link; at the end of the loop's turn the link lets the session fill its buffer and writes it out, once. Likewise an exchange
 * that has ended is only put on a list, and its on_closed() comes at the end of the turn, never inside a call of the handler.
 */
#ifndef CRATON_NET_FRONT_H
#define CRATON_NET_FRONT_H

#include "base/list.h"
#include "net/http.h"

#include <uv.h>

#define HTTP_FIELDS_MAX    100
#define HTTP_HEAD_MAX      (64u * 1024)
#define HTTP_TARGET_MAX    (32u * 1024)
#define HTTP_ARENA_MAX     (256u * 1024 * 1024)             /* what a handler may take from one exchange's arena */
#define LINK_BACKLOG       (256u * 1024)                    /* bytes handed to a connection ahead of its socket */
#define FILE_SLICE         (256u * 1024)                    /* one read or write of a body file */
#define EXCHANGES_KEPT     256                              /* for reuse */

struct session;
struct link;

/* ---- the connection beneath a session ------------------------------------------------------------------------------ */

struct link {
    struct front *front;
    struct session *session;
    struct buf out;                                         /* the session appends, the connection writes it out */
    size_t unsent;                                          /* taken from out, but not yet by the socket */
    bool closing;                                           /* close as soon as everything is sent */
    bool broken;                                            /* close at once, without sending what is left */
    bool tls;
    char peer[64];
    struct loop_turn turn;                                  /* pending when something has changed: link_touch() */
};

/* Something has changed (output, closing, whether the session wants input): look at it at the end of this turn. */
void link_touch(struct link *link);

static inline bool link_full(const struct link *link)
{
    return link->out.len + link->unsent >= LINK_BACKLOG;
}

/* ---- sessions -------------------------------------------------------------------------------------------------------- */

enum answer_length { ANSWER_LENGTH_KNOWN, ANSWER_LENGTH_UNKNOWN };

struct session_ops {
    void (*receive)(struct session *session, struct view bytes);
    bool (*wants_input)(const struct session *session);     /* false: stop reading until a later turn says otherwise */
    void (*pump)(struct session *session);                  /* move answers into link->out while there is room */
    void (*timeout)(struct session *session);               /* deadline_ms has come */
    void (*stop)(struct session *session);                  /* no new requests; close when the running ones have ended */
    void (*destroy)(struct session *session);               /* the connection has gone; frees the session */
    /* Keeps what the head of an answer needs; response is only borrowed. */
    void (*answer_begin)(struct session *session, struct http_exchange *ex, const struct http_response *response);
    void (*changed)(struct session *session, struct http_exchange *ex);     /* its answer has more to send, or is to be reset */
    void (*body_room)(struct session *session, struct http_exchange *ex);   /* its request body takes bytes again, or has failed */
};

struct session {
    const struct session_ops *ops;
    struct link *link;
    uint64_t deadline_ms;                                   /* loop time; 0: none */
    struct http_exchange *first, *last;                     /* in order of arrival */
    unsigned count;
};

struct session *http1_create(struct link *link);            /* NULL when out of memory */
struct session *http2_create(struct link *link);            /* the same; expects the client's preface */

/* ---- request bodies ---------------------------------------------------------------------------------------------------- */

/* Bytes gather in memory; beyond the memory limit they go to an unlinked file, one slice at a time, written off the loop. */
struct body {
    struct buf memory;                                      /* the body, or what the file does not have yet */
    struct buf writing;                                     /* the slice that a thread is writing */
    const char *dir;                                        /* where the file goes; borrowed */
    uv_work_t work;
    bool busy;                                              /* work is under way */
    bool failed;                                            /* the file could not be made or written */
    bool whole;                                             /* the last byte has come */
    bool spooled;                                           /* in a file, or on the way there */
    int fd;
    uint64_t written;
    uint64_t size;
    uint64_t counted;                                       /* bytes held of the front's budget */
};

/* ---- exchanges ----------------------------------------------------------------------------------------------------------- */

enum answer_state {
    ANSWER_NONE,
    ANSWER_OPEN,                                            /* begun, more may come */
    ANSWER_COMPLETE,                                        /* the last byte is in out or in the file */
    ANSWER_BROKEN,                                          /* http_abort(): to be reset */
    ANSWER_SENT,                                            /* handed to the connection, or dropped with it */
};

struct file_source {
    int fd;                                                 /* -1: none */
    uint64_t offset, left;
    uv_work_t work;
    struct buf slice;                                       /* filled by a thread */
    size_t want;                                            /* bytes that the thread is to read */
    bool busy;
};

struct http_exchange {
    struct http_request request;
    struct front *front;
    struct session *session;                                /* NULL once the connection or stream has gone */
    struct http_exchange *next, *prev;                      /* in the session, or in the front's lists */
    void *context;
    struct body body;
    struct http_admission admission;
    bool announced;                                         /* the handler knows it: it gets on_closed() */
    bool requested;                                         /* on_request() has been called */
    bool discard;                                           /* further body bytes are dropped */
    bool refused;                                           /* the server answers, not the handler */
    bool aborted;
    bool closed;                                            /* on_closed() has been called; only threads still hold it */
    unsigned holds;                                         /* http_hold() */

    enum answer_state answer;
    int status;
    bool bodiless;                                          /* HEAD, 204, 304 */
    enum answer_length length_kind;
    uint64_t length;                                        /* when ANSWER_LENGTH_KNOWN */
    struct buf head;                                        /* HTTP/1.1: the serialised head until it is sent */
    bool head_sent;
    struct buf out;                                         /* body bytes not yet handed to the connection, from out_used on */
    size_t out_used;
    struct file_source file;
    bool full;                                              /* http_write() has said so: on_writable() is owed */

    bool last_on_connection;                                /* HTTP/1.1: close after this answer */
    bool body_open;                                         /* HTTP/1.1: its body is still arriving */
    bool continue_due;                                      /* HTTP/1.1: the client waits for "100 Continue" */
    int32_t stream_id;                                      /* HTTP/2 */
    bool dirty;                                             /* HTTP/2: on the session's list, by dirty_link */
    struct list_link dirty_link;
    bool draining;                                          /* HTTP/2: the answer is sent, the body still comes and is dropped */
    uint64_t received;                                      /* HTTP/2: body bytes */
    uint64_t progress;                                      /* HTTP/2: body bytes since time was last looked at */
    uint64_t take_by_ms;                                    /* HTTP/2: the answer waits for window, until then; 0: it does not */
    uint64_t taken;                                         /* HTTP/2: bytes of it since it has waited */
    size_t unacknowledged;                                  /* HTTP/2: body bytes whose window has not been given back */
};

struct http_exchange *exchange_create(struct session *session);        /* in the session's list; NULL when out of memory */
/* The head is complete: asks on_headers(), prepares the body. Afterwards ex->discard says whether the body is wanted. */
void exchange_headers(struct http_exchange *ex);
/* Body bytes. What it cannot take (too large, over the budget) it answers itself and sets discard. */
void exchange_body(struct http_exchange *ex, struct view bytes);
bool exchange_body_full(const struct http_exchange *ex);                /* stop feeding until session_ops.body_room */
void exchange_body_end(struct http_exchange *ex);                       /* the request is whole */
/* Answers instead of the handler; the rest of the body is dropped. No-op when there is an answer already. */
void exchange_refuse(struct http_exchange *ex, enum http_refusal refusal);
/* The answer's bytes that can be sent now; exchange_out_use() takes them off, reads on and calls on_writable() when due. */
struct view exchange_out(const struct http_exchange *ex);
void exchange_out_use(struct http_exchange *ex, size_t len);
bool exchange_out_done(const struct http_exchange *ex);                 /* complete and all of it used */
void body_release_budget(struct http_exchange *ex);
/* Leaves the session and ends: on_closed() comes at the end of the turn. */
void exchange_end(struct http_exchange *ex, bool aborted);
void exchange_release(struct http_exchange *ex);                        /* after on_closed(): for reuse, once nobody holds it */
void exchange_free(struct http_exchange *ex);

/* ---- the front ----------------------------------------------------------------------------------------------------------- */

struct front {
    struct loop *loop;
    struct http_server_options options;
    struct http_handler handler;
    uint64_t body_bytes;                                    /* of unfinished bodies */
    int64_t date_s;                                         /* what date holds */
    char date[CLOCK_ISO_SIZE];
    struct http_exchange *free_exchanges;
    unsigned free_count;
    struct http_exchange *ended, *last_ended;
    unsigned live;                                          /* exchanges that are in use, ended ones included */
    struct loop_turn reap;
    bool stopping;
};

void front_init(struct front *front, struct loop *loop, const struct http_server_options *options,
                const struct http_handler *handler);
void front_clear(struct front *front);                                  /* when no exchange is live */
struct view front_date(struct front *front);                            /* "Sun, 06 Nov 1994 08:49:37 GMT", made once a second */
const char *http_reason(int status);                                    /* "OK" */
int http_refusal_status(enum http_refusal refusal);
void front_close_file(struct front *front, int fd);                     /* off the loop: the last close of a file can take long */

#endif
