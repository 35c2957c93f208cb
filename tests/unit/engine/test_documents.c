#include "unit.h"

#include "engine/documents.h"

#include <pthread.h>
#include <signal.h>
#include <uv.h>

#define PATIENCE_MS 20000
#define TEXTS       8

static struct loop *loop;
static struct documents *documents;
static struct arena *arena;
static unsigned open_calls;

static struct reply {
    struct view text;
    unsigned times;
    enum engine_status status;
    size_t words;
    bool again;                                             /* ask for "again" from inside */
} replies[TEXTS];

static void start(struct documents_options options)
{
    loop = loop_create(clock_system(), 1);
    arena = arena_create(1u << 20);
    options.loop = loop;
    options.worker_path = FAKE_WORKER;
    if (options.queue_wait_ms == 0)
        options.queue_wait_ms = PATIENCE_MS;
    if (options.time_limit_ms == 0)
        options.time_limit_ms = PATIENCE_MS;
    documents = documents_create(&options);
    assert_true(loop != NULL && arena != NULL && documents != NULL);
    memset(replies, 0, sizeof replies);
    open_calls = 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("FAKE_HELLO");
    documents_stop(documents);
    uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    loop_destroy(loop);
    documents_destroy(documents);
    arena_destroy(arena);
    return 0;
}

static void on_time(void *arg)
{
    *(bool *)arg = true;
}

static void run_for(uint64_t ms)
{
    bool over = false;
    loop_timer_start(loop, ms, on_time, &over);
    while (!over)
        uv_run(loop_uv(loop), UV_RUN_ONCE);
}

static void run(void)
{
    bool late = false;
    struct loop_timer *patience = loop_timer_start(loop, PATIENCE_MS, on_time, &late);
    while (open_calls > 0 && !late)
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    assert_false(late);
    loop_timer_cancel(patience);
}

static enum engine_status ask(unsigned place, const char *text);

static void on_done(void *ctx, enum engine_status status, const char *message, struct view payload)
{
    struct reply *reply = ctx;
    struct text_segments segments;
    reply->times++;
    reply->status = status;
    assert_int_equal(message[0] == '\0', status == ENGINE_OK);
    if (status == ENGINE_OK) {
        assert_true(documents_read(arena, payload, reply->text, &segments));
        reply->words = segments.count;
    }
    open_calls--;
    if (reply->again)
        assert_int_equal(ask(TEXTS - 1, "again"), ENGINE_OK);
}

static enum engine_status ask(unsigned place, const char *text)
{
    replies[place].text = view_from_cstr(text);
    enum engine_status status = documents_segment(documents, replies[place].text, on_done, &replies[place]);
    open_calls += status == ENGINE_OK ? 1 : 0;
    return status;
}

static void first_text_starts_the_worker_and_all_are_answered_in_turn(void **state)
{
    (void)state;
    static const char *const texts[] = { "a", "ab", "abc", "abcd" };
    start((struct documents_options){ 0 });
    assert_int_equal(documents_pid(documents), 0);
    for (unsigned i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(ask(i, texts[i]), ENGINE_OK);
    assert_int_equal(replies[0].times, 0);
    run();
    for (unsigned i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(replies[i].times, 1);
        assert_int_equal(replies[i].status, ENGINE_OK);
        assert_int_equal(replies[i].words, i + 1);
    }
    assert_true(documents_pid(documents) > 0);
}

static void an_answer_may_ask_for_more(void **state)
{
    (void)state;
    start((struct documents_options){ 0 });
    replies[0].again = true;
    ask(0, "first");
    run();
    assert_int_equal(replies[TEXTS - 1].words, 5);
}

static void a_crash_ends_one_text_and_the_others_are_answered_by_the_next_worker(void **state)
{
    (void)state;
    start((struct documents_options){ 0 });
    ask(0, "before");
    ask(1, "crash");
    ask(2, "after");
    run();
    assert_int_equal(replies[0].status, ENGINE_OK);
    assert_int_equal(replies[1].status, ENGINE_MODEL_ERROR);
    assert_int_equal(replies[2].status, ENGINE_OK);
}

static void a_worker_killed_while_idle_is_replaced(void **state)
{
    (void)state;
    start((struct documents_options){ 0 });
    ask(0, "a");
    run();
    int pid = documents_pid(documents);
    assert_int_equal(kill(pid, SIGKILL), 0);
    run_for(50);
    assert_int_equal(documents_pid(documents), 0);
    ask(1, "b");
    run();
    assert_int_equal(replies[1].status, ENGINE_OK);
    assert_int_not_equal(documents_pid(documents), pid);
}

static void a_text_that_takes_too_long_is_given_up(void **state)
{
    (void)state;
    start((struct documents_options){ .time_limit_ms = 300 });
    ask(0, "hang");
    ask(1, "next");
    run();
    assert_int_equal(replies[0].status, ENGINE_TIMEOUT);
    assert_int_equal(replies[1].status, ENGINE_OK);
}

static void an_answer_to_what_was_not_asked_ends_the_worker(void **state)
{
    (void)state;
    start((struct documents_options){ 0 });
    ask(0, "garbage");
    ask(1, "refuse");
    run();
    assert_int_equal(replies[0].status, ENGINE_MODEL_ERROR);
    assert_int_equal(replies[1].status, ENGINE_MODEL_ERROR);
    assert_true(documents_pid(documents) > 0);              /* it refused, and lives */
}

static void a_full_queue_refuses_and_a_long_wait_ends(void **state)
{
    (void)state;
    start((struct documents_options){ .max_queue = 2, .queue_wait_ms = 100 });
    ask(0, "hang");
    run_for(50);
    while (documents_pid(documents) == 0)
        run_for(10);
    run_for(100);
    ask(1, "waits");
    ask(2, "waits too");
    assert_int_equal(ask(3, "one too many"), ENGINE_OVERLOADED);
    run_for(300);
    assert_int_equal(replies[1].status, ENGINE_OVERLOADED);
    assert_int_equal(replies[2].status, ENGINE_OVERLOADED);
    assert_int_equal(replies[0].times, 0);
    documents_stop(documents);
    assert_int_equal(replies[0].status, ENGINE_CANCELLED);
    assert_int_equal(ask(4, "late"), ENGINE_CANCELLED);
}

static void a_worker_of_another_build_is_not_used(void **state)
{
    (void)state;
    setenv("FAKE_HELLO", "wrong", 1);
    start((struct documents_options){ .queue_wait_ms = 300 });
    ask(0, "a");
    run();
    assert_int_equal(replies[0].status, ENGINE_NOT_READY);
}

static void an_idle_worker_is_let_go(void **state)
{
    (void)state;
    start((struct documents_options){ .idle_ms = 50 });
    ask(0, "a");
    run();
    run_for(150);
    assert_int_equal(documents_pid(documents), 0);
    ask(1, "b");
    run();
    assert_int_equal(replies[1].status, ENGINE_OK);
}

struct waiter {
    struct view text;
    enum engine_status status;
    struct text_segments segments;
    const char *message;
    struct arena *arena;
};

static void *wait_in_thread(void *arg)
{
    struct waiter *waiter = arg;
    waiter->status = documents_segment_wait(documents, waiter->arena, waiter->text, &waiter->segments, &waiter->message);
    loop_stop(loop);
    return NULL;
}

static void other_threads_may_wait_for_words(void **state)
{
    (void)state;
    start((struct documents_options){ 0 });
    struct waiter waiter = { .text = VIEW("seven b"), .arena = arena };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, &waiter), 0);
    loop_run(loop);
    pthread_join(thread, NULL);
    assert_int_equal(waiter.status, ENGINE_OK);
    assert_int_equal(waiter.segments.count, 7);
    assert_int_equal(waiter.segments.sentence_count, 1);
}

static void what_is_no_text_is_refused_without_a_worker(void **state)
{
    (void)state;
    start((struct documents_options){ 0 });
    struct text_segments segments;
    const char *message;
    assert_int_equal(documents_segment_wait(documents, arena, VIEW("\xC3("), &segments, &message), ENGINE_INVALID);
    assert_true(message[0] != '\0');
    assert_int_equal(documents_segment_wait(documents, arena, VIEW(""), &segments, &message), ENGINE_OK);
    assert_int_equal(segments.count, 0);
    assert_int_equal(documents_pid(documents), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(first_text_starts_the_worker_and_all_are_answered_in_turn, tear_down),
        cmocka_unit_test_teardown(an_answer_may_ask_for_more, tear_down),
        cmocka_unit_test_teardown(a_crash_ends_one_text_and_the_others_are_answered_by_the_next_worker, tear_down),
        cmocka_unit_test_teardown(a_worker_killed_while_idle_is_replaced, tear_down),
        cmocka_unit_test_teardown(a_text_that_takes_too_long_is_given_up, tear_down),
        cmocka_unit_test_teardown(an_answer_to_what_was_not_asked_ends_the_worker, tear_down),
        cmocka_unit_test_teardown(a_full_queue_refuses_and_a_long_wait_ends, tear_down),
        cmocka_unit_test_teardown(a_worker_of_another_build_is_not_used, tear_down),
        cmocka_unit_test_teardown(an_idle_worker_is_let_go, tear_down),
        cmocka_unit_test_teardown(other_threads_may_wait_for_words, tear_down),
        cmocka_unit_test_teardown(what_is_no_text_is_refused_without_a_worker, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
