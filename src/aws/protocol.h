/* aws/protocol.h - errors and replies in the form that each protocol gives them. Pure functions, any thread.
 *
 *     rest-json   {"__type":"ValidationException","message":"…"}
 *     json        {"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"…"}, most statuses 400
 *     query       <ErrorResponse><Error><Type/><Code>AccessDenied</Code><Message/></Error><RequestId/></ErrorResponse>
 *
 * Where service may be NULL, nothing was routed: rest-json.
 */
#ifndef CRATON_AWS_PROTOCOL_H
#define CRATON_AWS_PROTOCOL_H

#include "aws/operation.h"
#include "base/arena.h"
#include "base/buf.h"
#include "net/http.h"

struct error_reply {
    enum aws_status status;
    struct view message;
    struct view request_id;
    const struct http_header *members;                      /* further members of the body: name and text */
    size_t member_count;
};

void protocol_write_error(const struct service *service, const struct error_reply *error, struct buf *out);
struct view protocol_error_code(const struct service *service, enum aws_status status);    /* "ValidationException", "AccessDenied" */
struct view protocol_media_type(const struct service *service);

/* query: the members of a JSON object as a reply in XML, in out. body may be what out holds. False when memory is out or body is
 * no object. */
bool protocol_write_xml(const struct operation *operation, struct view body, struct view request_id, struct arena *arena,
                        struct buf *out);

#endif
