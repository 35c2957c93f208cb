#include "dialogue.h"

DIALOGUE_FIXTURE(&family_titan_text, "amazon.titan-text-express-v1")

static void a_body_with_text_alone_has_the_familys_defaults(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"inputText\":\"Hello\"}");
    assert_view_is(dialogue_messages(d), "user: Hello");
    assert_int_equal(d->request.generate.max_tokens, 512);
    assert_float_equal(d->request.generate.sampling.temperature, 0.7, 1e-6);
    assert_float_equal(d->request.generate.sampling.top_p, 0.9, 1e-6);
    assert_int_equal(d->request.generate.stop_count, 0);
}

static void the_configuration_is_taken_over(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"inputText\":\"User: Hi\\nBot:\",\"textGenerationConfig\":{\"temperature\":0,\"topP\":1,\"maxTokenCount\":8192,"
                     "\"stopSequences\":[\"User:\"]}}");
    assert_view_is(dialogue_messages(d), "user: Hi");
    assert_int_equal(d->request.generate.max_tokens, 8192);
    assert_float_equal(d->request.generate.sampling.temperature, 0, 0);
    assert_view_is(d->request.generate.stops[0], "User:");
}

static void wrong_members_are_refused_by_their_place(void **state)
{
    assert_refused(*state, "{\"prompt\":\"a\"}",
                   MALFORMED("#: required key [inputText] not found#: extraneous key [prompt] is not permitted"));
    assert_refused(*state, "{\"inputText\":\"a\",\"textGenerationConfig\":{\"topP\":0}}",
                   MALFORMED("#/textGenerationConfig/topP: 0 is not greater than 0"));
    assert_refused(*state, "{\"inputText\":\"a\",\"textGenerationConfig\":{\"maxTokenCount\":8193}}",
                   MALFORMED("#/textGenerationConfig/maxTokenCount: 8193 is not less or equal to 8192"));
    assert_refused(*state, "{\"inputText\":", "Malformed input request, please reformat your input and try again.");
    assert_refused(*state, "\"text\"", MALFORMED("#: expected type: JSONObject, found: String"));
}

static void the_answer_counts_tokens(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"inputText\":\"Hello\"}");
    assert_view_is(dialogue_text(d, "Paris.", GEN_END), "{\"inputTextTokenCount\":7,\"results\":[{\"tokenCount\":3,"
                                                        "\"outputText\":\"Paris.\","
                                                        "\"completionReason\":\"FINISH\"}]}");
    dialogue_text(d, "Par", GEN_MAX_TOKENS);
    assert_at(d, "/results/0/completionReason", "LENGTH");
    dialogue_text(d, "Par", GEN_STOP_SEQUENCE);
    assert_at(d, "/results/0/completionReason", "STOP_CRITERIA_MET");
}

static void counts_and_reason_are_null_until_the_last_chunk(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"inputText\":\"Hello\"}");
    assert_view_is(dialogue_two_deltas(d, GEN_END),
                   "{\"outputText\":\"Par\",\"index\":0,\"totalOutputTextTokenCount\":null,\"completionReason\":null,"
                   "\"inputTextTokenCount\":null}\n"
                   "{\"outputText\":\"is.\",\"index\":0,\"totalOutputTextTokenCount\":null,\"completionReason\":null,"
                   "\"inputTextTokenCount\":null}\n"
                   "{\"outputText\":\"\",\"index\":0,\"totalOutputTextTokenCount\":3,\"completionReason\":\"FINISH\","
                   "\"inputTextTokenCount\":7," METRICS "}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(a_body_with_text_alone_has_the_familys_defaults),
        DIALOGUE_TEST(the_configuration_is_taken_over),
        DIALOGUE_TEST(wrong_members_are_refused_by_their_place),
        DIALOGUE_TEST(the_answer_counts_tokens),
        DIALOGUE_TEST(counts_and_reason_are_null_until_the_last_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
