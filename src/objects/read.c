/* objects/read.c - looking at objects and reading them. */
#include "objects/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct object_reader {
    int fd;
    uint64_t size;                                          /* a linked file may grow meanwhile */
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
    if (!key_is_valid(key))
        return OBJECT_BAD_NAME;
    enum object_status status = get_local(objects, arena, bucket, key, out);
    if (status != OBJECT_NO_KEY)
        return status;
    status = open_elsewhere(objects, arena, bucket, key, out, &fd);
    if (fd >= 0)
        close(fd);
    return status;
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
    enum object_status status = open_local(objects, arena, bucket, key, info, &reader->fd);
    if (status == OBJECT_NO_KEY)
        status = open_elsewhere(objects, arena, bucket, key, info, &reader->fd);
    if (status != OBJECT_OK) {
        free(reader);
        return status;
    }
    reader->size = info->size;
    *out = reader;
    return OBJECT_OK;
}

enum object_status object_read_at(struct object_reader *reader, uint64_t offset, void *out, size_t len, size_t *got)
{
    char *to = out;
    *got = 0;
    if (offset >= reader->size)
        return OBJECT_OK;
    if (len > reader->size - offset)
        len = (size_t)(reader->size - offset);
    while (len > 0) {
        ssize_t step = pread(reader->fd, to, len, (off_t)offset);
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

int object_reader_fd(struct object_reader *reader)
{
    return fcntl(reader->fd, F_DUPFD_CLOEXEC, 0);
}

void object_read_end(struct object_reader *reader)
{
    if (reader == NULL)
        return;
    close(reader->fd);
    free(reader);
}
