#include "body.h"

#include "elastic/filter.h"

#define DOCUMENT "{'endpoints': [{'inference_id': 'a', 'service_settings': {'region': 'r', 'model': 'm'}}, {'inference_id': 'b', 'x': 1}]}"

static const char *filtered(struct arena *arena, struct view paths)
{
    struct filter filter;
    struct buf text = BUF_INIT(4096);
    struct json_writer out;
    filter_read(paths, &filter);
    json_writer_init(&out, &text);
    filter_write(&filter, body_of(arena, DOCUMENT), &out);
    assert_false(json_writer_failed(&out));
    const char *copy = quoted(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

static void paths_choose_what_is_shown(void **state)
{
    static const struct {
        const char *paths, *result;
    } cases[] = {
        { "endpoints.inference_id", "{'endpoints':[{'inference_id':'a'},{'inference_id':'b'}]}" },
        { "endpoints.service_settings.model", "{'endpoints':[{'service_settings':{'model':'m'}}]}" },
        { "**.model", "{'endpoints':[{'service_settings':{'model':'m'}}]}" },
        { "endpoints.*_id", "{'endpoints':[{'inference_id':'a'},{'inference_id':'b'}]}" },
        { "*.*.re*,endpoints.x", "{'endpoints':[{'service_settings':{'region':'r'}},{'x':1}]}" },
        { "-endpoints.service_settings,-**.x", "{'endpoints':[{'inference_id':'a'},{'inference_id':'b'}]}" },
        { "endpoints.service_settings,-**.region", "{'endpoints':[{'service_settings':{'model':'m'}}]}" },
        { "nothing.here", "{}" },
        { "**.**.**.model", "{'endpoints':[{'service_settings':{'model':'m'}}]}" },
        { "endpoints.**.**",
          "{'endpoints':[{'inference_id':'a','service_settings':{'region':'r','model':'m'}},{'inference_id':'b','x':1}]}" },
        { "**.**x", "{'endpoints':[{'x':1}]}" },
        { "endpoints", "{'endpoints':[{'inference_id':'a','service_settings':{'region':'r','model':'m'}},{'inference_id':'b','x':1}]}" },
        { ",,", "{'endpoints':[{'inference_id':'a','service_settings':{'region':'r','model':'m'}},{'inference_id':'b','x':1}]}" },
    };
    struct arena *arena = arena_create(1 << 20);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(filtered(arena, view_from_cstr(cases[i].paths)), cases[i].result);
    arena_destroy(arena);
}

static void a_thousand_paths_are_bounded(void **state)
{
    struct buf text = BUF_INIT(65536);
    struct filter filter;
    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "**.p%d,-q%d,", i, i);
    filter_read(buf_view(&text), &filter);
    assert_int_equal(filter.count, FILTER_PATHS_MAX);
    assert_int_equal(filter.excluded_count, FILTER_PATHS_MAX);
    buf_free(&text);
}

static void a_path_of_many_stars_ends_soon(void **state)
{
    struct arena *arena = arena_create(1 << 20);
    struct buf text = BUF_INIT(65536);
    (void)state;
    for (int i = 0; i < 20000; i++)
        buf_append_cstr(&text, "**.");
    buf_append_cstr(&text, "model");
    assert_string_equal(filtered(arena, buf_view(&text)), "{'endpoints':[{'service_settings':{'model':'m'}}]}");
    buf_free(&text);
    arena_destroy(arena);
}

static void pretty_is_indented_by_two(void **state)
{
    struct arena *arena = arena_create(1 << 20);
    struct buf text = BUF_INIT(4096);
    (void)state;
    pretty_write(body_of(arena, "{'a': [1, {'b': 'c'}], 'd': {}, 'e': []}"), &text);
    assert_string_equal(quoted(arena, buf_view(&text)),
                        "{\n  'a' : [\n    1,\n    {\n      'b' : 'c'\n    }\n  ],\n  'd' : { },\n  'e' : []\n}\n");
    buf_free(&text);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_choose_what_is_shown),
        cmocka_unit_test(a_thousand_paths_are_bounded),
        cmocka_unit_test(a_path_of_many_stars_ends_soon),
        cmocka_unit_test(pretty_is_indented_by_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
