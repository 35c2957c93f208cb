/* jobs/internal.h - what the files of jobs/ share. */
#ifndef CRATON_JOBS_INTERNAL_H
#define CRATON_JOBS_INTERNAL_H

#include "base/list.h"
#include "jobs/jobs.h"

#include <pthread.h>

#define JOB_ARENA (64u << 20)

enum job_phase {
    JOB_RUNNING,                                            /* a thread is in run() */
    JOB_RETURNED,                                           /* it has left: the manager joins it and decides */
    JOB_RESTING,                                            /* without a thread; the lease is kept */
};

struct jobs;

/* Only the manager's thread makes, moves and frees jobs. The record is the running thread's, else the manager's; what is below is
 * under the runner's lock. */
struct job {
    struct list_link link;
    struct jobs *jobs;
    const struct job_type *type;
    pthread_t thread;
    struct arena *arena;                                    /* of the run */
    struct arena *records[2];                               /* the record's, and that of the one to come */
    struct store_record record;
    struct store_lease lease;                               /* its key is copied into `held` */
    struct arena *held;
    int64_t renew_ms;                                       /* when the lease is to be renewed */
    const char *state_before;                               /* as the run began: one of type->working, or NULL */
    uint64_t version_before;
    unsigned fruitless;                                     /* runs in a row that changed nothing */
    int64_t rests_until_ms;

    enum job_phase phase;
    pthread_cond_t wake;
    uint64_t seen_version;                                  /* the latest that the store was seen to have */
    bool lost;                                              /* the lease is another's, or the record is gone */
    bool nudged;
};

struct jobs {
    struct store *store;
    int64_t lease_ms;
    char *owner;
    void (*on_ended)(void *ctx);
    void *ended_ctx;
    struct job_type types[JOBS_TYPES];
    struct store_watch *watches[JOBS_TYPES];
    size_t type_count;
    pthread_t manager;
    bool started;
    struct arena *scratch;                                  /* the manager's, for what it looks at */
    struct list list;                                       /* the manager's */
    size_t inherited;                                       /* types whose old leases have been freed; the manager's */

    pthread_mutex_t lock;
    pthread_cond_t work;                                    /* for the manager: something to look at, or the end */
    bool woken;
    bool ending;
};

bool record_copy(struct arena *arena, const struct store_record *from, struct store_record *to);    /* false: no memory */
enum store_status job_renew(struct job *job);               /* the lease; remembers when it was lost. Not under the lock */
void condition_init(pthread_cond_t *condition);             /* its waits go by the monotonic clock */
/* Under the lock: waits for the condition, or until about ms have passed in reality. */
void condition_wait(struct jobs *jobs, pthread_cond_t *condition, int64_t ms);

#endif
