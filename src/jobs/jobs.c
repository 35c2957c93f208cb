/* jobs/jobs.c - the runner: see jobs.h. One thread, the manager, claims, renews, starts and ends; each run has a thread of its own,
 * made when there is one to run. So a server without jobs has one sleeping thread more. */
#include "jobs/internal.h"

#include "base/log.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>

#define LEASE_MS      30000
#define REST_MS       1000
#define REST_DOUBLES  6                                     /* 1 s … 64 s */
#define RESTING_MAX   1000                                  /* of a type; then nothing new is claimed */
#define SCRATCH       (64u << 20)
#define MANAGER_STACK (256u << 10)
#define RUN_STACK     (1u << 20)                            /* libcurl and TLS run here too */

/* ---- making and freeing ---- */

struct jobs *jobs_create(const struct jobs_options *options)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return NULL;
    jobs->store = options->store;
    jobs->lease_ms = options->lease_ms > 0 ? options->lease_ms : LEASE_MS;
    jobs->on_ended = options->on_ended;
    jobs->ended_ctx = options->ended_ctx;
    list_init(&jobs->list);
    pthread_mutex_init(&jobs->lock, NULL);
    condition_init(&jobs->work);
    jobs->owner = strndup(options->owner.ptr, options->owner.len);
    jobs->scratch = arena_create(SCRATCH);
    if (jobs->owner != NULL && jobs->scratch != NULL)
        return jobs;
    jobs_destroy(jobs);
    return NULL;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    arena_destroy(jobs->scratch);
    pthread_cond_destroy(&jobs->work);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->owner);
    free(jobs);
}

bool jobs_add(struct jobs *jobs, const struct job_type *type)
{
    if (jobs->type_count == JOBS_TYPES)
        return false;
    jobs->types[jobs->type_count++] = *type;
    return true;
}

static void free_job(struct job *job)
{
    list_remove(&job->link);
    pthread_cond_destroy(&job->wake);
    arena_destroy(job->arena);
    arena_destroy(job->records[0]);
    arena_destroy(job->records[1]);
    arena_destroy(job->held);
    free(job);
}

/* NULL when out of memory. */
static struct job *make_job(struct jobs *jobs, const struct job_type *type, const struct store_record *record,
                            const struct store_lease *lease)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    *job = (struct job){ .jobs = jobs, .type = type, .phase = JOB_RETURNED, .lease = *lease, .arena = arena_create(JOB_ARENA),
                         .records = { arena_create(JOB_ARENA), arena_create(JOB_ARENA) }, .held = arena_create(JOB_ARENA) };
    condition_init(&job->wake);
    list_push_back(&jobs->list, &job->link);
    bool ok = job->arena != NULL && job->records[0] != NULL && job->records[1] != NULL && job->held != NULL;
    struct store_record held;
    ok = ok && record_copy(job->records[0], record, &job->record) && record_copy(job->held, record, &held);
    if (!ok) {
        free_job(job);
        return NULL;
    }
    job->lease.key = held.key;
    job->lease.owner = view_from_cstr(jobs->owner);
    job->renew_ms = lease->until_ms - jobs->lease_ms * 2 / 3;
    job->seen_version = record->version;
    return job;
}

/* ---- signals from outside ---- */

static void wake_manager(void *ctx)
{
    struct jobs *jobs = ctx;
    pthread_mutex_lock(&jobs->lock);
    jobs->woken = true;
    pthread_cond_signal(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
}

/* The manager tells the runs, since only it knows which there are. */
void jobs_wake(struct jobs *jobs)
{
    wake_manager(jobs);
}

void jobs_end(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->ending = true;
    jobs->woken = true;
    pthread_cond_signal(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- runs ---- */

static bool start_thread(pthread_t *thread, size_t stack, void *(*fn)(void *arg), void *arg)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstacksize(&attributes, stack);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, &attributes, fn, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

static void *run(void *arg)
{
    struct job *job = arg;
    struct jobs *jobs = job->jobs;
    job->type->run(job, job->type->ctx);
    pthread_mutex_lock(&jobs->lock);
    job->phase = JOB_RETURNED;
    jobs->woken = true;
    pthread_cond_signal(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* The state as the type spells it, or NULL when it wants no run. */
static const char *working_state(const struct job *job)
{
    for (const char *const *at = job->type->working; *at != NULL; at++) {
        if (view_is(job->record.state, *at))
            return *at;
    }
    return NULL;
}

/* Somebody else may have it, or nobody needs to. A lease that cannot be released is kept for another try: claims pass it over. */
static void give_back(struct job *job)
{
    enum store_status status = job->lost ? STORE_OK : store_lease_release(job->jobs->store, &job->lease);
    if (status == STORE_OK) {
        free_job(job);
        return;
    }
    log_warn("a job's lease cannot be released", LOG_VIEW("job", job->lease.key.id), LOG_STR("reason", store_status_text(status)));
    job->rests_until_ms = store_now_ms(job->jobs->store) + REST_MS;
    job->phase = JOB_RESTING;
}

static void rest(struct job *job)
{
    struct jobs *jobs = job->jobs;
    unsigned doubles = job->fruitless < REST_DOUBLES ? job->fruitless : REST_DOUBLES;
    int64_t ms = (int64_t)REST_MS << doubles;
    job->fruitless = job->record.version == job->version_before ? job->fruitless + 1 : 0;
    job->rests_until_ms = store_now_ms(jobs->store) + ms;
    job->phase = JOB_RESTING;
    log_warn("a job rests: its run ended without an end", LOG_STR("kind", job->type->kind), LOG_VIEW("job", job->lease.key.id),
             LOG_VIEW("state", job->record.state), LOG_INT("milliseconds", ms));
}

static void start_run(struct job *job)
{
    arena_reset(job->arena);
    job->state_before = working_state(job);
    job->version_before = job->record.version;
    job->nudged = false;
    job->phase = JOB_RUNNING;
    if (!start_thread(&job->thread, RUN_STACK, run, job)) {
        log_error("a job cannot be run", LOG_VIEW("job", job->lease.key.id), LOG_STR("reason", "no thread"));
        rest(job);
    }
}

static bool is_ending(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    bool ending = jobs->ending;
    pthread_mutex_unlock(&jobs->lock);
    return ending;
}

/* A run has returned: is there more to do, and when? */
static void settle(struct job *job)
{
    pthread_join(job->thread, NULL);
    bool readable = job_refresh(job);
    const char *state = working_state(job);
    if (job->lost || is_ending(job->jobs) || (readable && state != job->state_before))
        give_back(job);
    else
        rest(job);
}

/* ---- what the manager does at each turn; it alone changes the list, so it may walk it without the lock ---- */

static enum job_phase phase_of(struct job *job)
{
    pthread_mutex_lock(&job->jobs->lock);
    enum job_phase phase = job->phase;
    pthread_mutex_unlock(&job->jobs->lock);
    return phase;
}

static void settle_returned(struct jobs *jobs)
{
    LIST_EACH(at, &jobs->list) {
        struct job *job = LIST_ITEM(at, struct job, link);
        if (phase_of(job) == JOB_RETURNED)
            settle(job);
    }
}

static void renew_leases(struct jobs *jobs)
{
    /* A job that was given back is off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    LIST_EACH(at, &jobs->list) {
        struct job *job = LIST_ITEM(at, struct job, link);
        int64_t now_ms = store_now_ms(jobs->store);
        if (now_ms < job->renew_ms)
            continue;
        enum store_status status = job_renew(job);
        job->renew_ms = now_ms + jobs->lease_ms / (status == STORE_OK ? 3 : 30);
        if (status == STORE_CONFLICT && phase_of(job) == JOB_RESTING)
            give_back(job);
        else if (status != STORE_OK)
            log_warn("a job's lease cannot be renewed", LOG_VIEW("job", job->lease.key.id),
                     LOG_STR("reason", store_status_text(status)));
    }
}

/* Runs learn that others have changed their records, and that the clock has moved. */
static void tell_runs(struct jobs *jobs)
{
    /* A job that was given back is off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    LIST_EACH(at, &jobs->list) {
        struct job *job = LIST_ITEM(at, struct job, link);
        struct store_record record;
        enum store_status status = store_get(jobs->store, jobs->scratch, &job->lease.key, &record);
        pthread_mutex_lock(&jobs->lock);
        if (status == STORE_OK && record.version > job->seen_version)
            job->seen_version = record.version;
        job->lost = job->lost || status == STORE_NOT_FOUND;
        pthread_cond_signal(&job->wake);
        pthread_mutex_unlock(&jobs->lock);
        arena_reset(jobs->scratch);
    }
}

static unsigned count_in(struct jobs *jobs, const struct job_type *type, bool resting)
{
    unsigned count = 0;
    LIST_EACH(at, &jobs->list) {
        struct job *job = LIST_ITEM(at, struct job, link);
        count += job->type == type && (phase_of(job) == JOB_RESTING) == resting;
    }
    return count;
}

/* Those whose rest is over, or was ended by a change, run again as soon as there is a place. */
static void end_rests(struct jobs *jobs)
{
    LIST_EACH(at, &jobs->list) {
        struct job *job = LIST_ITEM(at, struct job, link);
        if (phase_of(job) != JOB_RESTING)
            continue;
        bool changed = job->lost || job->seen_version > job->record.version;
        if (!changed && store_now_ms(jobs->store) < job->rests_until_ms)
            continue;
        if (count_in(jobs, job->type, false) >= job->type->threads)
            continue;
        if (changed)
            job->fruitless = 0;
        if (job->lost || (job_refresh(job) && working_state(job) == NULL))
            give_back(job);
        else
            start_run(job);
    }
}

static bool claim_one(struct jobs *jobs, const struct job_type *type, struct view state)
{
    struct store_record record;
    struct store_lease lease;
    enum store_status status = store_lease_claim(jobs->store, jobs->scratch, view_from_cstr(type->kind), state,
                                                 view_from_cstr(jobs->owner), jobs->lease_ms, &record, &lease);
    if (status == STORE_OK) {
        struct job *job = make_job(jobs, type, &record, &lease);
        if (job != NULL)
            start_run(job);
        else
            store_lease_release(jobs->store, &lease);
        status = job != NULL ? STORE_OK : STORE_NO_MEMORY;
    }
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        log_error("jobs cannot be claimed", LOG_STR("kind", type->kind), LOG_STR("reason", store_status_text(status)));
    arena_reset(jobs->scratch);
    return status == STORE_OK;
}

static void claim(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->type_count; i++) {
        const struct job_type *type = &jobs->types[i];
        if (count_in(jobs, type, true) >= RESTING_MAX)
            continue;
        for (const char *const *state = type->working; *state != NULL; state++) {
            while (count_in(jobs, type, false) < type->threads && claim_one(jobs, type, view_from_cstr(*state)))
                continue;
        }
    }
}

/* What a process of the same owner before this one has held is free again. Before that is done nothing is claimed. */
static bool has_inherited(struct jobs *jobs)
{
    while (jobs->inherited < jobs->type_count) {
        struct view kind = view_from_cstr(jobs->types[jobs->inherited].kind);
        enum store_status status = store_lease_release_all(jobs->store, kind, view_from_cstr(jobs->owner));
        if (status != STORE_OK) {
            log_error("jobs cannot be claimed", LOG_VIEW("kind", kind), LOG_STR("reason", store_status_text(status)));
            return false;
        }
        jobs->inherited++;
    }
    return true;
}

static void take_turn(struct jobs *jobs, bool ending)
{
    settle_returned(jobs);
    renew_leases(jobs);
    tell_runs(jobs);
    if (!ending) {
        end_rests(jobs);
        if (has_inherited(jobs))
            claim(jobs);
        return;
    }
    LIST_EACH(at, &jobs->list) {
        struct job *job = LIST_ITEM(at, struct job, link);
        if (phase_of(job) == JOB_RESTING)
            give_back(job);
    }
}

/* Until the next renewal or end of a rest. Others' leases run out unannounced, so it looks at least as often as it would renew. */
static int64_t idle_ms(struct jobs *jobs)
{
    int64_t now_ms = store_now_ms(jobs->store), next_ms = now_ms + jobs->lease_ms / 3;
    LIST_EACH(at, &jobs->list) {
        const struct job *job = LIST_ITEM(at, struct job, link);
        if (job->renew_ms < next_ms)
            next_ms = job->renew_ms;
        if (job->phase == JOB_RESTING && job->rests_until_ms > now_ms && job->rests_until_ms < next_ms)
            next_ms = job->rests_until_ms;
    }
    return next_ms - now_ms;
}

static void *manage(void *arg)
{
    struct jobs *jobs = arg;
    bool ending = false;
    while (!ending || !list_empty(&jobs->list)) {
        take_turn(jobs, ending);
        pthread_mutex_lock(&jobs->lock);
        while (!jobs->woken && idle_ms(jobs) > 0 && !(ending && list_empty(&jobs->list)))
            condition_wait(jobs, &jobs->work, idle_ms(jobs));
        jobs->woken = false;
        ending = jobs->ending;
        pthread_mutex_unlock(&jobs->lock);
    }
    if (jobs->on_ended != NULL)
        jobs->on_ended(jobs->ended_ctx);
    return NULL;
}

/* ---- start and stop ---- */

static void unwatch_all(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->type_count; i++) {
        if (jobs->watches[i] != NULL)
            store_unwatch(jobs->store, jobs->watches[i]);
        jobs->watches[i] = NULL;
    }
}

bool jobs_start(struct jobs *jobs)
{
    bool ok = true;
    for (size_t i = 0; i < jobs->type_count && ok; i++) {
        jobs->watches[i] = store_watch(jobs->store, view_from_cstr(jobs->types[i].kind), wake_manager, jobs);
        ok = jobs->watches[i] != NULL;
    }
    jobs->started = ok && start_thread(&jobs->manager, MANAGER_STACK, manage, jobs);
    if (!jobs->started)
        unwatch_all(jobs);
    return jobs->started;
}

void jobs_stop(struct jobs *jobs)
{
    if (!jobs->started)
        return;
    jobs_end(jobs);
    pthread_join(jobs->manager, NULL);
    jobs->started = false;
    unwatch_all(jobs);
}
