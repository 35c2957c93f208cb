/* store/internal.h - what the files of store/ share. */
#ifndef CRATON_STORE_INTERNAL_H
#define CRATON_STORE_INTERNAL_H

#include "base/list.h"
#include "store/sql.h"

#include <pthread.h>
#include <stdatomic.h>

#define READERS_KEPT 32                                     /* idle connections beyond these are closed */

/* ---- the writer: jobs of all waiting callers, committed together ---- */

struct write_job {
    struct list_link link;
    enum store_status (*run)(struct sql *sql, void *arg);   /* inside a savepoint, which is undone unless STORE_OK */
    void *arg;
    enum store_status status;
    bool done;
};

struct writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;                                    /* for the writer: a job has come, or the end */
    pthread_cond_t finished;                                /* for callers: some jobs are done */
    struct list queue;
    struct sql *sql;                                        /* the writer's own */
    bool stopping;
};

/* ---- the watcher: told by the file system, or looking now and then ---- */

struct watcher {
    pthread_t thread;
    pthread_mutex_t lock;                                   /* held while callbacks run */
    struct list watches;
    struct sql *sql;                                        /* the watcher's own */
    int wake_fd;                                            /* an eventfd: the writer has committed, or the end */
    int notify_fd;                                          /* inotify on the directory, or -1 */
    _Atomic bool stopping;
};

struct store {
    const struct clock *clock;
    char *path;
    struct writer writer;
    struct watcher watcher;
    pthread_mutex_t readers_lock;
    struct sql *readers;                                    /* idle ones */
    size_t reader_count;                                    /* idle ones */
};

bool writer_start(struct store *store, struct sql *sql, struct store_error *error); /* takes sql, also when it fails */
void writer_stop(struct store *store);
enum store_status writer_run(struct store *store, enum store_status (*run)(struct sql *sql, void *arg), void *arg);

bool watcher_start(struct store *store, struct sql *sql, struct store_error *error); /* takes sql, also when it fails */
void watcher_stop(struct store *store);
void watcher_wake(struct store *store);

struct sql *reader_take(struct store *store);               /* NULL when none can be opened */
void reader_return(struct store *store, struct sql *sql);

#endif
