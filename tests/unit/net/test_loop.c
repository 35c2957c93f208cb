/* The loop: order of posting, the pool's bounds, timers by the loop's clock, the end of a turn. */
#include "net/loop.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct counted {
    struct loop *loop;
    atomic_int calls;
    int order[64];
    int seen;
};

static void count(void *arg)
{
    struct counted *counted = arg;
    counted->calls++;
}

static void stop(void *arg)
{
    struct counted *counted = arg;
    loop_stop(counted->loop);
}

struct poster {
    struct counted *counted;
    int number;
};

static void note_order(void *arg)
{
    struct poster *poster = arg;
    poster->counted->order[poster->counted->seen++] = poster->number;
}

static void posted_functions_run_in_order(void **state)
{
    struct counted counted = { .loop = loop_create(clock_system(), 1) };
    struct poster posters[10];
    (void)state;
    assert_non_null(counted.loop);
    for (int i = 0; i < 10; i++) {
        posters[i] = (struct poster){ &counted, i };
        assert_true(loop_post(counted.loop, note_order, &posters[i]));
    }
    loop_post(counted.loop, stop, &counted);
    assert_int_equal(loop_run(counted.loop), 0);
    assert_int_equal(counted.seen, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(counted.order[i], i);
    loop_destroy(counted.loop);
}

static void *post_many(void *arg)
{
    struct counted *counted = arg;
    for (int i = 0; i < 2000; i++)
        loop_post(counted->loop, count, counted);
    return NULL;
}

static void *wait_and_stop(void *arg)
{
    struct counted *counted = arg;
    while (counted->calls < 8000)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    loop_stop(counted->loop);
    return NULL;
}

static void many_threads_may_post_at_once(void **state)
{
    struct counted counted = { .loop = loop_create(clock_system(), 1) };
    pthread_t threads[5];
    (void)state;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, post_many, &counted);
    pthread_create(&threads[4], NULL, wait_and_stop, &counted);
    loop_run(counted.loop);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counted.calls, 8000);
    loop_destroy(counted.loop);
}

static void a_stop_before_the_run_ends_it_at_once(void **state)
{
    struct loop *loop = loop_create(clock_system(), 0);
    (void)state;
    loop_stop(loop);
    assert_int_equal(loop_run(loop), 0);
    loop_destroy(loop);
}

struct gate {
    struct loop *loop;
    pthread_mutex_t mutex;
    atomic_int worked, done;
};

static void wait_at_gate(void *arg)
{
    struct gate *gate = arg;
    pthread_mutex_lock(&gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    gate->worked++;
}

static void through_gate(void *arg)
{
    struct gate *gate = arg;
    gate->done++;
}

static void the_pool_refuses_what_its_queue_cannot_hold(void **state)
{
    struct gate gate = { .loop = loop_create(clock_system(), 2), .mutex = PTHREAD_MUTEX_INITIALIZER };
    (void)state;
    pthread_mutex_lock(&gate.mutex);
    int accepted = 0;
    while (accepted < 2 * LOOP_WORK_QUEUE && loop_work(gate.loop, wait_at_gate, through_gate, &gate))
        accepted++;
    assert_in_range(accepted, LOOP_WORK_QUEUE, LOOP_WORK_QUEUE + 2);
    pthread_mutex_unlock(&gate.mutex);
    loop_destroy(gate.loop);
    assert_int_equal(gate.worked, accepted);                /* what was accepted is done, also while the loop ends */
    assert_int_equal(gate.done, accepted);
}

struct question {
    struct loop *loop;
    struct loop_turn turn;
    pthread_mutex_t mutex;
    pthread_cond_t news;
    bool answered, heard;
};

static void answer(void *arg)
{
    struct question *question = arg;
    pthread_mutex_lock(&question->mutex);
    question->answered = true;
    pthread_cond_signal(&question->news);
    pthread_mutex_unlock(&question->mutex);
}

static void answer_at_the_end_of_the_turn(void *arg)
{
    struct question *question = arg;
    question->turn = (struct loop_turn){ .fn = answer, .arg = question };
    loop_turn_end(question->loop, &question->turn);
}

static void ask_and_wait(void *arg)
{
    struct question *question = arg;
    assert_true(loop_post(question->loop, answer_at_the_end_of_the_turn, question));
    pthread_mutex_lock(&question->mutex);
    while (!question->answered)
        pthread_cond_wait(&question->news, &question->mutex);
    question->heard = true;
    pthread_mutex_unlock(&question->mutex);
}

static void work_that_waits_for_its_mail_is_finished_while_the_loop_ends(void **state)
{
    struct question question = {
        .loop = loop_create(clock_system(), 1), .mutex = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER
    };
    (void)state;
    assert_true(loop_work(question.loop, ask_and_wait, NULL, &question));
    loop_destroy(question.loop);
    assert_true(question.heard);
}

static void timers_fire_in_order_and_only_once(void **state)
{
    struct counted counted = { .loop = loop_create(clock_system(), 0) };
    struct poster posters[8];
    struct loop_timer *cancelled[8];
    (void)state;
    for (int i = 0; i < 8; i++) {
        posters[i] = (struct poster){ &counted, i };
        assert_non_null(loop_timer_start(counted.loop, (uint64_t)(i * 5 % 8), note_order, &posters[i]));
        cancelled[i] = loop_timer_start(counted.loop, (uint64_t)i, count, &counted);
    }
    for (int i = 0; i < 8; i++)
        loop_timer_cancel(cancelled[i]);
    loop_timer_cancel(NULL);
    loop_timer_start(counted.loop, 20, stop, &counted);
    loop_run(counted.loop);
    assert_int_equal(counted.calls, 0);
    assert_int_equal(counted.seen, 8);
    for (int i = 1; i < 8; i++)
        assert_true(counted.order[i - 1] * 5 % 8 < counted.order[i] * 5 % 8);
    loop_destroy(counted.loop);
}

static void *advance_clock(void *arg)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    clock_manual_advance(arg, 15 * 60 * 1000);
    return NULL;
}

static void a_manual_clock_moves_timers(void **state)
{
    struct clock *clock = clock_manual_create(0);
    struct counted counted = { .loop = loop_create(clock, 0) };
    pthread_t thread;
    (void)state;
    loop_timer_start(counted.loop, 15 * 60 * 1000 - 1, count, &counted);
    loop_timer_start(counted.loop, 15 * 60 * 1000, stop, &counted);
    pthread_create(&thread, NULL, advance_clock, clock);
    loop_run(counted.loop);
    pthread_join(thread, NULL);
    assert_int_equal(counted.calls, 1);
    loop_destroy(counted.loop);
    clock_manual_destroy(clock);
}

struct turning {
    struct counted *counted;
    struct loop_turn turn;
    int left;
};

static void turn_again(void *arg)
{
    struct turning *turning = arg;
    turning->counted->calls++;
    if (--turning->left > 0)
        loop_turn_end(turning->counted->loop, &turning->turn);
    else
        loop_stop(turning->counted->loop);
}

static void ask_twice(void *arg)
{
    struct turning *turning = arg;
    loop_turn_end(turning->counted->loop, &turning->turn);
    loop_turn_end(turning->counted->loop, &turning->turn);
}

static void the_end_of_a_turn_comes_once_and_may_ask_again(void **state)
{
    struct counted counted = { .loop = loop_create(clock_system(), 0) };
    struct turning first = { .counted = &counted, .left = 100 }, cancelled = { .counted = &counted, .left = 1 };
    (void)state;
    first.turn = (struct loop_turn){ .fn = turn_again, .arg = &first };
    cancelled.turn = (struct loop_turn){ .fn = turn_again, .arg = &cancelled };
    loop_post(counted.loop, ask_twice, &first);
    loop_turn_end(counted.loop, &cancelled.turn);
    loop_turn_cancel(counted.loop, &cancelled.turn);
    loop_turn_cancel(counted.loop, &cancelled.turn);
    loop_run(counted.loop);
    assert_int_equal(counted.calls, 100);
    loop_destroy(counted.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posted_functions_run_in_order),
        cmocka_unit_test(many_threads_may_post_at_once),
        cmocka_unit_test(a_stop_before_the_run_ends_it_at_once),
        cmocka_unit_test(the_pool_refuses_what_its_queue_cannot_hold),
        cmocka_unit_test(work_that_waits_for_its_mail_is_finished_while_the_loop_ends),
        cmocka_unit_test(timers_fire_in_order_and_only_once),
        cmocka_unit_test(a_manual_clock_moves_timers),
        cmocka_unit_test(the_end_of_a_turn_comes_once_and_may_ask_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
