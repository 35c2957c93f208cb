/* engine/call.c - how a call's answers and its end reach the sink. */
#include "engine/internal.h"

#include <stdio.h>
#include <stdlib.h>

int64_t engine_call_age_us(const struct engine_call *call)
{
    return clock_mono_us(loop_clock(call->engine->loop)) - call->submitted_us;
}

void engine_call_limit(struct engine_call *call, uint64_t after_ms, void (*fn)(void *call))
{
    loop_timer_cancel(call->timer);
    call->timer = loop_timer_start(call->engine->loop, after_ms, fn, call);
    if (call->timer == NULL) {
        if (call->state == CALL_RUNNING)
            call->lane->backend->stop(call);
        engine_call_fail(call, ENGINE_OVERLOADED, "Out of memory.");
    }
}

static void __attribute__((format(printf, 3, 0)))
set_end(struct engine_call *call, enum engine_status status, const char *format, va_list args)
{
    int len = vsnprintf(call->message, sizeof call->message, format, args);
    if (len < 0)
        call->message[0] = '\0';
    call->end = (struct engine_end){ .status = status, .message = call->message };
}

void engine_call_refuse(struct engine_call *call, enum engine_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_end(call, status, format, args);
    va_end(args);
}

void engine_call_end_later(struct engine_call *call)
{
    if (call->lane != NULL)
        lane_leave(call);
    call->state = CALL_ENDING;
    list_push_back(&call->engine->ending, &call->link);
    loop_turn_end(call->engine->loop, &call->engine->turn);
}

void engine_call_fail(struct engine_call *call, enum engine_status status, const char *format, ...)
{
    if (call->state == CALL_ENDING)
        return;
    va_list args;
    va_start(args, format);
    set_end(call, status, format, args);
    va_end(args);
    engine_call_end_later(call);
}

void engine_call_deltas(struct engine_call *call, const struct gen_delta *deltas, size_t count)
{
    if (call->state != CALL_RUNNING || count == 0)
        return;
    if (call->first_token_us == 0 && (count > 1 || deltas[0].type != GEN_BEGIN))
        call->first_token_us = engine_call_age_us(call);
    if (call->sink.on_delta != NULL)
        call->sink.on_delta(call->sink.ctx, deltas, count);
}

void engine_call_vectors(struct engine_call *call, const struct embed_result *result)
{
    if (call->state == CALL_RUNNING && call->sink.on_vectors != NULL)
        call->sink.on_vectors(call->sink.ctx, result);
}

/* The sink may submit, cancel and pause calls from inside on_end. */
static void finish(struct engine_call *call, struct engine_end *end)
{
    struct engine_sink sink = call->sink;
    struct lane *lane = call->lane;
    end->first_token_us = call->first_token_us;
    end->total_us = engine_call_age_us(call);
    if (end->message == NULL)
        end->message = "";
    loop_timer_cancel(call->timer);
    call->timer = NULL;
    sink.on_end(sink.ctx, end);
    if (call->work != NULL)
        lane->backend->release(call);                       /* after on_end, whose views may be in it */
    buf_free(&call->payload);
    free(call);
    if (lane != NULL) {
        lane->calls--;
        lane_pump(lane);
    }
}

void engine_call_end(struct engine_call *call, const struct engine_end *end)
{
    struct lane *lane = call->lane;
    if (end->status == ENGINE_OK) {
        lane->crashes = 0;
        lane->usage.input_tokens += end->usage.input_tokens;
        lane->usage.output_tokens += end->usage.output_tokens;
        lane->usage.cached_tokens += end->usage.cached_tokens;
    }
    lane_leave(call);
    call->state = CALL_ENDING;
    struct engine_end copy = *end;
    finish(call, &copy);
}

void engine_calls_end_due(void *arg)
{
    struct engine *engine = arg;
    for (struct list_link *link; (link = list_pop_front(&engine->ending)) != NULL;) {
        struct engine_call *call = LIST_ITEM(link, struct engine_call, link);
        finish(call, &call->end);
    }
}
