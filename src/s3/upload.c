/* s3/upload.c - objects that come in parts. */
#include "s3/call.h"

#define PAGE_MAX 1000

/* ---- beginning and parts ---- */

static enum s3_error create_multipart_upload(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_put put;
    struct view id;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = s3_read_put(call, &put);
    if (error != S3_OK)
        return error;
    enum object_status status = upload_create(call->s3->options.objects, call->arena, &put, &id);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    if (put.checksum != OBJECT_CHECKSUM_NONE)
        s3_reply_header(call, "x-amz-checksum-algorithm", view_from_cstr(s3_checksum_algorithm(put.checksum)));
    if (s3_header(call, "x-amz-checksum-type").len > 0)
        s3_reply_header(call, "x-amz-checksum-type", s3_header(call, "x-amz-checksum-type"));
    struct xml_writer *xml = s3_reply_xml(call, "InitiateMultipartUploadResult");
    xml_put(xml, "Bucket", call->bucket);
    xml_put(xml, "Key", call->key);
    xml_put(xml, "UploadId", id);
    xml_close(xml);
    return S3_OK;
}

enum s3_error s3_part_begin(struct s3_call *call, struct object_writer **writer)
{
    struct bucket_info bucket;
    uint64_t number;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    if (!view_to_u64(s3_param(call, "partNumber"), &number) || number < 1 || number > OBJECT_PARTS_MAX)
        return s3_fail(call, S3_INVALID_ARGUMENT, "Part number must be an integer between 1 and %d, inclusive", OBJECT_PARTS_MAX);
    enum object_status status =
        upload_part_begin(call->s3->options.objects, call->bucket, call->key, s3_param(call, "uploadId"), (unsigned)number, writer);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

static enum s3_error upload_part(struct s3_call *call)
{
    struct object_writer *writer = NULL;
    struct object_info info = { .size = 0 };
    enum s3_error error = s3_part_begin(call, &writer);
    if (error == S3_OK)
        error = s3_payload_write(call, writer, &info);
    if (error != S3_OK)
        return error;
    s3_reply_etag(call, "ETag", info.etag);
    if (info.checksum != OBJECT_CHECKSUM_NONE && info.checksum_value.len > 0)
        s3_reply_header(call, s3_checksum_header(info.checksum), info.checksum_value);
    return S3_OK;
}

/* ---- completing ---- */

/* An element of a part that names a checksum must agree with what the part has. */
static bool read_part(const struct xml *element, struct object_part *part)
{
    static const struct {
        const char *name;
        enum object_checksum checksum;
    } checksums[] = {
        { "ChecksumCRC32", OBJECT_CRC32 }, { "ChecksumCRC32C", OBJECT_CRC32C },  { "ChecksumCRC64NVME", OBJECT_CRC64NVME },
        { "ChecksumSHA1", OBJECT_SHA1 },   { "ChecksumSHA256", OBJECT_SHA256 },
    };
    uint64_t number;
    if (!view_to_u64(view_trim(xml_text(element, "PartNumber")), &number) || number < 1 || number > OBJECT_PARTS_MAX)
        return false;
    *part = (struct object_part){ .number = (unsigned)number, .etag = s3_unquoted(xml_text(element, "ETag")) };
    for (size_t i = 0; i < sizeof checksums / sizeof checksums[0]; i++) {
        struct view value = view_trim(xml_text(element, checksums[i].name));
        if (value.len > 0) {
            part->checksum = checksums[i].checksum;
            part->checksum_value = value;
        }
    }
    return part->etag.len > 0;
}

static enum s3_error read_parts(struct s3_call *call, struct object_part **parts, size_t *count)
{
    const struct xml *root;
    enum s3_error error = s3_payload_xml(call, &root);
    if (error != S3_OK)
        return error;
    *parts = ARENA_ARRAY(call->arena, struct object_part, OBJECT_PARTS_MAX);
    *count = 0;
    if (*parts == NULL)
        return s3_fail(call, S3_SLOW_DOWN, "%s", s3_error_text(S3_SLOW_DOWN));
    for (const struct xml *element = xml_get(root, "Part"); element != NULL; element = xml_again(element)) {
        if (*count == OBJECT_PARTS_MAX || !read_part(element, &(*parts)[*count]))
            return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
        if (*count > 0 && (*parts)[*count - 1].number >= (*parts)[*count].number)
            return s3_fail(call, S3_INVALID_PART_ORDER, "%s", s3_error_text(S3_INVALID_PART_ORDER));
        (*count)++;
    }
    if (!view_is(root->name, "CompleteMultipartUpload") || *count == 0)
        return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
    return S3_OK;
}

static enum s3_error complete_multipart_upload(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_part *parts;
    struct object_info info;
    enum object_checksum checksum;
    struct object_condition condition = { .if_match = s3_unquoted(s3_header(call, "if-match")),
                                          .if_none_match = s3_unquoted(s3_header(call, "if-none-match")) };
    size_t count;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = read_parts(call, &parts, &count);
    /* A checksum in the head is that of the whole object, and says nothing of this body. */
    if (error == S3_OK)
        error = s3_checksum_given(call, &checksum, &condition.checksum_value);
    if (error != S3_OK)
        return error;
    enum object_status status = upload_complete(call->s3->options.objects, call->arena, call->bucket, call->key,
                                                s3_param(call, "uploadId"), parts, count, &condition, &info);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    struct xml_writer *xml = s3_reply_xml(call, "CompleteMultipartUploadResult");
    xml_put(xml, "Location", view_from_cstr(arena_printf(call->arena, "http://" VIEW_FMT VIEW_FMT, VIEW_ARG(call->request->authority),
                                                         VIEW_ARG(call->request->path))));
    xml_put(xml, "Bucket", call->bucket);
    xml_put(xml, "Key", call->key);
    s3_put_etag(xml, info.etag);
    s3_put_checksum(xml, info.checksum, info.checksum_value);
    s3_put_checksum_type(xml, &info);
    xml_close(xml);
    return S3_OK;
}

static enum s3_error abort_multipart_upload(struct s3_call *call)
{
    struct bucket_info bucket;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    enum object_status status = upload_abort(call->s3->options.objects, call->bucket, call->key, s3_param(call, "uploadId"));
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

/* ---- looking ---- */

static void put_person(struct xml_writer *xml, const char *name, const struct s3_call *call)
{
    xml_open(xml, name);
    xml_put(xml, "ID", call->principal.account);
    xml_put(xml, "DisplayName", call->principal.account);
    xml_close(xml);
}

static void put_part(struct xml_writer *xml, const struct object_part *part)
{
    xml_open(xml, "Part");
    xml_put_u64(xml, "PartNumber", part->number);
    s3_put_time(xml, "LastModified", part->modified_ms);
    s3_put_etag(xml, part->etag);
    xml_put_u64(xml, "Size", part->size);
    s3_put_checksum(xml, part->checksum, part->checksum_value);
    xml_close(xml);
}

static enum s3_error list_parts(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_part *parts = NULL;
    size_t count = 0;
    bool more = false;
    uint64_t after = 0, limit = PAGE_MAX;
    struct view id = s3_param(call, "uploadId");
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = s3_param_number(call, "part-number-marker", OBJECT_PARTS_MAX, &after);
    if (error == S3_OK)
        error = s3_param_number(call, "max-parts", PAGE_MAX, &limit);
    if (error != S3_OK)
        return error;
    enum object_status status = upload_parts(call->s3->options.objects, call->arena, call->bucket, call->key, id, (unsigned)after,
                                             limit > 0 ? (size_t)limit : 1, &parts, &count, &more);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    count = limit > 0 ? count : 0;
    struct xml_writer *xml = s3_reply_xml(call, "ListPartsResult");
    xml_put(xml, "Bucket", call->bucket);
    xml_put(xml, "Key", call->key);
    xml_put(xml, "UploadId", id);
    put_person(xml, "Initiator", call);
    put_person(xml, "Owner", call);
    xml_put_cstr(xml, "StorageClass", "STANDARD");
    xml_put_u64(xml, "PartNumberMarker", after);
    if (count > 0)
        xml_put_u64(xml, "NextPartNumberMarker", parts[count - 1].number);
    xml_put_u64(xml, "MaxParts", limit);
    xml_put_bool(xml, "IsTruncated", more && limit > 0);
    for (size_t i = 0; i < count; i++)
        put_part(xml, &parts[i]);
    xml_close(xml);
    return S3_OK;
}

static void put_upload(struct xml_writer *xml, const struct s3_call *call, const struct object_upload *upload, bool encode)
{
    xml_open(xml, "Upload");
    s3_put_key(xml, "Key", upload->key, encode);
    xml_put(xml, "UploadId", upload->id);
    put_person(xml, "Initiator", call);
    put_person(xml, "Owner", call);
    xml_put_cstr(xml, "StorageClass", "STANDARD");
    s3_put_time(xml, "Initiated", upload->created_ms);
    if (upload->checksum != OBJECT_CHECKSUM_NONE)
        xml_put_cstr(xml, "ChecksumAlgorithm", s3_checksum_algorithm(upload->checksum));
    xml_close(xml);
}

static enum s3_error list_multipart_uploads(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_upload *uploads = NULL;
    size_t count = 0;
    bool more = false, encode = view_is(s3_param(call, "encoding-type"), "url");
    uint64_t limit = PAGE_MAX;
    struct view key = s3_param(call, "key-marker"), id = s3_param(call, "upload-id-marker"), prefix = s3_param(call, "prefix");
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = s3_param_number(call, "max-uploads", PAGE_MAX, &limit);
    if (error == S3_OK && s3_param(call, "delimiter").len > 0)
        error = s3_fail(call, S3_NOT_IMPLEMENTED, "The parameter delimiter of ListMultipartUploads is not implemented by this server.");
    if (error != S3_OK)
        return error;
    enum object_status status = upload_list(call->s3->options.objects, call->arena, call->bucket, prefix, key, id,
                                            limit > 0 ? (size_t)limit : 1, &uploads, &count, &more);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    count = limit > 0 ? count : 0;
    struct xml_writer *xml = s3_reply_xml(call, "ListMultipartUploadsResult");
    xml_put(xml, "Bucket", call->bucket);
    s3_put_key(xml, "KeyMarker", key, encode);
    xml_put(xml, "UploadIdMarker", id);
    if (more && count > 0) {
        s3_put_key(xml, "NextKeyMarker", uploads[count - 1].key, encode);
        xml_put(xml, "NextUploadIdMarker", uploads[count - 1].id);
    }
    s3_put_key(xml, "Prefix", prefix, encode);
    if (encode)
        xml_put_cstr(xml, "EncodingType", "url");
    xml_put_u64(xml, "MaxUploads", limit);
    xml_put_bool(xml, "IsTruncated", more && limit > 0);
    for (size_t i = 0; i < count; i++)
        put_upload(xml, call, &uploads[i], encode);
    xml_close(xml);
    return S3_OK;
}

const struct s3_handler_row s3_upload_rows[] = {
    { "CreateMultipartUpload", create_multipart_upload, S3_BODY_NONE },
    { "UploadPart", upload_part, S3_BODY_OBJECT },
    { "CompleteMultipartUpload", complete_multipart_upload, S3_BODY_XML },
    { "AbortMultipartUpload", abort_multipart_upload, S3_BODY_NONE },
    { "ListParts", list_parts, S3_BODY_NONE },
    { "ListMultipartUploads", list_multipart_uploads, S3_BODY_NONE },
};
const size_t s3_upload_row_count = sizeof s3_upload_rows / sizeof s3_upload_rows[0];
