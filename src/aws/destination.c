/* Which service and operation a request is for: by X-Amz-Target, by Action, or by its path. */
#include "aws/operation.h"

#include "net/http.h"

#define FORM        "application/x-www-form-urlencoded"
#define CREDENTIAL  "Credential="
#define SCOPE_PLACE 3                                       /* KEYID/DATE/REGION/SERVICE/aws4_request */

/* They have no operations, so whatever is asked of them is refused, in the form that the client reads. */
static const struct service unknown_json = { .name = VIEW_INIT(""), .protocol = AWS_JSON, .encode_path_twice = true };
static const struct service unknown_query = { .name = VIEW_INIT(""), .protocol = AWS_QUERY, .encode_path_twice = true };

/* The raw value of a parameter; NULL ptr when it is absent. Names of actions and services need no decoding. */
static struct view parameter(struct view pairs, const char *name)
{
    while (pairs.ptr != NULL) {
        struct view value = view_split(&pairs, '&');
        if (view_is(view_split(&value, '='), name))
            return value;
    }
    return (struct view){ NULL, 0 };
}

static struct view skip_parts(struct view text, const char *separator, int count)
{
    while (count-- > 0 && text.ptr != NULL) {
        size_t at = view_find(text, view_from_cstr(separator));
        text = at != VIEW_NPOS ? view_from(text, at + strlen(separator)) : (struct view){ NULL, 0 };
    }
    return text;
}

static struct view until(struct view text, const char *end)
{
    return view_first(text, view_find(text, view_from_cstr(end)));
}

/* The service that the signature names, not verified; empty when there is none. */
static struct view signed_for(const struct http_request *request)
{
    struct view header = http_header_get(request, "authorization");
    size_t at = view_find(header, VIEW(CREDENTIAL));
    if (at != VIEW_NPOS)
        return until(skip_parts(view_from(header, at), "/", SCOPE_PLACE), "/");
    struct view credential = parameter(request->query, "X-Amz-Credential");
    bool plain = view_find_byte(credential, '/') != VIEW_NPOS;
    return until(skip_parts(credential, plain ? "/" : "%2F", SCOPE_PLACE), plain ? "/" : "%2F");
}

static const struct service *service_of_target(struct view prefix)
{
    for (size_t i = 0; i < aws_service_count; i++) {
        if (aws_services[i]->protocol == AWS_JSON && view_eq(aws_services[i]->target_prefix, prefix))
            return aws_services[i];
    }
    return &unknown_json;
}

static void find_target(struct view target, struct destination *out)
{
    struct view rest = target, prefix = view_split(&rest, '.');
    out->asked = target;
    out->service = service_of_target(prefix);
    if (rest.ptr != NULL)
        out->operation = aws_service_operation(out->service, rest);
}

/* Without a signature (authentication is off) the first service that has the action is meant. */
static bool query_service_fits(const struct service *service, struct view signing_name, struct view action)
{
    if (service->protocol != AWS_QUERY)
        return false;
    return signing_name.len > 0 ? view_eq(service->signing_name, signing_name) : aws_service_operation(service, action) != NULL;
}

static void find_action(struct view action, struct destination *out)
{
    out->asked = action;
    out->service = &unknown_query;
    out->operation = NULL;
    for (size_t i = 0; i < aws_service_count; i++) {
        if (!query_service_fits(aws_services[i], out->signed_for, action))
            continue;
        out->service = aws_services[i];
        out->operation = aws_service_operation(out->service, action);
        break;
    }
}

static bool is_form(const struct http_request *request)
{
    return view_is(request->method, "POST") && view_starts_with_nocase(http_header_get(request, "content-type"), VIEW(FORM));
}

void aws_destination(const struct http_request *request, struct destination *out)
{
    struct route route;
    struct view target = http_header_get(request, "x-amz-target"), action = parameter(request->query, "Action");
    *out = (struct destination){ 0 };
    if (!view_is(request->path, "/")) {
        if (aws_route(request->method, request->path, &route)) {
            out->operation = route.operation;
            out->service = route.operation->service;
            memcpy(out->labels, route.labels, sizeof route.labels);
        }
    } else if (target.len > 0) {
        find_target(target, out);
    } else if (action.len > 0 || is_form(request)) {
        out->signed_for = signed_for(request);
        out->in_body = action.len == 0;
        find_action(action, out);
    }
}

void aws_destination_action(struct view form, struct destination *destination)
{
    destination->in_body = false;
    find_action(parameter(form, "Action"), destination);
}
