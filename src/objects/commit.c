/* objects/commit.c - changes of records: an object comes, is replaced, described anew or goes, in one transaction of the store that also
 * makes sure of its bucket. The bytes that no record names any more are removed afterwards. */
#include "objects/internal.h"

#include <time.h>

#define OTHERS_MAX 4                                        /* writes besides those of the caller */

/* ---- conditions ---- */

static bool matches(struct view wanted, const struct object_info *current)
{
    return current != NULL && (view_is(wanted, "*") || view_eq(wanted, current->etag));
}

/* current is NULL when there is no object. */
bool condition_holds(const struct object_condition *condition, const struct object_info *current, enum object_status *status)
{
    *status = OBJECT_OK;
    if (condition->if_match.len > 0 && !matches(condition->if_match, current))
        *status = current != NULL ? OBJECT_PRECONDITION_FAILED : OBJECT_NO_KEY;
    else if (condition->if_none_match.len > 0 && matches(condition->if_none_match, current))
        *status = OBJECT_PRECONDITION_FAILED;
    return *status == OBJECT_OK;
}

/* ---- one try ---- */

struct attempt {
    struct objects *objects;
    const struct commit *commit;
    struct arena *arena;
    struct buf json;
    struct store_record current;                            /* of the object; version 0: there is none */
    struct object_info current_info;
    bool again;                                             /* somebody else was faster */
};

static enum object_status read_current(struct attempt *a, const struct store_key *key)
{
    enum store_status status = store_get(a->objects->store, a->arena, key, &a->current);
    a->current.version = status == STORE_OK ? a->current.version : 0;
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? OBJECT_OK : status_of_store(status);
    return info_read(a->arena, &a->current, &a->current_info) ? OBJECT_OK : OBJECT_ERROR;
}

static bool replaces_bytes(const struct attempt *a)
{
    return a->current.version != 0 && !a->commit->keep_bytes;
}

static enum object_status apply(struct attempt *a, const struct store_key *key, const struct bucket *bucket)
{
    const struct commit *commit = a->commit;
    struct store_write *writes = ARENA_ARRAY(a->arena, struct store_write, commit->other_count + OTHERS_MAX);
    size_t count = 0, failed = 0;
    if (writes == NULL)
        return OBJECT_NO_MEMORY;
    for (; count < commit->other_count; count++)
        writes[count] = commit->others[count];
    if (commit->info != NULL) {
        writes[count++] = (struct store_write){
            .action = a->current.version != 0 ? STORE_UPDATE : STORE_CREATE,
            .record = { .key = *key, .version = a->current.version, .index = { commit->info->id }, .json = buf_view(&a->json) },
        };
    } else if (a->current.version != 0) {
        writes[count++] = (struct store_write){ .action = STORE_DELETE, .record = { .key = *key, .version = a->current.version } };
    }
    if (bucket->version != 0 && commit->info != NULL) {
        writes[count++] = (struct store_write){ .action = STORE_CHECK,
                                                .record = { .key = bucket_key(commit->bucket), .version = bucket->version } };
    }
    enum store_status status = store_apply(a->objects->store, writes, count, &failed);
    bool passed_by = status == STORE_CONFLICT || status == STORE_EXISTS || status == STORE_NOT_FOUND;
    if (passed_by && failed < commit->other_count)
        return commit->other_failed;
    a->again = passed_by;
    return status_of_store(status);
}

static enum object_status attempt(struct attempt *a)
{
    const struct commit *commit = a->commit;
    struct bucket bucket;
    enum object_status status = bucket_resolve(a->objects, a->arena, commit->bucket, &bucket);
    if (status != OBJECT_OK)
        return status;
    struct store_key key = object_key(a->arena, commit->bucket, commit->key);
    if (key.id.ptr == NULL || (commit->info != NULL && !info_write(commit->info, commit->upload, &a->json)))
        return OBJECT_NO_MEMORY;
    a->again = bucket.deleting && commit->info != NULL;
    if (a->again)
        return OBJECT_NO_BUCKET;
    status = read_current(a, &key);
    if (status != OBJECT_OK || !condition_holds(&commit->condition, a->current.version != 0 ? &a->current_info : NULL, &status))
        return status;
    if (commit->keep_bytes && (a->current.version == 0 || !view_eq(a->current_info.id, commit->info->id)))
        return OBJECT_BUSY;
    if (commit->info == NULL && a->current.version == 0)
        return OBJECT_OK;
    char old[ID_SIZE] = { 0 };
    if (replaces_bytes(a) && a->current_info.id.len == ID_SIZE - 1) {
        memcpy(old, a->current_info.id.ptr, ID_SIZE - 1);
        int code = files_doubt(a->objects, old);
        if (code != 0)
            return status_of_errno(code, "marking the old bytes");
    }
    status = apply(a, &key, &bucket);
    if (old[0] != '\0' && status == OBJECT_OK)
        files_drop(a->objects, old);
    else if (old[0] != '\0' && status != OBJECT_ERROR)      /* after an error nobody knows: the next start looks */
        files_settle(a->objects, old);
    return status;
}

static void wait_a_little(unsigned tries)
{
    struct timespec pause = { .tv_nsec = (tries < 10 ? tries : 10) * 1000000L };
    nanosleep(&pause, NULL);
}

enum object_status commit_object(struct objects *objects, const struct commit *commit)
{
    struct attempt a = { .objects = objects, .commit = commit, .arena = arena_create(SCRATCH_MAX + (64u << 20)),
                         .json = BUF_INIT(1 << 20) };
    enum object_status status = a.arena != NULL ? attempt(&a) : OBJECT_NO_MEMORY;
    for (unsigned tries = 1; a.again && tries < TRIES_MAX; tries++) {
        a.again = false;
        a.current_info = (struct object_info){ .size = 0 };
        wait_a_little(tries);
        arena_reset(a.arena);
        buf_clear(&a.json);
        status = attempt(&a);
    }
    if (commit->info != NULL && !commit->keep_bytes && commit->info->id.len == ID_SIZE - 1) {
        char id[ID_SIZE] = { 0 };
        memcpy(id, commit->info->id.ptr, ID_SIZE - 1);
        if (status == OBJECT_OK)
            files_settle(objects, id);
        else if (status != OBJECT_ERROR)
            files_drop(objects, id);
    }
    arena_destroy(a.arena);
    buf_free(&a.json);
    return status;
}

enum object_status object_delete(struct objects *objects, struct view bucket, struct view key)
{
    if (!key_is_valid(key))
        return OBJECT_BAD_NAME;
    return commit_object(objects, &(struct commit){ .bucket = bucket, .key = key });
}
