/* dynamodb/get.c - GetItem and BatchGetItem: items by their keys. */
#include "dynamodb/request.h"

#define BATCH_KEYS_MAX 100

struct getting {
    const struct projection *projection;
    struct json_writer *reply;
    const char *key;                                        /* before the item; NULL: it is an array's element */
    size_t bytes;
};

static bool take(void *ctx, const struct json *item)
{
    struct getting *getting = ctx;
    getting->bytes += item_size(item);
    if (getting->key != NULL)
        json_key(getting->reply, getting->key);
    request_write_item(getting->projection, item, getting->reply);
    return false;
}

/* GetItem: one item, or an answer without one. */
enum aws_status get_item(struct call *call)
{
    const struct json *body = call_body(call);
    struct getting getting = { .reply = call_reply(call), .key = "Item" };
    struct table_place place;
    struct expressions x;
    enum aws_status status = request_expressions(call, body, &x);
    if (status == AWS_OK)
        status = request_projection(call, body, &x, &getting.projection);
    if (status == AWS_OK)
        status = request_settled(call, &x);
    if (status == AWS_OK)
        status = request_table(call, json_get_string(body, "TableName"), &place);
    json_object(getting.reply);
    if (status == AWS_OK)
        status = request_one(call, &place, json_get(body, "Key"), take, &getting);
    if (status == AWS_OK)
        request_write_capacity(call, &place.table, getting.bytes, getting.reply);
    json_end(getting.reply);
    return status;
}

/* ---- BatchGetItem ---- */

static bool has_twin(const struct key_list *keys, const struct json *all, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (keys_equal(keys, json_at(all, i), json_at(all, index)))
            return true;
    }
    return false;
}

static enum aws_status get_of_table(struct call *call, struct view name, const struct json *wanted)
{
    struct getting getting = { .reply = call_reply(call) };
    const struct json *keys = json_get(wanted, "Keys");
    struct table_place place;
    struct expressions x;
    enum aws_status status = request_expressions(call, wanted, &x);
    if (status == AWS_OK)
        status = request_projection(call, wanted, &x, &getting.projection);
    if (status == AWS_OK)
        status = request_settled(call, &x);
    if (status == AWS_OK)
        status = request_table(call, name, &place);
    if (status != AWS_OK)
        return status;
    const struct key_list list = keys_of_table(&place.table);
    json_key_view(getting.reply, name);
    json_array(getting.reply);
    for (size_t i = 0; i < json_size(keys) && status == AWS_OK; i++) {
        if (has_twin(&list, keys, i))
            return call_fail(call, AWS_VALIDATION, "Provided list of item keys contains duplicates");
        status = request_one(call, &place, json_at(keys, i), take, &getting);
    }
    json_end(getting.reply);
    return status;
}

/* BatchGetItem: up to a hundred items of several tables. */
enum aws_status batch_get_item(struct call *call)
{
    const struct json *tables = json_get(call_body(call), "RequestItems");
    struct json_writer *reply = call_reply(call);
    enum aws_status status = AWS_OK;
    size_t total = 0;
    for (struct json_iter it = json_iter(tables); json_next(&it);)
        total += json_size(json_get(it.value, "Keys"));
    if (total > BATCH_KEYS_MAX)
        return call_fail(call, AWS_VALIDATION, "Too many items requested for the BatchGetItem call");
    json_object(reply);
    json_key(reply, "Responses");
    json_object(reply);
    for (struct json_iter it = json_iter(tables); status == AWS_OK && json_next(&it);)
        status = get_of_table(call, it.key, it.value);
    json_end(reply);
    json_key(reply, "UnprocessedKeys");
    json_object(reply);
    json_end(reply);
    json_end(reply);
    return status;
}
