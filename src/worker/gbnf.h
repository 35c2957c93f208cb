/* worker/gbnf.h - from JSON schemas to a grammar (GBNF) that lets a model write nothing else.
 *
 * The promise is one-sided and strict: whatever the grammar lets through validates against the schema. It need not reach every valid
 * value: properties come in the schema's order, undeclared ones only where the schema asks for them, numbers have at most
 * fifteen digits, JSON is compact (one space after ':' and ',' is possible), and strings and arrays without a limit of their own
 * get one, so that a model which has lost its way still comes to an end. Two exceptions, which validators treat as one too: `oneOf`
 * is read as `anyOf`, and a `format` that is not known here is an annotation.
 *
 * A keyword that cannot be kept, a pattern or a schema that would explode, and a schema without any value are refused by name.
 *
 * One builder makes one grammar, from any number of schemas and rules of the caller's own. Schemas are borrowed until gbnf_destroy().
 * Errors are sticky: check gbnf_error() once at the end. One thread at a time.
 */
#ifndef CRATON_WORKER_GBNF_H
#define CRATON_WORKER_GBNF_H

#include "base/json.h"

struct gbnf;

struct gbnf_limits {
    unsigned string_chars; /* of a string without maxLength; at most GBNF_MAX_REPEAT */
    unsigned array_items;  /* of an array without maxItems; likewise */
};

#define GBNF_MAX_REPEAT 1024 /* larger limits in a schema are lowered to it, larger minima refused */
#define GBNF_MAX_DEPTH  48   /* nesting of a schema */
#define GBNF_MAX_RULES  3000
#define GBNF_MAX_TEXT   (512u << 10)

struct gbnf *gbnf_create(struct gbnf_limits limits); /* NULL when out of memory */
void gbnf_destroy(struct gbnf *g);                   /* NULL is fine */

/* Defines the rule `name` (letters, digits, '-'; not "r" and digits, not "json-…") as the values of schema; NULL is any object. */
void gbnf_schema(struct gbnf *g, const char *name, const struct json *schema);
/* Defines a rule of the caller's own: text is its right-hand side, which may name rules defined here. */
void gbnf_rule(struct gbnf *g, const char *name, struct view text);
/* Defines the rule json-space, one optional blank, unless a schema has. */
void gbnf_need_space(struct gbnf *g);
/* Appends text as a quoted GBNF terminal. */
void gbnf_literal(struct buf *out, struct view text);

const char *gbnf_error(const struct gbnf *g); /* NULL: none; else one sentence */
bool gbnf_too_large(const struct gbnf *g);    /* the error is that it would explode, not that it cannot be kept */
struct view gbnf_text(const struct gbnf *g);  /* the grammar so far */

/* How many strings a model has to fill in at most once: for sharing out a token budget. Each element of an array counts once. */
size_t gbnf_count_strings(const struct json *schema);

#endif
