/* Templates that know tools, from the engine's collection, on the default model's vocabulary. */
#include "answers.h"

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_create(64u << 20);
    return arena == NULL ? -1 : vocab_setup(state);
}

static int teardown(void **state)
{
    arena_destroy(arena);
    return vocab_teardown(state);
}

static struct chat *chat_of(const char *name)
{
    struct chat_error error;
    char path[512];
    snprintf(path, sizeof path, "%s/%s.jinja", TEST_TEMPLATES, name);
    FILE *file = fopen(path, "rb");
    char *source = arena_alloc(arena, 1u << 20);
    assert_non_null(file);
    source[fread(source, 1, (1u << 20) - 1, file)] = '\0';
    fclose(file);
    struct chat *chat = chat_create_from_template(test_model, source, &error);
    if (chat == NULL)
        fail_msg("%s: %s", name, error.message);
    return chat;
}

static const struct chat_part hello_parts[] = { TEXT_PART("Hello") };
static const struct chat_message hello[] = { { CHAT_USER, hello_parts, 1 } };
static struct chat_tool tools[2];

static struct generate_request request_with_tools(enum tool_choice choice)
{
    struct model_request request;
    model_request_init(&request);
    tools[0] = (struct chat_tool){ VIEW("get_weather"), VIEW("Tells the weather."), test_json(arena, WEATHER_SCHEMA) };
    tools[1] = (struct chat_tool){ VIEW("stop"), VIEW("Stops."), NULL };
    request.generate.messages = hello;
    request.generate.message_count = 1;
    request.generate.tools = tools;
    request.generate.tool_count = 2;
    request.generate.tool_choice = choice;
    return request.generate;
}

static struct chat_prompt *render(const struct chat *chat, const struct generate_request *request, const char *name)
{
    struct chat_prompt *prompt = NULL;
    struct chat_error error;
    if (chat_render(chat, request, &prompt, &error) != CHAT_OK)
        fail_msg("%s: %s", name, error.message);
    return prompt;
}

/* What a model of each template answers, and what must come out. */
static const struct {
    const char *name;
    const char *answer, *text, *reasoning, *calls;
    bool tools_of_its_own;
} answers[] = {
    { "meta-llama-Llama-3.1-8B-Instruct", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Oslo\"}}", "", "",
      "get_weather({\"city\": \"Oslo\"});", true },
    { "meta-llama-Llama-3.2-3B-Instruct", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Oslo\", \"days\": 2}}", "", "",
      "get_weather({\"city\": \"Oslo\", \"days\": 2});", true },
    { "meta-llama-Llama-3.3-70B-Instruct", "It rains.", "It rains.", "", "", true },
    { "Qwen-Qwen2.5-7B-Instruct",
      "Let me look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "Let me look.",
      "", "get_weather({\"city\": \"Oslo\"});", true },
    { "Qwen-Qwen3-0.6B",
      "<think>\nRain?\n</think>\n\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "",
      "Rain?", "get_weather({\"city\": \"Oslo\"});", true },
    { "Qwen-Qwen3-0.6B", "<think>\nA greeting.\n</think>\n\nHello.", "Hello.", "A greeting.", "", true },
    { "Qwen3-Coder", "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>", "", "",
      "get_weather({\"city\":\"Oslo\"});", true },
    { "mistralai-Mistral-Nemo-Instruct-2407",
      "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}, \"id\": \"123456789\"}]", "", "",
      "get_weather({\"city\": \"Oslo\"});", true },
    { "mistralai-Mistral-Nemo-Instruct-2407", "It rains.", "It rains.", "", "", true },
    { "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "", "",
      "get_weather({\"city\": \"Oslo\"});", true },
    { "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
      "<|START_THINKING|>Look.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get_weather\", "
      "\"parameters\": "
      "{\"city\": \"Oslo\"}}\n]<|END_ACTION|>",
      "", "Look.", "get_weather({\"city\": \"Oslo\"});", true },
    { "ibm-granite-granite-4.0", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "",
      "", "get_weather({\"city\": \"Oslo\"});", true },
    { "openai-gpt-oss-120b", "<|channel|>analysis<|message|>Look.<|end|><|start|>assistant<|channel|>final<|message|>It rains.",
      "It rains.", "Look.", "", true },
    { "openai-gpt-oss-120b", "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Oslo\"}", "",
      "", "get_weather({\"city\": \"Oslo\"});", true },
    { "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
      "Look.\n</think>\n\nSo.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "So.",
      "Look.", "get_weather({\"city\": \"Oslo\"});", false },
    { "google-gemma-2-2b-it", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>", "", "",
      "get_weather({\"city\": \"Oslo\"});", false },
    { "microsoft-Phi-3.5-mini-instruct", "It rains.", "It rains.", "", "", false },
};

static void each_template_renders_tools_and_reads_calls_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct chat *chat = chat_of(answers[i].name);
        struct generate_request request = request_with_tools(TOOL_CHOICE_AUTO);
        struct chat_prompt *prompt = render(chat, &request, answers[i].name);
        assert_int_equal(chat_knows_tools(chat), answers[i].tools_of_its_own);
        assert_true(view_find(chat_prompt_text(prompt), VIEW("get_weather")) != VIEW_NPOS);
        for (size_t piece = 1; piece < 40; piece += 3) {
            struct answer answer = answer_parse(prompt, view_from_cstr(answers[i].answer), piece, false);
            if (getenv("TEST_VERBOSE"))
                printf("%s %zu\n", answers[i].name, piece);
            assert_int_equal(answer.status, CHAT_OK);
            assert_view_is(buf_view(&answer.text), answers[i].text);
            assert_view_is(buf_view(&answer.reasoning), answers[i].reasoning);
            assert_view_is(buf_view(&answer.calls), answers[i].calls);
            answer_free(&answer);
        }
        chat_prompt_destroy(prompt);
        chat_destroy(chat);
    }
}

static void arguments_of_native_calls_stream(void **state)
{
    (void)state;
    struct chat *chat = chat_of("Qwen-Qwen2.5-7B-Instruct");
    struct generate_request request = request_with_tools(TOOL_CHOICE_AUTO);
    struct chat_prompt *prompt = render(chat, &request, "Qwen2.5");
    struct answer answer = answer_parse(
        prompt, VIEW("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo and Bergen\"}}\n</tool_call>"), 2, false);
    assert_true(answer.fragments > 4);
    answer_free(&answer);
    chat_prompt_destroy(prompt);
    chat_destroy(chat);
}

static void a_forced_call_is_enforced_in_the_templates_form(void **state)
{
    (void)state;
    static const struct {
        const char *name, *good, *bad;
    } cases[] = {
        { "Qwen-Qwen2.5-7B-Instruct", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>",
          "It rains." },
        { "meta-llama-Llama-3.2-3B-Instruct", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Oslo\"}}", "It rains." },
        { "google-gemma-2-2b-it", " \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}", "It rains." },
        { "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", " \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}", "It rains." },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct chat *chat = chat_of(cases[i].name);
        struct generate_request request = request_with_tools(TOOL_CHOICE_ANY);
        struct chat_prompt *prompt = render(chat, &request, cases[i].name);
        assert_true(answer_allowed(prompt, view_from_cstr(cases[i].good)));
        assert_false(answer_allowed(prompt, view_from_cstr(cases[i].bad)));
        struct answer answer = answer_parse(prompt, view_from_cstr(cases[i].good), 5, false);
        assert_view_is(buf_view(&answer.calls), "get_weather({\"city\": \"Oslo\"});");
        answer_free(&answer);
        chat_prompt_destroy(prompt);
        chat_destroy(chat);
    }
}

static void earlier_calls_and_results_are_rendered(void **state)
{
    (void)state;
    static const char *names[] = { "meta-llama-Llama-3.1-8B-Instruct", "Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B",
                                   "mistralai-Mistral-Nemo-Instruct-2407", "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
                                   "CohereForAI-c4ai-command-r7b-12-2024-tool_use", "openai-gpt-oss-120b", "google-gemma-2-2b-it" };
    const struct json *arguments = test_json(arena, "{\"city\":\"Tromso\"}");
    const struct chat_part call[] = {
        { .type = CHAT_TOOL_CALL, .id = VIEW_INIT("abcdefghi"), .name = VIEW_INIT("get_weather"), .arguments = arguments }
    };
    static const struct chat_part result[] = { { .type = CHAT_TOOL_RESULT, .id = VIEW_INIT("abcdefghi"), .text = VIEW_INIT("a storm") } };
    const struct chat_message messages[] = { hello[0], { CHAT_ASSISTANT, call, 1 }, { CHAT_USER, result, 1 } };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct chat *chat = chat_of(names[i]);
        struct generate_request request = request_with_tools(TOOL_CHOICE_AUTO);
        request.messages = messages;
        request.message_count = COUNT_OF(messages);
        struct chat_prompt *prompt = render(chat, &request, names[i]);
        size_t called = view_find(chat_prompt_text(prompt), VIEW("Tromso"));
        size_t answered = view_find(chat_prompt_text(prompt), VIEW("a storm"));
        if (called == VIEW_NPOS || answered == VIEW_NPOS || called > answered)
            fail_msg("%s: " VIEW_FMT, names[i], VIEW_ARG(chat_prompt_text(prompt)));
        chat_prompt_destroy(prompt);
        chat_destroy(chat);
    }
}

static void a_schema_binds_answers_of_templates_that_think(void **state)
{
    (void)state;
    struct chat *chat = chat_of("Qwen-Qwen3-0.6B");
    struct generate_request request = request_with_tools(TOOL_CHOICE_NONE);
    request.has_json_schema = true;
    request.json_schema = test_json(arena, WEATHER_SCHEMA);
    struct chat_prompt *prompt = render(chat, &request, "Qwen3");
    assert_true(answer_allowed(prompt, VIEW("<think>\nHm.\n</think>\n\n{\"city\": \"Oslo\"}")));
    assert_false(answer_allowed(prompt, VIEW("<think>\nHm.\n</think>\n\nOslo")));
    struct answer answer = answer_parse(prompt, VIEW("<think>\nHm.\n</think>\n\n{\"city\": \"Oslo\"}"), 3, false);
    assert_view_is(buf_view(&answer.text), "{\"city\": \"Oslo\"}");
    assert_view_is(buf_view(&answer.reasoning), "Hm.");
    answer_free(&answer);
    chat_prompt_destroy(prompt);
    chat_destroy(chat);
}

static void a_prefix_is_continued_and_not_repeated(void **state)
{
    (void)state;
    static const char *names[] = { "Qwen-Qwen2.5-7B-Instruct", "meta-llama-Llama-3.1-8B-Instruct", "google-gemma-2-2b-it" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct chat *chat = chat_of(names[i]);
        struct generate_request request = request_with_tools(TOOL_CHOICE_AUTO);
        request.assistant_prefix = VIEW("The weather is");
        struct chat_prompt *prompt = render(chat, &request, names[i]);
        assert_true(view_ends_with(chat_prompt_text(prompt), VIEW("The weather is")));
        struct answer answer = answer_parse(prompt, VIEW(" fine."), 2, false);
        assert_view_is(buf_view(&answer.text), " fine.");
        answer_free(&answer);
        chat_prompt_destroy(prompt);
        chat_destroy(chat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_template_renders_tools_and_reads_calls_back),
        cmocka_unit_test(arguments_of_native_calls_stream),
        cmocka_unit_test(a_forced_call_is_enforced_in_the_templates_form),
        cmocka_unit_test(earlier_calls_and_results_are_rendered),
        cmocka_unit_test(a_schema_binds_answers_of_templates_that_think),
        cmocka_unit_test(a_prefix_is_continued_and_not_repeated),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
