/* engine/worker.c - a craton-worker process from its start to its burial.
 *
 *    start ──► HELLO ──► LOAD … LOADED ──► calls ──► SHUTDOWN ──► its socket ends ──► exit ──► freed
 *                 any failure, at any time: killed, its calls end, its lane is told ──┘
 */
#include "engine/worker.h"

#include "base/log.h"

#include <signal.h>
#include <stdlib.h>

#define LOAD_STALL_MS 120000                                /* without a word of progress */
#define STOP_WAIT_MS  3000
#define KV_BYTES_MAX  ((uint64_t)4 << 30)

int worker_pid(const struct worker *worker)
{
    return process_pid(&worker->process);
}

uint64_t worker_memory(struct engine *engine, const struct lane *except, bool with_leaving)
{
    uint64_t sum = 0;
    LIST_EACH(at, &engine->workers) {
        const struct worker *worker = LIST_ITEM(at, struct worker, link);
        if (worker->lane != NULL && worker->lane != except)
            sum += worker->lane->memory_bytes;
        else if (worker->lane == NULL && !worker->process.exited && with_leaving)
            sum += worker->memory_bytes;
    }
    return sum;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

static void on_exit_of(void *owner)
{
    struct worker *worker = owner;
    if (worker->lane == NULL)
        supervisor_memory_freed(worker->engine);
}

static void on_freed(void *owner)
{
    struct worker *worker = owner;
    list_remove(&worker->link);
    free(worker);
}

static void let_go(struct worker *worker)
{
    if (worker->lane != NULL)
        worker->memory_bytes = worker->lane->memory_bytes;
    worker->lane = NULL;
    worker->process.label = VIEW("");
    loop_timer_cancel(worker->timer);
    worker->timer = NULL;
    worker_grants_leave(worker);
}

static void on_stop_late(void *arg)
{
    struct worker *worker = arg;
    worker->timer = NULL;
    worker_kill(worker, "it did not end when asked");
}

void worker_stop(struct worker *worker)
{
    let_go(worker);
    wire_append(channel_out(&worker->process.channel), WIRE_SHUTDOWN, 0, VIEW(""));
    channel_flush(&worker->process.channel);
    worker->timer = loop_timer_start(worker->engine->loop, STOP_WAIT_MS, on_stop_late, worker);
    if (worker->timer == NULL)
        worker_kill(worker, "out of memory");
}

void worker_kill(struct worker *worker, const char *reason)
{
    if (worker->process.killed)
        return;
    struct lane *lane = worker->lane;
    let_go(worker);
    process_kill(&worker->process);
    worker_streams_fail(worker);
    if (lane == NULL)
        return;
    lane->worker = NULL;
    supervisor_lost(lane, reason);
}

static void on_lost(void *ctx, const char *reason)
{
    worker_kill(ctx, reason);
}

static void destroy(struct worker *worker)
{
    if (worker->lane != NULL)
        worker->lane->worker = NULL;
    worker->lane = NULL;
    worker_kill(worker, "the server ends");
    process_destroy(&worker->process);
}

void worker_destroy_all(struct engine *engine)
{
    while (!list_empty(&engine->workers)) {
        struct worker *worker = LIST_ITEM(list_pop_front(&engine->workers), struct worker, link);
        destroy(worker);
    }
}

/* ---- first words ----------------------------------------------------------------------------------------------------------- */

static void on_late(void *arg)
{
    struct worker *worker = arg;
    worker->timer = NULL;
    worker_kill(worker, worker->said_hello ? "its load did not go on" : "it did not say hello in time");
}

static bool expect_within(struct worker *worker, uint64_t ms)
{
    loop_timer_cancel(worker->timer);
    worker->timer = loop_timer_start(worker->engine->loop, ms, on_late, worker);
    return worker->timer != NULL;
}

static void send_load(struct worker *worker)
{
    const struct engine_options *options = &worker->engine->options;
    const struct engine_model *model = &worker->lane->model;
    uint64_t kv_bytes = options->memory_budget / 2 < KV_BYTES_MAX ? options->memory_budget / 2 : KV_BYTES_MAX;
    struct buf *out = channel_out(&worker->process.channel);
    struct json_writer w;
    size_t begun = wire_begin(out, WIRE_LOAD, 0);
    json_writer_init(&w, out);
    json_object(&w);
    json_put_string(&w, "path", model->path);
    json_put_bool(&w, "embedding", model->embedding);
    json_put_i64(&w, "context", model->context);
    json_put_i64(&w, "threads", options->threads);
    json_put_i64(&w, "kv_bytes", (int64_t)kv_bytes);
    json_put_string(&w, "query_prefix", model->query_prefix);
    json_put_string(&w, "document_prefix", model->document_prefix);
    json_end(&w);
    wire_end(out, begun);
    channel_flush(&worker->process.channel);
}

static bool take_hello(struct worker *worker, const struct wire_frame *frame)
{
    enum process_hello hello = process_hello(frame);
    if (hello == PROCESS_FOREIGN)
        supervisor_load_failed(worker->lane, VIEW("craton-worker is of another build than the server."));
    if (hello != PROCESS_HELLO)
        return false;
    worker->said_hello = true;
    worker_grants_join(worker);
    send_load(worker);
    return expect_within(worker, LOAD_STALL_MS);
}

static bool take_loaded(struct worker *worker, const struct wire_frame *frame)
{
    if (worker->lane->state != ENGINE_MODEL_LOADING)
        return false;
    const struct json *about = json_parse(worker->engine->scratch, frame->payload, 16, NULL);
    if (!json_is(about, JSON_OBJECT))
        return false;
    struct view error = json_get_string(about, "error");
    if (error.len > 0) {
        supervisor_load_failed(worker->lane, error);
        return expect_within(worker, STOP_WAIT_MS);
    }
    loop_timer_cancel(worker->timer);
    worker->timer = NULL;
    supervisor_loaded(worker->lane, about);
    return true;
}

static bool take_stats(struct worker *worker, const struct wire_frame *frame)
{
    const struct json *stats = json_parse(worker->engine->scratch, frame->payload, 16, NULL);
    int64_t memory_bytes = 0;
    if (json_get_i64(stats, "memory_bytes", &memory_bytes) && memory_bytes > 0)
        supervisor_memory_told(worker->lane, (uint64_t)memory_bytes);
    return json_is(stats, JSON_OBJECT);
}

static bool take_frame(struct worker *worker, const struct wire_frame *frame)
{
    if (!worker->said_hello)
        return take_hello(worker, frame);
    switch (frame->type) {
    case WIRE_LOADING:
        return worker->lane->state != ENGINE_MODEL_LOADING || expect_within(worker, LOAD_STALL_MS);
    case WIRE_LOADED:
        return take_loaded(worker, frame);
    case WIRE_DELTAS:
        return worker_take_deltas(worker, frame);
    case WIRE_VECTORS:
        return worker_take_vectors(worker, frame);
    case WIRE_END:
        return worker_take_end(worker, frame);
    case WIRE_WANT:
        return worker_take_want(worker, frame);
    case WIRE_DONE:
        return worker_take_done(worker);
    case WIRE_STATS:
        return take_stats(worker, frame);
    default:
        return false;                                       /* the server's own words */
    }
}

static void on_frame(void *ctx, const struct wire_frame *frame)
{
    struct worker *worker = ctx;
    if (worker->lane == NULL)
        return;                                             /* it was asked to end: what it still says does not matter */
    arena_reset(worker->engine->scratch);
    if (!take_frame(worker, frame))
        worker_kill(worker, "it broke the protocol");
}

/* ---- the start --------------------------------------------------------------------------------------------------------------- */

static struct worker *worker_create(struct lane *lane)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    worker->engine = lane->engine;
    worker->lane = lane;
    worker->process = (struct process){
        .channel = { .fd = -1, .ctx = worker, .on_frame = on_frame, .on_lost = on_lost },
        .owner = worker,
        .label = lane->model.name,
        .on_exit = on_exit_of,
        .on_freed = on_freed,
    };
    worker_streams_init(worker);
    return worker;
}

struct worker *worker_start(struct lane *lane)
{
    struct worker *worker = worker_create(lane);
    if (worker == NULL)
        return NULL;
    list_push_back(&lane->engine->workers, &worker->link);
    if (!process_start(&worker->process, lane->engine->loop, lane->engine->worker_path, "model")) {
        worker->lane = NULL;
        worker->process.label = VIEW("");
        return NULL;
    }
    if (!expect_within(worker, lane->engine->options.hello_wait_ms))
        uv_process_kill(&worker->process.handle, SIGKILL);  /* its end is then noticed like any other */
    log_info("worker started", LOG_VIEW("model", lane->model.name), LOG_INT("pid", worker_pid(worker)));
    return worker;
}
