/* s3/authorize.c - who asks, and may they? On the loop, before the body: S3's clients sign the hash of the body that they will send,
 * or say that they do not, so the signature can be verified at once. */
#include "s3/call.h"
#include "s3/sigv2.h"

#include "aws/arn.h"

#define ARN_MAX       (4u << 10)
#define V2_SKEW_MS    (15 * 60 * 1000)
#define HEX_SHA256    (2 * SHA256_SIZE)

static bool refused(struct s3_call *call, enum s3_error error, struct view text)
{
    call->error = s3_fail(call, error, VIEW_FMT, VIEW_ARG(text));
    return false;
}

static bool refused_plainly(struct s3_call *call, enum s3_error error)
{
    return refused(call, error, view_from_cstr(s3_error_text(error)));
}

static bool set_principal(struct s3_call *call, const struct principal *from)
{
    call->principal = (struct principal){
        .account = arena_copy(call->arena, from->account.len > 0 ? from->account : call->s3->options.account),
        .name = arena_copy(call->arena, from->name),
        .arn = arena_copy(call->arena, from->arn),
        .access_key_id = arena_copy(call->arena, from->access_key_id),
        .admin = from->admin,
    };
    return true;
}

static struct sigv4_message message_of(const struct s3_call *call)
{
    const struct http_request *request = call->request;
    return (struct sigv4_message){ request->method, request->path, request->query, request->authority, request->headers,
                                   request->header_count };
}

static int64_t now_ms(const struct s3_call *call)
{
    return clock_wall_ms(loop_clock(call->s3->options.loop));
}

/* ---- version 4 ---- */

/* Why did signer_find() refuse? S3 has other names for it than the rest of AWS. */
static bool refused_v4(struct s3_call *call, const struct signer *signer, const struct sigv4_refusal *why)
{
    const struct sigv4 *signature = &signer->signature;
    bool query = signature->kind == SIGV4_QUERY;
    enum s3_error malformed = query ? S3_BAD_AUTHORIZATION_QUERY : S3_BAD_AUTHORIZATION;
    switch (why->status) {
    case AWS_UNRECOGNIZED_CLIENT:
        s3_detail(call, "AWSAccessKeyId", arena_copy(call->arena, signature->key_id));
        return refused_plainly(call, signer->credential.secret.len > 0 ? S3_INVALID_TOKEN : S3_INVALID_ACCESS_KEY);
    case AWS_EXPIRED_TOKEN:
        return refused_plainly(call, S3_EXPIRED_TOKEN);
    case AWS_INVALID_SIGNATURE:
        if (signer->credential.secret.len == 0 || !view_is(signature->service, "s3") || signature->region.len == 0)
            return refused(call, malformed, view_from_cstr(why->text));
        if (query && signature->signed_ms <= now_ms(call))
            return refused(call, S3_ACCESS_DENIED, VIEW("Request has expired"));
        return refused_plainly(call, S3_TIME_SKEWED);
    default:
        return refused(call, malformed, view_from_cstr(why->text));
    }
}

/* The hash that is signed: the one declared. The body is held against it when it is there. */
static bool verify_v4(struct s3_call *call, const struct sigv4_message *message, const struct sigv4_rules *rules,
                      const struct signer *signer)
{
    struct sigv4_refusal why;
    uint8_t declared[SHA256_SIZE];
    bool needs_hash = sigv4_needs_body(&signer->signature, rules);
    if (signer->signature.kind == SIGV4_HEADER && signer->signature.content_sha256.len == 0)
        return refused(call, S3_INVALID_REQUEST, VIEW("Missing required header for this request: x-amz-content-sha256"));
    if (needs_hash && !hex_decode(signer->signature.content_sha256, declared, sizeof declared))
        return refused(call, S3_INVALID_ARGUMENT,
                       VIEW("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."));
    if (!sigv4_verify(&signer->signature, message, rules, signer->key, needs_hash ? declared : NULL, &call->s3->work, &why))
        return refused_plainly(call, S3_SIGNATURE_MISMATCH);
    return true;
}

static bool authenticate_v4(struct s3_call *call, const struct sigv4_message *message)
{
    const struct sigv4_rules rules = sigv4_rules(call->s3->service);
    const struct signer_options options = { call->s3->options.credentials, call->s3->keys, &rules, now_ms(call) };
    struct sigv4_refusal why;
    struct signer signer;
    if (!signer_find(&options, message, call->arena, &signer, &why))
        return refused_v4(call, &signer, &why);
    if (!verify_v4(call, message, &rules, &signer))
        return false;
    memcpy(call->payload.seed, signer.signature.signature, SHA256_SIZE);
    memcpy(call->payload.key, signer.key, SHA256_SIZE);
    memcpy(call->payload.timestamp, signer.signature.timestamp, SIGV4_TIMESTAMP_SIZE);
    call->payload.scope = signer.signature.scope;
    call->payload.verify = true;
    call->region = signer.signature.region;
    return set_principal(call, &signer.credential.principal);
}

/* ---- version 2 ---- */

static bool authenticate_v2(struct s3_call *call)
{
    const struct credentials *credentials = call->s3->options.credentials;
    struct credential credential = { 0 };
    struct sigv2 signature;
    int64_t now = now_ms(call);
    if (!sigv2_parse(call->request, call->arena, &signature))
        return refused(call, S3_ACCESS_DENIED, VIEW("The request's signature is malformed."));
    if (!credentials->find_key(credentials->ctx, signature.key_id, &credential)) {
        s3_detail(call, "AWSAccessKeyId", signature.key_id);
        return refused_plainly(call, S3_INVALID_ACCESS_KEY);
    }
    if (!signer_same_token(&credential, signature.session_token))
        return refused_plainly(call, S3_INVALID_TOKEN);
    if (signer_expired(&credential, now))
        return refused_plainly(call, S3_EXPIRED_TOKEN);
    if (signature.query && signature.expires_ms < now)
        return refused(call, S3_ACCESS_DENIED, VIEW("Request has expired"));
    if (!signature.query && (signature.signed_ms < now - V2_SKEW_MS || signature.signed_ms > now + V2_SKEW_MS))
        return refused_plainly(call, S3_TIME_SKEWED);
    if (!sigv2_verify(&signature, call->request, call->virtual_host ? call->bucket : VIEW(""), credential.secret, call->arena))
        return refused_plainly(call, S3_SIGNATURE_MISMATCH);
    return set_principal(call, &credential.principal);
}

/* ---- either, or nobody ---- */

static bool authenticate_nobody(struct s3_call *call, const struct sigv4_message *message)
{
    struct sigv4 signature;
    struct sigv4_refusal why;
    enum sigv4_kind kind = sigv4_kind(message);
    if ((kind == SIGV4_HEADER || kind == SIGV4_QUERY) && sigv4_parse(message, call->arena, &signature, &why) && signature.region.len > 0)
        call->region = signature.region;
    return set_principal(call, call->s3->options.credentials->open);
}

bool s3_authenticate(struct s3_call *call)
{
    const struct sigv4_message message = message_of(call);
    if (call->s3->options.credentials->open != NULL)
        return authenticate_nobody(call, &message);
    switch (sigv4_kind(&message)) {
    case SIGV4_HEADER:
    case SIGV4_QUERY:
        return authenticate_v4(call, &message);
    case SIGV4_OTHER:
        return authenticate_v2(call);
    case SIGV4_ABSENT:
        break;
    }
    if (s3_param(call, "AWSAccessKeyId").ptr != NULL)
        return authenticate_v2(call);
    return refused_plainly(call, S3_ACCESS_DENIED);
}

/* ---- may they? ---- */

/* "{Bucket}/{Key+}" with what the request names. */
static struct view resource_of(struct s3_call *call, const struct operation *operation, struct view bucket, struct view key)
{
    struct buf arn = BUF_INIT(ARN_MAX);
    if (operation->resource.len == 0)
        return VIEW("*");
    arn_append(&arn, VIEW("s3"), VIEW(""), VIEW(""), bucket);
    if (view_is(operation->resource, "{Bucket}/*"))
        buf_append_cstr(&arn, "/*");
    else if (key.len > 0)
        buf_printf(&arn, "/" VIEW_FMT, VIEW_ARG(key));
    struct view out = buf_failed(&arn) ? VIEW("") : arena_copy(call->arena, buf_view(&arn));
    buf_free(&arn);
    return out;
}

static bool allowed(struct s3_call *call, const struct operation *operation, struct view bucket, struct view key)
{
    const struct credentials *credentials = call->s3->options.credentials;
    struct view resource = resource_of(call, operation, bucket, key), message = VIEW("");
    enum aws_status status = credentials->authorize(credentials->ctx, &call->principal, operation, resource, call->arena, &message);
    if (status == AWS_OK)
        return true;
    if (status == AWS_THROTTLING)
        return refused_plainly(call, S3_SLOW_DOWN);
    call->error = s3_fail(call, S3_ACCESS_DENIED,
                       "User: " VIEW_FMT " is not authorized to perform: " VIEW_FMT " on resource: \"" VIEW_FMT
                       "\" because no identity-based policy allows the " VIEW_FMT " action",
                       VIEW_ARG(call->principal.arn), VIEW_ARG(operation->action), VIEW_ARG(resource), VIEW_ARG(operation->action));
    return false;
}

/* "/bucket/key" or "bucket/key", percent-encoded, perhaps with "?versionId=null". */
static bool read_copy_source(struct s3_call *call)
{
    struct view source = s3_header(call, "x-amz-copy-source");
    struct view path = view_split(&source, '?');
    path = view_from(path, view_starts_with(path, VIEW("/")));
    if (!percent_decode(call->arena, path, true, &call->copy_key))
        return refused(call, S3_INVALID_ARGUMENT, VIEW("Copy Source must be a percent-encoded bucket and key."));
    call->copy_bucket = view_split(&call->copy_key, '/');
    if (source.ptr != NULL && !view_is(source, "versionId=null"))
        return refused_plainly(call, S3_NO_VERSION);
    if (!bucket_name_is_valid(call->copy_bucket) || call->copy_key.len == 0)
        return refused(call, S3_INVALID_ARGUMENT, VIEW("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"));
    return true;
}

bool s3_authorize(struct s3_call *call)
{
    const struct operation *operation = call->route->operation;
    bool copies = view_is(operation->name, "CopyObject") || view_is(operation->name, "UploadPartCopy");
    if (copies && !read_copy_source(call))
        return false;
    if (call->s3->options.credentials->authorize == NULL)
        return true;
    return allowed(call, operation, call->bucket, call->key) &&
           (!copies || allowed(call, aws_operation_find(VIEW("GetObject")), call->copy_bucket, call->copy_key));
}
