#include "dialogue.h"

DIALOGUE_FIXTURE(&family_jamba, "ai21.jamba-1-5-mini-v1:0")

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"

static void defaults_and_limits_are_the_familys(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO ",\"stop\":[\"END\"],\"n\":1,\"frequency_penalty\":0.5}");
    assert_int_equal(d->request.generate.max_tokens, 4096);
    assert_float_equal(d->request.generate.sampling.temperature, 1, 0);
    assert_float_equal(d->request.generate.sampling.frequency_penalty, 0.5, 0);
    assert_view_is(d->request.generate.stops[0], "END");
    assert_refused(d, "{" HELLO ",\"top_p\":0}", MALFORMED("#/top_p: 0 is not greater or equal to 0.01"));
    assert_refused(d, "{" HELLO ",\"n\":3}", "This server doesn't support the value at /n for this model. Use 1, or remove it,"
                                             " and try again.");
}

static void the_answer_is_openais_with_meta(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO "}");
    d->end.total_us = 12345;
    dialogue_text(d, "Hi", GEN_MAX_TOKENS);
    assert_at(d, "/choices/0/message/content", "Hi");
    assert_at(d, "/choices/0/finish_reason", "length");
    assert_view_is(json_number_text(dialogue_at(d, "/usage/completion_tokens")), "3");
    assert_view_is(json_number_text(dialogue_at(d, "/meta/requestDurationMillis")), "12");
}

static void a_stream_has_deltas(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO "}");
    struct view text = dialogue_two_deltas(d, GEN_END);
    view_split(&text, '\n');
    assert_true(view_ends_with(view_split(&text, '\n'), VIEW("\"delta\":{\"content\":\"Par\"},\"finish_reason\":null}]}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(defaults_and_limits_are_the_familys),
        DIALOGUE_TEST(the_answer_is_openais_with_meta),
        DIALOGUE_TEST(a_stream_has_deltas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
