#include "dialogue.h"

DIALOGUE_FIXTURE(&family_command_r, "cohere.command-r-plus-v1:0")

static void preamble_history_and_message_become_a_conversation(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"message\":\"Bye\",\"preamble\":\"Be kind.\",\"chat_history\":[{\"role\":\"USER\",\"message\":\"Hi\"},"
                     "{\"role\":\"CHATBOT\",\"message\":\"Hello\"}],\"p\":0.5,\"k\":3,\"seed\":1,\"frequency_penalty\":0.5}");
    assert_view_is(dialogue_messages(d), "system: Be kind.\nuser: Hi\nassistant: Hello\nuser: Bye");
    assert_float_equal(d->request.generate.sampling.temperature, 0.3, 1e-6);
    assert_float_equal(d->request.generate.sampling.top_p, 0.5, 1e-6);
    assert_float_equal(d->request.generate.sampling.frequency_penalty, 0.5, 1e-6);
    assert_int_equal(d->request.generate.sampling.top_k, 3);
}

static void documents_stand_before_the_conversation(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"message\":\"Who?\",\"documents\":[{\"title\":\"A\",\"snippet\":\"Ann.\"},{\"n\":1}]}");
    assert_view_is(dialogue_messages(d), "system: Document: 0\ntitle: A\nsnippet: Ann.\n\nDocument: 1\nn: 1\nuser: Who?");
}

static void parameter_definitions_become_a_schema(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"message\":\"Add\",\"tools\":[{\"name\":\"add\",\"description\":\"Adds.\",\"parameter_definitions\":{"
                     "\"a\":{\"type\":\"int\",\"required\":true,\"description\":\"first\"},\"l\":{\"type\":\"List[str]\"}}}]}");
    const struct json *schema = d->request.generate.tools[0].schema;
    assert_view_is(json_get_string(json_get(json_get(schema, "properties"), "a"), "type"), "integer");
    assert_view_is(json_get_string(json_get(json_get(schema, "properties"), "l"), "type"), "array");
    assert_int_equal(json_size(json_get(schema, "required")), 1);
    assert_refused(d, "{\"message\":\"a\",\"tools\":[{\"name\":\"t\",\"parameter_definitions\":{\"a\":{\"type\":\"vector\"}}}]}",
                   MALFORMED("#/tools/0/parameter_definitions/a/type: vector is not a known type"));
    assert_refused(d, "{\"message\":\"a\",\"tools\":[{\"name\":\"t\",\"parameter_definitions\":{\"a\":{}}}]}",
                   MALFORMED("#: required key [type] not found"));
}

static void results_of_tools_follow_their_calls(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"message\":\"Add\",\"tool_results\":[{\"call\":{\"name\":\"add\",\"parameters\":{\"a\":1}},"
                     "\"outputs\":[{\"sum\":3}]}]}");
    assert_view_is(dialogue_messages(d), "user: Add\nassistant: (call) add\ntool: (result) add[{\"sum\":3}]");
    assert_refused(d, "{\"message\":\"\"}", MALFORMED("#/message: expected minLength: 1, actual: 0"));
}

static void a_raw_prompt_is_not_touched(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"message\":\"<BOS>Hi\",\"raw_prompting\":true}");
    assert_true(d->request.generate.has_raw_prompt);
    assert_view_is(d->request.generate.raw_prompt, "<BOS>Hi");
}

static void what_it_cannot_do_is_refused_by_name(void **state)
{
    assert_refused(*state, "{\"message\":\"a\",\"search_queries_only\":true}",
                   "This server doesn't support the value at /search_queries_only for this model. Use false, or remove it,"
                   " and try again.");
    assert_refused(*state, "{\"message\":\"a\",\"p\":1}", MALFORMED("#/p: 1 is not less or equal to 0.99"));
}

static void the_answer_continues_the_history(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"message\":\"Bye\",\"chat_history\":[{\"role\":\"USER\",\"message\":\"Hi\"},{\"role\":\"CHATBOT\","
                     "\"message\":\"Hello\"}]}");
    dialogue_text(d, "Goodbye", GEN_END);
    assert_at(d, "/text", "Goodbye");
    assert_at(d, "/finish_reason", "COMPLETE");
    assert_int_equal(json_size(dialogue_at(d, "/chat_history")), 4);
    assert_at(d, "/chat_history/2/message", "Bye");
    assert_at(d, "/chat_history/3/role", "CHATBOT");
    assert_view_is(json_number_text(dialogue_at(d, "/meta/billed_units/output_tokens")), "3");
}

static void a_stream_has_events_and_gathers_calls(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_delta deltas[] = {
        TEXT_DELTA("Par"),
        TEXT_DELTA("is."),
        { .type = GEN_TOOL_START, .id = VIEW_INIT("t1"), .name = VIEW_INIT("add") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW_INIT("{\"a\":") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW_INIT("1}") },
    };
    d->in.streaming = true;
    assert_parses(d, "{\"message\":\"Add\"}");
    struct view text = dialogue_stream(d, deltas, COUNT_OF(deltas), GEN_TOOL_USE);
    assert_true(view_starts_with(view_split(&text, '\n'), VIEW("{\"is_finished\":false,\"event_type\":\"stream-start\","
                                                               "\"generation_id\":\"")));
    assert_view_is(view_split(&text, '\n'), "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"Par\"}");
    assert_view_is(view_split(&text, '\n'), "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"is.\"}");
    assert_view_is(view_split(&text, '\n'), "{\"is_finished\":false,\"event_type\":\"tool-calls-generation\",\"tool_calls\":["
                                            "{\"name\":\"add\",\"parameters\":{\"a\":1}}]}");
    assert_true(view_starts_with(text, VIEW("{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\","
                                            "\"response\":{")));
    assert_true(view_find(text, VIEW("\"text\":\"Paris.\"")) != VIEW_NPOS);
    assert_true(view_ends_with(text, VIEW("," METRICS "}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(preamble_history_and_message_become_a_conversation),
        DIALOGUE_TEST(documents_stand_before_the_conversation),
        DIALOGUE_TEST(parameter_definitions_become_a_schema),
        DIALOGUE_TEST(results_of_tools_follow_their_calls),
        DIALOGUE_TEST(a_raw_prompt_is_not_touched),
        DIALOGUE_TEST(what_it_cannot_do_is_refused_by_name),
        DIALOGUE_TEST(the_answer_continues_the_history),
        DIALOGUE_TEST(a_stream_has_events_and_gathers_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
