/* The table that DynamoDB clients read; the door's side of it is a list of what was written. */
#include "world.h"

#define ITEMS_MAX 64

struct item {
    char id[40], status[24], created[CLOCK_ISO_SIZE], model[64], input[128], error[64];
    int64_t attempts, total;
};

struct table_items {
    struct item list[ITEMS_MAX];
    size_t count, limit;
};

void item_begin(struct table_items *items)
{
    assert_true(items->count < ITEMS_MAX);
    items->list[items->count] = (struct item){ .total = -1 };
}

void item_string(struct table_items *items, const char *name, struct view value)
{
    struct item *item = &items->list[items->count];
    const struct {
        const char *name;
        char *to;
        size_t size;
    } known[] = {
        { "JobId", item->id, sizeof(item->id) },          { "Status", item->status, sizeof(item->status) },
        { "CreatedAt", item->created, sizeof(item->created) }, { "ModelId", item->model, sizeof(item->model) },
        { "InputUri", item->input, sizeof(item->input) }, { "ErrorMessage", item->error, sizeof(item->error) },
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(name, known[i].name) == 0)
            snprintf(known[i].to, known[i].size, VIEW_FMT, VIEW_ARG(value));
    }
}

void item_number(struct table_items *items, const char *name, int64_t value)
{
    if (strcmp(name, "Attempts") == 0)
        items->list[items->count].attempts = value;
    if (strcmp(name, "TotalRecordCount") == 0)
        items->list[items->count].total = value;
}

void item_bool(struct table_items *items, const char *name, bool value)
{
    (void)items;
    (void)name;
    (void)value;
}

bool item_end(struct table_items *items)
{
    return ++items->count < items->limit;
}

static struct table_items items;
static struct table_source source;
static struct table table;

static void look(const struct table_select *select, size_t limit)
{
    items.count = 0;
    items.limit = limit;
    assert_int_equal(source.items(source.ctx, &table, select, &items), AWS_OK);
}

static int table_begin(void **state)
{
    if (world_begin(state) != 0)
        return -1;
    for (int i = 0; i < 14; i++) {
        char key[64];
        snprintf(key, sizeof(key), "to-process/%02d.jsonl", i);
        put_file(key);
        clock_manual_advance(world.clock, 1000);
    }
    a_round();
    world.jobs[0].status = "Completed";
    world.jobs[0].total = 7;
    world.jobs[1].status = "Failed";
    world.jobs[1].message = "Line 3 is no JSON";
    start_process(false);                                   /* no more submissions */
    world.p->next_tick_ms = INT64_MAX;
    follow_jobs(world.p, &world.pipeline);
    source = pipelines_tables(world.p);
    return source.find(source.ctx, VIEW(ACCOUNT), VIEW(REGION), VIEW("nightly-DynamoDBTable-ABCDEFGHIJ12"), world.arena, &table) != AWS_OK;
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, table_begin, world_end)

static void count_table(void *ctx, const struct table *found)
{
    assert_view_is(found->name, "nightly-DynamoDBTable-ABCDEFGHIJ12");
    ++*(int *)ctx;
}

static void each_pipeline_is_a_table_of_its_account_and_region(void **state)
{
    (void)state;
    int count = 0;
    struct table none;
    assert_int_equal(source.tables(source.ctx, VIEW(ACCOUNT), VIEW(REGION), world.arena, count_table, &count), AWS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(source.tables(source.ctx, VIEW("999999999999"), VIEW(REGION), world.arena, count_table, &count), AWS_OK);
    assert_int_equal(source.tables(source.ctx, VIEW(ACCOUNT), VIEW("eu-west-1"), world.arena, count_table, &count), AWS_OK);
    assert_int_equal(count, 1);
    static const char *const names[] = { "", "nightly", "nightly-DynamoDBTable-ABCDEFGHIJ13", "nightly-DynamoDBTable-ABCDEFGHIJ1",
                                         "-DynamoDBTable-ABCDEFGHIJ12", "other-DynamoDBTable-ABCDEFGHIJ12" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct view name = view_from_cstr(names[i]);
        assert_int_equal(source.find(source.ctx, VIEW(ACCOUNT), VIEW(REGION), name, world.arena, &none), AWS_RESOURCE_NOT_FOUND);
    }
}

static void a_scan_gives_all_rows_by_their_ids(void **state)
{
    (void)state;
    look(&(struct table_select){ 0 }, ITEMS_MAX);
    assert_int_equal(items.count, 14);
    for (size_t i = 1; i < items.count; i++)
        assert_true(strcmp(items.list[i - 1].id, items.list[i].id) < 0);
    struct item third = items.list[2], tenth = items.list[9];
    look(&(struct table_select){ .from = view_from_cstr(third.id), .to = view_from_cstr(tenth.id), .descending = true }, ITEMS_MAX);
    assert_int_equal(items.count, 8);
    assert_string_equal(items.list[0].id, tenth.id);
    assert_string_equal(items.list[7].id, third.id);
    look(&(struct table_select){ 0 }, 5);
    assert_int_equal(items.count, 5);
}

static void one_row_is_found_by_its_id(void **state)
{
    (void)state;
    struct row row = row_of("to-process/00.jsonl");
    look(&(struct table_select){ .hash = row.id }, ITEMS_MAX);
    assert_int_equal(items.count, 1);
    assert_view_is(row.id, items.list[0].id);
    assert_string_equal(items.list[0].status, "Completed");
    assert_string_equal(items.list[0].created, "2025-01-02T03:03:04.000Z");
    assert_string_equal(items.list[0].model, MODEL);
    assert_string_equal(items.list[0].input, "s3://" BUCKET "/to-process/00.jsonl");
    assert_int_equal(items.list[0].attempts, 1);
    assert_int_equal(items.list[0].total, 7);
    look(&(struct table_select){ .hash = VIEW("none") }, ITEMS_MAX);
    assert_int_equal(items.count, 0);
}

static void the_index_gives_the_rows_of_a_status_by_time(void **state)
{
    (void)state;
    const struct table_index *index = &table.indexes[0];
    assert_string_equal(index->name, "Status-index");
    look(&(struct table_select){ .index = index, .hash = VIEW("Pending") }, ITEMS_MAX);
    assert_int_equal(items.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(items.list[i].status, "Pending");
    assert_string_equal(items.list[0].input, "s3://" BUCKET "/to-process/10.jsonl");
    assert_string_equal(items.list[3].input, "s3://" BUCKET "/to-process/13.jsonl");
    struct item second = items.list[1], third = items.list[2];
    look(&(struct table_select){ .index = index, .hash = VIEW("Pending"), .from = view_from_cstr(second.created),
                                 .to = view_from_cstr(third.created), .descending = true }, ITEMS_MAX);
    assert_int_equal(items.count, 2);
    assert_string_equal(items.list[0].id, third.id);
    assert_string_equal(items.list[1].id, second.id);

    look(&(struct table_select){ .index = index, .hash = VIEW("Failed") }, ITEMS_MAX);
    assert_int_equal(items.count, 1);
    assert_string_equal(items.list[0].error, "Line 3 is no JSON");
    look(&(struct table_select){ .index = index, .hash = VIEW("Unheard") }, ITEMS_MAX);
    assert_int_equal(items.count, 0);
}

static void a_scan_of_the_index_goes_by_status_and_id(void **state)
{
    (void)state;
    const struct table_index *index = &table.indexes[0];
    look(&(struct table_select){ .index = index }, ITEMS_MAX);
    assert_int_equal(items.count, 14);
    for (size_t i = 1; i < items.count; i++) {
        int order = strcmp(items.list[i - 1].status, items.list[i].status);
        assert_true(order < 0 || (order == 0 && strcmp(items.list[i - 1].id, items.list[i].id) < 0));
    }
    look(&(struct table_select){ .index = index, .from = VIEW("Failed"), .to = VIEW("Pending"), .descending = true }, ITEMS_MAX);
    assert_int_equal(items.count, 5);
    assert_string_equal(items.list[0].status, "Pending");
    assert_string_equal(items.list[4].status, "Failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_pipeline_is_a_table_of_its_account_and_region),
        TEST(a_scan_gives_all_rows_by_their_ids),
        TEST(one_row_is_found_by_its_id),
        TEST(the_index_gives_the_rows_of_a_status_by_time),
        TEST(a_scan_of_the_index_goes_by_status_and_id),
    };
    return cmocka_run_group_tests_name("pipeline table", tests, NULL, NULL);
}
