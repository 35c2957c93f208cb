/* The operations over a small table, called from inside. */
#include "unit.h"

#include "aws/internal_call.h"
#include "dynamodb/dynamodb.h"

#include <pthread.h>
#include <stdlib.h>

#define ROWS 2500                                           /* more than a megabyte of items */
#define PAD  600

static struct arena *arena;
static struct loop *loop;
static struct aws_front *front;
static pthread_t thread;

/* ---- a table: Id "0000" to "2499", Kind "even" or "odd", At falls while Id rises ---- */

static const struct table_index indexes[] = { { "Kind-index", { "Kind", 'S' }, { "At", 'S' } } };

static struct view table_name(void)
{
    return VIEW("the-table");
}

static enum aws_status tables(void *ctx, struct view account, struct view region, struct arena *memory,
                              void (*each)(void *each_ctx, const struct table *table), void *each_ctx)
{
    (void)ctx, (void)memory;
    static const char *const names[] = { "zebra", "the-table", "ant" };
    for (size_t i = 0; i < COUNT_OF(names) && view_is(account, "111122223333") && view_is(region, "us-east-1"); i++)
        each(each_ctx, &(struct table){ .name = view_from_cstr(names[i]) });
    return AWS_OK;
}

static enum aws_status find(void *ctx, struct view account, struct view region, struct view name, struct arena *memory, struct table *out)
{
    (void)ctx, (void)account, (void)region, (void)memory;
    if (view_is(name, "broken-table"))
        return AWS_SERVICE_UNAVAILABLE;
    if (!view_eq(name, table_name()))
        return AWS_RESOURCE_NOT_FOUND;
    *out = (struct table){ .name = table_name(), .hash = { "Id", 'S' }, .indexes = indexes, .index_count = 1, .created_ms = 1700000000500 };
    return AWS_OK;
}

static bool put(struct table_items *out, int number)
{
    char id[16], at[16], pad[PAD];
    snprintf(id, sizeof id, "%04d", number);
    snprintf(at, sizeof at, "t%04d", ROWS - number);
    memset(pad, 'p', sizeof pad);
    item_begin(out);
    item_string(out, "Id", view_from_cstr(id));
    item_string(out, "Pad", view_of(pad, sizeof pad));
    item_number(out, "Number", number);
    item_bool(out, "Tiny", number < 10);
    if (number % 100 != 0) {                                /* a hundredth is not in the index */
        item_string(out, "Kind", number % 2 == 0 ? VIEW("even") : VIEW("odd"));
        item_string(out, "At", view_from_cstr(at));
    }
    return item_end(out);
}

static int shown;

/* Ignores the bounds, which are only hints. */
static enum aws_status items(void *ctx, const struct table *table, const struct table_select *select, struct table_items *out)
{
    (void)ctx, (void)table;
    bool by_at = select->index != NULL && select->hash.ptr != NULL;
    bool rising = select->descending == by_at;
    shown = 0;
    for (int i = 0; i < ROWS; i++) {
        shown++;
        if (!put(out, rising ? i : ROWS - 1 - i))
            break;
    }
    return AWS_OK;
}

static const struct table_source source = { NULL, tables, find, items };

/* ---- asking ---- */

static struct internal_answer answer;

static const struct json *ask(const char *operation, const char *body)
{
    static const struct principal principal = { .account = VIEW_INIT("111122223333"),
                                                .arn = VIEW_INIT("arn:aws:iam::111122223333:user/a") };
    const struct internal_request request = { .operation = view_from_cstr(operation), .principal = &principal,
                                              .body = view_from_cstr(body) };
    internal_call(front, &request, arena, &answer);
    return json_parse(arena, answer.body, 100, NULL);
}

static void assert_refused(const char *operation, const char *body, enum aws_status status, const char *message)
{
    ask(operation, body);
    assert_int_equal(answer.status, status);
    assert_view_is(answer.message, message);
    assert_int_equal(answer.http_status, 400);
}

static int64_t number(const struct json *object, const char *key)
{
    int64_t value = -1;
    json_get_i64(object, key, &value);
    return value;
}

static struct view attribute(const struct json *item, const char *name, const char *type)
{
    return json_get_string(json_get(item, name), type);
}

static const char *next_page(const struct json *page, const char *start)
{
    struct buf out = BUF_INIT(4096);
    struct json_writer w;
    json_writer_init(&w, &out);
    json_write_value(&w, json_get(page, "LastEvaluatedKey"));
    const char *body = arena_printf(arena, "%s,\"ExclusiveStartKey\":" VIEW_FMT "}", start, VIEW_ARG(buf_view(&out)));
    buf_free(&out);
    return body;
}

/* ---- tests ---- */

static void tables_are_listed_in_order_and_in_pages(void **state)
{
    (void)state;
    ask("ListTables", "{}");
    assert_view_is(answer.body, "{\"TableNames\":[\"ant\",\"the-table\",\"zebra\"]}");
    ask("ListTables", "{\"Limit\":2}");
    assert_view_is(answer.body, "{\"TableNames\":[\"ant\",\"the-table\"],\"LastEvaluatedTableName\":\"the-table\"}");
    ask("ListTables", "{\"Limit\":2,\"ExclusiveStartTableName\":\"the-table\"}");
    assert_view_is(answer.body, "{\"TableNames\":[\"zebra\"]}");
}

static void a_table_is_described(void **state)
{
    (void)state;
    const struct json *table = json_get(ask("DescribeTable", "{\"TableName\":\"the-table\"}"), "Table");
    assert_view_is(json_get_string(table, "TableStatus"), "ACTIVE");
    assert_view_is(json_get_string(table, "TableArn"), "arn:aws:dynamodb:us-east-1:111122223333:table/the-table");
    assert_view_is(json_number_text(json_get(table, "CreationDateTime")), "1700000000.5");
    assert_int_equal(number(table, "ItemCount"), ROWS);
    assert_true(number(table, "TableSizeBytes") > ROWS * PAD);
    assert_int_equal(json_size(json_get(table, "AttributeDefinitions")), 3);
    assert_view_is(json_get_string(json_at(json_get(table, "KeySchema"), 0), "KeyType"), "HASH");
    const struct json *index = json_at(json_get(table, "GlobalSecondaryIndexes"), 0);
    assert_int_equal(json_size(json_get(index, "KeySchema")), 2);
    assert_view_is(json_get_string(index, "IndexArn"), "arn:aws:dynamodb:us-east-1:111122223333:table/the-table/index/Kind-index");
    table = json_get(ask("DescribeTable", "{\"TableName\":\"arn:aws:dynamodb:us-east-1:111122223333:table/the-table\"}"), "Table");
    assert_view_is(json_get_string(table, "TableName"), "the-table");
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    assert_refused("DescribeTable", "{\"TableName\":\"other\"}", AWS_RESOURCE_NOT_FOUND,
                   "Requested resource not found: Table: other not found");
    assert_refused("Scan", "{\"TableName\":\"other\"}", AWS_RESOURCE_NOT_FOUND, "Requested resource not found");
    assert_refused("Scan", "{\"TableName\":\"the-table\",\"IndexName\":\"none\"}", AWS_VALIDATION,
                   "The table does not have the specified index: none");
    ask("Scan", "{\"TableName\":\"broken-table\"}");
    assert_int_equal(answer.http_status, 503);
}

static void a_scan_sees_every_item_once_in_pages_of_a_megabyte(void **state)
{
    (void)state;
    const char *start = "{\"TableName\":\"the-table\"", *body = "{\"TableName\":\"the-table\"}";
    int seen = 0, pages = 0;
    for (bool more = true; more; pages++) {
        const struct json *page = ask("Scan", body);
        assert_int_equal(answer.status, AWS_OK);
        assert_true(answer.body.len < 3u << 20);
        for (struct json_iter it = json_iter(json_get(page, "Items")); json_next(&it); seen++) {
            char expected[16];
            snprintf(expected, sizeof expected, "%d", seen);
            assert_view_is(attribute(it.value, "Number", "N"), expected);
        }
        more = json_get(page, "LastEvaluatedKey") != NULL;
        body = more ? next_page(page, start) : NULL;
    }
    assert_int_equal(seen, ROWS);
    assert_int_equal(pages, 2);
}

static void a_limit_counts_what_was_looked_at_and_stops_reading(void **state)
{
    (void)state;
    ask("Scan", "{\"TableName\":\"the-table\",\"Limit\":7,\"FilterExpression\":\"#n >= :five\",\"ProjectionExpression\":\"Id, Tiny\","
                "\"ExpressionAttributeNames\":{\"#n\":\"Number\"},\"ExpressionAttributeValues\":{\":five\":{\"N\":\"5\"}}}");
    assert_view_is(answer.body, "{\"Items\":[{\"Id\":{\"S\":\"0005\"},\"Tiny\":{\"BOOL\":true}},"
                                "{\"Id\":{\"S\":\"0006\"},\"Tiny\":{\"BOOL\":true}}],"
                                "\"Count\":2,\"ScannedCount\":7,\"LastEvaluatedKey\":{\"Id\":{\"S\":\"0006\"}}}");
    assert_int_equal(shown, 7);
}

static void a_count_has_no_items(void **state)
{
    (void)state;
    ask("Scan", "{\"TableName\":\"the-table\",\"Select\":\"COUNT\",\"FilterExpression\":\"Tiny = :t\",\"Limit\":100,"
                "\"ExpressionAttributeValues\":{\":t\":{\"BOOL\":true}},\"ReturnConsumedCapacity\":\"TOTAL\"}");
    assert_view_is(answer.body, "{\"Count\":10,\"ScannedCount\":100,\"LastEvaluatedKey\":{\"Id\":{\"S\":\"0099\"}},"
                                "\"ConsumedCapacity\":{\"TableName\":\"the-table\",\"CapacityUnits\":8.0}}");
}

static void segments_part_the_table(void **state)
{
    (void)state;
    int64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        const char *start = arena_printf(arena, "{\"TableName\":\"the-table\",\"Select\":\"COUNT\",\"TotalSegments\":4,\"Segment\":%d", i);
        const struct json *page = ask("Scan", arena_printf(arena, "%s}", start));
        int64_t part = number(page, "Count");
        assert_null(json_get(page, "LastEvaluatedKey"));
        assert_in_range(part, ROWS / 8, ROWS / 2);
        sum += part;
    }
    assert_int_equal(sum, ROWS);
    assert_refused("Scan", "{\"TableName\":\"the-table\",\"Segment\":4,\"TotalSegments\":4}", AWS_VALIDATION,
                   "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than "
                   "TotalSegments: 4");
}

#define ODD "\"ExpressionAttributeValues\":{\":k\":{\"S\":\"odd\"}}"

static void a_query_on_an_index_goes_by_its_range_key_in_both_directions(void **state)
{
    (void)state;
    const char *start = "{\"TableName\":\"the-table\",\"IndexName\":\"Kind-index\",\"KeyConditionExpression\":\"Kind = :k\",\"Limit\":2,"
                        "\"ProjectionExpression\":\"Id\"," ODD;
    const struct json *page = ask("Query", arena_printf(arena, "%s}", start));
    assert_view_is(answer.body, "{\"Items\":[{\"Id\":{\"S\":\"2499\"}},{\"Id\":{\"S\":\"2497\"}}],\"Count\":2,\"ScannedCount\":2,"
                                "\"LastEvaluatedKey\":{\"Kind\":{\"S\":\"odd\"},\"At\":{\"S\":\"t0003\"},\"Id\":{\"S\":\"2497\"}}}");
    page = ask("Query", next_page(page, start));
    assert_view_is(attribute(json_at(json_get(page, "Items"), 0), "Id", "S"), "2495");
    start = arena_printf(arena, "%s,\"ScanIndexForward\":false", start);
    page = ask("Query", arena_printf(arena, "%s}", start));
    assert_view_is(attribute(json_at(json_get(page, "Items"), 0), "Id", "S"), "0001");
    page = ask("Query", next_page(page, start));
    assert_view_is(attribute(json_at(json_get(page, "Items"), 0), "Id", "S"), "0005");
}

static int64_t count_where(const char *range, const char *values)
{
    const struct json *page = ask("Query", arena_printf(arena, "{\"TableName\":\"the-table\",\"IndexName\":\"Kind-index\","
        "\"Select\":\"COUNT\","
        "\"KeyConditionExpression\":\"Kind = :k AND %s\",\"ExpressionAttributeValues\":{\":k\":{\"S\":\"odd\"},%s}}", range, values));
    assert_int_equal(answer.status, AWS_OK);
    return number(page, "Count");
}

static void range_keys_are_bounded_by_every_operator(void **state)
{
    (void)state;
    assert_int_equal(count_where("At = :a", "\":a\":{\"S\":\"t0003\"}"), 1);
    assert_int_equal(count_where("At < :a", "\":a\":{\"S\":\"t0003\"}"), 1);
    assert_int_equal(count_where("At <= :a", "\":a\":{\"S\":\"t0003\"}"), 2);
    assert_int_equal(count_where("At > :a", "\":a\":{\"S\":\"t2497\"}"), 1);
    assert_int_equal(count_where("At >= :a", "\":a\":{\"S\":\"t2497\"}"), 2);
    assert_int_equal(count_where("At BETWEEN :a AND :b", "\":a\":{\"S\":\"t0003\"},\":b\":{\"S\":\"t0009\"}"), 4);
    assert_int_equal(count_where("begins_with(At, :a)", "\":a\":{\"S\":\"t000\"}"), 5);
}

static void an_index_holds_only_items_with_its_keys(void **state)
{
    (void)state;
    const struct json *page = ask("Scan", "{\"TableName\":\"the-table\",\"IndexName\":\"Kind-index\",\"Limit\":1}");
    assert_view_is(attribute(json_at(json_get(page, "Items"), 0), "Id", "S"), "0001");
    assert_int_equal(json_size(json_get(page, "LastEvaluatedKey")), 3);
}

#define QUERY(rest) "{\"TableName\":\"the-table\"," rest "}"

static void bad_queries_are_told_in_the_words_of_dynamodb(void **state)
{
    (void)state;
    static const struct {
        const char *body, *message;
    } rows[] = {
        { "{\"TableName\":\"the-table\"}",
          "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request." },
        { QUERY("\"KeyConditionExpression\":\"Kind = :k\"," ODD), "Query condition missed key schema element: Id" },
        { QUERY("\"KeyConditionExpression\":\"Id > :k\"," ODD), "Query key condition not supported" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k AND At = :k\"," ODD), "Query key condition not supported" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k OR Id = :k\"," ODD), "Invalid operator used in KeyConditionExpression: OR" },
        { QUERY("\"KeyConditionExpression\":\"attribute_exists(Id)\""),
          "Invalid operator used in KeyConditionExpression: attribute_exists" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k\",\"ExpressionAttributeValues\":{\":k\":{\"N\":\"1\"}}"),
          "One or more parameter values were invalid: Condition parameter type does not match schema type" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k\",\"FilterExpression\":\"Id = :k\"," ODD),
          "Filter Expression can only contain non-primary key attributes: Primary key attribute: Id" },
        { QUERY("\"IndexName\":\"Kind-index\",\"ConsistentRead\":true,\"KeyConditionExpression\":\"Kind = :k\"," ODD),
          "Consistent reads are not supported on global secondary indexes" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k\",\"ExclusiveStartKey\":{\"Kind\":{\"S\":\"x\"}}," ODD),
          "The provided starting key is invalid" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k\",\"ExclusiveStartKey\":{\"Id\":{\"S\":\"x\"}}," ODD),
          "The provided starting key is outside query boundaries based on provided conditions" },
        { QUERY("\"KeyConditions\":{}"), "KeyConditions is a legacy parameter that this server does not take: use expressions instead." },
        { QUERY("\"ExpressionAttributeNames\":{\"#a\":\"a\"}"), "ExpressionAttributeNames can only be specified when using expressions" },
        { QUERY("\"KeyConditionExpression\":\"Id = :k\",\"Select\":\"SPECIFIC_ATTRIBUTES\"," ODD),
          "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES" },
        { QUERY("\"Select\":\"COUNT\",\"ProjectionExpression\":\"a\",\"KeyConditionExpression\":\"Id = :k\"," ODD),
          "Cannot specify the ProjectionExpression when choosing to get only the Count" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_refused("Query", rows[i].body, AWS_VALIDATION, rows[i].message);
}

static void an_item_is_got_by_its_key(void **state)
{
    (void)state;
    ask("GetItem", "{\"TableName\":\"the-table\",\"Key\":{\"Id\":{\"S\":\"0042\"}},\"ProjectionExpression\":\"#n\","
                   "\"ExpressionAttributeNames\":{\"#n\":\"Number\"}}");
    assert_view_is(answer.body, "{\"Item\":{\"Number\":{\"N\":\"42\"}}}");
    ask("GetItem", "{\"TableName\":\"the-table\",\"Key\":{\"Id\":{\"S\":\"nobody\"}}}");
    assert_view_is(answer.body, "{}");
    assert_refused("GetItem", "{\"TableName\":\"the-table\",\"Key\":{\"Id\":{\"N\":\"42\"}}}", AWS_VALIDATION,
                   "The provided key element does not match the schema");
    assert_refused("GetItem", "{\"TableName\":\"the-table\",\"Key\":{\"Id\":{\"S\":\"1\"},\"More\":{\"S\":\"1\"}}}", AWS_VALIDATION,
                   "The provided key element does not match the schema");
}

static void a_batch_of_keys_is_got_at_once(void **state)
{
    (void)state;
    ask("BatchGetItem", "{\"RequestItems\":{\"the-table\":{\"Keys\":[{\"Id\":{\"S\":\"0007\"}},{\"Id\":{\"S\":\"none\"}},"
                        "{\"Id\":{\"S\":\"0009\"}}],"
                        "\"ProjectionExpression\":\"Id\"}}}");
    assert_view_is(answer.body, "{\"Responses\":{\"the-table\":[{\"Id\":{\"S\":\"0007\"}},{\"Id\":{\"S\":\"0009\"}}]},"
                                "\"UnprocessedKeys\":{}}");
    assert_refused("BatchGetItem", "{\"RequestItems\":{\"the-table\":{\"Keys\":[{\"Id\":{\"S\":\"1\"}},{\"Id\":{\"S\":\"1\"}}]}}}",
                   AWS_VALIDATION, "Provided list of item keys contains duplicates");
}

static void writing_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const writes[] = { "PutItem", "UpdateItem", "DeleteItem", "CreateTable", "BatchWriteItem" };
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        const char *message = arena_printf(arena, "%s is refused: the tables of this server are read-only. They show its own records and "
                                           "change with them.", writes[i]);
        assert_refused(writes[i], "{}", AWS_ACCESS_DENIED, message);
    }
}

/* ---- the fixture ---- */

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    static const struct credentials credentials = { .authorize = NULL };
    static struct dynamodb dynamodb = { &source, 1 };
    const struct handler_set set = { dynamodb_handlers, dynamodb_handler_count, &dynamodb };
    char error[256];
    struct aws_front_options options;
    aws_front_defaults(&options);
    arena = arena_create(256u << 20);
    loop = loop_create(clock_system(), 2);
    options.loop = loop;
    options.credentials = &credentials;
    options.handlers = &set;
    options.handler_count = 1;
    front = aws_front_create(&options, error, sizeof error);
    return arena == NULL || front == NULL || pthread_create(&thread, NULL, run_loop, loop) != 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_stop(loop);
    pthread_join(thread, NULL);
    loop_destroy(loop);
    aws_front_destroy(front);
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_listed_in_order_and_in_pages),
        cmocka_unit_test(a_table_is_described),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_scan_sees_every_item_once_in_pages_of_a_megabyte),
        cmocka_unit_test(a_limit_counts_what_was_looked_at_and_stops_reading),
        cmocka_unit_test(a_count_has_no_items),
        cmocka_unit_test(segments_part_the_table),
        cmocka_unit_test(a_query_on_an_index_goes_by_its_range_key_in_both_directions),
        cmocka_unit_test(range_keys_are_bounded_by_every_operator),
        cmocka_unit_test(an_index_holds_only_items_with_its_keys),
        cmocka_unit_test(bad_queries_are_told_in_the_words_of_dynamodb),
        cmocka_unit_test(an_item_is_got_by_its_key),
        cmocka_unit_test(a_batch_of_keys_is_got_at_once),
        cmocka_unit_test(writing_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
