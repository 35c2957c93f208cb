/* fixture.h - a store with a clock that stands still, and runners on it whose runs do what the test says. */
#ifndef CRATON_JOBS_FIXTURE_H
#define CRATON_JOBS_FIXTURE_H

#include "unit.h"

#include "jobs/jobs.h"

#include <stdatomic.h>
#include <unistd.h>

#define START_MS INT64_C(1735786984000)
#define LEASE_MS 9000
#define KIND     "test-job"

static char fixture_dir[64];
static char fixture_path[128];
static struct clock *fixture_clock;
static struct store *fixture_store;
static struct arena *fixture_arena;

static inline int fixture_open_at(int64_t wall_ms)
{
    struct store_error error;
    fixture_clock = clock_manual_create(wall_ms);
    fixture_arena = arena_create(16 << 20);
    fixture_store = store_open(fixture_path, fixture_clock, &error);
    return fixture_store == NULL;
}

static inline int fixture_make_dir(void **state)
{
    (void)state;
    snprintf(fixture_dir, sizeof fixture_dir, "/tmp/craton-jobs-XXXXXX");
    if (mkdtemp(fixture_dir) == NULL)
        return -1;
    snprintf(fixture_path, sizeof fixture_path, "%s/craton.db", fixture_dir);
    return 0;
}

static inline int fixture_open(void **state)
{
    return fixture_make_dir(state) != 0 || fixture_open_at(START_MS);
}

static inline int fixture_close(void **state)
{
    (void)state;
    char command[128];
    store_close(fixture_store);
    arena_destroy(fixture_arena);
    clock_manual_destroy(fixture_clock);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_dir);
    return system(command);
}

static inline struct store_key key_of(const char *id)
{
    return (struct store_key){ .kind = VIEW(KIND), .account = VIEW("123456789012"), .region = VIEW("us-east-1"),
                               .id = view_from_cstr(id) };
}

static inline void make_job_record(const char *id, const char *state)
{
    struct store_record record = { .key = key_of(id), .state = view_from_cstr(state), .json = VIEW("{}") };
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    clock_manual_advance(fixture_clock, 1);
}

static inline struct store_record record_now(const char *id)
{
    struct store_key key = key_of(id);
    struct store_record record;
    assert_int_equal(store_get(fixture_store, fixture_arena, &key, &record), STORE_OK);
    return record;
}

static inline bool state_is(const char *id, const char *state)
{
    return view_is(record_now(id).state, state);
}

/* What somebody else does to a job. */
static inline void change_state(const char *id, const char *state)
{
    for (;;) {
        struct store_record record = record_now(id);
        record.state = view_from_cstr(state);
        enum store_status status = store_update(fixture_store, &record);
        if (status == STORE_OK)
            return;
        assert_int_equal(status, STORE_CONFLICT);
    }
}

static const char *const working[] = { "STOPPING", "RUNNING", "QUEUED", NULL };

/* A runner of one type. Runs count themselves, and do fn when there is one. */
struct runner {
    struct jobs *jobs;
    void (*fn)(struct runner *runner, struct job *job);
    unsigned threads;
    _Atomic int runs, running, most_running;
    _Atomic int flag;                                       /* for fn */
    _Atomic(struct job *) job;                              /* the last that began */
    _Atomic bool ended;
};

static inline void runner_run(struct job *job, void *ctx)
{
    struct runner *runner = ctx;
    int running = atomic_fetch_add(&runner->running, 1) + 1;
    if (running > atomic_load(&runner->most_running))
        atomic_store(&runner->most_running, running);
    atomic_store(&runner->job, job);
    atomic_fetch_add(&runner->runs, 1);
    if (runner->fn != NULL)
        runner->fn(runner, job);
    atomic_fetch_sub(&runner->running, 1);
}

static inline void runner_ended(void *ctx)
{
    struct runner *runner = ctx;
    atomic_store(&runner->ended, true);
}

static inline void runner_start(struct runner *runner, const char *owner)
{
    struct jobs_options options = { .store = fixture_store, .lease_ms = LEASE_MS, .owner = view_from_cstr(owner),
                                    .on_ended = runner_ended, .ended_ctx = runner };
    struct job_type type = { .kind = KIND, .working = working, .threads = runner->threads != 0 ? runner->threads : 1,
                             .run = runner_run, .ctx = runner };
    runner->jobs = jobs_create(&options);
    assert_non_null(runner->jobs);
    assert_true(jobs_add(runner->jobs, &type));
    assert_true(jobs_start(runner->jobs));
}

static inline void runner_stop(struct runner *runner)
{
    jobs_stop(runner->jobs);
    jobs_destroy(runner->jobs);
}

static inline enum store_status move_to(struct job *job, const char *state)
{
    struct store_record record = *job_record(job);
    record.state = view_from_cstr(state);
    return job_update(job, &record);
}

/* Threads need a moment, which says nothing about the store's clock. */
#define EVENTUALLY(condition)                                                                                              \
    do {                                                                                                                   \
        int tries_ = 0;                                                                                                    \
        while (!(condition) && tries_++ < 20000)                                                                           \
            usleep(1000);                                                                                                  \
        assert_true(condition);                                                                                            \
    } while (0)

/* Long enough for a mistake to show. */
#define SETTLE() usleep(50000)

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

#endif
