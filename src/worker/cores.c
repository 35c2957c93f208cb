#include "worker/cores.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define STAT_MAX     (256u << 10)
#define IDLE_FIELD   3
#define IOWAIT_FIELD 4
#define LAST_FIELD   7                                      /* guest times, after it, are part of user time */

/* ---- /proc/stat ---- */

/* "cpu12 user nice system idle iowait irq softirq steal …": false when this line is no core of the set. */
static bool read_core(struct view line, const cpu_set_t *set, uint64_t *busy, uint64_t *idle)
{
    uint64_t core, ticks;
    struct view name = view_split(&line, ' ');
    if (!view_starts_with(name, VIEW("cpu")) || !view_to_u64(view_from(name, 3), &core) || core >= CPU_SETSIZE ||
        !CPU_ISSET((int)core, set))
        return false;
    for (int field = 0; field <= LAST_FIELD && view_to_u64(view_split(&line, ' '), &ticks); field++)
        *(field == IDLE_FIELD || field == IOWAIT_FIELD ? idle : busy) += ticks;
    return true;
}

bool cores_read(struct view stat, const cpu_set_t *set, uint64_t *busy, uint64_t *idle)
{
    bool found = false;
    *busy = *idle = 0;
    while (stat.ptr != NULL)
        found = read_core(view_split(&stat, '\n'), set, busy, idle) || found;
    return found;
}

static bool look(const struct cores *cores, uint64_t *busy, uint64_t *idle)
{
    static char text[STAT_MAX];                             /* one thread only */
    ssize_t len = pread(cores->stat_fd, text, sizeof(text), 0);
    return len > 0 && cores_read(view_of(text, (size_t)len), &cores->ours, busy, idle);
}

static int64_t own_time(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* ---- deciding ---- */

unsigned cores_decide(unsigned running, double available, unsigned most)
{
    unsigned threads = running;
    if (available < (double)running - 0.5 || available > (double)running + 0.8)
        threads = (unsigned)(available + 0.35);
    threads = threads < most ? threads : most;
    return threads > 0 ? threads : 1;
}

void cores_open(struct cores *cores, unsigned threads, int64_t now_us)
{
    *cores = (struct cores){ .threads = threads, .looked_us = now_us, .own_us = own_time() };
    cores->stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (cores->stat_fd < 0)
        return;
    if (sched_getaffinity(0, sizeof(cores->ours), &cores->ours) != 0 || !look(cores, &cores->busy, &cores->idle))
        cores_close(cores);
}

void cores_close(struct cores *cores)
{
    if (cores->stat_fd >= 0)
        close(cores->stat_fd);
    cores->stat_fd = -1;
}

unsigned cores_threads(struct cores *cores, unsigned granted, int64_t now_us)
{
    uint64_t busy, idle;
    int64_t elapsed = now_us - cores->looked_us;
    if (cores->stat_fd < 0)
        return granted;
    if (elapsed >= CORES_LOOK_US && look(cores, &busy, &idle)) {
        int64_t own = own_time();
        double ticks = (double)(busy - cores->busy) + (double)(idle - cores->idle);
        double idle_share = ticks > 0 ? (double)(idle - cores->idle) / ticks : 0;
        double available = idle_share * CPU_COUNT(&cores->ours) + (double)(own - cores->own_us) / (double)elapsed;
        cores->threads = cores_decide(cores->threads, available, granted);
        cores->looked_us = now_us;
        cores->own_us = own;
        cores->busy = busy;
        cores->idle = idle;
    }
    return cores->threads < granted ? cores->threads : granted;
}
