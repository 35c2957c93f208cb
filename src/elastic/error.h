/* elastic/error.h - what is wrong with a request, in Elasticsearch's words and form.
 *
 * An error is filled at most once with error_set(), or gathers numbered problems with error_problem(), as Elasticsearch's
 * validation does: "Validation Failed: 1: …;2: …;". Texts live in the arena. One thread at a time.
 */
#ifndef CRATON_ELASTIC_ERROR_H
#define CRATON_ELASTIC_ERROR_H

#include "base/json.h"

#define ERROR_STATUS     "status_exception"
#define ERROR_VALIDATION "validation_exception"
#define ERROR_REQUEST    "action_request_validation_exception"
#define ERROR_PARSE      "x_content_parse_exception"
#define ERROR_ARGUMENT   "illegal_argument_exception"
#define ERROR_NOT_FOUND  "resource_not_found_exception"
#define ERROR_EXISTS     "resource_already_exists_exception"
#define ERROR_MEDIA_TYPE "media_type_header_exception"
#define ERROR_REJECTED   "es_rejected_execution_exception"
#define ERROR_SECURITY   "security_exception"

#define ERROR_PROBLEMS_MAX 64 /* further ones are not told */

struct elastic_error {
    struct arena *arena;
    int status; /* HTTP; 0: nothing is wrong */
    const char *type;
    const char *reason;
    const char *cause_type, *cause_reason; /* "caused_by"; NULL: none */
    unsigned problems;
};

void error_init(struct elastic_error *error, struct arena *arena);
static inline bool error_is_set(const struct elastic_error *error)
{
    return error->status != 0;
}

/* Both return false, so that `return error_set(…)` reads well. The first error_set() stays; problems are numbered on. */
bool error_set(struct elastic_error *error, int status, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool error_problem(struct elastic_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What has been set becomes the cause of this one, which has status 400. */
void error_wrap(struct elastic_error *error, const char *reason);

/* {"error": {"root_cause": […], "type", "reason", "caused_by"}, "status"}; trace adds "stack_trace", which says that there is none. */
void error_write(const struct elastic_error *error, bool trace, struct json_writer *out);
/* The form of chat_completion: {"error": {"code", "message", "type"}}. */
void error_write_unified(const struct elastic_error *error, struct json_writer *out);

#endif
