#include "dynamodb/keys.h"

static void add(struct key_list *list, const struct table_key *key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (key->name != NULL && strcmp(list->keys[i]->name, key->name) == 0)
            return;
    }
    if (key->name != NULL)
        list->keys[list->count++] = key;
}

struct key_list keys_of_table(const struct table *table)
{
    return keys_of_place(table, NULL);
}

struct key_list keys_of_place(const struct table *table, const struct table_index *index)
{
    struct key_list list = { .count = 0 };
    if (index != NULL) {
        add(&list, &index->hash);
        add(&list, &index->range);
    }
    add(&list, &table->hash);
    add(&list, &table->range);
    return list;
}

struct key_list keys_of_order(const struct table *table, const struct table_index *index, bool queried)
{
    struct key_list list = { .count = 0 };
    if (queried)
        add(&list, index != NULL ? &index->range : &table->range);
    else if (index != NULL)
        add(&list, &index->hash);
    add(&list, &table->hash);
    add(&list, &table->range);
    return list;
}

/* ---- items ---- */

static struct value value_at(const struct json *item, const struct table_key *key)
{
    struct value value = value_of(json_get(item, key->name));
    bool fits = value.type == (key->type == 'N' ? VALUE_NUMBER : VALUE_STRING);
    return fits ? value : (struct value){ VALUE_NONE, NULL };
}

bool keys_present(const struct key_list *keys, const struct json *item)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (value_at(item, keys->keys[i]).type == VALUE_NONE)
            return false;
    }
    return true;
}

bool keys_match(const struct key_list *keys, const struct json *key)
{
    for (size_t i = 0; i < keys->count; i++) {
        struct value value = value_at(key, keys->keys[i]);
        if (value.type == VALUE_NUMBER && !number_valid(value_text(value)))
            return false;
    }
    return json_size(key) == keys->count && keys_present(keys, key);
}

bool keys_equal(const struct key_list *keys, const struct json *a, const struct json *b)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (!value_equal(value_at(a, keys->keys[i]), value_at(b, keys->keys[i])))
            return false;
    }
    return true;
}

int keys_compare(const struct key_list *order, const struct json *a, const struct json *b)
{
    int result = 0;
    for (size_t i = 0; i < order->count && result == 0; i++)
        value_compare(value_at(a, order->keys[i]), value_at(b, order->keys[i]), &result);
    return result;
}

void keys_write(const struct key_list *keys, const struct json *item, struct json_writer *out)
{
    json_object(out);
    for (size_t i = 0; i < keys->count; i++)
        json_put_value(out, keys->keys[i]->name, json_get(item, keys->keys[i]->name));
    json_end(out);
}

/* ---- key conditions ---- */

static bool complain(struct expressions *x, const char *problem)
{
    if (x->problem == NULL)
        x->problem = problem != NULL ? problem : "The server is out of memory.";
    return false;
}

static const char *operator_name(enum condition_kind kind)
{
    static const char *const names[] = {
        [CONDITION_OR] = "OR",
        [CONDITION_NOT] = "NOT",
        [CONDITION_NOT_EQUAL] = "<>",
        [CONDITION_IN] = "IN",
        [CONDITION_EXISTS] = "attribute_exists",
        [CONDITION_NOT_EXISTS] = "attribute_not_exists",
        [CONDITION_TYPE] = "attribute_type",
        [CONDITION_CONTAINS] = "contains",
    };
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
}

/* One attribute against values. */
static bool is_simple(const struct condition *condition)
{
    if (condition->operands[0].kind != OPERAND_PATH || condition->operands[0].path.count != 1)
        return false;
    for (size_t i = 1; i < condition->count; i++) {
        if (condition->operands[i].kind != OPERAND_VALUE)
            return false;
    }
    return true;
}

/* The conditions that AND joins. False: more than two, or something that no key condition may hold. */
static bool split(struct expressions *x, const struct condition *condition, const struct condition *parts[2], size_t *count)
{
    if (condition->kind == CONDITION_AND)
        return split(x, condition->left, parts, count) && split(x, condition->right, parts, count);
    const char *forbidden = operator_name(condition->kind);
    if (forbidden != NULL)
        return complain(x, arena_printf(x->arena, "Invalid operator used in KeyConditionExpression: %s", forbidden));
    if (*count == 2)
        return complain(x, "Conditions can be of length 1 or 2 only");
    if (!is_simple(condition))
        return complain(x, "Invalid condition in KeyConditionExpression: an attribute is compared with values alone");
    parts[(*count)++] = condition;
    return true;
}

static const struct condition *part_on(const struct condition *const parts[2], size_t count, const struct table_key *key)
{
    for (size_t i = 0; i < count && key->name != NULL; i++) {
        if (view_is(parts[i]->operands[0].path.steps[0].name, key->name))
            return parts[i];
    }
    return NULL;
}

static bool types_fit(struct expressions *x, const struct condition *part, const struct table_key *key)
{
    for (size_t i = 1; i < part->count; i++) {
        if (part->operands[i].value.type != (key->type == 'N' ? VALUE_NUMBER : VALUE_STRING))
            return complain(x, "One or more parameter values were invalid: Condition parameter type does not match schema type");
    }
    return true;
}

static void bound(const struct condition *part, struct table_select *select)
{
    struct view first = value_text(part->operands[1].value);
    switch (part->kind) {
    case CONDITION_EQUAL:
        select->from = select->to = first;
        break;
    case CONDITION_LESS:
    case CONDITION_AT_MOST:
        select->to = first;
        break;
    case CONDITION_BETWEEN:
        select->from = first;
        select->to = value_text(part->operands[2].value);
        break;
    default:
        select->from = first;
        break;
    }
}

bool keys_select(struct expressions *x, const struct condition *condition, const struct table_key *hash, const struct table_key *range,
                 struct table_select *select)
{
    const struct condition *parts[2] = { NULL, NULL };
    size_t count = 0;
    if (!split(x, condition, parts, &count))
        return false;
    const struct condition *of_hash = part_on(parts, count, hash), *of_range = part_on(parts, count, range);
    if (of_hash == NULL)
        return complain(x, arena_printf(x->arena, "Query condition missed key schema element: %s", hash->name));
    if (of_hash->kind != CONDITION_EQUAL)
        return complain(x, "Query key condition not supported");
    if (count == 2 && of_range == NULL && range->name != NULL)
        return complain(x, arena_printf(x->arena, "Query condition missed key schema element: %s", range->name));
    if (count == 2 && of_range == NULL)
        return complain(x, "Query key condition not supported");
    if (!types_fit(x, of_hash, hash) || (of_range != NULL && !types_fit(x, of_range, range)))
        return false;
    select->hash = value_text(of_hash->operands[1].value);
    if (of_range != NULL && range->type == 'S')
        bound(of_range, select);
    return true;
}
