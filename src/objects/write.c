/* objects/write.c - writing an object: digests on the way, bytes to a local file, and what the end checks. */
#include "objects/remote.h"

#include "base/encode.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER_ARENA (256u << 10)
#define BUFFER_SIZE  (64u << 10)                            /* small pieces are gathered up to this */
#define COPY_SIZE    (256u << 10)

/* ---- beginning ---- */

static bool copy_put(struct arena *arena, const struct object_put *put, struct object_put *out)
{
    *out = *put;
    out->bucket = arena_copy(arena, put->bucket);
    out->key = arena_copy(arena, put->key);
    out->content_type = arena_copy(arena, put->content_type.len > 0 ? put->content_type : VIEW("binary/octet-stream"));
    out->condition.if_match = arena_copy(arena, put->condition.if_match);
    out->condition.if_none_match = arena_copy(arena, put->condition.if_none_match);
    if (out->checksum == OBJECT_CHECKSUM_NONE)
        out->checksum = OBJECT_CRC64NVME;
    return fields_copy(arena, put->fields, put->field_count, &out->fields) &&
           fields_copy(arena, put->tags, put->tag_count, &out->tags);
}

static struct digest *add_digest(struct object_writer *writer, enum checksum_type type)
{
    struct digest *digest = &writer->digests[writer->digest_count++];
    checksum_begin(&digest->sum, type);
    return digest;
}

struct object_writer *writer_create(struct objects *objects, const struct object_put *put)
{
    struct arena *arena = arena_create(WRITER_ARENA);
    struct object_writer *writer = arena != NULL ? ARENA_NEW(arena, struct object_writer) : NULL;
    if (writer == NULL || !copy_put(arena, put, &writer->put)) {
        arena_destroy(arena);
        return NULL;
    }
    writer->arena = arena;
    writer->objects = objects;
    writer->fd = -1;
    writer->checksum_asked = put->checksum != OBJECT_CHECKSUM_NONE;
    make_id(writer->id);
    add_digest(writer, CHECKSUM_MD5);
    add_digest(writer, checksum_type_of(writer->put.checksum));
    return writer;
}

void writer_destroy(struct object_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->buffer);
    arena_destroy(writer->arena);
}

/* ---- a local file ---- */

static enum object_status open_file(struct object_writer *writer)
{
    if (writer->fd >= 0)
        return OBJECT_OK;
    int fd = files_create(writer->objects, writer->id);
    if (fd < 0)
        return status_of_errno(fd, "making a file");
    writer->fd = fd;
    return OBJECT_OK;
}

static enum object_status flush(struct object_writer *writer, struct view bytes)
{
    enum object_status status = open_file(writer);
    return status == OBJECT_OK ? status_of_errno(write_whole(writer->fd, bytes), "writing a file") : status;
}

static enum object_status flush_buffer(struct object_writer *writer)
{
    struct view bytes = view_of(writer->buffer, writer->buffered);
    writer->buffered = 0;
    return bytes.len > 0 ? flush(writer, bytes) : OBJECT_OK;
}

enum object_status writer_local_write(struct object_writer *writer, struct view bytes)
{
    if (writer->buffered + bytes.len > BUFFER_SIZE) {
        enum object_status status = flush_buffer(writer);
        if (status != OBJECT_OK || bytes.len >= BUFFER_SIZE)
            return status == OBJECT_OK ? flush(writer, bytes) : status;
    }
    if (writer->buffer == NULL && (writer->buffer = malloc(BUFFER_SIZE)) == NULL)
        return OBJECT_NO_MEMORY;
    if (bytes.len > 0)
        memcpy(writer->buffer + writer->buffered, bytes.ptr, bytes.len);
    writer->buffered += bytes.len;
    return OBJECT_OK;
}

void writer_local_abort(struct object_writer *writer)
{
    if (writer->fd >= 0)
        files_drop(writer->objects, writer->id);
}

struct view base64_text(struct arena *arena, const uint8_t *bytes, size_t len)
{
    struct buf text = BUF_INIT(256);
    base64_append(&text, view_of(bytes, len));
    struct view copy = buf_failed(&text) ? view_of(NULL, 0) : arena_copy(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

bool writer_describe(struct object_writer *writer, struct object_info *info)
{
    const struct object_put *put = &writer->put;
    const struct digest *md5 = &writer->digests[0], *sum = &writer->digests[1];
    char etag[2 * CHECKSUM_SIZE_MAX];
    hex_encode(md5->value, checksum_size(CHECKSUM_MD5), etag);
    *info = (struct object_info){
        .bucket = put->bucket,
        .key = put->key,
        .id = view_from_cstr(writer->id),
        .size = writer->size,
        .modified_ms = clock_wall_ms(writer->objects->clock),
        .etag = arena_copy(writer->arena, view_of(etag, 2 * checksum_size(CHECKSUM_MD5))),
        .content_type = put->content_type,
        .fields = put->fields,
        .field_count = put->field_count,
        .tags = put->tags,
        .tag_count = put->tag_count,
        .checksum = put->checksum,
        .checksum_value = base64_text(writer->arena, sum->value, checksum_size(sum->sum.type)),
    };
    return !arena_exhausted(writer->arena) && info->checksum_value.ptr != NULL;
}

enum object_status writer_local_place(struct object_writer *writer, struct object_info *info)
{
    enum object_status status = flush_buffer(writer);
    if (status == OBJECT_OK)
        status = open_file(writer);                         /* of an empty object */
    if (status == OBJECT_OK && !writer_describe(writer, info))
        status = OBJECT_NO_MEMORY;
    if (status == OBJECT_OK)
        status = status_of_errno(files_place(writer->objects, writer->id, writer->fd), "placing a file");
    if (status != OBJECT_OK)
        writer_local_abort(writer);
    return status;
}

static enum object_status local_end(struct object_writer *writer, struct arena *arena, struct object_info *out)
{
    struct object_info info;
    struct commit commit = { .condition = writer->put.condition };
    enum object_status status = writer_local_place(writer, &info);
    if (status == OBJECT_OK)
        status = commit_object(writer->objects, &commit, &info, VIEW(""));
    return status == OBJECT_OK && !info_copy(arena, &info, out) ? OBJECT_NO_MEMORY : status;
}

static const struct writer_kind local_kind = { writer_local_write, local_end, writer_local_abort };

/* ---- what callers use ---- */

enum object_status object_write_begin(struct objects *objects, const struct object_put *put, struct object_writer **out)
{
    struct bucket bucket;
    *out = NULL;
    if (!key_is_valid(put->key))
        return OBJECT_BAD_NAME;
    struct object_writer *writer = writer_create(objects, put);
    if (writer == NULL)
        return OBJECT_NO_MEMORY;
    enum object_status status = bucket_resolve(objects, writer->arena, put->bucket, &bucket);
    if (status == OBJECT_OK && bucket.place == BUCKET_LINKED)
        status = OBJECT_READ_ONLY;
    if (status != OBJECT_OK) {
        writer_destroy(writer);
        return status;
    }
    writer->remote = bucket.remote;
    writer->kind = bucket.place == BUCKET_REMOTE ? &remote_writer : &local_kind;
    *out = writer;
    return OBJECT_OK;
}

static void digest_bytes(struct object_writer *writer, struct view bytes)
{
    for (size_t i = 0; i < writer->digest_count; i++)
        checksum_add(&writer->digests[i].sum, bytes);
    writer->size += bytes.len;
    if (writer->size > OBJECT_SIZE_MAX)
        writer->status = OBJECT_TOO_LARGE;
}

enum object_status object_write(struct object_writer *writer, struct view bytes)
{
    if (writer->status != OBJECT_OK || bytes.len == 0)
        return writer->status;
    digest_bytes(writer, bytes);
    if (writer->status == OBJECT_OK)
        writer->status = writer->kind->write(writer, bytes);
    return writer->status;
}

/* True when the file is the writer's now, and only its digests are still to be made. */
static bool adopt(struct object_writer *writer, int fd, uint64_t offset, uint64_t length)
{
    struct stat st;
    if (writer->kind->write != writer_local_write || writer->size > 0 || offset != 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_nlink != 0 || (uint64_t)st.st_size != length)
        return false;
    int own = dup(fd);
    if (own >= 0 && files_adopt(writer->objects, writer->id, own) == 0) {
        writer->fd = own;
        return true;
    }
    if (own >= 0)
        close(own);
    return false;
}

enum object_status object_write_fd(struct object_writer *writer, int fd, uint64_t offset, uint64_t length)
{
    if (writer->status != OBJECT_OK || length == 0)
        return writer->status;
    char *piece = malloc(COPY_SIZE);
    if (piece == NULL)
        return writer->status = OBJECT_NO_MEMORY;
    bool adopted = adopt(writer, fd, offset, length);
    while (length > 0 && writer->status == OBJECT_OK) {
        ssize_t got = pread(fd, piece, length < COPY_SIZE ? (size_t)length : COPY_SIZE, (off_t)offset);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            writer->status = status_of_errno(got == 0 ? EIO : errno, "reading an upload");
        } else if (got > 0) {
            if (adopted)
                digest_bytes(writer, view_of(piece, (size_t)got));
            else
                object_write(writer, view_of(piece, (size_t)got));
            offset += (uint64_t)got;
            length -= (uint64_t)got;
        }
    }
    free(piece);
    return writer->status;
}

static void expect(struct object_writer *writer, enum checksum_type type, struct view value)
{
    struct digest *digest = NULL;
    struct view bytes;
    for (size_t i = 0; i < writer->digest_count; i++) {
        if (writer->digests[i].sum.type == type)
            digest = &writer->digests[i];
    }
    if (digest == NULL && writer->size == 0 && writer->digest_count < DIGESTS_MAX)
        digest = add_digest(writer, type);
    if (digest == NULL || !base64_decode(writer->arena, value, &bytes) || bytes.len != checksum_size(type) ||
        (digest->expected && memcmp(digest->value, bytes.ptr, bytes.len) != 0)) {
        writer->status = writer->status == OBJECT_OK ? OBJECT_BAD_DIGEST : writer->status;
        return;
    }
    digest->expected = true;
    memcpy(digest->value, bytes.ptr, bytes.len);
}

void object_write_expect(struct object_writer *writer, enum object_checksum checksum, struct view value)
{
    if (checksum != OBJECT_CHECKSUM_NONE)
        expect(writer, checksum_type_of(checksum), value);
}

void object_write_expect_md5(struct object_writer *writer, struct view value)
{
    expect(writer, CHECKSUM_MD5, value);
}

static void end_digests(struct object_writer *writer)
{
    for (size_t i = 0; i < writer->digest_count; i++) {
        struct digest *digest = &writer->digests[i];
        uint8_t value[CHECKSUM_SIZE_MAX];
        checksum_end(&digest->sum, value);
        if (digest->expected && memcmp(value, digest->value, checksum_size(digest->sum.type)) != 0 && writer->status == OBJECT_OK)
            writer->status = OBJECT_BAD_DIGEST;
        memcpy(digest->value, value, checksum_size(digest->sum.type));
    }
}

enum object_status object_write_end(struct object_writer *writer, struct arena *arena, struct object_info *out)
{
    end_digests(writer);
    enum object_status status = writer->status;
    if (status == OBJECT_OK)
        status = writer->kind->end(writer, arena, out);
    else
        writer->kind->abort(writer);
    writer_destroy(writer);
    return status;
}

void object_write_abort(struct object_writer *writer)
{
    if (writer == NULL)
        return;
    writer->kind->abort(writer);
    writer_destroy(writer);
}

enum object_status object_put_bytes(struct objects *objects, struct arena *arena, const struct object_put *put, struct view bytes,
                                    struct object_info *out)
{
    struct object_writer *writer;
    enum object_status status = object_write_begin(objects, put, &writer);
    if (status != OBJECT_OK)
        return status;
    object_write(writer, bytes);
    return object_write_end(writer, arena, out);
}
