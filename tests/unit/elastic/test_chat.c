#include "body.h"

#include "elastic/infer.h"

struct fixture {
    struct arena *arena;
    struct endpoint endpoint;
    struct buf out;
    struct infer_stream stream;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->arena = arena_create(8 << 20);
    f->endpoint = (struct endpoint){ .id = VIEW("c"), .task = TASK_CHAT_COMPLETION, .provider = PROVIDER_ANTHROPIC, .model = VIEW("m") };
    task_settings_init(&f->endpoint.settings);
    buf_init(&f->out, 1 << 20);
    f->stream = (struct infer_stream){ .out = &f->out, .id = VIEW("id-1"), .model = VIEW("m"), .chat = true };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buf_free(&f->out);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static bool read_chat(struct fixture *f, const char *body, struct elastic_error *error, struct model_request *out, struct view *model)
{
    error_init(error, f->arena);
    model_request_init(out);
    return chat_read(body_of(f->arena, body), &f->endpoint, error, out, model);
}

static void a_conversation_with_tools_is_read(void **state)
{
    struct elastic_error error;
    struct model_request request;
    struct view model;
    assert_true(read_chat(*state,
                          "{'messages': [{'role': 'system', 'content': 's'}, {'role': 'user', 'content': [{'type': 'text', 'text': "
                          "'hi'}]}, "
                          "{'role': 'assistant', 'tool_calls': [{'id': 't1', 'type': 'function', 'function': {'name': 'f', "
                          "'arguments': '{}'}}]}, "
                          "{'role': 'tool', 'tool_call_id': 't1', 'content': 'rain'}], 'tools': [{'type': 'function', 'function': "
                          "{'name': 'f', "
                          "'parameters': {'type': 'object'}}}], 'tool_choice': 'required', 'max_completion_tokens': 9, 'temperature': 0.5, "
                          "'top_p': 1, 'stop': ['END'], 'model': 'other'}",
                          &error, &request, &model));
    const struct generate_request *generate = &request.generate;
    assert_int_equal(generate->message_count, 4);
    assert_int_equal(generate->messages[0].role, CHAT_SYSTEM);
    assert_int_equal(generate->messages[3].role, CHAT_TOOL);
    assert_int_equal(generate->tool_count, 1);
    assert_int_equal(generate->tool_choice, TOOL_CHOICE_ANY);
    assert_int_equal(generate->max_tokens, 9);
    assert_true(generate->sampling.temperature == 0.5F && generate->sampling.top_p == 1.0F);
    assert_int_equal(generate->stop_count, 1);
    assert_view_is(model, "other");
}

static void what_a_chat_leaves_out_is_the_endpoints(void **state)
{
    struct fixture *f = *state;
    struct elastic_error error;
    struct model_request request;
    struct view model;
    f->endpoint.settings.max_new_tokens = 33;
    f->endpoint.settings.temperature = 0.25;
    assert_true(read_chat(f, "{'messages': [{'role': 'user', 'content': 'hi'}]}", &error, &request, &model));
    assert_int_equal(request.generate.max_tokens, 33);
    assert_true(request.generate.sampling.temperature == 0.25F);
    assert_true(request.generate.sampling.top_p == MODEL_UNSET_FLOAT);
    assert_view_is(model, "m");
}

static void wrong_chats_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{'messages': 'hi'}",
        "{'messages': []}",
        "{'messages': [{'role': 'king', 'content': 'x'}]}",
        "{'messages': [{'content': 'x'}]}",
        "{'messages': [{'role': 'user', 'content': 7}]}",
        "{'messages': [{'role': 'user', 'content': 'x'}], 'colour': 1}",
        "{'messages': [{'role': 'user', 'content': 'x'}], 'max_completion_tokens': 0}",
        "{'messages': [{'role': 'user', 'content': 'x'}], 'temperature': 'hot'}",
        "{'messages': [{'role': 'user', 'content': 'x'}], 'top_p': 2}",
        "{'messages': [{'role': 'user', 'content': 'x'}], 'tools': [{}]}",
        "{'messages': [{'role': 'user', 'content': 'x'}], 'tool_choice': {'type': 'function', 'function': {'name': 'f'}}}",
        "{'messages': [{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'http://x'}}]}]}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct elastic_error error;
        struct model_request request;
        struct view model;
        assert_false(read_chat(*state, bodies[i], &error, &request, &model));
        assert_int_equal(error.status, 400);
        assert_true(strlen(error.reason) > 0);
    }
}

static void chat_chunks_are_flat(void **state)
{
    struct fixture *f = *state;
    const struct engine_end end = { .status = ENGINE_OK, .reason = GEN_TOOL_USE, .usage = { .input_tokens = 5, .output_tokens = 7 } };
    stream_delta(&f->stream, &(struct gen_delta){ .type = GEN_BEGIN, .input_tokens = 5 });
    assert_int_equal(f->out.len, 0);
    stream_delta(&f->stream, &(struct gen_delta){ .type = GEN_TEXT, .text = VIEW("Hi") });
    stream_delta(&f->stream, &(struct gen_delta){ .type = GEN_TOOL_START, .id = VIEW("t1"), .name = VIEW("f") });
    stream_delta(&f->stream, &(struct gen_delta){ .type = GEN_TOOL_ARGUMENTS, .text = VIEW("{}") });
    stream_end(&f->stream, &end);
    assert_false(f->stream.failed);
    assert_string_equal(
        quoted(f->arena, buf_view(&f->out)),
        "event: message\ndata: {'id':'id-1','choices':[{'delta':{'role':'assistant','content':'Hi'},'index':0}],'model':'m',"
        "'object':'chat.completion.chunk'}\n\n"
        "event: message\ndata: {'id':'id-1','choices':[{'delta':{'tool_calls':[{'index':0,'id':'t1','function':{'arguments':'','name':'f'},"
        "'type':'function'}]},'index':0}],'model':'m','object':'chat.completion.chunk'}\n\n"
        "event: message\ndata: {'id':'id-1','choices':[{'delta':{'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]},'index':0}],"
        "'model':'m','object':'chat.completion.chunk'}\n\n"
        "event: message\ndata: {'id':'id-1','choices':[{'delta':{},'finish_reason':'tool_calls','index':0}],'model':'m',"
        "'object':'chat.completion.chunk'}\n\n"
        "event: message\ndata: {'id':'id-1','choices':[],'model':'m','object':'chat.completion.chunk','usage':{'completion_tokens':7,"
        "'prompt_tokens':5,'total_tokens':12}}\n\n"
        "event: message\ndata: [DONE]\n\n");
}

static void reasons_are_openais_words(void **state)
{
    static const struct {
        enum gen_reason reason;
        const char *word;
    } cases[] = { { GEN_END, "'stop'" }, { GEN_STOP_SEQUENCE, "'stop'" }, { GEN_MAX_TOKENS, "'length'" }, { GEN_TOOL_USE,
        "'tool_calls'" } };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct engine_end end = { .reason = cases[i].reason };
        buf_clear(&f->out);
        stream_end(&f->stream, &end);
        assert_non_null(strstr(quoted(f->arena, buf_view(&f->out)), cases[i].word));
    }
}

static void a_completion_streams_deltas(void **state)
{
    struct fixture *f = *state;
    const struct engine_end end = { .status = ENGINE_OK };
    f->stream.chat = false;
    stream_delta(&f->stream, &(struct gen_delta){ .type = GEN_REASONING, .text = VIEW("hm") });
    stream_delta(&f->stream, &(struct gen_delta){ .type = GEN_TEXT, .text = VIEW("a\nb") });
    stream_end(&f->stream, &end);
    assert_string_equal(quoted(f->arena, buf_view(&f->out)),
                        "event: message\ndata: {'completion':[{'delta':'a\\nb'}]}\n\nevent: message\ndata: [DONE]\n\n");
}

static void a_broken_stream_ends_with_an_error_event(void **state)
{
    struct fixture *f = *state;
    struct elastic_error error;
    error_init(&error, f->arena);
    error_set(&error, 500, ERROR_STATUS, "gone");
    stream_error(&f->stream, &error);
    assert_string_equal(quoted(f->arena, buf_view(&f->out)),
                        "event: error\ndata: {'error':{'code':'internal_server_error','message':'gone','type':'status_exception'}}\n\n");
    buf_clear(&f->out);
    f->stream.chat = false;
    stream_error(&f->stream, &error);
    assert_non_null(strstr(quoted(f->arena, buf_view(&f->out)), "event: error\ndata: {'error':{'root_cause':"));
}

static void each_text_of_an_answer_is_a_result(void **state)
{
    struct fixture *f = *state;
    const struct gen_delta deltas[] = {
        { .type = GEN_REASONING, .text = VIEW("hm") }, { .type = GEN_TEXT, .text = VIEW("Par") }, { .type = GEN_TEXT, .text = VIEW("is") }
    };
    struct answer answer;
    struct json_writer out;
    answer_init(&answer, f->arena);
    answer_add(&answer, deltas, COUNT_OF(deltas));
    json_writer_init(&out, &f->out);
    completion_write(&answer, &out);
    assert_string_equal(quoted(f->arena, buf_view(&f->out)), "{'completion':[{'result':'Paris'}]}");
    answer_free(&answer);
}

#define CHAT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAT_TEST(a_conversation_with_tools_is_read),
        CHAT_TEST(what_a_chat_leaves_out_is_the_endpoints),
        CHAT_TEST(wrong_chats_are_refused),
        CHAT_TEST(chat_chunks_are_flat),
        CHAT_TEST(reasons_are_openais_words),
        CHAT_TEST(a_completion_streams_deltas),
        CHAT_TEST(a_broken_stream_ends_with_an_error_event),
        CHAT_TEST(each_text_of_an_answer_is_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
