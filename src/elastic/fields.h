/* elastic/fields.h - taking settings out of a JSON object as Elasticsearch does: each known one is taken and checked, and what is left
 * over at the end is unknown.
 *
 * What is wrong is added to the error with Elasticsearch's wording, under the scope's name ("service_settings"). A member that is
 * null counts as absent. Pure; memory comes from the error's arena.
 */
#ifndef CRATON_ELASTIC_FIELDS_H
#define CRATON_ELASTIC_FIELDS_H

#include "elastic/error.h"

struct fields {
    const struct json *object; /* NULL: empty */
    const char *scope;
    struct elastic_error *error;
    bool *taken; /* a flag for each member */
};

void fields_init(struct fields *fields, const struct json *object, const char *scope, struct elastic_error *error);
const struct json *fields_take(struct fields *fields, const char *key); /* NULL when absent or null */

/* False when absent or, after a problem was added, wrong. */
bool fields_string(struct fields *fields, const char *key, bool required, struct view *out); /* not empty */
bool fields_integer(struct fields *fields, const char *key, int64_t *out);                   /* a whole number written as one */
bool fields_positive(struct fields *fields, const char *key, int64_t *out);
bool fields_positive_long(struct fields *fields, const char *key, int64_t *out);
/* Positive and from least to most, which are told as decimals, as Elasticsearch does. */
bool fields_between(struct fields *fields, const char *key, int64_t least, int64_t most, int64_t *out);
bool fields_share(struct fields *fields, const char *key, double *out); /* a decimal from 0.0 to 1.0; 1 is an integer, so wrong */
bool fields_object(struct fields *fields, const char *key, const struct json **out);

/* True when every member was taken; else "Configuration contains settings [{…}] unknown to the [amazonbedrock] service". */
bool fields_done(struct fields *fields);
/* The members that were not taken, "a, b"; NULL when there are none. */
const char *fields_left(const struct fields *fields);

/* A value as Java would print it: {a=1, b=[x, y]}. */
void java_append(struct buf *out, const struct json *value);
const char *java_text(struct arena *arena, const struct json *value);

#endif
