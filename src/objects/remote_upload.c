/* objects/remote_upload.c - multipart uploads on another S3: its own, so their ids, ETags and rules are. */
#include "objects/remote.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT_MAX 1000

enum object_status remote_upload_create(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                        const struct object_put *put, struct view *upload_id)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "POST", .key = put->key };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    struct object_put described = *put;
    if (described.content_type.len == 0)
        described.content_type = VIEW("binary/octet-stream");
    remote_query(&request, "uploads", VIEW(""));
    bool ok = reply != NULL && remote_describe(&request, arena, &described);
    if (ok && put->checksum != OBJECT_CHECKSUM_NONE) {
        ok = remote_header(&request, arena, "x-amz-checksum-algorithm", view_from_cstr(checksum_name(put->checksum))) &&
             (!put->checksum_of_whole || remote_header(&request, arena, "x-amz-checksum-type", VIEW("FULL_OBJECT")));
    }
    enum object_status status = ok ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&request.query);
    if (status != OBJECT_OK)
        return status;
    *upload_id = xml_text(remote_reply_xml(reply, arena, "InitiateMultipartUploadResult"), "UploadId");
    return upload_id->len > 0 ? OBJECT_OK : OBJECT_ERROR;
}

static void name_part(struct remote_request *request, struct view upload_id, unsigned number)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    remote_query(request, "partNumber", view_from_cstr(text));
    remote_query(request, "uploadId", upload_id);
}

enum object_status remote_upload_part(struct object_writer *writer, struct arena *arena, struct view upload_id, unsigned number,
                                      struct view *etag)
{
    struct remote_request request = { .objects = writer->objects, .remote = writer->remote, .method = "PUT", .key = writer->put.key,
                                      .fd = writer->fd, .length = writer->spooled, .sha256 = writer->spool_sha256 };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    name_part(&request, upload_id, number);
    bool ok = reply != NULL && remote_header(&request, arena, "content-type", VIEW("binary/octet-stream"));
    enum object_status status = ok ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&request.query);
    if (status == OBJECT_OK)
        *etag = remote_etag(remote_reply_header(reply, "etag"));
    return status == OBJECT_OK && etag->len == 0 ? OBJECT_ERROR : status;
}

static bool read_part(const struct xml *entry, struct object_part *out)
{
    uint64_t number = 0;
    *out = (struct object_part){ .etag = remote_etag(xml_text(entry, "ETag")) };
    bool ok = view_to_u64(xml_text(entry, "PartNumber"), &number) && number <= OBJECT_PARTS_MAX &&
              view_to_u64(xml_text(entry, "Size"), &out->size) && clock_parse_iso(xml_text(entry, "LastModified"), &out->modified_ms);
    out->number = (unsigned)number;
    return ok;
}

enum object_status remote_upload_parts(struct objects *objects, const struct object_remote *remote, struct arena *arena, struct view key,
                                       struct view upload_id, unsigned after, size_t limit, struct object_part **parts, size_t *count,
                                       bool *more)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "GET", .key = key };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    char text[16];
    snprintf(text, sizeof text, "%zu", limit);
    remote_query(&request, "uploadId", upload_id);
    remote_query(&request, "max-parts", view_from_cstr(text));
    snprintf(text, sizeof text, "%u", after);
    remote_query(&request, "part-number-marker", view_from_cstr(text));
    *parts = ARENA_ARRAY(arena, struct object_part, limit);
    enum object_status status = reply != NULL && *parts != NULL ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&request.query);
    const struct xml *result = status == OBJECT_OK ? remote_reply_xml(reply, arena, "ListPartsResult") : NULL;
    if (status == OBJECT_OK && result == NULL)
        return OBJECT_ERROR;
    if (status != OBJECT_OK)
        return status;
    for (const struct xml *entry = xml_get(result, "Part"); entry != NULL && *count < limit; entry = xml_again(entry)) {
        if (!read_part(entry, &(*parts)[(*count)++]))
            return OBJECT_ERROR;
    }
    *more = view_is(xml_text(result, "IsTruncated"), "true");
    return OBJECT_OK;
}

static bool write_parts(struct buf *body, const struct object_part *parts, size_t count)
{
    struct xml_writer w;
    xml_writer_init(&w, body, "CompleteMultipartUpload", "http://s3.amazonaws.com/doc/2006-03-01/");
    for (size_t i = 0; i < count; i++) {
        char etag[128];
        snprintf(etag, sizeof etag, "\"" VIEW_FMT "\"", VIEW_ARG(view_first(parts[i].etag, 100)));
        xml_open(&w, "Part");
        xml_put_u64(&w, "PartNumber", parts[i].number);
        xml_put_cstr(&w, "ETag", etag);
        xml_close(&w);
    }
    xml_close(&w);
    return !xml_writer_failed(&w);
}

bool remote_conditions(struct remote_request *request, struct arena *arena, const struct object_condition *condition)
{
    const struct {
        const char *name;
        struct view value;
    } rows[] = { { "if-match", condition->if_match }, { "if-none-match", condition->if_none_match } };
    for (size_t i = 0; i < 2; i++) {
        bool any = view_is(rows[i].value, "*");
        const char *text = arena_printf(arena, any ? VIEW_FMT : "\"" VIEW_FMT "\"", VIEW_ARG(rows[i].value));
        if (text == NULL || (rows[i].value.len > 0 && !remote_header(request, arena, rows[i].name, view_from_cstr(text))))
            return false;
    }
    return true;
}

enum object_status remote_upload_complete(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                          struct view key, struct view upload_id, const struct object_part *parts, size_t count,
                                          const struct object_condition *condition, struct object_info *out)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "POST", .key = key };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    struct buf body = BUF_INIT(4 << 20);
    bool ok = reply != NULL && write_parts(&body, parts, count) &&
              remote_header(&request, arena, "content-type", VIEW("application/xml")) &&
              (condition == NULL || remote_conditions(&request, arena, condition));
    request.body = buf_view(&body);
    remote_query(&request, "uploadId", upload_id);
    enum object_status status = ok ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&body);
    buf_free(&request.query);
    return status == OBJECT_OK ? remote_head(objects, remote, arena, key, out) : status;
}

enum object_status remote_upload_abort(struct objects *objects, const struct object_remote *remote, struct view key,
                                       struct view upload_id)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "DELETE", .key = key };
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct remote_reply *reply = arena != NULL ? ARENA_NEW(arena, struct remote_reply) : NULL;
    remote_query(&request, "uploadId", upload_id);
    enum object_status status = reply != NULL ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&request.query);
    arena_destroy(arena);
    return status;
}

static bool read_upload(const struct xml *entry, struct object_upload *out)
{
    *out = (struct object_upload){
        .key = xml_text(entry, "Key"),
        .id = xml_text(entry, "UploadId"),
        .checksum = checksum_of_name(xml_text(entry, "ChecksumAlgorithm")),
        .checksum_of_whole = view_is(xml_text(entry, "ChecksumType"), "FULL_OBJECT"),
    };
    clock_parse_iso(xml_text(entry, "Initiated"), &out->created_ms);
    return out->key.len > 0 && out->id.len > 0;
}

enum object_status remote_upload_list(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                      struct view prefix, struct view after_key, struct view after_id, size_t limit,
                                      struct object_upload **uploads, size_t *count, bool *more)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "GET" };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    char text[16];
    snprintf(text, sizeof text, "%zu", limit);
    remote_query(&request, "uploads", VIEW(""));
    remote_query(&request, "max-uploads", view_from_cstr(text));
    remote_query(&request, "prefix", prefix);
    if (after_key.len > 0)
        remote_query(&request, "key-marker", after_key);
    if (after_id.len > 0)
        remote_query(&request, "upload-id-marker", after_id);
    *uploads = ARENA_ARRAY(arena, struct object_upload, limit);
    enum object_status status = reply != NULL && *uploads != NULL ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&request.query);
    const struct xml *result = status == OBJECT_OK ? remote_reply_xml(reply, arena, "ListMultipartUploadsResult") : NULL;
    if (status == OBJECT_OK && result == NULL)
        return OBJECT_ERROR;
    if (status != OBJECT_OK)
        return status;
    for (const struct xml *entry = xml_get(result, "Upload"); entry != NULL && *count < limit; entry = xml_again(entry)) {
        if (!read_upload(entry, &(*uploads)[(*count)++]))
            return OBJECT_ERROR;
    }
    *more = view_is(xml_text(result, "IsTruncated"), "true");
    return OBJECT_OK;
}
