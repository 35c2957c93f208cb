/* worker/cores.h - how many compute threads are worth running now.
 *
 * ggml's threads meet at a barrier after every operation and spin there, so one thread that the system has set aside holds up all
 * others: two threads beside another busy program on two cores are ten times slower than one. So the worker looks, a few times
 * a second, at what the cores have been doing, and runs as many threads as there were cores idle or its own.
 *
 * The files stay open, since the sandbox opens nothing later. One thread only.
 */
#ifndef CRATON_WORKER_CORES_H
#define CRATON_WORKER_CORES_H

#include "base/view.h"

#include <sched.h>

#define CORES_LOOK_US 250000

struct cores {
    int stat_fd;                                            /* -1: not known, all threads run */
    cpu_set_t ours;                                         /* those that this process may use */
    unsigned threads;                                       /* the last answer */
    int64_t looked_us, own_us;                              /* when, and this process's time then */
    uint64_t busy, idle;                                    /* ticks of our cores then */
};

void cores_open(struct cores *cores, unsigned threads, int64_t now_us);        /* begins with so many */
void cores_close(struct cores *cores);

/* At least 1, at most granted. */
unsigned cores_threads(struct cores *cores, unsigned granted, int64_t now_us);

/* The pure parts, for tests. Sums the ticks of the cores in the set; false when the text is not /proc/stat's. */
bool cores_read(struct view stat, const cpu_set_t *set, uint64_t *busy, uint64_t *idle);
/* Slow to change: `available` must be clearly more or clearly less than what runs. */
unsigned cores_decide(unsigned running, double available, unsigned most);

#endif
