/* store/lease.c - leases: see store.h. All of it runs on the writer's thread, so two takers cannot both win; processes are kept
 * apart by SQLite's write lock. */
#include "store/internal.h"

struct lease_job {
    struct store_key key;
    struct view owner;
    struct view state;                                      /* claim: ptr NULL is any */
    int64_t now_ms, until_ms;
    uint64_t fence;
    struct arena *arena;                                    /* claim: where record and key go */
    struct store_record *record;
};

/* The lease as it is: STORE_NOT_FOUND when there never was one. */
static enum store_status read_lease(struct sql *sql, const struct lease_job *job, bool *held, uint64_t *fence)
{
    sqlite3_stmt *stmt = sql_begin(sql, SQL_GET_LEASE);
    if (stmt != NULL)
        sql_bind_key(stmt, &job->key);
    *held = false;
    *fence = 0;
    enum store_status status = sql_step(sql, stmt);
    if (status != STORE_OK)
        return status;
    struct view owner = view_of(sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
    *held = sqlite3_column_int64(stmt, 2) > job->now_ms && !view_eq(owner, job->owner);
    *fence = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    return STORE_OK;
}

/* Fences begin at the time, so that they keep growing when a record is deleted, with its lease, and made again. */
static enum store_status grant(struct sql *sql, struct lease_job *job)
{
    bool held;
    uint64_t fence;
    enum store_status status = read_lease(sql, job, &held, &fence);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return status;
    if (held)
        return STORE_CONFLICT;
    job->fence = fence + 1 > (uint64_t)job->now_ms ? fence + 1 : (uint64_t)job->now_ms;
    sqlite3_stmt *stmt = sql_begin(sql, SQL_PUT_LEASE);
    if (stmt == NULL)
        return STORE_ERROR;
    sql_bind_key(stmt, &job->key);
    sql_bind_text(stmt, 5, job->owner);
    sqlite3_bind_int64(stmt, 6, (int64_t)job->fence);
    sqlite3_bind_int64(stmt, 7, job->until_ms);
    return sql_finish(sql, stmt);
}

static enum store_status take(struct sql *sql, void *arg)
{
    struct lease_job *job = arg;
    sqlite3_stmt *stmt = sql_begin(sql, SQL_GET);
    if (stmt != NULL)
        sql_bind_key(stmt, &job->key);
    enum store_status status = sql_step(sql, stmt);
    if (status != STORE_OK)
        return status;
    sqlite3_reset(stmt);
    return grant(sql, job);
}

static enum store_status read_claimed(struct sql *sql, struct lease_job *job)
{
    sqlite3_stmt *stmt = sql_begin(sql, SQL_GET);
    if (stmt != NULL)
        sql_bind_key(stmt, &job->key);
    enum store_status status = sql_step(sql, stmt);
    if (status != STORE_OK)
        return status;
    status = sql_read_record(job->arena, stmt, job->record);
    sqlite3_reset(stmt);
    return status;
}

static enum store_status claim(struct sql *sql, void *arg)
{
    struct lease_job *job = arg;
    sqlite3_stmt *stmt = sql_begin(sql, job->state.ptr != NULL ? SQL_CLAIMABLE_IN_STATE : SQL_CLAIMABLE);
    if (stmt == NULL)
        return STORE_ERROR;
    sql_bind_text(stmt, 1, job->key.kind);
    sqlite3_bind_int64(stmt, 2, job->now_ms);
    if (job->state.ptr != NULL)
        sql_bind_text(stmt, 3, job->state);
    sql_bind_text(stmt, 4, job->owner);
    enum store_status status = sql_step(sql, stmt);
    if (status != STORE_OK)
        return status;
    job->key = (struct store_key){ .kind = sql_column(job->arena, stmt, 0),
                                   .account = sql_column(job->arena, stmt, 1),
                                   .region = sql_column(job->arena, stmt, 2),
                                   .id = sql_column(job->arena, stmt, 3) };
    sqlite3_reset(stmt);
    if (arena_exhausted(job->arena))
        return STORE_NO_MEMORY;
    status = grant(sql, job);
    return status == STORE_OK ? read_claimed(sql, job) : status;
}

static enum store_status change_lease(struct sql *sql, const struct lease_job *job, enum sql_statement which)
{
    sqlite3_stmt *stmt = sql_begin(sql, which);
    if (stmt == NULL)
        return STORE_ERROR;
    sql_bind_key(stmt, &job->key);
    sqlite3_bind_int64(stmt, 5, (int64_t)job->fence);
    if (which == SQL_RENEW_LEASE)
        sqlite3_bind_int64(stmt, 6, job->until_ms);
    enum store_status status = sql_finish(sql, stmt);
    if (status != STORE_OK)
        return status;
    return sqlite3_changes(sql->db) > 0 ? STORE_OK : STORE_CONFLICT;
}

static enum store_status renew(struct sql *sql, void *arg)
{
    return change_lease(sql, arg, SQL_RENEW_LEASE);
}

static enum store_status release(struct sql *sql, void *arg)
{
    return change_lease(sql, arg, SQL_END_LEASE);
}

static enum store_status release_all(struct sql *sql, void *arg)
{
    const struct lease_job *job = arg;
    sqlite3_stmt *stmt = sql_begin(sql, SQL_END_LEASES);
    if (stmt == NULL)
        return STORE_ERROR;
    sql_bind_text(stmt, 1, job->key.kind);
    sql_bind_text(stmt, 2, job->owner);
    return sql_finish(sql, stmt);
}

static void fill(const struct lease_job *job, struct store_lease *out)
{
    *out = (struct store_lease){ .key = job->key, .owner = job->owner, .fence = job->fence, .until_ms = job->until_ms };
}

enum store_status store_lease_take(struct store *store, const struct store_key *key, struct view owner, int64_t ms,
                                   struct store_lease *out)
{
    int64_t now_ms = store_now_ms(store);
    struct lease_job job = { .key = *key, .owner = owner, .now_ms = now_ms, .until_ms = now_ms + ms };
    enum store_status status = writer_run(store, take, &job);
    if (status == STORE_OK)
        fill(&job, out);
    return status;
}

enum store_status store_lease_claim(struct store *store, struct arena *arena, struct view kind, struct view state,
                                    struct view owner, int64_t ms, struct store_record *record, struct store_lease *out)
{
    int64_t now_ms = store_now_ms(store);
    struct lease_job job = { .key.kind = kind, .owner = owner, .state = state, .now_ms = now_ms, .until_ms = now_ms + ms,
                             .arena = arena, .record = record };
    enum store_status status = writer_run(store, claim, &job);
    if (status == STORE_OK)
        fill(&job, out);
    return status;
}

enum store_status store_lease_renew(struct store *store, struct store_lease *lease, int64_t ms)
{
    struct lease_job job = { .key = lease->key, .fence = lease->fence, .until_ms = store_now_ms(store) + ms };
    enum store_status status = writer_run(store, renew, &job);
    if (status == STORE_OK)
        lease->until_ms = job.until_ms;
    return status;
}

enum store_status store_lease_release(struct store *store, const struct store_lease *lease)
{
    struct lease_job job = { .key = lease->key, .fence = lease->fence };
    enum store_status status = writer_run(store, release, &job);
    return status == STORE_CONFLICT ? STORE_OK : status;
}

enum store_status store_lease_release_all(struct store *store, struct view kind, struct view owner)
{
    struct lease_job job = { .key.kind = kind, .owner = owner };
    return writer_run(store, release_all, &job);
}
