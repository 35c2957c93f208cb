/* engine/internal.h - what the files of this folder share. Everything here lives on the loop.
 *
 * A lane is one model that is served: its waiting calls, its running calls, and what carries them out. A call belongs to one lane
 * for life. A worker belongs to a lane until it is stopped or lost, and then only to itself, until the kernel has buried it.
 *
 *                start                    end
 *    WAITING ─────────────► RUNNING ────────────────► (on_end, freed)
 *       │                      │
 *       └── fail, cancel ──────┴──────► ENDING ─────► (on_end at the end of the turn, freed)
 */
#ifndef CRATON_ENGINE_INTERNAL_H
#define CRATON_ENGINE_INTERNAL_H

#include "base/list.h"
#include "engine/engine.h"
#include "engine/grants.h"

#define PRIORITY_COUNT (PRIORITY_BATCH + 1)

struct lane;
struct worker;
struct scripted;
struct http_client;

enum call_state { CALL_WAITING, CALL_RUNNING, CALL_ENDING };

struct engine_call {
    struct list_link link;                                  /* in lane->waiting[], lane->running or engine->ending */
    struct engine *engine;
    struct lane *lane;                                      /* NULL: no such model */
    struct engine_sink sink;
    enum model_kind kind;
    enum priority priority;
    enum call_state state;
    bool paused;
    int64_t submitted_us, first_token_us;                   /* first_token_us: since submission, 0 before it */
    struct loop_timer *timer;                               /* the limit of its present state, or NULL */
    struct buf payload;                                     /* what prepare() made of the request */
    uint32_t stream;                                        /* at its worker */
    uint32_t owed;                                          /* deltas delivered for which no credit went back */
    void *work;                                             /* the backend's, from prepare() to release() */
    struct engine_end end;                                  /* CALL_ENDING */
    char message[256];
};

/* What carries a lane's calls out. None of these may call the sink from inside. */
struct backend {
    /* Copies what it needs of the request. False: out of memory, or engine_call_refuse() has said why not. */
    bool (*prepare)(struct engine_call *call, const struct model_request *request);
    void (*start)(struct engine_call *call);                /* the call is running */
    void (*stop)(struct engine_call *call);                 /* cancelled or too late: nothing more may come of it */
    void (*pause)(struct engine_call *call);                /* call->paused has changed */
    void (*release)(struct engine_call *call);              /* frees call->work; NULL when there is none */
};

extern const struct backend backend_local, backend_remote, backend_scripted;

struct lane {
    struct list_link link;
    struct engine *engine;
    struct arena *arena;                                    /* of model's strings */
    struct engine_model model;
    const struct backend *backend;
    bool builtin;                                           /* not of engine_set_models() */
    bool retired;                                           /* no longer a model; goes when its calls have ended */
    enum engine_model_state state;
    unsigned slots;                                         /* calls of one priority that may run at once */

    struct list waiting[PRIORITY_COUNT], running;
    unsigned waiting_count, running_count, started[PRIORITY_COUNT];
    unsigned waiting_batch;                                 /* of the waiting ones */
    unsigned calls;                                         /* all of them, those that are ending included */
    size_t waiting_bytes;

    struct worker *worker;                                  /* LOADING, READY */
    bool wants_load;                                        /* waits for memory */
    struct loop_timer *backoff, *idle;
    unsigned crashes;                                       /* since the last call that went well */
    char load_error[256];                                   /* why the last load failed; empty when it did not */

    uint64_t used_ms;
    uint64_t memory_bytes;                                  /* when loaded last; else file_bytes */
    unsigned restarts;
    int64_t context, dimensions;
    char layout[32];
    struct gen_usage usage;                                 /* since the start */
};

struct engine {
    struct loop *loop;
    struct engine_options options;
    char *worker_path;
    struct list lanes, workers;
    struct list ending;                                     /* calls whose on_end is due */
    struct loop_turn turn;
    struct arena *scratch;                                  /* for one frame */
    struct grants grants;
    struct loop_timer *grant_timer;
    struct loop_turn grant_turn;
    struct scripted *scripted;
    struct http_client *http;                               /* of the remote backend; NULL until its first call */
    bool closing;
};

/* ---- call.c ---- */

/* Before prepare() returns false: why. */
void engine_call_refuse(struct engine_call *call, enum engine_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void engine_call_end_later(struct engine_call *call);              /* with call->end, at the end of this turn */
/* Ends the call at the end of this turn; the backend has nothing to do with it any more. */
void engine_call_fail(struct engine_call *call, enum engine_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void engine_call_deltas(struct engine_call *call, const struct gen_delta *deltas, size_t count);
void engine_call_vectors(struct engine_call *call, const struct embed_result *result);
void engine_call_end(struct engine_call *call, const struct engine_end *end);     /* on_end now; the call is gone */
void engine_call_limit(struct engine_call *call, uint64_t after_ms, void (*fn)(void *call));  /* replaces its timer */
void engine_calls_end_due(void *engine);                           /* the engine's turn */
int64_t engine_call_age_us(const struct engine_call *call);

/* ---- lane.c ---- */

struct lane *lane_create(struct engine *engine, const struct engine_model *model);      /* NULL: out of memory */
void lane_destroy(struct lane *lane);                       /* without calls and worker */
void lane_enqueue(struct lane *lane, struct engine_call *call);
void lane_leave(struct engine_call *call);                  /* out of the waiting or the running ones */
void lane_pump(struct lane *lane);                          /* starts what may start, loads, unloads, or goes */
void lane_fail_waiting(struct lane *lane, enum engine_status status, const char *message);

/* ---- supervisor.c ---- */

void supervisor_want(struct lane *lane);                    /* load it, as soon as there is memory */
void supervisor_unload(struct lane *lane);
void supervisor_cancel(struct lane *lane);                  /* a lane that goes: no timers, no wish */
void supervisor_loaded(struct lane *lane, const struct json *about);
void supervisor_load_failed(struct lane *lane, struct view reason);
void supervisor_lost(struct lane *lane, const char *reason);    /* its worker has gone, its calls have failed */
void supervisor_memory_told(struct lane *lane, uint64_t bytes);     /* what its worker takes now */
void supervisor_memory_freed(struct engine *engine);

/* ---- worker.c ---- */

struct worker *worker_start(struct lane *lane);             /* NULL: it cannot be started */
void worker_stop(struct worker *worker);                    /* asks it to end; the lane is rid of it */
void worker_kill(struct worker *worker, const char *reason);    /* what a crash does */
void worker_destroy_all(struct engine *engine);
/* Of the processes that live, but not of this lane's; those that were asked to end count only with_leaving. */
uint64_t worker_memory(struct engine *engine, const struct lane *except, bool with_leaving);
int worker_pid(const struct worker *worker);
void worker_grants_init(struct engine *engine, unsigned cores);

/* ---- scripted*.c, remote.c ---- */

struct scripted *scripted_create(struct engine *engine);    /* NULL: out of memory */
void scripted_destroy(struct scripted *scripted);           /* NULL is fine */

#endif
