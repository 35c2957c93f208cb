/* elastic/door.h - one request on its way through the door: what its stages share. Internal to src/elastic; on the loop.
 *
 *      door.c    takes requests in, reads bodies, chooses the action; GET and the fixed pages
 *      manage.c  PUT, _update, DELETE: the live call that proves an endpoint, then the store
 *      run.c     the rate limit, the engine, answers and streams
 *      away.c    calls that another server carries out
 *      chunk.c   _chunk: a text is cut and its pieces are embedded
 *      reply.c   answers go out; what became of the request
 *
 * An exchange lives in its request's arena. Work elsewhere (a pool thread, the engine) holds it: exchange_enter() before,
 * exchange_left() after. It is cleaned up when it is closed and nothing is under way.
 */
#ifndef CRATON_ELASTIC_DOOR_H
#define CRATON_ELASTIC_DOOR_H

#include "elastic/elastic.h"
#include "elastic/endpoints.h"
#include "elastic/infer.h"
#include "elastic/limiter.h"
#include "elastic/route.h"
#include "elastic/upstream.h"
#include "net/retry.h"

#define REPLY_MAX (512u << 20)

struct elastic {
    struct elastic_options options;
    struct endpoints *endpoints;
    struct limiter *limiter;
    struct store_watch *watch;
    struct retry reload; /* when the watch says so */
    struct http_client *http; /* for endpoints of other servers */
};

struct elastic_exchange {
    struct elastic *elastic;
    struct http_exchange *ex;
    struct arena *arena;
    struct principal principal; /* who asks; copied */
    struct elastic_route route;
    struct params params;
    struct view content_type; /* of the answer */
    const char *allow;        /* the Allow header of a 405 */
    struct elastic_error error;
    const struct json *body;
    struct buf reply;
    struct view served_by; /* of an inference */
    struct call_stats stats;
    unsigned under_way;
    bool routed, closed, answered;

    struct endpoint_set *set;
    const struct endpoint *found; /* in the set; NULL */

    struct endpoint endpoint; /* PUT, _update: what it is to be */
    struct key_pair keys;
    enum store_status stored;

    struct limiter_ticket ticket;
    struct loop_timer *timer; /* a time-out that the client gave */
    bool timed_out, waits;    /* waits: somebody else is at work who can be left alone */
    struct model_request request;
    struct model_target target;
    struct engine_call *call;
    struct upstream *upstream; /* instead of a call: another server carries it out */
    struct upstream *prepared; /* the same, before it is sent */
    const struct endpoint *asked;
    void (*finished)(struct elastic_exchange *x); /* the engine has ended: x->error says whether it worked */
    struct answer answer;
    struct embed_result vectors; /* copied into the arena */
    struct infer_stream stream;
    bool streaming, started;
    struct chunk_job *chunk; /* ACTION_CHUNK */

    void (*work)(struct elastic_exchange *x);   /* in a pool thread */
    void (*worked)(struct elastic_exchange *x); /* then, on the loop, unless the client has gone */
};

void exchange_enter(struct elastic_exchange *x);
void exchange_left(struct elastic_exchange *x);

/* Runs work in the pool, then worked on the loop. When that cannot be, the answer is 503. */
void exchange_work(struct elastic_exchange *x, void (*work)(struct elastic_exchange *x), void (*worked)(struct elastic_exchange *x));

/* ---- reply.c ---- */
void reply_begin(struct elastic_exchange *x, struct json_writer *out); /* the body is written into x->reply */
/* What filter_path and pretty make of x->reply. Any thread; false: the reply is too large. */
bool reply_shape(struct elastic_exchange *x);
void reply_send(struct elastic_exchange *x, int status);       /* x->reply, already shaped */
void reply_finish(struct elastic_exchange *x);                 /* shapes and sends with 200 */
void reply_error(struct elastic_exchange *x);                  /* x->error, in the form of the task; also into a started stream */
void reply_end_stream(struct elastic_exchange *x);
void reply_report(struct elastic_exchange *x, bool gone); /* the exchange is over: tells the server */

/* ---- manage.c ---- */
void manage_put(struct elastic_exchange *x);
void manage_update(struct elastic_exchange *x);
void manage_delete(struct elastic_exchange *x);

/* ---- run.c ---- */
/* Fills x->request's model and caller for an endpoint and submits. x->finished is called later, or at once with x->error set. */
void run_engine(struct elastic_exchange *x, const struct endpoint *endpoint, struct view model);
struct engine_sink run_sink(struct elastic_exchange *x); /* what takes the answers, wherever they come from */
void run_clock(struct elastic_exchange *x);              /* the time that the client gives begins */
void run_late(struct elastic_exchange *x);               /* x->timed_out was seen: x->finished is called with that error */
void run_inference(struct elastic_exchange *x); /* POST */
void run_stream(struct elastic_exchange *x);    /* POST …/_stream */
/* When the endpoint's turn has come: x->request goes to the engine, for the model named by x->stream.model. */
void run_in_turn(struct elastic_exchange *x);
void run_closed(struct elastic_exchange *x);    /* the client has gone, or has its answer */
void run_writable(struct elastic_exchange *x);
void run_cleanup(struct elastic_exchange *x);

/* ---- away.c ---- */
void away_run(struct elastic_exchange *x, const struct endpoint *endpoint, struct view model); /* as run_engine() */

/* ---- chunk.c ---- */
void chunk_run(struct elastic_exchange *x); /* POST …/_chunk */

#endif
