/* s3/bucket.c - buckets: made, found, removed. */
#include "s3/call.h"

#define BUCKETS_MAX 10000

/* ListBuckets: those of the caller, by name. */
static enum s3_error list_buckets(struct s3_call *call)
{
    struct bucket_info *buckets;
    size_t count;
    uint64_t limit = BUCKETS_MAX;
    struct view prefix = s3_param(call, "prefix"), after = s3_param(call, "continuation-token");
    enum s3_error error = s3_param_number(call, "max-buckets", BUCKETS_MAX, &limit);
    if (error != S3_OK)
        return error;
    enum object_status status = bucket_list(call->s3->options.objects, call->arena, call->principal.account, &buckets, &count);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    struct xml_writer *xml = s3_reply_xml(call, "ListAllMyBucketsResult");
    xml_open(xml, "Owner");
    xml_put(xml, "ID", call->principal.account);
    xml_close(xml);
    xml_open(xml, "Buckets");
    struct view last = VIEW("");
    bool more = false;
    for (size_t i = 0; i < count && !more; i++) {
        if (!view_starts_with(buckets[i].name, prefix) || (after.len > 0 && view_compare(buckets[i].name, after) <= 0))
            continue;
        if (limit-- == 0) {
            more = true;
            break;
        }
        last = buckets[i].name;
        xml_open(xml, "Bucket");
        xml_put(xml, "Name", buckets[i].name);
        s3_put_time(xml, "CreationDate", buckets[i].created_ms);
        xml_put(xml, "BucketRegion", buckets[i].region);
        xml_close(xml);
    }
    xml_close(xml);
    if (more)
        xml_put(xml, "ContinuationToken", last);
    if (prefix.len > 0)
        xml_put(xml, "Prefix", prefix);
    xml_close(xml);
    return S3_OK;
}

/* The endpoint of us-east-1 makes buckets everywhere, the others only in their own region. */
static enum s3_error read_region(struct s3_call *call, struct view *region)
{
    const struct xml *root;
    enum s3_error error = s3_payload_xml_or_none(call, &root);
    if (error != S3_OK)
        return error;
    if (root != NULL && !view_is(root->name, "CreateBucketConfiguration"))
        return s3_fail(call, S3_MALFORMED_XML, "%s", s3_error_text(S3_MALFORMED_XML));
    struct view wanted = xml_text(root, "LocationConstraint");
    bool everywhere = view_is(call->region, "us-east-1");
    if (view_is(wanted, "EU"))
        wanted = VIEW("eu-west-1");
    if (!everywhere && wanted.len == 0)
        return s3_fail(call, S3_ILLEGAL_LOCATION,
                       "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.");
    if (!everywhere && !view_eq(wanted, call->region))
        return s3_fail(call, S3_ILLEGAL_LOCATION,
                       "The " VIEW_FMT " location constraint is incompatible for the region specific endpoint this request was sent to.",
                       VIEW_ARG(wanted));
    *region = wanted.len > 0 ? wanted : call->region;
    return S3_OK;
}

/* CreateBucket: doing it again is fine in us-east-1, and a conflict everywhere else. */
static enum s3_error create_bucket(struct s3_call *call)
{
    struct view region = VIEW(""), acl = s3_header(call, "x-amz-acl");
    if (acl.len > 0 && !view_is(acl, "private"))
        return s3_fail(call, S3_ACL_NOT_SUPPORTED, "%s", s3_error_text(S3_ACL_NOT_SUPPORTED));
    if (view_eq_nocase(s3_header(call, "x-amz-bucket-object-lock-enabled"), VIEW("true")))
        return s3_fail(call, S3_NOT_IMPLEMENTED, "Object Lock is not implemented by this server.");
    enum s3_error error = read_region(call, &region);
    if (error != S3_OK)
        return error;
    enum object_status status = bucket_create(call->s3->options.objects, call->principal.account, region, call->bucket);
    if (status == OBJECT_BUCKET_OWNED && view_is(region, "us-east-1"))
        status = OBJECT_OK;
    if (status == OBJECT_BAD_NAME)
        return s3_fail(call, S3_INVALID_BUCKET_NAME, "%s", s3_error_text(S3_INVALID_BUCKET_NAME));
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    s3_reply_header(call, "Location", view_from_cstr(arena_printf(call->arena, "/" VIEW_FMT, VIEW_ARG(call->bucket))));
    return S3_OK;
}

static enum s3_error head_bucket(struct s3_call *call)
{
    struct bucket_info info;
    enum s3_error error = s3_open_bucket(call, &info);
    if (error == S3_OK)
        s3_reply_header(call, "x-amz-bucket-region", info.region);
    return error;
}

static enum s3_error delete_bucket(struct s3_call *call)
{
    struct bucket_info info;
    enum s3_error error = s3_open_bucket(call, &info);
    if (error != S3_OK)
        return error;
    enum object_status status = bucket_delete(call->s3->options.objects, call->bucket);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

/* GetBucketLocation: us-east-1 is the empty one. */
static enum s3_error get_bucket_location(struct s3_call *call)
{
    struct bucket_info info;
    enum s3_error error = s3_open_bucket(call, &info);
    if (error != S3_OK)
        return error;
    struct xml_writer *xml = s3_reply_xml(call, "LocationConstraint");
    if (!view_is(info.region, "us-east-1"))
        buf_append_view(xml->out, info.region);
    xml_close(xml);
    return S3_OK;
}

const struct s3_handler_row s3_bucket_rows[] = {
    { "ListBuckets", list_buckets, S3_BODY_NONE },
    { "CreateBucket", create_bucket, S3_BODY_XML },
    { "HeadBucket", head_bucket, S3_BODY_NONE },
    { "DeleteBucket", delete_bucket, S3_BODY_NONE },
    { "GetBucketLocation", get_bucket_location, S3_BODY_NONE },
};
const size_t s3_bucket_row_count = sizeof s3_bucket_rows / sizeof s3_bucket_rows[0];
