#include "server/identity.h"

#define SKEW_SECONDS 300

static struct credential credential_of(const struct iam_key *key)
{
    return (struct credential){ .secret = key->bearer ? VIEW("") : key->secret, .principal = key->principal };
}

static bool find_key(void *ctx, struct view key_id, struct credential *out)
{
    const struct identity *identity = ctx;
    const struct iam_key *key = iam_find_access_key(identity->snapshot, key_id);
    if (key != NULL)
        *out = credential_of(key);
    return key != NULL;
}

static bool find_bearer(void *ctx, struct view token, struct credential *out)
{
    const struct identity *identity = ctx;
    const struct iam_key *key = iam_find_bearer(identity->snapshot, token);
    if (key != NULL)
        *out = credential_of(key);
    return key != NULL;
}

void identity_init(struct identity *identity, struct iam *iam, bool open, struct view account)
{
    *identity = (struct identity){
        .iam = iam,
        .snapshot = iam_acquire(iam),
        .everybody = { .account = account, .name = VIEW("everybody"), .arn = VIEW("arn:aws:iam::000000000000:anonymous"), .admin = true },
    };
    identity->credentials = (struct credentials){
        .ctx = identity, .find_key = find_key, .find_bearer = find_bearer, .open = open ? &identity->everybody : NULL
    };
    sigv4_work_init(&identity->work);
}

void identity_free(struct identity *identity)
{
    sigv4_work_free(&identity->work);
    iam_snapshot_release(identity->snapshot);
}

void identity_refresh(struct identity *identity)
{
    struct iam_snapshot *before = identity->snapshot;
    identity->snapshot = iam_acquire(identity->iam);
    iam_snapshot_release(before);
}

static const struct iam_key *by_basic(const struct identity *identity, struct arena *arena, struct view encoded)
{
    struct view pair;
    if (!base64_decode(arena, view_trim(encoded), &pair))
        return NULL;
    struct view secret = pair, id = view_split(&secret, ':');
    const struct iam_key *key = iam_find_access_key(identity->snapshot, id);
    bool same = key != NULL && secret.len == key->secret.len && equal_constant_time(secret.ptr, key->secret.ptr, secret.len);
    return same ? key : NULL;
}

/* Elasticsearch's clients send what they are given, or the pair of id and key in base64. */
static const struct iam_key *by_api_key(const struct identity *identity, struct arena *arena, struct view text)
{
    struct view key = view_trim(text);
    return view_starts_with(key, VIEW(BEARER_PREFIX)) ? iam_find_bearer(identity->snapshot, key) : by_basic(identity, arena, key);
}

static const struct iam_key *by_signature(struct identity *identity, const struct http_request *request,
                                          const struct sigv4_message *message, int64_t now_ms)
{
    const struct sigv4_rules rules = { .service = VIEW("bedrock"), .encode_path_twice = true, .skew_seconds = SKEW_SECONDS };
    struct sigv4 signature;
    struct sigv4_refusal why;
    uint8_t signing_key[SHA256_SIZE], body[SHA256_SIZE];
    if (request->body_fd >= 0 || !sigv4_parse(message, request->arena, &signature, &why) ||
        !sigv4_check(&signature, &rules, now_ms, &why))
        return NULL;
    const struct iam_key *key = iam_find_access_key(identity->snapshot, signature.key_id);
    if (key == NULL)
        return NULL;
    sigv4_derive_key(key->secret, signature.date, signature.region, signature.service, signing_key);
    sha256(request->body, body);
    return sigv4_verify(&signature, message, &rules, signing_key, body, &identity->work, &why) ? key : NULL;
}

static struct sigv4_message message_of(const struct http_request *request)
{
    return (struct sigv4_message){
        request->method, request->path, request->query, request->authority, request->headers, request->header_count
    };
}

static bool is_signed(const struct sigv4_message *message)
{
    enum sigv4_kind kind = sigv4_kind(message);
    return kind == SIGV4_HEADER || kind == SIGV4_QUERY;
}

bool identity_needs_body(const struct http_request *request)
{
    const struct sigv4_message message = message_of(request);
    return is_signed(&message);
}

bool identity_of(struct identity *identity, const struct http_request *request, int64_t now_ms, struct principal *out)
{
    if (identity->credentials.open != NULL) {
        *out = *identity->credentials.open;
        return true;
    }
    const struct sigv4_message message = message_of(request);
    struct view authorization = http_header_get(request, "authorization");
    const struct iam_key *key = NULL;
    if (view_starts_with_nocase(authorization, VIEW("Bearer ")))
        key = iam_find_bearer(identity->snapshot, view_trim(view_from(authorization, 7)));
    else if (view_starts_with_nocase(authorization, VIEW("Basic ")))
        key = by_basic(identity, request->arena, view_from(authorization, 6));
    else if (view_starts_with_nocase(authorization, VIEW("ApiKey ")))
        key = by_api_key(identity, request->arena, view_from(authorization, 7));
    else if (is_signed(&message))
        key = by_signature(identity, request, &message, now_ms);
    if (key != NULL)
        *out = key->principal;
    return key != NULL;
}
