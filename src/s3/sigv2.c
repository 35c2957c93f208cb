#include "s3/sigv2.h"

#include "s3/address.h"

#include "base/checksum.h"
#include "base/clock.h"
#include "base/encode.h"

#include <stdlib.h>

#define TEXT_MAX   (256u << 10)
#define SHA1_BLOCK 64
#define MS_PER_S   1000

/* ---- reading ---- */

static bool read_signature(struct arena *arena, struct view text, struct sigv2 *out)
{
    struct view bytes;
    if (!base64_decode(arena, text, &bytes) || bytes.len != SIGV2_SIZE)
        return false;
    memcpy(out->signature, bytes.ptr, SIGV2_SIZE);
    return true;
}

static bool parse_header(const struct http_request *request, struct view rest, struct arena *arena, struct sigv2 *out)
{
    struct view amz_date = http_header_get(request, "x-amz-date");
    struct view date = amz_date.ptr != NULL ? amz_date : http_header_get(request, "date");
    out->key_id = view_split(&rest, ':');
    out->session_token = http_header_get(request, "x-amz-security-token");
    out->date = amz_date.ptr != NULL ? VIEW("") : date;
    return out->key_id.len > 0 && read_signature(arena, rest, out) &&
           (clock_parse_http(date, &out->signed_ms) || clock_parse_amz(date, &out->signed_ms));
}

static bool decoded(const struct http_request *request, const char *name, struct arena *arena, struct view *out)
{
    struct view raw = s3_query_raw(request->query, view_from_cstr(name));
    return raw.ptr != NULL && percent_decode(arena, raw, true, out);
}

static bool parse_query(const struct http_request *request, struct arena *arena, struct sigv2 *out)
{
    struct view signature, expires;
    uint64_t seconds;
    out->query = true;
    if (!decoded(request, "AWSAccessKeyId", arena, &out->key_id) || !decoded(request, "Expires", arena, &expires) ||
        !view_to_u64(expires, &seconds) || seconds > INT64_MAX / MS_PER_S)
        return false;
    out->date = expires;
    out->expires_ms = (int64_t)seconds * MS_PER_S;
    if (!decoded(request, "x-amz-security-token", arena, &out->session_token))
        out->session_token = VIEW("");
    /* A '+' that a client left as it is belongs to the base64 text. */
    struct view raw = s3_query_raw(request->query, VIEW("Signature"));
    return raw.ptr != NULL && percent_decode(arena, raw, false, &signature) && read_signature(arena, signature, out);
}

bool sigv2_parse(const struct http_request *request, struct arena *arena, struct sigv2 *out)
{
    struct view authorization = http_header_get(request, "authorization");
    *out = (struct sigv2){ 0 };
    if (authorization.len > 0)
        return view_starts_with(authorization, VIEW("AWS ")) && parse_header(request, view_from(authorization, 4), arena, out);
    return parse_query(request, arena, out);
}

/* ---- what is signed ---- */

static int compare_headers(const void *a, const void *b)
{
    return view_compare(((const struct http_header *)a)->name, ((const struct http_header *)b)->name);
}

static bool append_amz_headers(struct buf *out, const struct http_request *request, struct arena *arena)
{
    struct http_header *fields = ARENA_ARRAY(arena, struct http_header, request->header_count + 1);
    size_t count = 0;
    for (size_t i = 0; fields != NULL && i < request->header_count; i++) {
        if (view_starts_with(request->headers[i].name, VIEW("x-amz-")))
            fields[count++] = request->headers[i];
    }
    if (fields == NULL)
        return false;
    qsort(fields, count, sizeof fields[0], compare_headers);
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && view_eq(fields[i].name, fields[i - 1].name);
        if (i > 0)
            buf_append_byte(out, again ? ',' : '\n');
        if (!again) {
            buf_append_view(out, fields[i].name);
            buf_append_byte(out, ':');
        }
        buf_append_view(out, view_trim(fields[i].value));
    }
    return count == 0 || buf_append_byte(out, '\n');
}

static bool is_signed_parameter(struct view name)
{
    static const char *const names[] = {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
        "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control",
        "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type",
        "response-expires", "restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId",
        "versioning", "versions", "website",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (view_is(name, names[i]))
            return true;
    }
    return false;
}

#define PARAMETERS_MAX 48

struct parameter {
    struct view name, value;                                /* value decoded; NULL ptr: only a name */
};

static int compare_parameters(const void *a, const void *b)
{
    return view_compare(((const struct parameter *)a)->name, ((const struct parameter *)b)->name);
}

static bool append_parameters(struct buf *out, struct view query, struct arena *arena)
{
    struct parameter list[PARAMETERS_MAX];
    size_t count = 0;
    while (query.ptr != NULL) {
        struct view value = view_split(&query, '&'), name = view_split(&value, '=');
        if (!is_signed_parameter(name))
            continue;
        if (count == PARAMETERS_MAX || (value.ptr != NULL && !percent_decode(arena, value, true, &value)))
            return false;
        list[count++] = (struct parameter){ name, value };
    }
    qsort(list, count, sizeof list[0], compare_parameters);
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(out, i == 0 ? '?' : '&');
        buf_append_view(out, list[i].name);
        if (list[i].value.ptr != NULL) {
            buf_append_byte(out, '=');
            buf_append_view(out, list[i].value);
        }
    }
    return true;
}

static void hmac_sha1(struct view key, struct view message, uint8_t out[CHECKSUM_SIZE_MAX])
{
    uint8_t pad[SHA1_BLOCK] = { 0 }, digest[CHECKSUM_SIZE_MAX];
    struct checksum sum;
    if (key.len > SHA1_BLOCK) {
        checksum_begin(&sum, CHECKSUM_SHA1);
        checksum_add(&sum, key);
        checksum_end(&sum, digest);
        key = view_of(digest, SIGV2_SIZE);
    }
    if (key.len > 0)
        memcpy(pad, key.ptr, key.len);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    checksum_begin(&sum, CHECKSUM_SHA1);
    checksum_add(&sum, view_of(pad, sizeof pad));
    checksum_add(&sum, message);
    checksum_end(&sum, digest);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    checksum_begin(&sum, CHECKSUM_SHA1);
    checksum_add(&sum, view_of(pad, sizeof pad));
    checksum_add(&sum, view_of(digest, SIGV2_SIZE));
    checksum_end(&sum, out);
    explicit_bzero(pad, sizeof pad);
}

bool sigv2_verify(const struct sigv2 *signature, const struct http_request *request, struct view bucket, struct view secret,
                  struct arena *arena)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    uint8_t expected[CHECKSUM_SIZE_MAX];
    buf_printf(&text, VIEW_FMT "\n" VIEW_FMT "\n" VIEW_FMT "\n" VIEW_FMT "\n", VIEW_ARG(request->method),
               VIEW_ARG(http_header_get(request, "content-md5")), VIEW_ARG(http_header_get(request, "content-type")),
               VIEW_ARG(signature->date));
    bool good = append_amz_headers(&text, request, arena);
    if (bucket.len > 0) {
        buf_append_byte(&text, '/');
        buf_append_view(&text, bucket);
    }
    buf_append_view(&text, request->path);
    good = append_parameters(&text, request->query, arena) && good && !buf_failed(&text);
    if (good) {
        hmac_sha1(secret, buf_view(&text), expected);
        good = equal_constant_time(expected, signature->signature, SIGV2_SIZE);
    }
    buf_free(&text);
    return good;
}
