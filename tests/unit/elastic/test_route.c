#include "unit.h"

#include "elastic/route.h"

static int make_arena(void **state)
{
    *state = arena_create(1 << 20);
    return *state == NULL;
}

static int drop_arena(void **state)
{
    arena_destroy(*state);
    return 0;
}

static const struct {
    const char *method, *path;
    enum action action;
    enum elastic_task task;
    const char *id;
} found[] = {
    { "GET", "/", ACTION_INFO, TASK_ANY, "" },
    { "HEAD", "/", ACTION_INFO, TASK_ANY, "" },
    { "GET", "/_inference", ACTION_GET, TASK_ANY, "" },
    { "GET", "/_inference/", ACTION_GET, TASK_ANY, "" },
    { "GET", "/_inference/_all", ACTION_GET, TASK_ANY, "_all" },
    { "GET", "/_inference/*", ACTION_GET, TASK_ANY, "*" },
    { "GET", "/_inference/%2A", ACTION_GET, TASK_ANY, "*" },
    { "GET", "/_inference/text_embedding/_all", ACTION_GET, TASK_TEXT_EMBEDDING, "_all" },
    { "GET", "/_inference/my%2Did", ACTION_GET, TASK_ANY, "my-id" },
    { "PUT", "/_inference/x", ACTION_PUT, TASK_ANY, "x" },
    { "PUT", "/_inference/completion/x", ACTION_PUT, TASK_COMPLETION, "x" },
    { "PUT", "/_inference/x/_update", ACTION_UPDATE, TASK_ANY, "x" },
    { "PUT", "/_inference/completion/x/_update", ACTION_UPDATE, TASK_COMPLETION, "x" },
    { "POST", "/_inference/x", ACTION_INFER, TASK_ANY, "x" },
    { "POST", "/_inference/text_embedding/x", ACTION_INFER, TASK_TEXT_EMBEDDING, "x" },
    { "POST", "/_inference/x/_stream", ACTION_STREAM, TASK_ANY, "x" },
    { "POST", "/_inference/text_embedding/x/_chunk", ACTION_CHUNK, TASK_TEXT_EMBEDDING, "x" },
    { "POST", "/_inference/chat_completion/x/_stream", ACTION_STREAM, TASK_CHAT_COMPLETION, "x" },
    { "DELETE", "/_inference/sparse_embedding/x", ACTION_DELETE, TASK_SPARSE_EMBEDDING, "x" },
    { "GET", "/_inference/_services", ACTION_SERVICES, TASK_ANY, "" },
    { "GET", "/_inference/_services/completion", ACTION_SERVICES, TASK_COMPLETION, "" },
};

static void paths_and_methods_choose_the_action(void **state)
{
    for (size_t i = 0; i < COUNT_OF(found); i++) {
        struct elastic_error error;
        struct elastic_route route;
        const char *allow;
        error_init(&error, *state);
        assert_true(route_find(view_from_cstr(found[i].method), view_from_cstr(found[i].path), &error, &route, &allow));
        assert_int_equal(route.action, found[i].action);
        assert_int_equal(route.task, found[i].task);
        assert_view_is(route.id, found[i].id);
    }
}

static const struct {
    const char *method, *path;
    int status;
    const char *reason, *allow;
} refused[] = {
    { "GET", "/_search", 400, "no handler found for uri [/_search] and method [GET]", NULL },
    { "GET", "/_inferences", 400, "no handler found for uri [/_inferences] and method [GET]", NULL },
    { "GET", "/_inference/completion/x/_stream/y", 400, "no handler found for uri [/_inference/completion/x/_stream/y] and method "
                                                        "[GET]",
      NULL },
    { "GET", "/_inference/completion//x", 400, "no handler found for uri [/_inference/completion//x] and method [GET]", NULL },
    { "GET", "/_inference/%zz", 400, "no handler found for uri [/_inference/%zz] and method [GET]", NULL },
    { "GET", "/_inference/poetry/x", 400, "Unknown task_type [poetry]", NULL },
    { "PATCH", "/_inference/x", 405, "Incorrect HTTP method for uri [/_inference/x] and method [PATCH], allowed: [GET, PUT, POST, DELETE]",
      "GET, PUT, POST, DELETE" },
    { "POST", "/_inference", 405, "Incorrect HTTP method for uri [/_inference] and method [POST], allowed: [GET]", "GET" },
    { "GET", "/_inference/x/_stream", 405,
      "Incorrect HTTP method for uri [/_inference/x/_stream] and method [GET], allowed: [POST]", "POST" },
    { "POST", "/_inference/x/_update", 405, "Incorrect HTTP method for uri [/_inference/x/_update] and method [POST], allowed: "
                                            "[PUT]",
      "PUT" },
    { "GET", "/_inference/_region_policy", 404, "Inference region policy not found", NULL },
    { "DELETE", "/_inference/_region_policy", 404, "Inference region policy not found", NULL },
    { "PUT", "/_inference/_region_policy", 400,
      "This server keeps no inference region policy: all models are its own, or of the servers that its setting elastic.endpoint_urls "
      "names.",
      NULL },
    { "POST", "/_inference/_region_policy", 405,
      "Incorrect HTTP method for uri [/_inference/_region_policy] and method [POST], allowed: [GET, PUT, DELETE]", "GET, PUT, DELETE" },
    { "POST", "/", 405, "Incorrect HTTP method for uri [/] and method [POST], allowed: [GET]", "GET" },
};

static void other_paths_and_methods_are_refused(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct elastic_error error;
        struct elastic_route route;
        const char *allow;
        error_init(&error, *state);
        assert_false(route_find(view_from_cstr(refused[i].method), view_from_cstr(refused[i].path), &error, &route, &allow));
        assert_int_equal(error.status, refused[i].status);
        assert_string_equal(error.reason, refused[i].reason);
        if (refused[i].allow != NULL)
            assert_string_equal(allow, refused[i].allow);
        else
            assert_null(allow);
    }
}

static bool read_query(struct arena *arena, enum action action, const char *query, struct params *params, struct elastic_error *error)
{
    const struct elastic_route route = { .action = action };
    error_init(error, arena);
    return params_read(view_from_cstr(query), &route, VIEW("/_inference/x"), error, params);
}

static void parameters_are_read(void **state)
{
    struct params params;
    struct elastic_error error;
    assert_true(read_query(*state, ACTION_INFER, "timeout=2m&pretty&error_trace=true&filter_path=a.b%2C-c&human=false", &params, &error));
    assert_int_equal(params.timeout_ms, 120000);
    assert_true(params.has_timeout && params.pretty && params.error_trace);
    assert_view_is(params.filter_path, "a.b,-c");
    assert_true(read_query(*state, ACTION_GET, NULL, &params, &error));
    assert_int_equal(params.timeout_ms, 30000);
    assert_false(params.has_timeout || params.pretty);
    assert_true(read_query(*state, ACTION_DELETE, "force=true&dry_run=", &params, &error));
    assert_true(params.force && params.dry_run);
}

static void wrong_parameters_are_refused(void **state)
{
    static const struct {
        enum action action;
        const char *query, *reason;
    } cases[] = {
        { ACTION_GET, "colour=red", "request [/_inference/x] contains unrecognized parameter: [colour]" },
        { ACTION_GET, "timeout=1s", "request [/_inference/x] contains unrecognized parameter: [timeout]" },
        { ACTION_PUT, "force=true", "request [/_inference/x] contains unrecognized parameter: [force]" },
        { ACTION_PUT, "timeout=soon",
          "failed to parse setting [timeout] with value [soon] as a time value: unit is missing or unrecognized" },
        { ACTION_PUT, "timeout=30", "failed to parse setting [timeout] with value [30] as a time value: unit is missing or unrecognized" },
        { ACTION_GET, "pretty=maybe", "Failed to parse value [maybe] as only [true] or [false] are allowed." },
        { ACTION_GET, "pretty=%", "the query is not validly percent-encoded" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct params params;
        struct elastic_error error;
        assert_false(read_query(*state, cases[i].action, cases[i].query, &params, &error));
        assert_int_equal(error.status, 400);
        assert_string_equal(error.reason, cases[i].reason);
    }
}

static void times_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = { { "500ms", 500 }, { "3s", 3000 }, { "1h", 3600000 }, { "1d", 86400000 }, { "0", 0 }, { "5000micros", 5 },
        { "2000000nanos", 2 } };
    uint64_t ms;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(time_value(view_from_cstr(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    assert_false(time_value(VIEW("s"), &ms));
    assert_false(time_value(VIEW("-1s"), &ms));
    assert_false(time_value(VIEW(""), &ms));
    assert_true(time_value(VIEW("18446744073709551615d"), &ms));
    assert_true(ms < UINT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_and_methods_choose_the_action, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(other_paths_and_methods_are_refused, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(parameters_are_read, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(wrong_parameters_are_refused, make_arena, drop_arena),
        cmocka_unit_test(times_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
