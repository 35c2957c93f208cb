#include "unit.h"

#include "families/schema.h"

static const char *const colours[] = { "red", "blue", NULL };
static const struct schema word = { TEXT(1, 4) };
static const struct schema_member inner_members[] = {
    MEMBER("depth", REQUIRED, NUMBER_ABOVE(0, 1)),
    MEMBER("mode", OPTIONAL, ONLY("fast")),
    MEMBERS_END
};
static const struct schema_member members[] = {
    MEMBER("text", REQUIRED, TEXT(1, 0)),
    MEMBER("count", OPTIONAL, INTEGER(1, 10)),
    MEMBER("words", OPTIONAL, ARRAY_OF(word, 1, 2)),
    MEMBER("colour", OPTIONAL, ONE_OF(colours)),
    MEMBER("inner", OPTIONAL, OBJECT_OF(inner_members)),
    MEMBER("n", OPTIONAL, ONLY("1")),
    MEMBER("bias", OPTIONAL, ONLY("{}")),
    MEMBER("image", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema schema = { OBJECT_OF(members) };

static void assert_violations(const char *body, const char *expected)
{
    struct arena *arena = arena_create(1 << 20);
    struct buf out = BUF_INIT(8192);
    const struct json *value = json_parse(arena, view_from_cstr(body), 64, NULL);
    assert_non_null(value);
    assert_int_equal(schema_check(&schema, value, &out), expected[0] == '\0');
    assert_view_is(buf_view(&out), expected);
    buf_free(&out);
    arena_destroy(arena);
}

static void a_body_that_fits_has_no_violation(void **state)
{
    (void)state;
    assert_violations("{\"text\":\"a\",\"count\":10,\"words\":[\"a\",\"日本語字\"],\"colour\":\"blue\",\"inner\":{\"depth\":1}}", "");
    assert_violations("{\"text\":\"a\",\"count\":1.0}", "");
}

static void several_violations_are_joined_as_bedrock_joins_them(void **state)
{
    (void)state;
    assert_violations("{\"inputText\":\"a\",\"count\":0}",
                      "#: required key [text] not found#: extraneous key [inputText] is not permitted"
                      "#/count: 0 is not greater or equal to 1");
}

static void each_rule_has_its_words(void **state)
{
    (void)state;
    assert_violations("[]", "#: expected type: JSONObject, found: JSONArray");
    assert_violations("{\"text\":\"\"}", "#/text: expected minLength: 1, actual: 0");
    assert_violations("{\"text\":5}", "#/text: expected type: String, found: Integer");
    assert_violations("{\"text\":\"a\",\"count\":1.5}", "#/count: expected type: Integer, found: BigDecimal");
    assert_violations("{\"text\":\"a\",\"count\":11}", "#/count: 11 is not less or equal to 10");
    assert_violations("{\"text\":\"a\",\"words\":[]}", "#/words: expected minimum item count: 1, found: 0");
    assert_violations("{\"text\":\"a\",\"words\":[\"a\",\"b\",\"c\"]}", "#/words: expected maximum item count: 2, found: 3");
    assert_violations("{\"text\":\"a\",\"words\":[\"abcde\"]}", "#/words/0: expected maxLength: 4, actual: 5");
    assert_violations("{\"text\":\"a\",\"colour\":\"green\"}", "#/colour: green is not a valid enum value");
    assert_violations("{\"text\":\"a\",\"inner\":{\"depth\":0}}", "#/inner/depth: 0 is not greater than 0");
    assert_violations("{\"text\":\"a\",\"inner\":{\"depth\":1e999}}", "#/inner/depth: 1e999 is not less or equal to 1");
    assert_violations("{\"text\":\"a\",\"inner\":{}}", "#/inner: required key [depth] not found");
}

static void a_flood_of_violations_is_cut_short(void **state)
{
    (void)state;
    struct arena *arena = arena_create(8 << 20);
    struct buf body = BUF_INIT(1 << 20), out = BUF_INIT(8192);
    buf_append_cstr(&body, "{\"text\":\"a\"");
    for (int i = 0; i < 2000; i++)
        buf_printf(&body, ",\"%0200d\":1", i);
    buf_append_cstr(&body, "}");
    assert_false(schema_check(&schema, json_parse(arena, buf_view(&body), 64, NULL), &out));
    assert_false(buf_failed(&out));
    buf_free(&body);
    buf_free(&out);
    arena_destroy(arena);
}

static void assert_unsupported(const char *body, const char *expected_path, const char *expected_only)
{
    struct arena *arena = arena_create(1 << 20);
    struct buf path = BUF_INIT(256);
    const char *only = NULL;
    bool fine = schema_unsupported(&schema, json_parse(arena, view_from_cstr(body), 64, NULL), &path, &only);
    assert_int_equal(fine, expected_path == NULL);
    if (expected_path != NULL) {
        assert_view_is(buf_view(&path), expected_path);
        assert_string_equal(only, expected_only);
    }
    buf_free(&path);
    arena_destroy(arena);
}

static void what_is_not_served_is_found_by_its_path(void **state)
{
    (void)state;
    assert_unsupported("{\"n\":2}", "/n", "1");
    assert_unsupported("{\"n\":\"1\"}", NULL, NULL);
    assert_unsupported("{\"bias\":{\"a\":1}}", "/bias", "{}");
    assert_unsupported("{\"image\":\"abc\"}", "/image", "");
    assert_unsupported("{\"inner\":{\"mode\":\"slow\"}}", "/inner/mode", "fast");
}

static void the_value_that_means_nothing_is_let_through(void **state)
{
    (void)state;
    assert_unsupported("{\"n\":1,\"bias\":{},\"image\":null,\"inner\":{\"mode\":\"fast\"}}", NULL, NULL);
    assert_unsupported("{\"n\":1.0}", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_fits_has_no_violation),
        cmocka_unit_test(several_violations_are_joined_as_bedrock_joins_them),
        cmocka_unit_test(each_rule_has_its_words),
        cmocka_unit_test(a_flood_of_violations_is_cut_short),
        cmocka_unit_test(what_is_not_served_is_found_by_its_path),
        cmocka_unit_test(the_value_that_means_nothing_is_let_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
