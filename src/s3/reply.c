/* s3/reply.c - answers: headers, XML, errors; and how they are sent. */
#include "s3/call.h"

#define SERVER_NAME "craton"

enum s3_error s3_fail(struct s3_call *call, enum s3_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    call->message = view_from_cstr(arena_vprintf(call->arena, format, args));
    va_end(args);
    return error;
}

enum s3_error s3_fail_object(struct s3_call *call, enum object_status status)
{
    enum s3_error error = s3_error_of(status);
    bool own_words = status == OBJECT_READ_ONLY || status == OBJECT_NO_SPACE || status == OBJECT_UNREACHABLE;
    if (status == OBJECT_NO_KEY)
        s3_detail(call, "Key", call->key);
    if (status == OBJECT_NO_BUCKET && call->detail_count == 0)
        s3_detail(call, "BucketName", call->bucket);
    return s3_fail(call, error, "%s", own_words ? object_status_text(status) : s3_error_text(error));
}

void s3_detail(struct s3_call *call, const char *name, struct view value)
{
    if (call->detail_count < sizeof call->details / sizeof call->details[0])
        call->details[call->detail_count++] = (struct http_header){ view_from_cstr(name), value };
}

void s3_reply_header(struct s3_call *call, const char *name, struct view value)
{
    if (call->header_count < REPLY_HEADERS)
        call->headers[call->header_count++] = (struct http_header){ view_from_cstr(name), value };
}

void s3_reply_etag(struct s3_call *call, const char *name, struct view etag)
{
    s3_reply_header(call, name, view_from_cstr(arena_printf(call->arena, "\"" VIEW_FMT "\"", VIEW_ARG(etag))));
}

/* "…-3": made of the checksums of three parts. */
static const char *checksum_type_name(const struct object_info *info)
{
    return view_find_byte(info->checksum_value, '-') != VIEW_NPOS ? "COMPOSITE" : "FULL_OBJECT";
}

void s3_reply_checksum(struct s3_call *call, const struct object_info *info)
{
    if (info->checksum == OBJECT_CHECKSUM_NONE || info->checksum_value.len == 0)
        return;
    s3_reply_header(call, s3_checksum_header(info->checksum), info->checksum_value);
    s3_reply_header(call, "x-amz-checksum-type", view_from_cstr(checksum_type_name(info)));
}

/* ---- XML ---- */

struct xml_writer *s3_reply_xml(struct s3_call *call, const char *root)
{
    xml_writer_init(&call->xml, &call->reply, root, S3_NAMESPACE);
    return &call->xml;
}

/* Keys may hold what XML cannot. */
void s3_put_key(struct xml_writer *xml, const char *name, struct view key, bool encode)
{
    if (!encode) {
        xml_put(xml, name, key);
        return;
    }
    xml_open(xml, name);
    percent_append(xml->out, key, true);
    xml_close(xml);
}

void s3_put_etag(struct xml_writer *xml, struct view etag)
{
    buf_printf(xml->out, "<ETag>&quot;" VIEW_FMT "&quot;</ETag>", VIEW_ARG(etag));
}

void s3_put_time(struct xml_writer *xml, const char *name, int64_t when_ms)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(when_ms, true, text);
    xml_put_cstr(xml, name, text);
}

void s3_put_checksum(struct xml_writer *xml, enum object_checksum checksum, struct view value)
{
    static const char *const names[] = { "", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256" };
    if (checksum != OBJECT_CHECKSUM_NONE && value.len > 0)
        xml_put(xml, names[checksum], value);
}

void s3_put_checksum_type(struct xml_writer *xml, const struct object_info *info)
{
    if (info->checksum_value.len > 0)
        xml_put_cstr(xml, "ChecksumType", checksum_type_name(info));
}

void s3_error_write(struct buf *out, const char *code, struct view message, const struct s3_call *call, struct view request_id)
{
    struct xml_writer xml;
    xml_writer_init(&xml, out, "Error", NULL);
    xml_put_cstr(&xml, "Code", code);
    xml_put(&xml, "Message", message);
    for (size_t i = 0; call != NULL && i < call->detail_count; i++)
        xml_put(&xml, call->details[i].name.ptr, call->details[i].value);
    if (call != NULL)
        xml_put(&xml, "Resource", call->request->path);
    xml_put(&xml, "RequestId", request_id);
    xml_put(&xml, "HostId", request_id);
    xml_close(&xml);
}

/* ---- sending ---- */

/* What a handler has begun to say is taken back. */
static void prepare_error(struct s3_call *call)
{
    bool bare = call->error == S3_NOT_MODIFIED || view_is(call->request->method, "HEAD");
    buf_clear(&call->reply);
    call->status = s3_error_status(call->error);
    if (bare)
        return;
    call->header_count = 0;
    s3_reply_header(call, "Content-Type", VIEW("application/xml"));
    if (call->status == 503)
        s3_reply_header(call, "Retry-After", VIEW("1"));
    s3_error_write(&call->reply, s3_error_code(call->error),
                call->message.ptr != NULL ? call->message : view_from_cstr(s3_error_text(call->error)), call,
                view_of(call->request_id, REQUEST_ID_LEN));
}

static void prepare(struct s3_call *call)
{
    if (call->error == S3_OK && call->xml.out != NULL && xml_writer_failed(&call->xml))
        call->error = s3_fail(call, S3_INTERNAL, "%s", s3_error_text(S3_INTERNAL));
    if (call->error != S3_OK) {
        prepare_error(call);
        return;
    }
    if (call->status == 0)
        call->status = call->route->operation->status;
    if (call->xml.out != NULL)
        s3_reply_header(call, "Content-Type", VIEW("application/xml"));
}

void s3_reply_send(struct s3_call *call)
{
    if (call->answered || http_gone(call->ex))
        return;
    call->answered = true;
    prepare(call);
    s3_reply_header(call, "x-amz-request-id", view_of(call->request_id, REQUEST_ID_LEN));
    s3_reply_header(call, "x-amz-id-2", view_of(call->request_id, REQUEST_ID_LEN));
    s3_reply_header(call, "Server", VIEW(SERVER_NAME));
    const struct http_response response = { .status = call->status, .headers = call->headers, .header_count = call->header_count };
    if (call->error == S3_OK && (call->file >= 0 || call->headless)) {
        call->response_bytes = call->headless ? 0 : call->length;
        http_respond_file(call->ex, &response, call->file, call->offset, call->length);
        call->file = -1;
        return;
    }
    if (call->error == S3_OK && call->reader != NULL) {
        call->response_bytes = call->length;
        s3_stream_start(call, &response);
        return;
    }
    call->response_bytes = call->reply.len;
    http_respond(call->ex, &response, &call->reply);
}
