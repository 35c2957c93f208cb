/* objects/copy.c - objects made from objects, and described anew. Bytes never change, so a local copy shares them with its source. */
#include "objects/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE_SIZE (1u << 20)

struct copy {
    struct objects *objects;
    struct arena *arena;
    const struct object_put *to;
    bool replace_metadata, replace_tags;
    struct object_info source;
};

/* What the new object shall be said to be. */
static void describe(const struct copy *c, struct object_info *info)
{
    const struct object_put *to = c->to;
    *info = c->source;
    info->bucket = to->bucket;
    info->key = to->key;
    info->modified_ms = clock_wall_ms(c->objects->clock);
    if (c->replace_metadata) {
        info->content_type = to->content_type.len > 0 ? to->content_type : VIEW("binary/octet-stream");
        info->fields = to->fields;
        info->field_count = to->field_count;
    }
    if (c->replace_tags) {
        info->tags = to->tags;
        info->tag_count = to->tag_count;
    }
}

/* ---- sharing ---- */

static bool keeps_checksum(const struct copy *c)
{
    return c->to->checksum == OBJECT_CHECKSUM_NONE || c->to->checksum == c->source.checksum;
}

static enum object_status describe_anew(struct copy *c, struct object_info *out)
{
    struct commit commit = { .condition = c->to->condition, .keep_bytes = true };
    describe(c, out);
    return commit_object(c->objects, &commit, out, VIEW(""));
}

static int share(struct objects *objects, const char *from, const char *id)
{
    int code = files_link(objects, from, id), fd = -1;
    if (code == 0)
        code = fd = files_open(objects, from);
    if (fd >= 0) {
        code = files_place(objects, id, fd);
        close(fd);
    }
    if (code != 0)
        files_drop(objects, id);
    return code;
}

static enum object_status copy_by_sharing(struct copy *c, struct object_info *out)
{
    char from[ID_SIZE], id[ID_SIZE];
    struct commit commit = { .condition = c->to->condition };
    if (!id_copy(c->source.id, from))
        return OBJECT_ERROR;
    make_id(id);
    int code = share(c->objects, from, id);
    if (code != 0)
        return code == -ENOENT ? OBJECT_NO_KEY : status_of_errno(code, "copying an object");    /* it went meanwhile */
    describe(c, out);
    out->id = arena_copy(c->arena, view_from_cstr(id));
    if (out->id.ptr == NULL) {
        files_drop(c->objects, id);
        return OBJECT_NO_MEMORY;
    }
    return commit_object(c->objects, &commit, out, VIEW(""));
}

/* ---- reading and writing ---- */

static enum object_status pump(struct object_reader *reader, struct object_writer *writer)
{
    char *piece = malloc(PIECE_SIZE);
    enum object_status status = piece != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
    uint64_t offset = 0;
    size_t got = 1;
    while (status == OBJECT_OK && got > 0) {
        status = object_read_at(reader, offset, piece, PIECE_SIZE, &got);
        if (status == OBJECT_OK)
            status = object_write(writer, view_of(piece, got));
        offset += got;
    }
    free(piece);
    return status;
}

static enum object_status copy_bytes(struct copy *c, struct object_info *out)
{
    struct object_reader *reader;
    struct object_writer *writer;
    struct object_info described;
    struct object_put put = *c->to;
    enum object_status status =
        object_read_begin(c->objects, c->arena, c->source.bucket, c->source.key, &c->source, &reader);
    if (status != OBJECT_OK)
        return status;
    describe(c, &described);
    put.content_type = described.content_type;
    put.fields = described.fields;
    put.field_count = described.field_count;
    put.tags = described.tags;
    put.tag_count = described.tag_count;
    status = object_write_begin(c->objects, &put, &writer);
    if (status == OBJECT_OK) {
        status = pump(reader, writer);
        if (status == OBJECT_OK)
            status = object_write_end(writer, c->arena, out);
        else
            object_write_abort(writer);
    }
    object_read_end(reader);
    return status;
}

/* ---- all of it ---- */

static bool is_local(struct objects *objects, struct arena *arena, struct view name)
{
    struct bucket bucket;
    return bucket_resolve(objects, arena, name, &bucket) == OBJECT_OK && bucket.place == BUCKET_LOCAL;
}

static enum object_status copy_once(struct copy *c, struct object_info *out)
{
    bool itself = view_eq(c->source.bucket, c->to->bucket) && view_eq(c->source.key, c->to->key);
    if (!is_local(c->objects, c->arena, c->source.bucket) || !is_local(c->objects, c->arena, c->to->bucket) || !keeps_checksum(c))
        return copy_bytes(c, out);
    return itself ? describe_anew(c, out) : copy_by_sharing(c, out);
}

enum object_status object_copy(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                               const struct object_put *to, bool replace_metadata, bool replace_tags, struct object_info *out)
{
    struct copy c = { .objects = objects, .arena = arena, .to = to, .replace_metadata = replace_metadata, .replace_tags = replace_tags };
    enum object_status status = OBJECT_NO_KEY;
    if (!key_is_valid(to->key))
        return OBJECT_BAD_NAME;
    /* Somebody who puts or deletes the source between the look and the copy makes it begin again. */
    for (int tries = 0; tries < TRIES_MAX && status == OBJECT_NO_KEY; tries++) {
        status = object_head(objects, arena, bucket, key, &c.source);
        if (status != OBJECT_OK)
            return status;
        status = copy_once(&c, out);
        if (status == OBJECT_NO_KEY && to->condition.if_match.len > 0)
            return status;
    }
    return status == OBJECT_OK && !info_copy(arena, out, out) ? OBJECT_NO_MEMORY : status;
}

/* *again: a put was faster, so its tags are to be set now. */
static enum object_status set_tags_once(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                        const struct object_field *tags, size_t count, bool *again)
{
    struct object_info info;
    struct commit commit = { .keep_bytes = true };
    enum object_status status = object_head(objects, arena, bucket, key, &info);
    if (status != OBJECT_OK)
        return status;
    info.tags = tags;
    info.tag_count = count;
    status = commit_object(objects, &commit, &info, VIEW(""));
    *again = status == OBJECT_NO_KEY;
    return *again ? OBJECT_BUSY : status;
}

static enum object_status set_tags_here(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                        const struct object_field *tags, size_t count)
{
    enum object_status status = OBJECT_BUSY;
    bool again = true;
    for (int tries = 0; tries < TRIES_MAX && again; tries++) {
        again = false;
        status = set_tags_once(objects, arena, bucket, key, tags, count, &again);
    }
    return status;
}

enum object_status object_set_tags(struct objects *objects, struct view bucket, struct view key, const struct object_field *tags,
                                   size_t count)
{
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct bucket where;
    enum object_status status = arena != NULL ? bucket_resolve(objects, arena, bucket, &where) : OBJECT_NO_MEMORY;
    if (status == OBJECT_OK && where.place == BUCKET_LINKED)
        status = OBJECT_READ_ONLY;
    else if (status == OBJECT_OK && where.place == BUCKET_REMOTE)
        status = remote_set_tags(objects, where.remote, key, tags, count);
    else if (status == OBJECT_OK)
        status = set_tags_here(objects, arena, bucket, key, tags, count);
    arena_destroy(arena);
    return status;
}
