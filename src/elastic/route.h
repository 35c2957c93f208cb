/* elastic/route.h - what a method, a path and a query ask for. Pure functions. */
#ifndef CRATON_ELASTIC_ROUTE_H
#define CRATON_ELASTIC_ROUTE_H

#include "elastic/error.h"
#include "elastic/provider.h"

enum action {
    ACTION_INFO, /* GET / */
    ACTION_SERVICES,
    ACTION_PUT,
    ACTION_GET,
    ACTION_DELETE,
    ACTION_UPDATE,
    ACTION_INFER,
    ACTION_STREAM,
    ACTION_CHUNK,
};

struct elastic_route {
    enum action action;
    enum elastic_task task; /* of the path; TASK_ANY */
    struct view id;         /* decoded; empty: all endpoints */
    bool head;
};

struct params {
    uint64_t timeout_ms;
    bool has_timeout;
    bool pretty, error_trace, force, dry_run;
    struct view filter_path; /* decoded; empty: everything */
};

#define TIMEOUT_DEFAULT_MS 30000

/* False: it is in the error; a method that the path does not take is 405 with the allowed ones in *allow (else NULL). */
bool route_find(struct view method, struct view path, struct elastic_error *error, struct elastic_route *out, const char **allow);

/* False: a parameter that this action does not know, or a value that it cannot have. */
bool params_read(struct view query, const struct elastic_route *route, struct view path, struct elastic_error *error, struct params *out);

/* "30s", "500ms", "2m" … in milliseconds. False: no such time. */
bool time_value(struct view text, uint64_t *out_ms);

#endif
