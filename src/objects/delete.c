/* objects/delete.c - objects go: the record first, then the bytes; many with one commit. */
#include "objects/remote.h"

#define TOGETHER 100                                        /* deletes in one transaction */

static enum object_status delete_one(struct objects *objects, struct arena *arena, struct view bucket, struct view key)
{
    struct commit commit = { .id = VIEW("") };
    const struct object_remote *remote = remote_of(objects, bucket);
    if (!key_is_valid(key))
        return OBJECT_BAD_NAME;
    if (remote != NULL)
        return remote_delete(objects, remote, key);
    return commit_for(&commit, arena, bucket, key) ? commit_bytes(objects, &commit) : OBJECT_NO_MEMORY;
}

/* ---- many ---- */

struct group {
    struct store_write writes[TOGETHER];
    char ids[TOGETHER][ID_SIZE];
    size_t count;
};

/* False when this is no case for doing it together. What is not there needs nothing. */
static bool gather(struct objects *objects, struct arena *arena, struct group *group, struct view bucket, struct view key)
{
    struct store_record record;
    char *id = group->ids[group->count];
    struct store_key at = object_key(arena, bucket, key);
    if (!key_is_valid(key) || at.id.ptr == NULL)
        return false;
    enum store_status status = store_get(objects->store, arena, &at, &record);
    if (status == STORE_NOT_FOUND)
        return true;
    if (status != STORE_OK || !id_copy(record.index[0], id) || files_doubt(objects, id) != 0)
        return false;
    group->writes[group->count++] = (struct store_write){ .action = STORE_DELETE, .record = { .key = at, .version = record.version },
                                                          .holds = record.index[0] };
    return true;
}

static bool delete_together(struct objects *objects, struct arena *arena, struct view bucket, const struct view *keys, size_t count)
{
    struct group *group = ARENA_NEW(arena, struct group);
    bool ok = group != NULL;
    for (size_t i = 0; i < count && ok; i++)
        ok = gather(objects, arena, group, bucket, keys[i]);
    if (!ok)
        return false;                                       /* what is in doubt now is looked at again when it goes */
    ok = group->count == 0 || store_apply(objects->store, group->writes, group->count, NULL) == STORE_OK;
    for (size_t i = 0; i < group->count && ok; i++)
        files_drop(objects, group->ids[i]);
    return ok;
}

static enum object_status delete_all(struct objects *objects, struct arena *arena, struct view bucket, const struct view *keys,
                                     size_t count, enum object_status *statuses)
{
    enum object_status result = OBJECT_OK;
    bool remote = remote_of(objects, bucket) != NULL;
    for (size_t done = 0; done < count; done += TOGETHER) {
        size_t now = count - done < TOGETHER ? count - done : TOGETHER;
        arena_reset(arena);
        bool together = now > 1 && !remote && delete_together(objects, arena, bucket, keys + done, now);
        for (size_t i = done; i < done + now; i++) {
            enum object_status status = together ? OBJECT_OK : delete_one(objects, arena, bucket, keys[i]);
            if (statuses != NULL)
                statuses[i] = status;
            if (result == OBJECT_OK)
                result = status;
        }
    }
    return result;
}

enum object_status object_delete_many(struct objects *objects, struct view bucket, const struct view *keys, size_t count,
                                      enum object_status *statuses)
{
    struct bucket where;
    struct arena *arena = arena_create(SCRATCH_MAX);
    enum object_status status = arena != NULL ? bucket_resolve(objects, arena, bucket, &where) : OBJECT_NO_MEMORY;
    if (status == OBJECT_OK && where.place == BUCKET_LINKED)
        status = OBJECT_READ_ONLY;
    if (status == OBJECT_OK)
        status = delete_all(objects, arena, bucket, keys, count, statuses);
    else
        for (size_t i = 0; i < count && statuses != NULL; i++)
            statuses[i] = status;
    arena_destroy(arena);
    return status;
}

enum object_status object_delete(struct objects *objects, struct view bucket, struct view key)
{
    return object_delete_many(objects, bucket, &key, 1, NULL);
}
