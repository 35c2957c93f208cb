#include "batch/record.h"

#include "unit.h"

#define DEPTH 32

static int set_up(void **state)
{
    *state = arena_create(1 << 20);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_destroy(*state);
    return 0;
}

static struct record parse(void **state, const char *line)
{
    struct record record;
    struct json_error error;
    assert_int_equal(record_parse(*state, view_from_cstr(line), DEPTH, &record, &error), RECORD_OK);
    return record;
}

static void parts_are_found_as_their_bytes_are(void **state)
{
    static const struct {
        const char *line, *id, *input;
    } cases[] = {
        { "{\"recordId\":\"A1\",\"modelInput\":{\"a\":1}}", "\"A1\"", "{\"a\":1}" },
        { "{\"modelInput\":{},\"recordId\":\"\"}", "\"\"", "{}" },
        { "{ \"modelInput\" : { \"x\" : [ 1.0 , \"}\" , \"\\\"{\" ] } , \"recordId\" : \"\\u0041\" }", "\"\\u0041\"",
          "{ \"x\" : [ 1.0 , \"}\" , \"\\\"{\" ] }" },
        { "{\"modelInput\":{\"n\":1e400,\"m\":-0.10}}", "", "{\"n\":1e400,\"m\":-0.10}" },
        { "{\"note\":[[{}]],\"more\":null,\"t\":true,\"f\":1.5,\"modelInput\":{\"a\":{}}}", "", "{\"a\":{}}" },
        { "{\"model\\u0049nput\":{\"escaped\":true}}", "", "{\"escaped\":true}" },
        { "{\"modelInput\":{\"first\":1},\"modelInput\":{\"last\":2}}", "", "{\"last\":2}" },
        { "{\"modelInput\":1,\"modelInput\":{}}", "", "{}" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct record record = parse(state, cases[i].line);
        assert_null(record.problem);
        assert_view_is(record.id, cases[i].id);
        assert_view_is(record.input, cases[i].input);
    }
}

static void the_system_text_is_found_wherever_it_stands(void **state)
{
    assert_view_is(parse(state, "{\"modelInput\":{\"messages\":[{\"system\":1}], \"system\" : [ {\"text\":\"s\"} ]}}").system,
                   "[ {\"text\":\"s\"} ]");
    assert_view_is(parse(state, "{\"system\":1,\"modelInput\":{\"prompt\":\"x\"}}").system, "");
    assert_view_is(parse(state, "{\"system\":1}").system, "");
}

static void json_that_is_no_record_is_told_and_kept(void **state)
{
    static const struct {
        const char *line, *input, *problem;
    } cases[] = {
        { "[1,2]", "[1,2]", "The line is no record: it must be a JSON object with a modelInput." },
        { "null", "null", "The line is no record: it must be a JSON object with a modelInput." },
        { "{\"recordId\":\"A\"}", "{\"recordId\":\"A\"}", "The record has no modelInput." },
        { "{}", "{}", "The record has no modelInput." },
        { "{\"modelInput\":\"text\"}", "\"text\"", "modelInput must be a JSON object." },
        { "{\"modelInput\":[ {} ]}", "[ {} ]", "modelInput must be a JSON object." },
        { "{\"recordId\":7,\"modelInput\":{}}", "{}", "recordId must be a string." },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct record record = parse(state, cases[i].line);
        assert_string_equal(record.problem, cases[i].problem);
        assert_view_is(record.input, cases[i].input);
    }
    assert_view_is(parse(state, "{\"recordId\":\"A\"}").id, "\"A\"");
    assert_view_is(parse(state, "{\"recordId\":7,\"modelInput\":{}}").id, "");
}

static void a_line_that_is_not_json_says_why(void **state)
{
    static const char *const lines[] = { "{\"modelInput\":{}", "{'a':1}", "hello", "{} {}", "{\"a\":\"\xff\"}" };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct record record;
        struct json_error error = { .message = NULL };
        assert_int_equal(record_parse(*state, view_from_cstr(lines[i]), DEPTH, &record, &error), RECORD_NOT_JSON);
        assert_non_null(error.message);
    }
}

static void a_line_that_is_too_large_for_the_memory_is_no_syntax_error(void **state)
{
    (void)state;
    struct arena *small = arena_create(512);
    struct record record;
    struct json_error error;
    char line[4096];
    memset(line, ' ', sizeof(line));
    memcpy(line, "{\"modelInput\":{\"a\":1}", 21);
    line[sizeof(line) - 1] = '}';
    assert_int_equal(record_parse(small, view_of(line, sizeof(line)), DEPTH, &record, &error), RECORD_NO_MEMORY);
    arena_destroy(small);
}

static void made_ids_depend_on_the_job_and_the_record_alone(void **state)
{
    char first[RECORD_ID_TEXT], again[RECORD_ID_TEXT], second[RECORD_ID_TEXT], other[RECORD_ID_TEXT];
    (void)state;
    record_make_id(VIEW("abc"), 1, first);
    record_make_id(VIEW("abc"), 1, again);
    record_make_id(VIEW("abc"), 2, second);
    record_make_id(VIEW("abd"), 1, other);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, second, sizeof(first));
    assert_memory_not_equal(first, other, sizeof(first));
    assert_int_equal(first[0], '"');
    assert_int_equal(first[sizeof(first) - 1], '"');
    for (size_t i = 1; i + 1 < sizeof(first); i++)
        assert_non_null(strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", first[i]));
}

static void lines_of_the_output_repeat_the_input_byte_for_byte(void **state)
{
    struct buf out = BUF_INIT(4096);
    (void)state;
    record_write_answer(&out, VIEW("\"A\""), VIEW("{ \"n\" : 1.0 }"), VIEW("{\"text\":\"x\"}"));
    assert_view_is(buf_view(&out), "{\"recordId\":\"A\",\"modelInput\":{ \"n\" : 1.0 },\"modelOutput\":{\"text\":\"x\"}}\n");
    buf_clear(&out);
    record_write_error(&out, VIEW("\"B\""), VIEW("[]"), 400, VIEW("no \"good\""));
    assert_view_is(buf_view(&out),
                   "{\"recordId\":\"B\",\"modelInput\":[],\"error\":{\"errorCode\":400,\"errorMessage\":\"no \\\"good\\\"\"}}\n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parts_are_found_as_their_bytes_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_system_text_is_found_wherever_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_that_is_no_record_is_told_and_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_is_not_json_says_why, set_up, tear_down),
        cmocka_unit_test(a_line_that_is_too_large_for_the_memory_is_no_syntax_error),
        cmocka_unit_test(made_ids_depend_on_the_job_and_the_record_alone),
        cmocka_unit_test(lines_of_the_output_repeat_the_input_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
