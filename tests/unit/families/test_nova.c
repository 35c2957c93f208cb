#include "dialogue.h"

DIALOGUE_FIXTURE(&family_nova, "amazon.nova-lite-v1:0")

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hello\"}]}]"
#define TOOLS(choice)                                                                                       \
    "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"look\",\"description\":\"Looks.\",\"inputSchema\":" \
    "{\"json\":{\"type\":\"object\"}}}}]" choice "}"

static void a_whole_body_is_read(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"schemaVersion\":\"messages-v1\",\"system\":[{\"text\":\"Be kind.\"},{\"cachePoint\":{\"type\":\"default\"}}],"
                     HELLO ","
                     "\"inferenceConfig\":{\"maxTokens\":50,\"temperature\":0.1,\"topP\":0.2,\"topK\":3,\"stopSequences\":[\"END\"]}}");
    assert_view_is(dialogue_messages(d), "system: Be kind. |\nuser: Hello");
    const struct generate_request *generate = &d->request.generate;
    assert_int_equal(generate->max_tokens, 50);
    assert_float_equal(generate->sampling.top_p, 0.2, 1e-6);
    assert_int_equal(generate->sampling.top_k, 3);
    assert_view_is(generate->stops[0], "END");
    assert_parses(d, "{" HELLO ",\"inferenceConfig\":{\"max_new_tokens\":60,\"top_p\":0.4}}");
    assert_int_equal(generate->max_tokens, 60);
    assert_float_equal(generate->sampling.top_p, 0.4, 1e-6);
    assert_float_equal(generate->sampling.temperature, 0.7, 1e-6);
}

static void a_tool_round_trip_is_understood(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Rain?\"}]},{\"role\":\"assistant\",\"content\":["
                     "{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"look\",\"input\":{\"a\":1}}}]},{\"role\":\"user\",\"content\":["
                     "{\"toolResult\":{\"toolUseId\":\"t1\",\"status\":\"error\",\"content\":[{\"json\":{\"x\":[1.50]}},{"
                     "\"text\":\"no\"}]}}]}]," TOOLS(
                         ",\"toolChoice\":{\"any\":{}}") "}");
    assert_view_is(dialogue_messages(d), "user: Rain?\nassistant: (call) look\ntool: (result) look{\"x\":[1.50]}\nno !");
    assert_int_equal(d->request.generate.tool_choice, TOOL_CHOICE_ANY);
    assert_view_is(d->request.generate.tools[0].description, "Looks.");
}

static void nonsense_is_refused(void **state)
{
    assert_refused(*state, "{" HELLO ",\"maxTokens\":5}", MALFORMED("#: extraneous key [maxTokens] is not permitted"));
    assert_refused(*state, "{\"messages\":[{\"role\":\"user\",\"content\":[{}]}]}",
                   MALFORMED("#/messages/0/content/0: a content block has exactly one member"));
    assert_refused(*state, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t9\",\"content\":[]}}]}]}",
                   MALFORMED("#/messages/0/content/0: toolResult must answer a toolUse of the message before"));
    assert_refused(*state, "{" HELLO "," TOOLS(",\"toolChoice\":{\"tool\":{\"name\":\"fly\"}}") "}",
                   MALFORMED("#/toolConfig/toolChoice: it must name one of the tools"));
    assert_refused(*state, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"video\":{}}]}]}",
                   "This server doesn't support the value at /messages/0/content/0/video for this model. Remove it and try again.");
}

static void the_answer_has_converses_shape(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_tool_call call = { VIEW_INIT("t1"), VIEW_INIT("look"), VIEW_INIT("{\"a\":1}") };
    assert_parses(d, "{" HELLO "}");
    d->end.reason = GEN_TOOL_USE;
    const struct gen_result result = { .text = VIEW("Hm"), .tool_calls = &call, .tool_call_count = 1, .end = &d->end };
    assert_view_is(dialogue_result(d, &result),
                   "{\"output\":{\"message\":{\"content\":[{\"text\":\"Hm\"},{\"toolUse\":{\"name\":\"look\",\"toolUseId\":\"t1\","
                   "\"input\":{\"a\":1}}}],\"role\":\"assistant\"}},\"stopReason\":\"tool_use\",\"usage\":{\"inputTokens\":7,"
                   "\"outputTokens\":3,\"totalTokens\":10,\"cacheReadInputTokenCount\":0,\"cacheWriteInputTokenCount\":0}}");
}

static void a_stream_has_converses_events(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_delta deltas[] = {
        TEXT_DELTA("Hm"),
        { .type = GEN_TOOL_START, .id = VIEW_INIT("t1"), .name = VIEW_INIT("look") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW_INIT("{}") },
    };
    assert_parses(d, "{" HELLO "}");
    assert_view_is(dialogue_stream(d, deltas, COUNT_OF(deltas), GEN_TOOL_USE),
                   "{\"messageStart\":{\"role\":\"assistant\"}}\n"
                   "{\"contentBlockDelta\":{\"delta\":{\"text\":\"Hm\"},\"contentBlockIndex\":0}}\n"
                   "{\"contentBlockStop\":{\"contentBlockIndex\":0}}\n"
                   "{\"contentBlockStart\":{\"start\":{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"look\"}},\"contentBlockIndex\":1}}\n"
                   "{\"contentBlockDelta\":{\"delta\":{\"toolUse\":{\"input\":\"{}\"}},\"contentBlockIndex\":1}}\n"
                   "{\"contentBlockStop\":{\"contentBlockIndex\":1}}\n"
                   "{\"messageStop\":{\"stopReason\":\"tool_use\"}}\n"
                   "{\"metadata\":{\"usage\":{\"inputTokens\":7,\"outputTokens\":3,\"totalTokens\":10,\"cacheReadInputTokenCount\":0,"
                   "\"cacheWriteInputTokenCount\":0},\"metrics\":{},\"trace\":{}}," METRICS "}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(a_whole_body_is_read),
        DIALOGUE_TEST(a_tool_round_trip_is_understood),
        DIALOGUE_TEST(nonsense_is_refused),
        DIALOGUE_TEST(the_answer_has_converses_shape),
        DIALOGUE_TEST(a_stream_has_converses_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
