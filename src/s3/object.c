/* s3/object.c - one object: put, given out, looked at, deleted. */
#include "s3/call.h"
#include "s3/range.h"

/* ---- in ---- */

/* PutObject: the answer has no body, since clients take any for an error. */
static enum s3_error put_object(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_put put;
    struct object_writer *writer;
    struct object_info info;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = s3_read_put(call, &put);
    if (error != S3_OK)
        return error;
    enum object_status status = object_write_begin(call->s3->options.objects, &put, &writer);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    error = s3_payload_write(call, writer, &info);
    if (error != S3_OK)
        return error;
    s3_reply_etag(call, "ETag", info.etag);
    s3_reply_checksum(call, &info);
    return S3_OK;
}

static enum s3_error check_version(struct s3_call *call)
{
    struct view version = s3_param(call, "versionId");
    if (version.ptr == NULL || view_is(version, "null"))
        return S3_OK;
    return s3_fail(call, S3_NO_VERSION, "%s", s3_error_text(S3_NO_VERSION));
}

static enum s3_error delete_object(struct s3_call *call)
{
    struct bucket_info bucket;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = check_version(call);
    if (error == S3_OK && s3_header(call, "if-match").len > 0)
        error = s3_fail(call, S3_NOT_IMPLEMENTED, "The header if-match of DeleteObject is not implemented by this server.");
    if (error != S3_OK)
        return error;
    enum object_status status = object_delete(call->s3->options.objects, call->bucket, call->key);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

/* ---- out ---- */

/* response-content-type and its kin override what was put; only a caller who is known may ask for it. */
static struct view overridden(struct s3_call *call, const char *parameter, struct view value)
{
    struct view instead = s3_param(call, parameter);
    return instead.len > 0 ? instead : value;
}

static struct view field_of(const struct object_info *info, const char *name)
{
    for (size_t i = 0; i < info->field_count; i++) {
        if (view_is(info->fields[i].name, name))
            return info->fields[i].value;
    }
    return VIEW("");
}

static void reply_fields(struct s3_call *call, const struct object_info *info)
{
    static const struct {
        const char *parameter, *field, *header;
    } fields[] = {
        { "response-cache-control", "cache-control", "Cache-Control" },
        { "response-content-disposition", "content-disposition", "Content-Disposition" },
        { "response-content-encoding", "content-encoding", "Content-Encoding" },
        { "response-content-language", "content-language", "Content-Language" },
        { "response-expires", "expires", "Expires" },
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct view value = overridden(call, fields[i].parameter, field_of(info, fields[i].field));
        if (value.len > 0)
            s3_reply_header(call, fields[i].header, value);
    }
    for (size_t i = 0; i < info->field_count; i++) {
        if (view_starts_with(info->fields[i].name, VIEW("x-amz-")))
            s3_reply_header(call, arena_cstr(call->arena, info->fields[i].name), info->fields[i].value);
    }
}

static void reply_description(struct s3_call *call, const struct object_info *info)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_http(info->modified_ms, text);
    s3_reply_header(call, "Last-Modified", arena_copy(call->arena, view_from_cstr(text)));
    s3_reply_etag(call, "ETag", info->etag);
    s3_reply_header(call, "Accept-Ranges", VIEW("bytes"));
    s3_reply_header(call, "Content-Type", overridden(call, "response-content-type", info->content_type));
    reply_fields(call, info);
    if (info->tag_count > 0)
        s3_reply_header(call, "x-amz-tagging-count", view_from_cstr(arena_printf(call->arena, "%zu", info->tag_count)));
}

static enum s3_error check_conditions(struct s3_call *call, const struct object_info *info)
{
    const struct conditions conditions = {
        .if_match = s3_header(call, "if-match"),
        .if_none_match = s3_header(call, "if-none-match"),
        .if_modified_since = s3_header(call, "if-modified-since"),
        .if_unmodified_since = s3_header(call, "if-unmodified-since"),
    };
    switch (s3_conditions_check(&conditions, info->etag, info->modified_ms)) {
    case CONDITION_FAILED:
        return s3_fail(call, S3_PRECONDITION_FAILED, "%s", s3_error_text(S3_PRECONDITION_FAILED));
    case CONDITION_NOT_MODIFIED:
        return S3_NOT_MODIFIED;
    case CONDITION_HOLDS:
        break;
    }
    return S3_OK;
}

/* partNumber=1 of an object that was put whole is all of it; the parts of others are not kept apart. */
static enum s3_error check_part(struct s3_call *call, const struct object_info *info)
{
    struct view part = s3_param(call, "partNumber");
    if (part.ptr == NULL)
        return S3_OK;
    if (info->part_count > 1)
        return s3_fail(call, S3_NOT_IMPLEMENTED, "partNumber is not implemented for objects that were uploaded in parts: use Range.");
    if (!view_is(part, "1"))
        return s3_fail(call, S3_INVALID_RANGE, "The requested partnumber is not satisfiable");
    call->status = 206;
    return S3_OK;
}

static enum s3_error choose_range(struct s3_call *call, const struct object_info *info)
{
    call->length = info->size;
    switch (s3_range_parse(s3_header(call, "range"), info->size, &call->offset, &call->length)) {
    case RANGE_UNSATISFIABLE:
        s3_detail(call, "ActualObjectSize", view_from_cstr(arena_printf(call->arena, "%llu", (unsigned long long)info->size)));
        return s3_fail(call, S3_INVALID_RANGE, "%s", s3_error_text(S3_INVALID_RANGE));
    case RANGE_PART:
        call->status = 206;
        s3_reply_header(call, "Content-Range",
                     view_from_cstr(arena_printf(call->arena, "bytes %llu-%llu/%llu", (unsigned long long)call->offset,
                                                 (unsigned long long)(call->offset + call->length - 1), (unsigned long long)info->size)));
        return S3_OK;
    case RANGE_WHOLE:
        break;
    }
    if (view_is(s3_header(call, "x-amz-checksum-mode"), "ENABLED"))
        s3_reply_checksum(call, info);
    return S3_OK;
}

/* What GET and HEAD have in common. The description goes along with "not modified" too. */
static enum s3_error describe(struct s3_call *call, const struct object_info *info)
{
    enum s3_error error = check_version(call);
    if (error != S3_OK)
        return error;
    reply_description(call, info);
    error = check_conditions(call, info);
    if (error == S3_OK)
        error = check_part(call, info);
    return error == S3_OK ? choose_range(call, info) : error;
}

/* What can fail has failed before the answer begins, but for what changes while it goes out. */
static enum s3_error stream(struct s3_call *call, struct object_reader *reader)
{
    call->reader = reader;
    enum object_status status = call->length > 0 ? s3_stream_read(call) : OBJECT_OK;
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

static enum s3_error get_object(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_info info;
    struct object_reader *reader;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    enum object_status status =
        object_read_begin(call->s3->options.objects, call->arena, call->bucket, call->key, &info, &reader);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    error = describe(call, &info);
    if (error == S3_OK && bucket.place == BUCKET_REMOTE)
        return stream(call, reader);
    if (error == S3_OK && (call->file = object_reader_fd(reader)) < 0)
        error = s3_fail(call, S3_SLOW_DOWN, "%s", s3_error_text(S3_SLOW_DOWN));
    object_read_end(reader);
    return error;
}

static enum s3_error head_object(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_info info;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error != S3_OK)
        return error;
    enum object_status status = object_head(call->s3->options.objects, call->arena, call->bucket, call->key, &info);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    call->headless = true;
    return describe(call, &info);
}

const struct s3_handler_row s3_object_rows[] = {
    { "PutObject", put_object, S3_BODY_OBJECT },
    { "GetObject", get_object, S3_BODY_NONE },
    { "HeadObject", head_object, S3_BODY_NONE },
    { "DeleteObject", delete_object, S3_BODY_NONE },
};
const size_t s3_object_row_count = sizeof s3_object_rows / sizeof s3_object_rows[0];
