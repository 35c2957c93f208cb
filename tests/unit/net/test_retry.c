/* Work that fails is done again, and what is asked while it runs is not forgotten. */
#include "net/retry.h"
#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct task {
    struct loop *loop;
    struct retry retry;
    unsigned failures;                                      /* that are to come */
    atomic_uint begun;
    unsigned done;
    unsigned enough;                                        /* successes that end the loop */
    bool gated;
    sem_t inside, gate;
};

static bool work(void *ctx)
{
    struct task *task = ctx;
    task->begun++;
    if (task->gated) {
        sem_post(&task->inside);
        sem_wait(&task->gate);
    }
    if (task->failures == 0)
        return true;
    task->failures--;
    return false;
}

static void done(void *ctx)
{
    struct task *task = ctx;
    if (++task->done == task->enough)
        loop_stop(task->loop);
}

static int set_up(void **state)
{
    struct task *task = calloc(1, sizeof(*task));
    assert_non_null(task);
    task->loop = loop_create(clock_system(), 1);
    assert_non_null(task->loop);
    task->retry = (struct retry){ .loop = task->loop, .pause_ms = 20, .work = work, .done = done, .ctx = task };
    task->enough = 1;
    sem_init(&task->inside, 0, 0);
    sem_init(&task->gate, 0, 0);
    *state = task;
    return 0;
}

static int tear_down(void **state)
{
    struct task *task = *state;
    retry_stop(&task->retry);
    loop_destroy(task->loop);
    sem_destroy(&task->inside);
    sem_destroy(&task->gate);
    free(task);
    return 0;
}

static void what_fails_is_done_again_after_pauses(void **state)
{
    struct task *task = *state;
    task->failures = 3;
    int64_t before_us = clock_mono_us(clock_system());
    assert_true(retry_ask(&task->retry));
    loop_run(task->loop);
    assert_int_equal(task->begun, 4);
    assert_int_equal(task->done, 1);
    assert_true(clock_mono_us(clock_system()) - before_us >= 3 * 20000);
}

static void *ask_while_it_runs(void *arg)
{
    struct task *task = arg;
    sem_wait(&task->inside);
    for (int i = 0; i < 5; i++)
        assert_true(retry_ask(&task->retry));
    sem_post(&task->gate);
    sem_post(&task->gate);
    return NULL;
}

static void who_asks_while_it_runs_is_served_by_another_run(void **state)
{
    struct task *task = *state;
    pthread_t asker;
    task->gated = true;
    task->enough = 2;
    assert_int_equal(pthread_create(&asker, NULL, ask_while_it_runs, task), 0);
    assert_true(retry_ask(&task->retry));
    loop_run(task->loop);
    pthread_join(asker, NULL);
    assert_int_equal(task->begun, 2);                       /* five askers share one run */
}

static void nothing_is_begun_after_the_stop(void **state)
{
    struct task *task = *state;
    retry_stop(&task->retry);
    assert_true(retry_ask(&task->retry));
    loop_destroy(task->loop);
    assert_int_equal(task->begun, 0);
    task->loop = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_fails_is_done_again_after_pauses),
        TEST(who_asks_while_it_runs_is_served_by_another_run),
        TEST(nothing_is_begun_after_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
