/* s3/fixed.c - reads whose answer is the same for every bucket: private, without versions, with nothing configured. Clients make
 * them to find out, so the answer is S3's own for such a bucket. */
#include "s3/call.h"

/* The answer when the bucket is there and nothing is configured. */
static enum s3_error not_configured(struct s3_call *call, enum s3_error what)
{
    struct bucket_info bucket;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    s3_detail(call, "BucketName", call->bucket);
    return s3_fail(call, what, "%s", s3_error_text(what));
}

static enum s3_error empty(struct s3_call *call, const char *root)
{
    struct bucket_info bucket;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        xml_close(s3_reply_xml(call, root));
    return error;
}

static enum s3_error object_is_there(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_info info;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    enum object_status status = object_head(call->s3->options.objects, call->arena, call->bucket, call->key, &info);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

#define NOT_CONFIGURED(name, error)                     \
    static enum s3_error name(struct s3_call *call)     \
    {                                                   \
        return not_configured(call, error);             \
    }

NOT_CONFIGURED(get_bucket_cors, S3_NO_CORS)
NOT_CONFIGURED(get_bucket_encryption, S3_NO_ENCRYPTION)
NOT_CONFIGURED(get_bucket_lifecycle_configuration, S3_NO_LIFECYCLE)
NOT_CONFIGURED(get_bucket_ownership_controls, S3_NO_OWNERSHIP)
NOT_CONFIGURED(get_bucket_policy, S3_NO_POLICY)
NOT_CONFIGURED(get_bucket_policy_status, S3_NO_POLICY)
NOT_CONFIGURED(get_bucket_replication, S3_NO_REPLICATION)
NOT_CONFIGURED(get_bucket_tagging, S3_NO_TAGS)
NOT_CONFIGURED(get_bucket_website, S3_NO_WEBSITE)
NOT_CONFIGURED(get_object_lock_configuration, S3_NO_OBJECT_LOCK)
NOT_CONFIGURED(get_public_access_block, S3_NO_PUBLIC_ACCESS_BLOCK)
NOT_CONFIGURED(get_bucket_analytics_configuration, S3_NO_CONFIGURATION)
NOT_CONFIGURED(get_bucket_intelligent_tiering_configuration, S3_NO_CONFIGURATION)
NOT_CONFIGURED(get_bucket_inventory_configuration, S3_NO_CONFIGURATION)
NOT_CONFIGURED(get_bucket_metrics_configuration, S3_NO_CONFIGURATION)

#define EMPTY(name, root)                               \
    static enum s3_error name(struct s3_call *call)     \
    {                                                   \
        return empty(call, root);                       \
    }

EMPTY(get_bucket_accelerate_configuration, "AccelerateConfiguration")
EMPTY(get_bucket_logging, "BucketLoggingStatus")
EMPTY(get_bucket_notification_configuration, "NotificationConfiguration")
EMPTY(get_bucket_versioning, "VersioningConfiguration")

static enum s3_error get_bucket_request_payment(struct s3_call *call)
{
    struct bucket_info bucket;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    struct xml_writer *xml = s3_reply_xml(call, "RequestPaymentConfiguration");
    xml_put_cstr(xml, "Payer", "BucketOwner");
    xml_close(xml);
    return S3_OK;
}

/* The owner may do everything, and nobody else anything. */
static void put_acl(struct s3_call *call)
{
    struct xml_writer *xml = s3_reply_xml(call, "AccessControlPolicy");
    struct view account = call->principal.account;
    xml_open(xml, "Owner");
    xml_put(xml, "ID", account);
    xml_put(xml, "DisplayName", account);
    xml_close(xml);
    xml_open(xml, "AccessControlList");
    xml_open(xml, "Grant");
    buf_append_cstr(xml->out, "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
    xml_put(xml, "ID", account);
    xml_put(xml, "DisplayName", account);
    buf_append_cstr(xml->out, "</Grantee>");
    xml_put_cstr(xml, "Permission", "FULL_CONTROL");
    xml_close(xml);
    xml_close(xml);
    xml_close(xml);
}

static enum s3_error get_bucket_acl(struct s3_call *call)
{
    struct bucket_info bucket;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        put_acl(call);
    return error;
}

static enum s3_error get_object_acl(struct s3_call *call)
{
    enum s3_error error = object_is_there(call);
    if (error == S3_OK)
        put_acl(call);
    return error;
}

static enum s3_error no_lock_on_object(struct s3_call *call)
{
    enum s3_error error = object_is_there(call);
    return error == S3_OK ? s3_fail(call, S3_NO_OBJECT_LOCK_ON_OBJECT, "%s", s3_error_text(S3_NO_OBJECT_LOCK_ON_OBJECT)) : error;
}

const struct s3_handler_row s3_fixed_rows[] = {
    { "GetBucketAccelerateConfiguration", get_bucket_accelerate_configuration, S3_BODY_NONE },
    { "GetBucketAcl", get_bucket_acl, S3_BODY_NONE },
    { "GetBucketAnalyticsConfiguration", get_bucket_analytics_configuration, S3_BODY_NONE },
    { "GetBucketCors", get_bucket_cors, S3_BODY_NONE },
    { "GetBucketEncryption", get_bucket_encryption, S3_BODY_NONE },
    { "GetBucketIntelligentTieringConfiguration", get_bucket_intelligent_tiering_configuration, S3_BODY_NONE },
    { "GetBucketInventoryConfiguration", get_bucket_inventory_configuration, S3_BODY_NONE },
    { "GetBucketLifecycleConfiguration", get_bucket_lifecycle_configuration, S3_BODY_NONE },
    { "GetBucketLogging", get_bucket_logging, S3_BODY_NONE },
    { "GetBucketMetricsConfiguration", get_bucket_metrics_configuration, S3_BODY_NONE },
    { "GetBucketNotificationConfiguration", get_bucket_notification_configuration, S3_BODY_NONE },
    { "GetBucketOwnershipControls", get_bucket_ownership_controls, S3_BODY_NONE },
    { "GetBucketPolicy", get_bucket_policy, S3_BODY_NONE },
    { "GetBucketPolicyStatus", get_bucket_policy_status, S3_BODY_NONE },
    { "GetBucketReplication", get_bucket_replication, S3_BODY_NONE },
    { "GetBucketRequestPayment", get_bucket_request_payment, S3_BODY_NONE },
    { "GetBucketTagging", get_bucket_tagging, S3_BODY_NONE },
    { "GetBucketVersioning", get_bucket_versioning, S3_BODY_NONE },
    { "GetBucketWebsite", get_bucket_website, S3_BODY_NONE },
    { "GetObjectAcl", get_object_acl, S3_BODY_NONE },
    { "GetObjectLegalHold", no_lock_on_object, S3_BODY_NONE },
    { "GetObjectLockConfiguration", get_object_lock_configuration, S3_BODY_NONE },
    { "GetObjectRetention", no_lock_on_object, S3_BODY_NONE },
    { "GetPublicAccessBlock", get_public_access_block, S3_BODY_NONE },
};
const size_t s3_fixed_row_count = sizeof s3_fixed_rows / sizeof s3_fixed_rows[0];
