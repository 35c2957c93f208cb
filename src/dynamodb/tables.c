/* dynamodb/tables.c - ListTables, DescribeTable, and the refusal of everything that would change a table. */
#include "dynamodb/request.h"

#include "aws/arn.h"

#include <stdlib.h>

#define LIST_DEFAULT 100
#define TABLES_MAX   10000
#define ARN_MAX      2048

/* ---- ListTables ---- */

struct name_list {
    struct view *names;
    size_t count;
};

static void collect(void *ctx, const struct table *table)
{
    struct name_list *list = ctx;
    if (list->count < TABLES_MAX)
        list->names[list->count++] = table->name;
}

static int by_name(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

static void write_names(const struct name_list *list, const struct json *body, struct json_writer *reply)
{
    const struct json *after = json_get(body, "ExclusiveStartTableName");
    int64_t limit = LIST_DEFAULT, written = 0;
    size_t i = 0;
    json_get_i64(body, "Limit", &limit);
    while (after != NULL && i < list->count && view_compare(list->names[i], json_string(after)) <= 0)
        i++;
    json_object(reply);
    json_key(reply, "TableNames");
    json_array(reply);
    for (; i < list->count && written < limit; i++, written++)
        json_write_string(reply, list->names[i]);
    json_end(reply);
    if (i < list->count)
        json_put_string(reply, "LastEvaluatedTableName", list->names[i - 1]);
    json_end(reply);
}

/* ListTables: the names of all tables, sorted. */
enum aws_status list_tables(struct call *call)
{
    const struct dynamodb *dynamodb = call_context(call);
    struct name_list list = { .names = ARENA_ARRAY(call_arena(call), struct view, TABLES_MAX) };
    enum aws_status status = list.names != NULL ? AWS_OK : AWS_INTERNAL_SERVER;
    for (size_t i = 0; i < dynamodb->source_count && status == AWS_OK; i++) {
        const struct table_source *source = &dynamodb->sources[i];
        status = source->tables(source->ctx, call_principal(call)->account, call_region(call), call_arena(call), collect, &list);
    }
    if (status != AWS_OK)
        return call_fail(call, status, "The tables could not be listed.");
    qsort(list.names, list.count, sizeof list.names[0], by_name);
    write_names(&list, call_body(call), call_reply(call));
    return AWS_OK;
}

/* ---- DescribeTable ---- */

struct measure {
    int64_t items, bytes;
};

static bool measure_item(void *ctx, const struct json *item)
{
    struct measure *measure = ctx;
    measure->items++;
    measure->bytes += (int64_t)item_size(item);
    return true;
}

static void write_schema_key(struct json_writer *reply, const struct table_key *key, const char *type)
{
    if (key->name == NULL)
        return;
    json_object(reply);
    json_put_cstr(reply, "AttributeName", key->name);
    json_put_cstr(reply, "KeyType", type);
    json_end(reply);
}

static void write_schema(struct json_writer *reply, const struct table_key *hash, const struct table_key *range)
{
    json_key(reply, "KeySchema");
    json_array(reply);
    write_schema_key(reply, hash, "HASH");
    write_schema_key(reply, range, "RANGE");
    json_end(reply);
}

static void write_definition(struct json_writer *reply, const struct table_key *key, const char *written[], size_t *count)
{
    const char type[] = { key->type, '\0' };
    for (size_t i = 0; i < *count; i++) {
        if (key->name != NULL && strcmp(written[i], key->name) == 0)
            return;
    }
    if (key->name == NULL)
        return;
    written[(*count)++] = key->name;
    json_object(reply);
    json_put_cstr(reply, "AttributeName", key->name);
    json_put_cstr(reply, "AttributeType", type);
    json_end(reply);
}

static void write_definitions(struct json_writer *reply, const struct table *table, struct arena *arena)
{
    const char **written = ARENA_ARRAY(arena, const char *, 2 + 2 * table->index_count);
    size_t count = 0;
    json_key(reply, "AttributeDefinitions");
    json_array(reply);
    if (written != NULL) {
        write_definition(reply, &table->hash, written, &count);
        write_definition(reply, &table->range, written, &count);
        for (size_t i = 0; i < table->index_count; i++) {
            write_definition(reply, &table->indexes[i].hash, written, &count);
            write_definition(reply, &table->indexes[i].range, written, &count);
        }
    }
    json_end(reply);
}

static void write_throughput(struct json_writer *reply)
{
    json_key(reply, "ProvisionedThroughput");
    json_object(reply);
    json_put_i64(reply, "NumberOfDecreasesToday", 0);
    json_put_i64(reply, "ReadCapacityUnits", 0);
    json_put_i64(reply, "WriteCapacityUnits", 0);
    json_end(reply);
}

static void write_index(struct json_writer *reply, const struct table_index *index, struct view table_arn, struct arena *arena)
{
    json_object(reply);
    json_put_cstr(reply, "IndexName", index->name);
    write_schema(reply, &index->hash, &index->range);
    json_key(reply, "Projection");
    json_object(reply);
    json_put_cstr(reply, "ProjectionType", "ALL");
    json_end(reply);
    json_put_cstr(reply, "IndexStatus", "ACTIVE");
    write_throughput(reply);
    json_put_cstr(reply, "IndexArn", arena_printf(arena, VIEW_FMT "/index/%s", VIEW_ARG(table_arn), index->name));
    json_end(reply);
}

static void write_table(struct call *call, const struct table *table, const struct measure *measure)
{
    struct json_writer *reply = call_reply(call);
    struct buf arn = BUF_INIT(ARN_MAX);
    arn_append(&arn, VIEW("dynamodb"), call_region(call), call_principal(call)->account, VIEW("table/"));
    buf_append_view(&arn, table->name);
    json_object(reply);
    json_key(reply, "Table");
    json_object(reply);
    write_definitions(reply, table, call_arena(call));
    json_put_string(reply, "TableName", table->name);
    write_schema(reply, &table->hash, &table->range);
    json_put_cstr(reply, "TableStatus", "ACTIVE");
    json_put_double(reply, "CreationDateTime", (double)table->created_ms / 1000);
    write_throughput(reply);
    json_put_i64(reply, "TableSizeBytes", measure->bytes);
    json_put_i64(reply, "ItemCount", measure->items);
    json_put_string(reply, "TableArn", buf_view(&arn));
    json_key(reply, "BillingModeSummary");
    json_object(reply);
    json_put_cstr(reply, "BillingMode", "PAY_PER_REQUEST");
    json_end(reply);
    if (table->index_count > 0) {
        json_key(reply, "GlobalSecondaryIndexes");
        json_array(reply);
        for (size_t i = 0; i < table->index_count; i++)
            write_index(reply, &table->indexes[i], buf_view(&arn), call_arena(call));
        json_end(reply);
    }
    json_end(reply);
    json_end(reply);
    buf_free(&arn);
}

/* DescribeTable: keys, indexes, and what is in the table at this moment. */
enum aws_status describe_table(struct call *call)
{
    struct view name = json_get_string(call_body(call), "TableName");
    struct table_place place;
    struct measure measure = { 0, 0 };
    const struct table_select everything = { .index = NULL };
    enum aws_status status = request_table(call, name, &place);
    if (status == AWS_RESOURCE_NOT_FOUND)
        return call_fail(call, status, "Requested resource not found: Table: " VIEW_FMT " not found", VIEW_ARG(request_table_name(name)));
    if (status != AWS_OK)
        return status;
    status = items_read(place.source, &place.table, &everything, measure_item, &measure);
    if (status != AWS_OK)
        return request_unreadable(call, status);
    write_table(call, &place.table, &measure);
    return AWS_OK;
}

/* ---- writing ---- */

/* PutItem and all others that would change something: the tables show what this server has on record, and change with it. */
enum aws_status refuse_write(struct call *call)
{
    return call_fail(call, AWS_ACCESS_DENIED,
                     VIEW_FMT " is refused: the tables of this server are read-only. They show its own records and change with them.",
                     VIEW_ARG(call_operation(call)->name));
}

const struct handler_row dynamodb_handlers[] = {
    { "ListTables", list_tables, false },        { "DescribeTable", describe_table, false },
    { "Scan", scan, false },                     { "Query", query, false },
    { "GetItem", get_item, false },              { "BatchGetItem", batch_get_item, false },
    { "PutItem", refuse_write, true },           { "UpdateItem", refuse_write, true },
    { "DeleteItem", refuse_write, true },        { "BatchWriteItem", refuse_write, true },
    { "TransactWriteItems", refuse_write, true }, { "CreateTable", refuse_write, true },
    { "UpdateTable", refuse_write, true },       { "DeleteTable", refuse_write, true },
};
const size_t dynamodb_handler_count = sizeof dynamodb_handlers / sizeof dynamodb_handlers[0];
