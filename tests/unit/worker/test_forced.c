/* The default model with its weights: a call that is forced comes, and validates, whatever the model would rather say. */
#include "answers.h"

#include <math.h>

static struct chat *chat;
static struct arena *arena;
static struct llama_context *context;

static int setup(void **state)
{
    (void)state;
    llama_log_set(test_log_nothing, NULL);
    ggml_backend_load_all_from_path(TEST_ENGINE);
    struct llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers = 0;
    test_model = llama_model_load_from_file(TEST_TEXT_MODEL, model_params);
    if (test_model == NULL)
        return -1;
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = 2048;
    params.n_threads = params.n_threads_batch = 1; /* two would wait for each other where tests share the cores */
    context = llama_init_from_model(test_model, params);
    chat = chat_create(test_model, NULL);
    arena = arena_create(16u << 20);
    return context == NULL || chat == NULL || arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    chat_destroy(chat);
    arena_destroy(arena);
    llama_free(context);
    return vocab_teardown(state);
}

static llama_token choose(struct grammar *grammar, llama_token_data *data, uint32_t seed)
{
    int32_t count = llama_vocab_n_tokens(llama_model_get_vocab(test_model));
    const float *logits = llama_get_logits_ith(context, -1);
    for (llama_token token = 0; token < count; token++)
        data[token] = (llama_token_data){ .id = token, .logit = logits[token] };
    llama_token_data_array candidates = { .data = data, .size = (size_t)count, .selected = -1 };
    assert_true(grammar_apply(grammar, &candidates));
    struct llama_sampler *sampler = llama_sampler_init_dist(seed);
    llama_sampler_apply(sampler, &candidates);
    llama_sampler_free(sampler);
    assert_true(candidates.selected >= 0);
    return candidates.data[candidates.selected].id;
}

/* Generates at temperature 1, and gives the call as "name({...});". */
static struct answer generate(const struct generate_request *request, uint32_t seed, bool *ended)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(test_model);
    struct chat_prompt *prompt;
    struct grammar *grammar;
    struct chat_error error;
    llama_token *tokens;
    size_t count;
    if (chat_render(chat, request, &prompt, &error) != CHAT_OK)
        fail_msg("%s", error.message);
    assert_int_equal(chat_prompt_tokenize(prompt, &tokens, &count, NULL), CHAT_OK);
    assert_int_equal(grammar_create(prompt, &grammar, NULL), CHAT_OK);
    llama_memory_clear(llama_get_memory(context), true);
    struct llama_batch batch = llama_batch_get_one(tokens, (int32_t)count);
    llama_token_data *data = calloc((size_t)llama_vocab_n_tokens(vocab), sizeof *data);
    struct buf bytes = BUF_INIT(1u << 20);
    llama_token token = LLAMA_TOKEN_NULL;
    *ended = false;
    for (int64_t i = 0; i < request->max_tokens && !*ended; i++) {
        assert_int_equal(llama_decode(context, batch), 0);
        token = choose(grammar, data, seed + (uint32_t)i);
        assert_true(grammar_accept(grammar, token));
        *ended = llama_vocab_is_eog(vocab, token);
        char piece[256];
        int32_t len = llama_token_to_piece(vocab, token, piece, sizeof piece, 0, false);
        buf_append(&bytes, piece, len > 0 ? (size_t)len : 0);
        batch = llama_batch_get_one(&token, 1);
    }
    struct answer answer = answer_parse(prompt, buf_view(&bytes), 3, !*ended);
    assert_int_equal(answer.status, CHAT_OK);
    buf_free(&bytes);
    free(data);
    free(tokens);
    grammar_destroy(grammar);
    chat_prompt_destroy(prompt);
    return answer;
}

static const struct chat_part question[] = { TEXT_PART("Tell me a long story about the sea, and do not use any tools.") };
static const struct chat_message messages[] = { { CHAT_USER, question, 1 } };

static struct generate_request request_for(const struct chat_tool *tools, size_t count, enum tool_choice choice)
{
    struct model_request request;
    model_request_init(&request);
    request.generate.messages = messages;
    request.generate.message_count = 1;
    request.generate.tools = tools;
    request.generate.tool_count = count;
    request.generate.tool_choice = choice;
    request.generate.max_tokens = 160;
    return request.generate;
}

static const struct json *arguments_of(const struct answer *answer, struct view *name)
{
    struct view call = buf_view(&answer->calls);
    size_t open = view_find_byte(call, '(');
    assert_int_equal(answer->tool_calls, 1);
    assert_true(open != VIEW_NPOS && call.len > open + 3);
    *name = view_first(call, open);
    const struct json *arguments = json_parse(arena, view_of(call.ptr + open + 1, call.len - open - 3), 64, NULL);
    if (!json_is(arguments, JSON_OBJECT))
        fail_msg(VIEW_FMT, VIEW_ARG(call));
    return arguments;
}

static void a_forced_call_validates_whatever_the_seed(void **state)
{
    (void)state;
    const struct chat_tool tools[] = {
        { VIEW("book"), VIEW("Books a table."),
          test_json(
              arena,
              "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":20},\"size\":{\"type\":\"integer\","
              "\"minimum\":1,\"maximum\":12},\"area\":{\"enum\":[\"inside\",\"outside\"]},\"date\":{\"type\":\"string\",\"format\":"
              "\"date\"},\"dishes\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":12},\"minItems\":1,"
              "\"maxItems\":3}},\"required\":[\"name\",\"size\",\"area\",\"dishes\"],\"additionalProperties\":false}") },
        { VIEW("cancel"), VIEW("Cancels."),
          test_json(arena, "{\"type\":\"object\",\"properties\":{\"sure\":{\"const\":true}},\"required\":[\"sure\"]}") },
    };
    for (uint32_t seed = 1; seed <= 3; seed++) {
        bool ended;
        struct view name;
        struct generate_request request = request_for(tools, seed % 2 == 0 ? 1 : 2, TOOL_CHOICE_ANY);
        struct answer answer = generate(&request, seed * 1000, &ended);
        assert_true(ended);
        const struct json *arguments = arguments_of(&answer, &name);
        if (view_is(name, "cancel")) {
            assert_true(json_bool(json_get(arguments, "sure"), false));
        } else {
            int64_t size = 0;
            const struct json *area = json_get(arguments, "area"), *dishes = json_get(arguments, "dishes");
            assert_view_is(name, "book");
            assert_true(json_is(json_get(arguments, "name"), JSON_STRING));
            assert_true(json_get_i64(arguments, "size", &size) && size >= 1 && size <= 12);
            assert_true(view_is(json_string(area), "inside") || view_is(json_string(area), "outside"));
            assert_true(json_size(dishes) >= 1 && json_size(dishes) <= 3);
            assert_true(json_is(json_at(dishes, 0), JSON_STRING));
        }
        assert_int_equal(answer.text.len, 0);
        answer_free(&answer);
    }
}

static void a_model_that_rambles_in_a_string_comes_to_an_end(void **state)
{
    (void)state;
    const struct chat_tool tools[] = { { VIEW("tell"), VIEW("Tells a story."),
                                         test_json(arena,
                                                   "{\"type\":\"object\",\"properties\":{\"story\":{\"type\":\"string\"},\"moral\":"
                                                   "{\"type\":\"string\"}},\"required\":[\"story\",\"moral\"]}") } };
    bool ended;
    struct view name;
    struct generate_request request = request_for(tools, 1, TOOL_CHOICE_NAMED);
    request.tool_name = VIEW("tell");
    struct answer answer = generate(&request, 77, &ended);
    assert_true(ended);
    arguments_of(&answer, &name);
    answer_free(&answer);
}

static void a_schema_for_the_answer_holds(void **state)
{
    (void)state;
    struct generate_request request = request_for(NULL, 0, TOOL_CHOICE_AUTO);
    request.has_json_schema = true;
    request.json_schema = test_json(
        arena, "{\"type\":\"object\",\"properties\":{\"mood\":{\"enum\":[\"good\",\"bad\"]},\"score\":{\"type\":\"number\","
               "\"minimum\":0,\"maximum\":1}},\"required\":[\"mood\",\"score\"]}");
    bool ended;
    double score = -1;
    struct answer answer = generate(&request, 42, &ended);
    const struct json *json = json_parse(arena, buf_view(&answer.text), 64, NULL);
    assert_true(ended);
    assert_true(json_get_double(json, "score", &score) && score >= 0 && score <= 1);
    assert_true(view_is(json_get_string(json, "mood"), "good") || view_is(json_get_string(json, "mood"), "bad"));
    answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forced_call_validates_whatever_the_seed),
        cmocka_unit_test(a_model_that_rambles_in_a_string_comes_to_an_end),
        cmocka_unit_test(a_schema_for_the_answer_holds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
