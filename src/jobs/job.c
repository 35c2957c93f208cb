/* jobs/job.c - a job as its run sees it: see jobs.h. */
#include "jobs/internal.h"

#include <time.h>

#define WAIT_MIN_MS 5                                       /* a clock that stands still is not asked more often */
#define WAIT_MAX_MS 60000

/* ---- waiting ---- */

void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void condition_wait(struct jobs *jobs, pthread_cond_t *condition, int64_t ms)
{
    struct timespec until;
    ms = ms < WAIT_MIN_MS ? WAIT_MIN_MS : ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(condition, &jobs->lock, &until);
}

/* Under the lock. */
static bool disturbed(const struct job *job)
{
    return job->jobs->ending || job->lost || job->seen_version > job->record.version;
}

bool job_disturbed(const struct job *job)
{
    pthread_mutex_lock(&job->jobs->lock);
    bool result = disturbed(job);
    pthread_mutex_unlock(&job->jobs->lock);
    return result;
}

void job_wait(struct job *job, int64_t ms)
{
    struct jobs *jobs = job->jobs;
    int64_t until_ms = store_now_ms(jobs->store) + ms;
    pthread_mutex_lock(&jobs->lock);
    while (!disturbed(job) && !job->nudged) {
        int64_t left_ms = until_ms - store_now_ms(jobs->store);
        if (left_ms <= 0)
            break;
        if (left_ms > ms)                                   /* the clock was set back */
            until_ms -= left_ms - ms;
        condition_wait(jobs, &job->wake, left_ms);
    }
    job->nudged = false;
    pthread_mutex_unlock(&jobs->lock);
}

void job_nudge(struct job *job)
{
    pthread_mutex_lock(&job->jobs->lock);
    job->nudged = true;
    pthread_cond_signal(&job->wake);
    pthread_mutex_unlock(&job->jobs->lock);
}

/* ---- the lease ---- */

enum store_status job_renew(struct job *job)
{
    struct store_lease lease = job->lease;
    enum store_status status = store_lease_renew(job->jobs->store, &lease, job->jobs->lease_ms);
    if (status == STORE_CONFLICT) {
        pthread_mutex_lock(&job->jobs->lock);
        job->lost = true;
        pthread_cond_signal(&job->wake);
        pthread_mutex_unlock(&job->jobs->lock);
    }
    return status;
}

/* ---- the record ---- */

static struct view copy(struct arena *arena, struct view from)
{
    return from.ptr != NULL ? arena_copy(arena, from) : from;
}

bool record_copy(struct arena *arena, const struct store_record *from, struct store_record *to)
{
    *to = *from;
    to->key = (struct store_key){ .kind = copy(arena, from->key.kind), .account = copy(arena, from->key.account),
                                  .region = copy(arena, from->key.region), .id = copy(arena, from->key.id) };
    to->state = copy(arena, from->state);
    to->token = copy(arena, from->token);
    for (size_t i = 0; i < STORE_INDEXES; i++)
        to->index[i] = copy(arena, from->index[i]);
    to->json = copy(arena, from->json);
    return !arena_exhausted(arena);
}

struct arena *job_arena(struct job *job)
{
    return job->arena;
}

const struct store_record *job_record(const struct job *job)
{
    return &job->record;
}

/* What lies in the other arena is the record now. Under the lock, since the manager compares versions. */
static void turn_over(struct job *job, const struct store_record *record)
{
    struct arena *old = job->records[0];
    pthread_mutex_lock(&job->jobs->lock);
    job->record = *record;
    pthread_mutex_unlock(&job->jobs->lock);
    job->records[0] = job->records[1];
    job->records[1] = old;
    arena_reset(old);
}

bool job_refresh(struct job *job)
{
    struct jobs *jobs = job->jobs;
    struct store_record record;
    enum store_status status = store_get(jobs->store, job->records[1], &job->lease.key, &record);
    pthread_mutex_lock(&jobs->lock);
    job->lost = job->lost || status == STORE_NOT_FOUND;
    bool go_on = status == STORE_OK && !job->lost && !jobs->ending;
    pthread_mutex_unlock(&jobs->lock);
    if (status == STORE_OK)
        turn_over(job, &record);
    else
        arena_reset(job->records[1]);
    return go_on;
}

enum store_status job_update_with(struct job *job, const struct store_record *changed, const struct store_write *more, size_t count)
{
    struct store_record record = *changed;
    record.key = job->record.key;
    record.token = job->record.token;
    record.version = job->record.version;
    struct store_write writes[1 + JOB_MORE_WRITES] = { { .action = STORE_UPDATE, .fence = job->lease.fence } };
    for (size_t i = 0; i < count; i++)
        writes[1 + i] = more[i];
    enum store_status status = STORE_NO_MEMORY;
    size_t failed = 0;
    if (record_copy(job->records[1], &record, &writes[0].record))
        status = store_apply(job->jobs->store, writes, 1 + count, &failed);
    if (status == STORE_OK)
        turn_over(job, &writes[0].record);
    else
        arena_reset(job->records[1]);
    if (failed == 0 && (status == STORE_NOT_FOUND || status == STORE_CONFLICT)) {
        job_renew(job); /* tells the one conflict from the other, so that a refresh does */
        return STORE_CONFLICT;
    }
    return status;
}

enum store_status job_update(struct job *job, const struct store_record *changed)
{
    return job_update_with(job, changed, NULL, 0);
}
