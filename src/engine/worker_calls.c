/* engine/worker_calls.c - calls at a worker: the local backend, and the frames that answer it. */
#include "engine/worker.h"

#define OUT_HIGH_WATER  ((size_t)WIRE_MAX_PAYLOAD)          /* bytes of calls that a worker has not taken yet */
#define CREDIT_AT_ONCE  64                                  /* deltas that one CREDIT gives back at least */
#define DELTAS_AT_ONCE  64

/* ---- streams ------------------------------------------------------------------------------------------------------------- */

void worker_streams_init(struct worker *worker)
{
    for (unsigned i = 0; i < WORKER_STREAMS; i++)
        worker->free_streams[i] = (uint16_t)i;
    worker->free_count = WORKER_STREAMS;
}

/* 0: none is free. Numbers come round only after millions of calls, so a late frame never meets a stranger. */
static uint32_t stream_open(struct worker *worker, struct engine_call *call)
{
    if (worker->free_count == 0)
        return 0;
    unsigned place = worker->free_streams[--worker->free_count];
    worker->streams[place] = call;
    worker->generation = worker->generation % (UINT32_MAX / WORKER_STREAMS - 1) + 1;
    return worker->generation * WORKER_STREAMS + place;
}

static void stream_close(struct worker *worker, struct engine_call *call)
{
    unsigned place = call->stream % WORKER_STREAMS;
    worker->streams[place] = NULL;
    worker->free_streams[worker->free_count++] = (uint16_t)place;
    call->stream = 0;
}

/* NULL: the call has been cancelled, and the worker did not know yet. */
static struct engine_call *stream_find(struct worker *worker, uint32_t stream)
{
    struct engine_call *call = worker->streams[stream % WORKER_STREAMS];
    return call != NULL && call->stream == stream ? call : NULL;
}

void worker_streams_fail(struct worker *worker)
{
    for (unsigned i = 0; i < WORKER_STREAMS; i++) {
        struct engine_call *call = worker->streams[i];
        if (call == NULL)
            continue;
        stream_close(worker, call);
        engine_call_fail(call, ENGINE_MODEL_ERROR, "The model's process ended unexpectedly.");
    }
}

/* ---- frames from the worker --------------------------------------------------------------------------------------------- */

static void give_credit(struct worker *worker, struct engine_call *call)
{
    wire_append_u32(channel_out(&worker->process.channel), WIRE_CREDIT, call->stream, call->owed);
    channel_flush(&worker->process.channel);
    call->owed = 0;
}

bool worker_take_deltas(struct worker *worker, const struct wire_frame *frame)
{
    struct gen_delta deltas[DELTAS_AT_ONCE];
    struct view rest = frame->payload;
    while (rest.len > 0) {
        size_t count = 0;
        while (rest.len > 0 && count < DELTAS_AT_ONCE) {
            if (!wire_read_delta(worker->engine->scratch, &rest, &deltas[count++]))
                return false;
        }
        struct engine_call *call = stream_find(worker, frame->stream);
        if (call == NULL)
            return true;
        call->owed += (uint32_t)count;
        engine_call_deltas(call, deltas, count);                   /* may cancel, and so forget, the call */
    }
    struct engine_call *call = stream_find(worker, frame->stream);
    if (call != NULL && !call->paused && call->owed >= CREDIT_AT_ONCE)
        give_credit(worker, call);
    return true;
}

bool worker_take_vectors(struct worker *worker, const struct wire_frame *frame)
{
    struct embed_result result;
    if (!wire_read_vectors(worker->engine->scratch, frame->payload, &result))
        return false;
    struct engine_call *call = stream_find(worker, frame->stream);
    if (call != NULL)
        engine_call_vectors(call, &result);
    return true;
}

bool worker_take_end(struct worker *worker, const struct wire_frame *frame)
{
    struct engine_end end;
    if (!wire_read_end(worker->engine->scratch, frame->payload, &end))
        return false;
    struct engine_call *call = stream_find(worker, frame->stream);
    if (call == NULL)
        return true;
    stream_close(worker, call);
    engine_call_end(call, &end);
    return true;
}

/* ---- the local backend ------------------------------------------------------------------------------------------------------ */

static bool prepare(struct engine_call *call, const struct model_request *request)
{
    buf_init(&call->payload, WIRE_MAX_PAYLOAD);
    wire_write_request(&call->payload, request);
    if (!buf_failed(&call->payload))
        return true;
    engine_call_refuse(call, ENGINE_TOO_LONG, "The request is larger than %u MiB.", WIRE_MAX_PAYLOAD >> 20);
    return false;
}

static void start(struct engine_call *call)
{
    struct worker *worker = call->lane->worker;
    call->stream = channel_queued(&worker->process.channel) < OUT_HIGH_WATER ? stream_open(worker, call) : 0;
    if (call->stream == 0) {
        engine_call_fail(call, ENGINE_OVERLOADED, "The model's process takes no more calls now. Try again later.");
        return;
    }
    wire_append(channel_out(&worker->process.channel), WIRE_CALL, call->stream, buf_view(&call->payload));
    buf_free(&call->payload);
    channel_flush(&worker->process.channel);
}

static void stop(struct engine_call *call)
{
    struct worker *worker = call->lane->worker;
    if (call->stream == 0)
        return;
    wire_append(channel_out(&worker->process.channel), WIRE_CANCEL, call->stream, VIEW(""));
    channel_flush(&worker->process.channel);
    stream_close(worker, call);
}

static void resume(struct engine_call *call)
{
    if (call->stream != 0 && !call->paused && call->owed > 0)
        give_credit(call->lane->worker, call);
}

const struct backend backend_local = { .prepare = prepare, .start = start, .stop = stop, .pause = resume };
