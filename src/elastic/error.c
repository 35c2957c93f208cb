#include "elastic/error.h"

#define OUT_OF_MEMORY "The server is out of memory."

void error_init(struct elastic_error *error, struct arena *arena)
{
    *error = (struct elastic_error){ .arena = arena };
}

bool error_set(struct elastic_error *error, int status, const char *type, const char *format, ...)
{
    if (error_is_set(error))
        return false;
    va_list args;
    va_start(args, format);
    const char *reason = arena_vprintf(error->arena, format, args);
    va_end(args);
    error->status = reason != NULL ? status : 503;
    error->type = type;
    error->reason = reason != NULL ? reason : OUT_OF_MEMORY;
    return false;
}

bool error_problem(struct elastic_error *error, const char *format, ...)
{
    if (error->problems >= ERROR_PROBLEMS_MAX || (error_is_set(error) && error->problems == 0))
        return false;
    va_list args;
    va_start(args, format);
    const char *problem = arena_vprintf(error->arena, format, args);
    va_end(args);
    const char *before = error->problems > 0 ? error->reason : "Validation Failed: ";
    const char *reason = problem != NULL ? arena_printf(error->arena, "%s%u: %s;", before, error->problems + 1, problem) : NULL;
    error->problems++;
    error->status = 400;
    error->type = ERROR_VALIDATION;
    error->reason = reason != NULL ? reason : OUT_OF_MEMORY;
    return false;
}

void error_wrap(struct elastic_error *error, const char *reason)
{
    error->cause_type = error->type;
    error->cause_reason = error->reason;
    error->type = ERROR_STATUS;
    error->reason = reason;
    error->status = 400;
}

static void write_members(const struct elastic_error *error, struct json_writer *out)
{
    json_put_cstr(out, "type", error->type);
    json_put_cstr(out, "reason", error->reason);
}

void error_write(const struct elastic_error *error, bool trace, struct json_writer *out)
{
    json_object(out);
    json_key(out, "error");
    json_object(out);
    json_key(out, "root_cause");
    json_array(out);
    json_object(out);
    write_members(error, out);
    json_end(out);
    json_end(out);
    write_members(error, out);
    if (error->cause_type != NULL) {
        json_key(out, "caused_by");
        json_object(out);
        json_put_cstr(out, "type", error->cause_type);
        json_put_cstr(out, "reason", error->cause_reason);
        json_end(out);
    }
    if (trace)
        json_put_cstr(out, "stack_trace", "not available: this server is Craton");
    json_end(out);
    json_put_i64(out, "status", error->status);
    json_end(out);
}

static const char *status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = {
        { 400, "bad_request" },
        { 401, "unauthorized" },
        { 403, "forbidden" },
        { 404, "not_found" },
        { 405, "method_not_allowed" },
        { 406, "not_acceptable" },
        { 408, "request_timeout" },
        { 413, "request_entity_too_large" },
        { 429, "too_many_requests" },
        { 503, "service_unavailable" },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].status == status)
            return names[i].name;
    }
    return "internal_server_error";
}

void error_write_unified(const struct elastic_error *error, struct json_writer *out)
{
    json_object(out);
    json_key(out, "error");
    json_object(out);
    json_put_cstr(out, "code", status_name(error->status));
    json_put_cstr(out, "message", error->reason);
    json_put_cstr(out, "type", error->type);
    json_end(out);
    json_end(out);
}
