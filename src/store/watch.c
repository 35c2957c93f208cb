/* store/watch.c - telling who wants to know that records of a kind have changed.
 *
 * Every commit counts up a number for each kind that it touched; the watcher compares. It looks when the writer wakes it and when
 * the directory shows that a process writes. That shows a little before the commit can be seen, so it looks again for a while. */
#include "store/internal.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define HOT_STEP_MS   5
#define HOT_STEPS     60
#define IDLE_MS       1000
#define BLIND_IDLE_MS 100              /* without inotify */

struct store_watch {
    struct list_link link;
    char *kind;
    size_t kind_len;
    int64_t counter;
    bool due;
    void (*fn)(void *ctx);
    void *ctx;
};

static void free_watch(struct store_watch *watch)
{
    free(watch->kind);
    free(watch);
}

/* Calls each(ctx, kind, counter) for every kind there is. */
static enum store_status read_counters(struct sql *sql, void (*each)(void *ctx, struct view kind, int64_t counter), void *ctx)
{
    sqlite3_stmt *stmt = sql_begin(sql, SQL_CHANGES);
    enum store_status status;
    while ((status = sql_step(sql, stmt)) == STORE_OK) {
        struct view kind = view_of(sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
        each(ctx, kind, sqlite3_column_int64(stmt, 1));
    }
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static void mark_due(void *ctx, struct view kind, int64_t counter)
{
    struct watcher *watcher = ctx;
    LIST_EACH(at, &watcher->watches) {
        struct store_watch *watch = LIST_ITEM(at, struct store_watch, link);
        if (view_eq(kind, view_of(watch->kind, watch->kind_len)) && watch->counter != counter) {
            watch->counter = counter;
            watch->due = true;
        }
    }
}

static bool data_has_changed(struct watcher *watcher, int64_t *seen)
{
    sqlite3_stmt *stmt = sql_begin(watcher->sql, SQL_DATA_VERSION);
    if (sql_step(watcher->sql, stmt) != STORE_OK)
        return false;
    int64_t version = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    bool changed = version != *seen;
    *seen = version;
    return changed;
}

static void tell(struct watcher *watcher)
{
    pthread_mutex_lock(&watcher->lock);
    if (read_counters(watcher->sql, mark_due, watcher) == STORE_OK) {
        LIST_EACH(at, &watcher->watches) {
            struct store_watch *watch = LIST_ITEM(at, struct store_watch, link);
            if (watch->due) {
                watch->due = false;
                watch->fn(watch->ctx);
            }
        }
    }
    pthread_mutex_unlock(&watcher->lock);
}

/* Waits for a sign of a change; *hot is set when there is one. */
static void wait_for_sign(struct watcher *watcher, int *hot)
{
    char drained[4096];
    struct pollfd fds[] = { { .fd = watcher->wake_fd, .events = POLLIN }, { .fd = watcher->notify_fd, .events = POLLIN } };
    int timeout = *hot > 0 ? HOT_STEP_MS : watcher->notify_fd >= 0 ? IDLE_MS : BLIND_IDLE_MS;
    if (*hot > 0)
        --*hot;
    if (poll(fds, 2, timeout) <= 0)
        return;
    for (int i = 0; i < 2; i++) {
        if ((fds[i].revents & POLLIN) != 0 && read(fds[i].fd, drained, sizeof drained) > 0)
            *hot = HOT_STEPS;
    }
}

static void *run_watcher(void *arg)
{
    struct watcher *watcher = arg;
    int64_t seen = 0;
    int hot = 0;
    while (!atomic_load(&watcher->stopping)) {
        if (data_has_changed(watcher, &seen)) {
            hot = 0;
            tell(watcher);
        }
        wait_for_sign(watcher, &hot);
    }
    return NULL;
}

void watcher_wake(struct store *store)
{
    uint64_t one = 1;
    if (write(store->watcher.wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        log_warn("the store's watcher cannot be woken"); /* it looks by itself once a second */
}

static int open_notify(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int fd = parent != NULL ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
    if (fd >= 0 && inotify_add_watch(fd, parent, IN_MODIFY | IN_CREATE) < 0) {
        close(fd);
        fd = -1;
    }
    free(parent);
    return fd;
}

static void close_descriptors(struct watcher *watcher)
{
    if (watcher->wake_fd >= 0)
        close(watcher->wake_fd);
    if (watcher->notify_fd >= 0)
        close(watcher->notify_fd);
}

bool watcher_start(struct store *store, struct sql *sql, struct store_error *error)
{
    struct watcher *watcher = &store->watcher;
    sigset_t all, before;
    watcher->sql = sql;
    watcher->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    watcher->notify_fd = open_notify(store->path);
    list_init(&watcher->watches);
    pthread_mutex_init(&watcher->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = watcher->wake_fd >= 0 && pthread_create(&watcher->thread, NULL, run_watcher, watcher) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        snprintf(error->message, sizeof error->message, "cannot start the store's watcher thread");
        close_descriptors(watcher);
        sql_close(sql);
    }
    return started;
}

void watcher_stop(struct store *store)
{
    struct watcher *watcher = &store->watcher;
    atomic_store(&watcher->stopping, true);
    watcher_wake(store);
    pthread_join(watcher->thread, NULL);
    LIST_EACH(at, &watcher->watches)
        free_watch(LIST_ITEM(at, struct store_watch, link));
    close_descriptors(watcher);
    pthread_mutex_destroy(&watcher->lock);
    sql_close(watcher->sql);
}

static void note_counter(void *ctx, struct view kind, int64_t counter)
{
    struct store_watch *watch = ctx;
    if (view_eq(kind, view_of(watch->kind, watch->kind_len)))
        watch->counter = counter;
}

static bool register_watch(struct store *store, struct store_watch *watch)
{
    struct sql *sql = reader_take(store);
    if (sql == NULL)
        return false;
    /* Under the lock the watcher compares no counters, so no change can fall between this look and its next. */
    pthread_mutex_lock(&store->watcher.lock);
    bool ok = read_counters(sql, note_counter, watch) == STORE_OK;
    if (ok)
        list_push_back(&store->watcher.watches, &watch->link);
    pthread_mutex_unlock(&store->watcher.lock);
    reader_return(store, sql);
    return ok;
}

struct store_watch *store_watch(struct store *store, struct view kind, void (*fn)(void *ctx), void *ctx)
{
    struct store_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    *watch = (struct store_watch){ .kind = strndup(kind.ptr, kind.len), .kind_len = kind.len, .fn = fn, .ctx = ctx };
    if (watch->kind == NULL || !register_watch(store, watch)) {
        free_watch(watch);
        return NULL;
    }
    return watch;
}

void store_unwatch(struct store *store, struct store_watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&store->watcher.lock);
    list_remove(&watch->link);
    pthread_mutex_unlock(&store->watcher.lock);
    free_watch(watch);
}
