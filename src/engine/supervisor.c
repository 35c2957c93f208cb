/* engine/supervisor.c - when a lane's model is loaded, unloaded, and tried again after a crash.
 *
 *            first call, memory          LOADED
 *     COLD ────────────────────► LOADING ──────► READY ──┐
 *      ▲ ▲                          │              │     │ idle, memory wanted, model changed
 *      │ └──────────────────────────┼──────────────┼─────┘
 *      │  after a pause             ▼              ▼
 *      └──────────────────────── BACKING_OFF (its worker died or could not load)
 */
#include "engine/internal.h"

#include "base/log.h"
#include "engine/process.h"

#include <stdio.h>

#define SLOTS_PER_SEQUENCE 2                                /* so that the worker always has a next call at hand */

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

/* The one that nobody has used for longest, among those that may go. */
static struct lane *least_recently_used(struct engine *engine, const struct lane *except)
{
    struct lane *oldest = NULL;
    LIST_EACH(at, &engine->lanes) {
        struct lane *lane = LIST_ITEM(at, struct lane, link);
        bool may_go = lane != except && lane->worker != NULL && lane->state == ENGINE_MODEL_READY && lane->calls == 0;
        if (may_go && (oldest == NULL || lane->used_ms < oldest->used_ms))
            oldest = lane;
    }
    return oldest;
}

/* Asks idle models to go until this one fits beside the others. False: not yet. A model that is alone is always let in: the budget
 * is then too small for it, and refusing would not help its caller. */
static bool make_room(struct lane *lane)
{
    struct engine *engine = lane->engine;
    uint64_t budget = engine->options.memory_budget;
    for (;;) {
        uint64_t staying = worker_memory(engine, lane, false);
        if (staying == 0 || staying + lane->memory_bytes <= budget)
            break;
        struct lane *other = least_recently_used(engine, lane);
        if (other == NULL)
            return false;
        log_info("model unloaded to make room", LOG_VIEW("model", other->model.name));
        supervisor_unload(other);
    }
    uint64_t others = worker_memory(engine, lane, true);
    return others == 0 || others + lane->memory_bytes <= budget;
}

static void back_off(struct lane *lane);

static void load(struct lane *lane)
{
    lane->wants_load = false;
    lane->worker = worker_start(lane);
    if (lane->worker != NULL) {
        lane->state = ENGINE_MODEL_LOADING;
        return;
    }
    back_off(lane);
    supervisor_load_failed(lane, VIEW("craton-worker cannot be started."));
}

void supervisor_want(struct lane *lane)
{
    if (make_room(lane))
        load(lane);
    else
        lane->wants_load = true;
}

/* Contexts grow while they work: the idle models must make up for it. */
void supervisor_memory_told(struct lane *lane, uint64_t bytes)
{
    bool more = bytes > lane->memory_bytes;
    lane->memory_bytes = bytes;
    if (more && !lane->engine->closing)
        make_room(lane);
}

void supervisor_memory_freed(struct engine *engine)
{
    if (engine->closing)
        return;
    LIST_EACH(at, &engine->lanes) {
        struct lane *lane = LIST_ITEM(at, struct lane, link);
        if (lane->wants_load && lane->waiting_count == 0)
            lane->wants_load = false;
        if (lane->wants_load && lane->state == ENGINE_MODEL_COLD && make_room(lane))
            load(lane);
    }
}

void supervisor_unload(struct lane *lane)
{
    if (lane->worker != NULL)
        worker_stop(lane->worker);
    lane->worker = NULL;
    lane->state = ENGINE_MODEL_COLD;
}

void supervisor_cancel(struct lane *lane)
{
    loop_timer_cancel(lane->backoff);
    loop_timer_cancel(lane->idle);
    lane->backoff = lane->idle = NULL;
    lane->wants_load = false;
}

/* ---- crashes --------------------------------------------------------------------------------------------------------------- */

static void on_backoff_over(void *arg)
{
    struct lane *lane = arg;
    lane->backoff = NULL;
    lane->load_error[0] = '\0';
    lane->state = ENGINE_MODEL_COLD;
    lane_pump(lane);
}

static void back_off(struct lane *lane)
{
    uint64_t pause_ms = process_pause_ms(lane->crashes);
    lane->state = ENGINE_MODEL_BACKING_OFF;
    lane->crashes++;
    lane->restarts++;
    loop_timer_cancel(lane->backoff);
    lane->backoff = loop_timer_start(lane->engine->loop, pause_ms, on_backoff_over, lane);
    if (lane->backoff == NULL)
        lane->state = ENGINE_MODEL_COLD;                    /* no memory for a pause: the next call tries at once */
}

void supervisor_lost(struct lane *lane, const char *reason)
{
    back_off(lane);
    log_warn("worker lost", LOG_VIEW("model", lane->model.name), LOG_STR("reason", reason), LOG_INT("crashes", lane->crashes));
    lane_pump(lane);
}

/* ---- loads ------------------------------------------------------------------------------------------------------------------ */

void supervisor_loaded(struct lane *lane, const struct json *about)
{
    int64_t sequences = 1, memory = 0;
    json_get_i64(about, "sequences", &sequences);
    json_get_i64(about, "memory_bytes", &memory);
    json_get_i64(about, "context", &lane->context);
    json_get_i64(about, "dimensions", &lane->dimensions);
    struct view layout = view_first(json_get_string(about, "layout"), sizeof lane->layout - 1);
    memset(lane->layout, 0, sizeof lane->layout);
    if (layout.len > 0)
        memcpy(lane->layout, layout.ptr, layout.len);
    if (sequences < 1 || sequences > 256)
        sequences = sequences < 1 ? 1 : 256;
    lane->slots = (unsigned)sequences * SLOTS_PER_SEQUENCE;
    if (memory > 0)
        lane->memory_bytes = (uint64_t)memory;
    lane->state = ENGINE_MODEL_READY;
    lane->used_ms = loop_now_ms(lane->engine->loop);
    log_info("model loaded", LOG_VIEW("model", lane->model.name), LOG_VIEW("layout", layout), LOG_INT("context", lane->context),
             LOG_INT("memory_bytes", lane->memory_bytes), LOG_INT("pid", worker_pid(lane->worker)));
    make_room(lane);                                        /* only now is known what it takes */
    lane_pump(lane);
}

/* A crash may pass by itself, so calls wait for the next try; a worker that says why it cannot load will say so again. */
void supervisor_load_failed(struct lane *lane, struct view reason)
{
    snprintf(lane->load_error, sizeof lane->load_error, VIEW_FMT, VIEW_ARG(view_first(reason, sizeof lane->load_error - 1)));
    log_error("model cannot be loaded", LOG_VIEW("model", lane->model.name), LOG_STR("reason", lane->load_error));
    char message[sizeof lane->load_error + 32];
    snprintf(message, sizeof message, "The model cannot be loaded: %s", lane->load_error);
    lane_fail_waiting(lane, ENGINE_MODEL_ERROR, message);
}
