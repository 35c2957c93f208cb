#include "elastic/media.h"

#define JSON_TYPE   "application/json"
#define VENDOR_TYPE "application/vnd.elasticsearch+json"

enum media { MEDIA_JSON,
             MEDIA_VENDOR_8,
             MEDIA_VENDOR_9,
             MEDIA_OTHER,
             MEDIA_WRONG_VERSION };

static enum media vendor_version(struct view parameters)
{
    while (parameters.ptr != NULL) {
        struct view value = view_trim(view_split(&parameters, ';'));
        struct view name = view_split(&value, '=');
        if (!view_eq_nocase(name, VIEW("compatible-with")))
            continue;
        return view_is(value, "8") ? MEDIA_VENDOR_8 : view_is(value, "9") ? MEDIA_VENDOR_9
                                                                          : MEDIA_WRONG_VERSION;
    }
    return MEDIA_JSON;
}

static enum media read_type(struct view text)
{
    struct view parameters = text, type = view_trim(view_split(&parameters, ';'));
    if (view_eq_nocase(type, VIEW(VENDOR_TYPE)))
        return vendor_version(parameters);
    return view_eq_nocase(type, VIEW(JSON_TYPE)) ? MEDIA_JSON : MEDIA_OTHER;
}

static bool is_any(struct view text)
{
    struct view parameters = text, type = view_trim(view_split(&parameters, ';'));
    return view_is(type, "*/*") || view_is(type, "application/*") || view_eq_nocase(type, VIEW("text/event-stream"));
}

static bool refuse(struct elastic_error *error, enum media media, const char *header, struct view value)
{
    if (media == MEDIA_WRONG_VERSION)
        return error_set(error, 400, ERROR_MEDIA_TYPE, "A compatible version is required on %s header. Supported versions are 8 and 9. "
                                                       "%s=" VIEW_FMT,
                         header, header, VIEW_ARG(view_first(value, 256)));
    return error_set(error, 406, ERROR_MEDIA_TYPE, "%s header [" VIEW_FMT "] is not supported", header, VIEW_ARG(view_first(value, 256)));
}

bool media_accept(const struct http_request *request, struct elastic_error *error, struct view *content_type)
{
    struct view accept = http_header_get(request, "accept"), rest = accept;
    enum media last = MEDIA_OTHER;
    *content_type = VIEW(JSON_TYPE);
    if (accept.len == 0)
        return true;
    while (rest.ptr != NULL) {
        struct view one = view_trim(view_split(&rest, ','));
        enum media media = read_type(one);
        if (media == MEDIA_JSON || is_any(one))
            return true;
        if (media == MEDIA_VENDOR_8 || media == MEDIA_VENDOR_9) {
            *content_type = media == MEDIA_VENDOR_9 ? VIEW(VENDOR_TYPE ";compatible-with=9") : VIEW(VENDOR_TYPE ";compatible-with=8");
            return true;
        }
        last = media == MEDIA_WRONG_VERSION ? media : last;
    }
    return refuse(error, last, "Accept", accept);
}

bool media_body(const struct http_request *request, struct elastic_error *error)
{
    struct view type = http_header_get(request, "content-type");
    if (type.ptr == NULL)
        return error_set(error, 406, ERROR_MEDIA_TYPE, "Content-Type header is missing");
    enum media media = read_type(type);
    return media <= MEDIA_VENDOR_9 || refuse(error, media, "Content-Type", type);
}
