/* Invocations on a real runner, store and object store; the model is the test, and the clock stands still. */
#include "unit.h"

#include "async/async.h"
#include "async/invocation.h"
#include "base/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define START_MS INT64_C(1735786984000)
#define RETRY_MS 600000

static char dir[64];
static struct clock *test_clock;
static struct store *store;
static struct objects *objects;
static struct arena *arena;
static struct async *async;
static struct jobs *jobs;

/* ---- the model: answers by a script, one entry a call, the last one for ever ---- */

struct scripted {
    enum aws_status status;                                 /* AWS_PENDING: no answer until cancelled */
    const char *text;                                       /* message or body */
};

static const struct scripted *script;
static _Atomic int calls, cancels;
static void (*pending_done)(void *ctx, const struct internal_answer *answer);
static void *pending_ctx;
static char asked_body[256], asked_model[64], asked_operation[64];
static bool asked_batch;

static void answer(const struct scripted *with, void (*on_done)(void *ctx, const struct internal_answer *answer), void *ctx)
{
    const struct call_stats stats = { .input_tokens = 7, .output_tokens = 3 };
    struct view text = view_from_cstr(with->text);
    const struct internal_answer given = { .status = with->status, .message = with->status != AWS_OK ? text : VIEW(""), .body = text,
                                           .stats = &stats };
    on_done(ctx, &given);
}

static struct internal_call *submit(void *ctx, const struct internal_request *request,
                                    void (*on_done)(void *ctx, const struct internal_answer *answer), void *done_ctx)
{
    static int token;
    (void)ctx;
    snprintf(asked_body, sizeof asked_body, VIEW_FMT, VIEW_ARG(request->body));
    snprintf(asked_model, sizeof asked_model, VIEW_FMT, VIEW_ARG(request->labels[0]));
    snprintf(asked_operation, sizeof asked_operation, VIEW_FMT, VIEW_ARG(request->operation));
    asked_batch = request->batch;
    if (script->status == AWS_PENDING) {
        pending_done = on_done;
        pending_ctx = done_ctx;
    } else {
        const struct scripted *now = script;
        if (script[1].text != NULL)
            script++;
        answer(now, on_done, done_ctx);
    }
    atomic_fetch_add(&calls, 1);
    return (struct internal_call *)(void *)&token;
}

static void cancel(void *ctx, struct internal_call *call)
{
    (void)ctx;
    (void)call;
    atomic_fetch_add(&cancels, 1);
    answer(&(struct scripted){ AWS_SERVICE_UNAVAILABLE, "cancelled" }, pending_done, pending_ctx);
}

/* ---- the world ---- */

static void start_runner(void)
{
    const struct async_options options = { .store = store, .objects = objects, .at_once = 2, .active_max = 10, .retry_ms = RETRY_MS };
    const struct async_caller caller = { .submit = submit, .cancel = cancel };
    async = async_create(&options);
    jobs = jobs_create(&(struct jobs_options){ .store = store, .owner = VIEW_INIT("test") });
    assert_non_null(async);
    assert_non_null(jobs);
    async_set_caller(async, &caller);
    assert_true(async_join(async, jobs));
    assert_true(jobs_start(jobs));
}

static void stop_runner(void)
{
    jobs_stop(jobs);
    jobs_destroy(jobs);
    async_destroy(async);
}

static int open_world(void **state)
{
    (void)state;
    struct store_error error;
    char path[128], words[256];
    snprintf(dir, sizeof dir, "/tmp/craton-async-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    test_clock = clock_manual_create(START_MS);
    arena = arena_create(16 << 20);
    snprintf(path, sizeof path, "%s/store/craton.db", dir);
    store = store_open(path, test_clock, &error);
    snprintf(path, sizeof path, "%s/objects", dir);
    const struct objects_options options = { .store = store, .clock = test_clock, .dir = path, .account = VIEW_INIT("123456789012"),
                                             .recover = true };
    objects = objects_open(&options, words, sizeof words);
    atomic_store(&calls, 0);
    atomic_store(&cancels, 0);
    if (store == NULL || objects == NULL)
        return -1;
    return bucket_create(objects, VIEW("123456789012"), VIEW("us-east-1"), VIEW("results")) != OBJECT_OK;
}

static int close_world(void **state)
{
    (void)state;
    char command[128];
    objects_close(objects);
    store_close(store);
    arena_destroy(arena);
    clock_manual_destroy(test_clock);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static struct store_key key_of(const char *id)
{
    return (struct store_key){ VIEW(ASYNC_KIND), VIEW("123456789012"), VIEW("us-east-1"), view_from_cstr(id) };
}

static void put_on_record(const char *id, const char *uri)
{
    struct invocation invocation = { .key = key_of(id), .status = VIEW_INIT(ASYNC_IN_PROGRESS), .model_id = VIEW_INIT("the.model"),
                                     .output_uri = view_from_cstr(uri), .digest = VIEW_INIT("00"),
                                     .principal = { .account = VIEW_INIT("123456789012") } };
    struct store_write writes[2] = { { .action = STORE_CREATE },
                                     { .action = STORE_CREATE } };
    writes[1].record = (struct store_record){ .key = invocation_input_key(&invocation.key), .json = VIEW("{\"inputText\":\"hello\"}") };
    assert_true(invocation_write(arena, &invocation, &writes[0].record));
    assert_int_equal(store_apply(store, writes, 2, NULL), STORE_OK);
}

static struct invocation now_on_record(const char *id)
{
    struct store_key key = key_of(id);
    struct store_record record;
    struct invocation invocation;
    assert_int_equal(store_get(store, arena, &key, &record), STORE_OK);
    assert_true(invocation_read(arena, &record, &invocation));
    return invocation;
}

static bool has_status(const char *id, const char *status)
{
    return view_is(now_on_record(id).status, status);
}

static bool input_is_kept(const char *id)
{
    struct store_key key = key_of(id), input = invocation_input_key(&key);
    struct store_record record;
    return store_get(store, arena, &input, &record) == STORE_OK;
}

static struct view object_text(const char *key)
{
    struct object_info info;
    struct object_reader *reader;
    char *bytes = arena_bytes(arena, 4096);
    size_t got = 0;
    if (object_read_begin(objects, arena, VIEW("results"), view_from_cstr(key), &info, &reader) != OBJECT_OK)
        return VIEW("");
    assert_int_equal(object_read_at(reader, 0, bytes, 4096, &got), OBJECT_OK);
    object_read_end(reader);
    return view_of(bytes, got);
}

static void move_clock(int64_t ms)
{
    clock_manual_advance(test_clock, ms);
    jobs_wake(jobs);
}

#define EVENTUALLY(condition)                                                                                              \
    do {                                                                                                                   \
        int tries_ = 0;                                                                                                    \
        while (!(condition) && tries_++ < 20000)                                                                           \
            usleep(1000);                                                                                                  \
        assert_true(condition);                                                                                            \
    } while (0)

/* ---- tests ---- */

static void the_answer_and_a_manifest_land_in_the_bucket(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_OK, "{\"outputText\":\"hi\"}" }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://results/answers/");
    start_runner();
    EVENTUALLY(has_status("abcdefghijkl", ASYNC_COMPLETED));
    stop_runner();
    assert_string_equal(asked_operation, "InvokeModel");
    assert_string_equal(asked_model, "the.model");
    assert_string_equal(asked_body, "{\"inputText\":\"hello\"}");
    assert_true(asked_batch);
    assert_view_is(object_text("answers/abcdefghijkl/output.json"), "{\"outputText\":\"hi\"}");
    const struct json *manifest = json_parse(arena, object_text("answers/abcdefghijkl/manifest.json"), 16, NULL);
    int64_t tokens = 0;
    assert_view_is(json_get_string(manifest, "status"), "Completed");
    assert_true(json_get_i64(manifest, "inputTokenCount", &tokens) && tokens == 7);
    assert_true(json_get_i64(manifest, "outputTokenCount", &tokens) && tokens == 3);
    const struct json *file = json_at(json_get(manifest, "outputFiles"), 0);
    assert_view_is(json_get_string(file, "s3Uri"), "s3://results/answers/abcdefghijkl/output.json");
    assert_true(json_get_i64(file, "sizeBytes", &tokens) && tokens == 19);
    assert_int_equal(now_on_record("abcdefghijkl").ended_ms, START_MS);
    assert_false(input_is_kept("abcdefghijkl"));
}

static void a_refusal_fails_the_invocation_at_once(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_VALIDATION, "Malformed input request." }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://results/");
    start_runner();
    EVENTUALLY(has_status("abcdefghijkl", ASYNC_FAILED));
    stop_runner();
    assert_view_is(now_on_record("abcdefghijkl").message, "ValidationException: Malformed input request.");
    assert_int_equal(calls, 1);
    assert_view_is(object_text("abcdefghijkl/output.json"), "");
    assert_false(input_is_kept("abcdefghijkl"));
}

static void what_may_pass_is_tried_again_after_a_while(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_THROTTLING, "busy" }, { AWS_MODEL_NOT_READY, "loading" }, { AWS_OK, "{}" }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://results/");
    start_runner();
    EVENTUALLY(calls == 1);
    usleep(50000);
    assert_int_equal(calls, 1);
    for (int i = 0; i < 100 && !has_status("abcdefghijkl", ASYNC_COMPLETED); i++) {
        move_clock(1000);
        usleep(20000);
    }
    EVENTUALLY(has_status("abcdefghijkl", ASYNC_COMPLETED));
    stop_runner();
    assert_int_equal(calls, 3);
}

static void what_does_not_pass_in_time_fails(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_SERVICE_UNAVAILABLE, "too busy" }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://results/");
    start_runner();
    EVENTUALLY(calls == 1);
    for (int i = 0; i < 1000 && !has_status("abcdefghijkl", ASYNC_FAILED); i++) {
        move_clock(30000);
        usleep(5000);
    }
    stop_runner();
    assert_view_is(now_on_record("abcdefghijkl").message, "ServiceUnavailableException: too busy");
    assert_true(calls > 2);
}

static void an_invocation_that_kills_its_model_twice_fails(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_MODEL_ERROR, "the worker died" }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://results/");
    start_runner();
    EVENTUALLY(calls == 1);
    move_clock(1000);
    for (int i = 0; i < 1000 && !has_status("abcdefghijkl", ASYNC_FAILED); i++) {
        move_clock(1000);
        usleep(5000);
    }
    stop_runner();
    assert_int_equal(calls, 2);
    assert_view_is(now_on_record("abcdefghijkl").message, "ModelErrorException: the worker died");
}

static void a_bucket_that_has_gone_fails_the_invocation_and_says_so(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_OK, "{}" }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://other/answers");
    start_runner();
    EVENTUALLY(has_status("abcdefghijkl", ASYNC_FAILED));
    stop_runner();
    struct view message = now_on_record("abcdefghijkl").message;
    assert_true(view_starts_with(message, VIEW("The output could not be written to s3://other/answers: ")));
}

static void stopping_cancels_the_call_and_the_next_runner_begins_anew(void **state)
{
    (void)state;
    script = (struct scripted[]){ { AWS_PENDING, "" }, { AWS_OK, NULL } };
    put_on_record("abcdefghijkl", "s3://results/");
    start_runner();
    EVENTUALLY(calls == 1);
    stop_runner();
    assert_int_equal(cancels, 1);
    assert_true(has_status("abcdefghijkl", ASYNC_IN_PROGRESS));
    assert_true(input_is_kept("abcdefghijkl"));
    script = (struct scripted[]){ { AWS_OK, "{}" }, { AWS_OK, NULL } };
    start_runner();
    EVENTUALLY(has_status("abcdefghijkl", ASYNC_COMPLETED));
    stop_runner();
    assert_int_equal(calls, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_answer_and_a_manifest_land_in_the_bucket),
        TEST(a_refusal_fails_the_invocation_at_once),
        TEST(what_may_pass_is_tried_again_after_a_while),
        TEST(what_does_not_pass_in_time_fails),
        TEST(an_invocation_that_kills_its_model_twice_fails),
        TEST(a_bucket_that_has_gone_fails_the_invocation_and_says_so),
        TEST(stopping_cancels_the_call_and_the_next_runner_begins_anew),
    };
    return cmocka_run_group_tests_name("async_run", tests, NULL, NULL);
}
