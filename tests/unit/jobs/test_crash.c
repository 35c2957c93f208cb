/* kill -9 of a process in the middle of a job: who goes on, and when. The processes have clocks of their own, which stand still. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

static int told[2];

/* Does a piece of work, tells the parent, and would go on for ever. */
static void work_on(struct runner *runner, struct job *job)
{
    (void)runner;
    assert_int_equal(move_to(job, "RUNNING"), STORE_OK);
    assert_int_equal(write(told[1], "x", 1), 1);
    while (job_refresh(job))
        job_wait(job, 1000000);
}

/* A process that is in the middle of job "a", and then is no more. */
static void run_and_kill(const char *owner)
{
    char byte;
    int status;
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct runner runner = { .fn = work_on };
        if (fixture_open_at(START_MS) != 0)
            _exit(1);
        make_job_record("a", "QUEUED");
        runner_start(&runner, owner);
        for (;;)
            pause();
    }
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(told[0]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void finish(struct runner *runner, struct job *job)
{
    (void)runner;
    assert_view_is(job_record(job)->state, "RUNNING");      /* what the killed one had on record */
    assert_int_equal(move_to(job, "DONE"), STORE_OK);
}

static void the_next_process_of_the_same_owner_goes_on_at_once(void **state)
{
    (void)state;
    struct runner runner = { .fn = finish };
    run_and_kill("one");
    assert_int_equal(fixture_open_at(START_MS + 5), 0);
    runner_start(&runner, "one");
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
}

static void another_owner_goes_on_when_the_lease_has_run_out(void **state)
{
    (void)state;
    struct runner runner = { .fn = finish };
    run_and_kill("one");
    assert_int_equal(fixture_open_at(START_MS + 5), 0);
    runner_start(&runner, "two");
    SETTLE();
    assert_int_equal(runner.runs, 0);
    clock_manual_advance(fixture_clock, LEASE_MS);
    jobs_wake(runner.jobs);
    EVENTUALLY(state_is("a", "DONE"));
    runner_stop(&runner);
}

static int close_parent(void **state)
{
    return fixture_store != NULL ? fixture_close(state) : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_next_process_of_the_same_owner_goes_on_at_once, fixture_make_dir, close_parent),
        cmocka_unit_test_setup_teardown(another_owner_goes_on_when_the_lease_has_run_out, fixture_make_dir, close_parent),
    };
    return cmocka_run_group_tests_name("jobs_crash", tests, NULL, NULL);
}
