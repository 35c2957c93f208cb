/* engine/engine.h - where model calls go: local workers, a remote OpenAI-compatible server, or scripted rules.
 *
 * All functions without "any thread" run on the loop, and so do all callbacks. engine_submit() copies what it needs from the
 * request before it returns. Each accepted call ends with exactly one on_end, also after engine_cancel(), and never from inside
 * engine_submit() itself. Deltas stop while more than the credit (engine_pause) is outstanding, so a slow reader holds its
 * sequence back and nobody else's.
 *
 * A worker may crash at any instant: its calls end with ENGINE_MODEL_ERROR, the supervisor restarts it with back-off, the next
 * call waits for the load.
 */
#ifndef CRATON_ENGINE_ENGINE_H
#define CRATON_ENGINE_ENGINE_H

#include "base/config.h"
#include "engine/request.h"
#include "net/loop.h"

struct engine;
struct engine_call;

struct engine_sink {
    void *ctx;
    void (*on_delta)(void *ctx, const struct gen_delta *deltas, size_t count);      /* MODEL_GENERATE */
    void (*on_vectors)(void *ctx, const struct embed_result *result);               /* MODEL_EMBED, once */
    void (*on_end)(void *ctx, const struct engine_end *end);                        /* the call is gone after it */
};

enum engine_backend { ENGINE_LOCAL, ENGINE_REMOTE, ENGINE_SCRIPTED };

/* One model that the engine can serve. The registry (src/models) makes these; the engine copies them. */
struct engine_model {
    struct view name;
    enum engine_backend backend;
    bool embedding;                                         /* else text */
    struct view path;                                       /* local: the GGUF */
    struct view query_prefix, document_prefix;              /* embedding models: put before each text */
    int64_t context;                                        /* tokens a sequence may hold; 0: the model's own */
    uint64_t file_bytes;                                    /* local: what a load will take at least; 0: not known */
    struct view url, remote_model, api_key;                 /* remote; url as SDKs have it: http://host:8000/v1 */
};

struct engine_options {
    const char *worker_path;                                /* the craton-worker program */
    const char *run_dir;                                    /* for logs and crash reports */
    unsigned threads;                                       /* compute threads over all workers; 0: the cores */
    uint64_t memory_budget;                                 /* bytes over all workers; 0: three quarters of the memory */
    uint64_t load_wait_ms, queue_wait_ms;                   /* before NOT_READY and OVERLOADED; 0: at once. Batch calls
                                                             * wait in the queue of a loaded model without limit */
    uint64_t model_timeout_ms;                              /* from the start of the work; 0: 10 min */
    uint64_t idle_unload_ms;                                /* 0: models stay loaded while there is memory */
    uint64_t hello_wait_ms;                                 /* for a started worker's first word; 0: 10 s */
    unsigned max_queue;                                     /* waiting live calls a model, and as many batch calls; 0: 256 */
    const struct config_node *scripted_rules;               /* may be NULL */
};

/* Whether these are rules; what is wrong, and where, is in error. */
bool engine_check_rules(const struct config_node *rules, struct config_error *error);

/* NULL when out of memory, or when the rules are not valid. */
struct engine *engine_create(struct loop *loop, const struct engine_options *options);
/* Before loop_destroy(): workers are gone after it; calls that have not ended do so now, and later ones as they come, as cancelled.
 * NULL is fine. */
void engine_stop(struct engine *engine);
void engine_destroy(struct engine *engine);                 /* stopped, and after loop_destroy(); NULL is fine */

#define ENGINE_SCRIPTED_MODEL "craton.scripted-v1"          /* exists always, without configuration */

/* Replaces the set of models. A model that vanished or changed is unloaded once its calls have ended. */
bool engine_set_models(struct engine *engine, const struct engine_model *models, size_t count);

/* NULL only when out of memory; every other failure comes through on_end. */
struct engine_call *engine_submit(struct engine *engine, const struct model_request *request, const struct engine_sink *sink);
void engine_cancel(struct engine_call *call);               /* on_end follows with ENGINE_CANCELLED, unless it had ended */
void engine_pause(struct engine_call *call, bool paused);   /* back-pressure from the client's socket */

/* Any thread but the loop. Blocks until the call has ended; deltas come to the sink in the calling thread. Threads that are not of
 * the loop's pool have returned from it before loop_destroy(). */
enum engine_status engine_submit_wait(struct engine *engine, const struct model_request *request,
                                      const struct engine_sink *sink);

enum engine_model_state { ENGINE_MODEL_COLD, ENGINE_MODEL_LOADING, ENGINE_MODEL_READY, ENGINE_MODEL_BACKING_OFF };

struct engine_model_info {                                  /* for status and metrics */
    struct view name;
    enum engine_backend backend;
    enum engine_model_state state;
    int pid;                                                /* of the worker, or 0 */
    unsigned running, queued, restarts;
    uint64_t memory_bytes;
    int64_t context, dimensions;                            /* known once it has been loaded */
    struct view layout;                                     /* "Q8_0" */
    uint64_t prompt_tokens, cached_tokens, output_tokens;   /* since the start */
};

/* Calls each(ctx, info) for every model. */
void engine_each_model(struct engine *engine, void (*each)(void *ctx, const struct engine_model_info *info), void *ctx);

/* The scripted backend's recorded calls as a JSON array, newest last: the last 512, each {"id", "time_ms", "model", "rule" (its
 * place, or null: echo), "request", "answer", "input_tokens", "output_tokens"}; a request over 16 KiB is left out of its record. */
void engine_scripted_records(struct engine *engine, struct json_writer *out);

#endif
