/* engine/documents.c - the worker for texts of others, and who waits for it. See documents.h.
 *
 *            first text            HELLO
 *    NONE ──────────────► STARTED ──────► READY ──┐ idle for long
 *     ▲ ▲                    │              │     │
 *     │ └────────────────────┼──────────────┼─────┘
 *     │    after a pause     ▼              ▼
 *     └─────────────────── PAUSED (it died, was silent for too long, or broke the protocol)
 */
#include "engine/documents.h"

#include "base/list.h"
#include "base/log.h"
#include "base/utf8.h"
#include "engine/process.h"

#include <pthread.h>
#include <stdlib.h>

#define QUEUE_WAIT_MS 30000
#define TIME_LIMIT_MS 10000
#define IDLE_MS       60000
#define MAX_QUEUE     256

enum documents_state { DOCUMENTS_NONE, DOCUMENTS_STARTED, DOCUMENTS_READY, DOCUMENTS_PAUSED, DOCUMENTS_STOPPED };

struct text_call {
    struct list_link link;                                  /* in documents->waiting */
    struct documents *documents;
    struct view text;
    documents_done *done;
    void *ctx;
    struct loop_timer *timer;                               /* while it waits */
};

struct documents_worker {                                   /* outlives its place here until libuv has let go of it */
    struct process process;
    struct documents *documents;                            /* NULL: given up */
};

struct documents {
    struct documents_options options;
    char *program;
    enum documents_state state;
    struct documents_worker *worker;                        /* STARTED, READY */
    struct loop_timer *timer;                               /* of the state: hello, the text at work or idleness, the pause */
    struct list waiting;
    unsigned waiting_count;
    struct text_call *running;
    uint32_t stream;                                        /* of the text at work */
    unsigned crashes;                                       /* since the last answer */
};

static void pump(struct documents *documents);

/* False: no memory for a timer. */
static bool expect(struct documents *documents, uint64_t within_ms, void (*late)(void *documents))
{
    loop_timer_cancel(documents->timer);
    documents->timer = loop_timer_start(documents->options.loop, within_ms, late, documents);
    return documents->timer != NULL;
}

static void expect_nothing(struct documents *documents)
{
    loop_timer_cancel(documents->timer);
    documents->timer = NULL;
}

/* ---- calls ------------------------------------------------------------------------------------------------------------- */

static void end_call(struct text_call *call, enum engine_status status, const char *message, struct view payload)
{
    documents_done *done = call->done;
    void *ctx = call->ctx;
    loop_timer_cancel(call->timer);
    free(call);
    done(ctx, status, message, payload);
}

static struct text_call *take_waiting(struct documents *documents, struct text_call *call)
{
    list_remove(&call->link);
    documents->waiting_count--;
    return call;
}

static void end_running(struct documents *documents, enum engine_status status, const char *message, struct view payload)
{
    struct text_call *call = documents->running;
    documents->running = NULL;
    if (call != NULL)
        end_call(call, status, message, payload);
}

static void on_waited(void *arg)
{
    struct text_call *call = arg;
    struct documents *documents = call->documents;
    call->timer = NULL;
    bool ready = documents->state == DOCUMENTS_READY;
    end_call(take_waiting(documents, call), ready ? ENGINE_OVERLOADED : ENGINE_NOT_READY,
             ready ? "Too many texts are waiting for their words to be found." : "craton-worker cannot be started.", VIEW(""));
}

/* ---- the worker ---------------------------------------------------------------------------------------------------------- */

static void on_freed(void *owner)
{
    free(owner);
}

static void give_up(struct documents *documents)
{
    struct documents_worker *worker = documents->worker;
    documents->worker = NULL;
    worker->documents = NULL;
    process_kill(&worker->process);
}

static void on_pause_over(void *arg)
{
    struct documents *documents = arg;
    documents->timer = NULL;
    documents->state = DOCUMENTS_NONE;
    pump(documents);
}

static void pause_starts(struct documents *documents)
{
    documents->state = DOCUMENTS_PAUSED;
    if (!expect(documents, process_pause_ms(documents->crashes++), on_pause_over))
        documents->state = DOCUMENTS_NONE;                  /* no memory for a pause: the next text tries at once */
}

static void lose(struct documents *documents, enum engine_status status, const char *reason)
{
    log_warn("documents worker lost", LOG_STR("reason", reason), LOG_INT("crashes", documents->crashes));
    give_up(documents);
    pause_starts(documents);
    end_running(documents, status, "The process that finds the words of texts ended at this one.", VIEW(""));
}

static void on_late(void *arg)
{
    struct documents *documents = arg;
    documents->timer = NULL;
    bool ready = documents->state == DOCUMENTS_READY;
    lose(documents, ENGINE_TIMEOUT, ready ? "it took too long" : "it did not say hello in time");
}

static void on_idle(void *arg)
{
    struct documents *documents = arg;
    documents->timer = NULL;
    give_up(documents);                                     /* it has no state: nothing to be asked for */
    documents->state = DOCUMENTS_NONE;
}

static bool take_answer(struct documents *documents, const struct wire_frame *frame)
{
    if (documents->running == NULL || frame->stream != documents->stream)
        return false;
    if (frame->type != WIRE_SEGMENTS && frame->type != WIRE_END)
        return false;
    bool found = frame->type == WIRE_SEGMENTS;
    expect_nothing(documents);
    documents->crashes = 0;
    end_running(documents, found ? ENGINE_OK : ENGINE_MODEL_ERROR, found ? "" : "The words of this text could not be found.",
                found ? frame->payload : VIEW(""));
    return true;
}

static void on_frame(void *ctx, const struct wire_frame *frame)
{
    struct documents *documents = ((struct documents_worker *)ctx)->documents;
    bool sound = false;
    if (documents->state == DOCUMENTS_READY) {
        sound = take_answer(documents, frame);
    } else if (process_hello(frame) == PROCESS_HELLO) {
        expect_nothing(documents);
        documents->state = DOCUMENTS_READY;
        sound = true;
    }
    if (!sound)
        lose(documents, ENGINE_MODEL_ERROR, "it broke the protocol");
    pump(documents);
}

static void on_lost(void *ctx, const char *reason)
{
    struct documents *documents = ((struct documents_worker *)ctx)->documents;
    lose(documents, ENGINE_MODEL_ERROR, reason);
}

static void start(struct documents *documents)
{
    struct documents_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        pause_starts(documents);
        return;
    }
    worker->documents = documents;
    worker->process = (struct process){
        .channel = { .fd = -1, .ctx = worker, .on_frame = on_frame, .on_lost = on_lost },
        .owner = worker,
        .label = VIEW("documents"),
        .on_freed = on_freed,
    };
    if (!process_start(&worker->process, documents->options.loop, documents->program, "documents")) {
        pause_starts(documents);
        return;
    }
    documents->worker = worker;
    documents->state = DOCUMENTS_STARTED;
    log_info("documents worker started", LOG_INT("pid", process_pid(&worker->process)));
    if (!expect(documents, documents->options.time_limit_ms, on_late))
        lose(documents, ENGINE_OVERLOADED, "out of memory");
}

/* ---- the queue ----------------------------------------------------------------------------------------------------------- */

static void hand_over(struct documents *documents)
{
    struct text_call *call = LIST_ITEM(list_first(&documents->waiting), struct text_call, link);
    documents->running = take_waiting(documents, call);
    loop_timer_cancel(call->timer);
    call->timer = NULL;
    struct channel *channel = &documents->worker->process.channel;
    wire_append(channel_out(channel), WIRE_TEXT, ++documents->stream, call->text);
    channel_flush(channel);
    if (!expect(documents, documents->options.time_limit_ms, on_late))
        lose(documents, ENGINE_OVERLOADED, "out of memory");
}

static void pump(struct documents *documents)
{
    bool waits = !list_empty(&documents->waiting);
    if (documents->state == DOCUMENTS_NONE && waits)
        start(documents);
    else if (documents->state == DOCUMENTS_READY && documents->running == NULL && waits)
        hand_over(documents);
    else if (documents->state == DOCUMENTS_READY && documents->running == NULL && documents->timer == NULL)
        (void)expect(documents, documents->options.idle_ms, on_idle);       /* else it stays */
}

enum engine_status documents_segment(struct documents *documents, struct view text, documents_done *done, void *ctx)
{
    if (documents->state == DOCUMENTS_STOPPED)
        return ENGINE_CANCELLED;
    if (documents->waiting_count >= documents->options.max_queue)
        return ENGINE_OVERLOADED;
    struct text_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return ENGINE_OVERLOADED;
    *call = (struct text_call){ .documents = documents, .text = text, .done = done, .ctx = ctx };
    call->timer = loop_timer_start(documents->options.loop, documents->options.queue_wait_ms, on_waited, call);
    if (call->timer == NULL) {
        free(call);
        return ENGINE_OVERLOADED;
    }
    list_push_back(&documents->waiting, &call->link);
    documents->waiting_count++;
    pump(documents);
    return ENGINE_OK;
}

bool documents_read(struct arena *arena, struct view payload, struct view text, struct text_segments *out)
{
    return wire_read_segments(arena, payload, text, out);
}

int documents_pid(const struct documents *documents)
{
    return documents->worker != NULL ? process_pid(&documents->worker->process) : 0;
}

/* ---- its own life ---------------------------------------------------------------------------------------------------------- */

struct documents *documents_create(const struct documents_options *options)
{
    struct documents *documents = calloc(1, sizeof *documents);
    if (documents == NULL)
        return NULL;
    documents->options = *options;
    documents->program = strdup(options->worker_path);
    if (documents->program == NULL) {
        free(documents);
        return NULL;
    }
    struct documents_options *own = &documents->options;
    own->worker_path = documents->program;
    own->queue_wait_ms = own->queue_wait_ms > 0 ? own->queue_wait_ms : QUEUE_WAIT_MS;
    own->time_limit_ms = own->time_limit_ms > 0 ? own->time_limit_ms : TIME_LIMIT_MS;
    own->idle_ms = own->idle_ms > 0 ? own->idle_ms : IDLE_MS;
    own->max_queue = own->max_queue > 0 ? own->max_queue : MAX_QUEUE;
    list_init(&documents->waiting);
    return documents;
}

void documents_stop(struct documents *documents)
{
    if (documents == NULL || documents->state == DOCUMENTS_STOPPED)
        return;
    struct documents_worker *worker = documents->worker;
    documents->worker = NULL;
    documents->state = DOCUMENTS_STOPPED;
    expect_nothing(documents);
    if (worker != NULL)
        process_destroy(&worker->process);
    end_running(documents, ENGINE_CANCELLED, "The server ends.", VIEW(""));
    while (!list_empty(&documents->waiting)) {
        struct text_call *call = LIST_ITEM(list_first(&documents->waiting), struct text_call, link);
        end_call(take_waiting(documents, call), ENGINE_CANCELLED, "The server ends.", VIEW(""));
    }
}

void documents_destroy(struct documents *documents)
{
    if (documents == NULL)
        return;
    free(documents->program);
    free(documents);
}

/* ---- for threads that may block -------------------------------------------------------------------------------------------- */

struct mailbox {
    struct documents *documents;
    struct view text;
    pthread_mutex_t mutex;                                  /* guards all below */
    pthread_cond_t news;
    bool ended;
    enum engine_status status;
    const char *message;                                    /* constant: all messages of this file are */
    struct buf payload;
};

static void on_done(void *ctx, enum engine_status status, const char *message, struct view payload)
{
    struct mailbox *box = ctx;
    pthread_mutex_lock(&box->mutex);
    box->status = status;
    box->message = message;
    buf_append_view(&box->payload, payload);
    box->ended = true;
    pthread_cond_signal(&box->news);
    pthread_mutex_unlock(&box->mutex);
}

static void begin(void *arg)
{
    struct mailbox *box = arg;
    enum engine_status status = documents_segment(box->documents, box->text, on_done, box);
    if (status != ENGINE_OK)
        on_done(box, status, "The words of this text cannot be found now.", VIEW(""));
}

static void wait_for(struct mailbox *box)
{
    pthread_mutex_lock(&box->mutex);
    while (!box->ended)
        pthread_cond_wait(&box->news, &box->mutex);
    pthread_mutex_unlock(&box->mutex);
}

enum engine_status documents_segment_wait(struct documents *documents, struct arena *arena, struct view text,
                                          struct text_segments *out, const char **message)
{
    *out = (struct text_segments){ .count = 0 };
    *message = "";
    if (text.len == 0)
        return ENGINE_OK;
    if (text.len > SEGMENTS_TEXT_MAX || !utf8_valid(text)) {
        *message = "The text is larger than 4 MiB, or no UTF-8.";
        return ENGINE_INVALID;
    }
    struct mailbox box = { .documents = documents, .text = text, .payload = BUF_INIT(WIRE_MAX_PAYLOAD), .message = "Out of memory." };
    box.status = ENGINE_OVERLOADED;
    pthread_mutex_init(&box.mutex, NULL);
    pthread_cond_init(&box.news, NULL);
    if (loop_post(documents->options.loop, begin, &box))
        wait_for(&box);
    if (box.status == ENGINE_OK && (buf_failed(&box.payload) || !documents_read(arena, buf_view(&box.payload), text, out))) {
        box.status = ENGINE_MODEL_ERROR;
        box.message = "The words of this text could not be read.";
    }
    pthread_cond_destroy(&box.news);
    pthread_mutex_destroy(&box.mutex);
    buf_free(&box.payload);
    *message = box.message;
    return box.status;
}
