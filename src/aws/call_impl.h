/* aws/call_impl.h - the inside of a call. For src/aws alone.
 *
 *   ADMITTED ── on_request ──► CHECKING ──► RUNNING ──► PENDING ──► STREAMING ──► ENDED
 *      │                           │           │           │                         ▲
 *      └────── refused, failed, answered, the client gone ─┴─────────────────────────┘
 *
 * A call lives in the arena of its exchange, which it holds from on_headers until it has ended; a call from inside (internal_call.c)
 * has an arena of its own and no exchange. The phase belongs to the loop.
 * While a pool thread works for the call (CHECKING and RUNNING), the loop touches nothing but `gone`.
 */
#ifndef CRATON_AWS_CALL_IMPL_H
#define CRATON_AWS_CALL_IMPL_H

#include "aws/call.h"
#include "aws/front.h"
#include "aws/sigv4.h"

#include <pthread.h>
#include <stdatomic.h>

#define REPLY_MAX       (64u * 1024 * 1024)
#define REPLY_HEADERS   16                                  /* that a handler may add */
#define FAIL_MEMBERS    4

enum call_phase { CALL_ADMITTED, CALL_CHECKING, CALL_RUNNING, CALL_PENDING, CALL_STREAMING, CALL_ENDED };

/* The handler that serves one operation; fn is NULL when none does. */
struct served {
    handler_fn *fn;
    void *context;
    bool on_loop;
};

struct deferred {
    void (*fn)(void *arg);
    void *arg;
    struct deferred *next;
};

struct internal_call;

struct call {
    struct aws_front *front;
    struct http_exchange *exchange;                         /* NULL for a call from inside */
    struct internal_call *internal;                         /* NULL for a client's call */
    const struct http_request *request;
    struct arena *arena;
    const struct service *service;                          /* NULL when nothing fits: then nothing but an error is answered */
    const struct operation *operation;                      /* NULL likewise, or until the body has told */
    const struct served *served;
    struct destination destination;
    struct view labels[AWS_MAX_LABELS];                     /* decoded */
    enum call_phase phase;
    _Atomic bool gone;

    struct principal principal;
    struct view region;
    char request_id[UUID_SIZE];
    const struct service *authenticated_for;                /* whose rules the signature has met so far */
    bool verified;                                          /* the caller is known for sure: bearer key, or no authentication */
    struct sigv4 signature;                                 /* when not verified yet */
    uint8_t signing_key[SHA256_SIZE];

    struct view payload;
    const struct json *body;

    struct buf reply;
    struct json_writer writer;
    bool reply_started;
    struct view content_type;
    struct http_header headers[REPLY_HEADERS];
    size_t header_count;
    int status;                                             /* 0: the operation's */
    enum aws_status error;
    struct view message;
    struct http_header fail_members[FAIL_MEMBERS];
    size_t fail_member_count;

    void (*on_gone)(struct call *call, void *arg);
    void *on_gone_arg;
    void (*on_writable)(struct call *call, void *arg);
    void *on_writable_arg;
    struct deferred *deferred;
    enum aws_status returned;                               /* of a handler that ran in the pool */
    int http_status;                                        /* what was sent; 0: nothing yet */
    uint64_t response_bytes;
    struct call_stats stats;
};

/* Calls from inside that have not begun. They begin a few in each turn of the loop, so that thousands that come at once do not keep
 * clients waiting. */
struct inbox {
    pthread_mutex_t mutex;                                  /* guards all below */
    struct internal_call *first, **last;
    bool posted;                                            /* the loop will look */
};

struct aws_front {
    struct aws_front_options options;
    struct http_handler handler;
    struct served *served;                                  /* by operation->index */
    struct signing_keys *keys;
    struct sigv4_work work;
    struct buf frame;                                       /* of event streams, reused */
    struct buf scratch;                                     /* for one function at a time */
    uint64_t random;                                        /* state of the padding's generator */
    unsigned running;
    struct inbox inbox;
    char *account, *region;
};

/* front.c */
/* A call in request->arena, counted as running. NULL when the arena is exhausted. */
struct call *call_create(struct aws_front *front, const struct http_request *request);
void call_start(struct call *call);                         /* the caller is known, the request is whole: checks and runs it */

/* internal_call.c */
void internal_call_answer(struct call *call, int http_status);  /* hands over the reply or the error */
void internal_call_end(struct internal_call *internal);     /* frees the call and its arena */

/* call.c */
bool call_decode_labels(struct call *call);                 /* false: malformed percent-encoding */
void call_set_error(struct call *call, enum aws_status status, const char *text);
void call_send(struct call *call);                          /* the reply or the error, and ends the call */
void call_end(struct call *call);
void call_client_gone(struct call *call);

/* authenticate.c */
/* Who asks? False when the call is refused: its error is set. What only the body can prove is left to call_verify(). */
bool call_authenticate(struct call *call);
bool call_verify(struct call *call, struct sigv4_work *work);   /* any thread */
bool call_authorize(struct call *call);

/* check.c */
/* Verifies the signature, parses the body and validates the input. Any thread; what was found wrong is the call's error. */
void call_check(struct call *call, struct sigv4_work *work);

#endif
