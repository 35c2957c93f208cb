/* Files: whole reads with a cap, replacement in one step, exact modes, locks. */
#include "unit.h"

#include "base/fs.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static char path[128];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/craton-fs-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void a_written_file_reads_back_with_its_mode(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(1000);
    struct stat st;
    mode_t umask_before = umask(0077);
    assert_int_equal(fs_write_file(path, VIEW("one"), 0644), 0);
    assert_int_equal(fs_write_file(path, VIEW("two\0three"), 0644), 0);
    umask(umask_before);
    assert_int_equal(fs_read_file(path, &buf), 0);
    assert_view_eq(buf_view(&buf), VIEW("two\0three"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(st.st_nlink, 1);
    buf_free(&buf);
}

static void the_cap_lets_a_file_of_just_that_size_through(void **state)
{
    (void)state;
    struct buf fits = BUF_INIT(5), small = BUF_INIT(4);
    assert_int_equal(fs_write_file(path, VIEW("12345"), 0600), 0);
    assert_int_equal(fs_read_file(path, &fits), 0);
    assert_view_is(buf_view(&fits), "12345");
    assert_int_equal(fs_read_file(path, &small), -EFBIG);
    assert_true(buf_failed(&small));
    buf_free(&fits);
    buf_free(&small);
}

static void creating_refuses_a_name_that_is_taken(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(100);
    struct stat st;
    assert_int_equal(fs_create_file(path, VIEW("secret"), 0600), 0);
    assert_int_equal(fs_create_file(path, VIEW("other"), 0600), -EEXIST);
    assert_int_equal(fs_read_file(path, &buf), 0);
    assert_view_is(buf_view(&buf), "secret");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_nlink, 1); /* nothing was left beside it */
    buf_free(&buf);
}

static void errors_are_told(void **state)
{
    (void)state;
    char text[100];
    struct buf buf = BUF_INIT(100);
    assert_int_equal(fs_read_file(path, &buf), -ENOENT);
    assert_string_equal(fs_error(-ENOENT, text, sizeof text), "No such file or directory");
    assert_int_equal(fs_read_file(dir, &buf), -EISDIR);
    assert_int_equal(fs_write_file("/nowhere/at/all", VIEW(""), 0600), -ENOENT);
    assert_int_equal(fs_remove(path), 0);
    buf_free(&buf);
}

static void directories_are_made_with_those_above(void **state)
{
    (void)state;
    char deep[128];
    snprintf(deep, sizeof deep, "%s/a/b/c/", dir);
    assert_int_equal(fs_make_dirs(deep, 0700), 0);
    assert_int_equal(fs_make_dirs(deep, 0700), 0);
    assert_true(fs_exists(deep));
    assert_int_equal(fs_write_file(path, VIEW("x"), 0600), 0);
    assert_int_equal(fs_make_dirs(path, 0700), -ENOTDIR);
    snprintf(deep, sizeof deep, "%s/file/under", dir);
    assert_int_equal(fs_make_dirs(deep, 0700), -ENOTDIR);
}

static void a_lock_has_one_holder_until_it_goes(void **state)
{
    (void)state;
    int fd = fs_lock(path);
    assert_true(fd >= 0);
    assert_int_equal(fs_lock(path), -EWOULDBLOCK);
    struct buf buf = BUF_INIT(100);
    char pid[24];
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    assert_int_equal(fs_read_file(path, &buf), 0);
    assert_view_is(buf_view(&buf), pid);
    buf_free(&buf);
    fs_unlock(fd);

    pid_t child = fork();
    if (child == 0)
        _exit(fs_lock(path) >= 0 ? 0 : 1); /* dies with the lock held */
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fd = fs_lock(path);
    assert_true(fd >= 0);
    fs_unlock(fd);
    fs_unlock(-1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_written_file_reads_back_with_its_mode),
        TEST(the_cap_lets_a_file_of_just_that_size_through),
        TEST(creating_refuses_a_name_that_is_taken),
        TEST(errors_are_told),
        TEST(directories_are_made_with_those_above),
        TEST(a_lock_has_one_holder_until_it_goes),
    };
    return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
