/* Reading JSON: what is accepted and refused, numbers as text, lookups, pointers, limits. */
#include "unit.h"

#include "base/json.h"

static struct arena *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = arena_create(4 << 20);
    return arena == NULL;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static const struct json *parse(const char *text)
{
    return json_parse(arena, view_from_cstr(text), JSON_DEPTH_DEFAULT, NULL);
}

static void every_kind_of_valid_text_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null", "true", "false", "0", "-0", "-0.0", "1e5", "1E+5", "1e-5", "0.5", "123456789012345678901234567890", "1e999",
        "\"\"", "[]", "{}", " [ ] ", "\t{\r\n}\n", "[1,2,[3,[4]]]", "{\"a\":{\"b\":[]}}", "{\"\":0}", "{\"a\":1,\"a\":2}",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "\"\\u0000\"", "\"\\u00e9\\uD83D\\uDE00\"", "\"\x7f\"",
        "\"\xc3\xa9\xe5\xaf\xb9\xf0\x9f\x98\x80\"", "\"\xf4\x8f\xbf\xbf\"", "[null,true,false]", "[ 1 , 2 ]",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (parse(good[i]) == NULL)
            fail_msg("refused: %s", good[i]);
    }
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " ", "nul", "True", "nullx", "NaN", "Infinity", "-Infinity", "undefined",
        "+1", "01", "-01", "-", "1.", ".5", "1.e5", "1e", "1e+", "0x10", "1_000", "--1", "1 2", "1,",
        "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "[1}", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{,\"a\":1}", "{a:1}", "{'a':1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{1:2}", "{\"a\":1}}", "{\"a\":1}{}", "[] []",
        "\"", "\"abc", "\"\\\"", "\"\\x41\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\", "'a'", "\"a\nb\"", "\"\t\"", "\"\x01\"",
        "\"\\uD83D\"", "\"\\uDE00\"", "\"\\uD83D\\u0041\"", "\"\\uD83Dx\"",
        "\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xf0\x82\x82\xac\"", "\"\xe5\xaf\"", "\"\xff\"",
        "\xef\xbb\xbf{}", "/* c */ 1", "1 // c", "[1,/**/2]", "{\"\xe5\":1}", "\xe2\x80\xa8[]", "\x0c[]",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (parse(bad[i]) != NULL)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_null(json_parse(arena, (struct view){ NULL, 0 }, 10, NULL));
    assert_null(json_parse(arena, VIEW("[1]\0"), 10, NULL));
    assert_null(json_parse(arena, VIEW("\"a\0b\""), 10, NULL));
}

static void errors_say_where_and_what(void **state)
{
    (void)state;
    struct json_error error = { 0 };
    assert_null(json_parse(arena, VIEW("{\"a\": nope}"), 10, &error));
    assert_int_equal(error.offset, 6);
    assert_non_null(error.message);
    assert_null(json_parse(arena, VIEW("[[[]]]"), 2, &error));
    assert_int_equal(error.offset, 2);
    assert_string_equal(error.message, "nested too deeply");
}

static void depth_is_limited_exactly(void **state)
{
    (void)state;
    assert_non_null(json_parse(arena, VIEW("{\"a\":[{\"b\":[1]}]}"), 4, NULL));
    assert_null(json_parse(arena, VIEW("{\"a\":[{\"b\":[1]}]}"), 3, NULL));
    assert_non_null(json_parse(arena, VIEW("1"), 0, NULL));
    assert_null(json_parse(arena, VIEW("[]"), 0, NULL));
    assert_non_null(json_parse(arena, VIEW("[[],[],[],[],[],{},{},{}]"), 2, NULL));
    assert_non_null(json_parse(arena, VIEW("[\"[[[[{{{{\",\"\\\"[[[[[[[[\"]"), 1, NULL));

    size_t depth = 500000; /* far beyond any stack, were there recursion */
    char *deep = malloc(2 * depth);
    memset(deep, '[', depth);
    memset(deep + depth, ']', depth);
    assert_null(json_parse(arena, view_of(deep, 2 * depth), JSON_DEPTH_DEFAULT, NULL));
    assert_null(json_parse(arena, view_of(deep, depth), JSON_DEPTH_DEFAULT, NULL));
    assert_non_null(json_parse(arena, view_of(deep + depth - 512, 1024), JSON_DEPTH_DEFAULT, NULL));
    assert_null(json_parse(arena, view_of(deep + depth - 513, 1026), JSON_DEPTH_DEFAULT, NULL));
    free(deep);
}

static void numbers_keep_their_text(void **state)
{
    (void)state;
    static const char *const numbers[] = { "1.0", "1e2", "-0", "0.10000000000000000000000000000001", "1E400",
                                           "12345678901234567890123" };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        assert_view_is(json_number_text(parse(numbers[i])), numbers[i]);
    const struct json *list = parse("[1.50, 2 ,3]");
    assert_view_is(json_number_text(json_at(list, 0)), "1.50");
    assert_view_is(json_number_text(json_at(list, 1)), "2");
    assert_view_is(json_number_text(json_at(list, 2)), "3");
}

static void whole_numbers_may_be_written_as_reals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        { "1", true, 1 },
        { "1.0", true, 1 },
        { "1e2", true, 100 },
        { "1.25e2", true, 125 },
        { "-0.0", true, 0 },
        { "0e99", true, 0 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "922337203685477580.7e1", true, INT64_MAX },
        { "-9.223372036854775808e18", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "9.223372036854775808e18", false, 0 },
        { "1.5", false, 0 },
        { "1e-1", false, 0 },
        { "1e19", false, 0 },
        { "1e999999999999", false, 0 },
        { "1e-999999999999", false, 0 },
        { "\"1\"", false, 0 },
        { "true", false, 0 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 0;
        assert_int_equal(json_to_i64(parse(cases[i].text), &value), cases[i].ok);
        assert_true(value == cases[i].value);
    }
    double real = 0;
    assert_true(json_to_double(parse("0.1"), &real));
    assert_true(real == 0.1);
    assert_false(json_to_double(parse("1e400"), &real));
    assert_false(json_to_double(parse("\"0.1\""), &real));
}

static void strings_are_decoded_and_may_hold_nul(void **state)
{
    (void)state;
    assert_view_is(json_string(parse("\"\\u00e9\\uD83D\\uDE00\\n\\/\"")), "\xc3\xa9\xf0\x9f\x98\x80\n/");
    assert_view_eq(json_string(parse("\"a\\u0000b\"")), VIEW("a\0b"));
    assert_null(json_string(parse("1")).ptr);
    assert_non_null(json_string(parse("\"\"")).ptr);
}

static void lookups_chain_through_what_is_absent_or_of_another_type(void **state)
{
    (void)state;
    const struct json *root = parse("{\"a\":{\"b\":[10,\"x\",{\"c\":true}]},\"n\":null}");
    assert_true(json_bool(json_get(json_at(json_get(json_get(root, "a"), "b"), 2), "c"), false));
    assert_null(json_get(json_at(json_get(json_get(root, "a"), "x"), 2), "c"));
    assert_null(json_get(json_get(root, "n"), "b"));
    assert_null(json_at(root, 0));
    assert_null(json_at(json_get(json_get(root, "a"), "b"), 3));
    assert_null(json_get(NULL, "a"));
    assert_int_equal(json_type(NULL), JSON_ABSENT);
    assert_int_equal(json_type(json_get(root, "n")), JSON_NULL);
    assert_int_equal(json_size(root), 2);
    assert_int_equal(json_size(parse("\"text\"")), 0);
    assert_true(json_bool(parse("1"), true));
    assert_string_equal(json_type_name(json_type(root)), "object");
}

static void the_last_of_duplicate_keys_counts(void **state)
{
    (void)state;
    const struct json *root = parse("{\"a\":1,\"b\":2,\"a\":3,\"a\\u0000\":4}");
    int64_t value = 0;
    assert_true(json_get_i64(root, "a", &value));
    assert_int_equal(value, 3);
    assert_view_is(json_number_text(json_get_view(root, VIEW("a\0"))), "4");
    assert_view_is(json_number_text(json_pointer(root, VIEW("/a"), NULL)), "3");
}

static void iteration_visits_members_in_order(void **state)
{
    (void)state;
    struct json_iter it = json_iter(parse("{\"a\":[1,[2]],\"b\":{},\"c\":\"x\"}"));
    static const char *const keys[] = { "a", "b", "c" };
    size_t seen = 0;
    while (json_next(&it)) {
        assert_int_equal(it.index, seen);
        assert_view_is(it.key, keys[seen++]);
    }
    assert_int_equal(seen, 3);
    assert_view_is(json_string(it.value), "x");

    it = json_iter(parse("[[1,2,3],{\"k\":4},5]"));
    for (seen = 0; json_next(&it); seen++)
        assert_int_equal(it.key.len, 0);
    assert_int_equal(seen, 3);
    it = json_iter(parse("[]"));
    assert_false(json_next(&it));
    it = json_iter(NULL);
    assert_false(json_next(&it));
}

static void pointers_follow_rfc_6901(void **state)
{
    (void)state;
    const struct json *root = parse("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"m~n\":8,\"~1\":9,\"o\":{\"x\":{\"y\":7}}}");
    static const struct {
        const char *pointer, *number; /* NULL: nothing is there */
        bool valid;
    } cases[] = {
        { "/", "0", true },        { "/a~1b", "1", true }, { "/m~0n", "8", true },  { "/~01", "9", true },
        { "/o/x/y", "7", true },   { "/o/x/z", NULL, true }, { "/o/x/y/z", NULL, true }, { "/foo/2", NULL, true },
        { "/foo/-", NULL, true },  { "/foo/01", NULL, true }, { "/foo/x", NULL, true }, { "foo", NULL, false },
        { "/a~2b", NULL, false },  { "/a~", NULL, false },  { "/nothing/~", NULL, false }, { "/~1", NULL, true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool valid = !cases[i].valid;
        const struct json *found = json_pointer(root, view_from_cstr(cases[i].pointer), &valid);
        assert_int_equal(valid, cases[i].valid);
        if (cases[i].number == NULL)
            assert_null(found);
        else
            assert_view_is(json_number_text(found), cases[i].number);
    }
    assert_ptr_equal(json_pointer(root, VIEW(""), NULL), root);
    assert_view_is(json_string(json_pointer(root, VIEW("/foo/1"), NULL)), "baz");
}

static void a_tree_outlives_its_text_and_takes_little_more_than_it_needs(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    const struct json *value = json_parse(arena, view_of(text, sizeof text), 10, NULL);
    memset(text, 0, sizeof text);
    assert_int_equal(json_string(value).len, sizeof text - 2);
    assert_int_equal(json_string(value).ptr[0], 'x');
    assert_true(arena_used(arena) < sizeof text + 256);
}

static void an_exhausted_arena_is_an_error(void **state)
{
    (void)state;
    struct arena *small = arena_create(1024);
    struct json_error error = { 0 };
    char text[2000];
    memset(text, ' ', sizeof text);
    text[0] = '1';
    assert_null(json_parse(small, view_of(text, sizeof text), 10, &error));
    assert_non_null(error.message);
    assert_true(arena_exhausted(small));
    arena_destroy(small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_valid_text_is_accepted),
        TEST(everything_else_is_refused),
        TEST(errors_say_where_and_what),
        TEST(depth_is_limited_exactly),
        TEST(numbers_keep_their_text),
        TEST(whole_numbers_may_be_written_as_reals),
        TEST(strings_are_decoded_and_may_hold_nul),
        TEST(lookups_chain_through_what_is_absent_or_of_another_type),
        TEST(the_last_of_duplicate_keys_counts),
        TEST(iteration_visits_members_in_order),
        TEST(pointers_follow_rfc_6901),
        TEST(a_tree_outlives_its_text_and_takes_little_more_than_it_needs),
        TEST(an_exhausted_arena_is_an_error),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
