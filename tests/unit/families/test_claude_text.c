#include "dialogue.h"

DIALOGUE_FIXTURE(&family_claude_text, "anthropic.claude-v2")

static void a_prompt_becomes_messages_and_the_human_a_stop(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Be brief.\\n\\nHuman: Hi\\n\\nAssistant: Yes?\\n\\nHuman: Why?\\n\\nAssistant: Because\","
                     "\"max_tokens_to_sample\":300,\"temperature\":0.5,\"stop_sequences\":[\"END\",\"\\n\\nHuman:\"]}");
    const struct generate_request *generate = &d->request.generate;
    assert_view_is(dialogue_messages(d), "system: Be brief.\nuser: Hi\nassistant: Yes?\nuser: Why?");
    assert_view_is(generate->assistant_prefix, "Because");
    assert_int_equal(generate->max_tokens, 300);
    assert_float_equal(generate->sampling.temperature, 0.5, 0);
    assert_int_equal(generate->sampling.top_k, 250);
    assert_int_equal(generate->stop_count, 2);
    assert_view_is(generate->stops[0], "\n\nHuman:");
    assert_view_is(generate->stops[1], "END");
}

static void a_prompt_may_begin_with_human_without_blank_lines(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Human:你是谁?请介绍自己，不少于100字\\n\\nAssistant:\",\"max_tokens_to_sample\":2048,"
                     "\"temperature\":0.5,\"top_p\":0.9}");
    assert_view_is(dialogue_messages(d), "user: 你是谁?请介绍自己，不少于100字");
    assert_int_equal(d->request.generate.assistant_prefix.len, 0);
}

static void a_prompt_without_turns_is_refused_unless_it_is_kept_raw(void **state)
{
    struct dialogue *d = *state;
    assert_refused(d, "{\"prompt\":\"Hello\",\"max_tokens_to_sample\":5}",
                   "Invalid prompt: prompt must start with \"\\n\\nHuman:\" turn, optionally after a system prompt");
    assert_refused(d, "{\"prompt\":\"\\n\\nHuman: Hello\",\"max_tokens_to_sample\":5}",
                   "Invalid prompt: prompt must end with \"\\n\\nAssistant:\" turn");
    d->model.raw_prompt = true;
    assert_parses(d, "{\"prompt\":\"Hello\",\"max_tokens_to_sample\":5}");
    assert_true(d->request.generate.has_raw_prompt);
    assert_view_is(d->request.generate.raw_prompt, "Hello");
}

static void limits_are_those_of_the_family(void **state)
{
    struct dialogue *d = *state;
    assert_refused(d, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\"}", MALFORMED("#: required key [max_tokens_to_sample] not found"));
    assert_refused(d, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\",\"max_tokens_to_sample\":4097}",
                   MALFORMED("#/max_tokens_to_sample: 4097 is not less or equal to 4096"));
    assert_refused(d, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\",\"max_tokens_to_sample\":4096,\"top_k\":501}",
                   MALFORMED("#/top_k: 501 is not less or equal to 500"));
    d->model.max_output_tokens = 8192;
    assert_parses(d, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\",\"max_tokens_to_sample\":4097,\"top_k\":500}");
}

static void a_guardrail_is_never_ignored(void **state)
{
    assert_refused(*state, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\",\"max_tokens_to_sample\":1,"
                           "\"amazon-bedrock-guardrailConfig\":{\"tagSuffix\":\"x\"}}",
                   "This server doesn't support the value at /amazon-bedrock-guardrailConfig for this model. Remove it and try again.");
}

static void the_answer_says_why_it_ended(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\",\"max_tokens_to_sample\":5}");
    assert_view_is(dialogue_text(d, "Paris.", GEN_END),
                   "{\"completion\":\"Paris.\",\"stop_reason\":\"stop_sequence\",\"stop\":\"\\n\\nHuman:\"}");
    assert_view_is(dialogue_text(d, "Par", GEN_MAX_TOKENS), "{\"completion\":\"Par\",\"stop_reason\":\"max_tokens\",\"stop\":null}");
    d->end.stop = VIEW("END");
    assert_view_is(dialogue_text(d, "Par", GEN_STOP_SEQUENCE),
                   "{\"completion\":\"Par\",\"stop_reason\":\"stop_sequence\",\"stop\":\"END\"}");
}

static void a_stream_has_a_completion_in_each_chunk_and_metrics_in_the_last(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"\\n\\nHuman: a\\n\\nAssistant:\",\"max_tokens_to_sample\":5}");
    assert_view_is(dialogue_two_deltas(d, GEN_MAX_TOKENS),
                   "{\"completion\":\"Par\",\"stop_reason\":null,\"stop\":null}\n"
                   "{\"completion\":\"is.\",\"stop_reason\":null,\"stop\":null}\n"
                   "{\"completion\":\"\",\"stop_reason\":\"max_tokens\",\"stop\":null," METRICS "}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(a_prompt_becomes_messages_and_the_human_a_stop),
        DIALOGUE_TEST(a_prompt_may_begin_with_human_without_blank_lines),
        DIALOGUE_TEST(a_prompt_without_turns_is_refused_unless_it_is_kept_raw),
        DIALOGUE_TEST(limits_are_those_of_the_family),
        DIALOGUE_TEST(a_guardrail_is_never_ignored),
        DIALOGUE_TEST(the_answer_says_why_it_ended),
        DIALOGUE_TEST(a_stream_has_a_completion_in_each_chunk_and_metrics_in_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
