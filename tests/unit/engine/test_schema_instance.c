#include "unit.h"

#include "engine/schema_instance.h"

static void instance_is_the_smallest_that_validates(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *instance;
    } cases[] = {
        { "{}", "{}" },
        { "true", "{}" },
        { "{\"type\":\"string\"}", "\"\"" },
        { "{\"type\":\"string\",\"minLength\":3}", "\"xxx\"" },
        { "{\"type\":\"string\",\"format\":\"date\"}", "\"2025-01-01\"" },
        { "{\"type\":[\"null\",\"boolean\"]}", "false" },
        { "{\"type\":\"null\"}", "null" },
        { "{\"type\":\"integer\"}", "0" },
        { "{\"type\":\"integer\",\"minimum\":2.5}", "3" },
        { "{\"type\":\"integer\",\"exclusiveMinimum\":4}", "5" },
        { "{\"type\":\"integer\",\"minimum\":7,\"multipleOf\":5}", "10" },
        { "{\"type\":\"number\",\"maximum\":-1.5}", "-1.5" },
        { "{\"const\":{\"a\":1.0}}", "{\"a\":1.0}" },
        { "{\"enum\":[3,4]}", "3" },
        { "{\"type\":\"array\"}", "[]" },
        { "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2}", "[0,0]" },
        { "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{}},\"required\":[\"a\"]}", "{\"a\":0}" },
        { "{\"type\":\"object\",\"required\":[\"x\"]}", "{\"x\":\"\"}" },
        { "{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"properties\":{\"n\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"n\"]}",
          "{\"n\":0}" },
        { "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "0" },
    };
    struct arena *arena = arena_create(1u << 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = BUF_INIT(1u << 20);
        struct json_writer w;
        json_writer_init(&w, &out);
        schema_instance(&w, json_parse(arena, view_from_cstr(cases[i].schema), 64, NULL));
        assert_false(json_writer_failed(&w));
        assert_view_is(buf_view(&out), cases[i].instance);
        buf_free(&out);
    }
    arena_destroy(arena);
}

static void schema_without_end_gives_an_instance_with_one(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "{\"type\":\"object\",\"properties\":{\"me\":{\"$ref\":\"#\"}},\"required\":[\"me\"]}",
        "{\"$ref\":\"#\"}",
        "{\"type\":\"array\",\"minItems\":4096,\"items\":{\"$ref\":\"#\"}}",
    };
    struct arena *arena = arena_create(1u << 20);
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        struct buf out = BUF_INIT(1u << 20);
        struct json_writer w;
        json_writer_init(&w, &out);
        schema_instance(&w, json_parse(arena, view_from_cstr(schemas[i]), 64, NULL));
        assert_false(json_writer_failed(&w));
        assert_non_null(json_parse(arena, buf_view(&out), 512, NULL));
        buf_free(&out);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instance_is_the_smallest_that_validates),
        cmocka_unit_test(schema_without_end_gives_an_instance_with_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
