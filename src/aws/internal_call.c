/* Calls without a client: they are made on the loop, with an arena of their own, and go on as front.c does with the others. */
#include "aws/internal_call.h"

#include "aws/call_impl.h"

#include <pthread.h>
#include <stdlib.h>

#define ARENA_MAX     (256u << 20)
#define BEGUN_AT_ONCE 32                                    /* calls, in one turn of the loop */

struct internal_call {
    struct aws_front *front;
    struct internal_call *next;                             /* in the inbox */
    struct arena *arena;                                    /* of the call; gone when it has ended */
    struct http_request request;
    const struct operation *operation;                      /* NULL: none has this name */
    struct principal principal;
    struct view region;
    struct view labels[AWS_MAX_LABELS];
    bool batch;
    struct call *call;                                      /* the loop's; NULL before the start and after the end */
    bool cancelled;                                         /* the loop's */
    void (*on_done)(void *ctx, const struct internal_answer *answer);
    void *ctx;
    atomic_int holders;                                     /* the call itself, and each cancellation on its way */
};

static void release(struct internal_call *internal)
{
    if (atomic_fetch_sub(&internal->holders, 1) == 1)
        free(internal);
}

/* ---- on the loop ---- */

static enum aws_status refusal(const struct internal_call *internal, const struct served *served)
{
    if (internal->operation == NULL)
        return AWS_UNKNOWN_OPERATION;
    return served->fn == NULL || internal->operation->event_stream ? AWS_NOT_IMPLEMENTED : AWS_OK;
}

static void out_of_memory(struct internal_call *internal)
{
    const struct call_stats none = { .input_tokens = -1, .output_tokens = -1, .cached_tokens = -1, .first_token_us = -1 };
    const struct internal_answer answer = {
        .status = AWS_SERVICE_UNAVAILABLE, .http_status = 503, .message = VIEW("The server is out of memory."), .stats = &none
    };
    internal->on_done(internal->ctx, &answer);
    internal_call_end(internal);
}

static void begin(struct internal_call *internal)
{
    struct call *call = call_create(internal->front, &internal->request);
    if (call == NULL) {
        out_of_memory(internal);
        return;
    }
    internal->call = call;
    call->internal = internal;
    call->principal = internal->principal;
    call->region = internal->region;
    call->verified = true;
    atomic_store(&call->gone, internal->cancelled);
    call->operation = internal->operation;
    call->service = internal->operation != NULL ? internal->operation->service : NULL;
    call->served = internal->operation != NULL ? &internal->front->served[internal->operation->index] : NULL;
    memcpy(call->labels, internal->labels, sizeof call->labels);
    enum aws_status refused = refusal(internal, call->served);
    if (refused != AWS_OK) {
        call_set_error(call, refused, "This server cannot carry the operation out from inside.");
        call_send(call);
    } else {
        call_start(call);
    }
}

/* ---- the inbox ---- */

/* The next call that is to begin. NULL when there is none: then whoever puts one in has to post. */
static struct internal_call *inbox_take(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    struct internal_call *internal = inbox->first;
    if (internal != NULL)
        inbox->first = internal->next;
    if (inbox->first == NULL)
        inbox->last = &inbox->first;
    inbox->posted = internal != NULL;
    pthread_mutex_unlock(&inbox->mutex);
    return internal;
}

/* Some of them now, the rest in the next turn; all of them when memory is out for that. */
static void begin_some(void *arg)
{
    struct aws_front *front = arg;
    for (int i = 1;; i++) {
        struct internal_call *internal = inbox_take(&front->inbox);
        if (internal == NULL)
            return;
        begin(internal);
        if (i % BEGUN_AT_ONCE == 0 && loop_post(front->options.loop, begin_some, front))
            return;
    }
}

static bool inbox_put(struct aws_front *front, struct internal_call *internal)
{
    struct inbox *inbox = &front->inbox;
    pthread_mutex_lock(&inbox->mutex);
    if (!inbox->posted)
        inbox->posted = loop_post(front->options.loop, begin_some, front);
    bool posted = inbox->posted;
    if (posted) {
        *inbox->last = internal;
        inbox->last = &internal->next;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return posted;
}

/* ---- on the loop: the end ---- */

void internal_call_answer(struct call *call, int http_status)
{
    struct internal_call *internal = call->internal;
    const struct internal_answer answer = {
        .status = call->error,
        .http_status = http_status,
        .message = call->error != AWS_OK ? call->message : VIEW(""),
        .body = buf_view(&call->reply),
        .stats = &call->stats,
    };
    internal->on_done(internal->ctx, &answer);
}

void internal_call_end(struct internal_call *internal)
{
    internal->call = NULL;
    arena_destroy(internal->arena);
    internal->arena = NULL;
    release(internal);
}

bool call_is_batch(const struct call *call)
{
    return call->internal != NULL && call->internal->batch;
}

/* ---- any thread ---- */

static void copy_request(struct internal_call *internal, const struct internal_request *from)
{
    struct arena *arena = internal->arena;
    const struct aws_front_options *options = &internal->front->options;
    struct view account = from->principal->account;
    internal->operation = aws_operation_find(from->operation);
    internal->principal = (struct principal){
        .account = arena_copy(arena, account.len > 0 ? account : options->account),
        .name = arena_copy(arena, from->principal->name),
        .arn = arena_copy(arena, from->principal->arn),
        .access_key_id = arena_copy(arena, from->principal->access_key_id),
        .admin = from->principal->admin,
    };
    internal->region = arena_copy(arena, from->region.len > 0 ? from->region : options->region);
    for (size_t i = 0; i < AWS_MAX_LABELS; i++)
        internal->labels[i] = arena_copy(arena, from->labels[i]);
    internal->request = (struct http_request){
        .arena = arena,
        .method = internal->operation != NULL ? internal->operation->method : VIEW(""),
        .query = arena_copy(arena, from->query),
        .has_content_length = true,
        .content_length = from->body.len,
        .body = from->body,
        .body_fd = -1,
        .body_size = from->body.len,
        .received_us = clock_mono_us(loop_clock(options->loop)),
    };
}

struct internal_call *internal_call_submit(struct aws_front *front, const struct internal_request *request,
                                           void (*on_done)(void *ctx, const struct internal_answer *answer), void *ctx)
{
    struct internal_call *internal = calloc(1, sizeof *internal);
    if (internal == NULL)
        return NULL;
    internal->front = front;
    internal->batch = request->batch;
    internal->on_done = on_done;
    internal->ctx = ctx;
    atomic_init(&internal->holders, 1);
    internal->arena = arena_create(ARENA_MAX);
    if (internal->arena != NULL)
        copy_request(internal, request);
    if (internal->arena != NULL && !arena_exhausted(internal->arena) && inbox_put(front, internal))
        return internal;
    arena_destroy(internal->arena);
    free(internal);
    return NULL;
}

static void cancel(void *arg)
{
    struct internal_call *internal = arg;
    internal->cancelled = true;
    if (internal->call != NULL)
        call_client_gone(internal->call);
    release(internal);
}

void internal_call_cancel(struct internal_call *internal)
{
    atomic_fetch_add(&internal->holders, 1);
    if (!loop_post(internal->front->options.loop, cancel, internal))
        release(internal);                                  /* it goes on to its own end */
}

/* ---- waiting ---- */

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
    struct arena *arena;
    struct internal_answer *answer;
};

static void wake(void *ctx, const struct internal_answer *answer)
{
    struct waiter *waiter = ctx;
    pthread_mutex_lock(&waiter->mutex);
    *waiter->answer = *answer;
    waiter->answer->message = arena_copy(waiter->arena, answer->message);
    waiter->answer->body = arena_copy(waiter->arena, answer->body);
    struct call_stats *stats = ARENA_NEW(waiter->arena, struct call_stats);
    waiter->answer->stats = stats;
    if (stats != NULL) {
        *stats = *answer->stats;
        stats->model_id = arena_copy(waiter->arena, answer->stats->model_id);
        stats->served_by = arena_copy(waiter->arena, answer->stats->served_by);
    }
    waiter->done = true;
    pthread_cond_signal(&waiter->ended);
    pthread_mutex_unlock(&waiter->mutex);
}

static enum aws_status unavailable(struct internal_answer *answer)
{
    static const struct call_stats none = { .input_tokens = -1, .output_tokens = -1, .cached_tokens = -1, .first_token_us = -1 };
    *answer = (struct internal_answer){ .status = AWS_SERVICE_UNAVAILABLE, .http_status = 503,
                                        .message = VIEW("The server is out of memory."), .stats = &none };
    return answer->status;
}

enum aws_status internal_call(struct aws_front *front, const struct internal_request *request, struct arena *arena,
                              struct internal_answer *answer)
{
    struct waiter waiter = { .mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .arena = arena, .answer = answer };
    if (internal_call_submit(front, request, wake, &waiter) == NULL)
        return unavailable(answer);
    pthread_mutex_lock(&waiter.mutex);
    while (!waiter.done)                                    /* every call has its own limit of time */
        pthread_cond_wait(&waiter.ended, &waiter.mutex);
    pthread_mutex_unlock(&waiter.mutex);
    pthread_cond_destroy(&waiter.ended);
    pthread_mutex_destroy(&waiter.mutex);
    return arena_exhausted(arena) ? unavailable(answer) : answer->status;
}
