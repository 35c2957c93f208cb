/* families/schema.h - what a native body may hold, as a table, and the one checker of all families.
 *
 * A family describes its body in constant tables of struct schema. schema_check() writes Bedrock's own words for each violation:
 * "#: required key [prompt] not found#: extraneous key [foo] is not permitted". Members that Bedrock takes and this server does
 * not are in the tables too: schema_unsupported() refuses them by name, unless they hold the one value that means nothing.
 *
 * Pure functions; recursion is as deep as the tables are.
 */
#ifndef CRATON_FAMILIES_SCHEMA_H
#define CRATON_FAMILIES_SCHEMA_H

#include "base/json.h"

enum schema_type {
    SCHEMA_STRING = 1,
    SCHEMA_NUMBER = 2,
    SCHEMA_INTEGER = 4,
    SCHEMA_BOOLEAN = 8,
    SCHEMA_ARRAY = 16,
    SCHEMA_OBJECT = 32,
    SCHEMA_NULL = 64,
    SCHEMA_ANY = 127
};

struct schema_member;

struct schema {
    unsigned types;                                         /* set of enum schema_type; SCHEMA_NUMBER takes whole numbers too */
    bool bounded, above;                                    /* numbers: min ≤ n ≤ max; above: min < n */
    double min, max;
    size_t min_size, max_size;                              /* characters of a string, elements of an array; max 0: no limit */
    const char *const *values;                              /* of a string: NULL-terminated; NULL: any */
    const struct schema *items;                             /* of an array; NULL: any */
    const struct schema_member *members;                    /* of an object, ended by a NULL name; NULL: any object */
    bool open;                                              /* of an object: other keys are let through */
    const char *only;                                       /* the sole value served here: "" none, else true false null [] 0 NONE … */
};

struct schema_member {
    const char *name;
    struct schema schema;
    bool required;
};

/* The tables read: MEMBER("prompt", REQUIRED, TEXT(1, 0)), MEMBER("top_p", OPTIONAL, NUMBER(0, 1)). */
#define MEMBER(key, needed, ...)     { .name = (key), .required = (needed), .schema = { __VA_ARGS__ } }
#define MEMBERS_END                  { .name = NULL }
#define REQUIRED                     true
#define OPTIONAL                     false
#define TEXT(shortest, longest)      .types = SCHEMA_STRING, .min_size = (shortest), .max_size = (longest)
#define NUMBER(least, most)          .types = SCHEMA_NUMBER, .bounded = true, .min = (least), .max = (most)
#define NUMBER_ABOVE(least, most)    .types = SCHEMA_NUMBER, .bounded = true, .above = true, .min = (least), .max = (most)
#define INTEGER(least, most)         .types = SCHEMA_INTEGER, .bounded = true, .min = (least), .max = (most)
#define BOOLEAN                      .types = SCHEMA_BOOLEAN
#define ONE_OF(list)                 .types = SCHEMA_STRING, .values = (list)
#define ARRAY_OF(schema, least, most) .types = SCHEMA_ARRAY, .items = &(schema), .min_size = (least), .max_size = (most)
#define OBJECT_OF(list)              .types = SCHEMA_OBJECT, .members = (list)
#define ANY_OBJECT                   .types = SCHEMA_OBJECT
#define ANY_VALUE                    .types = SCHEMA_ANY
#define ONLY(value)                  .types = SCHEMA_ANY, .only = (value)
#define UNSUPPORTED                  .types = SCHEMA_ANY, .only = ""

/* Appends every violation (the first few, when there are many) to out. True when there is none. */
bool schema_check(const struct schema *schema, const struct json *value, struct buf *out);

/* Finds the first member that this server does not serve and appends its path, "/tools/0/cache". True when there is none; else
 * *only is the value it may have, or "". */
bool schema_unsupported(const struct schema *schema, const struct json *value, struct buf *path, const char **only);

#endif
