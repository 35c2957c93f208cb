/* objects/complete.c - the parts of an upload become one object.
 *
 * Their bytes are joined in a new file, by the file system where it can share them; ETag and checksum follow from those of the parts,
 * so nothing is read. The object and the end of the upload are one transaction.
 */
#include "objects/remote.h"

#include "base/encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMPLETE_ARENA (128u << 20)                         /* ten thousand parts */

struct complete {
    struct objects *objects;
    struct arena *arena;
    struct upload upload;
    struct view upload_id;
    struct object_part *parts;                              /* as they are stored */
    size_t count;
    char id[ID_SIZE];
    int fd;
    struct object_info info;
};

/* ---- which parts ---- */

/* A walk over the stored parts, a page at a time. */
struct walk {
    struct object_part *page;
    size_t count, at;
    unsigned after;                                         /* the greatest number of the page */
    bool more;
};

/* Goes to the first part whose number is not less. */
static enum object_status go_to(struct complete *c, struct walk *walk, unsigned number)
{
    while (walk->at < walk->count || walk->more) {
        if (walk->at < walk->count && walk->page[walk->at].number >= number)
            return OBJECT_OK;
        if (++walk->at < walk->count)
            continue;
        enum object_status status = upload_parts(c->objects, c->arena, c->upload.info.bucket, c->upload.info.key, c->upload_id,
                                                 walk->after, 0, &walk->page, &walk->count, &walk->more);
        if (status != OBJECT_OK)
            return status;
        walk->at = 0;
        if (walk->count > 0)
            walk->after = walk->page[walk->count - 1].number;
    }
    return OBJECT_BAD_PART;
}

/* The stored part for each wanted one: both rise by number. */
static enum object_status find_parts(struct complete *c, const struct object_part *wanted)
{
    struct walk walk = { .more = true };
    for (size_t i = 0; i < c->count; i++) {
        if (i > 0 && wanted[i].number <= wanted[i - 1].number)
            return OBJECT_BAD_PART;
        enum object_status status = go_to(c, &walk, wanted[i].number);
        if (status != OBJECT_OK)
            return status;
        const struct object_part *part = &walk.page[walk.at];
        bool same_sum = wanted[i].checksum_value.len == 0 || view_eq(wanted[i].checksum_value, part->checksum_value);
        if (part->number != wanted[i].number || !view_eq(part->etag, wanted[i].etag) || !same_sum)
            return OBJECT_BAD_PART;
        c->parts[i] = *part;
    }
    return OBJECT_OK;
}

static enum object_status check_sizes(struct complete *c)
{
    bool own = view_is(c->upload.info.bucket, OBJECT_OWN_BUCKET);
    uint64_t size = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!own && i + 1 < c->count && c->parts[i].size < OBJECT_PART_MIN)
            return OBJECT_PART_TOO_SMALL;
        size += c->parts[i].size;
    }
    c->info.size = size;
    return size <= OBJECT_SIZE_MAX ? OBJECT_OK : OBJECT_TOO_LARGE;
}

/* ---- ETag and checksum ---- */

static bool make_etag(struct complete *c)
{
    struct checksum md5;
    uint8_t value[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX];
    size_t size = checksum_size(CHECKSUM_MD5);
    checksum_begin(&md5, CHECKSUM_MD5);
    for (size_t i = 0; i < c->count; i++) {
        if (!hex_decode(c->parts[i].etag, value, size))
            return false;
        checksum_add(&md5, view_of(value, size));
    }
    checksum_end(&md5, value);
    hex_encode(value, size, hex);
    c->info.etag = view_from_cstr(arena_printf(c->arena, "%.*s-%zu", (int)(2 * size), hex, c->count));
    return c->info.etag.ptr != NULL;
}

static bool part_sum(struct complete *c, size_t at, size_t size, uint8_t out[CHECKSUM_SIZE_MAX])
{
    struct view bytes;
    if (!base64_decode(c->arena, c->parts[at].checksum_value, &bytes) || bytes.len != size)
        return false;
    memcpy(out, bytes.ptr, size);
    return true;
}

/* CRCs of the parts, joined. */
static bool sum_of_whole(struct complete *c, enum checksum_type type)
{
    size_t size = checksum_size(type);
    uint8_t whole[CHECKSUM_SIZE_MAX], part[CHECKSUM_SIZE_MAX];
    if (!part_sum(c, 0, size, whole))
        return false;
    for (size_t i = 1; i < c->count; i++) {
        if (!part_sum(c, i, size, part))
            return false;
        checksum_combine(type, whole, part, c->parts[i].size);
    }
    c->info.checksum_value = base64_text(c->arena, whole, size);
    return c->info.checksum_value.ptr != NULL;
}

/* The checksum of the parts' checksums. */
static bool sum_of_sums(struct complete *c, enum checksum_type type)
{
    size_t size = checksum_size(type);
    struct checksum sum;
    uint8_t value[CHECKSUM_SIZE_MAX];
    checksum_begin(&sum, type);
    for (size_t i = 0; i < c->count; i++) {
        if (!part_sum(c, i, size, value))
            return false;
        checksum_add(&sum, view_of(value, size));
    }
    checksum_end(&sum, value);
    struct view text = base64_text(c->arena, value, size);
    c->info.checksum_value = view_from_cstr(arena_printf(c->arena, VIEW_FMT "-%zu", VIEW_ARG(text), c->count));
    return c->info.checksum_value.ptr != NULL;
}

static enum object_status describe(struct complete *c, struct view expected)
{
    struct object_info planned = c->upload.info;
    enum checksum_type type = checksum_type_of(planned.checksum);
    planned.size = c->info.size;
    c->info = planned;
    c->info.id = view_from_cstr(c->id);
    c->info.modified_ms = clock_wall_ms(c->objects->clock);
    c->info.part_count = (unsigned)c->count;
    if (!make_etag(c) || !(c->upload.checksum_of_whole ? sum_of_whole(c, type) : sum_of_sums(c, type)))
        return arena_exhausted(c->arena) ? OBJECT_NO_MEMORY : OBJECT_ERROR;
    struct view without_count = view_first(c->info.checksum_value, view_find_byte(c->info.checksum_value, '-'));
    bool holds = expected.len == 0 || view_eq(expected, c->info.checksum_value) || view_eq(expected, without_count);
    return holds ? OBJECT_OK : OBJECT_BAD_DIGEST;
}

/* ---- bytes ---- */

static int append_part(struct complete *c, const struct object_part *part)
{
    char id[ID_SIZE];
    if (!id_copy(part->id, id))
        return -EIO;
    int from = files_open(c->objects, id);
    if (from < 0)
        return from;
    int code = files_copy(from, 0, part->size, c->fd);
    close(from);
    return code;
}

/* One part has all the bytes already. */
static int share_part(struct complete *c)
{
    char id[ID_SIZE];
    if (!id_copy(c->parts[0].id, id))
        return -EIO;
    int code = files_link(c->objects, id, c->id);
    c->fd = code == 0 ? files_open(c->objects, id) : code;
    return c->fd >= 0 ? 0 : c->fd;
}

static enum object_status join(struct complete *c)
{
    int code = 0;
    if (c->count == 1) {
        code = share_part(c);
    } else {
        c->fd = files_create(c->objects, c->id);
        code = c->fd < 0 ? c->fd : 0;
        for (size_t i = 0; i < c->count && code == 0; i++)
            code = append_part(c, &c->parts[i]);
    }
    if (code == 0)
        code = files_place(c->objects, c->id, c->fd);
    if (c->fd >= 0)
        close(c->fd);
    if (code != 0)
        files_drop(c->objects, c->id);
    return code == -ENOENT ? OBJECT_NO_UPLOAD : status_of_errno(code, "joining parts");    /* aborted meanwhile */
}

/* ---- all of it ---- */

static enum object_status commit_upload(struct complete *c, const struct object_condition *condition)
{
    struct store_write end = { .action = STORE_UPDATE, .record = c->upload.record };
    struct commit commit = { .others = &end, .other_count = 1, .other_failed = OBJECT_NO_UPLOAD };
    if (condition != NULL)
        commit.condition = *condition;
    end.record.state = VIEW(UPLOAD_ENDED);
    enum object_status status = commit_object(c->objects, &commit, &c->info, c->upload_id);
    if (status == OBJECT_OK)
        upload_remove(c->objects, &c->upload.record.key);
    return status;
}

/* An answer may have been lost, and the client asks again: what it asks for is there. */
static enum object_status done_before(struct complete *c, struct view bucket, struct view key, struct object_info *out)
{
    struct store_record record;
    struct store_key at = object_key(c->arena, bucket, key);
    if (!key_is_valid(key) || at.id.ptr == NULL || store_get(c->objects->store, c->arena, &at, &record) != STORE_OK)
        return OBJECT_NO_UPLOAD;
    struct view made_by = info_upload(c->arena, &record);
    return made_by.len > 0 && view_eq(made_by, c->upload_id) && info_read(c->arena, &record, out) ? OBJECT_OK : OBJECT_NO_UPLOAD;
}

static enum object_status complete(struct complete *c, struct view bucket, struct view key, const struct object_part *parts,
                                   const struct object_condition *condition)
{
    struct bucket where;
    enum object_status status = bucket_resolve(c->objects, c->arena, bucket, &where);
    if (status == OBJECT_OK)
        status = upload_find(c->objects, c->arena, bucket, key, c->upload_id, &c->upload);
    if (status == OBJECT_NO_UPLOAD)
        return done_before(c, bucket, key, &c->info);
    if (status == OBJECT_OK)
        status = find_parts(c, parts);
    if (status == OBJECT_OK)
        status = check_sizes(c);
    if (status == OBJECT_OK)
        status = describe(c, condition != NULL ? condition->checksum_value : VIEW(""));
    if (status == OBJECT_OK)
        status = join(c);
    return status == OBJECT_OK ? commit_upload(c, condition) : status;
}

enum object_status upload_complete(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                   struct view upload_id, const struct object_part *parts, size_t count,
                                   const struct object_condition *condition, struct object_info *out)
{
    struct complete c = { .objects = objects, .arena = arena_create(COMPLETE_ARENA), .upload_id = upload_id, .count = count, .fd = -1 };
    enum object_status status = OBJECT_NO_MEMORY;
    const struct object_remote *remote = remote_of(objects, bucket);
    if (remote != NULL) {
        arena_destroy(c.arena);
        return remote_upload_complete(objects, remote, arena, key, upload_id, parts, count, condition, out);
    }
    if (c.arena != NULL && count > 0 && count <= OBJECT_PARTS_MAX)
        c.parts = ARENA_ARRAY(c.arena, struct object_part, count);
    make_id(c.id);
    if (c.parts != NULL)
        status = complete(&c, bucket, key, parts, condition);
    else if (count == 0 || count > OBJECT_PARTS_MAX)
        status = OBJECT_BAD_PART;
    if (status == OBJECT_OK && !info_copy(arena, &c.info, out))
        status = OBJECT_NO_MEMORY;
    arena_destroy(c.arena);
    return status;
}
