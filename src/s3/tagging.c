/* s3/tagging.c - the tags of an object, and what else is known of it (GetObjectAttributes). */
#include "s3/call.h"

#define TAGS_READ_MAX 64

static enum s3_error find_object(struct s3_call *call, struct object_info *info)
{
    struct bucket_info bucket;
    struct view version = s3_param(call, "versionId");
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    if (version.ptr != NULL && !view_is(version, "null"))
        return s3_fail(call, S3_NO_VERSION, "%s", s3_error_text(S3_NO_VERSION));
    enum object_status status = object_head(call->s3->options.objects, call->arena, call->bucket, call->key, info);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

static enum s3_error get_object_tagging(struct s3_call *call)
{
    struct object_info info = { .size = 0 };
    enum s3_error error = find_object(call, &info);
    if (error != S3_OK)
        return error;
    struct xml_writer *xml = s3_reply_xml(call, "Tagging");
    xml_open(xml, "TagSet");
    for (size_t i = 0; i < info.tag_count; i++) {
        xml_open(xml, "Tag");
        xml_put(xml, "Key", info.tags[i].name);
        xml_put(xml, "Value", info.tags[i].value);
        xml_close(xml);
    }
    xml_close(xml);
    xml_close(xml);
    return S3_OK;
}

static enum s3_error set_tags(struct s3_call *call, const struct object_field *tags, size_t count)
{
    enum object_status status = object_set_tags(call->s3->options.objects, call->bucket, call->key, tags, count);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

static enum s3_error put_object_tagging(struct s3_call *call)
{
    struct object_info info;
    const struct xml *root;
    struct object_field tags[TAGS_READ_MAX];
    size_t count = 0;
    enum s3_error error = find_object(call, &info);
    if (error == S3_OK)
        error = s3_payload_xml(call, &root);
    if (error != S3_OK)
        return error;
    const struct xml *set = xml_get(root, "TagSet");
    if (!view_is(root->name, "Tagging") || set == NULL)
        return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
    for (const struct xml *tag = xml_get(set, "Tag"); tag != NULL && count < TAGS_READ_MAX; tag = xml_again(tag)) {
        if (xml_get(tag, "Key") == NULL || xml_get(tag, "Value") == NULL)
            return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
        tags[count++] = (struct object_field){ xml_text(tag, "Key"), xml_text(tag, "Value") };
    }
    error = s3_check_tags(call, tags, count);
    return error == S3_OK ? set_tags(call, tags, count) : error;
}

static enum s3_error delete_object_tagging(struct s3_call *call)
{
    struct object_info info;
    enum s3_error error = find_object(call, &info);
    return error == S3_OK ? set_tags(call, NULL, 0) : error;
}

/* ---- attributes ---- */

/* The header may come as one list or repeated. */
static bool wants(const struct s3_call *call, const char *attribute)
{
    for (size_t i = 0; i < call->request->header_count; i++) {
        struct view rest = call->request->headers[i].value;
        if (!view_is(call->request->headers[i].name, "x-amz-object-attributes"))
            continue;
        while (rest.ptr != NULL) {
            if (view_is(view_trim(view_split(&rest, ',')), attribute))
                return true;
        }
    }
    return false;
}

static enum s3_error get_object_attributes(struct s3_call *call)
{
    struct object_info info = { .size = 0 };
    char modified[CLOCK_ISO_SIZE];
    enum s3_error error = find_object(call, &info);
    if (error != S3_OK)
        return error;
    if (s3_header(call, "x-amz-object-attributes").len == 0)
        return s3_fail(call, S3_INVALID_ARGUMENT, "The x-amz-object-attributes header specifying the attributes to be retrieved is either "
                                                  "missing or empty");
    clock_format_http(info.modified_ms, modified);
    s3_reply_header(call, "Last-Modified", arena_copy(call->arena, view_from_cstr(modified)));
    struct xml_writer *xml = s3_reply_xml(call, "GetObjectAttributesResponse");
    if (wants(call, "ETag"))
        xml_put(xml, "ETag", info.etag);
    if (wants(call, "Checksum") && info.checksum != OBJECT_CHECKSUM_NONE && info.checksum_value.len > 0) {
        xml_open(xml, "Checksum");
        s3_put_checksum(xml, info.checksum, info.checksum_value);
        s3_put_checksum_type(xml, &info);
        xml_close(xml);
    }
    if (wants(call, "ObjectParts") && info.part_count > 0) {
        xml_open(xml, "ObjectParts");
        xml_put_u64(xml, "PartsCount", info.part_count);
        xml_close(xml);
    }
    if (wants(call, "StorageClass"))
        xml_put_cstr(xml, "StorageClass", "STANDARD");
    if (wants(call, "ObjectSize"))
        xml_put_u64(xml, "ObjectSize", info.size);
    xml_close(xml);
    return S3_OK;
}

const struct s3_handler_row s3_tagging_rows[] = {
    { "GetObjectTagging", get_object_tagging, S3_BODY_NONE },
    { "PutObjectTagging", put_object_tagging, S3_BODY_XML },
    { "DeleteObjectTagging", delete_object_tagging, S3_BODY_NONE },
    { "GetObjectAttributes", get_object_attributes, S3_BODY_NONE },
};
const size_t s3_tagging_row_count = sizeof s3_tagging_rows / sizeof s3_tagging_rows[0];
