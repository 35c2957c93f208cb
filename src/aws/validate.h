/* aws/validate.h - checks what a caller sent against the shapes of the API.
 *
 * A value of the wrong JSON type is AWS_SERIALIZATION and ends the check at once. Everything that breaks a constraint is collected
 * into one AWS_VALIDATION message in Bedrock's wording:
 *
 *     2 validation errors detected: Value 'x y' at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint:
 *     Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+; Value null at 'messages' failed to …
 *
 * Values of sensitive shapes are left out. Members that the model does not know are ignored, documents may hold any JSON, null is
 * absent. Patterns must match whole; they are compiled on first use and run under limits, so a hostile value is refused, not
 * pondered. Any thread.
 */
#ifndef CRATON_AWS_VALIDATE_H
#define CRATON_AWS_VALIDATE_H

#include "aws/operation.h"
#include "aws/shape.h"
#include "base/json.h"
#include "net/http.h"

struct aws_values {
    const struct operation *operation;
    const struct view *labels;                              /* decoded, in the order of operation->labels */
    struct view query;                                      /* undecoded */
    const struct http_header *headers;
    size_t header_count;
    const struct json *body;                                /* AWS_INPUT_JSON; NULL when there is none */
    struct view payload;                                    /* AWS_INPUT_BYTES */
};

/* AWS_OK, AWS_VALIDATION or AWS_SERIALIZATION, then with the message in the arena. */
enum aws_status aws_validate(const struct aws_values *values, struct arena *arena, struct view *message);

/* The same for one value: a part of an input, or a reply against its output. */
enum aws_status aws_validate_shape(const struct shape *shape, const struct json *value, struct arena *arena, struct view *message);

/* True when the whole text matches the pattern (shape->pattern). */
bool shape_pattern_matches(uint16_t pattern, struct view text);
bool shape_pattern_usable(uint16_t pattern);                /* false: the engine cannot compile it */

#endif
