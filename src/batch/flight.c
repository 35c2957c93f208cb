#include "batch/flight.h"

#include "base/list.h"

#include <pthread.h>
#include <stdlib.h>

struct flown {
    struct landing landing;                                 /* first: a landing is its flown */
    struct flight *flight;
    struct internal_call *call;                             /* NULL once it has landed */
    bool landed;
    struct list_link link;                                  /* among those that are under way */
    char *bytes;                                            /* of message and body */
};

struct flight {
    struct flight_options options;
    size_t count;                                           /* the job's thread's */
    pthread_mutex_t lock;
    pthread_cond_t empty;
    struct list under_way;
    struct landing *first, **last;                          /* landed, in order */
};

struct flight *flight_create(const struct flight_options *options)
{
    struct flight *flight = calloc(1, sizeof(*flight));
    if (flight == NULL)
        return NULL;
    flight->options = *options;
    flight->last = &flight->first;
    list_init(&flight->under_way);
    pthread_mutex_init(&flight->lock, NULL);
    pthread_cond_init(&flight->empty, NULL);
    return flight;
}

void flight_destroy(struct flight *flight)
{
    if (flight == NULL)
        return;
    for (struct landing *landing; (landing = flight_take(flight)) != NULL;)
        landing_free(landing);
    pthread_cond_destroy(&flight->empty);
    pthread_mutex_destroy(&flight->lock);
    free(flight);
}

size_t flight_count(const struct flight *flight)
{
    return flight->count;
}

/* ---- landing, on the loop ---- */

/* The answer's bytes in memory of their own; without memory the record is tried again later. */
static void keep_answer(struct flown *flown, const struct internal_answer *answer)
{
    struct landing *landing = &flown->landing;
    landing->status = answer->status;
    landing->http_status = answer->http_status;
    landing->input_tokens = answer->stats->input_tokens > 0 ? (uint64_t)answer->stats->input_tokens : 0;
    landing->output_tokens = answer->stats->output_tokens > 0 ? (uint64_t)answer->stats->output_tokens : 0;
    size_t message = answer->message.len, body = answer->status == AWS_OK ? answer->body.len : 0;
    flown->bytes = malloc(message + body + 1);
    if (flown->bytes == NULL) {
        landing->status = AWS_SERVICE_UNAVAILABLE;
        landing->message = VIEW("The server is out of memory.");
        return;
    }
    if (message > 0)
        memcpy(flown->bytes, answer->message.ptr, message);
    if (body > 0)
        memcpy(flown->bytes + message, answer->body.ptr, body);
    landing->message = view_of(flown->bytes, message);
    landing->body = view_of(flown->bytes + message, body);
}

static void landed(void *ctx, const struct internal_answer *answer)
{
    struct flown *flown = ctx;
    struct flight *flight = flown->flight;
    keep_answer(flown, answer);
    pthread_mutex_lock(&flight->lock);
    flown->landed = true;
    flown->call = NULL;
    list_remove(&flown->link);
    *flight->last = &flown->landing;
    flight->last = &flown->landing.next;
    if (flight->options.on_landing != NULL)
        flight->options.on_landing(flight->options.ctx);
    if (list_empty(&flight->under_way))
        pthread_cond_signal(&flight->empty);
    pthread_mutex_unlock(&flight->lock);
}

/* ---- the job's thread ---- */

bool flight_launch(struct flight *flight, size_t item, struct view body)
{
    const struct flight_options *options = &flight->options;
    struct flown *flown = calloc(1, sizeof(*flown));
    if (flown == NULL)
        return false;
    flown->flight = flight;
    flown->landing.item = item;
    pthread_mutex_lock(&flight->lock);
    list_push_back(&flight->under_way, &flown->link);
    pthread_mutex_unlock(&flight->lock);
    struct internal_request request = { .operation = options->operation, .principal = options->principal, .region = options->region,
                                        .labels = { options->model_id }, .body = body, .batch = true };
    struct internal_call *call = options->caller->submit(options->caller->ctx, &request, landed, flown);
    pthread_mutex_lock(&flight->lock);
    if (call == NULL)
        list_remove(&flown->link);
    else if (!flown->landed)                                /* it may have landed already, and its call is gone then */
        flown->call = call;
    pthread_mutex_unlock(&flight->lock);
    if (call == NULL)
        free(flown);
    flight->count += call != NULL;
    return call != NULL;
}

struct landing *flight_take(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    struct landing *landing = flight->first;
    if (landing != NULL) {
        flight->first = landing->next;
        flight->last = flight->first != NULL ? flight->last : &flight->first;
        flight->count--;
    }
    pthread_mutex_unlock(&flight->lock);
    return landing;
}

void landing_free(struct landing *landing)
{
    if (landing == NULL)
        return;
    struct flown *flown = (struct flown *)landing;
    free(flown->bytes);
    free(flown);
}

/* A call that lands meanwhile waits for the lock inside its callback, so it is still there to be cancelled. */
void flight_cancel(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    LIST_EACH(at, &flight->under_way) {
        struct flown *flown = LIST_ITEM(at, struct flown, link);
        if (flown->call != NULL)
            flight->options.caller->cancel(flight->options.caller->ctx, flown->call);
    }
    pthread_mutex_unlock(&flight->lock);
}

void flight_wait(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    while (!list_empty(&flight->under_way))                 /* every call has its own limit of time */
        pthread_cond_wait(&flight->empty, &flight->lock);
    pthread_mutex_unlock(&flight->lock);
}
