/* runtime/converse_parse.h - the body of Converse, ConverseStream and CountTokens as a neutral request.
 *
 * Pure: JSON in, struct model_request out, everything in the caller's arena. The body has been validated against its shape; here
 * are the rules that a shape cannot say, with Bedrock's wording. What this server cannot do is refused by name, never ignored.
 */
#ifndef CRATON_RUNTIME_CONVERSE_PARSE_H
#define CRATON_RUNTIME_CONVERSE_PARSE_H

#include "aws/error.h"
#include "engine/request.h"

struct converse_input {
    struct arena *arena;
    const struct json *body;                                /* borrowed by the request: keep it until the call has ended */
    bool vision;                                            /* the model takes images */
    int64_t max_output_tokens;                              /* the limit of the model id; 0: none is known */
    struct buf *error;                                      /* the message when it is refused */
};

/* Fills request->kind and request->generate. AWS_OK, or AWS_VALIDATION with a message. */
enum aws_status converse_parse(const struct converse_input *input, struct model_request *request);

#endif
