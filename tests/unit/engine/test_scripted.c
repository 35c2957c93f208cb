#include "rig.h"

static struct rig rig;
static struct arena *arena;

static void start_with(const char *yaml)
{
    struct config_error error = { .message = "" };
    arena = arena_create(1u << 20);
    const struct config_node *rules = yaml != NULL ? config_node_parse(arena, view_from_cstr(yaml), "test.yaml", &error) : NULL;
    const struct engine_model model = { .name = VIEW("mine"), .backend = ENGINE_SCRIPTED };
    rig_start(&rig, (struct engine_options){ .scripted_rules = rules }, &model, 1);
}

static int tear_down(void **state)
{
    (void)state;
    rig_stop(&rig);
    arena_destroy(arena);
    return 0;
}

static void scripted_model_exists_without_configuration_and_echoes(void **state)
{
    (void)state;
    start_with(NULL);
    struct answer answer;
    rig_ask(&rig, ENGINE_SCRIPTED_MODEL, "Hello, world.", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_OK);
    assert_string_equal(answer.text, "Hello, world.");
    assert_int_equal(answer.deltas, 1 + 4);                 /* the beginning, then a delta a token */
    assert_int_equal(answer.end.usage.output_tokens, 4);
    assert_int_equal(rig_info(&rig, ENGINE_SCRIPTED_MODEL).output_tokens, 4);
}

static void set_of_models_does_not_touch_the_built_in_one(void **state)
{
    (void)state;
    start_with(NULL);
    assert_true(engine_set_models(rig.engine, NULL, 0));
    struct answer built_in, mine;
    rig_ask(&rig, ENGINE_SCRIPTED_MODEL, "x", &built_in);
    rig_ask(&rig, "mine", "x", &mine);
    rig_run(&rig);
    assert_int_equal(built_in.status, ENGINE_OK);
    assert_int_equal(mine.status, ENGINE_NO_MODEL);
}

static void latency_and_pace_take_their_time(void **state)
{
    (void)state;
    start_with("- {match: {model: mine}, text: one two three four five, latency_ms: 100, tokens_per_second: 20}");
    struct answer answer, other;
    rig_ask(&rig, "mine", "x", &answer);
    rig_ask(&rig, ENGINE_SCRIPTED_MODEL, "not for you", &other);
    rig_run(&rig);
    assert_string_equal(answer.text, "one two three four five");
    assert_in_range(answer.end.first_token_us, 95000, 400000);
    assert_in_range(answer.end.total_us, 280000, 1500000);
    assert_true(other.end.total_us < 95000);
}

static void cancelled_answer_stops(void **state)
{
    (void)state;
    start_with("- {text: one two three four five, tokens_per_second: 10}");
    struct answer answer;
    rig_ask(&rig, "mine", "x", &answer);
    rig_run_for(&rig, 50);
    unsigned deltas = answer.deltas;
    assert_true(deltas > 0);
    engine_cancel(answer.call);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_CANCELLED);
    assert_int_equal(answer.deltas, deltas);
}

static void paused_answer_waits(void **state)
{
    (void)state;
    start_with(NULL);
    struct answer answer;
    rig_ask(&rig, "mine", "a b c", &answer);
    engine_pause(answer.call, true);
    rig_run_for(&rig, 30);
    assert_int_equal(answer.text_len, 0);
    engine_pause(answer.call, false);
    rig_run(&rig);
    assert_string_equal(answer.text, "a b c");
}

static void error_rule_ends_the_call_with_its_status(void **state)
{
    (void)state;
    start_with("- {match: {text: teapot}, error: {type: ModelErrorException, message: broken}}");
    struct answer answer;
    rig_ask(&rig, "mine", "a teapot", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    assert_int_equal(answer.end.original_status, 424);
    assert_string_equal(answer.message, "broken");
    assert_int_equal(answer.deltas, 0);
}

static const struct json *records(void)
{
    struct buf out = BUF_INIT(16u << 20);
    struct json_writer w;
    json_writer_init(&w, &out);
    engine_scripted_records(rig.engine, &w);
    assert_false(json_writer_failed(&w));
    const struct json *list = json_parse(arena, buf_view(&out), 64, NULL);
    assert_non_null(list);
    buf_free(&out);
    return list;
}

static void records_tell_what_was_asked_and_answered(void **state)
{
    (void)state;
    start_with("- {match: {text: second}, text: ruled}");
    struct answer first, second;
    rig_ask(&rig, "mine", "first", &first);
    rig_ask(&rig, "mine", "second", &second);
    rig_run(&rig);
    const struct json *list = records();
    assert_int_equal(json_size(list), 2);
    const struct json *echo = json_at(list, 0), *ruled = json_at(list, 1);
    bool valid;
    assert_true(json_is(json_get(echo, "rule"), JSON_NULL));
    assert_view_is(json_get_string(json_get(echo, "answer"), "text"), "first");
    assert_view_is(json_string(json_pointer(echo, VIEW("/request/generate/messages/0/parts/0/text"), &valid)), "first");
    int64_t rule = -1, tokens = -1;
    assert_true(json_get_i64(ruled, "rule", &rule) && json_get_i64(ruled, "output_tokens", &tokens));
    assert_int_equal(rule, 0);
    assert_int_equal(tokens, 1);
    assert_view_is(json_get_string(json_get(ruled, "answer"), "text"), "ruled");
}

static void records_are_bounded_in_number_and_size(void **state)
{
    (void)state;
    start_with(NULL);
    static char large[32768];
    static struct answer answers[600];
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i + 1 < COUNT_OF(answers); i++)
        rig_ask(&rig, "mine", "small", &answers[i]);
    rig_ask(&rig, "mine", large, &answers[COUNT_OF(answers) - 1]);
    rig_run(&rig);
    const struct json *list = records();
    assert_int_equal(json_size(list), 512);
    assert_non_null(json_get(json_at(list, 510), "request"));
    assert_null(json_get(json_at(list, 511), "request"));
    assert_view_is(json_get_string(json_at(list, 511), "model"), "mine");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scripted_model_exists_without_configuration_and_echoes),
        TEST(set_of_models_does_not_touch_the_built_in_one),
        TEST(latency_and_pace_take_their_time),
        TEST(cancelled_answer_stops),
        TEST(paused_answer_waits),
        TEST(error_rule_ends_the_call_with_its_status),
        TEST(records_tell_what_was_asked_and_answered),
        TEST(records_are_bounded_in_number_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
