#include "tags/tags.h"

#include "unit.h"

static const struct store_key job = { VIEW_INIT("model-invocation-job"), VIEW_INIT("123456789012"), VIEW_INIT("us-east-1"),
                                      VIEW_INIT("abcdefghijkl") };

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

static bool first_write(struct arena *arena, const char *list, struct store_write *out)
{
    const struct json *json = json_parse(arena, view_from_cstr(list), 8, NULL);
    assert_non_null(json);
    return tags_first_write(arena, &job, json, out);
}

static void the_tags_of_a_new_resource_are_a_record_beside_it(void **state)
{
    struct store_write write;
    assert_true(first_write(*state, "[{\"key\":\"team\",\"value\":\"a\"},{\"value\":\"\",\"key\":\"cost\"}]", &write));
    assert_view_is(write.record.key.kind, TAGS_KIND);
    assert_view_is(write.record.key.id, "model-invocation-job/abcdefghijkl");
    assert_view_is(write.record.key.account, "123456789012");
    assert_view_is(write.record.key.region, "us-east-1");
    assert_view_is(write.record.json, "[{\"key\":\"team\",\"value\":\"a\"},{\"key\":\"cost\",\"value\":\"\"}]");
}

static void more_tags_than_a_resource_may_have_are_no_record(void **state)
{
    struct buf list = BUF_INIT(1 << 16);
    struct store_write write;
    buf_append_byte(&list, '[');
    for (int i = 0; i < TAGS_MAX; i++)
        buf_printf(&list, "%s{\"key\":\"k%d\",\"value\":\"v\"}", i > 0 ? "," : "", i);
    buf_append_cstr(&list, "]");
    buf_append_byte(&list, '\0');
    assert_true(first_write(*state, list.ptr, &write));
    list.len -= 2;
    buf_append_cstr(&list, ",{\"key\":\"more\",\"value\":\"v\"}]");
    buf_append_byte(&list, '\0');
    assert_false(first_write(*state, list.ptr, &write));
    buf_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tags_of_a_new_resource_are_a_record_beside_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_tags_than_a_resource_may_have_are_no_record, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
