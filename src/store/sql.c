/* store/sql.c - the connection, its statements and the schema: see sql.h. */
#include "store/sql.h"

#include "base/fs.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000

#define KEY_IS "kind = ?1 AND account = ?2 AND region = ?3 AND id = ?4"

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT one",
    [SQL_RELEASE] = "RELEASE one",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO one",
    [SQL_GET] = "SELECT " RECORD_COLUMNS " FROM records WHERE " KEY_IS,
    [SQL_GET_BY_TOKEN] = "SELECT " RECORD_COLUMNS " FROM records "
                         "WHERE kind = ?1 AND account = ?2 AND region = ?3 AND token = ?4",
    [SQL_INSERT] = "INSERT INTO records (" RECORD_COLUMNS ") "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [SQL_REPLACE] = "UPDATE records SET version = ?5, state = ?6, i1 = ?7, i2 = ?8, i3 = ?9, i4 = ?10, updated = ?11, "
                    "json = ?12 WHERE " KEY_IS,
    [SQL_DELETE] = "DELETE FROM records WHERE " KEY_IS,
    [SQL_DELETE_LEASE] = "DELETE FROM leases WHERE " KEY_IS,
    [SQL_COUNT_CHANGE] = "INSERT INTO changes (kind, counter) VALUES (?1, 1) "
                         "ON CONFLICT (kind) DO UPDATE SET counter = counter + 1",
    [SQL_GET_LEASE] = "SELECT owner, fence, until FROM leases WHERE " KEY_IS,
    [SQL_PUT_LEASE] = "INSERT INTO leases (kind, account, region, id, owner, fence, until) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind, account, region, id) "
                      "DO UPDATE SET owner = excluded.owner, fence = excluded.fence, until = excluded.until",
    [SQL_RENEW_LEASE] = "UPDATE leases SET until = ?6 WHERE " KEY_IS " AND fence = ?5",
    [SQL_END_LEASE] = "UPDATE leases SET owner = '', until = 0 WHERE " KEY_IS " AND fence = ?5",
    [SQL_END_LEASES] = "UPDATE leases SET owner = '', until = 0 WHERE kind = ?1 AND owner = ?2",
    [SQL_CLAIMABLE] = "SELECT kind, account, region, id FROM records AS r WHERE kind = ?1 AND NOT EXISTS "
                      "(SELECT 1 FROM leases AS l WHERE l.kind = r.kind AND l.account = r.account AND l.region = r.region "
                      "AND l.id = r.id AND (l.until > ?2 OR l.owner = ?4)) ORDER BY created, id LIMIT 1",
    [SQL_CLAIMABLE_IN_STATE] = "SELECT kind, account, region, id FROM records AS r WHERE kind = ?1 AND state = ?3 "
                               "AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.kind = r.kind AND l.account = r.account "
                               "AND l.region = r.region AND l.id = r.id AND (l.until > ?2 OR l.owner = ?4)) ORDER BY created, id LIMIT 1",
    [SQL_CHANGES] = "SELECT kind, counter FROM changes",
    [SQL_DATA_VERSION] = "PRAGMA data_version",
};

/* Each entry takes the database one version further. Entries that have been released are never edited. */
static const char *const migrations[] = {
    "CREATE TABLE records ("
    "  kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL,"
    "  version INTEGER NOT NULL, state TEXT NOT NULL, token TEXT, i1 TEXT, i2 TEXT, i3 TEXT, i4 TEXT,"
    "  created INTEGER NOT NULL, updated INTEGER NOT NULL, json TEXT NOT NULL,"
    "  UNIQUE (kind, account, region, id));"
    "CREATE UNIQUE INDEX records_token ON records (kind, account, region, token) WHERE token IS NOT NULL;"
    "CREATE INDEX records_created ON records (kind, account, region, created, id);"
    "CREATE INDEX records_state ON records (kind, state, created, id);"
    "CREATE INDEX records_i1 ON records (kind, account, region, i1, id) WHERE i1 IS NOT NULL;"
    "CREATE INDEX records_i2 ON records (kind, account, region, i2, id) WHERE i2 IS NOT NULL;"
    "CREATE INDEX records_i3 ON records (kind, account, region, i3, id) WHERE i3 IS NOT NULL;"
    "CREATE INDEX records_i4 ON records (kind, account, region, i4, id) WHERE i4 IS NOT NULL;"
    "CREATE TABLE leases ("
    "  kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL,"
    "  owner TEXT NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL,"
    "  PRIMARY KEY (kind, account, region, id)) WITHOUT ROWID;"
    "CREATE TABLE changes (kind TEXT PRIMARY KEY, counter INTEGER NOT NULL) WITHOUT ROWID;",
};

#define SCHEMA_VERSION ((int)(sizeof migrations / sizeof migrations[0]))

/* ---- opening ---- */

static bool fail(struct sql *sql, struct store_error *error, const char *what)
{
    const char *path = sqlite3_db_filename(sql->db, "main");
    int code = sqlite3_system_errno(sql->db), len;
    char reason[128];
    len = snprintf(error->message, sizeof error->message, "%.300s: %s: %s", path != NULL ? path : "", what, sqlite3_errmsg(sql->db));
    if (code != 0 && len > 0 && (size_t)len < sizeof error->message)
        snprintf(error->message + len, sizeof error->message - (size_t)len, " (%s)", fs_error(-code, reason, sizeof reason));
    return false;
}

static bool execute(struct sql *sql, const char *text, struct store_error *error)
{
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK || fail(sql, error, "cannot use the database");
}

struct sql *sql_open(const char *path, struct store_error *error)
{
    struct sql *sql = calloc(1, sizeof *sql);
    if (sql == NULL) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return NULL;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    bool ok = sqlite3_open_v2(path, &sql->db, flags, NULL) == SQLITE_OK || fail(sql, error, "cannot open the database");
    if (ok && sqlite3_db_readonly(sql->db, "main") == 1) {  /* SQLite goes on with reading, for which WAL has no place */
        snprintf(error->message, sizeof error->message, "%.300s: the file or its file system is read-only", path);
        ok = false;
    }
    ok = ok && (sqlite3_busy_timeout(sql->db, BUSY_MS) == SQLITE_OK || fail(sql, error, "cannot open the database"));
    ok = ok && execute(sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -1024;", error);
    if (!ok) {
        sql_close(sql);
        return NULL;
    }
    return sql;
}

void sql_close(struct sql *sql)
{
    if (sql == NULL)
        return;
    for (int i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(sql->statements[i]);
    sqlite3_close(sql->db);
    free(sql);
}

static int schema_version(struct sql *sql)
{
    sqlite3_stmt *stmt = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(sql->db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return version;
}

/* Inside the transaction, since another process may be about to do the same. */
static bool migrate_locked(struct sql *sql, struct store_error *error)
{
    int version = schema_version(sql);
    if (version < 0)
        return fail(sql, error, "cannot read the database");
    if (version > SCHEMA_VERSION) {
        snprintf(error->message, sizeof error->message,
                 "the data was written by a newer version of craton (schema %d, this one knows %d)", version, SCHEMA_VERSION);
        return false;
    }
    for (; version < SCHEMA_VERSION; version++) {
        char number[64];
        snprintf(number, sizeof number, "PRAGMA user_version = %d", version + 1);
        if (!execute(sql, migrations[version], error) || !execute(sql, number, error))
            return false;
    }
    return true;
}

bool sql_migrate(struct sql *sql, struct store_error *error)
{
    if (schema_version(sql) == SCHEMA_VERSION)
        return true;
    if (!execute(sql, "BEGIN IMMEDIATE", error))
        return false;
    if (migrate_locked(sql, error) && execute(sql, "COMMIT", error))
        return true;
    sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* ---- statements ---- */

enum store_status sql_status(struct sql *sql, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
        return STORE_OK;
    case SQLITE_DONE:
        return STORE_NOT_FOUND;
    case SQLITE_BUSY:
        return STORE_BUSY;
    case SQLITE_NOMEM:
        return STORE_NO_MEMORY;
    default:
        log_error("the store failed", LOG_INT("code", code), LOG_STR("reason", sqlite3_errmsg(sql->db)));
        return STORE_ERROR;
    }
}

sqlite3_stmt *sql_begin(struct sql *sql, enum sql_statement which)
{
    sqlite3_stmt **stmt = &sql->statements[which];
    if (*stmt == NULL) {
        int code = sqlite3_prepare_v3(sql->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
        if (code != SQLITE_OK) {
            sql_status(sql, code);
            return NULL;
        }
    }
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    return *stmt;
}

enum store_status sql_step(struct sql *sql, sqlite3_stmt *stmt)
{
    if (stmt == NULL)
        return STORE_ERROR;
    int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW)
        sqlite3_reset(stmt); /* ends the read transaction */
    return sql_status(sql, code);
}

enum store_status sql_finish(struct sql *sql, sqlite3_stmt *stmt)
{
    enum store_status status;
    do {
        status = sql_step(sql, stmt);
    } while (status == STORE_OK);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

enum store_status sql_run(struct sql *sql, enum sql_statement which)
{
    return sql_finish(sql, sql_begin(sql, which));
}

void sql_bind_view(sqlite3_stmt *stmt, int at, struct view text)
{
    if (text.ptr != NULL)
        sqlite3_bind_text64(stmt, at, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(stmt, at);
}

void sql_bind_text(sqlite3_stmt *stmt, int at, struct view text)
{
    sql_bind_view(stmt, at, text.ptr != NULL ? text : VIEW(""));
}

void sql_bind_key(sqlite3_stmt *stmt, const struct store_key *key)
{
    sql_bind_text(stmt, 1, key->kind);
    sql_bind_text(stmt, 2, key->account);
    sql_bind_text(stmt, 3, key->region);
    sql_bind_text(stmt, 4, key->id);
}

struct view sql_column(struct arena *arena, sqlite3_stmt *stmt, int at)
{
    const void *text = sqlite3_column_text(stmt, at);
    if (text == NULL)
        return (struct view){ NULL, 0 };
    return arena_copy(arena, view_of(text, (size_t)sqlite3_column_bytes(stmt, at)));
}

enum store_status sql_read_record(struct arena *arena, sqlite3_stmt *stmt, struct store_record *out)
{
    *out = (struct store_record){
        .key = { .kind = sql_column(arena, stmt, 0),
                 .account = sql_column(arena, stmt, 1),
                 .region = sql_column(arena, stmt, 2),
                 .id = sql_column(arena, stmt, 3) },
        .version = (uint64_t)sqlite3_column_int64(stmt, 4),
        .state = sql_column(arena, stmt, 5),
        .token = sql_column(arena, stmt, 6),
        .created_ms = sqlite3_column_int64(stmt, 11),
        .updated_ms = sqlite3_column_int64(stmt, 12),
        .json = sql_column(arena, stmt, 13),
    };
    for (int i = 0; i < STORE_INDEXES; i++)
        out->index[i] = sql_column(arena, stmt, 7 + i);
    return arena_exhausted(arena) ? STORE_NO_MEMORY : STORE_OK;
}
