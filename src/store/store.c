/* store/store.c - opening and closing, reading connections, records: see store.h. */
#include "store/internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *store_status_text(enum store_status status)
{
    static const char *const texts[] = {
        [STORE_OK] = "ok",
        [STORE_NOT_FOUND] = "not found",
        [STORE_EXISTS] = "exists already",
        [STORE_TOKEN_USED] = "the request token was used before",
        [STORE_CONFLICT] = "changed by somebody else meanwhile",
        [STORE_BAD_PAGE] = "the page token is not valid",
        [STORE_BUSY] = "the store is held by another process",
        [STORE_NO_MEMORY] = "out of memory",
        [STORE_ERROR] = "the store failed",
    };
    return texts[status];
}

int64_t store_now_ms(struct store *store)
{
    return clock_wall_ms(store->clock);
}

/* ---- opening and closing ---- */

static bool make_parent(const char *path, struct store_error *error)
{
    const char *slash = strrchr(path, '/');
    char reason[128];
    if (slash == NULL || slash == path)
        return true;
    char *parent = strndup(path, (size_t)(slash - path));
    int result = parent != NULL ? fs_make_dirs(parent, 0700) : -ENOMEM;
    if (result != 0)
        snprintf(error->message, sizeof error->message, "%.300s: %s", path, fs_error(result, reason, sizeof reason));
    free(parent);
    return result == 0;
}

static struct sql *open_current(const char *path, struct store_error *error)
{
    struct sql *sql = sql_open(path, error);
    if (sql != NULL && sql_migrate(sql, error))
        return sql;
    sql_close(sql);
    return NULL;
}

static struct store *fail_open(struct store *store, struct sql *unused)
{
    sql_close(unused);
    free(store->path);
    free(store);
    return NULL;
}

struct store *store_open(const char *path, const struct clock *clock, struct store_error *error)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->path = strdup(path)) == NULL) {
        snprintf(error->message, sizeof error->message, "out of memory");
        free(store);
        return NULL;
    }
    store->clock = clock;
    struct sql *for_writer = make_parent(path, error) ? open_current(path, error) : NULL;
    struct sql *for_watcher = for_writer != NULL ? sql_open(path, error) : NULL;
    if (for_watcher == NULL)
        return fail_open(store, for_writer);
    pthread_mutex_init(&store->readers_lock, NULL);
    if (!watcher_start(store, for_watcher, error))
        return fail_open(store, for_writer);
    if (!writer_start(store, for_writer, error)) {
        watcher_stop(store);
        return fail_open(store, NULL);
    }
    return store;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    writer_stop(store);
    watcher_stop(store);
    while (store->readers != NULL) {
        struct sql *sql = store->readers;
        store->readers = sql->next;
        sql_close(sql);
    }
    pthread_mutex_destroy(&store->readers_lock);
    free(store->path);
    free(store);
}

/* ---- reading connections: as many as threads read at once ---- */

struct sql *reader_take(struct store *store)
{
    pthread_mutex_lock(&store->readers_lock);
    struct sql *sql = store->readers;
    if (sql != NULL) {
        store->readers = sql->next;
        store->reader_count--;
    }
    pthread_mutex_unlock(&store->readers_lock);
    if (sql != NULL)
        return sql;
    struct store_error error;
    sql = sql_open(store->path, &error);
    if (sql == NULL)
        log_error("the store cannot be opened for reading", LOG_STR("reason", error.message));
    return sql;
}

void reader_return(struct store *store, struct sql *sql)
{
    pthread_mutex_lock(&store->readers_lock);
    bool keep = store->reader_count < READERS_KEPT;
    if (keep) {
        sql->next = store->readers;
        store->readers = sql;
        store->reader_count++;
    }
    pthread_mutex_unlock(&store->readers_lock);
    if (!keep)
        sql_close(sql);
}

static enum store_status read_one(struct store *store, struct arena *arena, enum sql_statement which,
                                  const struct store_key *key, struct store_record *out)
{
    struct sql *sql = reader_take(store);
    if (sql == NULL)
        return STORE_ERROR;
    sqlite3_stmt *stmt = sql_begin(sql, which);
    if (stmt != NULL)
        sql_bind_key(stmt, key);
    enum store_status status = sql_step(sql, stmt);
    if (status == STORE_OK) {
        status = sql_read_record(arena, stmt, out);
        sqlite3_reset(stmt);
    }
    reader_return(store, sql);
    return status;
}

enum store_status store_get(struct store *store, struct arena *arena, const struct store_key *key, struct store_record *out)
{
    return read_one(store, arena, SQL_GET, key, out);
}

enum store_status store_get_by_token(struct store *store, struct arena *arena, const struct store_key *key,
                                     struct view token, struct store_record *out)
{
    struct store_key by_token = *key;
    by_token.id = token; /* the statement's fourth parameter */
    return read_one(store, arena, SQL_GET_BY_TOKEN, &by_token, out);
}

/* ---- writing, on the writer's thread ---- */

#define COLUMN_INDEX 7 /* of RECORD_COLUMNS */

struct stamp {
    uint64_t version;
    int64_t created_ms, updated_ms;
};

struct apply {
    struct store_write *writes;
    struct stamp *stamps;                                   /* what the callers' records become once all is committed */
    size_t count;
    size_t at;
    int64_t now_ms;
};

static bool column_is(sqlite3_stmt *stmt, int at, struct view expected)
{
    const void *text = sqlite3_column_text(stmt, at);
    return text != NULL && view_eq(view_of(text, (size_t)sqlite3_column_bytes(stmt, at)), expected);
}

/* STORE_OK with the stamp of the record that is written to, STORE_NOT_FOUND, or STORE_CONFLICT when it does not hold what it should. */
static enum store_status current(struct sql *sql, const struct store_write *write, struct stamp *stamp)
{
    sqlite3_stmt *stmt = sql_begin(sql, SQL_GET);
    if (stmt != NULL)
        sql_bind_key(stmt, &write->record.key);
    enum store_status status = sql_step(sql, stmt);
    if (status == STORE_OK) {
        if (write->holds.ptr != NULL && !column_is(stmt, COLUMN_INDEX, write->holds))
            status = STORE_CONFLICT;
        *stamp = (struct stamp){ .version = (uint64_t)sqlite3_column_int64(stmt, 4),
                                 .created_ms = sqlite3_column_int64(stmt, 11) };
        sqlite3_reset(stmt);
    }
    return status;
}

static enum store_status check_token(struct sql *sql, const struct store_record *record)
{
    if (record->token.ptr == NULL)
        return STORE_OK;
    struct store_key by_token = record->key;
    by_token.id = record->token;
    sqlite3_stmt *stmt = sql_begin(sql, SQL_GET_BY_TOKEN);
    if (stmt != NULL)
        sql_bind_key(stmt, &by_token);
    enum store_status status = sql_step(sql, stmt);
    if (status == STORE_OK)
        sqlite3_reset(stmt);
    return status == STORE_OK ? STORE_TOKEN_USED : status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status insert(struct sql *sql, const struct store_record *record, struct stamp *stamp, int64_t now_ms)
{
    enum store_status status = check_token(sql, record);
    sqlite3_stmt *stmt = status == STORE_OK ? sql_begin(sql, SQL_INSERT) : NULL;
    if (stmt == NULL)
        return status != STORE_OK ? status : STORE_ERROR;
    *stamp = (struct stamp){ .version = 1, .created_ms = now_ms, .updated_ms = now_ms };
    sql_bind_key(stmt, &record->key);
    sqlite3_bind_int64(stmt, 5, 1);
    sql_bind_text(stmt, 6, record->state);
    sql_bind_view(stmt, 7, record->token);
    for (int i = 0; i < STORE_INDEXES; i++)
        sql_bind_view(stmt, 8 + i, record->index[i]);
    sqlite3_bind_int64(stmt, 12, now_ms);
    sqlite3_bind_int64(stmt, 13, now_ms);
    sql_bind_text(stmt, 14, record->json);
    return sql_finish(sql, stmt);
}

static enum store_status replace(struct sql *sql, const struct store_record *record, struct stamp *stamp, int64_t now_ms)
{
    sqlite3_stmt *stmt = sql_begin(sql, SQL_REPLACE);
    if (stmt == NULL)
        return STORE_ERROR;
    stamp->version++;
    stamp->updated_ms = now_ms;
    sql_bind_key(stmt, &record->key);
    sqlite3_bind_int64(stmt, 5, (int64_t)stamp->version);
    sql_bind_text(stmt, 6, record->state);
    for (int i = 0; i < STORE_INDEXES; i++)
        sql_bind_view(stmt, 7 + i, record->index[i]);
    sqlite3_bind_int64(stmt, 11, now_ms);
    sql_bind_text(stmt, 12, record->json);
    return sql_finish(sql, stmt);
}

static enum store_status erase(struct sql *sql, const struct store_key *key)
{
    static const enum sql_statement both[] = { SQL_DELETE, SQL_DELETE_LEASE };
    enum store_status status = STORE_OK;
    for (int i = 0; i < 2 && status == STORE_OK; i++) {
        sqlite3_stmt *stmt = sql_begin(sql, both[i]);
        if (stmt != NULL)
            sql_bind_key(stmt, key);
        status = stmt != NULL ? sql_finish(sql, stmt) : STORE_ERROR;
    }
    return status;
}

static enum store_status check_fence(struct sql *sql, const struct store_write *write)
{
    if (write->fence == 0)
        return STORE_OK;
    sqlite3_stmt *stmt = sql_begin(sql, SQL_GET_LEASE);
    if (stmt != NULL)
        sql_bind_key(stmt, &write->record.key);
    enum store_status status = sql_step(sql, stmt);
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? STORE_CONFLICT : status;
    bool same = (uint64_t)sqlite3_column_int64(stmt, 1) == write->fence;
    sqlite3_reset(stmt);
    return same ? STORE_OK : STORE_CONFLICT;
}

static enum store_status apply_one(struct sql *sql, const struct store_write *write, struct stamp *stamp, int64_t now_ms)
{
    const struct store_record *record = &write->record;
    enum store_status fence = check_fence(sql, write);
    if (fence != STORE_OK)
        return fence;
    enum store_status found = current(sql, write, stamp);
    if (found != STORE_OK && found != STORE_NOT_FOUND)
        return found;
    bool exists = found == STORE_OK;
    if (write->action == STORE_CREATE && exists)
        return STORE_EXISTS;
    if (write->action == STORE_UPDATE || write->action == STORE_DELETE || write->action == STORE_CHECK) {
        if (!exists)
            return STORE_NOT_FOUND;
        if (record->version != 0 && record->version != stamp->version)
            return STORE_CONFLICT;
    }
    if (write->action == STORE_CHECK)
        return STORE_OK;
    if (write->action == STORE_DELETE)
        return erase(sql, &record->key);
    return exists ? replace(sql, record, stamp, now_ms) : insert(sql, record, stamp, now_ms);
}

static enum store_status count_change(struct sql *sql, struct view kind)
{
    sqlite3_stmt *stmt = sql_begin(sql, SQL_COUNT_CHANGE);
    if (stmt == NULL)
        return STORE_ERROR;
    sql_bind_text(stmt, 1, kind);
    return sql_finish(sql, stmt);
}

static enum store_status apply_all(struct sql *sql, void *arg)
{
    struct apply *apply = arg;
    struct view counted = { NULL, 0 };
    for (apply->at = 0; apply->at < apply->count; apply->at++) {
        const struct store_write *write = &apply->writes[apply->at];
        enum store_status status = apply_one(sql, write, &apply->stamps[apply->at], apply->now_ms);
        if (status == STORE_OK && write->action != STORE_CHECK && !view_eq(counted, write->record.key.kind))
            status = count_change(sql, counted = write->record.key.kind);
        if (status != STORE_OK)
            return status;
    }
    return STORE_OK;
}

enum store_status store_apply(struct store *store, struct store_write *writes, size_t count, size_t *failed)
{
    struct stamp one;
    struct stamp *stamps = count <= 1 ? &one : calloc(count, sizeof *stamps);
    if (stamps == NULL)
        return STORE_NO_MEMORY;
    struct apply apply = { .writes = writes, .stamps = stamps, .count = count, .now_ms = store_now_ms(store) };
    enum store_status status = writer_run(store, apply_all, &apply);
    for (size_t i = 0; i < count && status == STORE_OK; i++) {
        writes[i].record.version = stamps[i].version;
        writes[i].record.created_ms = stamps[i].created_ms;
        writes[i].record.updated_ms = stamps[i].updated_ms;
    }
    if (failed != NULL)
        *failed = apply.at;
    if (stamps != &one)
        free(stamps);
    return status;
}

static enum store_status apply_record(struct store *store, enum store_action action, struct store_record *record)
{
    struct store_write write = { .action = action, .record = *record };
    enum store_status status = store_apply(store, &write, 1, NULL);
    if (status == STORE_OK)
        *record = write.record;
    return status;
}

enum store_status store_create(struct store *store, struct store_record *record)
{
    return apply_record(store, STORE_CREATE, record);
}

enum store_status store_update(struct store *store, struct store_record *record)
{
    return apply_record(store, STORE_UPDATE, record);
}

enum store_status store_put(struct store *store, struct store_record *record)
{
    return apply_record(store, STORE_PUT, record);
}

enum store_status store_delete(struct store *store, const struct store_key *key, uint64_t version)
{
    struct store_record record = { .key = *key, .version = version };
    return apply_record(store, STORE_DELETE, &record);
}
