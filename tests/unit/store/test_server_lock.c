/* One server for one data directory. */
#include "unit.h"

#include "store/server_lock.h"

#include <errno.h>
#include <unistd.h>

static void a_second_server_is_refused_and_told_who_has_it(void **state)
{
    (void)state;
    char dir[] = "/tmp/craton-lock-XXXXXX", path[64];
    long holder = -1;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(server_lock_holder(dir), 0);
    int fd = server_lock_take(dir, &holder);
    assert_true(fd >= 0);
    assert_int_equal(server_lock_holder(dir), getpid());
    assert_int_equal(server_lock_take(dir, &holder), -EWOULDBLOCK);
    assert_int_equal(holder, getpid());
    server_lock_release(fd);
    assert_int_equal(server_lock_holder(dir), 0);
    fd = server_lock_take(dir, &holder);
    assert_true(fd >= 0);
    server_lock_release(fd);
    assert_int_equal(server_lock_take("/nowhere/at/all", &holder), -ENOENT);
    snprintf(path, sizeof path, "%s/server.lock", dir);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_server_is_refused_and_told_who_has_it),
    };
    return cmocka_run_group_tests_name("store_server_lock", tests, NULL, NULL);
}
