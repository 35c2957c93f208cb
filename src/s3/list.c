/* s3/list.c - ListObjects and ListObjectsV2. */
#include "s3/call.h"

#define PAGE_MAX 1000

struct listing {
    struct object_list list;
    struct object_page page;
    uint64_t limit;
    bool encode;                                            /* encoding-type=url */
    bool versions;                                          /* objects are written as versions */
};

static enum s3_error run(struct s3_call *call, struct listing *l, struct view after)
{
    struct bucket_info bucket;
    struct view encoding = s3_param(call, "encoding-type");
    enum s3_error error = s3_open_bucket(call, &bucket);
    l->limit = PAGE_MAX;
    l->encode = view_is(encoding, "url");
    if (error == S3_OK)
        error = s3_param_number(call, "max-keys", PAGE_MAX, &l->limit);
    if (error != S3_OK)
        return error;
    if (encoding.len > 0 && !l->encode)
        return s3_fail(call, S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
    l->list = (struct object_list){ .bucket = call->bucket, .prefix = s3_param(call, "prefix"), .delimiter = s3_param(call, "delimiter"),
                                    .after = after, .limit = l->limit };
    if (l->limit == 0)
        return S3_OK;
    enum object_status status = object_list(call->s3->options.objects, call->arena, &l->list, &l->page);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

static void put_owner(struct xml_writer *xml, const struct s3_call *call)
{
    xml_open(xml, "Owner");
    xml_put(xml, "ID", call->principal.account);
    xml_put(xml, "DisplayName", call->principal.account);
    xml_close(xml);
}

static void put_object(struct xml_writer *xml, const struct s3_call *call, const struct listing *l, const struct object_info *info,
                       bool owner)
{
    xml_open(xml, l->versions ? "Version" : "Contents");
    s3_put_key(xml, "Key", info->key, l->encode);
    if (l->versions) {
        xml_put_cstr(xml, "VersionId", "null");
        xml_put_bool(xml, "IsLatest", true);
    }
    s3_put_time(xml, "LastModified", info->modified_ms);
    s3_put_etag(xml, info->etag);
    if (info->checksum != OBJECT_CHECKSUM_NONE && info->checksum_value.len > 0) {
        xml_put_cstr(xml, "ChecksumAlgorithm", s3_checksum_algorithm(info->checksum));
        s3_put_checksum_type(xml, info);
    }
    xml_put_u64(xml, "Size", info->size);
    xml_put_cstr(xml, "StorageClass", "STANDARD");
    if (owner)
        put_owner(xml, call);
    xml_close(xml);
}

static void put_page(struct xml_writer *xml, const struct s3_call *call, const struct listing *l, bool owner)
{
    s3_put_key(xml, "Prefix", l->list.prefix, l->encode);
    if (l->list.delimiter.len > 0)
        s3_put_key(xml, "Delimiter", l->list.delimiter, l->encode);
    if (l->encode)
        xml_put_cstr(xml, "EncodingType", "url");
    xml_put_u64(xml, "MaxKeys", l->limit);
    xml_put_bool(xml, "IsTruncated", l->page.more);
    for (size_t i = 0; i < l->page.count; i++)
        put_object(xml, call, l, &l->page.objects[i], owner);
    for (size_t i = 0; i < l->page.prefix_count; i++) {
        xml_open(xml, "CommonPrefixes");
        s3_put_key(xml, "Prefix", l->page.prefixes[i], l->encode);
        xml_close(xml);
    }
}

static enum s3_error list_objects(struct s3_call *call)
{
    struct listing l = { 0 };
    struct view marker = s3_param(call, "marker");
    enum s3_error error = run(call, &l, marker);
    if (error != S3_OK)
        return error;
    struct xml_writer *xml = s3_reply_xml(call, "ListBucketResult");
    xml_put(xml, "Name", call->bucket);
    s3_put_key(xml, "Marker", marker, l.encode);
    if (l.page.more)
        s3_put_key(xml, "NextMarker", l.page.last, l.encode);
    put_page(xml, call, &l, true);
    xml_close(xml);
    return S3_OK;
}

/* ListObjectVersions: each object is its only version, and that is "null". */
static enum s3_error list_object_versions(struct s3_call *call)
{
    struct listing l = { 0 };
    struct view marker = s3_param(call, "key-marker");
    enum s3_error error = run(call, &l, marker);
    if (error != S3_OK)
        return error;
    struct xml_writer *xml = s3_reply_xml(call, "ListVersionsResult");
    xml_put(xml, "Name", call->bucket);
    s3_put_key(xml, "KeyMarker", marker, l.encode);
    xml_put(xml, "VersionIdMarker", s3_param(call, "version-id-marker"));
    if (l.page.more) {
        s3_put_key(xml, "NextKeyMarker", l.page.last, l.encode);
        xml_put_cstr(xml, "NextVersionIdMarker", "null");
    }
    l.versions = true;
    put_page(xml, call, &l, true);
    xml_close(xml);
    return S3_OK;
}

/* A token is the last name of the page before, in base64: opaque, and good for ever. */
static enum s3_error list_objects_v2(struct s3_call *call)
{
    struct listing l = { 0 };
    struct view token = s3_param(call, "continuation-token"), start = s3_param(call, "start-after"), after = start;
    struct buf next = BUF_INIT(4 * OBJECT_KEY_MAX);
    if (token.ptr != NULL && (token.len == 0 || !base64_decode(call->arena, token, &after)))
        return s3_fail(call, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect");
    enum s3_error error = run(call, &l, after);
    if (error != S3_OK)
        return error;
    struct xml_writer *xml = s3_reply_xml(call, "ListBucketResult");
    xml_put(xml, "Name", call->bucket);
    if (token.ptr != NULL)
        xml_put(xml, "ContinuationToken", token);
    if (l.page.more) {
        base64_append(&next, l.page.last);
        xml_put(xml, "NextContinuationToken", buf_view(&next));
        buf_free(&next);
    }
    if (start.len > 0)
        s3_put_key(xml, "StartAfter", start, l.encode);
    xml_put_u64(xml, "KeyCount", l.page.count + l.page.prefix_count);
    put_page(xml, call, &l, view_is(s3_param(call, "fetch-owner"), "true"));
    xml_close(xml);
    return S3_OK;
}

const struct s3_handler_row s3_list_rows[] = {
    { "ListObjects", list_objects, S3_BODY_NONE },
    { "ListObjectsV2", list_objects_v2, S3_BODY_NONE },
    { "ListObjectVersions", list_object_versions, S3_BODY_NONE },
};
const size_t s3_list_row_count = sizeof s3_list_rows / sizeof s3_list_rows[0];
