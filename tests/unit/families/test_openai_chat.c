#include "dialogue.h"

DIALOGUE_FIXTURE(&family_openai_chat, "qwen.qwen3-32b-v1:0")

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"

static void every_role_and_kind_of_content_is_read(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"messages\":[{\"role\":\"developer\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":[{"
                     "\"type\":\"text\","
                     "\"text\":\"Rain?\"}],\"name\":\"me\"},{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\","
                     "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{"
                     "\\\"a\\\":1}\"}}]},"
                     "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"Sunny\"},{\"role\":\"user\",\"content\":\"So?\"}]}");
    assert_view_is(dialogue_messages(d), "system: Be kind.\nuser: Rain?\nassistant: (thought) hm (call) look\n"
                                         "tool: (result) lookSunny\nuser: So?");
    assert_view_is(json_number_text(json_get(d->request.generate.messages[2].parts[1].arguments, "a")), "1");
}

static void sampling_is_taken_over(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO ",\"max_completion_tokens\":9,\"temperature\":0.1,\"top_p\":0.5,\"top_k\":-1,\"min_p\":0.1,\"seed\":3,"
                               "\"stop\":\"END\","
                     "\"frequency_penalty\":1,\"repetition_penalty\":1.1,\"reasoning_effort\":\"low\",\"logprobs\":true,\"n\":1}");
    const struct generate_request *generate = &d->request.generate;
    assert_int_equal(generate->max_tokens, 9);
    assert_int_equal(generate->sampling.top_k, 0);
    assert_float_equal(generate->sampling.min_p, 0.1, 1e-6);
    assert_float_equal(generate->sampling.repeat_penalty, 1.1, 1e-6);
    assert_int_equal(generate->sampling.seed, 3);
    assert_view_is(generate->stops[0], "END");
    assert_true(generate->want_logprobs);
}

static void model_and_stream_must_agree_with_the_call(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO ",\"model\":\"qwen.qwen3-32b-v1:0\",\"stream\":false}");
    assert_refused(d, "{" HELLO ",\"model\":\"gpt-5\"}",
                   "The model in the request body must be the one that is called, qwen.qwen3-32b-v1:0.");
    assert_refused(d, "{" HELLO ",\"stream\":true}",
                   "The stream field must be false, or absent: use InvokeModelWithResponseStream to stream.");
    d->in.streaming = true;
    assert_parses(d, "{" HELLO ",\"stream\":true}");
    assert_refused(d, "{" HELLO ",\"stream\":false}", "The stream field must be true, or absent, in a streaming call.");
}

static void tools_and_formats_constrain_the_answer(void **state)
{
    struct dialogue *d = *state;
    static const char tools[] = "{" HELLO ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\",\"parameters\":{}}}],"
                                "\"tool_choice\":%s}";
    char body[512];
    snprintf(body, sizeof(body), tools, "\"required\"");
    assert_parses(d, body);
    assert_int_equal(d->request.generate.tool_choice, TOOL_CHOICE_ANY);
    snprintf(body, sizeof(body), tools, "{\"type\":\"function\",\"function\":{\"name\":\"look\"}}");
    assert_parses(d, body);
    assert_view_is(d->request.generate.tool_name, "look");
    snprintf(body, sizeof(body), tools, "{\"type\":\"function\",\"function\":{\"name\":\"fly\"}}");
    assert_refused(d, body, MALFORMED("#/tool_choice: it must name one of the tools"));
    assert_parses(d, "{" HELLO ",\"response_format\":{\"type\":\"json_object\"}}");
    assert_true(d->request.generate.has_json_schema);
    assert_parses(d, "{" HELLO ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{"
                               "\"type\":\"array\"}}}}");
    assert_view_is(json_get_string(d->request.generate.json_schema, "type"), "array");
    assert_parses(d, "{" HELLO ",\"response_format\":{\"type\":\"text\"}}");
    assert_false(d->request.generate.has_json_schema);
    assert_refused(d, "{" HELLO ",\"response_format\":{\"type\":\"xml\"}}",
                   MALFORMED("#/response_format: it must be of type text, json_object, or json_schema with a schema"));
}

static void what_it_cannot_do_is_refused_by_name(void **state)
{
    assert_refused(*state, "{" HELLO ",\"n\":2}",
                   "This server doesn't support the value at /n for this model. Use 1, or remove it, and try again.");
    assert_refused(*state, "{" HELLO ",\"top_logprobs\":5}",
                   "This server doesn't support the value at /top_logprobs for this model. Use 0, or remove it, and try again.");
    assert_refused(*state, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,"
                           "\"}}]}]}",
                   "This model doesn't support images. Use a model that takes images, or remove them, and try again.");
    assert_refused(*state, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"tool_calls\":[{\"function\":"
                           "{\"name\":\"f\",\"arguments\":\"[]\"}}]}]}",
                   MALFORMED("#/messages/1/tool_calls/0/function/arguments: not a JSON object"));
}

static void the_answer_is_a_chat_completion(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_tool_call call = { VIEW_INIT("c1"), VIEW_INIT("look"), VIEW_INIT("{\"a\":1}") };
    static const struct token_prob prob = { VIEW_INIT("a"), -0.5f, -1 };
    assert_parses(d, "{" HELLO "}");
    d->end.reason = GEN_TOOL_USE;
    dialogue_result(d, &(struct gen_result){ .reasoning = VIEW("hm"), .tool_calls = &call, .tool_call_count = 1, .probs = &prob,
                                             .prob_count = 1, .end = &d->end });
    assert_at(d, "/object", "chat.completion");
    assert_at(d, "/model", "qwen.qwen3-32b-v1:0");
    assert_true(json_is(dialogue_at(d, "/choices/0/message/content"), JSON_NULL));
    assert_at(d, "/choices/0/message/reasoning_content", "hm");
    assert_at(d, "/choices/0/message/tool_calls/0/function/arguments", "{\"a\":1}");
    assert_at(d, "/choices/0/message/tool_calls/0/type", "function");
    assert_at(d, "/choices/0/logprobs/content/0/token", "a");
    assert_at(d, "/choices/0/finish_reason", "tool_calls");
    assert_view_is(json_number_text(dialogue_at(d, "/usage/total_tokens")), "10");
}

static void gpt_oss_thinks_inside_its_content(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_delta deltas[] = { { .type = GEN_REASONING, .text = VIEW_INIT("hm") }, TEXT_DELTA("Hi") };
    d->model.id = VIEW("openai.gpt-oss-20b-1:0");
    assert_parses(d, "{" HELLO "}");
    d->end.reason = GEN_END;
    dialogue_result(d, &(struct gen_result){ .text = VIEW("Hi"), .reasoning = VIEW("hm"), .end = &d->end });
    assert_at(d, "/choices/0/message/content", "<reasoning>hm</reasoning>Hi");

    struct view text = dialogue_stream(d, deltas, COUNT_OF(deltas), GEN_END);
    static const char *const pieces[] = { "\"content\":\"\"", "<reasoning>", "\"hm\"", "</reasoning>", "\"Hi\"", "\"usage\"" };
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        assert_true(view_find(view_split(&text, '\n'), view_from_cstr(pieces[i])) != VIEW_NPOS);
    assert_null(text.ptr);
}

static void a_stream_of_chunks_ends_with_usage_and_metrics(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_delta deltas[] = {
        TEXT_DELTA("Hi"),
        { .type = GEN_TOOL_START, .id = VIEW_INIT("c1"), .name = VIEW_INIT("look") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW_INIT("{}") },
    };
    d->in.streaming = true;
    assert_parses(d, "{" HELLO "}");
    struct view text = dialogue_stream(d, deltas, COUNT_OF(deltas), GEN_TOOL_USE);
    assert_true(view_ends_with(view_split(&text, '\n'), VIEW("\"model\":\"qwen.qwen3-32b-v1:0\",\"choices\":[{\"index\":0,\"delta\":"
                                                             "{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}")));
    assert_true(view_ends_with(view_split(&text, '\n'), VIEW("\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}")));
    assert_true(view_ends_with(view_split(&text, '\n'),
                               VIEW("\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
                                    "\"name\":\"look\","
                                    "\"arguments\":\"\"}}]},\"finish_reason\":null}]}")));
    assert_true(view_ends_with(view_split(&text, '\n'), VIEW("\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{"
                                                             "}\"}}]},"
                                                             "\"finish_reason\":null}]}")));
    assert_true(view_ends_with(text, VIEW("\"delta\":{},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":7,"
                                          "\"completion_tokens\":3,\"total_tokens\":10}," METRICS "}")));
}

static void a_prompt_is_answered_as_a_completion(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Hi\",\"max_tokens\":5}");
    assert_view_is(dialogue_messages(d), "user: Hi");
    dialogue_text(d, "Hello", GEN_MAX_TOKENS);
    assert_at(d, "/object", "text_completion");
    assert_at(d, "/choices/0/text", "Hello");
    assert_at(d, "/choices/0/finish_reason", "length");
    struct view text = dialogue_two_deltas(d, GEN_END);
    assert_true(view_find(view_split(&text, '\n'), VIEW("\"text\":\"Par\",\"logprobs\":null,\"finish_reason\":null")) != VIEW_NPOS);
}

static void a_prompt_with_max_gen_len_is_answered_as_llama_does(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Hi\",\"max_gen_len\":5}");
    assert_int_equal(d->request.generate.max_tokens, 5);
    dialogue_text(d, "Hello", GEN_END);
    assert_at(d, "/generation", "Hello");
    struct view text = dialogue_two_deltas(d, GEN_END);
    assert_true(view_starts_with(text, VIEW("{\"generation\":\"Par\"")));
}

static void nothing_to_answer_is_a_missing_key(void **state)
{
    assert_refused(*state, "{}", MALFORMED("#: required key [messages] not found"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(every_role_and_kind_of_content_is_read),
        DIALOGUE_TEST(sampling_is_taken_over),
        DIALOGUE_TEST(model_and_stream_must_agree_with_the_call),
        DIALOGUE_TEST(tools_and_formats_constrain_the_answer),
        DIALOGUE_TEST(what_it_cannot_do_is_refused_by_name),
        DIALOGUE_TEST(the_answer_is_a_chat_completion),
        DIALOGUE_TEST(gpt_oss_thinks_inside_its_content),
        DIALOGUE_TEST(a_stream_of_chunks_ends_with_usage_and_metrics),
        DIALOGUE_TEST(a_prompt_is_answered_as_a_completion),
        DIALOGUE_TEST(a_prompt_with_max_gen_len_is_answered_as_llama_does),
        DIALOGUE_TEST(nothing_to_answer_is_a_missing_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
