/* store/writer.c - the only thread that changes records. Callers queue a job and wait; the thread runs all that have gathered in one
 * transaction and commits with one sync, so the disk's latency is shared, not queued for. */
#include "store/internal.h"

#include <signal.h>
#include <stdio.h>

static void run_job(struct sql *sql, struct write_job *job)
{
    job->status = sql_run(sql, SQL_SAVEPOINT);
    if (job->status != STORE_OK)
        return;
    job->status = job->run(sql, job->arg);
    if (job->status != STORE_OK)
        sql_run(sql, SQL_ROLLBACK_TO);
    enum store_status released = sql_run(sql, SQL_RELEASE);
    if (job->status == STORE_OK)
        job->status = released;
}

/* What must not happen to all of a batch because of one of them: the transaction is gone after a full disk, for instance. */
static void commit_batch(struct sql *sql, struct list *batch)
{
    enum store_status status = sql_run(sql, SQL_BEGIN);
    LIST_EACH(at, batch) {
        struct write_job *job = LIST_ITEM(at, struct write_job, link);
        job->status = status;
        if (status == STORE_OK)
            run_job(sql, job);
    }
    if (status != STORE_OK)
        return;
    status = sqlite3_get_autocommit(sql->db) ? STORE_ERROR : sql_run(sql, SQL_COMMIT);
    if (status == STORE_OK)
        return;
    if (!sqlite3_get_autocommit(sql->db))
        sql_run(sql, SQL_ROLLBACK);
    LIST_EACH(at, batch) {
        struct write_job *job = LIST_ITEM(at, struct write_job, link);
        if (job->status == STORE_OK)
            job->status = status;
    }
}

static void take_all(struct list *from, struct list *to)
{
    struct list_link *link;
    list_init(to);
    while ((link = list_pop_front(from)) != NULL)
        list_push_back(to, link);
}

static void *run_writer(void *arg)
{
    struct store *store = arg;
    struct writer *writer = &store->writer;
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (list_empty(&writer->queue) && !writer->stopping)
            pthread_cond_wait(&writer->wake, &writer->lock);
        if (list_empty(&writer->queue))
            break;
        struct list batch;
        take_all(&writer->queue, &batch);
        pthread_mutex_unlock(&writer->lock);
        commit_batch(writer->sql, &batch);
        watcher_wake(store);
        pthread_mutex_lock(&writer->lock);
        LIST_EACH(at, &batch)
            LIST_ITEM(at, struct write_job, link)->done = true;
        pthread_cond_broadcast(&writer->finished);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* The job lies on the caller's stack, so the caller stays until it is done; how long that takes is bounded by SQLite's own wait for
 * other processes. */
enum store_status writer_run(struct store *store, enum store_status (*run)(struct sql *sql, void *arg), void *arg)
{
    struct writer *writer = &store->writer;
    struct write_job job = { .run = run, .arg = arg };
    pthread_mutex_lock(&writer->lock);
    list_push_back(&writer->queue, &job.link);
    pthread_cond_signal(&writer->wake);
    while (!job.done)
        pthread_cond_wait(&writer->finished, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
    return job.status;
}

bool writer_start(struct store *store, struct sql *sql, struct store_error *error)
{
    struct writer *writer = &store->writer;
    sigset_t all, before;
    writer->sql = sql;
    list_init(&writer->queue);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->wake, NULL);
    pthread_cond_init(&writer->finished, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&writer->thread, NULL, run_writer, store) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        snprintf(error->message, sizeof error->message, "cannot start the store's writer thread");
        sql_close(sql);
        writer->sql = NULL;
    }
    return started;
}

void writer_stop(struct store *store)
{
    struct writer *writer = &store->writer;
    if (writer->sql == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->finished);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    sql_close(writer->sql);
}
