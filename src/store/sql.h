/* store/sql.h - one connection to the SQLite database. Private to store/.
 *
 * A connection is used by one thread at a time. Statements are prepared once and kept; sql_begin() gives one ready to be bound, and
 * the next sql_begin() of the same statement resets it.
 */
#ifndef CRATON_STORE_SQL_H
#define CRATON_STORE_SQL_H

#include "store/store.h"

#include <sqlite3.h>

enum sql_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,
    SQL_GET,
    SQL_GET_BY_TOKEN,
    SQL_INSERT,
    SQL_REPLACE,
    SQL_DELETE,
    SQL_DELETE_LEASE,
    SQL_COUNT_CHANGE,
    SQL_GET_LEASE,
    SQL_PUT_LEASE,
    SQL_RENEW_LEASE,
    SQL_END_LEASE,
    SQL_END_LEASES,
    SQL_CLAIMABLE,
    SQL_CLAIMABLE_IN_STATE,
    SQL_CHANGES,
    SQL_DATA_VERSION,
    SQL_STATEMENTS
};

#define RECORD_COLUMNS "kind, account, region, id, version, state, token, i1, i2, i3, i4, created, updated, json"

struct sql {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    struct sql *next;                                       /* in the store's list of idle readers */
};

struct sql *sql_open(const char *path, struct store_error *error);     /* NULL on failure */
void sql_close(struct sql *sql);                            /* NULL is fine */
bool sql_migrate(struct sql *sql, struct store_error *error);

sqlite3_stmt *sql_begin(struct sql *sql, enum sql_statement which);     /* NULL when it cannot be prepared */
enum store_status sql_run(struct sql *sql, enum sql_statement which);   /* a statement without parameters and rows */
void sql_bind_view(sqlite3_stmt *stmt, int at, struct view text);       /* ptr NULL binds NULL; the bytes are borrowed */
void sql_bind_text(sqlite3_stmt *stmt, int at, struct view text);       /* never NULL: ptr NULL binds "" */
void sql_bind_key(sqlite3_stmt *stmt, const struct store_key *key);     /* parameters 1 to 4: kind, account, region, id */

/* Steps once: STORE_OK with a row, STORE_NOT_FOUND at the end, otherwise what went wrong. */
enum store_status sql_step(struct sql *sql, sqlite3_stmt *stmt);
enum store_status sql_finish(struct sql *sql, sqlite3_stmt *stmt);      /* to the end, whatever rows there are */
enum store_status sql_status(struct sql *sql, int code);                /* logs what is STORE_ERROR */

struct view sql_column(struct arena *arena, sqlite3_stmt *stmt, int at);    /* copied; ptr NULL for NULL or without memory */
enum store_status sql_read_record(struct arena *arena, sqlite3_stmt *stmt, struct store_record *out);

#endif
