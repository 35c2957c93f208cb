/* Canonical requests, verification and signing. Parsing is in sigv4_parse.c, the cache of keys in signing_keys.c. */
#include "aws/sigv4.h"

#include <stdio.h>
#include <stdlib.h>

#define CANONICAL_MAX  (512u * 1024)                        /* a head is at most 64 KiB; encoding triples it at worst */
#define QUERY_PAIRS    256
#define SEGMENTS       256
#define HEX_SHA256     (2 * SHA256_SIZE)
#define UNSIGNED       "UNSIGNED-PAYLOAD"
#define SCOPE_END      "aws4_request"

struct sigv4_rules sigv4_rules(const struct service *service)
{
    return (struct sigv4_rules){
        .service = service->signing_name,
        .encode_path_twice = service->encode_path_twice,
        .allow_unsigned_payload = !service->encode_path_twice,
        .skew_seconds = service->skew_seconds,
    };
}

void sigv4_work_init(struct sigv4_work *work)
{
    buf_init(&work->canonical, CANONICAL_MAX);
    buf_init(&work->pairs, CANONICAL_MAX);
}

void sigv4_work_free(struct sigv4_work *work)
{
    buf_free(&work->canonical);
    buf_free(&work->pairs);
}

/* ---- the path ---- */

/* Drops empty and "." segments and lets ".." take its predecessor away; the trailing slash stays. False when there are more
 * segments than any operation or client has. */
static bool append_clean_path(struct buf *out, struct view path)
{
    struct view kept[SEGMENTS];
    size_t count = 0;
    struct view rest = path;
    while (rest.ptr != NULL) {
        struct view segment = view_split(&rest, '/');
        if (segment.len == 0 || view_is(segment, "."))
            continue;
        if (view_is(segment, "..")) {
            count -= count > 0;
            continue;
        }
        if (count == SEGMENTS)
            return false;
        kept[count++] = segment;
    }
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(out, '/');
        percent_append(out, kept[i], false);
    }
    if (count == 0 || path.ptr[path.len - 1] == '/')
        buf_append_byte(out, '/');
    return true;
}

static bool append_path(struct buf *out, struct view path, bool encode_twice)
{
    if (path.len == 0)
        return buf_append_byte(out, '/');
    return encode_twice ? append_clean_path(out, path) : buf_append_view(out, path);
}

/* ---- the query ---- */

struct query_pair {
    size_t name_at, name_len, value_at, value_len;          /* into work->pairs */
};

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One encoding for all ways to write the same text: %7e becomes ~, %3a becomes %3A, + becomes %20. */
static void append_normalised(struct buf *out, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == '%' && text.len - i > 2 && hex_value(text.ptr[i + 1]) >= 0 && hex_value(text.ptr[i + 2]) >= 0) {
            byte = (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
            i += 2;
        } else if (byte == '+') {
            byte = ' ';
        }
        percent_append(out, view_of(&byte, 1), false);
    }
}

static int compare_pairs(const struct buf *texts, const struct query_pair *a, const struct query_pair *b)
{
    const char *base = texts->ptr;
    int order = view_compare(view_of(base + a->name_at, a->name_len), view_of(base + b->name_at, b->name_len));
    if (order != 0)
        return order;
    return view_compare(view_of(base + a->value_at, a->value_len), view_of(base + b->value_at, b->value_len));
}

static bool insert_pair(struct sigv4_work *work, struct query_pair *pairs, size_t *count, struct view pair)
{
    if (*count == QUERY_PAIRS)
        return false;
    struct query_pair new = { .name_at = work->pairs.len };
    struct view rest = pair;
    append_normalised(&work->pairs, view_split(&rest, '='));
    new.name_len = work->pairs.len - new.name_at;
    new.value_at = work->pairs.len;
    append_normalised(&work->pairs, rest);
    new.value_len = work->pairs.len - new.value_at;
    if (buf_failed(&work->pairs))
        return false;
    size_t place = *count;
    while (place > 0 && compare_pairs(&work->pairs, &new, &pairs[place - 1]) < 0) {
        pairs[place] = pairs[place - 1];
        place--;
    }
    pairs[place] = new;
    (*count)++;
    return true;
}

/* A presigned URL signs all of its query but the signature itself. */
static bool append_query(struct sigv4_work *work, struct view query)
{
    struct query_pair pairs[QUERY_PAIRS];
    size_t count = 0;
    buf_clear(&work->pairs);
    while (query.ptr != NULL && query.len > 0) {
        struct view pair = view_split(&query, '&');
        if (pair.len == 0 || view_starts_with(pair, VIEW("X-Amz-Signature=")))
            continue;
        if (!insert_pair(work, pairs, &count, pair))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(&work->canonical, '&');
        buf_append(&work->canonical, work->pairs.ptr + pairs[i].name_at, pairs[i].name_len);
        buf_append_byte(&work->canonical, '=');
        buf_append(&work->canonical, work->pairs.ptr + pairs[i].value_at, pairs[i].value_len);
    }
    return true;
}

/* ---- the headers ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Trimmed, each run of blanks made one space. */
static void append_folded(struct buf *out, struct view value)
{
    value = view_trim(value);
    size_t start = 0;
    for (size_t i = 0; i < value.len; i++) {
        bool plain = !is_blank(value.ptr[i]) || (value.ptr[i] == ' ' && !is_blank(value.ptr[i - 1]));
        if (plain)
            continue;
        buf_append(out, value.ptr + start, i - start);
        if (!is_blank(value.ptr[i - 1]))
            buf_append_byte(out, ' ');
        start = i + 1;
    }
    buf_append_view(out, view_from(value, start));
}

static bool append_header(struct buf *out, const struct sigv4_message *message, struct view name)
{
    bool found = false;
    buf_append_view(out, name);
    buf_append_byte(out, ':');
    for (size_t i = 0; i < message->header_count; i++) {
        if (!view_eq(message->headers[i].name, name))
            continue;
        if (found)
            buf_append_byte(out, ',');
        append_folded(out, message->headers[i].value);
        found = true;
    }
    if (!found && (view_is(name, "host") || view_is(name, ":authority"))) {
        append_folded(out, message->authority);
        found = true;
    }
    buf_append_byte(out, '\n');
    return found;
}

/* ---- the whole ---- */

static bool canonical_request(struct sigv4_work *work, const struct sigv4_message *message, bool encode_twice,
                              struct view signed_headers, struct view payload_hash)
{
    struct buf *out = &work->canonical;
    buf_clear(out);
    buf_append_view(out, message->method);
    buf_append_byte(out, '\n');
    if (!append_path(out, message->path, encode_twice))
        return false;
    buf_append_byte(out, '\n');
    if (!append_query(work, message->query))
        return false;
    buf_append_byte(out, '\n');
    for (struct view rest = signed_headers; rest.ptr != NULL;) {
        if (!append_header(out, message, view_split(&rest, ';')))
            return false;
    }
    buf_append_byte(out, '\n');
    buf_append_view(out, signed_headers);
    buf_append_byte(out, '\n');
    return buf_append_view(out, payload_hash);
}

static bool signature_of(const struct buf *canonical, const char *timestamp, struct view scope, const uint8_t key[SHA256_SIZE],
                         uint8_t out[SHA256_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    char hex[HEX_SHA256];
    char text[512];
    sha256(buf_view(canonical), hash);
    hex_encode(hash, sizeof hash, hex);
    int len = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n" VIEW_FMT "\n%.*s", timestamp, VIEW_ARG(scope), HEX_SHA256, hex);
    if (len < 0 || (size_t)len >= sizeof text)
        return false;
    hmac_sha256(view_of(key, SHA256_SIZE), view_of(text, (size_t)len), out);
    return true;
}

void sigv4_derive_key(struct view secret, struct view date, struct view region, struct view service, uint8_t out[SHA256_SIZE])
{
    char first[4 + 256];
    uint8_t key[SHA256_SIZE];
    secret = view_first(secret, sizeof first - 4);
    memcpy(first, "AWS4", 4);
    if (secret.len > 0)
        memcpy(first + 4, secret.ptr, secret.len);
    hmac_sha256(view_of(first, 4 + secret.len), date, key);
    hmac_sha256(view_of(key, sizeof key), region, key);
    hmac_sha256(view_of(key, sizeof key), service, key);
    hmac_sha256(view_of(key, sizeof key), VIEW(SCOPE_END), out);
    explicit_bzero(first, sizeof first);
    explicit_bzero(key, sizeof key);
}

/* ---- verifying ---- */

static bool refuse(struct sigv4_refusal *why, enum aws_status status, const char *text)
{
    why->status = status;
    snprintf(why->text, sizeof why->text, "%s", text);
    return false;
}

static bool presigned_unsigned(const struct sigv4 *signature, const struct sigv4_rules *rules)
{
    return signature->kind == SIGV4_QUERY && signature->content_sha256.len == 0 && rules->allow_unsigned_payload;
}

bool sigv4_needs_body(const struct sigv4 *signature, const struct sigv4_rules *rules)
{
    if (!rules->allow_unsigned_payload)
        return true;
    return !presigned_unsigned(signature, rules) &&
           (signature->content_sha256.len == 0 || signature->content_sha256.len == HEX_SHA256);
}

/* What stands for the payload in the canonical request: the hash of what was received, or a word the service allows. */
static bool payload_hash(const struct sigv4 *signature, const struct sigv4_rules *rules, const uint8_t *body_sha256,
                         char hex[HEX_SHA256], struct view *out)
{
    if (!sigv4_needs_body(signature, rules)) {
        *out = presigned_unsigned(signature, rules) ? VIEW(UNSIGNED) : signature->content_sha256;
        return true;
    }
    if (body_sha256 == NULL)
        return false;
    hex_encode(body_sha256, SHA256_SIZE, hex);
    *out = view_of(hex, HEX_SHA256);
    return signature->content_sha256.len == 0 || view_eq(signature->content_sha256, *out);
}

bool sigv4_verify(const struct sigv4 *signature, const struct sigv4_message *message, const struct sigv4_rules *rules,
                  const uint8_t signing_key[SHA256_SIZE], const uint8_t *body_sha256, struct sigv4_work *work,
                  struct sigv4_refusal *why)
{
    char hex[HEX_SHA256];
    struct view payload;
    uint8_t expected[SHA256_SIZE];
    if (!payload_hash(signature, rules, body_sha256, hex, &payload))
        return refuse(why, AWS_INVALID_SIGNATURE, "The value of x-amz-content-sha256 is not the hash of the body that was received.");
    if (!canonical_request(work, message, rules->encode_path_twice, signature->signed_headers, payload) ||
        buf_failed(&work->canonical) ||
        !signature_of(&work->canonical, signature->timestamp, signature->scope, signing_key, expected))
        return refuse(why, AWS_INVALID_SIGNATURE, "A header named in SignedHeaders is missing, or the request is too long to sign.");
    if (!equal_constant_time(expected, signature->signature, SHA256_SIZE))
        return refuse(why, AWS_INVALID_SIGNATURE,
                      "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                      "Access Key and signing method. Consult the service documentation for details.");
    return true;
}

/* ---- signing ---- */

static bool is_signed_field(struct view name)
{
    return view_is(name, "content-type") || view_starts_with(name, VIEW("x-amz-"));
}

static int compare_names(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

/* "content-type;host;x-amz-date": sorted, each name once. */
static struct view signed_header_list(const struct sigv4_message *message, struct arena *arena)
{
    struct view *names = ARENA_ARRAY(arena, struct view, message->header_count + 1);
    if (names == NULL)
        return VIEW("");
    size_t count = 0, total = 0;
    names[count++] = VIEW("host");
    for (size_t i = 0; i < message->header_count; i++) {
        if (is_signed_field(message->headers[i].name))
            names[count++] = message->headers[i].name;
    }
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++)
        total += names[i].len + 1;
    char *out = arena_alloc(arena, total);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < count; i++) {
        if (i > 0 && view_eq(names[i], names[i - 1]))
            continue;
        if (len > 0)
            out[len++] = ';';
        memcpy(out + len, names[i].ptr, names[i].len);
        len += names[i].len;
    }
    return view_of(out, len);
}

static size_t add_field(struct http_header *fields, size_t count, const char *name, struct view value)
{
    fields[count] = (struct http_header){ view_from_cstr(name), value };
    return count + 1;
}

/* The fields that are signed along; the authorization comes when they stand. */
static size_t add_signed_fields(const struct sigv4_signer *signer, const char *timestamp, struct view hash, struct arena *arena,
                                struct http_header *out)
{
    size_t count = add_field(out, 0, "x-amz-date", arena_copy(arena, view_from_cstr(timestamp)));
    if (signer->session_token.len > 0)
        count = add_field(out, count, "x-amz-security-token", signer->session_token);
    if (signer->rules.allow_unsigned_payload)
        count = add_field(out, count, "x-amz-content-sha256", arena_copy(arena, hash));
    return count;
}

size_t sigv4_sign(const struct sigv4_signer *signer, const struct sigv4_message *message, const uint8_t *body_sha256,
                  int64_t now_ms, struct arena *arena, struct http_header out[SIGV4_SIGNED_FIELDS])
{
    char timestamp[CLOCK_ISO_SIZE], hex[HEX_SHA256];
    clock_format_amz(now_ms, timestamp);
    if (body_sha256 != NULL)
        hex_encode(body_sha256, SHA256_SIZE, hex);
    struct view hash = body_sha256 != NULL ? view_of(hex, sizeof hex) : VIEW(UNSIGNED);

    struct http_header *fields = ARENA_ARRAY(arena, struct http_header, message->header_count + SIGV4_SIGNED_FIELDS);
    if (fields == NULL)
        return 0;
    size_t count = add_signed_fields(signer, timestamp, hash, arena, out);
    if (message->header_count > 0)
        memcpy(fields, message->headers, message->header_count * sizeof fields[0]);
    memcpy(fields + message->header_count, out, count * sizeof fields[0]);
    struct sigv4_message whole = *message;
    whole.headers = fields;
    whole.header_count += count;

    struct view date = view_first(view_from_cstr(timestamp), 8);
    struct view names = signed_header_list(&whole, arena);
    char *scope = arena_printf(arena, VIEW_FMT "/" VIEW_FMT "/" VIEW_FMT "/" SCOPE_END, VIEW_ARG(date), VIEW_ARG(signer->region),
                               VIEW_ARG(signer->rules.service));
    uint8_t key[SHA256_SIZE], signature[SHA256_SIZE];
    struct sigv4_work work;
    sigv4_work_init(&work);
    sigv4_derive_key(signer->secret, date, signer->region, signer->rules.service, key);
    bool made = scope != NULL && names.len > 0 &&
                canonical_request(&work, &whole, signer->rules.encode_path_twice, names, hash) && !buf_failed(&work.canonical) &&
                signature_of(&work.canonical, timestamp, view_from_cstr(scope), key, signature);
    explicit_bzero(key, sizeof key);
    sigv4_work_free(&work);
    if (!made)
        return 0;
    hex_encode(signature, sizeof signature, hex);
    const char *authorization =
        arena_printf(arena, "AWS4-HMAC-SHA256 Credential=" VIEW_FMT "/%s, SignedHeaders=" VIEW_FMT ", Signature=%.*s",
                     VIEW_ARG(signer->key_id), scope, VIEW_ARG(names), HEX_SHA256, hex);
    count = add_field(out, count, "authorization", view_from_cstr(authorization));
    return arena_exhausted(arena) ? 0 : count;
}
