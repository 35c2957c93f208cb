/* dynamodb/expression.h - filter, key condition and projection expressions: parsed once, then held against items.
 *
 *     struct expressions x = { .arena = arena, .names = names, .values = values };
 *     const struct condition *filter = condition_parse(&x, "FilterExpression", text);     // NULL: x.problem says why
 *     if (filter != NULL && expressions_settled(&x))
 *         … condition_holds(filter, item) …
 *
 * The grammar is DynamoDB's: comparisons, BETWEEN, IN, AND, OR, NOT, parentheses, attribute_exists, attribute_not_exists,
 * attribute_type, begins_with, contains and size, over document paths with #names, and :values. Parsing is by recursive descent;
 * size, depth and number of operators are bounded. Pure functions; everything lives in the arena.
 */
#ifndef CRATON_DYNAMODB_EXPRESSION_H
#define CRATON_DYNAMODB_EXPRESSION_H

#include "dynamodb/value.h"

#define EXPRESSION_OPERATORS_MAX 300

/* ---- document paths ---- */

struct path_step {
    struct view name;                                       /* ptr NULL: an element of a list */
    size_t index;
};

struct path {
    struct path_step *steps;                                /* the first is a name */
    size_t count;
};

struct value path_value(const struct path *path, const struct json *item);      /* VALUE_NONE when nothing is there */

/* ---- conditions ---- */

enum condition_kind {
    CONDITION_OR,
    CONDITION_AND,
    CONDITION_NOT,
    CONDITION_EQUAL,
    CONDITION_NOT_EQUAL,
    CONDITION_LESS,
    CONDITION_AT_MOST,
    CONDITION_GREATER,
    CONDITION_AT_LEAST,
    CONDITION_BETWEEN,
    CONDITION_IN,
    CONDITION_EXISTS,
    CONDITION_NOT_EXISTS,
    CONDITION_TYPE,
    CONDITION_BEGINS_WITH,
    CONDITION_CONTAINS,
};

struct operand {
    enum { OPERAND_PATH, OPERAND_SIZE, OPERAND_VALUE } kind;
    struct path path;                                       /* of OPERAND_SIZE: whose */
    struct value value;
};

struct condition {
    enum condition_kind kind;
    const struct condition *left, *right;                   /* of OR and AND; NOT has left alone */
    const struct operand *operands;                         /* of all others */
    size_t count;
};

struct substitute {                                         /* a #name or :value that some expression used */
    struct view name;
    const struct substitute *next;
};

struct expressions {
    struct arena *arena;
    const struct json *names, *values;                      /* of the request; NULL: none */
    const struct substitute *used_names, *used_values;
    size_t used_name_count, used_value_count;
    const char *problem;                                    /* in DynamoDB's words */
};

/* parameter names the expression in messages. */
const struct condition *condition_parse(struct expressions *x, const char *parameter, struct view text);
bool condition_holds(const struct condition *condition, const struct json *item);
/* A condition on this attribute, at any depth. */
bool condition_uses(const struct condition *condition, struct view attribute);

/* ---- projections ---- */

struct projection {
    const struct path *paths;
    size_t count;
};

const struct projection *projection_parse(struct expressions *x, const char *parameter, struct view text);
/* The item's attributes that the projection names, as an object. */
void projection_write(const struct projection *projection, const struct json *item, struct json_writer *out);

/* ---- the whole ---- */

/* Values and names are well formed. Before the first expression is parsed. */
bool expressions_check(struct expressions *x);
/* Every name and value was used by some expression. After the last. */
bool expressions_settled(struct expressions *x);

#endif
