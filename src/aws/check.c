/* What stands between a whole request and its handler: signature, JSON, shape. Small bodies on the loop, large ones in the pool. */
#include "aws/call_impl.h"

#include "aws/validate.h"

static void parse_body(struct call *call)
{
    struct json_error error = { 0, "" };
    if (call->payload.len == 0)
        return;
    call->body = json_parse(call->arena, call->payload, call->front->options.json_depth, &error);
    if (call->body == NULL)
        call_fail(call, AWS_SERIALIZATION, "The request body is not valid JSON: %s at byte %zu.", error.message, error.offset);
    else if (json_type(call->body) != JSON_OBJECT)
        call_fail(call, AWS_SERIALIZATION, "The request body must be a JSON object.");
}

static void validate(struct call *call)
{
    const struct aws_values values = {
        .operation = call->operation,
        .labels = call->labels,
        .query = call->request->query,
        .headers = call->request->headers,
        .header_count = call->request->header_count,
        .body = call->body,
        .payload = call->payload,
    };
    struct view message = VIEW("");
    enum aws_status status = aws_validate(&values, call->arena, &message);
    if (status == AWS_OK)
        return;
    call->error = status;
    call->message = message;
}

void call_check(struct call *call, struct sigv4_work *work)
{
    if (!call_verify(call, work) || call->error != AWS_OK)
        return;
    if (call->operation->input_body == AWS_INPUT_JSON)
        parse_body(call);
    if (call->error == AWS_OK)
        validate(call);
}
