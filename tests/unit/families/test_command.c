#include "dialogue.h"

DIALOGUE_FIXTURE(&family_command, "cohere.command-text-v14")

static void the_body_of_the_source_document_is_taken(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Translate\",\"max_tokens\":2048,\"temperature\":0.8}");
    assert_view_is(dialogue_messages(d), "user: Translate");
    assert_int_equal(d->request.generate.max_tokens, 2048);
    assert_float_equal(d->request.generate.sampling.temperature, 0.8, 1e-6);
    assert_float_equal(d->request.generate.sampling.top_p, 0.75, 1e-6);
    assert_int_equal(d->request.generate.sampling.top_k, 0);
    assert_false(d->request.generate.want_logprobs);
}

static void defaults_and_limits_are_the_familys(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"a\",\"seed\":7,\"k\":12,\"truncate\":\"END\",\"num_generations\":1}");
    assert_int_equal(d->request.generate.max_tokens, 20);
    assert_float_equal(d->request.generate.sampling.temperature, 0.9, 1e-6);
    assert_int_equal(d->request.generate.sampling.top_k, 12);
    assert_true(d->request.generate.sampling.has_seed);
    assert_int_equal(d->request.generate.sampling.seed, 7);
    assert_refused(d, "{\"prompt\":\"a\",\"temperature\":5.1}", MALFORMED("#/temperature: 5.1 is not less or equal to 5"));
    assert_refused(d, "{\"prompt\":\"a\",\"max_tokens\":4097}", MALFORMED("#/max_tokens: 4097 is not less or equal to 4096"));
    assert_refused(d, "{\"prompt\":\"a\",\"stop_sequences\":[\"1\",\"2\",\"3\",\"4\",\"5\"]}",
                   MALFORMED("#/stop_sequences: expected maximum item count: 4, found: 5"));
}

static void what_it_cannot_do_is_refused_by_name(void **state)
{
    assert_refused(*state, "{\"prompt\":\"a\",\"num_generations\":2}",
                   "This server doesn't support the value at /num_generations for this model. Use 1, or remove it, and try again.");
    assert_refused(*state, "{\"prompt\":\"a\",\"logit_bias\":{\"11\":-10}}",
                   "This server doesn't support the value at /logit_bias for this model. Use {}, or remove it, and try again.");
    assert_refused(*state, "{\"prompt\":\"a\",\"return_likelihoods\":\"ALL\"}",
                   "This server gives return_likelihoods only as GENERATION or NONE.");
    assert_refused(*state, "{\"prompt\":\"a\",\"stream\":true}", "The stream field is true: use InvokeModelWithResponseStream to stream.");
}

static void likelihoods_are_those_of_the_model(void **state)
{
    struct dialogue *d = *state;
    static const struct token_prob probs[] = { { VIEW_INIT("Par"), -0.5f, -1 }, { VIEW_INIT("is"), -0.25f, -3 } };
    assert_parses(d, "{\"prompt\":\"Capital?\",\"return_likelihoods\":\"GENERATION\"}");
    assert_true(d->request.generate.want_logprobs);
    d->end.reason = GEN_END;
    struct view reply = dialogue_result(d, &(struct gen_result){ .text = VIEW("Paris"), .probs = probs, .prob_count = 2, .end = &d->end });
    assert_true(view_ends_with(reply, VIEW("\"text\":\"Paris\",\"finish_reason\":\"COMPLETE\",\"likelihood\":-0.375,"
                                           "\"token_likelihoods\":["
                                           "{\"token\":\"Par\",\"likelihood\":-0.5},{\"token\":\"is\",\"likelihood\":-0.25}]}],"
                                           "\"prompt\":\"Capital?\"}")));
}

static void the_answer_repeats_the_prompt(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Capital?\"}");
    dialogue_text(d, "Paris", GEN_MAX_TOKENS);
    assert_at(d, "/prompt", "Capital?");
    assert_at(d, "/generations/0/text", "Paris");
    assert_at(d, "/generations/0/finish_reason", "MAX_TOKENS");
    assert_null(dialogue_at(d, "/generations/0/likelihood"));
}

static void a_stream_ends_with_the_whole(void **state)
{
    struct dialogue *d = *state;
    d->in.streaming = true;
    assert_parses(d, "{\"prompt\":\"Capital?\",\"stream\":true}");
    struct view text = dialogue_two_deltas(d, GEN_END);
    assert_view_is(view_split(&text, '\n'), "{\"text\":\"Par\",\"is_finished\":false}");
    assert_view_is(view_split(&text, '\n'), "{\"text\":\"is.\",\"is_finished\":false}");
    assert_view_is(view_split(&text, '\n'), "{\"text\":\"<EOS_TOKEN>\",\"is_finished\":false}");
    assert_true(view_starts_with(text, VIEW("{\"is_finished\":true,\"finish_reason\":\"COMPLETE\",\"response\":{\"id\":")));
    assert_true(view_find(text, VIEW("\"text\":\"Paris.\"")) != VIEW_NPOS);
    assert_true(view_ends_with(text, VIEW("," METRICS "}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(the_body_of_the_source_document_is_taken),
        DIALOGUE_TEST(defaults_and_limits_are_the_familys),
        DIALOGUE_TEST(what_it_cannot_do_is_refused_by_name),
        DIALOGUE_TEST(likelihoods_are_those_of_the_model),
        DIALOGUE_TEST(the_answer_repeats_the_prompt),
        DIALOGUE_TEST(a_stream_ends_with_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
