/* The runner in one process: what is run, when, by whom, and when it ends. No test depends on how long anything takes. */
#include "fixture.h"

static void finish(struct runner *runner, struct job *job)
{
    (void)runner;
    assert_int_equal(move_to(job, "DONE"), STORE_OK);
}

/* Until the flag is set or the run must return. */
static void work_until_flag(struct runner *runner, struct job *job)
{
    while (atomic_load(&runner->flag) == 0 && job_refresh(job))
        job_wait(job, 1000000);
    if (atomic_load(&runner->flag) != 0)
        move_to(job, "DONE");
}

static void records_of_before_and_new_ones_are_run_without_being_asked(void **state)
{
    (void)state;
    struct runner runner = { .fn = finish };
    make_job_record("before", "QUEUED");
    make_job_record("finished", "DONE");
    runner_start(&runner, "one");
    EVENTUALLY(state_is("before", "DONE"));
    make_job_record("after", "QUEUED");
    EVENTUALLY(state_is("after", "DONE"));
    change_state("finished", "RUNNING");
    EVENTUALLY(state_is("finished", "DONE"));
    runner_stop(&runner);
    assert_int_equal(runner.runs, 3);
    assert_true(runner.ended);
}

static char order[16];

static void note_order(struct runner *runner, struct job *job)
{
    strncat(order, job_record(job)->key.id.ptr, 1);
    finish(runner, job);
}

static void urgent_states_go_first_and_the_oldest_within_a_state(void **state)
{
    (void)state;
    struct runner runner = { .fn = note_order };
    make_job_record("d", "QUEUED");
    make_job_record("c", "QUEUED");
    make_job_record("b", "RUNNING");
    make_job_record("a", "STOPPING");
    order[0] = '\0';
    runner_start(&runner, "one");
    EVENTUALLY(state_is("c", "DONE"));
    runner_stop(&runner);
    assert_string_equal(order, "abdc");
}

static void no_more_than_the_types_threads_run_at_once(void **state)
{
    (void)state;
    struct runner runner = { .fn = work_until_flag, .threads = 2 };
    const char *const ids[] = { "a", "b", "c", "d", "e" };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        make_job_record(ids[i], "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.running == 2);
    SETTLE();
    assert_int_equal(runner.runs, 2);
    atomic_store(&runner.flag, 1);
    job_nudge(runner.job);
    jobs_wake(runner.jobs);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        /* The other one still waits for the clock. */
        clock_manual_advance(fixture_clock, 1000000);
        jobs_wake(runner.jobs);
        EVENTUALLY(state_is(ids[i], "DONE"));
    }
    runner_stop(&runner);
    assert_int_equal(runner.most_running, 2);
    assert_int_equal(runner.runs, 5);
}

static void wait_for_a_minute(struct runner *runner, struct job *job)
{
    atomic_store(&runner->flag, 1);
    job_wait(job, 60000);
    atomic_store(&runner->flag, 2);
    move_to(job, "DONE");
}

static void a_wait_ends_when_the_clock_has_moved_and_not_before(void **state)
{
    (void)state;
    struct runner runner = { .fn = wait_for_a_minute };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.flag == 1);
    clock_manual_advance(fixture_clock, 59000);
    jobs_wake(runner.jobs);
    SETTLE();
    assert_int_equal(runner.flag, 1);
    clock_manual_advance(fixture_clock, 60000);             /* the wait may have begun after the first move */
    jobs_wake(runner.jobs);
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
}

static void a_nudge_ends_a_wait(void **state)
{
    (void)state;
    struct runner runner = { .fn = wait_for_a_minute };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.flag == 1);
    job_nudge(runner.job);
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
}

static void nudge_itself(struct runner *runner, struct job *job)
{
    job_nudge(job);
    job_wait(job, 60000);
    finish(runner, job);
}

static void a_nudge_before_the_wait_counts(void **state)
{
    (void)state;
    struct runner runner = { .fn = nudge_itself };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
}

/* Says STOPPED when it is asked to stop. */
static void obey(struct runner *runner, struct job *job)
{
    assert_int_equal(move_to(job, "RUNNING"), STORE_OK);
    assert_false(job_disturbed(job));                       /* its own change is no disturbance */
    atomic_store(&runner->flag, 1);
    while (job_refresh(job)) {
        if (view_is(job_record(job)->state, "STOPPING")) {
            assert_int_equal(move_to(job, "STOPPED"), STORE_OK);
            return;
        }
        job_wait(job, 1000000);
    }
}

static void a_change_by_others_wakes_the_run_and_is_seen(void **state)
{
    (void)state;
    struct runner runner = { .fn = obey };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.flag == 1);
    change_state("a", "STOPPING");
    EVENTUALLY(state_is("a", "STOPPED"));
    runner_stop(&runner);
    assert_int_equal(runner.runs, 1);
}

static void update_over_a_change(struct runner *runner, struct job *job)
{
    atomic_store(&runner->flag, 1);
    while (atomic_load(&runner->flag) == 1)
        usleep(1000);
    assert_int_equal(move_to(job, "DONE"), STORE_CONFLICT);
    assert_true(job_refresh(job));                          /* the lease is kept: only the record was changed */
    assert_view_is(job_record(job)->state, "STOPPING");
    assert_int_equal(move_to(job, "STOPPED"), STORE_OK);
}

static void an_update_never_overwrites_what_others_have_changed(void **state)
{
    (void)state;
    struct runner runner = { .fn = update_over_a_change };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.flag == 1);
    change_state("a", "STOPPING");
    atomic_store(&runner.flag, 2);
    EVENTUALLY(state_is("a", "STOPPED"));
    runner_stop(&runner);
}

static void two_runners_share_the_work_and_run_nothing_twice(void **state)
{
    (void)state;
    struct runner one = { .fn = finish, .threads = 2 }, two = { .fn = finish, .threads = 2 };
    char id[16];
    runner_start(&one, "one");
    runner_start(&two, "two");
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "job-%02d", i);
        make_job_record(id, "QUEUED");
    }
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "job-%02d", i);
        EVENTUALLY(state_is(id, "DONE"));
    }
    runner_stop(&one);
    runner_stop(&two);
    assert_int_equal(one.runs + two.runs, 60);
    assert_int_equal(record_now("job-00").version, 2);
}

/* Waits for somebody else to have taken the job, then tries to write. */
static void be_overtaken(struct runner *runner, struct job *job)
{
    atomic_store(&runner->flag, 1);
    while (atomic_load(&runner->flag) == 1)
        usleep(1000);
    assert_int_equal(move_to(job, "DONE"), STORE_CONFLICT);
    assert_false(job_refresh(job));
    assert_true(job_disturbed(job));
    job_wait(job, 1000000);                                 /* returns at once */
    atomic_store(&runner->flag, 3);
}

static void whoever_has_lost_the_lease_cannot_write_and_is_told(void **state)
{
    (void)state;
    struct runner runner = { .fn = be_overtaken };
    struct store_lease taken;
    struct store_key key = key_of("a");
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.flag == 1);
    /* The runner does not look at the clock yet, as if its machine had slept. */
    clock_manual_advance(fixture_clock, LEASE_MS);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), LEASE_MS, &taken), STORE_OK);
    atomic_store(&runner.flag, 2);
    EVENTUALLY(runner.flag == 3);
    EVENTUALLY(runner.running == 0);
    SETTLE();
    assert_int_equal(runner.runs, 1);
    assert_true(state_is("a", "QUEUED"));
    /* The other one dies: its lease runs out, and the job is run here again. */
    runner.fn = finish;
    clock_manual_advance(fixture_clock, LEASE_MS);
    jobs_wake(runner.jobs);
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
}

static void a_lease_is_renewed_as_long_as_the_run_lasts(void **state)
{
    (void)state;
    struct runner runner = { .fn = work_until_flag };
    struct store_lease taken;
    struct store_key key = key_of("a");
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.running == 1);
    for (int i = 0; i < 5; i++) {
        clock_manual_advance(fixture_clock, LEASE_MS / 3 + 1);
        jobs_wake(runner.jobs);
        SETTLE();
    }
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), LEASE_MS, &taken), STORE_CONFLICT);
    atomic_store(&runner.flag, 1);
    job_nudge(runner.job);
    EVENTUALLY(state_is("a", "DONE"));
    EVENTUALLY(runner.running == 0);
    runner_stop(&runner);
    assert_int_equal(store_lease_take(fixture_store, &key, VIEW("two"), LEASE_MS, &taken), STORE_OK);
}

static void a_clock_that_jumps_makes_no_runner_lose_its_own_job(void **state)
{
    (void)state;
    struct runner runner = { .fn = work_until_flag, .threads = 2 };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.running == 1);
    for (int i = 0; i < 300; i++) {
        clock_manual_advance(fixture_clock, LEASE_MS);
        jobs_wake(runner.jobs);
        usleep(500);
    }
    atomic_store(&runner.flag, 1);
    job_nudge(runner.job);
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
    assert_int_equal(runner.runs, 1);
}

static void a_deleted_record_ends_its_run(void **state)
{
    (void)state;
    struct runner runner = { .fn = work_until_flag };
    struct store_key key = key_of("a");
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.running == 1);
    assert_int_equal(store_delete(fixture_store, &key, 0), STORE_OK);
    EVENTUALLY(runner.running == 0);
    runner_stop(&runner);
    assert_int_equal(runner.runs, 1);
}

static void stopping_ends_runs_and_frees_their_leases(void **state)
{
    (void)state;
    struct runner runner = { .fn = work_until_flag, .threads = 3 }, next = { .fn = finish };
    make_job_record("a", "QUEUED");
    make_job_record("b", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.running == 2);
    runner_stop(&runner);
    assert_int_equal(runner.running, 0);
    assert_true(state_is("a", "QUEUED"));
    runner_start(&next, "another");                         /* nobody waits for a lease to run out */
    EVENTUALLY(state_is("a", "DONE") && state_is("b", "DONE"));
    runner_stop(&next);
}

static void a_runner_that_was_not_started_stops_too(void **state)
{
    (void)state;
    struct jobs *jobs = jobs_create(&(struct jobs_options){ .store = fixture_store, .owner = VIEW("one") });
    assert_non_null(jobs);
    struct job_type type = { .kind = KIND, .working = working, .threads = 1, .run = runner_run };
    for (int i = 0; i < JOBS_TYPES; i++)
        assert_true(jobs_add(jobs, &type));
    assert_false(jobs_add(jobs, &type));
    jobs_stop(jobs);
    jobs_destroy(jobs);
}

static void move_clock(struct runner *runner, int64_t ms)
{
    clock_manual_advance(fixture_clock, ms);
    jobs_wake(runner->jobs);
}

static void a_run_without_progress_rests_longer_each_time(void **state)
{
    (void)state;
    struct runner runner = { .threads = 1 };
    make_job_record("poisoned", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(runner.runs == 1);
    EVENTUALLY(runner.running == 0);
    int64_t rest_ms = 1000;
    for (int runs = 1; runs < 9; runs++) {
        SETTLE();
        move_clock(&runner, rest_ms - 1);
        SETTLE();
        assert_int_equal(runner.runs, runs);
        move_clock(&runner, 1);
        EVENTUALLY(runner.runs == runs + 1);
        EVENTUALLY(runner.running == 0);
        rest_ms = rest_ms < 64000 ? rest_ms * 2 : 64000;
    }
    runner_stop(&runner);
}

static void finish_unless_poisoned(struct runner *runner, struct job *job)
{
    if (view_is(job_record(job)->state, "STOPPING") || view_is(job_record(job)->key.id, "sound"))
        finish(runner, job);
}

static void a_resting_job_leaves_its_place_to_others_and_wakes_when_it_is_changed(void **state)
{
    (void)state;
    struct runner runner = { .fn = finish_unless_poisoned }, other = { .fn = finish_unless_poisoned };
    make_job_record("poisoned", "QUEUED");
    make_job_record("sound", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(state_is("sound", "DONE"));
    runner_start(&other, "two");
    SETTLE();
    assert_int_equal(runner.runs, 2);
    assert_int_equal(other.runs, 0);                        /* its lease is kept while it rests */
    change_state("poisoned", "STOPPING");
    EVENTUALLY(state_is("poisoned", "DONE"));
    runner_stop(&runner);
    runner_stop(&other);
    assert_int_equal(runner.runs, 3);
}

static void step(struct runner *runner, struct job *job)
{
    (void)runner;
    assert_int_equal(move_to(job, view_is(job_record(job)->state, "QUEUED") ? "RUNNING" : "DONE"), STORE_OK);
}

static void a_run_that_moved_the_job_on_is_followed_by_the_next_at_once(void **state)
{
    (void)state;
    struct runner runner = { .fn = step };
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
    assert_int_equal(runner.runs, 2);
}

static void an_update_keeps_key_and_token_and_replaces_the_rest(void **state)
{
    (void)state;
    struct runner runner = { .fn = finish };
    struct store_record record = { .key = key_of("a"), .state = VIEW("QUEUED"), .token = VIEW("token"), .json = VIEW("{\"n\":1}") };
    record.index[1] = VIEW("kept");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    runner_start(&runner, "one");
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
    record = record_now("a");
    assert_view_is(record.token, "token");
    assert_view_is(record.index[1], "kept");
    assert_null(record.index[0].ptr);
    assert_view_is(record.json, "{\"n\":1}");
    assert_int_equal(record.version, 2);
}

static void finish_with_others(struct runner *runner, struct job *job)
{
    (void)runner;
    struct store_record record = *job_record(job);
    record.state = VIEW("DONE");
    struct store_write more[] = { { .action = STORE_DELETE, .record.key = key_of("input") },
                                  { .action = STORE_CREATE, .record = { .key = key_of("taken"), .json = VIEW("{}") } } };
    assert_int_equal(job_update_with(job, &record, more, 2), STORE_EXISTS);
    assert_true(job_refresh(job));
    assert_view_is(job_record(job)->state, "QUEUED");
    more[1].record.key = key_of("output");
    assert_int_equal(job_update_with(job, &record, more, 2), STORE_OK);
}

static void other_writes_happen_with_the_update_or_not_at_all(void **state)
{
    (void)state;
    struct runner runner = { .fn = finish_with_others };
    struct store_key input = key_of("input");
    struct store_record record;
    make_job_record("input", "");
    make_job_record("taken", "");
    make_job_record("a", "QUEUED");
    runner_start(&runner, "one");
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
    assert_int_equal(store_get(fixture_store, fixture_arena, &input, &record), STORE_NOT_FOUND);
    assert_int_equal(record_now("output").version, 1);
    assert_int_equal(record_now("a").version, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_of_before_and_new_ones_are_run_without_being_asked),
        TEST(urgent_states_go_first_and_the_oldest_within_a_state),
        TEST(no_more_than_the_types_threads_run_at_once),
        TEST(a_wait_ends_when_the_clock_has_moved_and_not_before),
        TEST(a_nudge_ends_a_wait),
        TEST(a_nudge_before_the_wait_counts),
        TEST(a_change_by_others_wakes_the_run_and_is_seen),
        TEST(an_update_never_overwrites_what_others_have_changed),
        TEST(two_runners_share_the_work_and_run_nothing_twice),
        TEST(whoever_has_lost_the_lease_cannot_write_and_is_told),
        TEST(a_lease_is_renewed_as_long_as_the_run_lasts),
        TEST(a_clock_that_jumps_makes_no_runner_lose_its_own_job),
        TEST(a_deleted_record_ends_its_run),
        TEST(stopping_ends_runs_and_frees_their_leases),
        TEST(a_runner_that_was_not_started_stops_too),
        TEST(a_run_without_progress_rests_longer_each_time),
        TEST(a_resting_job_leaves_its_place_to_others_and_wakes_when_it_is_changed),
        TEST(a_run_that_moved_the_job_on_is_followed_by_the_next_at_once),
        TEST(other_writes_happen_with_the_update_or_not_at_all),
        TEST(an_update_keeps_key_and_token_and_replaces_the_rest),
    };
    return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
