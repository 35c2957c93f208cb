/* worker/calls.h - the calls that this worker has, by their stream. Borrows the jobs. Compute thread only. */
#ifndef CRATON_WORKER_CALLS_H
#define CRATON_WORKER_CALLS_H

#include "worker/job.h"

#define CALLS_BUCKETS 1024                                  /* the server numbers streams one after the other */

struct calls {
    struct job *buckets[CALLS_BUCKETS];
    size_t count;
};

struct job *calls_find(const struct calls *calls, uint32_t stream);    /* NULL: there is none */
void calls_add(struct calls *calls, struct job *job);       /* its stream is not there yet */
void calls_remove(struct calls *calls, struct job *job);    /* it is there */

#endif
