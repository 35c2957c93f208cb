#include "dialogue.h"

DIALOGUE_FIXTURE(&family_mistral_text, "mistral.mistral-7b-instruct-v0:2")

static void defaults_depend_on_the_model(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"<s>[INST] Hi [/INST]\",\"stop\":[\"END\"]}");
    assert_view_is(dialogue_messages(d), "user: Hi");
    assert_int_equal(d->request.generate.max_tokens, 512);
    assert_float_equal(d->request.generate.sampling.temperature, 0.5, 0);
    assert_int_equal(d->request.generate.sampling.top_k, 50);
    assert_view_is(d->request.generate.stops[0], "END");
    d->model.id = VIEW("mistral.mistral-large-2402-v1:0");
    assert_parses(d, "{\"prompt\":\"Hi\"}");
    assert_int_equal(d->request.generate.max_tokens, 8192);
    assert_float_equal(d->request.generate.sampling.temperature, 0.7, 1e-6);
    assert_int_equal(d->request.generate.sampling.top_k, 0);
}

static void limits_are_checked(void **state)
{
    struct dialogue *d = *state;
    d->model.max_output_tokens = 4096;
    assert_refused(d, "{\"prompt\":\"a\",\"max_tokens\":4097}", MALFORMED("#/max_tokens: 4097 is not less or equal to 4096"));
    assert_refused(d, "{\"prompt\":\"a\",\"top_k\":201}", MALFORMED("#/top_k: 201 is not less or equal to 200"));
    assert_refused(d, "{\"prompt\":\"a\",\"messages\":[]}", MALFORMED("#: extraneous key [messages] is not permitted"));
}

static void answers_and_chunks_are_outputs(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"a\"}");
    assert_view_is(dialogue_text(d, "Paris.", GEN_END), "{\"outputs\":[{\"text\":\"Paris.\",\"stop_reason\":\"stop\"}]}");
    assert_view_is(dialogue_two_deltas(d, GEN_MAX_TOKENS),
                   "{\"outputs\":[{\"text\":\"Par\",\"stop_reason\":null}]}\n"
                   "{\"outputs\":[{\"text\":\"is.\",\"stop_reason\":null}]}\n"
                   "{\"outputs\":[{\"text\":\"\",\"stop_reason\":\"length\"}]," METRICS "}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(defaults_depend_on_the_model),
        DIALOGUE_TEST(limits_are_checked),
        DIALOGUE_TEST(answers_and_chunks_are_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
