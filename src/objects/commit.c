/* objects/commit.c - changes of records that name bytes: an object comes, is replaced, described anew or goes, in one transaction of the
 * store that also makes sure of what it belongs to. The bytes that no record names any more are removed afterwards. */
#include "objects/internal.h"

#include "base/json.h"

#include <time.h>

#define OWN_WRITES 2                                        /* besides those of the caller */

/* ---- conditions ---- */

/* etag is empty when there is no object. */
static enum object_status check(const struct object_condition *condition, struct view etag)
{
    bool there = etag.len > 0;
    struct view match = condition->if_match, none = condition->if_none_match;
    if (match.len > 0 && !there)
        return OBJECT_NO_KEY;
    if (match.len > 0 && !view_is(match, "*") && !view_eq(match, etag))
        return OBJECT_PRECONDITION_FAILED;
    if (none.len > 0 && there && (view_is(none, "*") || view_eq(none, etag)))
        return OBJECT_PRECONDITION_FAILED;
    return OBJECT_OK;
}

/* ---- one try ---- */

struct attempt {
    struct objects *objects;
    const struct commit *commit;
    struct arena *arena;
    struct store_record current;                            /* version 0: there is none */
    uint64_t guard_version;                                 /* 0: there is no guard */
    bool again;                                             /* somebody else was faster */
    bool unknown;                                           /* the store failed: it may have happened all the same */
};

static enum object_status read_guard(struct attempt *a)
{
    const struct commit *commit = a->commit;
    struct store_record guard;
    if (commit->guard.kind.len == 0)
        return OBJECT_OK;
    enum store_status status = store_get(a->objects->store, a->arena, &commit->guard, &guard);
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? commit->guard_gone : status_of_store(status);
    if (guard.state.len > 0 && commit->id.len > 0) {
        a->again = commit->guard_waits;
        return commit->guard_gone;
    }
    a->guard_version = guard.version;
    return OBJECT_OK;
}

static enum object_status read_current(struct attempt *a)
{
    const struct commit *commit = a->commit;
    enum store_status status = store_get(a->objects->store, a->arena, &commit->key, &a->current);
    if (status == STORE_NOT_FOUND)
        a->current = (struct store_record){ .version = 0 };
    else if (status != STORE_OK)
        return status_of_store(status);
    if (commit->keep_bytes && !view_eq(a->current.index[0], commit->id))
        return OBJECT_NO_KEY;
    if (commit->condition.if_match.len == 0 && commit->condition.if_none_match.len == 0)
        return OBJECT_OK;
    struct view etag = json_get_string(json_parse(a->arena, a->current.json, RECORD_DEPTH, NULL), "etag");
    return arena_exhausted(a->arena) ? OBJECT_NO_MEMORY : check(&commit->condition, etag);
}

static enum object_status apply(struct attempt *a)
{
    const struct commit *commit = a->commit;
    struct store_write *writes = ARENA_ARRAY(a->arena, struct store_write, commit->other_count + OWN_WRITES);
    size_t count = commit->other_count, failed = 0;
    uint64_t version = a->current.version;
    if (writes == NULL)
        return OBJECT_NO_MEMORY;
    if (count > 0)
        memcpy(writes, commit->others, count * sizeof *writes);
    writes[count++] = (struct store_write){
        .action = commit->id.len == 0 ? STORE_DELETE : version != 0 ? STORE_UPDATE : STORE_CREATE,
        .record = { .key = commit->key, .version = version, .index = { commit->id }, .json = commit->json },
        .holds = a->current.index[0],
    };
    if (a->guard_version != 0 && commit->id.len > 0) {
        writes[count++] = (struct store_write){ .action = STORE_CHECK,
                                                .record = { .key = commit->guard, .version = a->guard_version } };
    }
    enum store_status status = store_apply(a->objects->store, writes, count, &failed);
    bool passed_by = status == STORE_CONFLICT || status == STORE_EXISTS || status == STORE_NOT_FOUND;
    if (passed_by && failed < commit->other_count)
        return commit->other_failed;
    a->again = passed_by;
    a->unknown = status == STORE_ERROR;
    return status_of_store(status);
}

static void settle(struct objects *objects, struct view id, bool wanted)
{
    char name[ID_SIZE];
    if (!id_copy(id, name))
        return;
    if (wanted)
        files_settle(objects, name);
    else
        files_drop(objects, name);
}

static enum object_status attempt(struct attempt *a)
{
    const struct commit *commit = a->commit;
    char old[ID_SIZE];
    enum object_status status = read_guard(a);
    if (status == OBJECT_OK)
        status = read_current(a);
    if (status != OBJECT_OK || (commit->id.len == 0 && a->current.version == 0))
        return status;
    if (commit->keep_bytes || !id_copy(a->current.index[0], old))
        return apply(a);
    status = status_of_errno(files_doubt(a->objects, old), "marking the old bytes");
    if (status != OBJECT_OK)
        return status;
    status = apply(a);
    if (!a->unknown)                                        /* otherwise it stays pending until the next start looks */
        settle(a->objects, a->current.index[0], status != OBJECT_OK);
    return status;
}

static void wait_a_little(unsigned tries)
{
    struct timespec pause = { .tv_nsec = (tries < 10 ? tries : 10) * 1000000L };
    nanosleep(&pause, NULL);
}

enum object_status commit_bytes(struct objects *objects, const struct commit *commit)
{
    struct attempt a = { .objects = objects, .commit = commit, .arena = arena_create(SCRATCH_MAX) };
    enum object_status status = a.arena != NULL ? attempt(&a) : OBJECT_NO_MEMORY;
    for (unsigned tries = 1; a.again && tries < TRIES_MAX; tries++) {
        wait_a_little(tries);
        arena_reset(a.arena);
        a.again = false;
        status = attempt(&a);
    }
    if (!commit->keep_bytes && !a.unknown)
        settle(objects, commit->id, status == OBJECT_OK);
    arena_destroy(a.arena);
    return status;
}

/* ---- objects ---- */

bool commit_for(struct commit *commit, struct arena *arena, struct view bucket, struct view key)
{
    commit->key = object_key(arena, bucket, key);
    commit->guard_gone = OBJECT_NO_BUCKET;
    commit->guard_waits = true;
    if (!view_is(bucket, OBJECT_OWN_BUCKET))
        commit->guard = bucket_key(bucket);
    return commit->key.id.ptr != NULL;
}

enum object_status commit_object(struct objects *objects, struct commit *commit, const struct object_info *info, struct view upload)
{
    struct buf json = BUF_INIT(RECORD_MAX);
    struct arena *arena = arena_create(SCRATCH_MAX);
    enum object_status status = OBJECT_NO_MEMORY;
    commit->id = info->id;
    if (arena != NULL && info_write(info, upload, &json) && commit_for(commit, arena, info->bucket, info->key)) {
        commit->json = buf_view(&json);
        status = commit_bytes(objects, commit);
    } else if (!commit->keep_bytes) {
        settle(objects, info->id, false);
    }
    arena_destroy(arena);
    buf_free(&json);
    return status;
}
