#include "unit.h"

#include "dynamodb/value.h"

static struct arena *arena;

static struct value value(const char *json)
{
    const struct json *parsed = json_parse(arena, view_from_cstr(json), 64, NULL);
    assert_non_null(parsed);
    return value_of(parsed);
}

static const char *problem(const char *json)
{
    const char *text = value_problem(json_parse(arena, view_from_cstr(json), 64, NULL), arena);
    return text != NULL ? text : "none";
}

static void a_value_is_one_member_named_after_its_type(void **state)
{
    (void)state;
    assert_int_equal(value("{\"S\":\"x\"}").type, VALUE_STRING);
    assert_int_equal(value("{\"N\":\"1\"}").type, VALUE_NUMBER);
    assert_int_equal(value("{\"BOOL\":true}").type, VALUE_BOOL);
    assert_int_equal(value("{\"L\":[]}").type, VALUE_LIST);
    assert_int_equal(value("{\"N\":1}").type, VALUE_NONE);
    assert_int_equal(value("{\"s\":\"x\"}").type, VALUE_NONE);
    assert_int_equal(value("{}").type, VALUE_NONE);
    assert_int_equal(value("{\"S\":\"x\",\"N\":\"1\"}").type, VALUE_NONE);
    assert_int_equal(value("\"x\"").type, VALUE_NONE);
    assert_int_equal(value_of(NULL).type, VALUE_NONE);
}

static void bad_values_are_told_in_the_words_of_dynamodb(void **state)
{
    (void)state;
    assert_string_equal(problem("{\"S\":\"\"}"), "none");
    assert_string_equal(problem("{\"M\":{\"a\":{\"L\":[{\"NS\":[\"1\",\"2e3\"]}]}}}"), "none");
    assert_string_equal(problem("{}"), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
    assert_string_equal(problem("{\"X\":1}"), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
    assert_string_equal(problem("{\"S\":\"a\",\"N\":\"1\"}"),
                        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes");
    assert_string_equal(problem("{\"N\":\"abc\"}"), "The parameter cannot be converted to a numeric value: abc");
    assert_string_equal(problem("{\"L\":[{\"N\":\"\"}]}"), "The parameter cannot be converted to a numeric value");
    assert_string_equal(problem("{\"SS\":[]}"), "One or more parameter values were invalid: A set may not be empty");
    assert_string_equal(problem("{\"NS\":[\"1\",\"x\"]}"), "The parameter cannot be converted to a numeric value: x");
}

static void values_nested_too_deeply_are_refused(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(4096);
    for (int i = 0; i < 40; i++)
        buf_append_cstr(&text, "{\"L\":[");
    buf_append_cstr(&text, "{\"S\":\"\"}");
    for (int i = 0; i < 40; i++)
        buf_append_cstr(&text, "]}");
    const struct json *parsed = json_parse(arena, buf_view(&text), 200, NULL);
    assert_non_null(parsed);
    assert_string_equal(value_problem(parsed, arena), "Nesting Levels have exceeded supported limits");
    buf_free(&text);
}

static void numbers_are_compared_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        { "1", "1.0", 0 },       { "1", "+1", 0 },
        { "10", "9", 1 },        { "-10", "-9", -1 },
        { "-1", "1", -1 },       { "0", "-0.00", 0 },
        { "0", "0.001", -1 },    { "100", "1e2", 0 },
        { "1E-3", "0.001", 0 },  { "123456789012345678901234567890.12345678", "123456789012345678901234567890.12345679", -1 },
        { "0.5", ".5", 0 },      { "5.", "5", 0 },
        { "9e125", "9.1e125", -1 }, { "1000000000000000000000000000000000000000000", "1e42", 0 },
        { "2", "10", -1 },       { "0", "5", -1 },
        { "-5", "0", -1 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(number_compare(view_from_cstr(rows[i].a), view_from_cstr(rows[i].b)), rows[i].order);
        assert_int_equal(number_compare(view_from_cstr(rows[i].b), view_from_cstr(rows[i].a)), -rows[i].order);
    }
}

static void only_numbers_within_bounds_are_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "-", ".", "e1", "1e", "1x", "1e2000", "1e127", "1e-131", "0x1", "1 ", "--1",
                                       "123456789012345678901234567890123456789", "99999999999999999999" "e99999999999999999999" };
    static const char *const good[] = { "0", "-0", "1e125", "1e-130", "12345678901234567890123456789012345678",
                                        "000000000000000000000000001" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(number_valid(view_from_cstr(bad[i])));
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(number_valid(view_from_cstr(good[i])));
}

static void equality_looks_into_containers(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        { "{\"S\":\"a\"}", "{\"S\":\"a\"}", true },
        { "{\"S\":\"1\"}", "{\"N\":\"1\"}", false },
        { "{\"NULL\":true}", "{\"NULL\":true}", true },
        { "{\"BOOL\":true}", "{\"BOOL\":false}", false },
        { "{\"NS\":[\"1\",\"2\"]}", "{\"NS\":[\"2.0\",\"1\"]}", true },
        { "{\"SS\":[\"1\",\"2\"]}", "{\"SS\":[\"2.0\",\"1\"]}", false },
        { "{\"L\":[{\"S\":\"a\"},{\"N\":\"1\"}]}", "{\"L\":[{\"S\":\"a\"},{\"N\":\"1e0\"}]}", true },
        { "{\"L\":[{\"S\":\"a\"}]}", "{\"L\":[{\"S\":\"a\"},{\"S\":\"a\"}]}", false },
        { "{\"M\":{\"x\":{\"S\":\"a\"}}}", "{\"M\":{\"x\":{\"S\":\"a\"}}}", true },
        { "{\"M\":{\"x\":{\"S\":\"a\"}}}", "{\"M\":{\"y\":{\"S\":\"a\"}}}", false },
        { "{}", "{}", false },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(value_equal(value(rows[i].a), value(rows[i].b)), rows[i].equal);
}

static void sizes_count_characters_bytes_and_elements(void **state)
{
    (void)state;
    int64_t size = 0;
    assert_true(value_size(value("{\"S\":\"h\xc3\xa9\"}"), &size) && size == 2);
    assert_true(value_size(value("{\"B\":\"AAECAw==\"}"), &size) && size == 4);
    assert_true(value_size(value("{\"L\":[{\"S\":\"\"},{\"S\":\"\"}]}"), &size) && size == 2);
    assert_true(value_size(value("{\"SS\":[\"a\",\"b\",\"c\"]}"), &size) && size == 3);
    assert_false(value_size(value("{\"N\":\"12\"}"), &size));
    assert_false(value_size(value("{\"BOOL\":true}"), &size));
}

static int setup(void **state)
{
    (void)state;
    arena = arena_create(8 << 20);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_one_member_named_after_its_type),
        cmocka_unit_test(bad_values_are_told_in_the_words_of_dynamodb),
        cmocka_unit_test(values_nested_too_deeply_are_refused),
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(only_numbers_within_bounds_are_numbers),
        cmocka_unit_test(equality_looks_into_containers),
        cmocka_unit_test(sizes_count_characters_bytes_and_elements),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
