/* aws/operation.h - the tables of operations and shapes, generated at build time from api/.
 *
 * A service holds operations; an operation is a row of data: method, path, status, the IAM action and resource, the shapes of its
 * input and output, its errors. Handlers are not part of these rows: src/server joins them by name (struct handler_row), so that
 * this layer knows nothing of what is above it. Everything here is constant and shared by all threads.
 */
#ifndef CRATON_AWS_OPERATION_H
#define CRATON_AWS_OPERATION_H

#include "aws/error.h"
#include "base/json.h"

enum aws_protocol { AWS_REST_JSON, AWS_REST_XML, AWS_JSON, AWS_QUERY };

struct shape;

struct operation;

struct service {
    struct view name;                                       /* "bedrock-runtime" */
    struct view signing_name;                               /* "bedrock" */
    enum aws_protocol protocol;
    bool encode_path_twice;                                 /* all but s3 */
    uint32_t skew_seconds;
    const struct operation *operations;
    size_t operation_count;
    const int16_t *error_status;                            /* HTTP status by enum aws_error; 0: not an error of this service */
};

struct operation {
    struct view name;                                       /* "Converse" */
    const struct service *service;
    struct view method;
    struct view uri;                                        /* "/model/{modelId}/converse" */
    int status;
    struct view action;                                     /* "bedrock:InvokeModel" */
    struct view resource;                                   /* template of the ARN's resource part, may be empty */
    const struct shape *input, *output;
    bool event_stream;                                      /* the output is application/vnd.amazon.eventstream */
    uint16_t index;                                         /* over all services: 0 … OPERATION_COUNT - 1 */
};

extern const struct service *const aws_services[];
extern const size_t aws_service_count;
extern const size_t aws_operation_count;

const struct operation *aws_operation_at(size_t index);
const struct operation *aws_operation_find(struct view name);

/* Routes on method and the undecoded, case-sensitive path over the four Bedrock services. labels receives the raw (still encoded)
 * label values in the order of the template; *label_count how many. NULL when nothing fits. A trailing slash that the template
 * lacks, or lacks against it, is accepted where no other operation claims the path. */
#define AWS_MAX_LABELS 6
const struct operation *aws_route(struct view method, struct view path, struct view *label_names, struct view *labels,
                                  size_t *label_count);

/* Checks a value against a shape with Bedrock's wording. On failure an error text is written to out ("N validation errors
 * detected: Value '…' at '…' failed to satisfy constraint: Member must …") and false returned. */
bool aws_validate(const struct operation *operation, const struct json *body, struct buf *out);

#endif
