#include "rig.h"

#include <uv.h>

#ifndef FAKE_WORKER
#define FAKE_WORKER "craton-worker"
#endif

void rig_start(struct rig *rig, struct engine_options options, const struct engine_model *models, size_t count)
{
    if (options.worker_path == NULL)
        options.worker_path = FAKE_WORKER;
    if (options.load_wait_ms == 0)
        options.load_wait_ms = RIG_PATIENCE_MS;
    if (options.queue_wait_ms == 0)
        options.queue_wait_ms = RIG_PATIENCE_MS;
    *rig = (struct rig){ .loop = loop_create(clock_system(), 1) };
    assert_non_null(rig->loop);
    rig->engine = engine_create(rig->loop, &options);
    assert_non_null(rig->engine);
    assert_true(engine_set_models(rig->engine, models, count));
}

void rig_stop(struct rig *rig)
{
    engine_stop(rig->engine);
    uv_run(loop_uv(rig->loop), UV_RUN_NOWAIT);              /* forgets an uv_stop() that nobody has seen */
    loop_destroy(rig->loop);
    engine_destroy(rig->engine);
}

static void on_time(void *arg)
{
    bool *over = arg;
    *over = true;
}

/* By hand, since loop_stop() is for good and a test goes on. */
void rig_run(struct rig *rig)
{
    bool late = false;
    struct loop_timer *patience = loop_timer_start(rig->loop, RIG_PATIENCE_MS, on_time, &late);
    while (rig->open > 0 && !late)
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
    assert_false(late);
    loop_timer_cancel(patience);
}

void rig_run_for(struct rig *rig, uint64_t ms)
{
    bool over = false;
    loop_timer_start(rig->loop, ms, on_time, &over);
    while (!over)
        uv_run(loop_uv(rig->loop), UV_RUN_ONCE);
}

static void on_delta(void *ctx, const struct gen_delta *deltas, size_t count)
{
    struct answer *answer = ctx;
    assert_false(answer->ended);
    for (size_t i = 0; i < count; i++) {
        struct view text = deltas[i].text;
        answer->last = deltas[i];
        answer->deltas++;
        if (text.len > 0 && answer->text_len + text.len < sizeof answer->text) {
            memcpy(answer->text + answer->text_len, text.ptr, text.len);
            answer->text_len += text.len;
        }
    }
}

static void on_vectors(void *ctx, const struct embed_result *result)
{
    struct answer *answer = ctx;
    assert_true(result->count * result->dimensions <= COUNT_OF(answer->vectors));
    memcpy(answer->vectors, result->vectors, result->count * result->dimensions * sizeof(float));
    answer->vector_count = result->count;
    answer->dimensions = result->dimensions;
}

static void on_end(void *ctx, const struct engine_end *end)
{
    struct answer *answer = ctx;
    assert_false(answer->ended);
    answer->ended = true;
    answer->call = NULL;
    answer->status = end->status;
    answer->end = *end;
    snprintf(answer->message, sizeof answer->message, "%s", end->message);
    answer->rig->open--;
    uv_stop(loop_uv(answer->rig->loop));                    /* so that rig_run() looks before the loop sleeps */
}

void rig_submit(struct rig *rig, const struct model_request *request, struct answer *answer)
{
    const struct engine_sink sink = { .ctx = answer, .on_delta = on_delta, .on_vectors = on_vectors, .on_end = on_end };
    *answer = (struct answer){ .rig = rig };
    rig->open++;
    answer->call = engine_submit(rig->engine, request, &sink);
    assert_non_null(answer->call);
    assert_false(answer->ended);                            /* never from inside engine_submit() */
}

void rig_ask(struct rig *rig, const char *model, const char *text, struct answer *answer)
{
    const struct chat_part part = { .type = CHAT_TEXT, .text = view_from_cstr(text) };
    const struct chat_message message = { CHAT_USER, &part, 1 };
    struct model_request request;
    model_request_init(&request);
    request.model = view_from_cstr(model);
    request.generate.messages = &message;
    request.generate.message_count = 1;
    rig_submit(rig, &request, answer);
}

struct search {
    struct view name;
    struct engine_model_info found;
};

static void look_at(void *ctx, const struct engine_model_info *info)
{
    struct search *search = ctx;
    if (view_eq(info->name, search->name))
        search->found = *info;
}

struct engine_model_info rig_info(struct rig *rig, const char *model)
{
    struct search search = { .name = view_from_cstr(model) };
    engine_each_model(rig->engine, look_at, &search);
    return search.found;
}
