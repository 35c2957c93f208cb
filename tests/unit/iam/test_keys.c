#include "unit.h"

#include "iam/keys.h"

#include <pthread.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    struct clock *clock;
    struct arena *arena;
    struct seal *seal;
    struct store *store;
    struct iam_store from;
};

static int setup(void **state)
{
    char path[128], words[256];
    struct store_error error;
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->folder, "/tmp/craton-keys-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->clock = clock_manual_create(1700000000000);
    f->arena = arena_create(1 << 20);
    snprintf(path, sizeof(path), "%s/key", f->folder);
    f->seal = seal_open(path, words, sizeof(words));
    snprintf(path, sizeof(path), "%s/store/db", f->folder);
    f->store = store_open(path, f->clock, &error);
    assert_non_null(f->store);
    f->from = (struct iam_store){ .store = f->store, .seal = f->seal, .account = VIEW("123456789012") };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = { "store/db", "store/db-wal", "store/db-shm", "store", "key", "" };
    struct fixture *f = *state;
    store_close(f->store);
    seal_close(f->seal);
    arena_destroy(f->arena);
    clock_manual_destroy(f->clock);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", f->folder, files[i]);
        remove(path);
    }
    free(f);
    return 0;
}

static struct iam_key create(struct fixture *f, const char *name, bool bearer)
{
    struct iam_key key;
    const struct iam_new_key wanted = { .name = view_from_cstr(name), .bearer = bearer };
    assert_int_equal(iam_key_create(&f->from, f->arena, &wanted, &key), IAM_OK);
    clock_manual_advance(f->clock, 1000);
    return key;
}

static void the_first_key_is_made_once(void **state)
{
    struct fixture *f = *state;
    struct iam_key first, again;
    assert_int_equal(iam_first_key(&f->from, f->arena, &first), IAM_OK);
    assert_int_equal(first.id.len, 20);
    assert_true(view_starts_with(first.id, VIEW("AKIA")));
    assert_int_equal(first.secret.len, 40);
    assert_true(first.principal.admin);
    assert_view_is(first.principal.arn, "arn:aws:iam::123456789012:user/root");
    clock_manual_advance(f->clock, 1000);
    create(f, NULL, false);
    assert_int_equal(iam_first_key(&f->from, f->arena, &again), IAM_OK);
    assert_view_eq(again.id, first.id);
    assert_view_eq(again.secret, first.secret);
}

struct starter {
    const struct iam_store *from;
    char id[32];
};

static void *start(void *arg)
{
    struct starter *starter = arg;
    struct arena *arena = arena_create(1 << 20);
    struct iam_key key;
    if (iam_first_key(starter->from, arena, &key) == IAM_OK)
        memcpy(starter->id, key.id.ptr, key.id.len);
    arena_destroy(arena);
    return NULL;
}

static void starters_at_once_agree_on_the_first_key(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    struct starter starters[4] = { 0 };
    for (size_t i = 0; i < COUNT_OF(starters); i++) {
        starters[i].from = &f->from;
        assert_int_equal(pthread_create(&threads[i], NULL, start, &starters[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(starters); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(strlen(starters[0].id), 20);
    for (size_t i = 1; i < COUNT_OF(starters); i++)
        assert_string_equal(starters[i].id, starters[0].id);
}

static void a_snapshot_knows_every_key(void **state)
{
    struct fixture *f = *state;
    struct iam_key access = create(f, "ci", false), bearer = create(f, NULL, true);
    enum iam_status status;
    struct iam_snapshot *snapshot = iam_load(&f->from, &status);
    assert_int_equal(status, IAM_OK);
    assert_view_eq(iam_find_access_key(snapshot, access.id)->secret, access.secret);
    assert_view_is(iam_find_access_key(snapshot, access.id)->principal.arn, "arn:aws:iam::123456789012:user/ci");
    assert_view_eq(iam_find_bearer(snapshot, bearer.secret)->id, bearer.id);
    iam_snapshot_release(snapshot);
}

static void secrets_are_not_in_the_store_as_they_are(void **state)
{
    struct fixture *f = *state;
    struct iam_key keys[] = { create(f, NULL, false), create(f, NULL, true) };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const struct store_key where = { VIEW(IAM_KEY_KIND), f->from.account, VIEW(""), keys[i].id };
        struct store_record record;
        assert_int_equal(store_get(f->store, f->arena, &where, &record), STORE_OK);
        assert_int_equal(view_find(record.json, keys[i].secret), VIEW_NPOS);
    }
}

static void a_key_is_revoked_by_id_or_name(void **state)
{
    struct fixture *f = *state;
    struct iam_key by_id = create(f, NULL, false), *left;
    size_t count;
    create(f, "laptop", true);
    assert_int_equal(iam_key_revoke(&f->from, f->arena, VIEW("laptop")), IAM_OK);
    assert_int_equal(iam_key_revoke(&f->from, f->arena, by_id.id), IAM_OK);
    assert_int_equal(iam_key_revoke(&f->from, f->arena, by_id.id), IAM_NOT_FOUND);
    assert_int_equal(iam_key_revoke(&f->from, f->arena, VIEW("")), IAM_NOT_FOUND);
    assert_int_equal(iam_key_list(&f->from, f->arena, &left, &count), IAM_OK);
    assert_int_equal(count, 0);
}

static void a_name_belongs_to_one_key(void **state)
{
    struct fixture *f = *state;
    struct iam_key key;
    const struct iam_new_key wanted = { .name = VIEW("ci") };
    create(f, "ci", false);
    assert_int_equal(iam_key_create(&f->from, f->arena, &wanted, &key), IAM_NAME_TAKEN);
    assert_int_equal(iam_key_revoke(&f->from, f->arena, VIEW("ci")), IAM_OK);
    assert_int_equal(iam_key_create(&f->from, f->arena, &wanted, &key), IAM_OK);
}

static void another_key_file_is_told_apart_from_a_broken_store(void **state)
{
    struct fixture *f = *state;
    char path[128], words[256];
    create(f, NULL, false);
    snprintf(path, sizeof(path), "%s/key", f->folder);
    unlink(path);
    struct seal *other = seal_open(path, words, sizeof(words));
    struct iam_store from = f->from;
    from.seal = other;
    enum iam_status status;
    assert_null(iam_load(&from, &status));
    assert_int_equal(status, IAM_UNSEALABLE);
    seal_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_key_is_made_once),
        TEST(starters_at_once_agree_on_the_first_key),
        TEST(a_snapshot_knows_every_key),
        TEST(secrets_are_not_in_the_store_as_they_are),
        TEST(a_key_is_revoked_by_id_or_name),
        TEST(a_name_belongs_to_one_key),
        TEST(another_key_file_is_told_apart_from_a_broken_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
