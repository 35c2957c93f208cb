#include "unit.h"

#include "engine/scripted.h"

static struct arena *arena;
static struct script_rules *rules;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(4u << 20);
    rules = NULL;
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    script_rules_destroy(rules);
    arena_destroy(arena);
    return 0;
}

static struct script_rules *parse(const char *yaml, struct config_error *error)
{
    const struct config_node *node = config_node_parse(arena, view_from_cstr(yaml), "test.yaml", error);
    assert_non_null(node);
    return script_rules_create(node, error);
}

static void load(const char *yaml)
{
    struct config_error error = { .message = "" };
    rules = parse(yaml, &error);
    if (rules == NULL)
        print_error("%s\n", error.message);
    assert_non_null(rules);
}

static struct model_request ask(const char *model, const char *text)
{
    struct chat_part *part = ARENA_NEW(arena, struct chat_part);
    struct chat_message *message = ARENA_NEW(arena, struct chat_message);
    part->text = view_from_cstr(text);
    *message = (struct chat_message){ CHAT_USER, part, 1 };
    struct model_request request;
    model_request_init(&request);
    request.model = view_from_cstr(model);
    request.generate.messages = message;
    request.generate.message_count = 1;
    return request;
}

#define NONE 999

static size_t place_of(struct model_request request)
{
    size_t place = NONE;
    return script_rules_match(rules, &request, &place) != NULL ? place : NONE;
}

static void first_rule_whose_conditions_all_hold_is_taken(void **state)
{
    (void)state;
    load("- {match: {model: a, text: weather}, text: sun}\n"
         "- {match: {regex: '^(?i)hello\\b'}, text: hi}\n"
         "- {match: {text: weather}, text: rain}\n"
         "- {match: {model: a}, text: other}\n");
    assert_int_equal(place_of(ask("a", "the weather?")), 0);
    assert_int_equal(place_of(ask("b", "the weather?")), 2);
    assert_int_equal(place_of(ask("b", "Hello weather")), 1);
    assert_int_equal(place_of(ask("a", "Othello")), 3);
    assert_int_equal(place_of(ask("b", "Othello")), NONE);
}

static void tool_call_rule_needs_a_request_that_offers_the_tool(void **state)
{
    (void)state;
    load("- {tool_call: {name: weather, input: {city: Köln}}}\n");
    const struct chat_tool tools[] = { { .name = VIEW_INIT("now") }, { .name = VIEW_INIT("weather") } };
    struct model_request request = ask("a", "x");
    assert_int_equal(place_of(request), NONE);
    request.generate.tools = tools;
    request.generate.tool_count = 1;
    assert_int_equal(place_of(request), NONE);
    request.generate.tool_count = 2;
    assert_int_equal(place_of(request), 0);
    request.generate.tool_choice = TOOL_CHOICE_NONE;
    assert_int_equal(place_of(request), NONE);
    request.generate.tool_choice = TOOL_CHOICE_NAMED;
    request.generate.tool_name = VIEW("now");
    assert_int_equal(place_of(request), NONE);
}

static void tool_result_is_the_text_that_rules_see(void **state)
{
    (void)state;
    load("- {match: {text: question}, text: asked}\n- {match: {text: 21 degrees}, text: told}\n");
    struct model_request request = ask("a", "question");
    const struct chat_part result = { .type = CHAT_TOOL_RESULT, .text = VIEW_INIT("21 degrees") };
    const struct chat_message messages[] = { request.generate.messages[0], { CHAT_TOOL, &result, 1 } };
    assert_int_equal(place_of(request), 0);
    request.generate.messages = messages;
    request.generate.message_count = 2;
    assert_int_equal(place_of(request), 1);
}

static void embedding_rules_are_for_embeddings(void **state)
{
    (void)state;
    load("- {embedding: seed}\n- {text: x}\n");
    struct model_request request = ask("a", "x");
    assert_int_equal(place_of(request), 1);
    request.kind = MODEL_EMBED;
    assert_int_equal(place_of(request), 0);
}

static void pattern_that_would_never_end_does_not_match(void **state)
{
    (void)state;
    load("- {match: {regex: '^(a+)+$'}, text: x}\n");
    assert_int_equal(place_of(ask("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")), NONE);
    assert_int_equal(place_of(ask("a", "aaa")), 0);
}

static void settings_of_a_rule_are_read(void **state)
{
    (void)state;
    load("- {match: {}, error: {status: 429, message: slow down}, latency_ms: 50}\n"
         "- {error: {type: ModelNotReadyException}}\n"
         "- {text: x, tokens_per_second: 12.5, stop_reason: max_tokens}\n"
         "- {tool_call: {name: t, input: {n: 1.50, s: one, yes: true, list: [1, a]}}}\n"
         "- {embedding: [1, 0.5]}\n");
    size_t place;
    struct model_request request = ask("a", "x");
    const struct script_rule *rule = script_rules_match(rules, &request, &place);
    assert_int_equal(rule[0].status, ENGINE_THROTTLED);
    assert_int_equal(rule[0].http_status, 429);
    assert_string_equal(rule[0].error, "ThrottlingException");
    assert_view_is(rule[0].message, "slow down");
    assert_int_equal(rule[0].latency_ms, 50);
    assert_int_equal(rule[1].status, ENGINE_NOT_READY);
    assert_true(rule[2].tokens_per_second == 12.5);
    assert_true(rule[2].has_reason && rule[2].reason == GEN_MAX_TOKENS);
    assert_view_is(rule[3].text, "{\"n\":1.50,\"s\":\"one\",\"yes\":true,\"list\":[1,\"a\"]}");
    assert_int_equal(rule[4].dimensions, 2);
    assert_true(rule[4].vector[1] == 0.5f);
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        { "a: b\n", "list of rules" },
        { "- {match: {txt: a}, text: x}\n", "\"txt\"" },
        { "- {text: x, latncy_ms: 1}\n", "\"latncy_ms\"" },
        { "- {match: {text: a}}\n", "exactly one" },
        { "- {text: a, embedding: b}\n", "exactly one" },
        { "- {text: a}\n- {match: {regex: '('}, text: x}\n", "line 2" },
        { "- {tool_call: {input: {}}}\n", "name" },
        { "- {error: {status: 418}}\n", "no such error" },
        { "- {error: {}}\n", "status or a type" },
        { "- {error: {status: 400, type: ThrottlingException}}\n", "no such error" },
        { "- {text: a, stop_reason: tired}\n", "stop reason" },
        { "- {text: a, tokens_per_second: 0}\n", "tokens_per_second" },
        { "- {text: a, latency_ms: -1}\n", "latency_ms" },
        { "- {embedding: [a]}\n", "number" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct config_error error = { .message = "" };
        assert_null(parse(cases[i].yaml, &error));
        if (strstr(error.message, cases[i].message) == NULL)
            print_error("%s -> %s\n", cases[i].yaml, error.message);
        assert_non_null(strstr(error.message, cases[i].message));
        assert_non_null(strstr(error.message, "line"));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_rule_whose_conditions_all_hold_is_taken),
        TEST(tool_call_rule_needs_a_request_that_offers_the_tool),
        TEST(tool_result_is_the_text_that_rules_see),
        TEST(embedding_rules_are_for_embeddings),
        TEST(pattern_that_would_never_end_does_not_match),
        TEST(settings_of_a_rule_are_read),
        TEST(mistakes_are_named_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
