/* engine/schema_instance.h - the smallest value that a JSON schema accepts, for scripted answers. Pure.
 *
 * Known: type, const, enum, properties, required, items, prefixItems, minItems, minLength, format, minimum, exclusiveMinimum,
 * maximum, multipleOf, local $ref, and the first branch of anyOf, oneOf and allOf. What else a schema demands (pattern, not, if) is not
 * looked at. Recursion ends at a depth of 32 with null.
 */
#ifndef CRATON_ENGINE_SCHEMA_INSTANCE_H
#define CRATON_ENGINE_SCHEMA_INSTANCE_H

#include "base/json.h"

void schema_instance(struct json_writer *w, const struct json *schema);     /* NULL: {} */

#endif
