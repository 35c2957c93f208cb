#include "dynamodb/request.h"

#define TABLE_PART     "table/"
#define CAPACITY_BYTES 4096                                 /* an eventually consistent read of so much is half a unit */

/* ---- tables ---- */

struct view request_table_name(struct view name_or_arn)
{
    size_t at = view_find(name_or_arn, VIEW(TABLE_PART));
    if (!view_starts_with(name_or_arn, VIEW("arn:")) || at == VIEW_NPOS)
        return name_or_arn;
    struct view name = view_from(name_or_arn, at + sizeof TABLE_PART - 1);
    return view_first(name, view_find_byte(name, '/'));
}

enum aws_status request_table(struct call *call, struct view name_or_arn, struct table_place *out)
{
    const struct dynamodb *dynamodb = call_context(call);
    struct view account = call_principal(call)->account, region = call_region(call), name = request_table_name(name_or_arn);
    for (size_t i = 0; i < dynamodb->source_count; i++) {
        const struct table_source *source = &dynamodb->sources[i];
        enum aws_status status = source->find(source->ctx, account, region, name, call_arena(call), &out->table);
        if (status == AWS_OK)
            out->source = source;
        if (status != AWS_RESOURCE_NOT_FOUND)
            return status == AWS_OK ? AWS_OK : request_unreadable(call, status);
    }
    return call_fail(call, AWS_RESOURCE_NOT_FOUND, "Requested resource not found");
}

enum aws_status request_unreadable(struct call *call, enum aws_status status)
{
    return call_fail(call, status, "The table could not be read.");
}

/* ---- expressions ---- */

enum aws_status request_problem(struct call *call, const struct expressions *x)
{
    return call_fail(call, AWS_VALIDATION, "%s", x->problem);
}

enum aws_status request_no_legacy(struct call *call, const struct json *from)
{
    static const char *const legacy[] = { "AttributesToGet", "ScanFilter", "KeyConditions", "QueryFilter", "ConditionalOperator" };
    for (size_t i = 0; i < sizeof legacy / sizeof legacy[0]; i++) {
        if (json_get(from, legacy[i]) != NULL)
            return call_fail(call, AWS_VALIDATION, "%s is a legacy parameter that this server does not take: use expressions instead.",
                             legacy[i]);
    }
    return AWS_OK;
}

static bool has_any(const struct json *from, const char *const *parameters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (json_get(from, parameters[i]) != NULL)
            return true;
    }
    return false;
}

enum aws_status request_expressions(struct call *call, const struct json *from, struct expressions *out)
{
    static const char *const with_names[] = { "FilterExpression", "KeyConditionExpression", "ProjectionExpression" };
    *out = (struct expressions){ .arena = call_arena(call), .names = json_get(from, "ExpressionAttributeNames"),
                                 .values = json_get(from, "ExpressionAttributeValues") };
    enum aws_status status = request_no_legacy(call, from);
    if (status != AWS_OK)
        return status;
    if (out->names != NULL && !has_any(from, with_names, 3))
        return call_fail(call, AWS_VALIDATION, "ExpressionAttributeNames can only be specified when using expressions");
    if (out->values != NULL && !has_any(from, with_names, 2))
        return call_fail(call, AWS_VALIDATION,
                         "ExpressionAttributeValues can only be specified when using expressions: FilterExpression and "
                         "KeyConditionExpression are null");
    if ((out->names != NULL && json_size(out->names) == 0) || (out->values != NULL && json_size(out->values) == 0))
        return call_fail(call, AWS_VALIDATION, "%s must not be empty",
                         out->names != NULL && json_size(out->names) == 0 ? "ExpressionAttributeNames" : "ExpressionAttributeValues");
    return expressions_check(out) ? AWS_OK : request_problem(call, out);
}

enum aws_status request_projection(struct call *call, const struct json *from, struct expressions *x, const struct projection **out)
{
    const struct json *text = json_get(from, "ProjectionExpression");
    *out = NULL;
    if (text == NULL)
        return AWS_OK;
    *out = projection_parse(x, "ProjectionExpression", json_string(text));
    return *out != NULL ? AWS_OK : request_problem(call, x);
}

enum aws_status request_settled(struct call *call, struct expressions *x)
{
    return expressions_settled(x) ? AWS_OK : request_problem(call, x);
}

/* ---- items ---- */

struct one {
    const struct key_list *keys;
    const struct json *key;
    bool (*take)(void *ctx, const struct json *item);
    void *ctx;
};

static bool take_one(void *ctx, const struct json *item)
{
    struct one *one = ctx;
    return !keys_equal(one->keys, item, one->key) || one->take(one->ctx, item);
}

enum aws_status request_one(struct call *call, const struct table_place *place, const struct json *key,
                            bool (*take)(void *ctx, const struct json *item), void *ctx)
{
    const struct key_list keys = keys_of_table(&place->table);
    if (!keys_match(&keys, key))
        return call_fail(call, AWS_VALIDATION, "The provided key element does not match the schema");
    struct one one = { &keys, key, take, ctx };
    const struct table_select select = { .hash = value_text(value_of(json_get(key, place->table.hash.name))) };
    enum aws_status status = items_read(place->source, &place->table, &select, take_one, &one);
    return status == AWS_OK ? AWS_OK : request_unreadable(call, status);
}

void request_write_item(const struct projection *projection, const struct json *item, struct json_writer *out)
{
    if (projection != NULL)
        projection_write(projection, item, out);
    else
        json_write_value(out, item);
}

void request_write_capacity(struct call *call, const struct table *table, size_t bytes, struct json_writer *out)
{
    struct view wanted = json_get_string(call_body(call), "ReturnConsumedCapacity");
    bool consistent = json_bool(json_get(call_body(call), "ConsistentRead"), false);
    size_t blocks = bytes > 0 ? (bytes + CAPACITY_BYTES - 1) / CAPACITY_BYTES : 1;
    if (wanted.len == 0 || view_is(wanted, "NONE"))
        return;
    json_key(out, "ConsumedCapacity");
    json_object(out);
    json_put_string(out, "TableName", table->name);
    json_put_double(out, "CapacityUnits", (consistent ? 1.0 : 0.5) * (double)blocks);
    json_end(out);
}
