/* s3/request.c - what a request says in its query and its headers. */
#include "s3/call.h"

#define PARAMS_MAX    64
#define METADATA_MAX  2048                                  /* bytes of names and values, as S3 has it */
#define FIELDS_MAX    64
#define TAGS_MAX      10
#define TAG_KEY_MAX   128                                   /* characters; bytes are allowed four times as many */
#define TAG_VALUE_MAX 256
#define META_PREFIX   "x-amz-meta-"

/* ---- the query ---- */

bool s3_params_read(struct s3_call *call)
{
    struct view rest = call->request->query;
    call->params = ARENA_ARRAY(call->arena, struct http_header, PARAMS_MAX);
    while (rest.len > 0 && call->params != NULL) {
        struct view value = view_split(&rest, '&'), name = view_split(&value, '=');
        struct http_header *to = &call->params[call->param_count];
        if (name.len == 0)
            continue;
        if (call->param_count == PARAMS_MAX || !percent_decode(call->arena, name, true, &to->name) ||
            !percent_decode(call->arena, value.ptr != NULL ? value : VIEW(""), true, &to->value)) {
            call->error = s3_fail(call, S3_INVALID_URI, "%s", s3_error_text(S3_INVALID_URI));
            return false;
        }
        call->param_count++;
    }
    return true;
}

struct view s3_param(const struct s3_call *call, const char *name)
{
    for (size_t i = 0; i < call->param_count; i++) {
        if (view_is(call->params[i].name, name))
            return call->params[i].value.ptr != NULL ? call->params[i].value : VIEW("");
    }
    return (struct view){ NULL, 0 };
}

enum s3_error s3_param_number(struct s3_call *call, const char *name, uint64_t max, uint64_t *number)
{
    struct view text = s3_param(call, name);
    uint64_t value;
    if (text.len == 0)
        return S3_OK;
    if (!view_to_u64(text, &value) || value > INT32_MAX) {
        s3_detail(call, "ArgumentName", view_from_cstr(name));
        s3_detail(call, "ArgumentValue", text);
        return s3_fail(call, S3_INVALID_ARGUMENT, "Provided %s not an integer or within integer range", name);
    }
    *number = value < max ? value : max;
    return S3_OK;
}

struct view s3_header(const struct s3_call *call, const char *lower_case_name)
{
    return http_header_get(call->request, lower_case_name);
}

struct view s3_unquoted(struct view etag)
{
    etag = view_trim(etag);
    if (view_starts_with(etag, VIEW("W/")))
        etag = view_from(etag, 2);
    if (etag.len >= 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"')
        etag = view_of(etag.ptr + 1, etag.len - 2);
    return etag;
}

/* ---- checksums ---- */

static const struct {
    const char *algorithm, *header;
} checksums[] = {
    [OBJECT_CRC32] = { "CRC32", "x-amz-checksum-crc32" },       [OBJECT_CRC32C] = { "CRC32C", "x-amz-checksum-crc32c" },
    [OBJECT_CRC64NVME] = { "CRC64NVME", "x-amz-checksum-crc64nvme" }, [OBJECT_SHA1] = { "SHA1", "x-amz-checksum-sha1" },
    [OBJECT_SHA256] = { "SHA256", "x-amz-checksum-sha256" },
};

#define CHECKSUMS (sizeof checksums / sizeof checksums[0])

enum object_checksum s3_checksum_of(struct view algorithm)
{
    for (size_t i = OBJECT_CRC32; i < CHECKSUMS; i++) {
        if (view_eq_nocase(algorithm, view_from_cstr(checksums[i].algorithm)))
            return (enum object_checksum)i;
    }
    return OBJECT_CHECKSUM_NONE;
}

const char *s3_checksum_algorithm(enum object_checksum checksum)
{
    return checksums[checksum].algorithm;
}

const char *s3_checksum_header(enum object_checksum checksum)
{
    return checksums[checksum].header;
}

static enum object_checksum checksum_of_header(struct view name)
{
    for (size_t i = OBJECT_CRC32; i < CHECKSUMS; i++) {
        if (view_eq_nocase(name, view_from_cstr(checksums[i].header)))
            return (enum object_checksum)i;
    }
    return OBJECT_CHECKSUM_NONE;
}

/* One that this server does not compute is refused: it would go unverified. */
static enum s3_error unknown_checksum(struct s3_call *call, struct view name)
{
    return s3_fail(call, S3_NOT_IMPLEMENTED, "The checksum algorithm " VIEW_FMT " is not implemented by this server.", VIEW_ARG(name));
}

enum s3_error s3_checksum_given(struct s3_call *call, enum object_checksum *checksum, struct view *value)
{
    *checksum = OBJECT_CHECKSUM_NONE;
    for (size_t i = 0; i < call->request->header_count; i++) {
        const struct http_header *field = &call->request->headers[i];
        if (!view_starts_with(field->name, VIEW("x-amz-checksum-")) || view_is(field->name, "x-amz-checksum-mode") ||
            view_is(field->name, "x-amz-checksum-type") || view_is(field->name, "x-amz-checksum-algorithm"))
            continue;
        if (*checksum != OBJECT_CHECKSUM_NONE)
            return s3_fail(call, S3_INVALID_REQUEST, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
        *checksum = checksum_of_header(field->name);
        *value = field->value;
        if (*checksum == OBJECT_CHECKSUM_NONE)
            return unknown_checksum(call, view_from(field->name, sizeof "x-amz-checksum-" - 1));
    }
    return S3_OK;
}

/* Which checksum to keep: the one given, announced for the end, or named as the one to use. */
static enum s3_error read_checksum(struct s3_call *call, struct object_put *put)
{
    static const char *const names[] = { "x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm" };
    struct view value;
    enum s3_error error = s3_checksum_given(call, &put->checksum, &value);
    if (error == S3_OK && put->checksum == OBJECT_CHECKSUM_NONE && call->payload.trailer.len > 0) {
        put->checksum = checksum_of_header(call->payload.trailer);
        if (put->checksum == OBJECT_CHECKSUM_NONE)
            return unknown_checksum(call, call->payload.trailer);
    }
    for (size_t i = 0; error == S3_OK && i < sizeof names / sizeof names[0]; i++) {
        struct view name = s3_header(call, names[i]);
        if (name.len == 0 || put->checksum != OBJECT_CHECKSUM_NONE)
            continue;
        put->checksum = s3_checksum_of(name);
        if (put->checksum == OBJECT_CHECKSUM_NONE)
            return unknown_checksum(call, name);
    }
    put->checksum_of_whole = view_eq_nocase(s3_header(call, "x-amz-checksum-type"), VIEW("FULL_OBJECT"));
    return error;
}

/* ---- tags ---- */

static size_t characters(struct view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return count;
}

enum s3_error s3_check_tags(struct s3_call *call, const struct object_field *tags, size_t count)
{
    if (count > TAGS_MAX)
        return s3_fail(call, S3_INVALID_REQUEST, "Object tags cannot be greater than %d", TAGS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (tags[i].name.len == 0 || characters(tags[i].name) > TAG_KEY_MAX)
            return s3_fail(call, S3_INVALID_TAG, "The TagKey you have provided is invalid");
        if (characters(tags[i].value) > TAG_VALUE_MAX)
            return s3_fail(call, S3_INVALID_TAG, "The TagValue you have provided is invalid");
        for (size_t j = 0; j < i; j++) {
            if (view_eq(tags[i].name, tags[j].name))
                return s3_fail(call, S3_INVALID_TAG, "Cannot provide multiple Tags with the same key");
        }
    }
    return S3_OK;
}

enum s3_error s3_read_tags_header(struct s3_call *call, struct object_put *put)
{
    struct view rest = s3_header(call, "x-amz-tagging");
    struct object_field *tags = ARENA_ARRAY(call->arena, struct object_field, TAGS_MAX + 1);
    size_t count = 0;
    while (rest.len > 0 && tags != NULL && count <= TAGS_MAX) {
        struct view value = view_split(&rest, '&'), name = view_split(&value, '=');
        if (!percent_decode(call->arena, name, true, &tags[count].name) ||
            !percent_decode(call->arena, value.ptr != NULL ? value : VIEW(""), true, &tags[count].value))
            return s3_fail(call, S3_INVALID_ARGUMENT,
                           "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
                           "duplicates.");
        count++;
    }
    put->tags = tags;
    put->tag_count = count;
    return s3_check_tags(call, tags, count);
}

/* ---- metadata ---- */

/* aws-chunked is the way that the bytes came, not what they are. */
static struct view content_encoding(struct s3_call *call, struct view value)
{
    char *out = arena_bytes(call->arena, value.len + 1);
    size_t len = 0;
    while (value.ptr != NULL && out != NULL) {
        struct view coding = view_trim(view_split(&value, ','));
        if (coding.len == 0 || view_eq_nocase(coding, VIEW("aws-chunked")))
            continue;
        if (len > 0)
            out[len++] = ',';
        memcpy(out + len, coding.ptr, coding.len);
        len += coding.len;
    }
    return view_of(out, len);
}

static bool is_kept(struct view name)
{
    static const char *const names[] = { "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
                                         "x-amz-website-redirect-location" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (view_is(name, names[i]))
            return true;
    }
    return view_starts_with(name, VIEW(META_PREFIX));
}

static enum s3_error read_fields(struct s3_call *call, struct object_put *put)
{
    struct object_field *fields = ARENA_ARRAY(call->arena, struct object_field, FIELDS_MAX);
    size_t count = 0, bytes = 0;
    for (size_t i = 0; fields != NULL && i < call->request->header_count; i++) {
        struct http_header field = call->request->headers[i];
        if (!is_kept(field.name))
            continue;
        if (view_is(field.name, "content-encoding") && (field.value = content_encoding(call, field.value)).len == 0)
            continue;
        if (view_starts_with(field.name, VIEW(META_PREFIX)))
            bytes += field.name.len - (sizeof META_PREFIX - 1) + field.value.len;
        if (count == FIELDS_MAX || bytes > METADATA_MAX)
            return s3_fail(call, S3_METADATA_TOO_LARGE, "%s", s3_error_text(S3_METADATA_TOO_LARGE));
        fields[count++] = (struct object_field){ field.name, field.value };
    }
    put->fields = fields;
    put->field_count = count;
    put->content_type = s3_header(call, "content-type");
    return S3_OK;
}

/* What would be a lie if it were ignored. */
static enum s3_error refuse_promises(struct s3_call *call)
{
    static const char *const names[] = {
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-object-lock-legal-hold",
        "x-amz-write-offset-bytes",
    };
    struct view acl = s3_header(call, "x-amz-acl");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (s3_header(call, names[i]).len > 0)
            return s3_fail(call, S3_NOT_IMPLEMENTED, "The header %s is not implemented by this server.", names[i]);
    }
    if (acl.len > 0 && !view_is(acl, "private") && !view_is(acl, "bucket-owner-full-control"))
        return s3_fail(call, S3_ACL_NOT_SUPPORTED, "%s", s3_error_text(S3_ACL_NOT_SUPPORTED));
    for (size_t i = 0; i < call->request->header_count; i++) {
        if (view_starts_with(call->request->headers[i].name, VIEW("x-amz-grant-")))
            return s3_fail(call, S3_ACL_NOT_SUPPORTED, "%s", s3_error_text(S3_ACL_NOT_SUPPORTED));
    }
    return S3_OK;
}

enum s3_error s3_read_put(struct s3_call *call, struct object_put *put)
{
    *put = (struct object_put){
        .bucket = call->bucket,
        .key = call->key,
        .condition.if_match = s3_unquoted(s3_header(call, "if-match")),
        .condition.if_none_match = s3_unquoted(s3_header(call, "if-none-match")),
    };
    enum s3_error error = refuse_promises(call);
    if (error == S3_OK)
        error = read_checksum(call, put);
    if (error == S3_OK)
        error = read_fields(call, put);
    return error == S3_OK ? s3_read_tags_header(call, put) : error;
}

/* ---- the bucket ---- */

enum s3_error s3_open_bucket(struct s3_call *call, struct bucket_info *info)
{
    struct view expected = s3_header(call, "x-amz-expected-bucket-owner");
    enum object_status status = bucket_get(call->s3->options.objects, call->arena, call->bucket, info);
    if (status == OBJECT_NO_BUCKET)
        s3_detail(call, "BucketName", call->bucket);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    if (!view_eq(info->account, call->principal.account) || (expected.len > 0 && !view_eq(expected, info->account)))
        return s3_fail(call, S3_ACCESS_DENIED, "%s", s3_error_text(S3_ACCESS_DENIED));
    return S3_OK;
}
