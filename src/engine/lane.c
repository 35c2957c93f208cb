/* engine/lane.c - one model's queue: who waits, who runs, who is next. */
#include "engine/internal.h"

#include <stdlib.h>

#define LANE_MAX_WAITING_BYTES (256u << 20)                 /* of requests */
#define REMOTE_SLOTS           256

static bool copy_model(struct arena *arena, const struct engine_model *from, struct engine_model *to)
{
    *to = *from;
    to->name = arena_copy(arena, from->name);
    to->path = arena_copy(arena, from->path);
    to->query_prefix = arena_copy(arena, from->query_prefix);
    to->document_prefix = arena_copy(arena, from->document_prefix);
    to->url = arena_copy(arena, from->url);
    to->remote_model = arena_copy(arena, from->remote_model);
    to->api_key = arena_copy(arena, from->api_key);
    return !arena_exhausted(arena);
}

static void lane_init(struct lane *lane, struct engine *engine)
{
    list_init(&lane->running);
    for (unsigned p = 0; p < PRIORITY_COUNT; p++)
        list_init(&lane->waiting[p]);
    lane->engine = engine;
    lane->memory_bytes = lane->model.file_bytes;
    lane->context = lane->model.context;
    switch (lane->model.backend) {
    case ENGINE_LOCAL:
        lane->backend = &backend_local;
        lane->state = ENGINE_MODEL_COLD;
        break;
    case ENGINE_REMOTE:
        lane->backend = &backend_remote;
        lane->state = ENGINE_MODEL_READY;
        lane->slots = REMOTE_SLOTS;
        break;
    case ENGINE_SCRIPTED:
        lane->backend = &backend_scripted;
        lane->state = ENGINE_MODEL_READY;
        lane->slots = UINT32_MAX;
        break;
    }
}

struct lane *lane_create(struct engine *engine, const struct engine_model *model)
{
    struct lane *lane = calloc(1, sizeof *lane);
    struct arena *arena = arena_create(64 * 1024);
    if (lane == NULL || arena == NULL || !copy_model(arena, model, &lane->model)) {
        arena_destroy(arena);
        free(lane);
        return NULL;
    }
    lane->arena = arena;
    lane_init(lane, engine);
    list_push_back(&engine->lanes, &lane->link);
    return lane;
}

void lane_destroy(struct lane *lane)
{
    supervisor_cancel(lane);
    list_remove(&lane->link);
    arena_destroy(lane->arena);
    free(lane);
}

/* ---- time limits ------------------------------------------------------------------------------------------------------- */

/* Batch waits for its turn however long that takes; who sends it bounds how much waits. */
static bool has_time(const struct engine_call *call)
{
    return call->priority == PRIORITY_BATCH;
}

static void on_wait_over(void *arg)
{
    struct engine_call *call = arg;
    call->timer = NULL;
    struct lane *lane = call->lane;
    uint64_t waited_ms = (uint64_t)engine_call_age_us(call) / 1000, limit_ms = lane->engine->options.queue_wait_ms;
    if (lane->state != ENGINE_MODEL_READY)
        engine_call_fail(call, ENGINE_NOT_READY, "The model is still being loaded. Try again in a moment.");
    else if (has_time(call))
        return;
    else if (waited_ms < limit_ms)
        engine_call_limit(call, limit_ms - waited_ms, on_wait_over);  /* loaded meanwhile: now it is an ordinary queue */
    else
        engine_call_fail(call, ENGINE_OVERLOADED, "The model has been too busy for %llu ms. Try again later.",
                         (unsigned long long)limit_ms);
}

static void on_work_over(void *arg)
{
    struct engine_call *call = arg;
    call->timer = NULL;
    call->lane->backend->stop(call);
    engine_call_fail(call, ENGINE_TIMEOUT, "The model took longer than %llu ms to answer.",
              (unsigned long long)call->engine->options.model_timeout_ms);
}

/* ---- the queue ----------------------------------------------------------------------------------------------------------- */

/* Counts a call that begins (1) or ceases (-1) to wait. */
static void count_waiting(struct lane *lane, const struct engine_call *call, int change)
{
    lane->waiting_count += (unsigned)change;
    if (call->priority == PRIORITY_BATCH)
        lane->waiting_batch += (unsigned)change;
    if (change > 0)
        lane->waiting_bytes += call->payload.len;
    else
        lane->waiting_bytes -= call->payload.len;
}

/* Batch and live calls fill no queue of each other's. */
static bool queue_is_full(const struct lane *lane, const struct engine_call *call)
{
    unsigned others = lane->waiting_count - lane->waiting_batch;
    return (has_time(call) ? lane->waiting_batch : others) >= lane->engine->options.max_queue ||
           call->payload.len > LANE_MAX_WAITING_BYTES - lane->waiting_bytes;
}

void lane_enqueue(struct lane *lane, struct engine_call *call)
{
    const struct engine_options *options = &lane->engine->options;
    if (lane->load_error[0] != '\0') {
        engine_call_fail(call, ENGINE_MODEL_ERROR, "The model cannot be loaded: %s", lane->load_error);
        return;
    }
    if (queue_is_full(lane, call)) {
        engine_call_fail(call, ENGINE_OVERLOADED, "Too many calls are waiting for this model. Try again later.");
        return;
    }
    list_push_back(&lane->waiting[call->priority], &call->link);
    count_waiting(lane, call, 1);
    lane_pump(lane);
    if (call->state == CALL_WAITING)
        /* The lane is still there: it goes when it has no call. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        engine_call_limit(call, lane->state == ENGINE_MODEL_READY ? options->queue_wait_ms : options->load_wait_ms, on_wait_over);
}

void lane_leave(struct engine_call *call)
{
    struct lane *lane = call->lane;
    if (call->link.after == NULL)
        return;                                             /* it never got in */
    list_remove(&call->link);
    if (call->state == CALL_WAITING) {
        count_waiting(lane, call, -1);
    } else if (call->state == CALL_RUNNING) {
        lane->running_count--;
        lane->started[call->priority]--;
    }
    lane->used_ms = loop_now_ms(lane->engine->loop);
}

void lane_fail_waiting(struct lane *lane, enum engine_status status, const char *message)
{
    for (unsigned p = 0; p < PRIORITY_COUNT; p++) {
        LIST_EACH(at, &lane->waiting[p])
            engine_call_fail(LIST_ITEM(at, struct engine_call, link), status, "%s", message);
    }
}

static void start(struct lane *lane, struct engine_call *call)
{
    list_remove(&call->link);
    count_waiting(lane, call, -1);
    call->state = CALL_RUNNING;
    list_push_back(&lane->running, &call->link);
    lane->running_count++;
    lane->started[call->priority]++;
    loop_timer_cancel(call->timer);
    call->timer = NULL;
    if (lane->model.backend != ENGINE_SCRIPTED)             /* rules end by themselves, and there are very many of such calls */
        engine_call_limit(call, lane->engine->options.model_timeout_ms, on_work_over);
    if (call->state == CALL_RUNNING)
        lane->backend->start(call);
}

/* Each priority has slots of its own, so that waiting batch work keeps no live call from the worker, which knows best whom to
 * serve first. */
static void start_waiting(struct lane *lane)
{
    for (unsigned p = 0; p < PRIORITY_COUNT; p++) {
        while (lane->state == ENGINE_MODEL_READY && lane->started[p] < lane->slots && !list_empty(&lane->waiting[p]))
            start(lane, LIST_ITEM(list_first(&lane->waiting[p]), struct engine_call, link));
    }
}

static void on_idle(void *arg)
{
    struct lane *lane = arg;
    lane->idle = NULL;
    supervisor_unload(lane);
}

static void watch_idleness(struct lane *lane)
{
    uint64_t limit_ms = lane->engine->options.idle_unload_ms;
    bool idle = lane->state == ENGINE_MODEL_READY && lane->running_count + lane->waiting_count == 0;
    loop_timer_cancel(lane->idle);
    lane->idle = idle && limit_ms > 0 ? loop_timer_start(lane->engine->loop, limit_ms, on_idle, lane) : NULL;
    if (idle)
        supervisor_memory_freed(lane->engine);              /* it may now be unloaded for another's sake */
}

void lane_pump(struct lane *lane)
{
    if (lane->engine->closing)
        return;
    if (lane->model.backend == ENGINE_LOCAL && lane->state == ENGINE_MODEL_COLD && lane->waiting_count > 0)
        supervisor_want(lane);
    start_waiting(lane);
    if (lane->retired && lane->calls == 0) {
        if (lane->worker != NULL)
            supervisor_unload(lane);
        lane_destroy(lane);
        return;
    }
    if (lane->model.backend == ENGINE_LOCAL)
        watch_idleness(lane);
}
