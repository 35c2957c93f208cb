#include "worker/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICENESS  5
#define MAX_FILES 256
#define MAX_RULES 128
#define X32_CALLS 0x40000000u                               /* the same calls once more, under other numbers */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the system call filter does not know this architecture"
#endif

/* All that computing on loaded weights needs. Nothing here opens, creates or reaches anything new. */
static const int compute_calls[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_close,
    SYS_ppoll, SYS_lseek, SYS_fstat, SYS_fcntl,
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_membarrier,
    SYS_futex, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_rseq, SYS_set_robust_list, SYS_restart_syscall,
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
    SYS_getpid, SYS_gettid, SYS_getrandom, SYS_getrusage, SYS_sysinfo, SYS_getcpu,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_tgkill, SYS_exit, SYS_exit_group,
#ifdef SYS_poll
    SYS_poll,
#endif
};

/* What no worker may do, however much a driver or an import needs. */
static const int forbidden_calls[] = {
    SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_socket, SYS_connect, SYS_bind,
    SYS_listen, SYS_accept, SYS_accept4, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setuid, SYS_setgid,
    SYS_setns, SYS_unshare, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_kexec_load, SYS_init_module,
    SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_settimeofday, SYS_clock_settime,
    SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_linkat, SYS_symlinkat,
#ifdef SYS_fork
    SYS_fork, SYS_vfork, SYS_link, SYS_symlink,
#endif
};

/* What only an import does with the files of its folder. */
static const int naming_calls[] = {
    SYS_unlinkat, SYS_renameat2,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_unlink
    SYS_unlink, SYS_rename, SYS_rmdir,
#endif
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(COUNT_OF(compute_calls) + 8 < MAX_RULES && COUNT_OF(forbidden_calls) + COUNT_OF(naming_calls) + 8 < MAX_RULES,
               "the filter has room");

static bool limit(int what, rlim_t most)
{
    struct rlimit limits;
    if (getrlimit((__rlimit_resource_t)what, &limits) != 0)
        return false;
    if (limits.rlim_max > most)
        limits.rlim_max = most;
    limits.rlim_cur = limits.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &limits) == 0;
}

static bool close_others(unsigned keep)
{
    bool closed = true;
    if (keep > 3)
        closed = syscall(SYS_close_range, 3u, keep - 1, 0u) == 0;
    unsigned after = keep >= 3 ? keep + 1 : 3;
    return closed && syscall(SYS_close_range, after, ~0u, 0u) == 0;
}

bool sandbox_begin(int keep_fd, bool may_write)
{
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);           /* may be refused where it is lower already */
    (void)signal(SIGXFSZ, SIG_IGN);
    return close_others((unsigned)keep_fd) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, MAX_FILES) &&
           (may_write || limit(RLIMIT_FSIZE, 0)) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* ---- the filter: a list of calls, an answer for those in it and one for all others ---- */

static struct sock_filter load(size_t offset)
{
    return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

static struct sock_filter answer(uint32_t value)
{
    return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value);
}

struct call_list {
    const int *calls;
    size_t count;
};

static bool install(struct call_list first, struct call_list second, uint32_t listed, uint32_t others)
{
    struct sock_filter rules[MAX_RULES];
    unsigned short at = 0;
    rules[at++] = load(offsetof(struct seccomp_data, arch));
    rules[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    rules[at++] = answer(SECCOMP_RET_KILL_PROCESS);         /* another architecture's numbers would mean other calls */
    rules[at++] = load(offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    rules[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
    rules[at++] = answer(SECCOMP_RET_ERRNO | EPERM);
#endif
    size_t count = first.count + second.count;
    for (size_t i = 0; i < count; i++) {
        int call = i < first.count ? first.calls[i] : second.calls[i - first.count];
        rules[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, (uint8_t)(count - i), 0);
    }
    rules[at++] = answer(others);
    rules[at++] = answer(listed);
    struct sock_fprog program = { .len = at, .filter = rules };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

bool sandbox_seal(enum sandbox_profile profile)
{
    static const struct call_list none = { NULL, 0 }, compute = { compute_calls, COUNT_OF(compute_calls) },
                                  forbidden = { forbidden_calls, COUNT_OF(forbidden_calls) },
                                  naming = { naming_calls, COUNT_OF(naming_calls) };
    uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    if (profile == SANDBOX_COMPUTE)
        return install(compute, none, SECCOMP_RET_ALLOW, refuse);
    return install(forbidden, profile == SANDBOX_FILES ? none : naming, refuse, SECCOMP_RET_ALLOW);
}
