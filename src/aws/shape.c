#include "aws/tables.h"

const struct shape *shape_at(uint16_t index)
{
    return &aws_shapes[index];
}

struct view shape_pattern(uint16_t pattern)
{
    return aws_text(aws_patterns[pattern - 1]);
}

struct view shape_enum_value(const struct shape *shape, size_t index)
{
    return aws_text(aws_enum_values[shape->first + index]);
}

const struct shape_member *shape_member_at(const struct shape *structure, size_t index)
{
    return &aws_members[structure->first + index];
}

struct view shape_member_name(const struct shape_member *member)
{
    return (struct view){ aws_texts + member->name_at, member->name_len };
}

struct view shape_member_wire(const struct shape_member *member)
{
    return (struct view){ aws_texts + member->wire_at, member->wire_len };
}

const struct shape_member *shape_member_find(const struct shape *structure, struct view name)
{
    for (size_t i = 0; i < structure->count; i++) {
        const struct shape_member *member = shape_member_at(structure, i);
        if (view_eq(shape_member_name(member), name))
            return member;
    }
    return NULL;
}

const struct shape *shape_event_stream(const struct shape *output)
{
    for (size_t i = 0; output != NULL && i < output->count; i++) {
        const struct shape *target = shape_at(shape_member_at(output, i)->shape);
        if ((target->flags & SHAPE_EVENTS) != 0)
            return target;
    }
    return NULL;
}
