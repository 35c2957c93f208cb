/* aws/shape.h - the shapes of inputs, outputs and errors, generated at build time from api/.
 *
 * A shape is a type with constraints. The tables hold numbers and offsets instead of pointers, so that they need no relocation
 * when the program starts and stay shared between processes. Constant; any thread.
 */
#ifndef CRATON_AWS_SHAPE_H
#define CRATON_AWS_SHAPE_H

#include "base/view.h"

enum shape_type {
    SHAPE_STRUCTURE,
    SHAPE_UNION,                                            /* a structure of which exactly one member is set */
    SHAPE_LIST,
    SHAPE_MAP,
    SHAPE_STRING,
    SHAPE_INTEGER,
    SHAPE_LONG,
    SHAPE_FLOAT,
    SHAPE_DOUBLE,
    SHAPE_BOOLEAN,
    SHAPE_BLOB,                                             /* base64 in JSON; limits count the decoded bytes */
    SHAPE_TIMESTAMP,                                        /* ISO 8601 in JSON and in queries */
    SHAPE_DOCUMENT,                                         /* any JSON */
};

enum {
    SHAPE_SENSITIVE = 1,                                    /* its value is not repeated in error texts */
    SHAPE_HAS_MIN   = 2,
    SHAPE_HAS_MAX   = 4,
    SHAPE_LAX       = 8,                                    /* the pattern is not enforced */
    SHAPE_EVENTS    = 16,                                   /* an event stream: a union of events and exceptions */
};

struct shape {
    uint8_t type;                                           /* enum shape_type */
    uint8_t flags;
    uint16_t count;                                         /* members of a structure, values of an enumeration */
    uint16_t first;                                         /* the first member or value; a list's element; a map's key shape */
    uint16_t second;                                        /* a map's value shape */
    uint16_t pattern;                                       /* shape_pattern(), 0: none */
    double min, max;                                        /* length, size or value; see the flags */
};

enum shape_location { SHAPE_IN_BODY, SHAPE_IN_URI, SHAPE_IN_QUERY, SHAPE_IN_HEADER };

struct shape_member {
    uint32_t name_at, wire_at;
    uint16_t shape;
    uint8_t name_len, wire_len;
    uint8_t location;                                       /* enum shape_location */
    bool required;
    bool payload;                                           /* this member is the whole body */
};

const struct shape *shape_at(uint16_t index);
struct view shape_pattern(uint16_t pattern);                /* as the API's model writes it */
extern const size_t shape_pattern_count;                    /* patterns are numbered from 1 */
struct view shape_enum_value(const struct shape *shape, size_t index);

const struct shape_member *shape_member_at(const struct shape *structure, size_t index);
const struct shape_member *shape_member_find(const struct shape *structure, struct view name);  /* NULL when unknown */
struct view shape_member_name(const struct shape_member *member);
struct view shape_member_wire(const struct shape_member *member);   /* its name in the query or the headers */

static inline bool shape_is_structure(const struct shape *shape)
{
    return shape->type == SHAPE_STRUCTURE || shape->type == SHAPE_UNION;
}

/* The union of events behind an output whose payload is an event stream, else NULL. */
const struct shape *shape_event_stream(const struct shape *output);

#endif
