/* Processes that cannot be used: none of them is left behind. (The supervisor's tests show those that can.) */
#include "engine/process.h"
#include "unit.h"

#include <errno.h>
#include <sys/wait.h>
#include <uv.h>

/* The linker puts this in the place of channel_open(): no memory for a channel. */
bool __wrap_channel_open(struct channel *channel, uv_loop_t *uv, int fd);

bool __wrap_channel_open(struct channel *channel, uv_loop_t *uv, int fd)
{
    (void)channel;
    (void)uv;
    (void)fd;
    return false;
}

static void note_freed(void *owner)
{
    bool *freed = owner;
    *freed = true;
}

static void refuse(const char *program)
{
    struct loop *loop = loop_create(clock_system(), 1);
    bool freed = false;
    struct process process = { .channel = { .fd = -1 }, .owner = &freed, .label = VIEW("test"), .on_freed = note_freed };
    assert_non_null(loop);
    assert_false(process_start(&process, loop, program, "model"));
    assert_int_equal(process_pid(&process), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);       /* no child, dead or alive */
    assert_int_equal(errno, ECHILD);
    while (!freed)
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    loop_destroy(loop);
}

static void a_process_without_a_channel_is_buried_at_once(void **state)
{
    (void)state;
    refuse(FAKE_WORKER);
}

static void a_missing_program_leaves_nothing(void **state)
{
    (void)state;
    refuse("/no/such/program");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_without_a_channel_is_buried_at_once),
        cmocka_unit_test(a_missing_program_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
