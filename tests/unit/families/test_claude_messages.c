#include "dialogue.h"

#define BODY(more) "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":100," more "}"
#define HELLO      "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"
#define TOOLS                                                                                                       \
    "\"tools\":[{\"name\":\"get_weather\",\"description\":\"Weather.\",\"input_schema\":{\"type\":\"object\"}}," \
    "{\"type\":\"custom\",\"name\":\"add\",\"input_schema\":{\"type\":\"object\"}}]"

DIALOGUE_FIXTURE(&family_claude_messages, "anthropic.claude-3-haiku-20240307-v1:0")

static void system_and_messages_come_as_text_or_as_blocks(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, BODY("\"system\":\"Be kind.\"," HELLO));
    assert_view_is(dialogue_messages(d), "system: Be kind.\nuser: Hello");
    assert_parses(d, BODY("\"system\":[{\"type\":\"text\",\"text\":\"Be kind.\",\"cache_control\":{\"type\":\"ephemeral\"}}],"
                          "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
                          "\"text\":\"b\"}]}"
                          ",{\"role\":\"user\",\"content\":\"c\"}]"));
    assert_view_is(dialogue_messages(d), "system: Be kind. |\nuser: a b c");
}

static void the_versions_that_clients_send_are_known(void **state)
{
    assert_parses(*state, "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":5," HELLO "}");
    assert_parses(*state, "{\"anthropic_version\":\"2026-10-21\",\"max_tokens\":5," HELLO "}");
    assert_refused(*state, "{\"anthropic_version\":\"bedrock-1999-01-01\",\"max_tokens\":5," HELLO "}",
                   MALFORMED("#/anthropic_version: bedrock-1999-01-01 is not a valid enum value"));
}

static void sampling_and_stops_are_taken_over_with_the_familys_defaults(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, BODY(HELLO));
    assert_float_equal(d->request.generate.sampling.temperature, 1, 0);
    assert_float_equal(d->request.generate.sampling.top_p, 0.999, 1e-6);
    assert_int_equal(d->request.generate.sampling.top_k, 0);
    assert_parses(d, BODY(HELLO ",\"temperature\":0.2,\"top_k\":5,\"stop_sequences\":[\"END\"],\"anthropic_beta\":[\"x\"],"
                                "\"metadata\":{\"user_id\":\"me\"},\"thinking\":{\"type\":\"disabled\"}"));
    assert_float_equal(d->request.generate.sampling.temperature, 0.2, 1e-6);
    assert_int_equal(d->request.generate.sampling.top_k, 5);
    assert_view_is(d->request.generate.stops[0], "END");
    assert_int_equal(d->request.generate.max_tokens, 100);
}

static void an_open_turn_of_the_assistant_begins_the_answer(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, BODY("\"messages\":[{\"role\":\"user\",\"content\":\"JSON\"},{\"role\":\"assistant\",\"content\":\"{\"}]"));
    assert_view_is(dialogue_messages(d), "user: JSON");
    assert_view_is(d->request.generate.assistant_prefix, "{");
}

static void a_tool_round_trip_is_understood(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, BODY(TOOLS ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"add\"},\"messages\":[{\"role\":\"user\","
                                "\"content\":\"Rain?\"},"
                          "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},"
                          "{\"type\":\"text\",\"text\":\"Let me see.\"},"
                          "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"get_weather\",\"input\":{\"city\":\"Paris\"}},"
                          "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"add\",\"input\":{}}]},"
                          "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"Sunny\"},"
                          "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"is_error\":true,"
                          "\"content\":[{\"type\":\"text\",\"text\":\"no\"},{\"type\":\"text\",\"text\":\"numbers\"}]},"
                          "{\"type\":\"text\",\"text\":\"So?\"}]}]"));
    assert_view_is(dialogue_messages(d), "user: Rain?\nassistant: (thought) hm Let me see. (call) get_weather (call) add\n"
                                         "tool: (result) get_weatherSunny\ntool: (result) addno\nnumbers !\nuser: So?");
    const struct generate_request *generate = &d->request.generate;
    assert_int_equal(generate->tool_count, 2);
    assert_view_is(generate->tools[0].description, "Weather.");
    assert_non_null(generate->tools[1].schema);
    assert_int_equal(generate->tool_choice, TOOL_CHOICE_NAMED);
    assert_view_is(generate->tool_name, "add");
    assert_view_is(json_get_string(generate->messages[1].parts[2].arguments, "city"), "Paris");
}

static void choices_of_tools_are_kept_apart(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, BODY(HELLO "," TOOLS));
    assert_int_equal(d->request.generate.tool_choice, TOOL_CHOICE_AUTO);
    assert_parses(d, BODY(HELLO "," TOOLS ",\"tool_choice\":{\"type\":\"any\"}"));
    assert_int_equal(d->request.generate.tool_choice, TOOL_CHOICE_ANY);
    assert_parses(d, BODY(HELLO "," TOOLS ",\"tool_choice\":{\"type\":\"none\"}"));
    assert_int_equal(d->request.generate.tool_choice, TOOL_CHOICE_NONE);
    assert_refused(d, BODY(HELLO "," TOOLS ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"fly\"}"),
                   "tool_choice: tool 'fly' not found in provided tools");
    assert_refused(d, BODY(HELLO ",\"tool_choice\":{\"type\":\"any\"}"), "tool_choice: tools must be given with it");
}

static void what_bedrock_does_not_take_is_extraneous(void **state)
{
    assert_refused(*state, BODY(HELLO ",\"stream\":true,\"model\":\"claude\""),
                   MALFORMED("#: extraneous key [stream] is not permitted#: extraneous key [model] is not permitted"));
    assert_refused(*state, "{\"max_tokens\":5," HELLO "}", MALFORMED("#: required key [anthropic_version] not found"));
    assert_refused(*state, BODY("\"messages\":[]"), MALFORMED("#/messages: expected minimum item count: 1, found: 0"));
}

static void what_this_server_cannot_do_is_refused_by_name(void **state)
{
    assert_refused(*state, BODY(HELLO ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"),
                   "This server doesn't support the value at /thinking/type for this model. Use disabled, or remove it, and try again.");
    assert_refused(*state, BODY(HELLO "," TOOLS ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"),
                   "This server doesn't support the value at /tool_choice/disable_parallel_tool_use for this model. Use false, or remove "
                   "it, and try again.");
    assert_refused(*state, BODY(HELLO ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]"),
                   "tools.0: this server doesn't support tools of type bash_20250124. Describe the tool with input_schema and try again.");
    assert_refused(*state,
                   BODY("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
                        "\"media_type\":\"image/png\",\"data\":\"aGk=\"}}]}]"),
                   "messages.0.content.0: this model doesn't support images. Use a model that takes images, or remove them,"
                   " and try again.");
}

static void a_model_with_eyes_gets_the_image(void **state)
{
    struct dialogue *d = *state;
    d->model.vision = true;
    assert_parses(d, BODY("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
                          "\"media_type\":\"image/png\",\"data\":\"aGk=\"}},{\"type\":\"text\",\"text\":\"What?\"}]}]"));
    const struct chat_part *image = &d->request.generate.messages[0].parts[0];
    assert_int_equal(image->type, CHAT_IMAGE);
    assert_view_is(image->bytes, "hi");
    assert_view_is(image->media_type, "image/png");
}

static void conversations_that_make_no_sense_are_refused(void **state)
{
    assert_refused(*state, BODY("\"messages\":[{\"role\":\"assistant\",\"content\":\"Hi\"}]"),
                   "messages: first message must use the \"user\" role");
    assert_refused(*state, BODY("\"messages\":[{\"role\":\"user\",\"content\":\"\"}]"),
                   "messages.0: all messages must have non-empty content except for the optional final assistant message");
    assert_refused(*state, BODY("\"messages\":[{\"role\":\"user\",\"content\":\" \"}]"), "messages: text content blocks must be "
                                                                                         "non-empty");
    assert_refused(*state,
                   BODY("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t9\","
                        "\"content\":\"x\"}]}]"),
                   "messages.0.content.0: each `tool_result` block must have a corresponding `tool_use` block in the previous message");
}

static void the_answer_has_blocks_and_usage(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_tool_call calls[] = {
        { VIEW_INIT("t1"), VIEW_INIT("add"), VIEW_INIT("{\"a\": 1.50}") },
        { VIEW_INIT("t2"), VIEW_INIT("now"), VIEW_INIT("") },
    };
    assert_parses(d, BODY(HELLO));
    d->end.reason = GEN_TOOL_USE;
    struct view reply = dialogue_result(d, &(struct gen_result){ .text = VIEW("Adding."), .tool_calls = calls, .tool_call_count = 2,
                                                                 .end = &d->end });
    assert_true(view_starts_with(reply, VIEW("{\"id\":\"msg_bdrk_")));
    assert_true(view_ends_with(reply, VIEW("\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-3-haiku-20240307\","
                                           "\"content\":["
                                           "{\"type\":\"text\",\"text\":\"Adding.\"},"
                                           "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"add\",\"input\":{\"a\": 1.50}},"
                                           "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"now\",\"input\":{}}],"
                                           "\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,"
                                           "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":3}}")));
}

static void the_cached_part_is_told_apart_when_there_are_cache_points(void **state)
{
    struct dialogue *d = *state;
    d->end.usage = (struct gen_usage){ .input_tokens = 100, .cached_tokens = 60, .cache_write_tokens = 10, .output_tokens = 3 };
    assert_parses(d, BODY(HELLO));
    dialogue_text(d, "a", GEN_END);
    assert_view_is(json_number_text(dialogue_at(d, "/usage/input_tokens")), "100");
    assert_parses(d, BODY("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":"
                          "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}]"));
    dialogue_text(d, "a", GEN_END);
    assert_view_is(json_number_text(dialogue_at(d, "/usage/input_tokens")), "30");
    assert_view_is(json_number_text(dialogue_at(d, "/usage/cache_read_input_tokens")), "60");
    assert_view_is(json_number_text(dialogue_at(d, "/usage/cache_creation_input_tokens")), "10");
}

static void every_reason_has_its_word(void **state)
{
    static const struct {
        enum gen_reason reason;
        const char *word;
    } rows[] = {
        { GEN_END, "end_turn" }, { GEN_MAX_TOKENS, "max_tokens" }, { GEN_STOP_SEQUENCE, "stop_sequence" },
        { GEN_CONTEXT_FULL, "model_context_window_exceeded" }, { GEN_MALFORMED, "max_tokens" },
    };
    struct dialogue *d = *state;
    assert_parses(d, BODY(HELLO));
    d->end.stop = VIEW("END");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        dialogue_text(d, "a", rows[i].reason);
        assert_at(d, "/stop_reason", rows[i].word);
        assert_at(d, "/stop_sequence", rows[i].reason == GEN_STOP_SEQUENCE ? "END" : "");
    }
}

static void a_stream_opens_and_closes_its_blocks(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_delta deltas[] = {
        TEXT_DELTA("Let "),
        TEXT_DELTA("me."),
        { .type = GEN_REASONING, .text = VIEW_INIT("hm") },
        { .type = GEN_TOOL_START, .id = VIEW_INIT("t1"), .name = VIEW_INIT("add") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW_INIT("{\"a\":") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW_INIT("1}") },
        { .type = GEN_TOOL_START, .tool_index = 1, .id = VIEW_INIT("t2"), .name = VIEW_INIT("now") },
    };
    assert_parses(d, BODY(HELLO));
    struct view text = dialogue_stream(d, deltas, COUNT_OF(deltas), GEN_TOOL_USE);
    struct view first = view_split(&text, '\n');
    assert_true(view_starts_with(first, VIEW("{\"type\":\"message_start\",\"message\":{\"id\":\"msg_bdrk_")));
    static const struct view empty = VIEW_INIT("\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,");
    assert_true(view_find(first, empty) != VIEW_NPOS);
    assert_view_is(text,
                   "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n"
                   "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Let \"}}\n"
                   "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"me.\"}}\n"
                   "{\"type\":\"content_block_stop\",\"index\":0}\n"
                   "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\","
                   "\"name\":\"add\","
                   "\"input\":{}}}\n"
                   "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{"
                   "\\\"a\\\":\"}}\n"
                   "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n"
                   "{\"type\":\"content_block_stop\",\"index\":1}\n"
                   "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t2\","
                   "\"name\":\"now\","
                   "\"input\":{}}}\n"
                   "{\"type\":\"content_block_stop\",\"index\":2}\n"
                   "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{"
                   "\"input_tokens\":7,"
                   "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":3}}\n"
                   "{\"type\":\"message_stop\"," METRICS "}");
}

static void a_format_asks_for_json(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, BODY(HELLO ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}"));
    assert_true(d->request.generate.has_json_schema);
    assert_view_is(json_get_string(d->request.generate.json_schema, "type"), "object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(system_and_messages_come_as_text_or_as_blocks),
        DIALOGUE_TEST(the_versions_that_clients_send_are_known),
        DIALOGUE_TEST(sampling_and_stops_are_taken_over_with_the_familys_defaults),
        DIALOGUE_TEST(an_open_turn_of_the_assistant_begins_the_answer),
        DIALOGUE_TEST(a_tool_round_trip_is_understood),
        DIALOGUE_TEST(choices_of_tools_are_kept_apart),
        DIALOGUE_TEST(what_bedrock_does_not_take_is_extraneous),
        DIALOGUE_TEST(what_this_server_cannot_do_is_refused_by_name),
        DIALOGUE_TEST(a_model_with_eyes_gets_the_image),
        DIALOGUE_TEST(conversations_that_make_no_sense_are_refused),
        DIALOGUE_TEST(the_answer_has_blocks_and_usage),
        DIALOGUE_TEST(the_cached_part_is_told_apart_when_there_are_cache_points),
        DIALOGUE_TEST(every_reason_has_its_word),
        DIALOGUE_TEST(a_stream_opens_and_closes_its_blocks),
        DIALOGUE_TEST(a_format_asks_for_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
