#include "dialogue.h"

DIALOGUE_FIXTURE(&family_llama, "meta.llama3-8b-instruct-v1:0")

static void prompts_are_taken_apart_and_defaults_are_the_familys(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"[INST] Hi [/INST]\"}");
    assert_view_is(dialogue_messages(d), "user: Hi");
    assert_int_equal(d->request.generate.max_tokens, 512);
    assert_float_equal(d->request.generate.sampling.temperature, 0.5, 0);
    assert_float_equal(d->request.generate.sampling.top_p, 0.9, 1e-6);
    d->model.raw_prompt = true;
    assert_parses(d, "{\"prompt\":\"[INST] Hi [/INST]\",\"max_gen_len\":2048}");
    assert_view_is(d->request.generate.raw_prompt, "[INST] Hi [/INST]");
    assert_int_equal(d->request.generate.max_tokens, 2048);
}

static void wrong_members_are_refused(void **state)
{
    assert_refused(*state, "{\"prompt\":\"a\",\"max_gen_len\":2049,\"stop\":[]}", MALFORMED("#: extraneous key [stop] is not permitted"));
    assert_refused(*state, "{\"prompt\":\"a\",\"max_gen_len\":2049}", MALFORMED("#/max_gen_len: 2049 is not less or equal to 2048"));
    assert_refused(*state, "{\"prompt\":\"a\",\"images\":[\"aGk=\"]}",
                   "This server doesn't support the value at /images for this model. Use [], or remove it, and try again.");
}

static void the_answer_counts_tokens(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Hi\"}");
    assert_view_is(dialogue_text(d, "Paris.", GEN_END),
                   "{\"generation\":\"Paris.\",\"prompt_token_count\":7,\"generation_token_count\":3,\"stop_reason\":\"stop\"}");
    assert_view_is(dialogue_text(d, "Par", GEN_CONTEXT_FULL),
                   "{\"generation\":\"Par\",\"prompt_token_count\":7,\"generation_token_count\":3,\"stop_reason\":\"length\"}");
}

static void the_prompt_is_counted_in_the_first_chunk_alone(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"Hi\"}");
    assert_view_is(dialogue_two_deltas(d, GEN_MAX_TOKENS),
                   "{\"generation\":\"Par\",\"prompt_token_count\":7,\"generation_token_count\":null,\"stop_reason\":null}\n"
                   "{\"generation\":\"is.\",\"prompt_token_count\":null,\"generation_token_count\":null,\"stop_reason\":null}\n"
                   "{\"generation\":\"\",\"prompt_token_count\":null,\"generation_token_count\":3,\"stop_reason\":\"length\"," METRICS "}");
    assert_view_is(dialogue_stream(d, NULL, 0, GEN_END),
                   "{\"generation\":\"\",\"prompt_token_count\":7,\"generation_token_count\":3,\"stop_reason\":\"stop\"," METRICS "}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(prompts_are_taken_apart_and_defaults_are_the_familys),
        DIALOGUE_TEST(wrong_members_are_refused),
        DIALOGUE_TEST(the_answer_counts_tokens),
        DIALOGUE_TEST(the_prompt_is_counted_in_the_first_chunk_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
