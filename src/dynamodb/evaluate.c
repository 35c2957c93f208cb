/* dynamodb/evaluate.c - conditions and projections against items. What has no sense (a number's size, the order of two types) does
 * not hold; only "not equal" and "not exists" hold for what is not there. */
#include "dynamodb/expression.h"

#include <stdio.h>

/* ---- paths ---- */

static const struct json *path_step_into(struct value at, const struct path_step *step)
{
    if (step->name.ptr != NULL)
        return at.type == VALUE_MAP ? json_get_view(at.content, step->name) : NULL;
    return at.type == VALUE_LIST ? json_at(at.content, step->index) : NULL;
}

struct value path_value(const struct path *path, const struct json *item)
{
    struct value at = value_of(json_get_view(item, path->steps[0].name));
    for (size_t i = 1; i < path->count; i++)
        at = value_of(path_step_into(at, &path->steps[i]));
    return at;
}

/* ---- conditions ---- */

/* An operand against an item: a value, or a number that is a size. */
struct given {
    struct value value;
    bool is_size;
    int64_t size;
};

static struct given given_of(const struct operand *operand, const struct json *item)
{
    struct given given = { .value = operand->value };
    if (operand->kind == OPERAND_PATH)
        given.value = path_value(&operand->path, item);
    if (operand->kind == OPERAND_SIZE)
        given.is_size = value_size(path_value(&operand->path, item), &given.size);
    return given;
}

static bool exists(const struct given *given)
{
    return given->is_size || given->value.type != VALUE_NONE;
}

static struct view number_text(const struct given *given, char *room, size_t size)
{
    if (!given->is_size)
        return value_text(given->value);
    int len = snprintf(room, size, "%lld", (long long)given->size);
    return view_of(room, (size_t)len);
}

static bool order_of(const struct given *a, const struct given *b, int *order)
{
    char room_a[24], room_b[24];
    if (!a->is_size && !b->is_size)
        return value_compare(a->value, b->value, order);
    if ((!a->is_size && a->value.type != VALUE_NUMBER) || (!b->is_size && b->value.type != VALUE_NUMBER))
        return false;
    *order = number_compare(number_text(a, room_a, sizeof room_a), number_text(b, room_b, sizeof room_b));
    return true;
}

static bool equal(const struct given *a, const struct given *b)
{
    int order;
    return a->is_size || b->is_size ? order_of(a, b, &order) && order == 0 : value_equal(a->value, b->value);
}

static bool in_order(enum condition_kind kind, const struct given *a, const struct given *b)
{
    int order;
    if (!order_of(a, b, &order))
        return false;
    switch (kind) {
    case CONDITION_LESS:
        return order < 0;
    case CONDITION_AT_MOST:
        return order <= 0;
    case CONDITION_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool is_among(const struct condition *condition, const struct given *first, const struct json *item)
{
    for (size_t i = 1; i < condition->count; i++) {
        struct given other = given_of(&condition->operands[i], item);
        if (equal(first, &other))
            return true;
    }
    return false;
}

static bool is_between(const struct condition *condition, const struct given *first, const struct json *item)
{
    struct given low = given_of(&condition->operands[1], item), high = given_of(&condition->operands[2], item);
    return in_order(CONDITION_AT_LEAST, first, &low) && in_order(CONDITION_AT_MOST, first, &high);
}

static bool comparison_holds(const struct condition *condition, const struct json *item)
{
    struct given first = given_of(&condition->operands[0], item);
    struct given second = condition->count > 1 ? given_of(&condition->operands[1], item) : (struct given){ .is_size = false };
    switch (condition->kind) {
    case CONDITION_EQUAL:
        return equal(&first, &second);
    case CONDITION_NOT_EQUAL:
        return !equal(&first, &second);
    case CONDITION_BETWEEN:
        return is_between(condition, &first, item);
    case CONDITION_IN:
        return is_among(condition, &first, item);
    case CONDITION_EXISTS:
        return exists(&first);
    case CONDITION_NOT_EXISTS:
        return !exists(&first);
    case CONDITION_TYPE:
        return exists(&first) && view_is(value_text(second.value), value_type_name(first.value.type));
    case CONDITION_BEGINS_WITH:
        return value_begins_with(first.value, second.value);
    case CONDITION_CONTAINS:
        return value_contains(first.value, second.value);
    default:
        return in_order(condition->kind, &first, &second);
    }
}

bool condition_holds(const struct condition *condition, const struct json *item)
{
    switch (condition->kind) {
    case CONDITION_OR:
        return condition_holds(condition->left, item) || condition_holds(condition->right, item);
    case CONDITION_AND:
        return condition_holds(condition->left, item) && condition_holds(condition->right, item);
    case CONDITION_NOT:
        return !condition_holds(condition->left, item);
    default:
        return comparison_holds(condition, item);
    }
}

bool condition_uses(const struct condition *condition, struct view attribute)
{
    if (condition->kind <= CONDITION_NOT)
        return condition_uses(condition->left, attribute) || (condition->right != NULL && condition_uses(condition->right, attribute));
    for (size_t i = 0; i < condition->count; i++) {
        const struct operand *operand = &condition->operands[i];
        if (operand->kind != OPERAND_VALUE && view_eq(operand->path.steps[0].name, attribute))
            return true;
    }
    return false;
}

/* ---- projections ---- */

/* The paths whose first steps were taken: a path that does not go this way is left out. */
struct way {
    const struct path *const *paths;
    size_t count;
    size_t depth;                                           /* steps taken */
};

static bool way_ends(const struct way *way)
{
    for (size_t i = 0; i < way->count; i++) {
        if (way->paths[i]->count == way->depth)
            return true;
    }
    return false;
}

static size_t way_on(const struct way *way, struct view name, size_t index, const struct path **room, struct way *out)
{
    size_t count = 0;
    for (size_t i = 0; i < way->count; i++) {
        const struct path_step *step = &way->paths[i]->steps[way->depth];
        bool same = name.ptr != NULL ? step->name.ptr != NULL && view_eq(step->name, name) : step->name.ptr == NULL && step->index == index;
        if (same)
            room[count++] = way->paths[i];
    }
    *out = (struct way){ room, count, way->depth + 1 };
    return count;
}

/* Is there anything on the way? What is empty is not written. */
static bool way_leads(const struct way *way, const struct json *wrapped)
{
    for (size_t i = 0; i < way->count; i++) {
        const struct path *path = way->paths[i];
        struct value at = value_of(wrapped);
        for (size_t step = way->depth; step < path->count; step++)
            at = value_of(path_step_into(at, &path->steps[step]));
        if (at.type != VALUE_NONE)
            return true;
    }
    return false;
}

static void write_way(const struct way *way, const struct json *wrapped, struct json_writer *out);

static void write_inner(const struct way *way, struct value value, struct json_writer *out)
{
    const struct path *room[EXPRESSION_OPERATORS_MAX];
    bool map = value.type == VALUE_MAP;
    size_t index = 0;
    if (map)
        json_object(out);
    else
        json_array(out);
    for (struct json_iter it = json_iter(value.content); json_next(&it); index++) {
        struct way next;
        if (way_on(way, map ? it.key : (struct view){ NULL, 0 }, index, room, &next) == 0 || !way_leads(&next, it.value))
            continue;
        if (map)
            json_key_view(out, it.key);
        write_way(&next, it.value, out);
    }
    json_end(out);
}

static void write_way(const struct way *way, const struct json *wrapped, struct json_writer *out)
{
    struct value value = value_of(wrapped);
    if (way_ends(way)) {
        json_write_value(out, wrapped);
        return;
    }
    json_object(out);
    json_key(out, value_type_name(value.type));
    write_inner(way, value, out);
    json_end(out);
}

void projection_write(const struct projection *projection, const struct json *item, struct json_writer *out)
{
    const struct path *all[EXPRESSION_OPERATORS_MAX];
    for (size_t i = 0; i < projection->count; i++)
        all[i] = &projection->paths[i];
    const struct way way = { all, projection->count, 0 };
    write_inner(&way, (struct value){ VALUE_MAP, item }, out);
}
