#include "unit.h"

#include "server/settings.h"

struct fixture {
    struct arena *arena;
    struct config *config;
    struct places places;
    struct config_error error;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->arena = arena_create(1 << 20);
    f->config = config_create();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    config_destroy(f->config);
    free(f);
    return 0;
}

static void set(struct fixture *f, const char *yaml)
{
    if (!config_load_text(f->config, view_from_cstr(yaml), "test.yaml", &f->error))
        fail_msg("%s", f->error.message);
}

static void everything_lies_in_the_data_directory(void **state)
{
    struct fixture *f = *state;
    set(f, "data: /somewhere\nmodels:\n  shared_dir: /models\n");
    assert_true(places_find(f->config, f->arena, &f->places, &f->error));
    assert_string_equal(f->places.store, "/somewhere/store/craton.db");
    assert_string_equal(f->places.endpoint, "/somewhere/endpoint");
    assert_string_equal(f->places.models, "/somewhere/models");
    assert_string_equal(f->places.shared_models, "/models");
    assert_non_null(strstr(f->places.worker, "/craton-worker"));
}

static void without_a_directory_the_xdg_one_is_taken(void **state)
{
    struct fixture *f = *state;
    setenv("XDG_DATA_HOME", "/xdg", 1);
    assert_true(places_find(f->config, f->arena, &f->places, &f->error));
    assert_string_equal(f->places.data, "/xdg/craton");
    unsetenv("XDG_DATA_HOME");
}

static void addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *listen, *host;
        unsigned port;
    } cases[] = { { "127.0.0.1:0", "127.0.0.1", 0 }, { "[::1]:4747", "::1", 4747 }, { "0.0.0.0:65535", "0.0.0.0", 65535 } };
    static const char *const wrong[] = { "nonsense", "127.0.0.1", ":4747", "127.0.0.1:65536", "127.0.0.1:x" };
    struct fixture *f = *state;
    struct http_server_options options;
    char yaml[128];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(yaml, sizeof(yaml), "listen: \"%s\"\n", cases[i].listen);
        set(f, yaml);
        assert_true(settings_http(f->config, &f->places, f->arena, &options, &f->error));
        assert_string_equal(options.host, cases[i].host);
        assert_int_equal(options.port, cases[i].port);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        snprintf(yaml, sizeof(yaml), "listen: \"%s\"\n", wrong[i]);
        set(f, yaml);
        assert_false(settings_http(f->config, &f->places, f->arena, &options, &f->error));
    }
}

static void without_authentication_only_loopback_is_served(void **state)
{
    struct fixture *f = *state;
    struct http_server_options options;
    assert_true(settings_auth_allowed(f->config, "0.0.0.0"));
    set(f, "auth: \"off\"\n");
    assert_true(settings_auth_allowed(f->config, "127.0.0.1"));
    assert_true(settings_auth_allowed(f->config, "127.8.8.8"));
    assert_true(settings_auth_allowed(f->config, "::1"));
    assert_false(settings_auth_allowed(f->config, "0.0.0.0"));
    assert_false(settings_auth_allowed(f->config, "192.168.1.1"));
    assert_false(settings_auth_allowed(f->config, "::"));
    set(f, "listen: 0.0.0.0:4747\n");
    assert_false(settings_http(f->config, &f->places, f->arena, &options, &f->error));
    assert_non_null(strstr(f->error.message, "loopback"));
}

static void a_certificate_needs_its_key(void **state)
{
    struct fixture *f = *state;
    struct http_server_options options;
    set(f, "tls:\n  cert: a.pem\n");
    assert_false(settings_http(f->config, &f->places, f->arena, &options, &f->error));
    set(f, "tls:\n  cert: a.pem\n  key: b.pem\n");
    assert_true(settings_http(f->config, &f->places, f->arena, &options, &f->error));
    assert_string_equal(options.tls_cert, "a.pem");
}

static void models_and_backends_are_read(void **state)
{
    struct fixture *f = *state;
    struct models_options options;
    set(f, "data: /d\n"
           "models:\n  map:\n    - ids: \"anthropic.claude-*\"\n      model: big\n      raw: true\n"
           "backends:\n  - url: http://127.0.0.1:8000/v1\n    api_key: k\n    models:\n      - name: big\n        remote: Org/Big\n"
           "      - name: vectors\n        kind: embedding\n        dimensions: 1024\n");
    assert_true(places_find(f->config, f->arena, &f->places, &f->error));
    assert_true(settings_models(f->config, &f->places, f->arena, &options, &f->error));
    assert_int_equal(options.rule_count, 1);
    assert_view_is(options.rules[0].pattern, "anthropic.claude-*");
    assert_true(options.rules[0].raw_prompt);
    assert_int_equal(options.extra_count, 2);
    assert_view_is(options.extras[0].remote_model, "Org/Big");
    assert_view_is(options.extras[0].api_key, "k");
    assert_view_is(options.extras[1].remote_model, "vectors");
    assert_int_equal(options.extras[1].kind, LOCAL_EMBEDDING);
    assert_int_equal(options.extras[1].dimensions, 1024);
}

static void servers_of_inference_endpoints_are_plain_urls(void **state)
{
    static const char *const wrong[] = { "ftp://x", "https://", "https://x/path", "[a]", "x" };
    struct fixture *f = *state;
    struct url_list servers;
    char yaml[128];
    assert_true(settings_elastic_servers(f->config, f->arena, &servers, &f->error));
    assert_int_equal(servers.count, 0);
    set(f, "elastic:\n  endpoint_urls:\n    - https://bedrock.example.com/\n    - http://127.0.0.1:4747\n");
    assert_true(settings_elastic_servers(f->config, f->arena, &servers, &f->error));
    assert_int_equal(servers.count, 2);
    assert_view_is(servers.urls[0], "https://bedrock.example.com");
    assert_view_is(servers.urls[1], "http://127.0.0.1:4747");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        snprintf(yaml, sizeof(yaml), "elastic:\n  endpoint_urls:\n    - %s\n", wrong[i]);
        set(f, yaml);
        assert_false(settings_elastic_servers(f->config, f->arena, &servers, &f->error));
        assert_non_null(strstr(f->error.message, "line 3: elastic.endpoint_urls"));
    }
}

static void a_half_written_mapping_names_its_line(void **state)
{
    struct fixture *f = *state;
    struct models_options options;
    set(f, "data: /d\nmodels:\n  map:\n    - ids: \"x*\"\n");
    assert_true(places_find(f->config, f->arena, &f->places, &f->error));
    assert_false(settings_models(f->config, &f->places, f->arena, &options, &f->error));
    assert_non_null(strstr(f->error.message, "line 4"));
}

static void what_cannot_be_meant_is_refused(void **state)
{
    static const struct {
        const char *yaml, *words;
    } cases[] = {
        { "models:\n  map:\n    - {ids: x, model: y, rwa: true}\n", "line 3: models.map: unknown key 'rwa'" },
        { "models:\n  map:\n    - {ids: x, model: y, raw: perhaps}\n", "`raw` is true or false" },
        { "models:\n  map:\n    - x\n", "each entry is a map" },
        { "backends:\n  - url: ftp://here\n    models: [{name: x}]\n", "`url`" },
        { "backends:\n  - url: http://here\n", "list of `models`" },
        { "backends:\n  - url: http://here\n    key: k\n    models: [{name: x}]\n", "line 3: backends: unknown key 'key'" },
        { "backends:\n  - url: http://here\n    models: [{name: a b}]\n", "`name`" },
        { "backends:\n  - url: http://here\n    models: [{name: x, context: many}]\n", "`context`" },
        { "backends:\n  - url: http://here\n    models: [{name: x, kind: image}]\n", "`kind`" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct models_options options;
        struct config_error error;
        struct config *config = config_create();
        assert_true(config_load_text(config, view_from_cstr(cases[i].yaml), "test.yaml", &error));
        assert_false(settings_models(config, &f->places, f->arena, &options, &error));
        if (strstr(error.message, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].yaml, error.message);
        config_destroy(config);
    }
}

static void remote_buckets_are_read_and_half_written_ones_refused(void **state)
{
    static const struct {
        const char *yaml, *words;
    } wrong[] = {
        { "objects:\n  remotes:\n    - {endpoint: http://x, access_key: a, secret_key: b}\n",
          "line 3: objects.remotes: each entry needs `bucket`" },
        { "objects:\n  remotes:\n    - {bucket: abc, endpoint: x, access_key: a, secret_key: b}\n", "`endpoint`" },
        { "objects:\n  remotes:\n    - {bucket: abc, endpoint: http://x, access_key: a}\n", "`secret_key`" },
        { "objects:\n  remotes:\n    - {bucket: abc, key: x}\n", "unknown key 'key'" },
    };
    struct fixture *f = *state;
    struct objects_options options;
    set(f, "data: /d\nobjects:\n  remotes:\n    - bucket: abc\n      endpoint: http://127.0.0.1:9000\n      access_key: a\n"
           "      secret_key: b\n");
    assert_true(places_find(f->config, f->arena, &f->places, &f->error));
    assert_true(settings_objects(f->config, &f->places, f->arena, &options, &f->error));
    assert_string_equal(options.dir, "/d/objects");
    assert_false(options.recover);
    assert_int_equal(options.remote_count, 1);
    assert_view_is(options.remotes[0].bucket, "abc");
    assert_view_is(options.remotes[0].region, "us-east-1");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        set(f, wrong[i].yaml);
        assert_false(settings_objects(f->config, &f->places, f->arena, &options, &f->error));
        assert_non_null(strstr(f->error.message, wrong[i].words));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_lies_in_the_data_directory), TEST(without_a_directory_the_xdg_one_is_taken),
        TEST(addresses_are_taken_apart),             TEST(without_authentication_only_loopback_is_served),
        TEST(a_certificate_needs_its_key),           TEST(models_and_backends_are_read),
        TEST(servers_of_inference_endpoints_are_plain_urls), TEST(what_cannot_be_meant_is_refused),
        TEST(a_half_written_mapping_names_its_line),
        TEST(remote_buckets_are_read_and_half_written_ones_refused), TEST(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
