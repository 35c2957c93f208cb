/* engine/engine.c - the engine's outside: its life, its models, and how calls come in. */
#include "engine/internal.h"
#include "net/http_client.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define SCRATCH_MAX   ((size_t)256 << 20)                   /* four times the largest frame */
#define SHUTTING_DOWN "The server is shutting down."

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

static void set_default(uint64_t *option, uint64_t value)
{
    if (*option == 0)
        *option = value;
}

static uint64_t three_quarters_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_size > 0 ? (uint64_t)pages * (uint64_t)page_size / 4 * 3 : (uint64_t)4 << 30;
}

static void set_defaults(struct engine_options *options)
{
    if (options->threads == 0)
        options->threads = uv_available_parallelism();
    if (options->max_queue == 0)
        options->max_queue = 256;
    set_default(&options->memory_budget, three_quarters_of_memory());
    set_default(&options->model_timeout_ms, 600000);
    set_default(&options->hello_wait_ms, 10000);
}

static bool add_scripted_model(struct engine *engine)
{
    const struct engine_model model = { .name = VIEW(ENGINE_SCRIPTED_MODEL), .backend = ENGINE_SCRIPTED };
    struct lane *lane = lane_create(engine, &model);
    if (lane != NULL)
        lane->builtin = true;
    return lane != NULL;
}

struct engine *engine_create(struct loop *loop, const struct engine_options *options)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->loop = loop;
    engine->options = *options;
    set_defaults(&engine->options);
    list_init(&engine->lanes);
    list_init(&engine->workers);
    list_init(&engine->ending);
    engine->turn = (struct loop_turn){ .fn = engine_calls_end_due, .arg = engine };
    worker_grants_init(engine, engine->options.threads);
    engine->worker_path = strdup(options->worker_path != NULL ? options->worker_path : "craton-worker");
    engine->scratch = arena_create(SCRATCH_MAX);
    engine->scripted = scripted_create(engine);
    if (engine->worker_path == NULL || engine->scratch == NULL || engine->scripted == NULL || !add_scripted_model(engine)) {
        engine_stop(engine);
        engine_destroy(engine);
        return NULL;
    }
    return engine;
}

static void end_calls_of(struct list *calls)
{
    LIST_EACH(at, calls) {
        struct engine_call *call = LIST_ITEM(at, struct engine_call, link);
        if (call->state == CALL_RUNNING)
            call->lane->backend->stop(call);
        engine_call_fail(call, ENGINE_CANCELLED, SHUTTING_DOWN);
    }
}

void engine_stop(struct engine *engine)
{
    if (engine == NULL || engine->closing)
        return;
    engine->closing = true;
    LIST_EACH(at, &engine->lanes) {
        struct lane *lane = LIST_ITEM(at, struct lane, link);
        for (unsigned p = 0; p < PRIORITY_COUNT; p++)
            end_calls_of(&lane->waiting[p]);
        end_calls_of(&lane->running);
    }
    engine_calls_end_due(engine);
    worker_destroy_all(engine);
    while (!list_empty(&engine->lanes))
        lane_destroy(LIST_ITEM(list_first(&engine->lanes), struct lane, link));
    loop_timer_cancel(engine->grant_timer);
    loop_turn_cancel(engine->loop, &engine->turn);
    loop_turn_cancel(engine->loop, &engine->grant_turn);
    http_client_destroy(engine->http);
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL)
        return;
    scripted_destroy(engine->scripted);
    arena_destroy(engine->scratch);
    free(engine->worker_path);
    free(engine);
}

/* ---- models ---------------------------------------------------------------------------------------------------------------- */

static struct lane *find_lane(struct engine *engine, struct view name)
{
    LIST_EACH(at, &engine->lanes) {
        struct lane *lane = LIST_ITEM(at, struct lane, link);
        if (!lane->retired && view_eq(lane->model.name, name))
            return lane;
    }
    return NULL;
}

static bool same_model(const struct engine_model *a, const struct engine_model *b)
{
    return view_eq(a->name, b->name) && a->backend == b->backend && a->embedding == b->embedding && view_eq(a->path, b->path) &&
           view_eq(a->query_prefix, b->query_prefix) && view_eq(a->document_prefix, b->document_prefix) &&
           a->context == b->context && a->file_bytes == b->file_bytes && view_eq(a->url, b->url) &&
           view_eq(a->remote_model, b->remote_model) && view_eq(a->api_key, b->api_key);
}

static bool is_among(const struct lane *lane, const struct engine_model *models, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_model(&lane->model, &models[i]))
            return true;
    }
    return false;
}

bool engine_set_models(struct engine *engine, const struct engine_model *models, size_t count)
{
    LIST_EACH(at, &engine->lanes) {
        struct lane *lane = LIST_ITEM(at, struct lane, link);
        if (lane->builtin || lane->retired || is_among(lane, models, count))
            continue;
        lane->retired = true;
        lane_pump(lane);                                    /* it goes now, or when its last call has ended */
    }
    for (size_t i = 0; i < count; i++) {
        if (find_lane(engine, models[i].name) == NULL && lane_create(engine, &models[i]) == NULL)
            return false;
    }
    return true;
}

void engine_each_model(struct engine *engine, void (*each)(void *ctx, const struct engine_model_info *info), void *ctx)
{
    LIST_EACH(at, &engine->lanes) {
        const struct lane *lane = LIST_ITEM(at, struct lane, link);
        if (lane->retired)
            continue;
        const struct engine_model_info info = {
            .name = lane->model.name,
            .backend = lane->model.backend,
            .state = lane->state,
            .pid = lane->worker != NULL ? worker_pid(lane->worker) : 0,
            .running = lane->running_count,
            .queued = lane->waiting_count,
            .restarts = lane->restarts,
            .memory_bytes = lane->worker != NULL ? lane->memory_bytes : 0,
            .context = lane->context,
            .dimensions = lane->dimensions,
            .layout = view_from_cstr(lane->layout),
            .prompt_tokens = (uint64_t)lane->usage.input_tokens,
            .cached_tokens = (uint64_t)lane->usage.cached_tokens,
            .output_tokens = (uint64_t)lane->usage.output_tokens,
        };
        each(ctx, &info);
    }
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

/* What the model cannot do at all. NULL: it can. The scripted backend does everything. */
static const char *mismatch(const struct lane *lane, const struct model_request *request)
{
    bool embeds = request->kind == MODEL_EMBED || (request->kind == MODEL_COUNT && request->count_embed);
    if (lane->model.backend == ENGINE_SCRIPTED || embeds == lane->model.embedding)
        return NULL;
    return embeds ? "This is a text model: it makes no embeddings." : "This is an embedding model: it writes no text.";
}

static void admit(struct engine_call *call, const struct model_request *request)
{
    struct lane *lane = call->lane;
    if (call->engine->closing) {
        engine_call_fail(call, ENGINE_CANCELLED, SHUTTING_DOWN);
        return;
    }
    if (lane == NULL) {
        struct view name = view_first(request->model, 128);
        engine_call_fail(call, ENGINE_NO_MODEL, "There is no local model named \"" VIEW_FMT "\".", VIEW_ARG(name));
        return;
    }
    const char *why_not = mismatch(lane, request);
    if (why_not != NULL) {
        engine_call_fail(call, ENGINE_INVALID, "%s", why_not);
        return;
    }
    engine_call_refuse(call, ENGINE_OVERLOADED, "Out of memory.");
    if (lane->backend->prepare(call, request))
        lane_enqueue(lane, call);
    else
        engine_call_end_later(call);
}

struct engine_call *engine_submit(struct engine *engine, const struct model_request *request, const struct engine_sink *sink)
{
    struct engine_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->engine = engine;
    call->sink = *sink;
    call->kind = request->kind;
    call->priority = request->priority;
    call->state = CALL_WAITING;
    call->submitted_us = clock_mono_us(loop_clock(engine->loop));
    call->lane = find_lane(engine, request->model);
    if (call->lane != NULL)
        call->lane->calls++;
    admit(call, request);
    return call;
}

void engine_cancel(struct engine_call *call)
{
    if (call->state == CALL_RUNNING)
        call->lane->backend->stop(call);
    engine_call_fail(call, ENGINE_CANCELLED, "The call was cancelled.");
}

void engine_pause(struct engine_call *call, bool paused)
{
    if (call->paused == paused)
        return;
    call->paused = paused;
    if (call->state == CALL_RUNNING)
        call->lane->backend->pause(call);
}
