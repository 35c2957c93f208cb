#include "unit.h"

#include "elastic/elastic.h"
#include "elastic/media.h"

#define VENDOR "application/vnd.elasticsearch+json"

struct given {
    struct http_header headers[2];
    struct http_request request;
    struct elastic_error error;
};

static struct http_request *request_with(struct given *given, struct arena *arena, const char *name, const char *value)
{
    *given = (struct given){ .headers = { { view_from_cstr(name), view_from_cstr(value) } } };
    given->request = (struct http_request){ .method = VIEW("GET"), .path = VIEW("/"), .headers = given->headers,
        .header_count = value != NULL };
    error_init(&given->error, arena);
    return &given->request;
}

static void answers_come_in_the_type_that_is_accepted(void **state)
{
    static const struct {
        const char *accept, *type; /* type NULL: refused */
        int status;
    } cases[] = {
        { NULL, "application/json", 0 },
        { "*/*", "application/json", 0 },
        { "application/json", "application/json", 0 },
        { "text/event-stream", "application/json", 0 },
        { VENDOR "; compatible-with=9", VENDOR ";compatible-with=9", 0 },
        { VENDOR ";compatible-with=8", VENDOR ";compatible-with=8", 0 },
        { VENDOR "; compatible-with=9,text/plain", VENDOR ";compatible-with=9", 0 },
        { "image/png, " VENDOR "; compatible-with=9", VENDOR ";compatible-with=9", 0 },
        { VENDOR, "application/json", 0 },
        { VENDOR "; compatible-with=7", NULL, 400 },
        { "application/cbor", NULL, 406 },
    };
    struct arena *arena = arena_create(1 << 20);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct given given;
        struct view type;
        bool ok = media_accept(request_with(&given, arena, "accept", cases[i].accept), &given.error, &type);
        assert_int_equal(ok, cases[i].type != NULL);
        assert_int_equal(given.error.status, cases[i].status);
        if (ok)
            assert_view_is(type, cases[i].type);
    }
    arena_destroy(arena);
}

static void bodies_must_be_json(void **state)
{
    static const struct {
        const char *type;
        int status;
    } cases[] = {
        { "application/json", 0 },
        { "application/json; charset=utf-8", 0 },
        { "Application/JSON", 0 },
        { VENDOR "; compatible-with=9", 0 },
        { NULL, 406 },
        { "text/plain", 406 },
        { "*/*", 406 },
        { VENDOR "; compatible-with=10", 400 },
    };
    struct arena *arena = arena_create(1 << 20);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct given given;
        bool ok = media_body(request_with(&given, arena, "content-type", cases[i].type), &given.error);
        assert_int_equal(ok, cases[i].status == 0);
        assert_int_equal(given.error.status, cases[i].status);
    }
    arena_destroy(arena);
}

static void the_door_takes_its_own_paths_and_the_unsigned_root(void **state)
{
    static const struct {
        const char *method, *path, *authorization;
        bool wanted;
    } cases[] = {
        { "PUT", "/_inference/x", "AWS4-HMAC-SHA256 Credential=a", true },
        { "GET", "/_inference", NULL, true },
        { "GET", "/_inferences", NULL, false },
        { "GET", "/", NULL, true },
        { "HEAD", "/", "Basic abc", true },
        { "GET", "/", "ApiKey abc", true },
        { "GET", "/", "AWS4-HMAC-SHA256 Credential=a", false },
        { "POST", "/", "Basic abc", false },
        { "GET", "/bucket", NULL, false },
    };
    struct arena *arena = arena_create(1 << 20);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct given given;
        struct http_request *request = request_with(&given, arena, "authorization", cases[i].authorization);
        request->method = view_from_cstr(cases[i].method);
        request->path = view_from_cstr(cases[i].path);
        assert_int_equal(elastic_wants(request), cases[i].wanted);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_the_type_that_is_accepted),
        cmocka_unit_test(bodies_must_be_json),
        cmocka_unit_test(the_door_takes_its_own_paths_and_the_unsigned_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
