/* objects/objects.c - opening and closing, statuses, URIs: see objects.h. */
#include "objects/internal.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OBJECTS_ARENA (1u << 20)

const char *object_status_text(enum object_status status)
{
    static const char *const texts[] = {
        [OBJECT_OK] = "ok",
        [OBJECT_NO_BUCKET] = "The specified bucket does not exist",
        [OBJECT_NO_KEY] = "The specified key does not exist.",
        /* One text in two lines. NOLINTNEXTLINE(bugprone-suspicious-missing-comma) */
        [OBJECT_NO_UPLOAD] = "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have "
                             "been aborted or completed.",
        [OBJECT_BUCKET_OWNED] = "Your previous request to create the named bucket succeeded and you already own it.",
        [OBJECT_BUCKET_TAKEN] = "The requested bucket name is not available. Select a different name and try again.",
        [OBJECT_BUCKET_NOT_EMPTY] = "The bucket you tried to delete is not empty",
        [OBJECT_BAD_NAME] = "The name of the bucket or the key is not valid.",
        [OBJECT_BAD_DIGEST] = "The checksum you specified did not match what was received.",
        [OBJECT_BAD_PART] = "One or more of the specified parts could not be found, has another ETag or stands out of order.",
        [OBJECT_PART_TOO_SMALL] = "Your proposed upload is smaller than the minimum allowed size",
        [OBJECT_TOO_LARGE] = "Your proposed upload exceeds the maximum allowed size",
        [OBJECT_PRECONDITION_FAILED] = "At least one of the pre-conditions you specified did not hold",
        [OBJECT_READ_ONLY] = "The bucket is a linked directory, which is read-only.",
        [OBJECT_NO_SPACE] = "There is no space left where the bucket lies.",
        [OBJECT_DENIED] = "Access Denied",
        [OBJECT_UNREACHABLE] = "The remote object store does not answer.",
        [OBJECT_BUSY] = "The object store is busy; try again.",
        [OBJECT_NO_MEMORY] = "The server is out of memory.",
        [OBJECT_ERROR] = "The object store failed; the server's log says why.",
    };
    return texts[status];
}

bool object_status_is_passing(enum object_status status)
{
    return status == OBJECT_NO_SPACE || status == OBJECT_UNREACHABLE || status == OBJECT_BUSY || status == OBJECT_NO_MEMORY;
}

enum object_status status_of_store(enum store_status status)
{
    switch (status) {
    case STORE_OK:
        return OBJECT_OK;
    case STORE_NOT_FOUND:
        return OBJECT_NO_KEY;
    case STORE_BUSY:
    case STORE_EXISTS:
    case STORE_CONFLICT:
        return OBJECT_BUSY;
    case STORE_NO_MEMORY:
        return OBJECT_NO_MEMORY;
    default:
        return OBJECT_ERROR;
    }
}

enum object_status status_of_errno(int code, const char *what)
{
    char reason[128];
    code = code < 0 ? -code : code;
    switch (code) {
    case 0:
        return OBJECT_OK;
    case ENOSPC:
    case EDQUOT:
        return OBJECT_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return OBJECT_DENIED;
    case ENOMEM:
        return OBJECT_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return OBJECT_BUSY;
    case EFBIG:
        return OBJECT_TOO_LARGE;
    default:
        log_error("objects failed on the disk", LOG_STR("what", what), LOG_STR("reason", fs_error(code, reason, sizeof reason)));
        return OBJECT_ERROR;
    }
}

void make_id(char out[ID_SIZE])
{
    random_id(out, ID_SIZE - 1, "0123456789abcdef");
}

bool id_copy(struct view id, char out[ID_SIZE])
{
    out[0] = '\0';
    if (id.len != ID_SIZE - 1)
        return false;
    memcpy(out, id.ptr, ID_SIZE - 1);
    out[ID_SIZE - 1] = '\0';
    return true;
}

bool object_uri_parse(struct view uri, struct view *bucket, struct view *key)
{
    if (!view_starts_with(uri, VIEW("s3://")))
        return false;
    struct view rest = view_from(uri, 5);
    *bucket = view_split(&rest, '/');
    *key = rest.ptr != NULL ? rest : VIEW("");
    return bucket_name_is_valid(*bucket) || view_is(*bucket, OBJECT_OWN_BUCKET);
}

/* ---- opening and closing ---- */

static bool copy_remotes(struct objects *objects, const struct objects_options *options)
{
    struct arena *arena = objects->arena;
    objects->account = arena_copy(arena, options->account);
    objects->remotes = ARENA_ARRAY(arena, struct object_remote, options->remote_count + 1);
    if (objects->remotes == NULL)
        return false;
    for (size_t i = 0; i < options->remote_count; i++) {
        const struct object_remote *from = &options->remotes[i];
        objects->remotes[i] = (struct object_remote){
            .bucket = arena_copy(arena, from->bucket),
            .endpoint = arena_copy(arena, from->endpoint),
            .region = arena_copy(arena, from->region),
            .access_key = arena_copy(arena, from->access_key),
            .secret_key = arena_copy(arena, from->secret_key),
            .remote_bucket = arena_copy(arena, from->remote_bucket.len > 0 ? from->remote_bucket : from->bucket),
        };
    }
    objects->remote_count = options->remote_count;
    return !arena_exhausted(arena);
}

struct objects *objects_open(const struct objects_options *options, char *error, size_t error_size)
{
    struct objects *objects = calloc(1, sizeof *objects);
    if (objects == NULL || (objects->arena = arena_create(OBJECTS_ARENA)) == NULL) {
        snprintf(error, error_size, "out of memory");
        free(objects);
        return NULL;
    }
    objects->store = options->store;
    objects->clock = options->clock;
    objects->data_fd = objects->pending_fd = -1;
    bool ok = copy_remotes(objects, options);
    if (!ok)
        snprintf(error, error_size, "out of memory");
    ok = ok && files_open_dirs(objects, options->dir, error, error_size);
    if (ok && options->recover && !(files_recover(objects) && upload_recover(objects) && bucket_recover(objects))) {
        snprintf(error, error_size, "%s: what an earlier process left half-written cannot be looked through", options->dir);
        ok = false;
    }
    if (ok)
        return objects;
    objects_close(objects);
    return NULL;
}

void objects_close(struct objects *objects)
{
    if (objects == NULL)
        return;
    files_close_dirs(objects);
    arena_destroy(objects->arena);
    free(objects);
}
