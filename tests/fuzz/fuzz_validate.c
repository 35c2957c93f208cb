/* Feeds JSON to the shape validator. The first byte chooses an operation, a line may hold the query; the rest is the body, and the
 * label of the path. Nothing may be read out of bounds, and a text comes with every refusal. */
#include "aws/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct view rest = view_of(data + 1, size - 1), labels[AWS_MAX_LABELS], message = VIEW("");
    struct arena *arena = arena_create(8u << 20);
    struct aws_values values = { .operation = aws_operation_at(data[0] % aws_operation_count), .labels = labels };
    values.query = view_split(&rest, '\n');
    for (size_t i = 0; i < AWS_MAX_LABELS; i++)
        labels[i] = values.query;
    values.payload = rest;
    values.body = rest.ptr != NULL ? json_parse(arena, rest, JSON_DEPTH_DEFAULT, NULL) : NULL;
    enum aws_status status = aws_validate(&values, arena, &message);
    if (status != AWS_OK && message.len == 0 && !arena_exhausted(arena))
        __builtin_trap();
    if (values.operation->output != NULL && values.body != NULL)
        aws_validate_shape(values.operation->output, values.body, arena, &message);
    arena_destroy(arena);
    return 0;
}
