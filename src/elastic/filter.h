/* elastic/filter.h - an answer as filter_path and pretty ask for it. Pure functions.
 *
 * filter_path is a list of paths separated by commas: names separated by dots, where * stands for any run of characters of a name and
 * ** for any number of names; a path that begins with '-' excludes. Elements of arrays are filtered by the paths of the array.
 */
#ifndef CRATON_ELASTIC_FILTER_H
#define CRATON_ELASTIC_FILTER_H

#include "base/json.h"

#define FILTER_PATHS_MAX 64

struct filter {
    struct view paths[FILTER_PATHS_MAX];
    size_t count;
    struct view excluded[FILTER_PATHS_MAX];
    size_t excluded_count;
};

void filter_read(struct view text, struct filter *out); /* paths beyond the limit are ignored */

/* Writes what the filter leaves of the value: an empty object when nothing is left. */
void filter_write(const struct filter *filter, const struct json *value, struct json_writer *out);

/* Indented by two spaces, as Elasticsearch prints, with a line end. */
void pretty_write(const struct json *value, struct buf *out);

#endif
