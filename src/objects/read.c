/* objects/read.c - looking at objects and reading them. */
#include "objects/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE (4u << 20)                              /* read ahead of a remote object */
#define RANGE_MAX   (64u << 20)                             /* asked for at once */
#define PIECE_SIZE  (8u << 20)                              /* of an object that is fetched into a file */

struct object_reader {
    int fd;                                                 /* -1: remote */
    uint64_t size;                                          /* a linked file may grow meanwhile */

    struct objects *objects;
    const struct object_remote *remote;
    struct arena *arena;                                    /* of key and etag */
    struct view key, etag;
    char *buffer;                                           /* NULL until the first short read */
    uint64_t buffer_at;
    size_t buffered;
};

static enum object_status get_local(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                    struct object_info *out)
{
    struct store_record record;
    struct store_key at = object_key(arena, bucket, key);
    if (at.id.ptr == NULL)
        return OBJECT_NO_MEMORY;
    enum store_status status = store_get(objects->store, arena, &at, &record);
    if (status != STORE_OK)
        return status_of_store(status);
    return info_read(arena, &record, out) ? OBJECT_OK : OBJECT_NO_MEMORY;
}

/* A put between the look at the record and the opening takes the bytes away; then the new ones are there. */
static enum object_status open_local(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                     struct object_info *info, int *fd)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        char id[ID_SIZE];
        enum object_status status = get_local(objects, arena, bucket, key, info);
        if (status != OBJECT_OK)
            return status;
        if (!id_copy(info->id, id))
            return OBJECT_ERROR;
        *fd = files_open(objects, id);
        if (*fd != -ENOENT)
            return *fd >= 0 ? OBJECT_OK : status_of_errno(*fd, "opening an object");
    }
    return status_of_errno(ENOENT, "opening an object");
}

/* What is no local object: the bucket is not there, or linked, or has no such key. */
static enum object_status open_elsewhere(struct objects *objects, struct arena *arena, struct view name, struct view key,
                                         struct object_info *info, int *fd)
{
    struct bucket bucket;
    enum object_status status = bucket_resolve(objects, arena, name, &bucket);
    if (status == OBJECT_OK && bucket.place == BUCKET_LINKED)
        return linked_open(arena, &bucket, name, key, info, fd);
    return status == OBJECT_OK ? OBJECT_NO_KEY : status;
}

enum object_status object_head(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                               struct object_info *out)
{
    int fd = -1;
    const struct object_remote *remote = remote_of(objects, bucket);
    if (!key_is_valid(key))
        return OBJECT_BAD_NAME;
    if (remote != NULL)
        return remote_head(objects, remote, arena, key, out);
    enum object_status status = get_local(objects, arena, bucket, key, out);
    if (status != OBJECT_NO_KEY)
        return status;
    status = open_elsewhere(objects, arena, bucket, key, out, &fd);
    if (fd >= 0)
        close(fd);
    return status;
}

static enum object_status open_remote(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                      struct view key, struct object_info *info, struct object_reader *reader)
{
    enum object_status status = remote_head(objects, remote, arena, key, info);
    if (status != OBJECT_OK)
        return status;
    reader->fd = -1;
    reader->objects = objects;
    reader->remote = remote;
    reader->arena = arena_create(SCRATCH_MAX);
    if (reader->arena == NULL)
        return OBJECT_NO_MEMORY;
    reader->key = arena_copy(reader->arena, key);
    reader->etag = arena_copy(reader->arena, info->etag);
    return arena_exhausted(reader->arena) ? OBJECT_NO_MEMORY : OBJECT_OK;
}

static enum object_status open_file(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                    struct object_info *info, int *fd)
{
    enum object_status status = open_local(objects, arena, bucket, key, info, fd);
    return status == OBJECT_NO_KEY ? open_elsewhere(objects, arena, bucket, key, info, fd) : status;
}

enum object_status object_read_begin(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                     struct object_info *info, struct object_reader **out)
{
    *out = NULL;
    if (!key_is_valid(key))
        return OBJECT_BAD_NAME;
    struct object_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return OBJECT_NO_MEMORY;
    const struct object_remote *remote = remote_of(objects, bucket);
    enum object_status status = remote != NULL ? open_remote(objects, remote, arena, key, info, reader)
                                               : open_file(objects, arena, bucket, key, info, &reader->fd);
    if (status != OBJECT_OK) {
        arena_destroy(reader->arena);
        free(reader);
        return status;
    }
    reader->size = info->size;
    *out = reader;
    return OBJECT_OK;
}

static enum object_status read_file(int fd, uint64_t offset, char *to, size_t len, size_t *got)
{
    while (len > 0) {
        ssize_t step = pread(fd, to, len, (off_t)offset);
        if (step < 0 && errno != EINTR)
            return status_of_errno(errno, "reading an object");
        if (step == 0)
            break;
        if (step < 0)
            continue;
        to += step;
        offset += (uint64_t)step;
        len -= (size_t)step;
        *got += (size_t)step;
    }
    return OBJECT_OK;
}

/* ---- remote: short reads come out of a buffer, long ones directly ---- */

static enum object_status fill(struct object_reader *reader, uint64_t offset)
{
    uint64_t rest = reader->size - offset;
    if (reader->buffer == NULL && (reader->buffer = malloc(BUFFER_SIZE)) == NULL)
        return OBJECT_NO_MEMORY;
    reader->buffer_at = offset;
    return remote_read(reader->objects, reader->remote, reader->key, reader->etag, offset, reader->buffer,
                       rest < BUFFER_SIZE ? (size_t)rest : BUFFER_SIZE, &reader->buffered);
}

static size_t take_buffered(const struct object_reader *reader, uint64_t offset, char *to, size_t len)
{
    if (offset < reader->buffer_at || offset >= reader->buffer_at + reader->buffered)
        return 0;
    size_t skip = (size_t)(offset - reader->buffer_at), have = reader->buffered - skip;
    memcpy(to, reader->buffer + skip, have < len ? have : len);
    return have < len ? have : len;
}

static enum object_status read_remote(struct object_reader *reader, uint64_t offset, char *to, size_t len, size_t *got)
{
    enum object_status status = OBJECT_OK;
    while (len > 0 && status == OBJECT_OK) {
        size_t now = take_buffered(reader, offset, to, len);
        if (now == 0 && len >= BUFFER_SIZE)
            status = remote_read(reader->objects, reader->remote, reader->key, reader->etag, offset, to,
                                 len < RANGE_MAX ? len : RANGE_MAX, &now);
        else if (now == 0)
            status = fill(reader, offset);
        if (status == OBJECT_OK && now == 0 && take_buffered(reader, offset, to, 1) == 0)
            status = OBJECT_UNREACHABLE;                    /* less than there should be */
        to += now;
        offset += now;
        len -= now;
        *got += now;
    }
    return status;
}

enum object_status object_read_at(struct object_reader *reader, uint64_t offset, void *out, size_t len, size_t *got)
{
    *got = 0;
    if (offset >= reader->size)
        return OBJECT_OK;
    if (len > reader->size - offset)
        len = (size_t)(reader->size - offset);
    return reader->remote != NULL ? read_remote(reader, offset, out, len, got) : read_file(reader->fd, offset, out, len, got);
}

int object_reader_fd(struct object_reader *reader)
{
    return reader->remote != NULL ? -1 : fcntl(reader->fd, F_DUPFD_CLOEXEC, 0);
}

void object_read_end(struct object_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    arena_destroy(reader->arena);
    free(reader->buffer);
    free(reader);
}
