/* Settings: sources and their precedence, notations, errors that name their place, trees. */
#include "unit.h"

#include "base/config.h"
#include "base/fs.h"

#include <unistd.h>

static struct config *config;
static struct config_error error;

static int make_config(void **state)
{
    (void)state;
    config = config_create();
    memset(&error, 0, sizeof error);
    return config == NULL;
}

static int drop_config(void **state)
{
    (void)state;
    config_destroy(config);
    return 0;
}

static bool load(const char *yaml)
{
    return config_load_text(config, view_from_cstr(yaml), "c.yaml", &error);
}

static void defaults_hold_and_every_one_is_in_its_range(void **state)
{
    (void)state;
    assert_string_equal(config_string(config, CONFIG_LISTEN), "127.0.0.1:4747");
    assert_string_equal(config_string(config, CONFIG_ACCOUNT), "123456789012");
    assert_int_equal(config_number(config, CONFIG_NET_IDLE_TIMEOUT), 600000);
    assert_int_equal(config_number(config, CONFIG_NET_HEADER_TIMEOUT), 60000);
    assert_int_equal(config_number(config, CONFIG_NET_BODY_MAX), 25000000);
    assert_int_equal(config_number(config, CONFIG_NET_MAX_CONNECTIONS), 4096);
    assert_int_equal(config_number(config, CONFIG_ENGINE_LOAD_WAIT), 20000);
    assert_null(config_tree(config, CONFIG_MODELS_MAP));
    assert_false(config_is_set(config, CONFIG_LISTEN));
    assert_string_equal(config_key_name(CONFIG_NET_IDLE_TIMEOUT), "net.idle_timeout");
}

static void a_flag_beats_the_environment_beats_the_file(void **state)
{
    (void)state;
    char *argv[] = { "craton", "serve", "--net-idle-timeout", "1m", "--other", "--log-level=debug", "--", "--listen", "x", NULL };
    char *env[] = { "CRATON_NET_IDLE_TIMEOUT=2m", "CRATON_NET_GRACE=3s", "CRATON_CACHE=/x", "PATH=/bin", "CRATON_REGION=", NULL };
    int argc = 9;
    assert_true(config_load(config, &argc, argv, env, &error));
    assert_true(load("net:\n  idle_timeout: 3m\n  grace: 4s\n  json_depth: 100\nregion: eu-west-1\n"));
    assert_int_equal(config_number(config, CONFIG_NET_IDLE_TIMEOUT), 60000);
    assert_int_equal(config_number(config, CONFIG_NET_GRACE), 3000);
    assert_int_equal(config_number(config, CONFIG_NET_JSON_DEPTH), 100);
    assert_string_equal(config_string(config, CONFIG_REGION), "");
    assert_string_equal(config_string(config, CONFIG_LOG_LEVEL), "debug");
    assert_string_equal(config_string(config, CONFIG_LISTEN), "127.0.0.1:4747");
    assert_true(config_is_set(config, CONFIG_NET_GRACE));

    static const char *const rest[] = { "craton", "serve", "--other", "--", "--listen", "x" };
    assert_int_equal(argc, COUNT_OF(rest));
    for (size_t i = 0; i < COUNT_OF(rest); i++)
        assert_string_equal(argv[i], rest[i]);
    assert_null(argv[argc]);
}

static void the_file_is_named_by_the_config_flag(void **state)
{
    (void)state;
    char path[] = "/tmp/craton-config-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(fs_write_file(path, VIEW("listen: 127.0.0.1:0\n"), 0600), 0);
    char *argv[] = { "craton", "--config", path, NULL };
    int argc = 3;
    assert_true(config_load(config, &argc, argv, NULL, &error));
    assert_string_equal(config_string(config, CONFIG_LISTEN), "127.0.0.1:0");
    assert_int_equal(argc, 1);
    unlink(path);
    assert_false(config_load_file(config, path, &error));
    assert_non_null(strstr(error.message, "No such file"));
}

static void notations_have_units(void **state)
{
    (void)state;
    static const struct {
        enum config_key key;
        const char *text;
        int64_t value; /* -1: refused */
    } cases[] = {
        { CONFIG_NET_GRACE, "500ms", 500 },       { CONFIG_NET_GRACE, "2m", 120000 },        { CONFIG_NET_GRACE, "1h", 3600000 },
        { CONFIG_NET_GRACE, "0", 0 },             { CONFIG_NET_GRACE, "30", -1 },            { CONFIG_NET_GRACE, "30 s", 30000 },
        { CONFIG_NET_GRACE, "-1s", -1 },          { CONFIG_NET_GRACE, "1.5s", -1 },          { CONFIG_NET_GRACE, "2h", -1 },
        { CONFIG_NET_GRACE, "", -1 },             { CONFIG_NET_GRACE, "99999999999999999999h", -1 },
        { CONFIG_NET_GRACE, "9223372036854775807h", -1 },
        { CONFIG_NET_BODY_MAX, "64KiB", 65536 },  { CONFIG_NET_BODY_MAX, "64 KB", 64000 },   { CONFIG_NET_BODY_MAX, "2048", 2048 },
        { CONFIG_NET_BODY_MAX, "4GiB", INT64_C(4) << 30 }, { CONFIG_NET_BODY_MAX, "5GiB", -1 }, { CONFIG_NET_BODY_MAX, "1kb", -1 },
        { CONFIG_NET_JSON_DEPTH, "1", 1 },        { CONFIG_NET_JSON_DEPTH, "0", -1 },        { CONFIG_NET_JSON_DEPTH, "1k", -1 },
        { CONFIG_ENGINE_MEMORY_BUDGET, "1TiB", INT64_C(1) << 40 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char flag[64];
        const char *name = cases[i].key == CONFIG_NET_GRACE      ? "net-grace"
                           : cases[i].key == CONFIG_NET_BODY_MAX ? "net-body-max"
                           : cases[i].key == CONFIG_NET_JSON_DEPTH ? "net-json-depth"
                                                                   : "engine-memory-budget";
        snprintf(flag, sizeof flag, "--%s=%s", name, cases[i].text);
        char *argv[] = { flag, NULL };
        int argc = 1;
        assert_int_equal(config_load_args(config, &argc, argv, &error), cases[i].value >= 0);
        if (cases[i].value >= 0)
            assert_true(config_number(config, cases[i].key) == cases[i].value);
    }
}

static void mistakes_in_the_file_name_line_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message;
    } cases[] = {
        { "listen: x\nnet:\n  idle_timout: 3m\n", "c.yaml:3: unknown key 'net.idle_timout', did you mean 'net.idle_timeout'?" },
        { "zzzzzzzzz: 1\n", "c.yaml:1: unknown key 'zzzzzzzzz'" },
        { "config: x\n", "c.yaml:1: unknown key 'config'" },
        { "\nnet: {grace: 30}\n", "c.yaml:2: net.grace '30' is not a duration such as 500ms, 30s, 10m or 1h" },
        { "net: {grace: 2h}\n", "c.yaml:1: net.grace '2h' is outside 0..1h" },
        { "auth: maybe\n", "c.yaml:1: auth 'maybe' is not one of on|off" },
        { "listen: [1]\n", "c.yaml:1: listen must be one value" },
        { "models: {map: x}\n", "c.yaml:1: models.map must be a list or map" },
        { "net: [1]\n", "c.yaml:1: unknown key 'net', did you mean '" },
        { "listen: a\nlisten: b\n", "c.yaml:2: 'listen' is there twice" },
        { "- a\n", "c.yaml:1: the file must be a map of keys" },
        { "a: &x 1\n", "c.yaml:1: anchors and tags are not supported" },
        { "listen: *x\n", "c.yaml:1: aliases are not supported" },
        { "listen: !!str a\n", "c.yaml:1: anchors and tags are not supported" },
        { "[a]: b\n", "c.yaml:1: a key must be plain text" },
        { "listen: a\n---\nlisten: b\n", "c.yaml:2: only one document is allowed" },
        { "listen: \"a\n", "c.yaml:" },
        { "a: [1\n", "c.yaml:" },
        { "listen: \"\xff\"\n", "c.yaml:" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(load(cases[i].yaml));
        if (!view_starts_with(view_from_cstr(error.message), view_from_cstr(cases[i].message)))
            fail_msg("%s\nshould begin with\n%s", error.message, cases[i].message);
    }
}

static void mistakes_elsewhere_name_the_flag_or_the_variable(void **state)
{
    (void)state;
    char *argv[] = { "--auth", "maybe", NULL };
    int argc = 2;
    assert_false(config_load_args(config, &argc, argv, &error));
    assert_string_equal(error.message, "--auth: value 'maybe' is not one of on|off");
    char *missing[] = { "--listen", NULL };
    argc = 1;
    assert_false(config_load_args(config, &argc, missing, &error));
    assert_string_equal(error.message, "--listen: a value must follow");
    char *tree[] = { "--backends=x", NULL };
    argc = 1;
    assert_false(config_load_args(config, &argc, tree, &error));
    assert_string_equal(error.message, "--backends: backends is a list or map and can be set in the file only");
    char *env[] = { "CRATON_NET_GRACE=soon", NULL };
    assert_false(config_load_env(config, env, &error));
    assert_string_equal(error.message, "CRATON_NET_GRACE: value 'soon' is not a duration such as 500ms, 30s, 10m or 1h");
}

static void empty_files_and_sections_set_nothing(void **state)
{
    (void)state;
    assert_true(load(""));
    assert_true(load("# only a comment\n"));
    assert_true(load("net:\nmodels: {}\n"));
    assert_false(config_is_set(config, CONFIG_NET_GRACE));
    assert_int_equal(config_number(config, CONFIG_NET_GRACE), 30000);
}

static void trees_are_walked_by_key_and_index(void **state)
{
    (void)state;
    assert_true(load("scripted:\n"
                     "  rules:\n"
                     "    - match: {model: m, regex: '^a:'}\n"
                     "      delay: 20ms\n"
                     "      text: |\n"
                     "        two\n"
                     "        lines\n"
                     "    - error: ThrottlingException\n"
                     "      status: 429\n"
                     "      weight: 0.5\n"
                     "      repeat: yes\n"));
    const struct config_node *rules = config_tree(config, CONFIG_SCRIPTED_RULES);
    int64_t number = 0;
    double real = 0;
    bool flag = false;
    assert_int_equal(config_node_type(rules), CONFIG_NODE_LIST);
    assert_int_equal(config_node_size(rules), 2);
    const struct config_node *first = config_node_at(rules, 0);
    assert_view_is(config_node_text(config_node_get(config_node_get(first, "match"), "regex")), "^a:");
    assert_view_is(config_node_text(config_node_get(first, "text")), "two\nlines\n");
    assert_true(config_node_duration(config_node_get(first, "delay"), &number));
    assert_int_equal(number, 20);
    assert_int_equal(config_node_line(config_node_get(first, "delay")), 4);
    const struct config_node *second = config_node_at(rules, 1);
    assert_view_is(config_node_key(config_node_at(second, 1)), "status");
    assert_true(config_node_i64(config_node_at(second, 1), &number));
    assert_int_equal(number, 429);
    assert_true(config_node_double(config_node_get(second, "weight"), &real));
    assert_true(real == 0.5);
    assert_true(config_node_bool(config_node_get(second, "repeat"), &flag));
    assert_true(flag);

    assert_null(config_node_at(rules, 2));
    assert_null(config_node_get(rules, "match"));
    assert_null(config_node_get(NULL, "x"));
    assert_int_equal(config_node_type(NULL), CONFIG_NODE_ABSENT);
    assert_int_equal(config_node_size(config_node_at(second, 1)), 0);
    assert_false(config_node_i64(config_node_at(second, 0), &number));
    assert_false(config_node_bool(NULL, &flag));
    assert_int_equal(config_node_text(rules).len, 0);
}

static void depth_is_limited(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 20);
    char deep[66];
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    assert_non_null(config_node_parse(arena, view_of(deep + 1, 64), "x", &error));
    assert_null(config_node_parse(arena, view_of(deep, 66), "x", &error));
    assert_string_equal(error.message, "x:1: nested too deeply");
    arena_destroy(arena);
}

static void the_table_is_printed_whole(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    assert_true(config_write_markdown(&out));
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    assert_int_equal(lines, CONFIG_KEY_COUNT + 2);
    assert_true(view_find(buf_view(&out), VIEW("| `net.idle_timeout` | `--net-idle-timeout` | `CRATON_NET_IDLE_TIMEOUT` | "
                                               "duration | `10m` | `1s..24h` | ")) != VIEW_NPOS);
    assert_true(view_find(buf_view(&out), VIEW("`on\\|off`")) != VIEW_NPOS);
    buf_clear(&out);
    assert_true(config_write_help(&out));
    assert_true(view_find(buf_view(&out), VIEW("  --net-idle-timeout DURATION (default 10m)\n")) != VIEW_NPOS);
    assert_true(view_find(buf_view(&out), VIEW("backends")) == VIEW_NPOS);
    buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_config, drop_config)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold_and_every_one_is_in_its_range),
        TEST(a_flag_beats_the_environment_beats_the_file),
        TEST(the_file_is_named_by_the_config_flag),
        TEST(notations_have_units),
        TEST(mistakes_in_the_file_name_line_and_key),
        TEST(mistakes_elsewhere_name_the_flag_or_the_variable),
        TEST(empty_files_and_sections_set_nothing),
        TEST(trees_are_walked_by_key_and_index),
        TEST(depth_is_limited),
        TEST(the_table_is_printed_whole),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
