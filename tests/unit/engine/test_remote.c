#include "rig.h"

#include "net/http.h"
#include "net/sse.h"

#include <uv.h>

/* A server in the same loop, which answers what `play` says and keeps what it was asked. */
static struct rig rig;
static struct http_server *server;
static void (*play)(struct http_exchange *ex);
static char asked[8192], asked_path[128], asked_key[128];
static unsigned requests, closed_early;

static void on_request(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    const struct http_request *request = http_request(ex);
    requests++;
    snprintf(asked, sizeof asked, VIEW_FMT, VIEW_ARG(request->body));
    snprintf(asked_path, sizeof asked_path, VIEW_FMT, VIEW_ARG(request->path));
    snprintf(asked_key, sizeof asked_key, VIEW_FMT, VIEW_ARG(http_header_get(request, "authorization")));
    play(ex);
}

static void on_closed(void *ctx, struct http_exchange *ex, bool aborted)
{
    (void)ctx;
    (void)ex;
    closed_early += aborted;
}

static void respond(struct http_exchange *ex, int status, const char *text)
{
    struct buf body = BUF_INIT(1u << 20);
    buf_append_cstr(&body, text);
    http_respond(ex, &(struct http_response){ .status = status }, &body);
    buf_free(&body);
}

static void stream(struct http_exchange *ex, const char *const *events, bool whole)
{
    const struct http_header header = { VIEW("content-type"), VIEW(SSE_CONTENT_TYPE) };
    http_start(ex, &(struct http_response){ 200, &header, 1 });
    for (; *events != NULL; events++) {
        struct buf out = BUF_INIT(1u << 20);
        sse_append(&out, VIEW(""), view_from_cstr(*events));
        http_write(ex, buf_view(&out));
        buf_free(&out);
    }
    if (whole)
        http_finish(ex);
}

static int set_up(void **state)
{
    (void)state;
    requests = closed_early = 0;
    rig_start(&rig, (struct engine_options){ 0 }, NULL, 0);
    struct http_server_options options;
    const struct http_handler handler = { .on_request = on_request, .on_closed = on_closed };
    char error[256], url[64];
    http_server_defaults(&options);
    options.host = "127.0.0.1";
    options.port = 0;
    server = http_server_create(rig.loop, &options, &handler, error, sizeof error);
    if (server == NULL)
        return 1;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/", http_server_port(server));
    const struct engine_model models[] = {
        { .name = VIEW("far"), .backend = ENGINE_REMOTE, .url = view_from_cstr(url), .remote_model = VIEW("qwen"), .api_key = VIEW("k1") },
        { .name = VIEW("vec"), .backend = ENGINE_REMOTE, .url = view_from_cstr(url), .embedding = true, .query_prefix = VIEW("query: ") },
        { .name = VIEW("down"), .backend = ENGINE_REMOTE, .url = VIEW("http://127.0.0.1:1/v1") },
    };
    return !engine_set_models(rig.engine, models, COUNT_OF(models));
}

static void note(void *arg)
{
    bool *done = arg;
    *done = true;
}

static int tear_down(void **state)
{
    (void)state;
    bool done = false;
    engine_stop(rig.engine);
    http_server_stop(server, 100, note, &done);
    while (!done)
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    http_server_destroy(server);
    rig_stop(&rig);
    return 0;
}

static void play_text(struct http_exchange *ex)
{
    static const char *const events[] = {
        "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
        "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm \"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"Par\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"is\"}}]}",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"prompt_tokens_details\":{\"cached_tokens\":8}}}",
        "[DONE]",
        NULL,
    };
    stream(ex, events, true);
}

static void streamed_answer_arrives_with_its_real_usage(void **state)
{
    (void)state;
    play = play_text;
    struct answer answer;
    rig_ask(&rig, "far", "capital of France?", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_OK);
    assert_string_equal(answer.text, "hm Paris");
    assert_int_equal(answer.deltas, 4);
    assert_int_equal(answer.end.reason, GEN_STOP_SEQUENCE);
    assert_int_equal(answer.end.usage.input_tokens, 12);
    assert_int_equal(answer.end.usage.output_tokens, 3);
    assert_int_equal(answer.end.usage.cached_tokens, 8);
    assert_string_equal(asked_path, "/v1/chat/completions");
    assert_string_equal(asked_key, "Bearer k1");
    assert_non_null(strstr(asked, "\"model\":\"qwen\""));
    assert_non_null(strstr(asked, "\"include_usage\":true"));
    assert_non_null(strstr(asked, "{\"role\":\"user\",\"content\":\"capital of France?\"}"));
}

static void play_without_usage(struct http_exchange *ex)
{
    static const char *const events[] = { "{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}", "[DONE]", NULL };
    stream(ex, events, true);
}

static void play_cut(struct http_exchange *ex)
{
    static const char *const events[] = { "{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", NULL };
    stream(ex, events, true);
}

static void play_broken(struct http_exchange *ex)
{
    static const char *const events[] = { "{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", "no json", NULL };
    stream(ex, events, true);
}

static void play_error_event(struct http_exchange *ex)
{
    static const char *const events[] = { "{\"error\":{\"message\":\"out of blocks\",\"code\":500}}", NULL };
    stream(ex, events, true);
}

static void play_busy(struct http_exchange *ex)
{
    respond(ex, 429, "{\"error\":{\"message\":\"slow down\"}}");
}

static void play_bad_request(struct http_exchange *ex)
{
    respond(ex, 400, "{\"error\":{\"message\":\"top_k is wrong\",\"type\":\"invalid_request_error\"}}");
}

static void play_too_long(struct http_exchange *ex)
{
    respond(ex, 400, "{\"error\":{\"message\":\"too many\",\"code\":\"context_length_exceeded\"}}");
}

static void play_no_key(struct http_exchange *ex)
{
    respond(ex, 401, "nope");
}

static void play_down(struct http_exchange *ex)
{
    respond(ex, 503, "{\"message\":\"loading\"}");
}

static void every_failure_is_told_as_what_it_is(void **state)
{
    (void)state;
    static const struct {
        void (*play)(struct http_exchange *ex);
        enum engine_status status;
        int original_status;
        const char *message;
    } cases[] = {
        { play_without_usage, ENGINE_MODEL_ERROR, 200, "no token usage" },
        { play_cut, ENGINE_MODEL_ERROR, 200, "ended early" },
        { play_broken, ENGINE_MODEL_ERROR, 200, "no JSON" },
        { play_error_event, ENGINE_MODEL_ERROR, 500, "out of blocks" },
        { play_busy, ENGINE_THROTTLED, 429, "slow down" },
        { play_bad_request, ENGINE_INVALID, 400, "top_k is wrong" },
        { play_too_long, ENGINE_TOO_LONG, 400, "too many" },
        { play_no_key, ENGINE_MODEL_ERROR, 401, "error" },
        { play_down, ENGINE_OVERLOADED, 503, "loading" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct answer answer;
        play = cases[i].play;
        rig_ask(&rig, "far", "x", &answer);
        rig_run(&rig);
        assert_int_equal(answer.status, cases[i].status);
        assert_int_equal(answer.end.original_status, cases[i].original_status);
        if (strstr(answer.message, cases[i].message) == NULL)
            print_error("%s\n", answer.message);
        assert_non_null(strstr(answer.message, cases[i].message));
    }
    assert_int_equal(requests, COUNT_OF(cases));            /* nothing is tried twice behind the caller's back */
}

static void server_that_is_down_is_an_error(void **state)
{
    (void)state;
    struct answer answer;
    rig_ask(&rig, "down", "x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    assert_int_equal(answer.end.original_status, 0);
}

static void play_for_ever(struct http_exchange *ex)
{
    static const char *const events[] = { "{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}", NULL };
    stream(ex, events, false);
}

static void cancelled_call_closes_its_connection(void **state)
{
    (void)state;
    play = play_for_ever;
    struct answer answer;
    rig_ask(&rig, "far", "x", &answer);
    while (answer.text_len == 0)
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    engine_cancel(answer.call);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_CANCELLED);
    for (unsigned i = 0; i < 100 && closed_early == 0; i++)
        rig_run_for(&rig, 20);
    assert_int_equal(closed_early, 1);
}

static void play_tools(struct http_exchange *ex)
{
    static const char *const events[] = {
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"weather\","
        "\"arguments\":\"\"}}]}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\":\"}}]}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Rome\\\"}\"}}]},"
        "\"finish_reason\":\"stop\"}]}",
        "[DONE]",
        NULL,
    };
    stream(ex, events, true);
}

static void tool_call_comes_in_fragments(void **state)
{
    (void)state;
    play = play_tools;
    struct answer answer;
    rig_ask(&rig, "far", "x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_OK);
    assert_string_equal(answer.text, "{\"city\":\"Rome\"}");
    assert_int_equal(answer.end.reason, GEN_TOOL_USE);
    assert_int_equal(answer.deltas, 4);                     /* begin, start, two fragments */
}

static void play_vectors(struct http_exchange *ex)
{
    respond(ex, 200, "{\"data\":[{\"index\":1,\"embedding\":[0.0,1.0]},{\"index\":0,\"embedding\":[1.0,0.5]}],"
                     "\"usage\":{\"prompt_tokens\":9}}");
}

static void embed(enum model_kind kind, struct answer *answer)
{
    const struct view texts[] = { VIEW_INIT("one"), VIEW_INIT("two") };
    struct model_request request;
    model_request_init(&request);
    request.kind = kind;
    request.count_embed = kind == MODEL_COUNT;
    request.model = VIEW("vec");
    request.embed.texts = texts;
    request.embed.text_count = 2;
    request.embed.purpose = EMBED_QUERY;
    rig_submit(&rig, &request, answer);
    rig_run(&rig);
}

static void embeddings_are_put_in_order(void **state)
{
    (void)state;
    play = play_vectors;
    struct answer answer;
    embed(MODEL_EMBED, &answer);
    assert_int_equal(answer.status, ENGINE_OK);
    assert_int_equal(answer.vector_count, 2);
    assert_true(answer.vectors[0] == 1.0f && answer.vectors[1] == 0.5f && answer.vectors[3] == 1.0f);
    assert_int_equal(answer.end.usage.input_tokens, 9);
    assert_string_equal(asked_path, "/v1/embeddings");
    assert_non_null(strstr(asked, "\"input\":[\"query: one\",\"query: two\"]"));
    embed(MODEL_COUNT, &answer);
    assert_int_equal(answer.end.usage.input_tokens, 9);
    assert_int_equal(answer.vector_count, 0);
}

static void play_other_number_of_vectors(struct http_exchange *ex)
{
    respond(ex, 200, "{\"data\":[{\"index\":0,\"embedding\":[1.0]}],\"usage\":{\"prompt_tokens\":9}}");
}

static void embeddings_that_do_not_fit_the_question_are_an_error(void **state)
{
    (void)state;
    play = play_other_number_of_vectors;
    struct answer answer;
    embed(MODEL_EMBED, &answer);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    assert_int_equal(answer.vector_count, 0);
}

static void count_is_the_servers_own(void **state)
{
    (void)state;
    play = play_text;
    const struct chat_part part = { .type = CHAT_TEXT, .text = VIEW_INIT("x") };
    const struct chat_message message = { CHAT_USER, &part, 1 };
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_COUNT;
    request.model = VIEW("far");
    request.generate.messages = &message;
    request.generate.message_count = 1;
    struct answer answer;
    rig_submit(&rig, &request, &answer);
    rig_run(&rig);
    assert_int_equal(answer.end.usage.input_tokens, 12);
    assert_int_equal(answer.end.usage.output_tokens, 0);
    assert_int_equal(answer.deltas, 0);
    assert_non_null(strstr(asked, "\"max_tokens\":1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(streamed_answer_arrives_with_its_real_usage),
        TEST(every_failure_is_told_as_what_it_is),
        TEST(server_that_is_down_is_an_error),
        TEST(cancelled_call_closes_its_connection),
        TEST(tool_call_comes_in_fragments),
        TEST(embeddings_are_put_in_order),
        TEST(embeddings_that_do_not_fit_the_question_are_an_error),
        TEST(count_is_the_servers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
