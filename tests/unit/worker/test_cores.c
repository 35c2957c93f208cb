#include "unit.h"

#include "worker/cores.h"

#include <unistd.h>

static void ticks_of_our_cores_are_summed(void **state)
{
    (void)state;
    static const char stat[] = "cpu  400 0 40 4000 4 0 0 4 9 0\n"
                               "cpu0 100 1 10 1000 1 2 3 4 50 60\n"
                               "cpu1 200 0 20 2000 2 0 0 0 0 0\n"
                               "cpu12 7 0 0 70 0 0 0 0 0 0\n"
                               "intr 12345 0 0\n"
                               "ctxt 999\n";
    cpu_set_t set;
    uint64_t busy, idle;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CPU_SET(12, &set);
    assert_true(cores_read(view_from_cstr(stat), &set, &busy, &idle));
    assert_int_equal(busy, 100 + 1 + 10 + 2 + 3 + 4 + 7);
    assert_int_equal(idle, 1001 + 70);
}

static void text_of_another_form_is_not_believed(void **state)
{
    (void)state;
    cpu_set_t set;
    uint64_t busy, idle;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    assert_false(cores_read(VIEW(""), &set, &busy, &idle));
    assert_false(cores_read(VIEW("cpu  1 2 3\ncpux 1 2\ncpu99999999 1\n"), &set, &busy, &idle));
}

static void threads_follow_the_cores_that_are_free(void **state)
{
    (void)state;
    assert_int_equal(cores_decide(2, 1.95, 2), 2);          /* a little of the server's own work */
    assert_int_equal(cores_decide(2, 1.05, 2), 1);          /* another program keeps one core */
    assert_int_equal(cores_decide(1, 1.2, 2), 1);
    assert_int_equal(cores_decide(1, 1.95, 2), 2);          /* it has gone */
    assert_int_equal(cores_decide(16, 9.1, 16), 9);
    assert_int_equal(cores_decide(9, 15.9, 16), 16);
    assert_int_equal(cores_decide(1, 64, 16), 16);
    assert_int_equal(cores_decide(4, 0, 4), 1);
}

static void looking_is_rare_and_stays_within_the_grant(void **state)
{
    (void)state;
    struct cores cores;
    cores_open(&cores, 4, 1000000);
    assert_true(cores.stat_fd >= 0);
    cores.threads = 3;
    assert_int_equal(cores_threads(&cores, 8, 1000001), 3); /* too early to look again */
    assert_int_equal(cores_threads(&cores, 2, 1000002), 2);
    assert_in_range(cores_threads(&cores, 8, 1000000 + CORES_LOOK_US), 1, 8);
    assert_int_equal(cores.looked_us, 1000000 + CORES_LOOK_US);
    cores_close(&cores);
    assert_int_equal(cores_threads(&cores, 8, 9000000), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_of_our_cores_are_summed),
        cmocka_unit_test(text_of_another_form_is_not_believed),
        cmocka_unit_test(threads_follow_the_cores_that_are_free),
        cmocka_unit_test(looking_is_rare_and_stays_within_the_grant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
