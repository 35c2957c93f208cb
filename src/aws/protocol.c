#include "aws/protocol.h"

#include "base/json.h"
#include "base/xml.h"

#include <stdio.h>

#define EXCEPTION "Exception"

static enum aws_protocol protocol_of(const struct service *service)
{
    return service != NULL ? service->protocol : AWS_REST_JSON;
}

struct view protocol_media_type(const struct service *service)
{
    switch (protocol_of(service)) {
    case AWS_JSON:
        return service->media_type.len > 0 ? service->media_type : VIEW("application/x-amz-json-1.1");
    case AWS_QUERY:
    case AWS_REST_XML:
        return VIEW("text/xml");
    default:
        return VIEW("application/json");
    }
}

/* ---- errors ---- */

/* The query protocol is older than the word Exception, and has names of its own for some. */
static struct view query_code(enum aws_status status)
{
    struct view name = view_from_cstr(aws_status_name(status));
    switch (status) {
    case AWS_UNKNOWN_OPERATION:
        return VIEW("InvalidAction");
    case AWS_UNRECOGNIZED_CLIENT:
        return VIEW("InvalidClientTokenId");
    case AWS_INVALID_SIGNATURE:
        return VIEW("SignatureDoesNotMatch");
    case AWS_VALIDATION:
        return VIEW("ValidationError");
    case AWS_INTERNAL_SERVER:
        return VIEW("InternalFailure");
    default:
        return view_first(name, name.len - (view_ends_with(name, VIEW(EXCEPTION)) ? sizeof EXCEPTION - 1 : 0));
    }
}

struct view protocol_error_code(const struct service *service, enum aws_status status)
{
    return protocol_of(service) == AWS_QUERY ? query_code(status) : view_from_cstr(aws_status_name(status));
}

static void write_json_error(const struct service *service, const struct error_reply *error, struct buf *out)
{
    struct json_writer w;
    char type[128];
    bool own = service != NULL && service->error_status[error->status] != 0;
    struct view prefix = own ? service->error_prefix : VIEW("");
    int len = snprintf(type, sizeof type, VIEW_FMT "%s", VIEW_ARG(prefix), aws_status_name(error->status));
    json_writer_init(&w, out);
    json_object(&w);
    json_put_string(&w, "__type", view_of(type, (size_t)len));
    json_put_string(&w, "message", error->message);
    for (size_t i = 0; i < error->member_count; i++) {
        json_key_view(&w, error->members[i].name);
        json_write_string(&w, error->members[i].value);
    }
    json_end(&w);
}

static void write_xml_error(const struct service *service, const struct error_reply *error, struct buf *out)
{
    struct xml_writer w;
    xml_writer_init(&w, out, "ErrorResponse", service->xml_namespace.len > 0 ? service->xml_namespace.ptr : NULL);
    xml_open(&w, "Error");
    xml_put_cstr(&w, "Type", aws_status_http(service, error->status) >= 500 ? "Receiver" : "Sender");
    xml_put(&w, "Code", query_code(error->status));
    xml_put(&w, "Message", error->message);
    xml_close(&w);
    xml_put(&w, "RequestId", error->request_id);
    xml_close(&w);
}

void protocol_write_error(const struct service *service, const struct error_reply *error, struct buf *out)
{
    buf_clear(out);
    if (protocol_of(service) == AWS_QUERY)
        write_xml_error(service, error, out);
    else
        write_json_error(service, error, out);
}

/* ---- replies in XML ---- */

struct xml_reply {
    struct xml_writer w;
    struct arena *arena;                                    /* holds the names that are still open */
};

static void write_member(struct xml_reply *reply, const char *name, const struct json *value);

static void write_children(struct xml_reply *reply, const struct json *value)
{
    bool list = json_is(value, JSON_ARRAY);
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        const char *name = list ? "member" : arena_cstr(reply->arena, it.key);
        if (name != NULL)
            write_member(reply, name, it.value);
    }
}

static void write_member(struct xml_reply *reply, const char *name, const struct json *value)
{
    switch (json_type(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        xml_open(&reply->w, name);
        write_children(reply, value);
        xml_close(&reply->w);
        break;
    case JSON_STRING:
        xml_put(&reply->w, name, json_string(value));
        break;
    case JSON_NUMBER:
        xml_put(&reply->w, name, json_number_text(value));
        break;
    case JSON_BOOL:
        xml_put_bool(&reply->w, name, json_bool(value, false));
        break;
    default:
        break;
    }
}

bool protocol_write_xml(const struct operation *operation, struct view body, struct view request_id, struct arena *arena,
                        struct buf *out)
{
    const struct json *members = json_parse(arena, body, XML_DEPTH_MAX - 2, NULL);
    const char *root = arena_printf(arena, VIEW_FMT "Response", VIEW_ARG(operation->name));
    const char *result = arena_printf(arena, VIEW_FMT "Result", VIEW_ARG(operation->name));
    struct xml_reply reply = { .arena = arena };
    if (!json_is(members, JSON_OBJECT) || root == NULL || result == NULL)
        return false;
    buf_clear(out);
    xml_writer_init(&reply.w, out, root, operation->service->xml_namespace.ptr);
    xml_open(&reply.w, result);
    write_children(&reply, members);
    xml_close(&reply.w);
    xml_open(&reply.w, "ResponseMetadata");
    xml_put(&reply.w, "RequestId", request_id);
    xml_close(&reply.w);
    xml_close(&reply.w);
    return !xml_writer_failed(&reply.w) && !arena_exhausted(arena);
}
