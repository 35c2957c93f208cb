/* pipeline/pipeline.c - the thread and what wakes it. */
#include "base/log.h"
#include "pipeline/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define JOB_KIND    "model-invocation-job"                    /* of batch inference (src/batch) */
#define REST_MS    200                                      /* between two rounds: many changes make one */
#define PATIENCE_MS 60000                                   /* the store's clock is looked at again after this, whatever it said */

struct pipelines *pipelines_create(const struct pipelines_options *options)
{
    struct pipelines *p = calloc(1, sizeof(*p));
    pthread_condattr_t attributes;
    if (p == NULL || pthread_condattr_init(&attributes) != 0) {
        free(p);
        return NULL;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    bool ok = pthread_mutex_init(&p->lock, NULL) == 0;
    if (ok && pthread_cond_init(&p->wake, &attributes) != 0) {
        pthread_mutex_destroy(&p->lock);
        ok = false;
    }
    pthread_condattr_destroy(&attributes);
    if (!ok) {
        free(p);
        return NULL;
    }
    p->options = *options;
    list_init(&p->feeds);
    return p;
}

/* ---- being told ---- */

static void files_changed(void *ctx)
{
    struct pipelines *p = ctx;
    pthread_mutex_lock(&p->lock);
    p->files_changed = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void others_changed(void *ctx)
{
    struct pipelines *p = ctx;
    pthread_mutex_lock(&p->lock);
    p->others_changed = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* ---- the thread ---- */

static struct timespec after_ms(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits until the time is over, something has changed (when that matters), or the thread is to stop. Under the lock. */
static void wait_ms(struct pipelines *p, int64_t ms, bool for_changes)
{
    struct timespec until = after_ms(ms < PATIENCE_MS ? ms : PATIENCE_MS);
    while (!atomic_load(&p->stopping) && !(for_changes && (p->files_changed || p->others_changed))) {
        if (pthread_cond_timedwait(&p->wake, &p->lock, &until) == ETIMEDOUT)
            return;
    }
}

static void *run(void *arg)
{
    struct pipelines *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->stopping)) {
        bool files = p->files_changed;
        p->files_changed = p->others_changed = false;
        pthread_mutex_unlock(&p->lock);
        int64_t next_ms = pipelines_round(p, files);
        pthread_mutex_lock(&p->lock);
        wait_ms(p, REST_MS, false);
        int64_t left_ms = next_ms - store_now_ms(p->options.store);
        if (left_ms > 0)
            wait_ms(p, left_ms, true);
    }
    p->ended = true;
    pthread_mutex_unlock(&p->lock);
    if (p->stopped != NULL)
        p->stopped(p->stopped_ctx);
    return NULL;
}

bool pipelines_start(struct pipelines *p, pipeline_call_fn *call, void *ctx)
{
    p->call = call;
    p->call_ctx = ctx;
    p->object_watch = store_watch(p->options.store, VIEW(OBJECT_KIND), files_changed, p);
    p->job_watch = store_watch(p->options.store, VIEW(JOB_KIND), others_changed, p);
    p->pipeline_watch = store_watch(p->options.store, VIEW(PIPELINE_KIND), others_changed, p);
    bool watching = p->object_watch != NULL && p->job_watch != NULL && p->pipeline_watch != NULL;
    p->started = watching && pthread_create(&p->thread, NULL, run, p) == 0;
    return p->started;
}

void pipelines_stop(struct pipelines *p, void (*stopped)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&p->lock);
    bool running = p->started && !p->ended;
    p->stopped = stopped;
    p->stopped_ctx = ctx;
    atomic_store(&p->stopping, true);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (!running && stopped != NULL)
        stopped(ctx);
}

void pipelines_destroy(struct pipelines *p)
{
    if (p == NULL)
        return;
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        atomic_store(&p->stopping, true);
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    struct store_watch *const watches[] = { p->object_watch, p->job_watch, p->pipeline_watch };
    for (size_t i = 0; i < sizeof(watches) / sizeof(watches[0]); i++) {
        if (watches[i] != NULL)
            store_unwatch(p->options.store, watches[i]);
    }
    LIST_EACH(at, &p->feeds)
        free(LIST_ITEM(at, struct feed, link));
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
