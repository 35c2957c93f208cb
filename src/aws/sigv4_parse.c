/* Reading signatures: the Authorization header and the query of a presigned URL, and the checks that need no key. */
#include "aws/sigv4.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>

#define ALGORITHM    "AWS4-HMAC-SHA256"
#define SCOPE_MAX    256                                    /* of the credential: key id and scope */
#define SIGNED_MAX   4096                                   /* of the list of signed headers */
#define EXPIRES_MAX  604800                                 /* of a presigned URL: seven days */
#define MS_PER_S     1000

__attribute__((format(printf, 3, 4)))
static bool refuse(struct sigv4_refusal *why, enum aws_status status, const char *format, ...)
{
    va_list args;
    why->status = status;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return false;
}

static struct view header_of(const struct sigv4_message *message, const char *name)
{
    for (size_t i = 0; i < message->header_count; i++) {
        if (view_is(message->headers[i].name, name))
            return message->headers[i].value;
    }
    return (struct view){ NULL, 0 };
}

/* The raw value of a query parameter; NULL ptr when it is absent. */
static struct view query_of(struct view query, struct view name)
{
    while (query.ptr != NULL) {
        struct view value = view_split(&query, '&');
        if (view_eq(view_split(&value, '='), name))
            return value.ptr != NULL ? value : VIEW("");
    }
    return (struct view){ NULL, 0 };
}

enum sigv4_kind sigv4_kind(const struct sigv4_message *message)
{
    struct view authorization = header_of(message, "authorization");
    if (authorization.ptr != NULL)
        return view_starts_with(authorization, VIEW(ALGORITHM)) ? SIGV4_HEADER : SIGV4_OTHER;
    return query_of(message->query, VIEW("X-Amz-Algorithm")).ptr != NULL ? SIGV4_QUERY : SIGV4_ABSENT;
}

/* ---- parts that both forms have ---- */

/* KEYID/20250102/us-east-1/bedrock/aws4_request; a key id holds no '/'. */
static bool read_credential(struct view credential, struct sigv4 *out, struct sigv4_refusal *why)
{
    if (credential.len > SCOPE_MAX)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "The Credential parameter is too long.");
    struct view rest = credential;
    out->key_id = view_split(&rest, '/');
    out->scope = rest;
    out->date = view_split(&rest, '/');
    out->region = view_split(&rest, '/');
    out->service = view_split(&rest, '/');
    if (out->key_id.len == 0 || rest.ptr == NULL || view_find_byte(rest, '/') != VIEW_NPOS)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE,
                      "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.");
    if (!view_is(rest, "aws4_request"))
        return refuse(why, AWS_INVALID_SIGNATURE, "Credential should be scoped with a valid terminator: 'aws4_request'.");
    return true;
}

static bool read_signature(struct view hex, struct sigv4 *out, struct sigv4_refusal *why)
{
    if (!hex_decode(hex, out->signature, sizeof out->signature))
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "The Signature parameter must be 64 hexadecimal digits.");
    return true;
}

static bool set_time(struct sigv4 *out, int64_t when_ms, struct sigv4_refusal *why)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_amz(when_ms, text);
    memcpy(out->timestamp, text, SIGV4_TIMESTAMP_SIZE - 1);
    out->timestamp[SIGV4_TIMESTAMP_SIZE - 1] = '\0';
    out->signed_ms = when_ms;
    if (!view_eq(out->date, view_of(out->timestamp, 8)))
        return refuse(why, AWS_INVALID_SIGNATURE,
                      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" VIEW_FMT
                      "' != '%.8s', from '%s'.",
                      VIEW_ARG(view_first(out->date, 16)), out->timestamp, out->timestamp);
    return true;
}

static bool is_listed(struct view list, const char *name)
{
    while (list.ptr != NULL) {
        if (view_is(view_split(&list, ';'), name))
            return true;
    }
    return false;
}

static bool check_signed_headers(const struct sigv4 *signature, const char *date_header, struct sigv4_refusal *why)
{
    struct view list = signature->signed_headers;
    if (list.len > SIGNED_MAX)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "The SignedHeaders parameter is too long.");
    for (struct view rest = list; rest.ptr != NULL;) {
        if (view_split(&rest, ';').len == 0)
            return refuse(why, AWS_INCOMPLETE_SIGNATURE, "The SignedHeaders parameter holds an empty name.");
    }
    if (!is_listed(list, "host") && !is_listed(list, ":authority"))
        return refuse(why, AWS_INVALID_SIGNATURE, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
    if (date_header != NULL && !is_listed(list, date_header))
        return refuse(why, AWS_INVALID_SIGNATURE, "'%s' must be a 'SignedHeader' in the AWS Authorization.", date_header);
    return true;
}

/* ---- the header form ---- */

struct fields {
    struct view credential, signed_headers, signature;
};

static bool read_fields(struct view authorization, struct fields *out, struct sigv4_refusal *why)
{
    struct view rest = view_from(authorization, sizeof ALGORITHM - 1);
    while (rest.ptr != NULL) {
        struct view value = view_trim(view_split(&rest, ','));
        if (value.len == 0)
            continue;
        struct view name = view_split(&value, '=');
        if (value.ptr == NULL)
            return refuse(why, AWS_INCOMPLETE_SIGNATURE, "'" VIEW_FMT "' not a valid key=value pair (missing equal-sign) in "
                          "Authorization header.", VIEW_ARG(view_first(name, 64)));
        if (view_is(name, "Credential"))
            out->credential = value;
        else if (view_is(name, "SignedHeaders"))
            out->signed_headers = value;
        else if (view_is(name, "Signature"))
            out->signature = value;
    }
    if (out->credential.len > 0 && out->signed_headers.len > 0 && out->signature.len > 0)
        return true;
    return refuse(why, AWS_INCOMPLETE_SIGNATURE, "%s%s%s",
                  out->credential.len > 0 ? "" : "Authorization header requires 'Credential' parameter. ",
                  out->signature.len > 0 ? "" : "Authorization header requires 'Signature' parameter. ",
                  out->signed_headers.len > 0 ? "" : "Authorization header requires 'SignedHeaders' parameter.");
}

static bool parse_header(const struct sigv4_message *message, struct sigv4 *out, struct sigv4_refusal *why)
{
    struct fields fields = { 0 };
    int64_t when_ms = 0;
    if (!read_fields(header_of(message, "authorization"), &fields, why) || !read_credential(fields.credential, out, why) ||
        !read_signature(fields.signature, out, why))
        return false;
    out->signed_headers = fields.signed_headers;
    out->session_token = header_of(message, "x-amz-security-token");

    const char *name = "x-amz-date";
    struct view date = header_of(message, name);
    bool readable = clock_parse_amz(date, &when_ms);
    if (date.ptr == NULL) {
        name = "date";
        date = header_of(message, name);
        readable = clock_parse_http(date, &when_ms) || clock_parse_amz(date, &when_ms);
    }
    if (date.ptr == NULL)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE,
                      "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
    if (!readable)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "Date must be in ISO-8601 'basic format'. Got '" VIEW_FMT "'.",
                      VIEW_ARG(view_first(date, 64)));
    return check_signed_headers(out, name, why) && set_time(out, when_ms, why);
}

/* ---- the query form ---- */

static bool decoded(const struct sigv4_message *message, struct view name, struct arena *arena, struct view *out,
                    struct sigv4_refusal *why)
{
    struct view raw = query_of(message->query, name);
    if (raw.len == 0)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "A presigned URL requires the '" VIEW_FMT "' parameter.", VIEW_ARG(name));
    if (!percent_decode(arena, raw, true, out))
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "The '" VIEW_FMT "' parameter is malformed.", VIEW_ARG(name));
    return true;
}

static bool parse_query(const struct sigv4_message *message, struct arena *arena, struct sigv4 *out, struct sigv4_refusal *why)
{
    struct view algorithm, credential, date, expires, signature;
    uint64_t seconds = 0;
    int64_t when_ms = 0;
    if (!decoded(message, VIEW("X-Amz-Algorithm"), arena, &algorithm, why) ||
        !decoded(message, VIEW("X-Amz-Credential"), arena, &credential, why) ||
        !decoded(message, VIEW("X-Amz-Date"), arena, &date, why) ||
        !decoded(message, VIEW("X-Amz-Expires"), arena, &expires, why) ||
        !decoded(message, VIEW("X-Amz-SignedHeaders"), arena, &out->signed_headers, why) ||
        !decoded(message, VIEW("X-Amz-Signature"), arena, &signature, why))
        return false;
    struct view token = query_of(message->query, VIEW("X-Amz-Security-Token"));
    if (token.ptr != NULL && !percent_decode(arena, token, true, &out->session_token))
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "The 'X-Amz-Security-Token' parameter is malformed.");
    if (!view_is(algorithm, ALGORITHM))
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "X-Amz-Algorithm only supports '" ALGORITHM "'.");
    if (!view_to_u64(expires, &seconds) || seconds == 0 || seconds > EXPIRES_MAX)
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "X-Amz-Expires must be between 1 and %d seconds.", EXPIRES_MAX);
    if (!clock_parse_amz(date, &when_ms))
        return refuse(why, AWS_INCOMPLETE_SIGNATURE, "X-Amz-Date must be in ISO-8601 'basic format'.");
    out->expires_s = (uint32_t)seconds;
    return read_credential(credential, out, why) && read_signature(signature, out, why) &&
           check_signed_headers(out, NULL, why) && set_time(out, when_ms, why);
}

bool sigv4_parse(const struct sigv4_message *message, struct arena *arena, struct sigv4 *out, struct sigv4_refusal *why)
{
    *out = (struct sigv4){ .kind = sigv4_kind(message), .content_sha256 = header_of(message, "x-amz-content-sha256") };
    if (out->kind == SIGV4_HEADER)
        return parse_header(message, out, why);
    if (out->kind == SIGV4_QUERY)
        return parse_query(message, arena, out, why);
    return refuse(why, AWS_MISSING_TOKEN, "Missing Authentication Token");
}

/* ---- scope and time ---- */

static bool check_time(const struct sigv4 *signature, uint32_t skew_seconds, int64_t now_ms, struct sigv4_refusal *why)
{
    int64_t skew_ms = (int64_t)skew_seconds * MS_PER_S;
    int64_t last_ms = signature->signed_ms + (signature->kind == SIGV4_QUERY ? (int64_t)signature->expires_s * MS_PER_S : skew_ms);
    char now[CLOCK_ISO_SIZE], edge[CLOCK_ISO_SIZE];
    clock_format_amz(now_ms, now);
    if (signature->signed_ms > now_ms + skew_ms) {
        clock_format_amz(now_ms + skew_ms, edge);
        return refuse(why, AWS_INVALID_SIGNATURE, "Signature not yet current: %s is still later than %s (%s + %u min.)",
                      signature->timestamp, edge, now, (unsigned)skew_seconds / 60);
    }
    if (now_ms > last_ms) {
        clock_format_amz(now_ms - (last_ms - signature->signed_ms), edge);
        return refuse(why, AWS_INVALID_SIGNATURE, "Signature expired: %s is now earlier than %s (%s - %u min.)",
                      signature->timestamp, edge, now, (unsigned)((last_ms - signature->signed_ms) / MS_PER_S / 60));
    }
    return true;
}

bool sigv4_check(const struct sigv4 *signature, const struct sigv4_rules *rules, int64_t now_ms, struct sigv4_refusal *why)
{
    if (!view_eq(signature->service, rules->service))
        return refuse(why, AWS_INVALID_SIGNATURE, "Credential should be scoped to correct service: '" VIEW_FMT "'.",
                      VIEW_ARG(rules->service));
    if (signature->region.len == 0)
        return refuse(why, AWS_INVALID_SIGNATURE, "Credential should be scoped to a valid region.");
    return check_time(signature, rules->skew_seconds, now_ms, why);
}
