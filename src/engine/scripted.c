/* engine/scripted.c - plays scripted answers, and records them.
 *
 * Answers without latency and pace are played at the end of the turn in which they were asked for, all of them in one go.
 */
#include "engine/internal.h"
#include "engine/scripted.h"
#include "engine/wire.h"

#include "base/log.h"

#include <stdlib.h>

#define RECORDS        512
#define RECORD_MAX     (16u << 10)                          /* bytes of one, its request included */
#define TOKENS_AT_ONCE 64
#define TICK_MS        10                                   /* of paced answers */
#define ANSWER_MEMORY  (128u << 20)

struct scripted {
    struct engine *engine;
    struct script_rules *rules;
    struct list due;                                        /* plays whose turn has come */
    struct loop_turn turn;
    struct buf records[RECORDS];                            /* a ring: each a JSON object */
    uint64_t recorded;
};

/* One answer that is being given: call->work. */
struct play {
    struct list_link link;                                  /* in scripted->due, or alone */
    struct arena *arena;                                    /* holds the play itself, too */
    struct engine_call *call;
    struct script script;
    bool begun;
    size_t said;                                            /* bytes of the text */
    int64_t tokens;
    int64_t begun_us;
    struct loop_timer *timer;
};

/* ---- playing ------------------------------------------------------------------------------------------------------------- */

static void play_soon(struct play *play)
{
    struct scripted *scripted = play->call->engine->scripted;
    list_remove(&play->link);
    list_push_back(&scripted->due, &play->link);
    loop_turn_end(scripted->engine->loop, &scripted->turn);
}

static void on_timer(void *arg)
{
    struct play *play = arg;
    play->timer = NULL;
    play_soon(play);
}

static void play_later(struct play *play, uint64_t ms)
{
    play->timer = loop_timer_start(play->call->engine->loop, ms, on_timer, play);
    if (play->timer == NULL)
        engine_call_fail(play->call, ENGINE_OVERLOADED, "Out of memory.");
}

static void end_play(struct play *play)
{
    const struct script *script = &play->script;
    const struct engine_end end = {
        .status = script->status,
        .message = script->message.ptr,                     /* NUL-terminated: a rule's text */
        .original_status = script->http_status,
        .error = script->error,
        .reason = script->reason,
        .stop = script->stop,
        .usage = script->usage,
    };
    engine_call_end(play->call, &end);
}

static void begin(struct play *play)
{
    const struct script *script = &play->script;
    struct gen_delta first[2] = { { .type = GEN_BEGIN, .input_tokens = script->usage.input_tokens },
                                  { .type = GEN_TOOL_START, .id = script->tool_id, .name = script->tool } };
    play->begun = true;
    play->begun_us = clock_mono_us(loop_clock(play->call->engine->loop));
    engine_call_deltas(play->call, first, script->kind == SCRIPT_TOOL_CALL ? 2 : 1);
}

/* How many tokens may have been said by now. */
static int64_t tokens_due(const struct play *play)
{
    const struct script_rule *rule = play->script.rule;
    if (rule == NULL || rule->tokens_per_second <= 0)
        return INT64_MAX;
    int64_t elapsed_us = clock_mono_us(loop_clock(play->call->engine->loop)) - play->begun_us;
    return 1 + (int64_t)((double)elapsed_us * rule->tokens_per_second / 1e6);
}

/* Says the next tokens. False: it has to wait, or the call has ended. */
static bool say_some(struct play *play)
{
    struct gen_delta deltas[TOKENS_AT_ONCE];
    struct view text = play->script.text;
    int64_t due = tokens_due(play);
    size_t count = 0;
    while (count < TOKENS_AT_ONCE && play->said < text.len && play->tokens < due) {
        struct view rest = view_from(text, play->said);
        size_t len = script_token(rest);
        deltas[count++] = (struct gen_delta){
            .type = play->script.kind == SCRIPT_TOOL_CALL ? GEN_TOOL_ARGUMENTS : GEN_TEXT,
            .text = view_first(rest, len),
        };
        play->said += len;
        play->tokens++;
    }
    engine_call_deltas(play->call, deltas, count);
    return count > 0 && play->call->state == CALL_RUNNING && !play->call->paused;
}

static void go_on(struct play *play)
{
    struct engine_call *call = play->call;
    if (call->paused || play->timer != NULL)
        return;
    if (call->kind == MODEL_GENERATE && play->script.status == ENGINE_OK) {
        if (!play->begun)
            begin(play);
        if (call->state != CALL_RUNNING || call->paused)
            return;
        while (say_some(play))
            continue;
        if (call->state != CALL_RUNNING || call->paused)
            return;
        if (play->said < play->script.text.len) {
            play_later(play, TICK_MS);
            return;
        }
    } else if (call->kind == MODEL_EMBED && play->script.status == ENGINE_OK) {
        engine_call_vectors(call, &play->script.vectors);
        if (call->state != CALL_RUNNING)
            return;
    }
    end_play(play);
}

static void play_due(void *arg)
{
    struct scripted *scripted = arg;
    struct list now;                                        /* calls that come meanwhile wait for the next turn */
    list_init(&now);
    for (struct list_link *link; (link = list_pop_front(&scripted->due)) != NULL;)
        list_push_back(&now, link);
    for (struct list_link *link; (link = list_pop_front(&now)) != NULL;)
        go_on(LIST_ITEM(link, struct play, link));
}

/* ---- records ------------------------------------------------------------------------------------------------------------- */

static void record_answer(struct json_writer *w, const struct script *script)
{
    json_key(w, "answer");
    json_object(w);
    switch (script->kind) {
    case SCRIPT_TEXT:
        json_put_string(w, "text", script->text);
        break;
    case SCRIPT_TOOL_CALL:
        json_put_string(w, "tool_call", script->tool);
        json_put_string(w, "input", script->text);
        break;
    case SCRIPT_EMBEDDING:
        json_put_i64(w, "vectors", (int64_t)script->vectors.count);
        break;
    case SCRIPT_ERROR:
        json_put_i64(w, "error", script->http_status);
        json_put_string(w, "message", script->message);
        break;
    }
    json_end(w);
}

static void write_record(struct scripted *scripted, struct buf *out, const struct model_request *request, const struct script *script,
                         size_t place, bool whole)
{
    struct json_writer w;
    buf_clear(out);
    json_writer_init(&w, out);
    json_object(&w);
    json_put_string(&w, "id", request->request_id);
    json_put_i64(&w, "time_ms", clock_wall_ms(loop_clock(scripted->engine->loop)));
    json_put_string(&w, "model", request->model);
    json_key(&w, "rule");
    if (script->rule != NULL)
        json_write_u64(&w, place);
    else
        json_write_null(&w);
    if (whole) {
        json_key(&w, "request");
        json_write_raw(&w, VIEW(""));                       /* its place: the wire's form goes there */
        wire_write_request(out, request);
        record_answer(&w, script);
    }
    json_put_i64(&w, "input_tokens", script->usage.input_tokens);
    json_put_i64(&w, "output_tokens", script->usage.output_tokens);
    json_end(&w);
}

static void record(struct scripted *scripted, const struct model_request *request, const struct script *script, size_t place)
{
    struct buf *out = &scripted->records[scripted->recorded % RECORDS];
    out->max = RECORD_MAX;
    write_record(scripted, out, request, script, place, true);
    if (buf_failed(out))
        write_record(scripted, out, request, script, place, false);
    if (!buf_failed(out))
        scripted->recorded++;
}

void engine_scripted_records(struct engine *engine, struct json_writer *out)
{
    const struct scripted *scripted = engine->scripted;
    json_array(out);
    for (uint64_t i = scripted->recorded > RECORDS ? scripted->recorded - RECORDS : 0; i < scripted->recorded; i++)
        json_write_raw(out, buf_view(&scripted->records[i % RECORDS]));
    json_end(out);
}

/* ---- the backend ----------------------------------------------------------------------------------------------------------- */

static bool prepare(struct engine_call *call, const struct model_request *request)
{
    struct scripted *scripted = call->engine->scripted;
    struct arena *arena = arena_create(ANSWER_MEMORY);
    struct play *play = arena != NULL ? ARENA_NEW(arena, struct play) : NULL;
    size_t place = 0;
    const struct script_rule *rule = script_rules_match(scripted->rules, request, &place);
    if (play == NULL || !script_answer(arena, rule, request, &play->script)) {
        arena_destroy(arena);
        return false;
    }
    play->arena = arena;
    play->call = call;
    play->link = (struct list_link){ &play->link, &play->link };
    call->work = play;
    record(scripted, request, &play->script, place);
    return true;
}

static void start(struct engine_call *call)
{
    struct play *play = call->work;
    const struct script_rule *rule = play->script.rule;
    if (rule != NULL && rule->latency_ms > 0)
        play_later(play, rule->latency_ms);
    else
        play_soon(play);
}

static void stop(struct engine_call *call)
{
    struct play *play = call->work;
    list_remove(&play->link);
    loop_timer_cancel(play->timer);
    play->timer = NULL;
}

static void resume(struct engine_call *call)
{
    struct play *play = call->work;
    if (!call->paused && play->timer == NULL)
        play_soon(play);
}

static void release(struct engine_call *call)
{
    struct play *play = call->work;
    stop(call);
    call->work = NULL;
    arena_destroy(play->arena);
}

const struct backend backend_scripted = {
    .prepare = prepare, .start = start, .stop = stop, .pause = resume, .release = release
};

bool engine_check_rules(const struct config_node *rules, struct config_error *error)
{
    struct script_rules *parsed = script_rules_create(rules, error);
    script_rules_destroy(parsed);
    return parsed != NULL;
}

struct scripted *scripted_create(struct engine *engine)
{
    struct scripted *scripted = calloc(1, sizeof *scripted);
    if (scripted == NULL)
        return NULL;
    struct config_error error = { .message = "" };
    scripted->engine = engine;
    list_init(&scripted->due);
    scripted->turn = (struct loop_turn){ .fn = play_due, .arg = scripted };
    scripted->rules = script_rules_create(engine->options.scripted_rules, &error);
    if (scripted->rules == NULL) {
        log_error("the scripted rules are not valid", LOG_STR("reason", error.message));
        free(scripted);
        return NULL;
    }
    return scripted;
}

void scripted_destroy(struct scripted *scripted)
{
    if (scripted == NULL)
        return;
    loop_turn_cancel(scripted->engine->loop, &scripted->turn);
    for (size_t i = 0; i < RECORDS; i++)
        buf_free(&scripted->records[i]);
    script_rules_destroy(scripted->rules);
    free(scripted);
}
