/* aws/operation.h - the tables of services and operations, generated at build time from api/, and the routing over them.
 *
 * A service holds operations; an operation is a row of data: method, path, status, the IAM action and resource, the shapes of its
 * input and output, its errors. Handlers are not part of these rows: src/server joins them by name (struct handler_row), so that
 * this layer knows nothing of what is above it. Everything here is constant and shared by all threads.
 */
#ifndef CRATON_AWS_OPERATION_H
#define CRATON_AWS_OPERATION_H

#include "aws/error.h"
#include "base/view.h"

enum aws_protocol { AWS_REST_JSON, AWS_REST_XML, AWS_JSON, AWS_QUERY };

struct shape;                                               /* aws/shape.h */
struct operation;

struct service {
    struct view name;                                       /* "bedrock-runtime" */
    struct view signing_name;                               /* "bedrock" */
    enum aws_protocol protocol;
    bool encode_path_twice;                                 /* all but s3 */
    uint32_t skew_seconds;
    const struct operation *operations;
    size_t operation_count;
    int16_t error_status[AWS_STATUS_COUNT];                 /* HTTP status; 0: not an error of this service */
    struct view target_prefix;                              /* AWS_JSON: what stands before the '.' in X-Amz-Target */
    struct view media_type;                                 /* AWS_JSON: of its bodies */
    struct view error_prefix;                               /* AWS_JSON: before the name of its errors in __type */
    struct view xml_namespace;                              /* AWS_QUERY: of its replies */
};

enum aws_input {
    AWS_INPUT_NONE,                                         /* no member of the input stands in the body */
    AWS_INPUT_JSON,                                         /* the body is a JSON object */
    AWS_INPUT_BYTES,                                        /* the body is the payload itself: InvokeModel */
    AWS_INPUT_STREAM,                                       /* the body is an event stream */
};

#define AWS_MAX_LABELS 6

struct operation {
    struct view name;                                       /* "Converse" */
    const struct service *service;
    struct view method;
    struct view uri;                                        /* "/model/{modelId}/converse" */
    int status;
    struct view action;                                     /* "bedrock:InvokeModel" */
    struct view resource;                                   /* "foundation-model/{modelId}", "{resourceArn}" or empty: any */
    struct view arn_type;                                   /* owns its path only for ARNs of this resource type, else empty */
    const struct shape *input, *output;
    enum aws_input input_body;
    bool event_stream;                                      /* the output is application/vnd.amazon.eventstream */
    uint16_t index;                                         /* over all services: 0 … aws_operation_count - 1 */
    uint8_t label_count;
    struct view labels[AWS_MAX_LABELS];                     /* their names, in the order of the path */
};

extern const struct service *const aws_services[];
extern const size_t aws_service_count;
extern const size_t aws_operation_count;

const struct operation *aws_operation_at(size_t index);     /* index below aws_operation_count */
/* A name is "Converse", the first of all services, or "bedrock:TagResource", of that service alone. NULL when there is none. */
const struct operation *aws_operation_find(struct view name);
const struct operation *aws_service_operation(const struct service *service, struct view name);     /* NULL when it has none */

struct route {
    const struct operation *operation;
    struct view labels[AWS_MAX_LABELS];                     /* still percent-encoded; as many as operation->label_count */
};

/* Routes on method and the undecoded, case-sensitive path over all services. False when nothing fits. The path is split at '/'
 * before anything is decoded, and a label takes one segment, so "arn%3A…%2F…" stays whole. A trailing slash that the operation's
 * path lacks, or that it has and the request lacks, is forgiven where no other operation claims the path. */
bool aws_route(struct view method, struct view path, struct route *route);

/* Where a request goes, from its head alone. Operations of AWS_JSON are named by X-Amz-Target, those of AWS_QUERY by the parameter
 * Action in the query or, as a form, in the body; the signature's service then says whose they are. All others have paths. */
struct destination {
    const struct service *service;      /* NULL: no path fits. With no operations: a service of this protocol that is not known */
    const struct operation *operation;                      /* NULL: there is none, or the body will tell */
    struct view asked;                                      /* "AmazonSSM.GetParameter": what was asked for by name */
    struct view signed_for;                                 /* AWS_QUERY: the service that the signature names; empty: none */
    bool in_body;                                           /* aws_destination_action() finds the operation in the form */
    struct view labels[AWS_MAX_LABELS];                     /* as of struct route */
};

struct http_request;
void aws_destination(const struct http_request *request, struct destination *out);
/* Finishes what was in_body. */
void aws_destination_action(struct view form, struct destination *destination);

#endif
