#include "body.h"

#include "elastic/infer.h"

static int make_arena(void **state)
{
    *state = arena_create(8 << 20);
    return *state == NULL;
}

static int drop_arena(void **state)
{
    arena_destroy(*state);
    return 0;
}

static struct endpoint endpoint_of(enum elastic_task task, enum elastic_provider provider)
{
    struct endpoint endpoint = { .id = VIEW("e"), .task = task, .provider = provider, .model = VIEW("m") };
    task_settings_init(&endpoint.settings);
    return endpoint;
}

static bool read_body(struct arena *arena, const struct endpoint *endpoint, const char *body, struct elastic_error *error,
                      struct model_request *out)
{
    error_init(error, arena);
    model_request_init(out);
    return infer_read(body_of(arena, body), endpoint, error, out);
}

static void each_input_of_a_completion_is_the_user_speaking(void **state)
{
    struct endpoint endpoint = endpoint_of(TASK_COMPLETION, PROVIDER_AMAZONTITAN);
    struct elastic_error error;
    struct model_request request;
    assert_true(read_body(*state, &endpoint, "{'input': ['one', 'two']}", &error, &request));
    assert_int_equal(request.kind, MODEL_GENERATE);
    assert_int_equal(request.generate.message_count, 1); /* templates want roles to alternate */
    assert_int_equal(request.generate.messages[0].role, CHAT_USER);
    assert_int_equal(request.generate.messages[0].part_count, 2);
    assert_view_is(request.generate.messages[0].parts[1].text, "two");
    assert_int_equal(request.generate.max_tokens, 64);
    assert_true(request.generate.sampling.temperature == MODEL_UNSET_FLOAT);
    assert_int_equal(request.generate.sampling.top_k, -1);
}

static void a_request_overrides_the_endpoints_settings(void **state)
{
    struct endpoint endpoint = endpoint_of(TASK_COMPLETION, PROVIDER_MISTRAL);
    struct elastic_error error;
    struct model_request request;
    endpoint.settings.temperature = 0.5;
    endpoint.settings.max_new_tokens = 10;
    assert_true(read_body(*state, &endpoint, "{'input': 'a', 'task_settings': {'max_new_tokens': 3, 'top_p': 0.25, 'top_k': 0.1}}", &error,
                          &request));
    assert_int_equal(request.generate.max_tokens, 3);
    assert_true(request.generate.sampling.temperature == 0.5F);
    assert_true(request.generate.sampling.top_p == 0.25F);
    assert_int_equal(request.generate.sampling.top_k, 20); /* a tenth of the 200 that Mistral takes */
    assert_true(endpoint.settings.top_p < 0);
}

static void embeddings_take_one_text_or_many_from_every_provider(void **state)
{
    static const enum elastic_provider providers[] = { PROVIDER_AMAZONTITAN, PROVIDER_COHERE };
    struct elastic_error error;
    struct model_request request;
    for (size_t i = 0; i < COUNT_OF(providers); i++) {
        struct endpoint endpoint = endpoint_of(TASK_TEXT_EMBEDDING, providers[i]);
        assert_true(read_body(*state, &endpoint, "{'input': 'a'}", &error, &request));
        assert_int_equal(request.kind, MODEL_EMBED);
        assert_int_equal(request.embed.text_count, 1);
        assert_true(read_body(*state, &endpoint, "{'input': ['a', 'b', 'c']}", &error, &request));
        assert_int_equal(request.embed.text_count, 3);
        assert_view_is(request.embed.texts[2], "c");
    }
}

static void input_types_are_purposes_for_cohere_alone(void **state)
{
    static const struct {
        const char *body;
        enum embed_purpose purpose;
    } cases[] = {
        { "{'input': 'a'}", EMBED_DOCUMENT },
        { "{'input': 'a', 'input_type': 'search'}", EMBED_QUERY },
        { "{'input': 'a', 'input_type': 'SEARCH'}", EMBED_QUERY },
        { "{'input': 'a', 'input_type': 'internal_search'}", EMBED_QUERY },
        { "{'input': 'a', 'input_type': 'Ingest'}", EMBED_DOCUMENT },
        { "{'input': 'a', 'input_type': 'internal_ingest'}", EMBED_DOCUMENT },
        { "{'input': 'a', 'input_type': 'classification'}", EMBED_SYMMETRIC },
        { "{'input': 'a', 'input_type': 'clustering'}", EMBED_SYMMETRIC },
    };
    struct endpoint cohere = endpoint_of(TASK_TEXT_EMBEDDING, PROVIDER_COHERE);
    struct endpoint titan = endpoint_of(TASK_TEXT_EMBEDDING, PROVIDER_AMAZONTITAN);
    struct elastic_error error;
    struct model_request request;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(read_body(*state, &cohere, cases[i].body, &error, &request));
        assert_int_equal(request.embed.purpose, cases[i].purpose);
        assert_true(read_body(*state, &titan, cases[i].body, &error, &request));
        assert_int_equal(request.embed.purpose, EMBED_SYMMETRIC);
    }
}

static void cohere_truncates_as_it_is_told_and_titan_never(void **state)
{
    static const struct {
        const char *body;
        enum embed_truncate truncate;
    } cases[] = {
        { "{'input': 'a'}", EMBED_TRUNCATE_REFUSE },
        { "{'input': 'a', 'task_settings': {'truncate': 'NONE'}}", EMBED_TRUNCATE_REFUSE },
        { "{'input': 'a', 'task_settings': {'truncate': 'start'}}", EMBED_TRUNCATE_START },
        { "{'input': 'a', 'task_settings': {'truncate': 'END'}}", EMBED_TRUNCATE_END },
    };
    struct endpoint cohere = endpoint_of(TASK_TEXT_EMBEDDING, PROVIDER_COHERE);
    struct endpoint titan = endpoint_of(TASK_TEXT_EMBEDDING, PROVIDER_AMAZONTITAN);
    struct elastic_error error;
    struct model_request request;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(read_body(*state, &cohere, cases[i].body, &error, &request));
        assert_int_equal(request.embed.truncate, cases[i].truncate);
    }
    assert_true(read_body(*state, &titan, "{'input': 'a'}", &error, &request));
    assert_int_equal(request.embed.truncate, EMBED_TRUNCATE_WINDOWS);
}

static const struct {
    enum elastic_task task;
    const char *body, *type, *reason;
} refusals[] = {
    { TASK_COMPLETION, "{}", ERROR_REQUEST, "Validation Failed: 1: Field [input] cannot be null;" },
    { TASK_COMPLETION, "{'input': []}", ERROR_REQUEST, "Validation Failed: 1: Field [input] cannot be an empty array;" },
    { TASK_COMPLETION, "{'input': 'a', 'input_type': 'search'}", ERROR_REQUEST,
      "Validation Failed: 1: Field [input_type] cannot be specified for task type [completion];" },
    { TASK_COMPLETION, "{'input': 'a', 'query': 'b'}", ERROR_REQUEST,
      "Validation Failed: 1: Field [query] cannot be specified for task type [completion];" },
    { TASK_TEXT_EMBEDDING, "{'input': 'a', 'top_n': 1}", ERROR_REQUEST,
      "Validation Failed: 1: Field [top_n] cannot be specified for task type [text_embedding];" },
    { TASK_TEXT_EMBEDDING, "{'input': 'a', 'return_documents': false}", ERROR_REQUEST,
      "Validation Failed: 1: Field [return_documents] cannot be specified for task type [text_embedding];" },
    { TASK_TEXT_EMBEDDING, "{'input': 'a', 'x': 1, 'y': 2}", ERROR_PARSE, "[inference_action_request] unknown field [x, y]" },
    { TASK_TEXT_EMBEDDING, "{'input': {'a': 1}}", ERROR_PARSE, "[inference_action_request] input doesn't support values of type: object" },
    { TASK_TEXT_EMBEDDING, "{'input': ['a', null]}", ERROR_PARSE,
      "[inference_action_request] input doesn't support values of type: null, at element 1" },
    { TASK_TEXT_EMBEDDING, "{'input': 'a', 'input_type': 4}", ERROR_STATUS,
      "Unrecognized input_type [4], must be one of [CLASSIFICATION, CLUSTERING, INGEST, SEARCH]" },
    { TASK_TEXT_EMBEDDING, "{'input': 'a', 'task_settings': []}", ERROR_PARSE,
      "[inference_action_request] task_settings doesn't support values of type: array" },
    { TASK_COMPLETION, "{'input': ['a', ' \\n']}", ERROR_STATUS, "The input at element 1 is blank. Add text to it, and try again." },
    { TASK_COMPLETION, "{'input': 'a', 'task_settings': {'top_k': 0.5}}", ERROR_STATUS,
      "The [top_k] task parameter is not available for provider [amazontitan]" },
    { TASK_COMPLETION, "{'input': 'a', 'task_settings': {'temperature': -1.0}}", ERROR_VALIDATION,
      "Validation Failed: 1: [task_settings] Invalid value [-1.0]. [temperature] must be a greater than or equal to [0.0];" },
};

static void wrong_bodies_get_their_messages(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct endpoint endpoint = endpoint_of(refusals[i].task, PROVIDER_AMAZONTITAN);
        struct elastic_error error;
        struct model_request request;
        assert_false(read_body(*state, &endpoint, refusals[i].body, &error, &request));
        assert_string_equal(error.reason, refusals[i].reason);
        assert_string_equal(error.type, refusals[i].type);
        assert_int_equal(error.status, 400);
    }
}

static void the_probe_is_small(void **state)
{
    struct endpoint completion = endpoint_of(TASK_COMPLETION, PROVIDER_META);
    struct endpoint embedding = endpoint_of(TASK_TEXT_EMBEDDING, PROVIDER_COHERE);
    struct model_request request;
    model_request_init(&request);
    infer_probe(&embedding, *state, &request);
    assert_int_equal(request.kind, MODEL_EMBED);
    assert_view_is(request.embed.texts[0], "how big");
    model_request_init(&request);
    infer_probe(&completion, *state, &request);
    assert_int_equal(request.kind, MODEL_GENERATE);
    assert_true(request.generate.max_tokens > 0 && request.generate.max_tokens < 16);
}

static void errors_have_both_forms(void **state)
{
    struct elastic_error error;
    struct buf text = BUF_INIT(4096);
    struct json_writer out;
    error_init(&error, *state);
    error_set(&error, 404, ERROR_NOT_FOUND, "no %s", "luck");
    error_set(&error, 500, ERROR_STATUS, "the first one stays");
    json_writer_init(&out, &text);
    error_write(&error, false, &out);
    assert_string_equal(quoted(*state, buf_view(&text)),
                        "{'error':{'root_cause':[{'type':'resource_not_found_exception','reason':'no luck'}],"
                        "'type':'resource_not_found_exception','reason':'no luck'},'status':404}");
    buf_clear(&text);
    json_writer_init(&out, &text);
    error_write_unified(&error, &out);
    assert_string_equal(quoted(*state, buf_view(&text)),
                        "{'error':{'code':'not_found','message':'no luck','type':'resource_not_found_exception'}}");
    error_wrap(&error, "outer");
    buf_clear(&text);
    json_writer_init(&out, &text);
    error_write(&error, true, &out);
    const char *wrapped = quoted(*state, buf_view(&text));
    assert_non_null(strstr(wrapped, "'caused_by':{'type':'resource_not_found_exception','reason':'no luck'}"));
    assert_non_null(strstr(wrapped, "'stack_trace':"));
    assert_non_null(strstr(wrapped, "'status':400"));
    buf_free(&text);
}

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(each_input_of_a_completion_is_the_user_speaking),
        ARENA_TEST(a_request_overrides_the_endpoints_settings),
        ARENA_TEST(embeddings_take_one_text_or_many_from_every_provider),
        ARENA_TEST(input_types_are_purposes_for_cohere_alone),
        ARENA_TEST(cohere_truncates_as_it_is_told_and_titan_never),
        ARENA_TEST(wrong_bodies_get_their_messages),
        ARENA_TEST(the_probe_is_small),
        ARENA_TEST(errors_have_both_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
