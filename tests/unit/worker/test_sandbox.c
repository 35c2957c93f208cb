/* Each thing that a worker gives up, tried in a child that gave it up. */
#include "unit.h"

#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs attempt in a sandboxed child: true when it was refused with EPERM, or as attempt sees fit. */
static bool refused_in(enum sandbox_profile profile, bool (*attempt)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        if (!sandbox_begin(3, false) || !sandbox_seal(profile))
            _exit(2);
        _exit(attempt() ? 0 : 1);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 2);
    return WEXITSTATUS(status) == 0;
}

static bool exec_is_refused(void)
{
    char *arguments[] = { (char *)"/bin/true", NULL };
    execv(arguments[0], arguments);
    return errno == EPERM;
}

static bool socket_is_refused(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM;
}

static bool trace_is_refused(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM;
}

static bool open_is_refused(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM;
}

static bool open_is_allowed(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool fork_is_refused(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 && errno == EPERM;
}

static bool kill_is_refused(void)
{
    return kill(getppid(), 0) < 0 && errno == EPERM;
}

static bool unlink_is_refused(void)
{
    return unlink("/nowhere/at/all") < 0 && errno == EPERM;
}

static bool memory_can_be_had(void)
{
    char *bytes = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    bytes[12345] = 1;
    return munmap(bytes, 1 << 20) == 0 && write(2, "", 0) == 0;
}

static void computing_worker_can_do_nothing_but_compute(void **state)
{
    (void)state;
    assert_true(refused_in(SANDBOX_COMPUTE, exec_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, socket_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, trace_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, open_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, fork_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, kill_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, unlink_is_refused));
    assert_true(refused_in(SANDBOX_COMPUTE, memory_can_be_had));
}

static void worker_beside_a_driver_still_starts_reaches_and_traces_nothing(void **state)
{
    (void)state;
    assert_true(refused_in(SANDBOX_DEVICES, exec_is_refused));
    assert_true(refused_in(SANDBOX_DEVICES, socket_is_refused));
    assert_true(refused_in(SANDBOX_DEVICES, trace_is_refused));
    assert_true(refused_in(SANDBOX_DEVICES, unlink_is_refused));
    assert_true(refused_in(SANDBOX_DEVICES, open_is_allowed));
    assert_true(refused_in(SANDBOX_DEVICES, memory_can_be_had));
}

static bool limits_are_low(void)
{
    struct rlimit core, file, files;
    return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 && getrlimit(RLIMIT_FSIZE, &file) == 0 &&
           file.rlim_max == 0 && getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max <= 256;
}

static bool only_the_socket_is_open(void)
{
    return fcntl(3, F_GETFD) >= 0 && fcntl(4, F_GETFD) < 0 && fcntl(100, F_GETFD) < 0;
}

static bool is_nice(void)
{
    return getpriority(PRIO_PROCESS, 0) > 0;
}

static int in_child(bool (*check)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(sandbox_begin(3, false) && check() ? 0 : 1);
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void beginning_lowers_limits_priority_and_closes_descriptors(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 3 && (fd == 3 || dup2(fd, 3) == 3) && fcntl(3, F_DUPFD, 4) >= 4 && fcntl(3, F_DUPFD, 100) >= 100);
    assert_int_equal(in_child(limits_are_low), 0);
    assert_int_equal(in_child(only_the_socket_is_open), 0);
    assert_int_equal(in_child(is_nice), 0);
}

static bool file_is_made_renamed_and_removed(void)
{
    char from[] = "/tmp/craton-sandbox-XXXXXX", to[64];
    int fd = mkstemp(from);
    snprintf(to, sizeof to, "%s.new", from);
    return fd >= 0 && write(fd, "x", 1) == 1 && rename(from, to) == 0 && unlink(to) == 0;
}

static bool rename_is_refused(void)
{
    return rename("/tmp/no-such-file", "/tmp/neither") < 0 && errno == EPERM;
}

static bool may_in(enum sandbox_profile profile, bool (*attempt)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(sandbox_begin(3, true) && sandbox_seal(profile) && attempt() ? 0 : 1);
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status == 0;
}

static void import_changes_files_and_still_starts_reaches_and_traces_nothing(void **state)
{
    (void)state;
    assert_true(may_in(SANDBOX_FILES, file_is_made_renamed_and_removed));
    assert_true(may_in(SANDBOX_FILES, exec_is_refused));
    assert_true(may_in(SANDBOX_FILES, socket_is_refused));
    assert_true(may_in(SANDBOX_FILES, trace_is_refused));
    assert_true(may_in(SANDBOX_DEVICES, rename_is_refused));
}

static void *open_in_thread(void *ctx)
{
    pthread_barrier_wait(ctx);
    pthread_barrier_wait(ctx);
    return open_is_refused() ? ctx : NULL;
}

static void filter_binds_threads_that_run_already(void **state)
{
    (void)state;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_barrier_t barrier;
        pthread_t thread;
        void *bound = NULL;
        pthread_barrier_init(&barrier, NULL, 2);
        if (!sandbox_begin(3, false) || pthread_create(&thread, NULL, open_in_thread, &barrier) != 0)
            _exit(2);
        pthread_barrier_wait(&barrier);
        if (!sandbox_seal(SANDBOX_COMPUTE))
            _exit(2);
        pthread_barrier_wait(&barrier);
        pthread_join(thread, &bound);
        _exit(bound != NULL ? 0 : 1);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computing_worker_can_do_nothing_but_compute),
        cmocka_unit_test(worker_beside_a_driver_still_starts_reaches_and_traces_nothing),
        cmocka_unit_test(beginning_lowers_limits_priority_and_closes_descriptors),
        cmocka_unit_test(import_changes_files_and_still_starts_reaches_and_traces_nothing),
        cmocka_unit_test(filter_binds_threads_that_run_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
