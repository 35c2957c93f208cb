/* jobs/jobs.h - runs durable jobs: records of the store that some thread works on until they are done, across crashes.
 *
 * A job is a store record of its capability's kind; its state and JSON are the capability's alone. A job type says which states
 * mean that there is work. The runner takes the oldest such record that nobody holds, under a lease that it keeps renewing, and
 * calls run() in a thread of its own. When run() returns while the record still is in a working state (the server stops, the lease
 * was lost), somebody runs it again later; so run() resumes from what is on record. After kill -9 the lease runs out and the job
 * goes on; the same server's next process goes on at once.
 *
 *     on record ── claimed ──► running ── another state ──► on record (claimed again when that is a working one)
 *                                │  ▲
 *               the same state   │  │ after 1 s, doubling to 1 min while nothing changes; at once when others change the record
 *                                ▼  │
 *                              resting                    (holds its lease, but neither a thread nor one of the type's places)
 *
 * An effect outside the store is repeatable by its name; every write to the record goes through job_update(), which fails when the
 * lease was lost, so two runs of one job never both advance it.
 *
 * Changes of a job by others (a stop that was asked for) wake job_wait() and are seen by job_refresh(). Whoever wants to follow jobs
 * watches the store for the kind.
 *
 * All times are of the store's clock: after jobs_wake() everything looks at it anew.
 */
#ifndef CRATON_JOBS_JOBS_H
#define CRATON_JOBS_JOBS_H

#include "store/store.h"

#define JOBS_TYPES 8                                        /* a runner has at most so many */

struct jobs;
struct job;

struct job_type {
    const char *kind;                                       /* of the records; static */
    const char *const *working;                             /* states that want a run, the urgent first; ends with NULL; static */
    unsigned threads;                                       /* jobs of this type that run at once */
    void (*run)(struct job *job, void *ctx);
    void *ctx;
};

struct jobs_options {
    struct store *store;
    int64_t lease_ms;                                       /* renewed at a third of it; 0: 30 s */
    struct view owner;                                      /* of the leases: the same after a restart on the same data; copied */
    /* Once after jobs_end(), in a thread of the runner, when all runs have returned. Optional. */
    void (*on_ended)(void *ctx);
    void *ended_ctx;
};

struct jobs *jobs_create(const struct jobs_options *options);   /* NULL when out of memory */
bool jobs_add(struct jobs *jobs, const struct job_type *type);  /* before jobs_start(); false when there are JOBS_TYPES */
bool jobs_start(struct jobs *jobs);                         /* false when there is no memory or no thread */
void jobs_end(struct jobs *jobs);                           /* asks all runs to return; any thread, does not block */
void jobs_stop(struct jobs *jobs);                          /* jobs_end(), and waits for them; one that has not begun is fine */
void jobs_destroy(struct jobs *jobs);                       /* after jobs_stop(); NULL is fine */

/* Look for work now: the clock of a test has moved, say. New and changed records are noticed without it. Any thread. */
void jobs_wake(struct jobs *jobs);

/* ---- inside run(), in its thread ---- */

struct arena *job_arena(struct job *job);                   /* lives as long as the run: not for what grows with the work */

/* As of the last refresh or update, either of which makes what was given before invalid. Also any thread between those. */
const struct store_record *job_record(const struct job *job);

/* Reads the record again. False when the run must return: the server stops, the lease was lost, or the record is gone or cannot be
 * read. */
bool job_refresh(struct job *job);

/* True when the run must return, or somebody else changed the record since the last refresh. Cheap; call it often. */
bool job_disturbed(const struct job *job);

/* Replaces state, index values and JSON. STORE_CONFLICT: changed by others or lease lost; refresh and think again. */
enum store_status job_update(struct job *job, const struct store_record *changed);

/* The same, with up to JOB_MORE_WRITES other writes in the same transaction: all or nothing. */
#define JOB_MORE_WRITES 7
enum store_status job_update_with(struct job *job, const struct store_record *changed, const struct store_write *more, size_t count);

/* Sleeps until the store's clock has gone ms on, the job is disturbed, or it was nudged since the last job_wait(). */
void job_wait(struct job *job, int64_t ms);

/* Wakes job_wait() of this job; any thread while run() has not returned. For completions that come from the loop. */
void job_nudge(struct job *job);

#endif
