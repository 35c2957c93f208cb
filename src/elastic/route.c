#include "elastic/route.h"

#include "base/encode.h"

#define SEGMENTS_MAX 3

struct segments {
    struct view at[SEGMENTS_MAX];
    size_t count;
};

/* The segments after /_inference, decoded. False: too many, or badly encoded. */
static bool split(struct arena *arena, struct view path, struct segments *out)
{
    struct view rest = view_from(path, sizeof("/_inference") - 1);
    *out = (struct segments){ .count = 0 };
    if (rest.len > 0 && rest.ptr[0] == '/')
        rest = view_from(rest, 1);
    while (rest.ptr != NULL && rest.len > 0) {
        struct view segment = view_split(&rest, '/');
        if (segment.len == 0 || out->count == SEGMENTS_MAX || !percent_decode(arena, segment, false, &out->at[out->count++]))
            return false;
    }
    return true;
}

static bool no_handler(struct view method, struct view path, struct elastic_error *error)
{
    return error_set(error, 400, ERROR_ARGUMENT, "no handler found for uri [" VIEW_FMT "] and method [" VIEW_FMT "]",
                     VIEW_ARG(view_first(path, 1024)), VIEW_ARG(view_first(method, 16)));
}

static bool wrong_method(struct view method, struct view path, const char *allowed, struct elastic_error *error, const char **allow)
{
    *allow = allowed;
    return error_set(error, 405, ERROR_STATUS, "Incorrect HTTP method for uri [" VIEW_FMT "] and method [" VIEW_FMT "], allowed: [%s]",
                     VIEW_ARG(view_first(path, 1024)), VIEW_ARG(view_first(method, 16)), allowed);
}

/* _stream, _chunk and _update end a path and take one method each. */
static bool suffix_action(struct view segment, enum action *action, const char **method)
{
    static const struct {
        const char *name;
        enum action action;
        const char *method;
    } suffixes[] = { { "_stream", ACTION_STREAM, "POST" }, { "_chunk", ACTION_CHUNK, "POST" }, { "_update", ACTION_UPDATE, "PUT" } };
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (view_is(segment, suffixes[i].name)) {
            *action = suffixes[i].action;
            *method = suffixes[i].method;
            return true;
        }
    }
    return false;
}

static bool plain_action(struct view method, struct view path, const struct elastic_route *route, struct elastic_error *error,
                         enum action *out,
                         const char **allow)
{
    static const struct {
        const char *method;
        enum action action;
    } methods[] = {
        { "GET", ACTION_GET }, { "HEAD", ACTION_GET }, { "PUT", ACTION_PUT }, { "POST", ACTION_INFER }, { "DELETE", ACTION_DELETE }
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        bool fits = route->id.len > 0 || methods[i].action == ACTION_GET;
        if (fits && view_is(method, methods[i].method)) {
            *out = methods[i].action;
            return true;
        }
    }
    return wrong_method(method, path, route->id.len > 0 ? "GET, PUT, POST, DELETE" : "GET", error, allow);
}

static bool fixed_get(struct view method, struct view path, enum action action, struct elastic_error *error, struct elastic_route *out,
                      const char **allow)
{
    out->action = action;
    return view_is(method, "GET") || out->head || wrong_method(method, path, "GET", error, allow);
}

/* Elasticsearch can keep inference inside regions. A rule that nobody follows must not seem to be kept. */
static bool region_policy(struct view method, struct view path, struct elastic_error *error, const char **allow)
{
    if (view_is(method, "PUT"))
        return error_set(error, 400, ERROR_STATUS, "This server keeps no inference region policy: all models are its own, or of the "
                                                   "servers that its setting elastic.endpoint_urls names.");
    if (view_is(method, "GET") || view_is(method, "HEAD") || view_is(method, "DELETE"))
        return error_set(error, 404, ERROR_NOT_FOUND, "Inference region policy not found");
    return wrong_method(method, path, "GET, PUT, DELETE", error, allow);
}

static bool read_task(struct view name, struct elastic_error *error, struct elastic_route *out)
{
    out->task = task_find(name);
    return out->task != TASK_UNKNOWN ||
           error_set(error, 400, ERROR_STATUS, "Unknown task_type [" VIEW_FMT "]", VIEW_ARG(view_first(name, 256)));
}

bool route_find(struct view method, struct view path, struct elastic_error *error, struct elastic_route *out, const char **allow)
{
    struct segments segments;
    const char *wanted = NULL;
    *out = (struct elastic_route){ .action = ACTION_GET, .head = view_is(method, "HEAD") };
    *allow = NULL;
    if (view_is(path, "/") || path.len == 0)
        return fixed_get(method, path, ACTION_INFO, error, out, allow);
    bool ours = view_is(path, "/_inference") || view_starts_with(path, VIEW("/_inference/"));
    if (!ours || !split(error->arena, path, &segments))
        return no_handler(method, path, error);
    if (segments.count > 0 && segments.count <= 2 && view_is(segments.at[0], "_services")) {
        if (segments.count == 2 && !read_task(segments.at[1], error, out))
            return false;
        return fixed_get(method, path, ACTION_SERVICES, error, out, allow);
    }
    if (segments.count == 1 && view_is(segments.at[0], "_region_policy"))
        return region_policy(method, path, error, allow);

    size_t count = segments.count;
    bool suffixed = count > 1 && suffix_action(segments.at[count - 1], &out->action, &wanted);
    if (suffixed)
        count--;
    if (count > 2)
        return no_handler(method, path, error);
    if (count > 0)
        out->id = segments.at[count - 1];
    if (count == 2 && !read_task(segments.at[0], error, out))
        return false;
    if (suffixed)
        return view_is(method, wanted) || wrong_method(method, path, wanted, error, allow);
    return plain_action(method, path, out, error, &out->action, allow);
}

/* ---- the query ---- */

bool time_value(struct view text, uint64_t *out_ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = { { "nanos", 1e-6 }, { "micros", 1e-3 }, { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 }, { "d", 8.64e7 } };
    uint64_t number;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct view unit = view_from_cstr(units[i].unit);
        if (view_ends_with(text, unit) && view_to_u64(view_first(text, text.len - unit.len), &number)) {
            double ms = (double)number * units[i].ms;
            *out_ms = ms < 4e15 ? (uint64_t)ms : (uint64_t)4e15;
            return true;
        }
    }
    *out_ms = 0;
    return view_is(text, "0");
}

static bool read_flag(struct view value, struct elastic_error *error, bool *out)
{
    *out = value.len == 0 || view_is(value, "true");
    return *out || view_is(value, "false") ||
           error_set(error, 400, ERROR_ARGUMENT, "Failed to parse value [" VIEW_FMT "] as only [true] or [false] are allowed.",
                     VIEW_ARG(view_first(value, 256)));
}

static bool takes_timeout(enum action action)
{
    return action == ACTION_PUT || action == ACTION_UPDATE || action == ACTION_INFER || action == ACTION_STREAM ||
           action == ACTION_CHUNK;
}

static bool read_param(struct view name, struct view value, const struct elastic_route *route, struct view path,
                       struct elastic_error *error,
                       struct params *out)
{
    bool human;
    if (view_is(name, "pretty"))
        return read_flag(value, error, &out->pretty);
    if (view_is(name, "human"))
        return read_flag(value, error, &human); /* no answer here has sizes or times to be made readable */
    if (view_is(name, "error_trace"))
        return read_flag(value, error, &out->error_trace);
    if (view_is(name, "filter_path")) {
        out->filter_path = value;
        return true;
    }
    if (view_is(name, "force") && route->action == ACTION_DELETE)
        return read_flag(value, error, &out->force);
    if (view_is(name, "dry_run") && route->action == ACTION_DELETE)
        return read_flag(value, error, &out->dry_run);
    if (view_is(name, "timeout") && takes_timeout(route->action)) {
        out->has_timeout = true;
        return time_value(value, &out->timeout_ms) ||
               error_set(error, 400, ERROR_ARGUMENT,
                         "failed to parse setting [timeout] with value [" VIEW_FMT "] as a time value: unit is missing or unrecognized",
                         VIEW_ARG(view_first(value, 256)));
    }
    return error_set(error, 400, ERROR_ARGUMENT, "request [" VIEW_FMT "] contains unrecognized parameter: [" VIEW_FMT "]",
                     VIEW_ARG(view_first(path, 1024)), VIEW_ARG(view_first(name, 256)));
}

bool params_read(struct view query, const struct elastic_route *route, struct view path, struct elastic_error *error, struct params *out)
{
    *out = (struct params){ .timeout_ms = TIMEOUT_DEFAULT_MS };
    while (query.ptr != NULL) {
        struct view value = view_split(&query, '&');
        struct view name = view_split(&value, '=');
        if (name.len == 0)
            continue;
        if (!percent_decode(error->arena, name, true, &name) || !percent_decode(error->arena, value, true, &value))
            return error_set(error, 400, ERROR_ARGUMENT, "the query is not validly percent-encoded");
        if (!read_param(name, value, route, path, error, out))
            return false;
    }
    return true;
}
