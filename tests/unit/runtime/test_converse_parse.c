#include "unit.h"

#include "runtime/converse_parse.h"

struct fixture {
    struct arena *arena;
    struct buf error;
    struct model_request request;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->arena = arena_create(1 << 20);
    buf_init(&f->error, 4096);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    buf_free(&f->error);
    free(f);
    return 0;
}

static enum aws_status parse_for(struct fixture *f, const char *body, bool vision, int64_t max_output)
{
    struct converse_input input = {
        .arena = f->arena,
        .body = json_parse(f->arena, view_from_cstr(body), JSON_DEPTH_DEFAULT, NULL),
        .vision = vision,
        .max_output_tokens = max_output,
        .error = &f->error,
    };
    assert_non_null(input.body);
    buf_clear(&f->error);
    model_request_init(&f->request);
    return converse_parse(&input, &f->request);
}

static void accepts(struct fixture *f, const char *body)
{
    if (parse_for(f, body, false, 0) != AWS_OK)
        fail_msg("refused: " VIEW_FMT, VIEW_ARG(buf_view(&f->error)));
}

static void refuses(struct fixture *f, const char *body, const char *message)
{
    assert_int_equal(parse_for(f, body, false, 0), AWS_VALIDATION);
    assert_view_is(buf_view(&f->error), message);
}

#define USER(content) "{\"messages\":[{\"role\":\"user\",\"content\":[" content "]}]}"

static void a_text_becomes_a_user_message(void **state)
{
    struct fixture *f = *state;
    accepts(f, "{\"system\":[{\"text\":\"Be brief.\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}],"
               "\"inferenceConfig\":{\"maxTokens\":7,\"temperature\":0.25,\"topP\":0.5,\"stopSequences\":[\"END\"]}}");
    const struct generate_request *g = &f->request.generate;
    assert_int_equal(f->request.kind, MODEL_GENERATE);
    assert_int_equal(g->message_count, 2);
    assert_int_equal(g->messages[0].role, CHAT_SYSTEM);
    assert_view_is(g->messages[0].parts[0].text, "Be brief.");
    assert_int_equal(g->messages[1].role, CHAT_USER);
    assert_view_is(g->messages[1].parts[0].text, "Hi");
    assert_int_equal(g->max_tokens, 7);
    assert_true(g->sampling.temperature == 0.25f);
    assert_true(g->sampling.top_p == 0.5f);
    assert_int_equal(g->stop_count, 1);
    assert_view_is(g->stops[0], "END");
}

static void without_inference_config_everything_is_unset(void **state)
{
    struct fixture *f = *state;
    accepts(f, USER("{\"text\":\"Hi\"}"));
    assert_int_equal(f->request.generate.max_tokens, -1);
    assert_true(f->request.generate.sampling.temperature == MODEL_UNSET_FLOAT);
    assert_false(f->request.generate.sampling.has_seed);
}

static void a_conversation_starts_with_the_user_and_alternates(void **state)
{
    struct fixture *f = *state;
    refuses(f, "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"text\":\"Hi\"}]}]}",
            "A conversation must start with a user message. Try again with a conversation that starts with a user message.");
    refuses(f, "{}", "A conversation must start with a user message. Try again with a conversation that starts with a user message.");
    refuses(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"}]},{\"role\":\"user\",\"content\":[{\"text\":\"b\"}]}]}",
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and "
            "assistant roles and try again.");
}

static void blank_text_is_refused_with_its_place(void **state)
{
    struct fixture *f = *state;
    refuses(f, USER("{\"text\":\" \\n\"}"),
            "The text field in the ContentBlock object at messages.0.content.0 is blank. Add text to the text field, and try again.");
}

static void an_assistants_last_text_is_continued(void **state)
{
    struct fixture *f = *state;
    accepts(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Count\"}]},"
               "{\"role\":\"assistant\",\"content\":[{\"text\":\"One, \"}]}]}");
    assert_int_equal(f->request.generate.message_count, 1);
    assert_view_is(f->request.generate.assistant_prefix, "One, ");
}

#define TOOLS                                                                                                          \
    "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"w\",\"description\":\"d\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]"
#define CALLED                                                                                                         \
    "{\"role\":\"user\",\"content\":[{\"text\":\"q\"}]},"                                                               \
    "{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"w\",\"input\":{\"a\":1}}}]}"

static void tool_results_become_a_tool_message_before_the_users_text(void **state)
{
    struct fixture *f = *state;
    accepts(f, "{\"messages\":[" CALLED ",{\"role\":\"user\",\"content\":[{\"text\":\"and?\"},{\"toolResult\":{\"toolUseId\":\"t1\","
               "\"content\":[{\"json\":{\"temp\":1.50}},{\"text\":\"ok\"}],\"status\":\"error\"}}]}]," TOOLS "}}");
    const struct generate_request *g = &f->request.generate;
    assert_int_equal(g->message_count, 4);
    assert_int_equal(g->messages[1].parts[0].type, CHAT_TOOL_CALL);
    assert_view_is(g->messages[1].parts[0].id, "t1");
    assert_int_equal(g->messages[2].role, CHAT_TOOL);
    assert_view_is(g->messages[2].parts[0].text, "{\"temp\":1.50}\nok");
    assert_true(g->messages[2].parts[0].is_error);
    assert_int_equal(g->messages[3].role, CHAT_USER);
    assert_int_equal(g->tool_count, 1);
    assert_int_equal(g->tool_choice, TOOL_CHOICE_AUTO);
}

static void tool_blocks_need_tool_config_and_matching_results(void **state)
{
    struct fixture *f = *state;
    refuses(f, "{\"messages\":[" CALLED ",{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[]}}]}]}",
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.");
    refuses(f, "{\"messages\":[" CALLED ",{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]," TOOLS "}}",
            "Expected toolResult blocks at messages.2.content for the following Ids: t1");
    refuses(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[]}}]}]," TOOLS "}}",
            "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous turn.");
    refuses(f, "{\"messages\":[" CALLED ",{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[],"
               "\"status\":\"error\"}}]}]," TOOLS "}}",
            "The content field at messages.2.content.0.toolResult cannot be empty when status value is error.");
    refuses(f, "{\"messages\":[" CALLED ",{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t1\","
               "\"content\":[{\"json\":3}]}}]}]," TOOLS "}}",
            "The format of the value at messages.2.content.0.toolResult.content.0.json is invalid. Provide a json object for the field "
            "and try again.");
}

static void a_named_tool_must_exist(void **state)
{
    struct fixture *f = *state;
    accepts(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"q\"}]}]," TOOLS ",\"toolChoice\":{\"tool\":{\"name\":\"w\"}}}}");
    assert_int_equal(f->request.generate.tool_choice, TOOL_CHOICE_NAMED);
    assert_view_is(f->request.generate.tool_name, "w");
    refuses(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"q\"}]}]," TOOLS ",\"toolChoice\":{\"tool\":{\"name\":\"v\"}}}}",
            "The tool v in toolConfig.toolChoice is not among the tools of toolConfig.");
}

static void documents_are_read_as_text(void **state)
{
    struct fixture *f = *state;
    accepts(f, USER("{\"document\":{\"format\":\"txt\",\"name\":\"notes\",\"source\":{\"bytes\":\"SGVsbG8=\"}}},{\"text\":\"Sum up\"}"));
    assert_view_is(f->request.generate.messages[0].parts[0].text, "Document \"notes\":\nHello\n");
    assert_int_equal(parse_for(f, USER("{\"document\":{\"format\":\"txt\",\"name\":\"n\",\"source\":{\"bytes\":\"SGVsbG8=\"}}}"), false, 0),
                     AWS_VALIDATION);
    assert_int_equal(parse_for(f, USER("{\"text\":\"x\"},{\"document\":{\"format\":\"pdf\",\"name\":\"n\","
                                       "\"source\":{\"bytes\":\"SGVsbG8=\"}}}"),
                               false, 0),
                     AWS_VALIDATION);
}

static void images_need_a_model_that_sees(void **state)
{
    struct fixture *f = *state;
    const char *body = USER("{\"text\":\"x\"},{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"iVBORw0KGgo=\"}}}");
    assert_int_equal(parse_for(f, body, false, 0), AWS_VALIDATION);
    assert_int_equal(parse_for(f, body, true, 0), AWS_OK);
    assert_view_is(f->request.generate.messages[0].parts[1].media_type, "image/png");
}

static void what_is_not_there_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    refuses(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"guardrailConfig\":{}}",
            "This server has no guardrails yet. Remove the guardrailConfig field and try again.");
    refuses(f, USER("{\"video\":{}}"),
            "This model doesn't support the video content block that you provided at messages.0.content.0. Remove it and try again.");
}

static void the_limit_of_the_model_id_holds(void **state)
{
    struct fixture *f = *state;
    const char *body = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"inferenceConfig\":{\"maxTokens\":4097}}";
    assert_int_equal(parse_for(f, body, false, 4096), AWS_VALIDATION);
    assert_view_is(buf_view(&f->error), "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum "
                                        "tokens value that is lower than 4096.");
    assert_int_equal(parse_for(f, body, false, 0), AWS_OK);
}

static void additional_fields_have_an_effect_or_are_refused(void **state)
{
    struct fixture *f = *state;
    accepts(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"additionalModelRequestFields\":"
               "{\"top_k\":20,\"seed\":7,\"anthropic_beta\":[\"x\"]}}");
    assert_int_equal(f->request.generate.sampling.top_k, 20);
    assert_true(f->request.generate.sampling.has_seed);
    assert_int_equal(f->request.generate.sampling.seed, 7);
    accepts(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"additionalModelRequestFields\":{\"inferenceConfig\":"
               "{\"topK\":3}}}");
    assert_int_equal(f->request.generate.sampling.top_k, 3);
    refuses(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"additionalModelRequestFields\":{\"colour\":1}}",
            "The model returned the following errors: Malformed input request: #: extraneous key [colour] is not permitted, please "
            "reformat your input and try again.");
    refuses(f, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"inferenceConfig\":{\"temperature\":0.5},"
               "\"additionalModelRequestFields\":{\"temperature\":0.1}}",
            "The additional field temperature conflicts with an existing field.");
}

static void a_json_schema_is_parsed_from_its_string(void **state)
{
    struct fixture *f = *state;
#define SCHEMA(text)                                                                                                   \
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}],\"outputConfig\":{\"textFormat\":{\"type\":"    \
    "\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":\"" text "\"}}}}}"
    accepts(f, SCHEMA("{\\\"type\\\":\\\"object\\\"}"));
    assert_true(f->request.generate.has_json_schema);
    assert_view_is(json_get_string(f->request.generate.json_schema, "type"), "object");
    assert_int_equal(parse_for(f, SCHEMA("{oops"), false, 0), AWS_VALIDATION);
    assert_int_equal(parse_for(f, SCHEMA("[]"), false, 0), AWS_VALIDATION);
}

static void cache_points_mark_what_stands_before_them(void **state)
{
    struct fixture *f = *state;
    accepts(f, USER("{\"text\":\"long\"},{\"cachePoint\":{\"type\":\"default\"}},{\"text\":\"short\"}"));
    const struct chat_message *message = &f->request.generate.messages[0];
    assert_int_equal(message->part_count, 2);
    assert_true(message->parts[0].cache_point);
    assert_false(message->parts[1].cache_point);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_becomes_a_user_message),
        TEST(without_inference_config_everything_is_unset),
        TEST(a_conversation_starts_with_the_user_and_alternates),
        TEST(blank_text_is_refused_with_its_place),
        TEST(an_assistants_last_text_is_continued),
        TEST(tool_results_become_a_tool_message_before_the_users_text),
        TEST(tool_blocks_need_tool_config_and_matching_results),
        TEST(a_named_tool_must_exist),
        TEST(documents_are_read_as_text),
        TEST(images_need_a_model_that_sees),
        TEST(what_is_not_there_is_refused_by_name),
        TEST(the_limit_of_the_model_id_holds),
        TEST(additional_fields_have_an_effect_or_are_refused),
        TEST(a_json_schema_is_parsed_from_its_string),
        TEST(cache_points_mark_what_stands_before_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
