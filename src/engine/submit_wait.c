/* engine/submit_wait.c - the engine for threads that may block.
 *
 * The caller sleeps on a mailbox. The loop puts deltas into it in the wire's form (their views do not outlive the callback) and the
 * caller's thread takes them out again. While more than MAILBOX_HIGH bytes wait, the call is paused. The mailbox lives on the
 * caller's stack: the loop lets go of it with the end, as the last thing that it does.
 */
#include "engine/internal.h"
#include "engine/wire.h"

#include <pthread.h>
#include <stdlib.h>

#define MAILBOX_HIGH   (256u << 10)
#define MAILBOX_MAX    ((size_t)256 << 20)
#define TAKEN_AT_ONCE  64

struct mailbox {
    struct engine *engine;
    const struct model_request *request;
    struct engine_call *call;                               /* the loop's alone */

    pthread_mutex_t mutex;                                  /* guards all below */
    pthread_cond_t news;
    struct buf deltas;                                      /* batches, one after the other */
    struct buf vectors;
    struct buf end;                                         /* written once: the call has ended */
    bool ended, resuming;
};

/* ---- on the loop ----------------------------------------------------------------------------------------------------------- */

static void on_delta(void *ctx, const struct gen_delta *deltas, size_t count)
{
    struct mailbox *box = ctx;
    pthread_mutex_lock(&box->mutex);
    for (size_t i = 0; i < count; i++)
        wire_write_delta(&box->deltas, &deltas[i]);
    bool full = box->deltas.len > MAILBOX_HIGH;
    pthread_cond_signal(&box->news);
    pthread_mutex_unlock(&box->mutex);
    if (full)
        engine_pause(box->call, true);
}

static void on_vectors(void *ctx, const struct embed_result *result)
{
    struct mailbox *box = ctx;
    pthread_mutex_lock(&box->mutex);
    wire_write_vectors(&box->vectors, result);
    pthread_cond_signal(&box->news);
    pthread_mutex_unlock(&box->mutex);
}

static void on_end(void *ctx, const struct engine_end *end)
{
    struct mailbox *box = ctx;
    box->call = NULL;
    pthread_mutex_lock(&box->mutex);
    wire_write_end(&box->end, end);
    box->ended = true;
    pthread_cond_signal(&box->news);
    pthread_mutex_unlock(&box->mutex);
}

static void begin(void *arg)
{
    struct mailbox *box = arg;
    const struct engine_sink sink = { .ctx = box, .on_delta = on_delta, .on_vectors = on_vectors, .on_end = on_end };
    box->call = engine_submit(box->engine, box->request, &sink);
    if (box->call == NULL)
        on_end(box, &(struct engine_end){ .status = ENGINE_OVERLOADED, .message = "Out of memory." });
}

/* The caller waits until this has run, so the mailbox is there even when the call has ended meanwhile. */
static void resume(void *arg)
{
    struct mailbox *box = arg;
    if (box->call != NULL)
        engine_pause(box->call, false);
    pthread_mutex_lock(&box->mutex);
    box->resuming = false;
    pthread_cond_signal(&box->news);
    pthread_mutex_unlock(&box->mutex);
}

/* ---- in the caller's thread ---------------------------------------------------------------------------------------------- */

static bool deliver_deltas(const struct engine_sink *sink, struct arena *arena, struct view batch)
{
    while (batch.len > 0) {
        struct gen_delta deltas[TAKEN_AT_ONCE];
        size_t count = 0;
        while (batch.len > 0 && count < TAKEN_AT_ONCE) {
            if (!wire_read_delta(arena, &batch, &deltas[count++]))
                return false;
        }
        if (sink->on_delta != NULL)
            sink->on_delta(sink->ctx, deltas, count);
        arena_reset(arena);
    }
    return true;
}

static bool deliver_vectors(const struct engine_sink *sink, struct arena *arena, struct view payload)
{
    struct embed_result result;
    if (payload.len == 0)
        return true;
    if (!wire_read_vectors(arena, payload, &result))
        return false;
    if (sink->on_vectors != NULL)
        sink->on_vectors(sink->ctx, &result);
    arena_reset(arena);
    return true;
}

/* Takes what is there, and lets the call go on when it may have been paused. */
static bool take(struct mailbox *box, const struct engine_sink *sink, struct arena *arena)
{
    struct buf deltas = BUF_INIT(MAILBOX_MAX), vectors = BUF_INIT(MAILBOX_MAX);
    buf_swap(&deltas, &box->deltas);
    buf_swap(&vectors, &box->vectors);
    bool was_full = deltas.len > MAILBOX_HIGH && !box->ended && !box->resuming;
    if (was_full)
        box->resuming = loop_post(box->engine->loop, resume, box);
    bool lost = buf_failed(&deltas) || buf_failed(&vectors) || (was_full && !box->resuming);
    pthread_mutex_unlock(&box->mutex);
    lost = lost || !deliver_deltas(sink, arena, buf_view(&deltas)) || !deliver_vectors(sink, arena, buf_view(&vectors));
    buf_free(&deltas);
    buf_free(&vectors);
    pthread_mutex_lock(&box->mutex);
    return !lost;
}

static void deliver_all(struct mailbox *box, const struct engine_sink *sink, struct arena *arena, bool *lost)
{
    pthread_mutex_lock(&box->mutex);
    for (;;) {
        while (box->deltas.len == 0 && box->vectors.len == 0 && !buf_failed(&box->deltas) && !buf_failed(&box->vectors) &&
               (!box->ended || box->resuming))
            pthread_cond_wait(&box->news, &box->mutex);
        if (box->ended && !box->resuming && box->deltas.len == 0 && box->vectors.len == 0)
            break;
        if (!take(box, sink, arena))
            *lost = true;
    }
    pthread_mutex_unlock(&box->mutex);
}

static enum engine_status deliver_end(struct mailbox *box, const struct engine_sink *sink, struct arena *arena, bool lost)
{
    struct engine_end end;
    if (lost || buf_failed(&box->end) || !wire_read_end(arena, buf_view(&box->end), &end))
        end = (struct engine_end){ .status = ENGINE_OVERLOADED, .message = "Out of memory." };
    sink->on_end(sink->ctx, &end);
    return end.status;
}

enum engine_status engine_submit_wait(struct engine *engine, const struct model_request *request, const struct engine_sink *sink)
{
    struct mailbox box = {
        .engine = engine,
        .request = request,
        .deltas = BUF_INIT(MAILBOX_MAX),
        .vectors = BUF_INIT(MAILBOX_MAX),
        .end = BUF_INIT(1u << 20),
    };
    struct arena *arena = arena_create(MAILBOX_MAX);
    bool lost = arena == NULL;
    pthread_mutex_init(&box.mutex, NULL);
    pthread_cond_init(&box.news, NULL);
    if (!lost && loop_post(engine->loop, begin, &box))
        deliver_all(&box, sink, arena, &lost);
    else
        lost = true;
    enum engine_status status = deliver_end(&box, sink, arena, lost);
    pthread_cond_destroy(&box.news);
    pthread_mutex_destroy(&box.mutex);
    buf_free(&box.deltas);
    buf_free(&box.vectors);
    buf_free(&box.end);
    arena_destroy(arena);
    return status;
}
