#include "unit.h"

#include "iam/seal.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96], error[256];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/craton-seal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/key", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(folder);
    return 0;
}

static struct view seal_it(struct seal *seal, struct arena *arena, const char *secret, const char *context)
{
    struct buf out = BUF_INIT(8192);
    assert_true(seal_secret(seal, view_from_cstr(secret), view_from_cstr(context), &out));
    struct view sealed = arena_copy(arena, buf_view(&out));
    buf_free(&out);
    return sealed;
}

static void a_sealed_secret_opens_with_the_same_key_file(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16);
    struct seal *first = seal_open(path, error, sizeof(error));
    assert_non_null(first);
    struct view sealed = seal_it(first, arena, "hunter2", "AKIA1"), plain;
    seal_close(first);
    assert_int_equal(view_find(sealed, VIEW("hunter2")), VIEW_NPOS);

    struct seal *again = seal_open(path, error, sizeof(error));
    assert_non_null(again);
    assert_true(seal_reveal(again, sealed, VIEW("AKIA1"), arena, &plain));
    assert_view_is(plain, "hunter2");
    seal_close(again);
    arena_destroy(arena);
}

static void it_does_not_open_elsewhere(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16);
    struct seal *seal = seal_open(path, error, sizeof(error));
    struct view sealed = seal_it(seal, arena, "hunter2", "AKIA1"), plain;
    assert_false(seal_reveal(seal, sealed, VIEW("AKIA2"), arena, &plain));

    char *changed = arena_cstr(arena, sealed);
    changed[20] = changed[20] == 'A' ? 'B' : 'A';
    assert_false(seal_reveal(seal, view_from_cstr(changed), VIEW("AKIA1"), arena, &plain));
    assert_false(seal_reveal(seal, VIEW("no base64!"), VIEW("AKIA1"), arena, &plain));
    assert_false(seal_reveal(seal, VIEW(""), VIEW("AKIA1"), arena, &plain));
    seal_close(seal);

    unlink(path);
    struct seal *other = seal_open(path, error, sizeof(error));
    assert_false(seal_reveal(other, sealed, VIEW("AKIA1"), arena, &plain));
    seal_close(other);
    arena_destroy(arena);
}

static void one_secret_is_sealed_differently_each_time(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16);
    struct seal *seal = seal_open(path, error, sizeof(error));
    assert_false(view_eq(seal_it(seal, arena, "x", "c"), seal_it(seal, arena, "x", "c")));
    seal_close(seal);
    arena_destroy(arena);
}

static void a_key_file_that_others_may_read_is_refused(void **state)
{
    (void)state;
    seal_close(seal_open(path, error, sizeof(error)));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(seal_open(path, error, sizeof(error)));
    assert_non_null(strstr(error, "0600"));
}

static void a_key_file_of_another_size_is_refused(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("short", file);
    fclose(file);
    chmod(path, 0600);
    assert_null(seal_open(path, error, sizeof(error)));
    assert_non_null(strstr(error, "32 bytes"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sealed_secret_opens_with_the_same_key_file), TEST(it_does_not_open_elsewhere),
        TEST(one_secret_is_sealed_differently_each_time),   TEST(a_key_file_that_others_may_read_is_refused),
        TEST(a_key_file_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
