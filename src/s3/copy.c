/* s3/copy.c - CopyObject and UploadPartCopy: bytes that are here already. */
#include "s3/call.h"
#include "s3/range.h"

#include <stdlib.h>

#define COPY_PIECE (1u << 20)

/* The source's bucket must be the caller's too. */
static enum s3_error open_source(struct s3_call *call)
{
    struct bucket_info info;
    struct view expected = s3_header(call, "x-amz-source-expected-bucket-owner");
    enum object_status status = bucket_get(call->s3->options.objects, call->arena, call->copy_bucket, &info);
    if (status == OBJECT_NO_BUCKET)
        s3_detail(call, "BucketName", call->copy_bucket);
    if (status != OBJECT_OK)
        return s3_fail_object(call, status);
    if (!view_eq(info.account, call->principal.account) || (expected.len > 0 && !view_eq(expected, info.account)))
        return s3_fail(call, S3_ACCESS_DENIED, "%s", s3_error_text(S3_ACCESS_DENIED));
    return S3_OK;
}

/* Copies never answer "not modified": every condition that does not hold is a failed one. */
static enum s3_error check_source(struct s3_call *call, const struct object_info *source)
{
    const struct conditions conditions = {
        .if_match = s3_header(call, "x-amz-copy-source-if-match"),
        .if_none_match = s3_header(call, "x-amz-copy-source-if-none-match"),
        .if_modified_since = s3_header(call, "x-amz-copy-source-if-modified-since"),
        .if_unmodified_since = s3_header(call, "x-amz-copy-source-if-unmodified-since"),
    };
    if (s3_conditions_check(&conditions, source->etag, source->modified_ms) != CONDITION_HOLDS)
        return s3_fail(call, S3_PRECONDITION_FAILED, "%s", s3_error_text(S3_PRECONDITION_FAILED));
    return S3_OK;
}

static enum s3_error fail_source(struct s3_call *call, enum object_status status)
{
    if (status == OBJECT_NO_KEY)
        s3_detail(call, "Key", call->copy_key);
    return s3_fail_object(call, status);
}

static void put_result(struct s3_call *call, const char *root, const struct object_info *info, bool with_type)
{
    struct xml_writer *xml = s3_reply_xml(call, root);
    s3_put_time(xml, "LastModified", info->modified_ms);
    s3_put_etag(xml, info->etag);
    s3_put_checksum(xml, info->checksum, info->checksum_value);
    if (with_type)
        s3_put_checksum_type(xml, info);
    xml_close(xml);
}

static enum s3_error read_directive(struct s3_call *call, const char *name, bool *replace)
{
    struct view directive = s3_header(call, name);
    *replace = view_is(directive, "REPLACE");
    if (directive.len == 0 || *replace || view_is(directive, "COPY"))
        return S3_OK;
    return s3_fail(call, S3_INVALID_ARGUMENT, "Unknown directive in %s.", name);
}

static enum s3_error copy_object(struct s3_call *call)
{
    struct bucket_info bucket;
    struct object_put put;
    struct object_info source = { .size = 0 }, info = { .size = 0 };
    bool replace_metadata = false, replace_tags = false;
    struct objects *objects = call->s3->options.objects;
    enum s3_error error = s3_open_bucket(call, &bucket);
    if (error == S3_OK)
        error = open_source(call);
    if (error == S3_OK)
        error = read_directive(call, "x-amz-metadata-directive", &replace_metadata);
    if (error == S3_OK)
        error = read_directive(call, "x-amz-tagging-directive", &replace_tags);
    if (error == S3_OK)
        error = s3_read_put(call, &put);
    if (error != S3_OK)
        return error;
    bool onto_itself = view_eq(call->bucket, call->copy_bucket) && view_eq(call->key, call->copy_key);
    if (onto_itself && !replace_metadata && !replace_tags)
        return s3_fail(call, S3_INVALID_REQUEST, "This copy request is illegal because it is trying to copy an object to itself without "
                                                 "changing the object's metadata, storage class, website redirect location or "
                                                 "encryption attributes.");
    enum object_status status = object_head(objects, call->arena, call->copy_bucket, call->copy_key, &source);
    if (status != OBJECT_OK)
        return fail_source(call, status);
    error = check_source(call, &source);
    if (error != S3_OK)
        return error;
    status = object_copy(objects, call->arena, call->copy_bucket, call->copy_key, &put, replace_metadata, replace_tags, &info);
    if (status != OBJECT_OK)
        return fail_source(call, status);
    put_result(call, "CopyObjectResult", &info, true);
    return S3_OK;
}

/* ---- a part ---- */

/* "bytes=0-9", and nothing looser. */
static enum s3_error choose_range(struct s3_call *call, uint64_t size, uint64_t *offset, uint64_t *length)
{
    struct view range = s3_header(call, "x-amz-copy-source-range"), end = view_from(range, 6);
    uint64_t first, last;
    *offset = 0;
    *length = size;
    if (range.len == 0)
        return S3_OK;
    struct view begin = view_split(&end, '-');
    if (!view_starts_with(range, VIEW("bytes=")) || !view_to_u64(begin, &first) || !view_to_u64(end, &last) || first > last)
        return s3_fail(call, S3_INVALID_ARGUMENT, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
                                                  "last are the zero-based offsets of the first and last bytes to copy");
    if (last >= size)
        return s3_fail(call, S3_INVALID_ARGUMENT, "Range specified is not valid for source object of size: %llu", (unsigned long long)size);
    *offset = first;
    *length = last - first + 1;
    return S3_OK;
}

static enum object_status copy_bytes(struct object_reader *reader, struct object_writer *writer, uint64_t offset, uint64_t length)
{
    char *piece = malloc(COPY_PIECE);
    enum object_status status = piece != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
    while (status == OBJECT_OK && length > 0) {
        size_t got, want = length < COPY_PIECE ? (size_t)length : COPY_PIECE;
        status = object_read_at(reader, offset, piece, want, &got);
        if (status == OBJECT_OK && got < want)
            status = OBJECT_ERROR;
        if (status == OBJECT_OK)
            status = object_write(writer, view_of(piece, got));
        offset += want;
        length -= want;
    }
    free(piece);
    return status;
}

static enum s3_error write_part(struct s3_call *call, struct object_reader *reader, const struct object_info *source,
                                struct object_info *part)
{
    struct object_writer *writer;
    uint64_t offset, length;
    enum s3_error error = check_source(call, source);
    if (error == S3_OK)
        error = choose_range(call, source->size, &offset, &length);
    if (error == S3_OK && length > OBJECT_PUT_MAX)
        error = s3_fail(call, S3_INVALID_REQUEST, "The specified copy source is larger than the maximum allowable size for a copy source: "
                                                  "%llu", (unsigned long long)OBJECT_PUT_MAX);
    if (error == S3_OK)
        error = s3_part_begin(call, &writer);
    if (error != S3_OK)
        return error;
    enum object_status status = copy_bytes(reader, writer, offset, length);
    if (status != OBJECT_OK) {
        object_write_abort(writer);
        return s3_fail_object(call, status);
    }
    status = object_write_end(writer, call->arena, part);
    return status == OBJECT_OK ? S3_OK : s3_fail_object(call, status);
}

static enum s3_error upload_part_copy(struct s3_call *call)
{
    struct object_reader *reader;
    struct object_info source = { .size = 0 }, part = { .size = 0 };
    enum s3_error error = open_source(call);
    if (error != S3_OK)
        return error;
    enum object_status status =
        object_read_begin(call->s3->options.objects, call->arena, call->copy_bucket, call->copy_key, &source, &reader);
    if (status != OBJECT_OK)
        return fail_source(call, status);
    error = write_part(call, reader, &source, &part);
    object_read_end(reader);
    if (error == S3_OK)
        put_result(call, "CopyPartResult", &part, false);
    return error;
}

const struct s3_handler_row s3_copy_rows[] = {
    { "CopyObject", copy_object, S3_BODY_NONE },
    { "UploadPartCopy", upload_part_copy, S3_BODY_NONE },
};
const size_t s3_copy_row_count = sizeof s3_copy_rows / sizeof s3_copy_rows[0];
