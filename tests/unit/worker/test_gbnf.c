#include "vocab.h"

#include "worker/gbnf.h"
#include "worker/shim.h"

#include <math.h>

/* ---- what a schema's grammar lets through ---- */

struct schema {
    struct arena *arena;
    struct gbnf *gbnf;
    struct llama_sampler *sampler;
};

static struct schema compile(const char *text)
{
    struct schema s = { .arena = arena_create(64u << 20) };
    s.gbnf = gbnf_create((struct gbnf_limits){ .string_chars = 40, .array_items = 8 });
    const struct json *json = json_parse(s.arena, view_from_cstr(text), JSON_DEPTH_DEFAULT, NULL);
    assert_non_null(json);
    gbnf_schema(s.gbnf, "root", json);
    if (gbnf_error(s.gbnf) == NULL) {
        struct shim_error error;
        char *grammar = arena_cstr(s.arena, gbnf_text(s.gbnf));
        s.sampler = shim_grammar_create(llama_model_get_vocab(test_model), grammar, &error);
        if (s.sampler == NULL)
            fail_msg("%s does not compile: %s\n%s", text, error.message, grammar);
    }
    return s;
}

static void release(struct schema *s)
{
    if (s->sampler != NULL)
        llama_sampler_free(s->sampler);
    gbnf_destroy(s->gbnf);
    arena_destroy(s->arena);
}

static bool allows(struct llama_sampler *sampler, llama_token token)
{
    llama_token_data one = { .id = token };
    llama_token_data_array candidates = { .data = &one, .size = 1, .selected = -1 };
    return shim_sampler_apply(sampler, &candidates) && !isinf(one.logit);
}

static bool matches(const struct schema *s, const char *value)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(test_model);
    llama_token *tokens;
    size_t count;
    assert_non_null(s->sampler);
    assert_true(shim_tokenize(vocab, value, strlen(value), false, false, &tokens, &count, NULL));
    struct llama_sampler *sampler = llama_sampler_clone(s->sampler);
    bool fine = true;
    for (size_t i = 0; i < count && fine; i++)
        fine = allows(sampler, tokens[i]) && shim_sampler_accept(sampler, tokens[i]);
    fine = fine && allows(sampler, llama_vocab_eos(vocab));
    llama_sampler_free(sampler);
    free(tokens);
    return fine;
}

struct example {
    const char *schema;
    const char *valid[6], *invalid[8];
};

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct schema s = compile(examples[i].schema);
        if (gbnf_error(s.gbnf) != NULL)
            fail_msg("%s: %s", examples[i].schema, gbnf_error(s.gbnf));
        for (size_t v = 0; v < 6 && examples[i].valid[v] != NULL; v++)
            if (!matches(&s, examples[i].valid[v]))
                fail_msg("%s should allow %s\n" VIEW_FMT, examples[i].schema, examples[i].valid[v], VIEW_ARG(gbnf_text(s.gbnf)));
        for (size_t v = 0; v < 8 && examples[i].invalid[v] != NULL; v++)
            if (matches(&s, examples[i].invalid[v]))
                fail_msg("%s should not allow %s\n" VIEW_FMT, examples[i].schema, examples[i].invalid[v], VIEW_ARG(gbnf_text(s.gbnf)));
        release(&s);
    }
}

static void objects_keep_required_and_declared_properties(void **state)
{
    (void)state;
    static const struct example examples[] = {
        { "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}},\"required\":[\"city\"]}",
          { "{\"city\": \"Oslo\"}", "{\"city\":\"Oslo\",\"days\":3}", "{\"city\": \"\", \"days\": 0}" },
          { "{}", "{\"days\": 3}", "{\"city\": 1}", "{\"city\": \"Oslo\", \"other\": 1}", "{\"city\": \"a\",}", "{\"city\": \"a\"" } },
        { "{\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"null\"},\"c\":{\"type\":\"null\"}},\"required\":[\"b\"]}",
          { "{\"b\":null}", "{\"a\":null,\"b\":null}", "{\"b\":null,\"c\":null}", "{\"a\":null,\"b\":null,\"c\":null}" },
          { "{}", "{\"a\":null}", "{\"a\":null,\"c\":null}", "{,\"b\":null}" } },
        { "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"null\"}}}",
          { "{}", "{\"a\":null}", "{\"b\":null}", "{\"a\":null,\"b\":null}" },
          { "{\"b\":null,}", "{,}", "[]" } },
        { "{\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{\"type\":\"null\"},\"c\":{\"type\":\"null\"}},\"minProperties\":2,"
          "\"maxProperties\":2}",
          { "{\"a\":null,\"b\":null}" },
          { "{\"a\":null}", "{}", "{\"a\":null,\"b\":null,\"c\":null}" } },
        { "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"boolean\"}}",
          { "{}", "{\"x\": true}", "{\"x\": true, \"y z\": false}" },
          { "{\"x\": 1}", "{x: true}" } },
        { "{\"required\":[\"free\"]}", { "{\"free\": {\"a\": [1, \"b\"]}}", "{\"free\": null}" }, { "{}" } },
        { "{\"properties\":{\"q\\\"uote\\\\\":{\"const\":1}},\"required\":[\"q\\\"uote\\\\\"]}", { "{\"q\\\"uote\\\\\": 1}" }, { "{}" } },
    };
    check(examples, COUNT_OF(examples));
}

static void schemas_that_hold_together_are_all_kept(void **state)
{
    (void)state;
    static const struct example examples[] = {
        { "{\"allOf\":[{\"type\":\"integer\",\"minimum\":3},{\"maximum\":5}]}", { "3", "5" }, { "2", "6", "4.5" } },
        { "{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]},{\"properties\":{\"a\":{\"enum\":[\"x\","
          "1]}}}]}",
          { "{\"a\": \"x\"}" },
          { "{\"a\": 1}", "{\"a\": \"y\"}", "{}" } },
        { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", { "\"a\"", "null" }, { "1", "true" } },
        { "{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\"}},\"required\":[\"k\"],\"oneOf\":[{\"properties\":{"
          "\"k\":{\"const\":"
          "\"a\"},\"n\":{\"type\":\"null\"}},\"required\":[\"n\"]},{\"properties\":{\"k\":{\"const\":\"b\"}}}]}",
          { "{\"k\":\"a\",\"n\":null}", "{\"k\":\"b\"}" },
          { "{\"k\":\"a\"}", "{\"k\":\"c\"}" } },
        { "{\"type\":[\"string\",\"null\",\"boolean\"]}", { "\"a\"", "null", "true", "false" }, { "1", "{}" } },
        { "{\"enum\":[\"red\",\"green\",3,null,[1]]}", { "\"red\"", "3", "null", "[1]" }, { "\"blue\"", "4", "red" } },
        { "{\"type\":\"string\",\"enum\":[\"red\",3]}", { "\"red\"" }, { "3" } },
        { "{\"type\":\"integer\",\"enum\":[1,2,3],\"minimum\":2}", { "2", "3" }, { "1" } },
        { "true", { "1", "\"a\"", "{\"a\": [true, {\"b\": null}]}", "[]" }, { "{", "nul" } },
    };
    check(examples, COUNT_OF(examples));
}

static void references_may_recur_and_loops_end(void **state)
{
    (void)state;
    static const struct example examples[] = {
        { "{\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"
          "tree\"}}}}},"
          "\"$ref\":\"#/$defs/tree\"}",
          { "{}", "{\"kids\": []}", "{\"kids\": [{}, {\"kids\": [{}]}]}" },
          { "{\"kids\": [1]}", "{\"kids\": {}}" } },
        { "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\",\"type\":\"null\"}}}",
          { "null" },
          { "1" } },
        { "{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}", { "[]", "[[], [[]]]" }, { "[1]" } },
        { "{\"properties\":{\"a~b\":{\"type\":\"null\"},\"x\":{\"$ref\":\"#/properties/a~0b\"}},\"required\":[\"x\"]}",
          { "{\"x\":null}" },
          { "{\"x\":1}" } },
    };
    check(examples, COUNT_OF(examples));
}

static void arrays_keep_their_bounds_and_tuples(void **state)
{
    (void)state;
    static const struct example examples[] = {
        { "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":3}",
          { "[1]", "[1, 2]", "[1,2,3]" },
          { "[]", "[1,2,3,4]", "[1,]", "[\"a\"]" } },
        { "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"maxItems\":0}", { "[]" }, { "[null]" } },
        { "{\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"integer\"}],\"items\":false}",
          { "[\"a\", 1]" },
          { "[\"a\", 1, 2]", "[1, 1]" } },
        { "{\"items\":[{\"type\":\"string\"}],\"additionalItems\":{\"type\":\"null\"},\"maxItems\":3}",
          { "[\"a\"]", "[\"a\", null, null]" },
          { "[\"a\", null, null, null]", "[null]" } },
        { "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\",\"c\"]},\"uniqueItems\":true}",
          { "[]", "[\"a\", \"c\"]", "[\"a\", \"b\", \"c\"]" },
          { "[\"a\", \"a\"]", "[\"d\"]" } },
        { "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}", { "[]", "[\"a\"]" }, { "[\"a\", \"a\"]" } },
        { "{\"type\":\"array\",\"items\":{\"type\":\"null\"}}",
          { "[null,null,null,null,null,null,null,null]" },
          { "[null,null,null,null,null,null,null,null,null]" } },
    };
    check(examples, COUNT_OF(examples));
}

static void strings_keep_length_pattern_and_format(void **state)
{
    (void)state;
    static const struct example examples[] = {
        { "{\"type\":\"string\"}",
          { "\"\"", "\"a \\\"b\\\" \\\\ \\n\"", "\"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\"",
            "\"0123456789012345678901234567890123456789\"" },
          { "\"01234567890123456789012345678901234567890\"", "\"a\nb\"", "\"\\u0000\"", "\"\\x\"", "\"" } },
        { "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
          { "\"ab\"", "\"\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\"" },
          { "\"a\"", "\"abcd\"" } },
        { "{\"pattern\":\"^[a-z]+-\\\\d{2,3}$\"}",
          { "\"ab-12\"", "\"x-123\"" },
          { "\"ab-1\"", "\"AB-12\"", "\"-12\"", "\"ab-1234\"" } },
        { "{\"pattern\":\"^[A-Z]+$\",\"minLength\":2,\"maxLength\":4}",
          { "\"AB\"", "\"ABCD\"" },
          { "\"A\"", "\"ABCDE\"", "\"ab\"" } },
        { "{\"pattern\":\"^(foo|ba[rz])?(?:-x)*$\"}", { "\"\"", "\"foo\"", "\"baz-x-x\"" }, { "\"fo\"", "\"foo-\"" } },
        { "{\"pattern\":\"a.c\"}",
          { "\"abc\"", "\"a\\\"c\"",
            "\"a\xe6\xbc\xa2"
            "c\"" },
          { "\"ac\"", "\"a\"c\"" } },
        { "{\"pattern\":\"^[^\\\\s,]{1,3}$\"}", { "\"a;b\"" }, { "\"a,b\"", "\"a b\"", "\"a\\nb\"" } },
        { "{\"pattern\":\"^\\\\w+@\\\\w+\\\\.com$\"}", { "\"a_b@c.com\"" }, { "\"a@b.org\"", "\"@b.com\"" } },
        { "{\"pattern\":\"^[\\\\]\\\\-^a]$\"}", { "\"]\"", "\"-\"", "\"^\"", "\"a\"" }, { "\"b\"", "\"\\\\\"" } },
        { "{\"type\":\"string\",\"format\":\"date\"}",
          { "\"2024-02-28\"", "\"1999-12-31\"" },
          { "\"2024-02-30\"", "\"2024-13-01\"", "\"24-01-01\"" } },
        { "{\"format\":\"date-time\"}",
          { "\"2024-01-31T23:59:59Z\"", "\"2024-01-01T00:00:00.5+02:00\"" },
          { "\"2024-01-01\"", "\"2024-01-01T25:00:00Z\"" } },
        { "{\"format\":\"uuid\"}", { "\"123e4567-e89b-12d3-a456-426614174000\"" }, { "\"123e4567\"" } },
        { "{\"format\":\"ipv4\"}", { "\"192.168.0.1\"", "\"255.255.255.255\"" }, { "\"256.1.1.1\"", "\"1.2.3\"" } },
        { "{\"format\":\"email\"}", { "\"a.b@example.com\"" }, { "\"a.example.com\"", "\"@example.com\"" } },
        { "{\"type\":\"string\",\"format\":\"unheard-of\"}", { "\"anything\"" }, { "1" } },
    };
    check(examples, COUNT_OF(examples));
}

static void integers_between_all_bounds_are_exact(void **state)
{
    (void)state;
    static const int bounds[][2] = {
        { 0, 0 },
        { 0, 9 },
        { 1, 10 },
        { 7, 123 },
        { -5, 5 },
        { -120, -99 },
        { 99, 101 },
        { -1, 0 },
        { -12, 3 },
        { 10, 19 },
        { 110, 119 },
        { 100, 199 },
        { -110, 125 },
    };
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", bounds[i][0], bounds[i][1]);
        struct schema s = compile(text);
        for (int number = -130; number <= 210; number++) {
            char value[16];
            snprintf(value, sizeof value, "%d", number);
            if (matches(&s, value) != (number >= bounds[i][0] && number <= bounds[i][1]))
                fail_msg("%s and %d\n" VIEW_FMT, text, number, VIEW_ARG(gbnf_text(s.gbnf)));
        }
        release(&s);
    }
}

static void numbers_keep_bounds_and_steps(void **state)
{
    (void)state;
    static const struct example examples[] = {
        { "{\"type\":\"number\"}", { "0", "-1.5", "123456", "0.001" }, { "01", "1.", ".5", "+1", "--1", "NaN" } },
        { "{\"type\":\"integer\"}", { "0", "-7", "42" }, { "1.5", "-0", "007" } },
        { "{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
          { "0", "1", "0.5", "0.25", "1.000" },
          { "1.001", "-0.1", "2", "1.5" } },
        { "{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":2}",
          { "0.001", "0.500", "1", "1.5", "2" },
          { "0", "0.000", "2.001", "-1" } },
        { "{\"type\":\"number\",\"minimum\":0.25,\"maximum\":0.75}",
          { "0.250", "0.500", "0.750" },
          { "0.249", "0.751", "0", "1", "0.8" } },
        { "{\"type\":\"number\",\"minimum\":-1.5,\"exclusiveMaximum\":-0.5}",
          { "-1", "-1.500", "-0.501" },
          { "-0.500", "-1.501", "0", "1", "-2" } },
        { "{\"type\":\"number\",\"minimum\":0.0001,\"maximum\":0.0002}",
          { "0.000100", "0.000150" },
          { "0.000201", "0", "0.0003" } },
        { "{\"type\":\"number\",\"minimum\":10}", { "10", "10.5", "99999" }, { "9", "9.999", "-10" } },
        { "{\"type\":\"number\",\"multipleOf\":0.01,\"minimum\":0}", { "0", "1.25", "19.9" }, { "1.255", "-1" } },
        { "{\"type\":\"integer\",\"multipleOf\":5,\"minimum\":0,\"maximum\":20}", { "0", "5", "20" }, { "3", "25" } },
        { "{\"type\":\"integer\",\"exclusiveMinimum\":3,\"exclusiveMaximum\":6}", { "4", "5" }, { "3", "6" } },
        { "{\"type\":\"integer\",\"minimum\":3,\"exclusiveMinimum\":true}", { "4", "99" }, { "3" } },
    };
    check(examples, COUNT_OF(examples));
}

/* ---- what is refused ---- */

static void what_cannot_be_kept_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *says;
    } cases[] = {
        { "{\"not\":{\"type\":\"null\"}}", "'not'" },
        { "{\"type\":\"object\",\"patternProperties\":{\"^a\":{}}}", "'patternProperties'" },
        { "{\"if\":{},\"then\":{}}", "'if'" },
        { "{\"type\":\"string\",\"pattern\":\"(?=a)b\"}", "ahead or behind" },
        { "{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", "escape" },
        { "{\"type\":\"string\",\"pattern\":\"(a*)*\"}", "may be empty" },
        { "{\"type\":\"string\",\"pattern\":\"a^b\"}", "anchor" },
        { "{\"type\":\"string\",\"pattern\":\"(ab\"}", "not closed" },
        { "{\"type\":\"string\",\"pattern\":\"ab){2}\"}", "not opened" },
        { "{\"type\":\"string\",\"pattern\":\"[z-a]\"}", "range" },
        { "{\"type\":\"string\",\"pattern\":\"^(a|bb)+$\",\"maxLength\":4}", "maxLength" },
        { "{\"$ref\":\"#/nowhere\"}", "$ref" },
        { "{\"$ref\":\"https://example.com/schema\"}", "$ref" },
        { "{\"type\":\"integer\",\"multipleOf\":7}", "multipleOf" },
        { "{\"type\":\"integer\",\"multipleOf\":1e-300,\"minimum\":900000000000000,\"maximum\":900000000000001}", "multipleOf" },
        { "{\"type\":\"quux\"}", "unknown type" },
        { "{\"type\":\"array\",\"minItems\":-1}", "minItems" },
        { "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true,\"minItems\":2}", "uniqueItems" },
        { "{\"properties\":{\"a\":7}}", "object or a boolean" },
        { "{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}", "No value" },
        { "{\"properties\":{\"a\":false},\"required\":[\"a\"]}", "No value" },
        { "{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "No value" },
        { "false", "No value" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct schema s = compile(cases[i].schema);
        const char *error = gbnf_error(s.gbnf);
        if (error == NULL || strstr(error, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].schema, error != NULL ? error : "not refused");
        assert_false(gbnf_too_large(s.gbnf));
        release(&s);
    }
}

static void assert_too_large(const char *schema)
{
    struct schema s = compile(schema);
    if (gbnf_error(s.gbnf) == NULL || !gbnf_too_large(s.gbnf))
        fail_msg("%.100s…: %s", schema, gbnf_error(s.gbnf) != NULL ? gbnf_error(s.gbnf) : "not refused");
    release(&s);
}

static void what_would_explode_is_refused(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(16u << 20);

    assert_too_large("{\"type\":\"string\",\"pattern\":\"((a{1,100}){1,100}){1,100}\"}");
    assert_too_large("{\"type\":\"string\",\"pattern\":\"a{5000}\"}");

    for (int i = 0; i < 100; i++)
        buf_append_cstr(&text, "{\"type\":\"array\",\"items\":");
    buf_append_cstr(&text, "{}");
    for (int i = 0; i < 100; i++)
        buf_append_byte(&text, '}');
    buf_append_byte(&text, '\0');
    assert_too_large(text.ptr);

    buf_clear(&text); /* 2^16 combinations */
    buf_append_cstr(&text, "{\"allOf\":[");
    for (int i = 0; i < 16; i++)
        buf_printf(&text, "%s{\"anyOf\":[{\"properties\":{\"a%d\":{}}},{\"properties\":{\"b%d\":{}}}]}", i > 0 ? "," : "", i, i);
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, '\0');
    assert_too_large(text.ptr);

    buf_clear(&text);
    buf_append_cstr(&text, "{\"properties\":{");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%s\"p%d\":{}", i > 0 ? "," : "", i);
    buf_append_cstr(&text, "}}");
    buf_append_byte(&text, '\0');
    assert_too_large(text.ptr);

    buf_clear(&text);
    buf_append_cstr(&text, "{\"enum\":[0");
    for (int i = 1; i < 20000; i++)
        buf_printf(&text, ",\"value %d\"", i);
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, '\0');
    assert_too_large(text.ptr);
    buf_free(&text);
}

static void large_but_fair_schemas_compile(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(16u << 20);
    buf_append_cstr(&text, "{\"properties\":{");
    for (int i = 0; i < 300; i++)
        buf_printf(&text, "%s\"p%d\":{\"type\":\"array\",\"maxItems\":1024,\"items\":{\"type\":\"string\",\"maxLength\":1024}}",
                   i > 0 ? "," : "", i);
    buf_append_cstr(&text, "}}");
    buf_append_byte(&text, '\0');
    struct schema s = compile(text.ptr);
    assert_null(gbnf_error(s.gbnf));
    assert_true(matches(&s, "{\"p0\":[\"a\"],\"p299\":[]}"));
    assert_false(matches(&s, "{\"p1\":[\"a\"],\"p0\":[]}"));
    release(&s);
    buf_free(&text);
}

static void several_schemas_share_one_grammar(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1u << 20);
    struct gbnf *g = gbnf_create((struct gbnf_limits){ 10, 3 });
    gbnf_schema(g, "first", json_parse(arena, VIEW("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"const\":1}}}"), 64, NULL));
    gbnf_schema(g, "second", json_parse(arena, VIEW("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"const\":2}}}"), 64, NULL));
    gbnf_schema(g, "any-object", NULL);
    gbnf_rule(g, "root", VIEW("first \"-\" second \"-\" any-object"));
    assert_null(gbnf_error(g));
    struct schema s = { .arena = arena, .gbnf = g };
    s.sampler = shim_grammar_create(llama_model_get_vocab(test_model), arena_cstr(arena, gbnf_text(g)), NULL);
    assert_true(matches(&s, "1-2-{\"a\": 5}"));
    assert_false(matches(&s, "1-1-{}"));
    assert_false(matches(&s, "1-2-[]"));
    release(&s);
}

static void strings_of_a_schema_are_counted(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1u << 20);
    const struct json *schema = json_parse(
        arena, VIEW("{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"), 64, NULL);
    assert_int_equal(gbnf_count_strings(schema), 2);
    assert_int_equal(gbnf_count_strings(NULL), 0);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_keep_required_and_declared_properties),
        cmocka_unit_test(schemas_that_hold_together_are_all_kept),
        cmocka_unit_test(references_may_recur_and_loops_end),
        cmocka_unit_test(arrays_keep_their_bounds_and_tuples),
        cmocka_unit_test(strings_keep_length_pattern_and_format),
        cmocka_unit_test(integers_between_all_bounds_are_exact),
        cmocka_unit_test(numbers_keep_bounds_and_steps),
        cmocka_unit_test(what_cannot_be_kept_is_refused_by_name),
        cmocka_unit_test(what_would_explode_is_refused),
        cmocka_unit_test(large_but_fair_schemas_compile),
        cmocka_unit_test(several_schemas_share_one_grammar),
        cmocka_unit_test(strings_of_a_schema_are_counted),
    };
    return cmocka_run_group_tests(tests, vocab_setup, vocab_teardown);
}
