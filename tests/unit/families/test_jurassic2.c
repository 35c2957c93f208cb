#include "dialogue.h"

DIALOGUE_FIXTURE(&family_jurassic2, "ai21.j2-ultra-v1")

static void the_body_of_the_source_document_is_taken(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Who are you?\",\"maxTokens\":300,\"temperature\":0.8,\"topP\":1,\"stopSequences\":[],"
                     "\"countPenalty\":{\"scale\":0},\"presencePenalty\":{\"scale\":0},\"frequencyPenalty\":{\"scale\":0}}");
    assert_view_is(dialogue_messages(d), "user: Who are you?");
    assert_int_equal(d->request.generate.max_tokens, 300);
    assert_float_equal(d->request.generate.sampling.temperature, 0.8, 1e-6);
    assert_float_equal(d->request.generate.sampling.top_p, 1, 0);
    assert_int_equal(d->request.generate.stop_count, 0);
}

static void penalties_have_an_effect_or_are_refused(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"a\",\"countPenalty\":{\"scale\":0.5,\"applyToNumbers\":true},\"presencePenalty\":{\"scale\":2}}");
    assert_float_equal(d->request.generate.sampling.frequency_penalty, 0.5, 0);
    assert_float_equal(d->request.generate.sampling.presence_penalty, 2, 0);
    assert_refused(d, "{\"prompt\":\"a\",\"frequencyPenalty\":{\"scale\":10}}",
                   "This server doesn't support the value at /frequencyPenalty/scale for this model. Use 0, or remove it, and try again.");
    assert_refused(d, "{\"prompt\":\"a\",\"countPenalty\":{\"scale\":0.5,\"applyToNumbers\":false}}",
                   "This server doesn't support the value at /countPenalty/applyToNumbers for this model. Use true, or remove it,"
                   " and try "
                   "again.");
    assert_refused(d, "{\"prompt\":\"a\",\"presencePenalty\":{\"scale\":6}}", MALFORMED("#/presencePenalty/scale: 6 is not less or "
                                                                                        "equal to 5"));
    assert_refused(d, "{\"prompt\":\"a\",\"numResults\":2}",
                   "This server doesn't support the value at /numResults for this model. Use 1, or remove it, and try again.");
}

static void the_answer_lists_its_tokens(void **state)
{
    struct dialogue *d = *state;
    static const struct token_prob probs[] = { { VIEW_INIT("Par"), -0.5f, -1 }, { VIEW_INIT("is"), -0.25f, -3 } };
    assert_parses(d, "{\"prompt\":\"Capital?\"}");
    assert_true(d->request.generate.want_logprobs);
    d->end.reason = GEN_STOP_SEQUENCE;
    d->end.stop = VIEW("END");
    dialogue_result(d, &(struct gen_result){ .text = VIEW("Paris"), .probs = probs, .prob_count = 2, .end = &d->end });
    assert_at(d, "/prompt/text", "Capital?");
    assert_at(d, "/completions/0/data/text", "Paris");
    assert_at(d, "/completions/0/data/tokens/1/generatedToken/token", "is");
    assert_view_is(json_number_text(dialogue_at(d, "/completions/0/data/tokens/1/generatedToken/logprob")), "-0.25");
    assert_view_is(json_number_text(dialogue_at(d, "/completions/0/data/tokens/1/textRange/start")), "3");
    assert_at(d, "/completions/0/finishReason/reason", "stop");
    assert_at(d, "/completions/0/finishReason/sequence", "END");
}

static void the_reason_of_the_end_is_told(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Capital?\"}");
    dialogue_text(d, "a", GEN_END);
    assert_at(d, "/completions/0/finishReason/reason", "endoftext");
    dialogue_text(d, "a", GEN_MAX_TOKENS);
    assert_at(d, "/completions/0/finishReason/reason", "length");
    assert_view_is(json_number_text(dialogue_at(d, "/completions/0/finishReason/length")), "3");
}

static void it_does_not_stream(void **state)
{
    (void)state;
    assert_null(family_jurassic2.stream.delta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(the_body_of_the_source_document_is_taken),
        DIALOGUE_TEST(penalties_have_an_effect_or_are_refused),
        DIALOGUE_TEST(the_answer_lists_its_tokens),
        DIALOGUE_TEST(the_reason_of_the_end_is_told),
        DIALOGUE_TEST(it_does_not_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
