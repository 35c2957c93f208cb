/* Who asks, and may they? The first half runs before the body is there; only the signature waits for it. */
#include "aws/call_impl.h"

#include "aws/arn.h"
#include "aws/signer.h"

#define BEARER        "Bearer "
#define FOREIGN_ARN   "arn:"

static struct sigv4_message message_of(const struct call *call)
{
    const struct http_request *request = call->request;
    return (struct sigv4_message){ request->method, request->path, request->query, request->authority, request->headers,
                                   request->header_count };
}

static bool refused(struct call *call, enum aws_status status, const char *text)
{
    call_set_error(call, status, text);
    return false;
}

static void set_principal(struct call *call, const struct principal *from)
{
    call->principal = (struct principal){
        .account = from->account.len > 0 ? arena_copy(call->arena, from->account) : call->front->options.account,
        .name = arena_copy(call->arena, from->name),
        .arn = arena_copy(call->arena, from->arn),
        .access_key_id = arena_copy(call->arena, from->access_key_id),
        .admin = from->admin,
    };
}

static bool authenticate_signature(struct call *call, const struct sigv4_message *message)
{
    const struct sigv4_rules rules = sigv4_rules(call->service);
    const struct signer_options options = { call->front->options.credentials, call->front->keys, &rules, clock_wall_ms(call_clock(call)) };
    struct sigv4_refusal why;
    struct signer signer;
    if (!signer_find(&options, message, call->arena, &signer, &why))
        return refused(call, why.status, why.text);
    call->signature = signer.signature;
    memcpy(call->signing_key, signer.key, sizeof call->signing_key);
    set_principal(call, &signer.credential.principal);
    call->region = call->signature.region;
    return true;
}

static bool authenticate_bearer(struct call *call, struct view authorization)
{
    const struct credentials *credentials = call->front->options.credentials;
    struct credential credential = { 0 };
    struct view token = view_trim(view_from(authorization, sizeof BEARER - 1));
    if (token.len == 0 || !credentials->find_bearer(credentials->ctx, token, &credential))
        return refused(call, AWS_ACCESS_DENIED, "Authentication failed: Please make sure your API Key is valid.");
    if (signer_expired(&credential, clock_wall_ms(call_clock(call))))
        return refused(call, AWS_ACCESS_DENIED, "Authentication failed: Your API Key has expired.");
    set_principal(call, &credential.principal);
    call->verified = true;
    return true;
}

/* Without authentication everybody is the same; the region still comes from a signature when there is one. */
static bool authenticate_nobody(struct call *call, const struct sigv4_message *message)
{
    struct sigv4_refusal why;
    enum sigv4_kind kind = sigv4_kind(message);
    if ((kind == SIGV4_HEADER || kind == SIGV4_QUERY) && sigv4_parse(message, call->arena, &call->signature, &why) &&
        call->signature.region.len > 0)
        call->region = call->signature.region;
    set_principal(call, call->front->options.credentials->open);
    call->verified = true;
    return true;
}

/* Of a service that is not known nobody can tell what its signatures must be; but somebody must have signed. */
static bool authenticate_foreigner(struct call *call, const struct sigv4_message *message)
{
    enum sigv4_kind kind = sigv4_kind(message);
    return kind == SIGV4_HEADER || kind == SIGV4_QUERY || refused(call, AWS_MISSING_TOKEN, "Missing Authentication Token");
}

bool call_authenticate(struct call *call)
{
    const struct sigv4_message message = message_of(call);
    struct view authorization = http_header_get(call->request, "authorization");
    call->region = call->front->options.region;
    call->authenticated_for = call->service;
    if (call->front->options.credentials->open != NULL)
        return authenticate_nobody(call, &message);
    if (call->service->operation_count == 0)
        return authenticate_foreigner(call, &message);
    if (view_starts_with_nocase(authorization, VIEW(BEARER)))
        return authenticate_bearer(call, authorization);
    switch (sigv4_kind(&message)) {
    case SIGV4_HEADER:
    case SIGV4_QUERY:
        return authenticate_signature(call, &message);
    case SIGV4_OTHER:
        return refused(call, AWS_INCOMPLETE_SIGNATURE, "The Authorization header must begin with 'AWS4-HMAC-SHA256' or 'Bearer'.");
    case SIGV4_ABSENT:
        break;
    }
    return refused(call, AWS_MISSING_TOKEN, "Missing Authentication Token");
}

bool call_verify(struct call *call, struct sigv4_work *work)
{
    if (call->verified)
        return true;
    const struct sigv4_message message = message_of(call);
    const struct sigv4_rules rules = sigv4_rules(call->service);
    struct sigv4_refusal why;
    uint8_t hash[SHA256_SIZE];
    bool needs_body = sigv4_needs_body(&call->signature, &rules);
    if (needs_body)
        sha256(call->payload, hash);
    if (!sigv4_verify(&call->signature, &message, &rules, call->signing_key, needs_body ? hash : NULL, work, &why))
        return refused(call, why.status, why.text);
    call->verified = true;
    return true;
}

/* ---- what on? ---- */

static struct view label_of(const struct call *call, struct view name)
{
    for (size_t i = 0; i < call->operation->label_count; i++) {
        if (view_eq(call->operation->labels[i], name))
            return call->labels[i];
    }
    return VIEW("");
}

/* The template with the labels in the place of their names: "foundation-model/{modelId}". A label that is an ARN is the resource
 * itself, whatever the template says. */
static struct view resource_of(struct call *call)
{
    const struct operation *operation = call->operation;
    struct view rest = operation->resource;
    struct buf *arn = &call->front->scratch;
    bool everyones = view_starts_with(rest, VIEW("foundation-model/"));
    if (rest.len == 0)
        return VIEW("*");
    buf_clear(arn);
    arn_append(arn, operation->service->signing_name, call->region, everyones ? VIEW("") : call->principal.account, VIEW(""));
    while (rest.len > 0) {
        struct view literal = view_first(rest, view_find_byte(rest, '{'));
        buf_append_view(arn, literal);
        rest = view_from(rest, literal.len + 1);
        if (rest.len == 0)
            break;
        struct view value = label_of(call, view_split(&rest, '}'));
        if (view_starts_with(value, VIEW(FOREIGN_ARN)))
            return value;
        buf_append_view(arn, value);
    }
    return arena_copy(call->arena, buf_view(arn));
}

bool call_authorize(struct call *call)
{
    const struct credentials *credentials = call->front->options.credentials;
    if (credentials->authorize == NULL)
        return true;
    struct view resource = resource_of(call), message = VIEW("");
    enum aws_status status = credentials->authorize(credentials->ctx, &call->principal, call->operation, resource, call->arena,
                                                    &message);
    if (status == AWS_OK)
        return true;
    if (status == AWS_ACCESS_DENIED && message.len == 0)
        call_fail(call, status, "User: " VIEW_FMT " is not authorized to perform: " VIEW_FMT " on resource: " VIEW_FMT
                  " because no identity-based policy allows the " VIEW_FMT " action", VIEW_ARG(call->principal.arn),
                  VIEW_ARG(call->operation->action), VIEW_ARG(resource), VIEW_ARG(call->operation->action));
    else
        call_fail(call, status, VIEW_FMT, VIEW_ARG(message));
    return false;
}
