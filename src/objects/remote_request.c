/* objects/remote_request.c - one request to another S3: signed, sent, tried again, and its error translated. */
#include "objects/remote.h"

#include "aws/sigv4.h"
#include "base/log.h"
#include "net/http_call.h"

#include <ctype.h>
#include <time.h>

#define TRIES             4
#define PAUSE_MS          200                               /* after the first try; doubled with each */
#define CONNECT_TIMEOUT_S 10
#define SILENCE_TIMEOUT_S 120                               /* joining the parts of a large upload may take this long */
#define BODY_MAX          (16u << 20)                       /* of an answer that is no object */

/* ---- making a request ---- */

void remote_query(struct remote_request *request, const char *name, struct view value)
{
    struct buf *query = &request->query;
    if (query->max == 0)
        buf_init(query, 16 << 10);
    if (query->len > 0)
        buf_append_byte(query, '&');
    buf_append_cstr(query, name);
    buf_append_byte(query, '=');
    percent_append(query, value, false);
}

bool remote_header(struct remote_request *request, struct arena *arena, const char *name, struct view value)
{
    if (request->header_count + SIGV4_SIGNED_FIELDS >= request->header_capacity) {
        size_t more = 2 * request->header_capacity + 2 * SIGV4_SIGNED_FIELDS;
        struct http_header *headers = arena_resize(arena, request->headers, request->header_capacity * sizeof *headers,
                                                   more * sizeof *headers);
        if (headers == NULL)
            return false;
        request->headers = headers;
        request->header_capacity = more;
    }
    request->headers[request->header_count++] = (struct http_header){ view_from_cstr(name), value };
    return true;
}

static bool add_tags(struct remote_request *request, struct arena *arena, const struct object_put *put)
{
    struct buf text = BUF_INIT(16 << 10);
    for (size_t i = 0; i < put->tag_count; i++) {
        if (i > 0)
            buf_append_byte(&text, '&');
        percent_append(&text, put->tags[i].name, false);
        buf_append_byte(&text, '=');
        percent_append(&text, put->tags[i].value, false);
    }
    struct view copy = buf_failed(&text) ? view_of(NULL, 0) : arena_copy(arena, buf_view(&text));
    buf_free(&text);
    return put->tag_count == 0 || (copy.ptr != NULL && remote_header(request, arena, "x-amz-tagging", copy));
}

bool remote_describe(struct remote_request *request, struct arena *arena, const struct object_put *put)
{
    bool ok = remote_header(request, arena, "content-type", put->content_type);
    for (size_t i = 0; i < put->field_count && ok; i++) {
        const char *name = arena_cstr(arena, put->fields[i].name);
        ok = name != NULL && remote_header(request, arena, name, put->fields[i].value);
    }
    return ok && add_tags(request, arena, put);
}

/* ---- one try ---- */

struct attempt {
    struct remote_request *request;
    struct remote_reply *reply;
    struct arena *arena;
    struct buf body;
};

static void take_header(void *ctx, struct view name, struct view value)
{
    struct attempt *a = ctx;
    struct remote_reply *reply = a->reply;
    if (reply->header_count < REMOTE_HEADERS_MAX)
        reply->headers[reply->header_count++] = (struct object_field){ arena_copy(a->arena, name), arena_copy(a->arena, value) };
}

static bool take_body(void *ctx, int status, struct view bytes)
{
    struct attempt *a = ctx;
    struct remote_request *request = a->request;
    if (request->into == NULL || status / 100 != 2)
        return buf_append_view(&a->body, bytes);
    if (bytes.len > request->into_size - a->reply->got)
        return false;                                       /* more than was asked for */
    memcpy(request->into + a->reply->got, bytes.ptr, bytes.len);
    a->reply->got += bytes.len;
    return true;
}

/* "https://host:port/base" in its parts; the path is what the message begins with. */
static void split_endpoint(struct view endpoint, struct view *authority, struct view *base)
{
    struct view rest = view_from(endpoint, view_find(endpoint, VIEW("://")) + 3);
    size_t slash = view_find_byte(rest, '/');
    *authority = slash == VIEW_NPOS ? rest : view_first(rest, slash);
    *base = slash == VIEW_NPOS ? VIEW("") : view_from(rest, slash);
    while (base->len > 0 && base->ptr[base->len - 1] == '/')
        base->len--;
}

static struct view make_path(const struct remote_request *request, struct arena *arena, struct view base)
{
    struct buf path = BUF_INIT(16 << 10);
    buf_append_view(&path, base);
    buf_append_byte(&path, '/');
    percent_append(&path, request->remote->remote_bucket, false);
    if (request->key.len > 0) {
        buf_append_byte(&path, '/');
        percent_append(&path, request->key, true);
    }
    struct view copy = buf_failed(&path) ? view_of(NULL, 0) : arena_copy(arena, buf_view(&path));
    buf_free(&path);
    return copy;
}

/* Adds the fields of the signature to the headers; returns how many, 0 when memory is out. */
static size_t sign(const struct remote_request *request, struct arena *arena, struct view authority, struct view path)
{
    const struct object_remote *remote = request->remote;
    const struct sigv4_signer signer = {
        .key_id = remote->access_key,
        .secret = remote->secret_key,
        .region = remote->region,
        .rules = { .service = VIEW("s3"), .allow_unsigned_payload = true },
    };
    const struct sigv4_message message = {
        .method = view_from_cstr(request->method),
        .path = path,
        .query = buf_view(&request->query),
        .authority = authority,
        .headers = request->headers,
        .header_count = request->header_count,
    };
    uint8_t hash[SHA256_SIZE];
    sha256(request->body, hash);
    return sigv4_sign(&signer, &message, request->length > 0 ? request->sha256 : hash, clock_wall_ms(request->objects->clock), arena,
                      request->headers + request->header_count);
}

static bool send_once(struct attempt *a, struct http_call_result *result)
{
    struct remote_request *request = a->request;
    struct view authority, base, query = buf_view(&request->query);
    split_endpoint(request->remote->endpoint, &authority, &base);
    struct view path = make_path(request, a->arena, base), scheme = view_first(request->remote->endpoint, 5);
    size_t fields = path.ptr != NULL && !buf_failed(&request->query) ? sign(request, a->arena, authority, path) : 0;
    const char *url = arena_printf(a->arena, "%s://" VIEW_FMT VIEW_FMT "%s" VIEW_FMT, view_is(scheme, "https") ? "https" : "http",
                                   VIEW_ARG(authority), VIEW_ARG(path), query.len > 0 ? "?" : "", VIEW_ARG(query));
    if (fields == 0 || url == NULL)
        return false;
    const struct http_call call = {
        .method = request->method,
        .url = url,
        .headers = request->headers,
        .header_count = request->header_count + fields,
        .body = request->body,
        .body_fd = request->fd,
        .body_length = request->length,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
        .silence_timeout_s = SILENCE_TIMEOUT_S,
        .on_header = take_header,
        .on_body = take_body,
        .ctx = a,
    };
    http_call(&call, result);
    return true;
}

/* ---- what an answer means ---- */

static const struct {
    const char *code;
    enum object_status status;
} codes[] = {
    { "NoSuchBucket", OBJECT_NO_BUCKET },
    { "NoSuchKey", OBJECT_NO_KEY },
    { "NoSuchUpload", OBJECT_NO_UPLOAD },
    { "BucketNotEmpty", OBJECT_BUCKET_NOT_EMPTY },
    { "KeyTooLongError", OBJECT_BAD_NAME },
    { "BadDigest", OBJECT_BAD_DIGEST },
    { "InvalidDigest", OBJECT_BAD_DIGEST },
    { "XAmzContentSHA256Mismatch", OBJECT_BAD_DIGEST },
    { "XAmzContentChecksumMismatch", OBJECT_BAD_DIGEST },
    { "InvalidPart", OBJECT_BAD_PART },
    { "InvalidPartOrder", OBJECT_BAD_PART },
    { "EntityTooSmall", OBJECT_PART_TOO_SMALL },
    { "EntityTooLarge", OBJECT_TOO_LARGE },
    { "PreconditionFailed", OBJECT_PRECONDITION_FAILED },
    { "ConditionalRequestConflict", OBJECT_BUSY },
    { "OperationAborted", OBJECT_BUSY },
    { "SlowDown", OBJECT_BUSY },
    { "RequestTimeout", OBJECT_BUSY },
};

static enum object_status status_of_answer(int status)
{
    switch (status) {
    case 404:
        return OBJECT_NO_KEY;
    case 412:
        return OBJECT_PRECONDITION_FAILED;
    case 401:
    case 403:
        return OBJECT_DENIED;
    case 408:
    case 409:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return OBJECT_BUSY;
    case 507:
        return OBJECT_NO_SPACE;
    default:
        return OBJECT_ERROR;
    }
}

static enum object_status judge(const struct attempt *a, const struct http_call_result *result)
{
    const struct remote_request *request = a->request;
    const struct xml *error = xml_parse(a->arena, buf_view(&a->body));
    struct view code = error != NULL && view_is(error->name, "Error") ? xml_text(error, "Code") : VIEW("");
    if (result->complete && result->status / 100 == 2 && code.len == 0)
        return OBJECT_OK;
    enum object_status status = !result->complete           ? OBJECT_UNREACHABLE
                                : result->status / 100 == 2 ? OBJECT_BUSY
                                                            : status_of_answer(result->status);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (view_is(code, codes[i].code))
            status = codes[i].status;
    }
    if (status == OBJECT_DENIED || status == OBJECT_UNREACHABLE || status == OBJECT_ERROR)
        log_warn("a remote bucket failed", LOG_VIEW("bucket", request->remote->bucket), LOG_VIEW("endpoint", request->remote->endpoint),
                 LOG_STR("method", request->method), LOG_INT("status", result->status), LOG_VIEW("code", code),
                 LOG_VIEW("reason", code.len > 0 ? xml_text(error, "Message") : view_from_cstr(result->error)));
    return status;
}

static void wait_before(unsigned try)
{
    uint8_t chance = 0;
    random_bytes(&chance, sizeof chance);
    long ms = ((long)PAUSE_MS << (try - 1)) * (192 + chance / 2) / 256;     /* so that many do not come back at once */
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&pause, NULL);
}

/* Whether the same request may be sent again: all of ours may, what they do twice they do once. */
static bool is_worth_another(enum object_status status)
{
    return status == OBJECT_UNREACHABLE || status == OBJECT_BUSY;
}

enum object_status remote_send(struct remote_request *request, struct arena *arena, struct remote_reply *reply)
{
    struct attempt a = { .request = request, .reply = reply, .arena = arena, .body = BUF_INIT(BODY_MAX) };
    enum object_status status = OBJECT_NO_MEMORY;
    bool room = remote_header(request, arena, "accept", VIEW("*/*"));
    for (unsigned try = 0; room && try < TRIES && (try == 0 || is_worth_another(status)); try++) {
        struct http_call_result result;
        if (try > 0)
            wait_before(try);
        *reply = (struct remote_reply){ .status = 0 };
        buf_clear(&a.body);
        if (!send_once(&a, &result)) {
            status = OBJECT_NO_MEMORY;
            break;
        }
        reply->status = result.status;
        status = judge(&a, &result);
    }
    reply->body = status == OBJECT_OK ? arena_copy(arena, buf_view(&a.body)) : VIEW("");
    buf_free(&a.body);
    buf_free(&request->query);
    return status == OBJECT_OK && (reply->body.ptr == NULL || arena_exhausted(arena)) ? OBJECT_NO_MEMORY : status;
}

/* ---- reading an answer ---- */

struct view remote_reply_header(const struct remote_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (view_is(reply->headers[i].name, name))
            return reply->headers[i].value;
    }
    return view_of(NULL, 0);
}

const struct xml *remote_reply_xml(const struct remote_reply *reply, struct arena *arena, const char *root)
{
    const struct xml *xml = xml_parse(arena, reply->body);
    return xml != NULL && view_is(xml->name, root) ? xml : NULL;
}

struct view remote_etag(struct view text)
{
    bool quoted = text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"';
    return quoted ? view_of(text.ptr + 1, text.len - 2) : text;
}
