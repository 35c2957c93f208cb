/* Watches: told of changes of their kind, by this process or another, and of nothing else. */
#include "fixture.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int told;

static void count(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&told, 1);
}

/* True once told has reached n; waits for up to two seconds. */
static bool reaches(int n)
{
    for (int i = 0; i < 2000 && atomic_load(&told) < n; i++)
        usleep(1000);
    return atomic_load(&told) >= n;
}

static void put(struct store *store, const char *kind, const char *id)
{
    struct store_record record = record_of(id, "{}");
    record.key.kind = view_from_cstr(kind);
    assert_int_equal(store_put(store, &record), STORE_OK);
}

static void a_watch_is_told_of_its_own_kind_only(void **state)
{
    (void)state;
    atomic_store(&told, 0);
    put(fixture_store, "iam.key", "before");
    struct store_watch *watch = store_watch(fixture_store, VIEW("iam.key"), count, NULL);
    assert_non_null(watch);
    put(fixture_store, "job", "a");
    usleep(50000);
    assert_int_equal(atomic_load(&told), 0);
    put(fixture_store, "iam.key", "a");
    assert_true(reaches(1));
    struct store_key key = key_of("a");
    key.kind = VIEW("iam.key");
    assert_int_equal(store_delete(fixture_store, &key, 0), STORE_OK);
    assert_true(reaches(2));
    store_unwatch(fixture_store, watch);
    put(fixture_store, "iam.key", "b");
    usleep(20000);
    assert_int_equal(atomic_load(&told), 2);
    store_unwatch(fixture_store, NULL);
}

static int go[2];
static pid_t child;

/* The other process: makes one record in the store whose path comes through the pipe. */
static void run_child(void)
{
    char path[sizeof fixture_path] = "";
    struct store_error error;
    if (read(go[0], path, sizeof path) <= 0)
        _exit(1);
    struct store *store = store_open(path, clock_system(), &error);
    if (store == NULL)
        _exit(1);
    put(store, "iam.key", "from-outside");
    store_close(store);
    _exit(0);
}

/* It is forked before there are threads. */
static int fork_and_open(void **state)
{
    if (pipe(go) != 0)
        return -1;
    child = fork();
    if (child == 0)
        run_child();
    return child > 0 ? fixture_open(state) : -1;
}

static void changes_of_another_process_are_told_too(void **state)
{
    (void)state;
    int status;
    atomic_store(&told, 0);
    assert_non_null(store_watch(fixture_store, VIEW("iam.key"), count, NULL));
    assert_int_equal(write(go[1], fixture_path, sizeof fixture_path), sizeof fixture_path);
    assert_true(reaches(1));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(go[0]);
    close(go[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_watch_is_told_of_its_own_kind_only),
        cmocka_unit_test_setup_teardown(changes_of_another_process_are_told_too, fork_and_open, fixture_close),
    };
    return cmocka_run_group_tests_name("store_watch", tests, NULL, NULL);
}
