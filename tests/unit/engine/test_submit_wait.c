#include "rig.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#define THREADS 4

static struct loop *loop;
static struct engine *engine;
static pthread_t loop_thread;

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    const struct engine_options options = { .worker_path = FAKE_WORKER, .load_wait_ms = 20000, .queue_wait_ms = 20000 };
    const struct engine_model models[] = { { .name = VIEW_INIT("m"), .path = VIEW_INIT("normal") },
                                           { .name = VIEW_INIT("v"), .path = VIEW_INIT("normal"), .embedding = true } };
    loop = loop_create(clock_system(), 1);
    engine = engine_create(loop, &options);
    return !engine_set_models(engine, models, 2) || pthread_create(&loop_thread, NULL, run_loop, loop) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_stop(loop);
    pthread_join(loop_thread, NULL);
    engine_stop(engine);
    loop_destroy(loop);
    engine_destroy(engine);
    return 0;
}

struct client {
    const char *model, *text;
    bool slow;
    pthread_t thread;
    enum engine_status status;
    unsigned deltas, ends;
    size_t vectors;
    char said[4096];
    size_t said_len;
};

static void on_delta(void *ctx, const struct gen_delta *deltas, size_t count)
{
    struct client *client = ctx;
    assert_true(pthread_equal(pthread_self(), client->thread));
    client->deltas += (unsigned)count;
    for (size_t i = 0; i < count && client->said_len + deltas[i].text.len < sizeof client->said; i++) {
        if (deltas[i].text.len > 0)
            memcpy(client->said + client->said_len, deltas[i].text.ptr, deltas[i].text.len);
        client->said_len += deltas[i].text.len;
    }
    if (client->slow)
        usleep(1000);
}

static void on_vectors(void *ctx, const struct embed_result *result)
{
    struct client *client = ctx;
    client->vectors = result->count;
}

static void on_end(void *ctx, const struct engine_end *end)
{
    struct client *client = ctx;
    assert_true(pthread_equal(pthread_self(), client->thread));
    assert_non_null(end->message);
    client->ends++;
}

static void call(struct client *client)
{
    const struct engine_sink sink = { .ctx = client, .on_delta = on_delta, .on_vectors = on_vectors, .on_end = on_end };
    const struct chat_part part = { .type = CHAT_TEXT, .text = view_from_cstr(client->text) };
    const struct chat_message message = { CHAT_USER, &part, 1 };
    const struct view texts[] = { view_from_cstr(client->text) };
    struct model_request request;
    model_request_init(&request);
    request.model = view_from_cstr(client->model);
    request.generate.messages = &message;
    request.generate.message_count = 1;
    if (strcmp(client->model, "v") == 0) {
        request.kind = MODEL_EMBED;
        request.embed.texts = texts;
        request.embed.text_count = 1;
    }
    client->thread = pthread_self();
    client->status = engine_submit_wait(engine, &request, &sink);
    assert_int_equal(client->ends, 1);
}

static void deltas_and_end_come_in_the_callers_thread(void **state)
{
    (void)state;
    struct client client = { .model = "m", .text = "say Paris" };
    call(&client);
    assert_int_equal(client.status, ENGINE_OK);
    assert_string_equal(client.said, "Paris");
}

static void vectors_come_too(void **state)
{
    (void)state;
    struct client client = { .model = "v", .text = "abc" };
    call(&client);
    assert_int_equal(client.status, ENGINE_OK);
    assert_int_equal(client.vectors, 1);
}

static void failure_is_an_end_like_any_other(void **state)
{
    (void)state;
    struct client none = { .model = "none", .text = "x" }, crash = { .model = "m", .text = "crash" };
    call(&none);
    assert_int_equal(none.status, ENGINE_NO_MODEL);
    call(&crash);
    assert_int_equal(crash.status, ENGINE_MODEL_ERROR);
}

/* A large echo fills the mailbox many times over, while its reader dawdles. */
static void slow_reader_gets_everything(void **state)
{
    (void)state;
    static char text[3u << 20];
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = i % 20 == 19 ? ' ' : 'x';
    struct client client = { .model = ENGINE_SCRIPTED_MODEL, .text = text, .slow = true };
    call(&client);
    assert_int_equal(client.status, ENGINE_OK);
    assert_int_equal(client.deltas, 1 + (sizeof text - 1 + 19) / 20);
    assert_int_equal(client.said_len < sizeof client.said, 1);
}

static void *call_often(void *arg)
{
    struct client *client = arg;
    for (unsigned i = 0; i < 50; i++) {
        client->deltas = client->ends = 0;
        call(client);
        assert_int_equal(client->status, ENGINE_OK);
        assert_int_equal(client->deltas, 1 + 100 * (strcmp(client->model, "m") != 0));
    }
    return NULL;
}

static void many_threads_call_at_once(void **state)
{
    (void)state;
    static char text[200 + 1];
    for (size_t i = 0; i < 200; i++)
        text[i] = i % 2 == 0 ? 'x' : ' ';
    text[199] = '\0';
    static struct client clients[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        clients[i] = i % 2 == 0 ? (struct client){ .model = ENGINE_SCRIPTED_MODEL, .text = text }
                                : (struct client){ .model = "m", .text = "say x" };
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &clients[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

struct late_work {
    struct client client;
    sem_t go;
};

static void call_when_told(void *arg)
{
    struct late_work *work = arg;
    sem_wait(&work->go);
    call(&work->client);
}

static void begin_late_work(void *arg)
{
    assert_true(loop_work(loop, call_when_told, NULL, arg));
    loop_stop(loop);
}

static void call_that_comes_after_the_engine_has_stopped_is_cancelled(void **state)
{
    struct late_work work = { .client = { .model = "m", .text = "say x" } };
    (void)state;
    sem_init(&work.go, 0, 0);
    assert_true(loop_post(loop, begin_late_work, &work));
    pthread_join(loop_thread, NULL);
    engine_stop(engine);
    sem_post(&work.go);
    loop_destroy(loop);
    engine_destroy(engine);
    assert_int_equal(work.client.status, ENGINE_CANCELLED);
    sem_destroy(&work.go);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deltas_and_end_come_in_the_callers_thread),
        TEST(vectors_come_too),
        TEST(failure_is_an_end_like_any_other),
        TEST(slow_reader_gets_everything),
        TEST(many_threads_call_at_once),
        cmocka_unit_test_setup(call_that_comes_after_the_engine_has_stopped_is_cancelled, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
