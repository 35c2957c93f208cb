/* objects/remote_write.c - writing to another S3. Bytes are gathered in a file without a name, so that a request that fails can be sent
 * again; what is larger than one such file goes as an upload in parts. */
#include "objects/remote.h"

#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PART_SIZE       (64ull << 20)
#define LARGE_PART_SIZE (1ull << 30)                        /* from part SMALL_PARTS on: 5 TiB fit into ten thousand */
#define SMALL_PARTS     5000

/* ---- gathering ---- */

static enum object_status open_spool(struct object_writer *writer)
{
    if (writer->fd >= 0)
        return OBJECT_OK;
    writer->fd = openat(writer->objects->pending_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    checksum_begin(&writer->spool_sum, CHECKSUM_SHA256);
    return writer->fd >= 0 ? OBJECT_OK : status_of_errno(errno, "making a file");
}

static enum object_status spool(struct object_writer *writer, struct view bytes)
{
    enum object_status status = open_spool(writer);
    if (status != OBJECT_OK)
        return status;
    checksum_add(&writer->spool_sum, bytes);
    writer->spooled += bytes.len;
    return status_of_errno(write_whole(writer->fd, bytes), "writing a file");
}

static void end_spool(struct object_writer *writer)
{
    checksum_end(&writer->spool_sum, writer->spool_sha256);
}

static enum object_status clear_spool(struct object_writer *writer)
{
    checksum_begin(&writer->spool_sum, CHECKSUM_SHA256);
    writer->spooled = 0;
    bool ok = ftruncate(writer->fd, 0) == 0 && lseek(writer->fd, 0, SEEK_SET) == 0;
    return ok ? OBJECT_OK : status_of_errno(errno, "writing a file");
}

/* ---- an object, in parts when it is large ---- */

static uint64_t part_size(const struct object_writer *writer)
{
    return writer->part_count < SMALL_PARTS ? PART_SIZE : LARGE_PART_SIZE;
}

static bool add_part(struct object_writer *writer, struct view etag)
{
    if (writer->part_count == writer->part_capacity) {
        size_t more = writer->part_capacity > 0 ? 2 * writer->part_capacity : 16;
        struct object_part *parts = arena_resize(writer->arena, writer->parts, writer->part_capacity * sizeof *parts, more * sizeof *parts);
        if (parts == NULL)
            return false;
        writer->parts = parts;
        writer->part_capacity = more;
    }
    writer->parts[writer->part_count] = (struct object_part){ .number = (unsigned)writer->part_count + 1,
                                                              .etag = arena_copy(writer->arena, etag) };
    return writer->parts[writer->part_count++].etag.ptr != NULL;
}

static enum object_status begin_upload(struct object_writer *writer, struct arena *scratch)
{
    struct object_put put = writer->put;
    struct view id;
    put.checksum = OBJECT_CHECKSUM_NONE;                    /* parts carry the hash of their signature */
    enum object_status status = remote_upload_create(writer->objects, writer->remote, scratch, &put, &id);
    if (status != OBJECT_OK)
        return status;
    writer->upload = arena_copy(writer->arena, id);
    return writer->upload.ptr != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
}

static enum object_status send_part(struct object_writer *writer)
{
    struct arena *scratch = arena_create(SCRATCH_MAX);
    struct view etag;
    enum object_status status = scratch != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
    if (status == OBJECT_OK && writer->upload.len == 0)
        status = begin_upload(writer, scratch);
    if (status == OBJECT_OK && writer->part_count == OBJECT_PARTS_MAX)
        status = OBJECT_TOO_LARGE;
    end_spool(writer);
    if (status == OBJECT_OK)
        status = remote_upload_part(writer, scratch, writer->upload, (unsigned)writer->part_count + 1, &etag);
    if (status == OBJECT_OK && !add_part(writer, etag))
        status = OBJECT_NO_MEMORY;
    arena_destroy(scratch);
    return status == OBJECT_OK ? clear_spool(writer) : status;
}

static enum object_status remote_write(struct object_writer *writer, struct view bytes)
{
    enum object_status status = OBJECT_OK;
    while (bytes.len > 0 && status == OBJECT_OK) {
        if (writer->spooled == part_size(writer))
            status = send_part(writer);
        uint64_t room = part_size(writer) - writer->spooled;
        struct view now = view_first(bytes, room < bytes.len ? (size_t)room : bytes.len);
        if (status == OBJECT_OK)
            status = spool(writer, now);
        bytes = view_from(bytes, now.len);
    }
    return status;
}

static bool add_sums(struct remote_request *request, struct arena *arena, const struct object_writer *writer)
{
    static const char *const names[] = {
        [OBJECT_CRC32] = "x-amz-checksum-crc32",         [OBJECT_CRC32C] = "x-amz-checksum-crc32c",
        [OBJECT_CRC64NVME] = "x-amz-checksum-crc64nvme", [OBJECT_SHA1] = "x-amz-checksum-sha1",
        [OBJECT_SHA256] = "x-amz-checksum-sha256",
    };
    struct view md5 = base64_text(arena, writer->digests[0].value, checksum_size(CHECKSUM_MD5));
    struct view sum = base64_text(arena, writer->digests[1].value, checksum_size(writer->digests[1].sum.type));
    return md5.ptr != NULL && sum.ptr != NULL && remote_header(request, arena, "content-md5", md5) &&
           (!writer->checksum_asked || remote_header(request, arena, names[writer->put.checksum], sum));
}

static enum object_status put_whole(struct object_writer *writer, struct arena *arena, struct object_info *out)
{
    struct remote_request request = { .objects = writer->objects, .remote = writer->remote, .method = "PUT", .key = writer->put.key,
                                      .fd = writer->fd, .length = writer->spooled, .sha256 = writer->spool_sha256 };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    struct object_info info;
    end_spool(writer);
    bool ok = reply != NULL && remote_describe(&request, arena, &writer->put) && add_sums(&request, arena, writer) &&
              remote_conditions(&request, arena, &writer->put.condition) && writer_describe(writer, &info);
    enum object_status status = ok ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    if (status != OBJECT_OK)
        return status;
    info.etag = info.id = remote_etag(remote_reply_header(reply, "etag"));
    return info_copy(arena, &info, out) ? OBJECT_OK : OBJECT_NO_MEMORY;
}

static void remote_abort(struct object_writer *writer)
{
    if (writer->upload.len > 0)
        remote_upload_abort(writer->objects, writer->remote, writer->put.key, writer->upload);
    writer->upload = VIEW("");
}

static enum object_status remote_end(struct object_writer *writer, struct arena *arena, struct object_info *out)
{
    enum object_status status = open_spool(writer);         /* of an empty object */
    if (status == OBJECT_OK && writer->upload.len == 0)
        return put_whole(writer, arena, out);
    if (status == OBJECT_OK)
        status = send_part(writer);
    if (status == OBJECT_OK)
        status = remote_upload_complete(writer->objects, writer->remote, arena, writer->put.key, writer->upload, writer->parts,
                                        writer->part_count, &writer->put.condition, out);
    if (status != OBJECT_OK)
        remote_abort(writer);
    return status;
}

const struct writer_kind remote_writer = { remote_write, remote_end, remote_abort };

/* ---- a part of the caller's upload ---- */

static enum object_status part_end(struct object_writer *writer, struct arena *arena, struct object_info *out)
{
    struct object_info info;
    enum object_status status = open_spool(writer);
    end_spool(writer);
    if (status == OBJECT_OK && !writer_describe(writer, &info))
        status = OBJECT_NO_MEMORY;
    if (status == OBJECT_OK)
        status = remote_upload_part(writer, arena, writer->upload, writer->part_number, &info.etag);
    return status == OBJECT_OK && !info_copy(arena, &info, out) ? OBJECT_NO_MEMORY : status;
}

static void part_abort(struct object_writer *writer)
{
    (void)writer;                                           /* the file has no name, and the upload is the caller's */
}

const struct writer_kind remote_part_writer = { spool, part_end, part_abort };
