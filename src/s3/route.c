/* s3/route.c - from method, level and query to an operation of the tables, and to its handler. */
#include "s3/call.h"

#include <stdlib.h>

static const struct {
    const struct s3_handler_row *rows;
    const size_t *count;
} handler_sets[] = {
    { s3_bucket_rows, &s3_bucket_row_count }, { s3_object_rows, &s3_object_row_count },   { s3_list_rows, &s3_list_row_count },
    { s3_upload_rows, &s3_upload_row_count }, { s3_copy_rows, &s3_copy_row_count },       { s3_delete_rows, &s3_delete_row_count },
    { s3_fixed_rows, &s3_fixed_row_count },   { s3_tagging_rows, &s3_tagging_row_count },
};

static const struct s3_handler_row *handler_of(struct view operation)
{
    for (size_t i = 0; i < sizeof handler_sets / sizeof handler_sets[0]; i++) {
        for (size_t j = 0; j < *handler_sets[i].count; j++) {
            if (view_is(operation, handler_sets[i].rows[j].operation))
                return &handler_sets[i].rows[j];
        }
    }
    return NULL;
}

bool s3_serves(struct view operation)
{
    return handler_of(operation) != NULL;
}

/* "/{Bucket}/{Key+}?partNumber&uploadId": the level from the path, what must be there from the query. */
static struct s3_route route_of(const struct operation *operation)
{
    struct view needs = operation->uri, path = view_split(&needs, '?');
    struct s3_route route = { .operation = operation, .served = handler_of(operation->name) };
    route.level = view_is(path, "/") ? S3_SERVICE : view_is(path, "/{Bucket}") ? S3_BUCKET : S3_OBJECT;
    while (needs.ptr != NULL && route.need_count < ROUTE_NEEDS) {
        struct view value = view_split(&needs, '&'), name = view_split(&value, '=');
        route.needs[route.need_count++] = (struct http_header){ name, value };
    }
    return route;
}

bool s3_routes_create(struct s3 *s3)
{
    for (size_t i = 0; i < aws_service_count; i++) {
        if (view_is(aws_services[i]->name, "s3"))
            s3->service = aws_services[i];
    }
    s3->routes = calloc(s3->service->operation_count, sizeof s3->routes[0]);
    s3->route_count = s3->routes != NULL ? s3->service->operation_count : 0;
    for (size_t i = 0; i < s3->route_count; i++)
        s3->routes[i] = route_of(&s3->service->operations[i]);
    return s3->routes != NULL;
}

static bool fits(const struct s3_route *route, const struct s3_call *call, enum s3_level level)
{
    if (route->level != level || !view_eq(route->operation->method, call->request->method))
        return false;
    for (size_t i = 0; i < route->need_count; i++) {
        struct view given = s3_query_raw(call->request->query, route->needs[i].name);
        if (given.ptr == NULL || (route->needs[i].value.ptr != NULL && !view_eq(given, route->needs[i].value)))
            return false;
    }
    return true;
}

/* Two operations are told apart by a header alone. */
static bool is_copy(const struct s3_route *route)
{
    return view_is(route->operation->name, "CopyObject") || view_is(route->operation->name, "UploadPartCopy");
}

/* The one that asks for most of what is there. */
const struct s3_route *s3_route_find(const struct s3_call *call, enum s3_level level)
{
    const struct s3 *s3 = call->s3;
    const struct s3_route *best = NULL;
    bool copy = s3_header(call, "x-amz-copy-source").ptr != NULL;
    for (size_t i = 0; i < s3->route_count; i++) {
        const struct s3_route *route = &s3->routes[i];
        if (!fits(route, call, level) || (is_copy(route) && !copy))
            continue;
        if (best == NULL || route->need_count > best->need_count || (route->need_count == best->need_count && is_copy(route)))
            best = route;
    }
    return best;
}
