#include "s3/address.h"

#define V4_ALGORITHM "AWS4-HMAC-SHA256"

struct view s3_query_raw(struct view query, struct view name)
{
    while (query.ptr != NULL) {
        struct view value = view_split(&query, '&');
        if (view_eq(view_split(&value, '='), name))
            return value.ptr != NULL ? value : VIEW("");
    }
    return (struct view){ NULL, 0 };
}

/* ---- the host ---- */

static struct view host_of(struct view authority)
{
    size_t colon = view_find_byte(authority, ':');
    bool v6 = view_starts_with(authority, VIEW("["));
    return v6 || colon == VIEW_NPOS ? authority : view_first(authority, colon);
}

/* What stands before ".DOMAIN"; NULL ptr when the host is not below it. */
static struct view below(struct view host, struct view domain)
{
    size_t prefix = host.len > domain.len ? host.len - domain.len - 1 : 0;
    if (prefix == 0 || domain.len == 0 || host.ptr[prefix] != '.' || !view_eq_nocase(view_from(host, prefix + 1), domain))
        return (struct view){ NULL, 0 };
    return view_first(host, prefix);
}

/* The longest domain wins; a domain itself names no bucket. */
static struct view host_bucket(const struct s3_domains *domains, struct view authority)
{
    struct view host = host_of(authority), bucket = below(host, VIEW("localhost"));
    for (size_t i = 0; i < domains->count; i++) {
        if (view_eq_nocase(host, domains->names[i]))
            return (struct view){ NULL, 0 };
        struct view found = below(host, domains->names[i]);
        if (found.ptr != NULL && (bucket.ptr == NULL || found.len < bucket.len))
            bucket = found;
    }
    return bucket;
}

struct s3_address s3_address_of(const struct s3_domains *domains, const struct http_request *request)
{
    struct view bucket = host_bucket(domains, request->authority), path = view_from(request->path, 1);
    if (bucket.ptr != NULL)
        return (struct s3_address){ .bucket = bucket, .key = path, .virtual_host = true };
    bucket = view_split(&path, '/');
    return (struct s3_address){ .bucket = bucket, .key = path };
}

/* ---- whose request is it? ---- */

/* The service in KEYID/20250102/us-east-1/s3/aws4_request, with '/' or "%2F" between. */
static struct view scope_service(struct view credential)
{
    for (int part = 0; part < 3; part++) {
        size_t slash = view_find_byte(credential, '/'), encoded = view_find(credential, VIEW("%2F"));
        if (encoded == VIEW_NPOS)
            encoded = view_find(credential, VIEW("%2f"));
        if (slash == VIEW_NPOS && encoded == VIEW_NPOS)
            return VIEW("");
        credential = slash < encoded ? view_from(credential, slash + 1) : view_from(credential, encoded + 3);
    }
    size_t end = 0;
    while (end < credential.len && credential.ptr[end] != '/' && credential.ptr[end] != '%')
        end++;
    return view_first(credential, end);
}

static bool signed_for_s3(struct view authorization)
{
    size_t at = view_find(authorization, VIEW("Credential="));
    return at != VIEW_NPOS && view_is(scope_service(view_from(authorization, at + 11)), "s3");
}

enum s3_claim s3_claim_of(const struct s3_domains *domains, const struct http_request *request)
{
    struct view authorization = http_header_get(request, "authorization");
    if (view_starts_with(authorization, VIEW(V4_ALGORITHM)))
        return signed_for_s3(authorization) ? S3_CLAIM_SIGNED : S3_CLAIM_NONE;
    if (view_starts_with(authorization, VIEW("AWS ")))
        return S3_CLAIM_SIGNED;
    if (authorization.len > 0 || http_header_get(request, "x-amz-target").len > 0)
        return S3_CLAIM_NONE;
    if (request->query.len > 0) {
        struct view credential = s3_query_raw(request->query, VIEW("X-Amz-Credential"));
        if (credential.ptr != NULL)
            return view_is(scope_service(credential), "s3") ? S3_CLAIM_SIGNED : S3_CLAIM_NONE;
        if (s3_query_raw(request->query, VIEW("AWSAccessKeyId")).ptr != NULL && s3_query_raw(request->query, VIEW("Signature")).ptr != NULL)
            return S3_CLAIM_SIGNED;
    }
    return host_bucket(domains, request->authority).ptr != NULL ? S3_CLAIM_HOST : S3_CLAIM_UNSIGNED;
}
