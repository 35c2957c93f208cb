/* dynamodb/value.h - attribute values as DynamoDB writes them in JSON: {"S":"text"}, {"N":"12"}, {"M":{…}} … Pure functions.
 *
 * Values are borrowed from their JSON tree. Numbers are decimal with up to 38 digits and compared exactly.
 */
#ifndef CRATON_DYNAMODB_VALUE_H
#define CRATON_DYNAMODB_VALUE_H

#include "base/json.h"

enum value_type {
    VALUE_NONE,                                             /* absent, or not a value */
    VALUE_STRING,
    VALUE_NUMBER,
    VALUE_BINARY,                                           /* base64 */
    VALUE_BOOL,
    VALUE_NULL,
    VALUE_MAP,
    VALUE_LIST,
    VALUE_STRING_SET,
    VALUE_NUMBER_SET,
    VALUE_BINARY_SET,
};

struct value {
    enum value_type type;
    const struct json *content;
};

struct value value_of(const struct json *wrapped);          /* VALUE_NONE for NULL and for what is no value */
const char *value_type_name(enum value_type type);          /* "S", "NS"; "" for VALUE_NONE */
/* What is wrong with a value that a client sent, in DynamoDB's words and in the arena; NULL: nothing. Looks into maps and lists. */
const char *value_problem(const struct json *wrapped, struct arena *arena);

struct view value_text(struct value value);                 /* of strings, numbers and binaries; else empty */
bool value_equal(struct value a, struct value b);           /* VALUE_NONE equals nothing */
/* <0, 0, >0 in *order. False when the two have no order: different types, or no strings and no numbers. */
bool value_compare(struct value a, struct value b, int *order);
bool value_contains(struct value whole, struct value part);     /* a substring, or an element */
bool value_begins_with(struct value whole, struct value part);
bool value_size(struct value value, int64_t *size);         /* false for numbers, booleans and null */

bool number_valid(struct view text);
int number_compare(struct view a, struct view b);           /* both valid */

#endif
