#include "unit.h"

#include "engine/scripted.h"

#include <math.h>

static struct arena *arena;
static struct chat_part part;
static struct chat_message message;
static struct model_request request;
static struct script script;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(4u << 20);
    part = (struct chat_part){ .type = CHAT_TEXT, .text = VIEW("Paris is nice, isn't it?") };
    message = (struct chat_message){ CHAT_USER, &part, 1 };
    model_request_init(&request);
    request.generate.messages = &message;
    request.generate.message_count = 1;
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static void answer(const struct script_rule *rule)
{
    assert_true(script_answer(arena, rule, &request, &script));
}

static void tokens_are_words_marks_and_foreign_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t tokens;
    } cases[] = {
        { "", 0 }, { "one", 1 }, { "one two", 2 }, { "one, two", 3 }, { " one", 1 }, { "one ", 2 }, { "\xe5\xaf\xb9\xe4\xb8\x8d", 2 },
        { "isn't", 3 }, { "a_b1", 1 }, { "\xff\xff", 2 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(script_count(view_from_cstr(cases[i].text)), cases[i].tokens);
}

static void tokens_joined_are_the_text(void **state)
{
    (void)state;
    struct view text = VIEW("  a, b\n\n\xe5\xaf\xb9 c. ");
    size_t sum = 0;
    for (struct view rest = text; rest.len > 0; rest = view_from(rest, script_token(rest))) {
        assert_true(script_token(rest) > 0);
        sum += script_token(rest);
    }
    assert_int_equal(sum, text.len);
}

static void echo_repeats_the_last_user_text(void **state)
{
    (void)state;
    answer(NULL);
    assert_int_equal(script.kind, SCRIPT_TEXT);
    assert_view_is(script.text, "Paris is nice, isn't it?");
    assert_int_equal(script.reason, GEN_END);
    assert_int_equal(script.usage.input_tokens, 9);
    assert_int_equal(script.usage.output_tokens, 9);
}

static void limit_cuts_and_says_so(void **state)
{
    (void)state;
    request.generate.max_tokens = 2;
    answer(NULL);
    assert_view_is(script.text, "Paris is");
    assert_int_equal(script.reason, GEN_MAX_TOKENS);
    assert_int_equal(script.usage.output_tokens, 2);
    request.generate.max_tokens = 9;                        /* just enough */
    answer(NULL);
    assert_int_equal(script.reason, GEN_END);
}

static void first_stop_in_the_text_ends_it_unless_the_limit_comes_before(void **state)
{
    (void)state;
    const struct view stops[] = { VIEW_INIT("isn't"), VIEW_INIT(" nice"), VIEW_INIT("nowhere"), VIEW_INIT("") };
    request.generate.stops = stops;
    request.generate.stop_count = COUNT_OF(stops);
    answer(NULL);
    assert_view_is(script.text, "Paris is");
    assert_int_equal(script.reason, GEN_STOP_SEQUENCE);
    assert_view_is(script.stop, " nice");
    request.generate.max_tokens = 1;
    answer(NULL);
    assert_view_is(script.text, "Paris");
    assert_int_equal(script.reason, GEN_MAX_TOKENS);
    assert_int_equal(script.stop.len, 0);
}

static void forced_tool_is_called_with_the_smallest_instance(void **state)
{
    (void)state;
    const char *schema = "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},"
                         "\"days\":{\"type\":\"integer\",\"minimum\":1}},"
                         "\"required\":[\"days\",\"city\"]}";
    const struct chat_tool tools[] = {
        { .name = VIEW_INIT("now") },
        { .name = VIEW_INIT("weather"), .schema = json_parse(arena, view_from_cstr(schema), 8, NULL) },
    };
    request.generate.tools = tools;
    request.generate.tool_count = 2;
    answer(NULL);
    assert_int_equal(script.kind, SCRIPT_TEXT);             /* auto without a rule */
    request.generate.tool_choice = TOOL_CHOICE_ANY;
    answer(NULL);
    assert_int_equal(script.kind, SCRIPT_TOOL_CALL);
    assert_view_is(script.tool, "now");
    assert_view_is(script.text, "{}");
    request.generate.tool_choice = TOOL_CHOICE_NAMED;
    request.generate.tool_name = VIEW("weather");
    answer(NULL);
    assert_view_is(script.tool, "weather");
    assert_view_is(script.text, "{\"days\":1,\"city\":\"\"}");
    assert_int_equal(script.reason, GEN_TOOL_USE);
    assert_true(script.tool_id.len > 0);
}

static void schema_is_answered_with_its_smallest_instance(void **state)
{
    (void)state;
    request.generate.json_schema = json_parse(arena, VIEW("{\"enum\":[\"red\",\"green\"]}"), 8, NULL);
    request.generate.has_json_schema = true;
    answer(NULL);
    assert_view_is(script.text, "\"red\"");
}

static void rule_decides(void **state)
{
    (void)state;
    const struct script_rule text = { .kind = SCRIPT_TEXT, .text = VIEW("fixed"), .has_reason = true, .reason = GEN_CONTEXT_FULL };
    answer(&text);
    assert_view_is(script.text, "fixed");
    assert_int_equal(script.reason, GEN_CONTEXT_FULL);
    const struct script_rule call = { .kind = SCRIPT_TOOL_CALL, .tool = VIEW("t"), .text = VIEW("{}") };
    answer(&call);
    assert_int_equal(script.kind, SCRIPT_TOOL_CALL);
    const struct script_rule error = { .kind = SCRIPT_ERROR, .status = ENGINE_THROTTLED, .http_status = 429, .message = VIEW("no") };
    answer(&error);
    assert_int_equal(script.status, ENGINE_THROTTLED);
    assert_view_is(script.message, "no");
}

static void embeddings_are_unit_vectors_that_depend_on_the_text_alone(void **state)
{
    (void)state;
    const struct view texts[] = { VIEW_INIT("one"), VIEW_INIT("two"), VIEW_INIT("one") };
    request.kind = MODEL_EMBED;
    request.embed.texts = texts;
    request.embed.text_count = 3;
    answer(NULL);
    assert_int_equal(script.vectors.count, 3);
    assert_int_equal(script.vectors.dimensions, SCRIPTED_DIMENSIONS);
    const float *rows = script.vectors.vectors;
    double norm = 0, product = 0;
    for (size_t i = 0; i < SCRIPTED_DIMENSIONS; i++) {
        norm += (double)rows[i] * rows[i];
        product += (double)rows[i] * rows[SCRIPTED_DIMENSIONS + i];
    }
    assert_true(fabs(norm - 1) < 1e-5);
    assert_true(fabs(product) < 0.3);
    assert_memory_equal(rows, rows + (size_t)2 * SCRIPTED_DIMENSIONS, SCRIPTED_DIMENSIONS * sizeof(float));
    assert_int_equal(script.vectors.token_counts[1], 1);

    const struct script_rule seeded = { .kind = SCRIPT_EMBEDDING, .text = VIEW("same") };
    answer(&seeded);
    assert_memory_equal(script.vectors.vectors, script.vectors.vectors + SCRIPTED_DIMENSIONS, SCRIPTED_DIMENSIONS * sizeof(float));
}

static void count_is_what_the_call_would_use(void **state)
{
    (void)state;
    answer(NULL);
    int64_t used = script.usage.input_tokens;
    request.kind = MODEL_COUNT;
    answer(NULL);
    assert_int_equal(script.usage.input_tokens, used);
    assert_int_equal(script.usage.output_tokens, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tokens_are_words_marks_and_foreign_characters),
        TEST(tokens_joined_are_the_text),
        TEST(echo_repeats_the_last_user_text),
        TEST(limit_cuts_and_says_so),
        TEST(first_stop_in_the_text_ends_it_unless_the_limit_comes_before),
        TEST(forced_tool_is_called_with_the_smallest_instance),
        TEST(schema_is_answered_with_its_smallest_instance),
        TEST(rule_decides),
        TEST(embeddings_are_unit_vectors_that_depend_on_the_text_alone),
        TEST(count_is_what_the_call_would_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
