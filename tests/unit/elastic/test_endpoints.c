#include "unit.h"

#include "elastic/endpoints.h"

#include <unistd.h>

#define ACCOUNT VIEW("123456789012")

struct fixture {
    char dir[64];
    struct arena *arena;
    struct store *store;
    struct seal *seal;
    struct endpoints *endpoints;
};

static void open_all(struct fixture *f)
{
    char path[128], words[256];
    struct store_error error;
    snprintf(path, sizeof path, "%s/store/craton.db", f->dir);
    f->store = store_open(path, clock_system(), &error);
    assert_non_null(f->store);
    snprintf(path, sizeof path, "%s/secret.key", f->dir);
    f->seal = seal_open(path, words, sizeof words);
    assert_non_null(f->seal);
    f->endpoints = endpoints_create(f->store, f->seal);
    assert_non_null(f->endpoints);
    assert_true(endpoints_load(f->endpoints));
}

static void close_all(struct fixture *f)
{
    endpoints_destroy(f->endpoints);
    store_close(f->store);
    seal_close(f->seal);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/craton-endpoints-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->arena = arena_create(8 << 20);
    open_all(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = { "store/craton.db", "store/craton.db-wal", "store/craton.db-shm", "store", "secret.key", "" };
    struct fixture *f = *state;
    char path[128];
    close_all(f);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
        (void)remove(path);
    }
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static const struct key_pair keys = { VIEW_INIT("AKIA"), VIEW_INIT("very-secret-key") };

static struct endpoint endpoint_of(const char *id)
{
    struct endpoint endpoint = {
        .account = ACCOUNT,
        .id = view_from_cstr(id),
        .task = TASK_COMPLETION,
        .provider = PROVIDER_META,
        .region = VIEW("r"),
        .model = VIEW("m"),
        .access_key = keys.access_key,
        .requests_per_minute = 240,
    };
    task_settings_init(&endpoint.settings);
    endpoint_digest(&keys, endpoint.credentials);
    return endpoint;
}

static void what_is_added_is_found_also_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = endpoint_of("a"), b = endpoint_of("b");
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &b, &keys), STORE_OK);
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &a, &keys), STORE_OK);
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &a, &keys), STORE_EXISTS);
    close_all(f);
    open_all(f);
    struct endpoint_set *set = endpoints_acquire(f->endpoints);
    assert_int_equal(endpoint_set_count(set), 2);
    assert_view_is(endpoint_set_at(set, 0)->id, "a");
    const struct endpoint *found = endpoint_set_find(set, ACCOUNT, VIEW("b"));
    assert_non_null(found);
    assert_memory_equal(found->credentials, b.credentials, SHA256_SIZE);
    assert_null(endpoint_set_find(set, ACCOUNT, VIEW("c")));
    assert_null(endpoint_set_find(set, ACCOUNT, (struct view){ NULL, 0 }));
    assert_null(endpoint_set_find(set, VIEW("210987654321"), VIEW("b")));
    endpoint_set_release(set);
}

static void the_keys_are_sealed_for_their_endpoint_alone(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = endpoint_of("a");
    struct view plain;
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &a, &keys), STORE_OK);
    struct endpoint_set *set = endpoints_acquire(f->endpoints);
    struct view sealed = endpoint_set_find(set, ACCOUNT, VIEW("a"))->secrets;
    assert_int_equal(view_find(sealed, VIEW("very-secret")), VIEW_NPOS);
    assert_true(seal_reveal(f->seal, sealed, VIEW("123456789012/a"), f->arena, &plain));
    assert_view_is(plain, "{\"access_key\":\"AKIA\",\"secret_key\":\"very-secret-key\"}");
    assert_false(seal_reveal(f->seal, sealed, VIEW("123456789012/b"), f->arena, &plain));
    endpoint_set_release(set);
}

static void the_keys_come_back_for_calls_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = endpoint_of("a");
    struct key_pair found;
    a.url = VIEW("https://bedrock.example.com");
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &a, &keys), STORE_OK);
    struct endpoint_set *set = endpoints_acquire(f->endpoints);
    struct endpoint stored = *endpoint_set_find(set, ACCOUNT, VIEW("a"));
    assert_view_eq(stored.url, a.url);
    assert_true(endpoints_reveal(f->endpoints, f->arena, &stored, &found));
    assert_view_eq(found.access_key, keys.access_key);
    assert_view_eq(found.secret_key, keys.secret_key);
    stored.id = VIEW("b"); /* sealed for another */
    assert_false(endpoints_reveal(f->endpoints, f->arena, &stored, &found));
    endpoint_set_release(set);
}

static void a_change_needs_the_version_that_was_read(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = endpoint_of("a");
    const struct key_pair none = { VIEW_INIT(""), VIEW_INIT("") };
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &a, &keys), STORE_OK);
    struct endpoint_set *before = endpoints_acquire(f->endpoints);
    struct endpoint changed = *endpoint_set_find(before, ACCOUNT, VIEW("a"));
    changed.requests_per_minute = 3;
    assert_int_equal(endpoints_replace(f->endpoints, f->arena, &changed, &none), STORE_OK);
    assert_int_equal(endpoints_replace(f->endpoints, f->arena, &changed, &none), STORE_CONFLICT);

    struct endpoint_set *after = endpoints_acquire(f->endpoints);
    assert_int_equal(endpoint_set_find(after, ACCOUNT, VIEW("a"))->requests_per_minute, 3);
    assert_view_eq(endpoint_set_find(after, ACCOUNT, VIEW("a"))->secrets, changed.secrets);
    assert_int_equal(endpoint_set_find(before, ACCOUNT, VIEW("a"))->requests_per_minute, 240); /* a set never changes */
    endpoint_set_release(before);
    endpoint_set_release(after);
}

static void what_is_removed_is_gone(void **state)
{
    struct fixture *f = *state;
    struct endpoint a = endpoint_of("a");
    assert_int_equal(endpoints_add(f->endpoints, f->arena, &a, &keys), STORE_OK);
    assert_int_equal(endpoints_remove(f->endpoints, &a), STORE_OK);
    assert_int_equal(endpoints_remove(f->endpoints, &a), STORE_NOT_FOUND);
    struct endpoint_set *set = endpoints_acquire(f->endpoints);
    assert_int_equal(endpoint_set_count(set), 0);
    endpoint_set_release(set);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_is_added_is_found_also_after_a_restart),
        STORE_TEST(the_keys_are_sealed_for_their_endpoint_alone),
        STORE_TEST(the_keys_come_back_for_calls_elsewhere),
        STORE_TEST(a_change_needs_the_version_that_was_read),
        STORE_TEST(what_is_removed_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
