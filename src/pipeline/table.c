/* pipeline/table.c - the rows of each pipeline as a table that DynamoDB clients can read: key JobId, index Status-index. */
#include "dynamodb/table.h"

#include "pipeline/internal.h"

#include <stdlib.h>

#define TABLE_ARENA (64u << 20)
#define PAGE        200
#define TABLE_PART  "-DynamoDBTable-"

static const struct table_index indexes[] = { { "Status-index", { "Status", 'S' }, { "CreatedAt", 'S' } } };

/* ---- tables ---- */

static bool fill_table(const struct pipeline *pipeline, struct arena *arena, struct table *out)
{
    struct pipeline *of = ARENA_NEW(arena, struct pipeline);
    if (of == NULL)
        return false;
    *of = *pipeline;
    *out = (struct table){
        .name = pipeline_table_name(pipeline, arena),
        .hash = { "JobId", 'S' },
        .indexes = indexes,
        .index_count = sizeof(indexes) / sizeof(indexes[0]),
        .created_ms = pipeline->created_ms,
        .of = of,
    };
    return out->name.len > 0;
}

static enum aws_status error_of(enum store_status status)
{
    return status == STORE_BUSY ? AWS_SERVICE_UNAVAILABLE : AWS_INTERNAL_SERVER;
}

static enum aws_status list_tables(void *ctx, struct view account, struct view region, struct arena *arena,
                                   void (*each)(void *each_ctx, const struct table *table), void *each_ctx)
{
    struct pipelines *p = ctx;
    struct store_scan scan = { .kind = VIEW_INIT(PIPELINE_KIND), .account = account, .region = region, .limit = PAGE };
    do {
        struct store_page page;
        enum store_status status = store_scan(p->options.store, arena, &scan, &page);
        if (status != STORE_OK)
            return error_of(status);
        for (size_t i = 0; i < page.count; i++) {
            struct pipeline pipeline;
            struct table table;
            if (!pipeline_read_record(&page.records[i], arena, &pipeline) || !fill_table(&pipeline, arena, &table))
                return AWS_INTERNAL_SERVER;
            if (!pipeline.deleting)
                each(each_ctx, &table);
        }
        scan.page = page.next;
    } while (scan.page.len > 0);
    return AWS_OK;
}

static enum aws_status find_table(void *ctx, struct view account, struct view region, struct view name, struct arena *arena,
                                  struct table *out)
{
    struct pipelines *p = ctx;
    struct pipeline pipeline;
    size_t tail = strlen(TABLE_PART) + PIPELINE_SUFFIX_SIZE;
    if (name.len <= tail || !view_starts_with(view_from(name, name.len - tail), VIEW(TABLE_PART)))
        return AWS_RESOURCE_NOT_FOUND;
    enum store_status status = pipeline_load(p->options.store, arena, account, region, view_first(name, name.len - tail), &pipeline);
    if (status == STORE_NOT_FOUND)
        return AWS_RESOURCE_NOT_FOUND;
    if (status != STORE_OK)
        return error_of(status);
    if (pipeline.deleting || !view_eq(view_from(name, name.len - PIPELINE_SUFFIX_SIZE), pipeline.suffix))
        return AWS_RESOURCE_NOT_FOUND;
    return fill_table(&pipeline, arena, out) ? AWS_OK : AWS_INTERNAL_SERVER;
}

/* ---- items ---- */

static void put_text(struct table_items *items, const char *name, struct view text)
{
    if (text.len > 0)
        item_string(items, name, text);
}

static void put_time(struct table_items *items, const char *name, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    if (ms <= 0)
        return;
    clock_format_iso(ms, true, text);
    item_string(items, name, view_from_cstr(text));
}

static void put_count(struct table_items *items, const char *name, int64_t count)
{
    if (count >= 0)
        item_number(items, name, count);
}

static bool put_row(struct table_items *items, const struct pipeline *pipeline, const struct row *row, struct arena *arena)
{
    item_begin(items);
    item_string(items, "JobId", row->id);
    item_string(items, "Status", row_status_name(row->status));
    put_time(items, "CreatedAt", row->created_ms);
    put_text(items, "InputUri", row_input_uri(pipeline, row, arena));
    put_text(items, "OutputUri", row_output_uri(pipeline, row, arena));
    put_text(items, "ModelId", pipeline->model_id);
    put_text(items, "JobName", row->job_name);
    put_text(items, "JobArn", row->job_arn);
    put_time(items, "SubmittedAt", row->submitted_ms);
    put_time(items, "FinishedAt", row->finished_ms);
    item_number(items, "Attempts", row->attempts);
    put_text(items, "ErrorMessage", row->error);
    put_count(items, "TotalRecordCount", row->counts.total);
    put_count(items, "ProcessedRecordCount", row->counts.processed);
    put_count(items, "SuccessRecordCount", row->counts.success);
    put_count(items, "ErrorRecordCount", row->counts.error);
    return item_end(items);
}

struct reading {
    struct store *store;
    const struct pipeline *pipeline;
    struct table_items *items;
    struct arena *bounds, *rows;                            /* rows: of one page */
    bool full;                                              /* no more items are wanted */
};

static enum aws_status put_page(struct reading *r, const struct store_page *page)
{
    for (size_t i = 0; i < page->count && !r->full; i++) {
        struct row row;
        if (!row_read_record(&page->records[i], r->rows, &row))
            return AWS_INTERNAL_SERVER;
        r->full = !put_row(r->items, r->pipeline, &row, r->rows);
    }
    return arena_exhausted(r->rows) ? AWS_INTERNAL_SERVER : AWS_OK;
}

static enum aws_status put_scan(struct reading *r, struct store_scan *scan)
{
    scan->limit = PAGE;
    do {
        struct store_page page;
        arena_reset(r->rows);
        enum store_status status = store_scan(r->store, r->rows, scan, &page);
        enum aws_status put = status == STORE_OK ? put_page(r, &page) : error_of(status);
        if (put != AWS_OK)
            return put;
        scan->page = arena_copy(r->bounds, page.next);
    } while (scan->page.len > 0 && !r->full);
    return AWS_OK;
}

static enum aws_status put_one(struct reading *r, struct view row_id)
{
    struct store_key key = row_key(r->pipeline, r->rows, row_id);
    struct store_record record;
    struct row row;
    enum store_status status = store_get(r->store, r->rows, &key, &record);
    if (status == STORE_NOT_FOUND)
        return AWS_OK;
    if (status != STORE_OK || !row_read_record(&record, r->rows, &row))
        return error_of(status);
    put_row(r->items, r->pipeline, &row, r->rows);
    return AWS_OK;
}

/* Greater than the text, and than nothing that is not: an inclusive bound becomes one that excludes. */
static struct view just_behind(struct arena *arena, struct view text)
{
    return view_from_cstr(arena_printf(arena, VIEW_FMT "\001", VIEW_ARG(text)));
}

static enum aws_status put_by_id(struct reading *r, const struct table_select *select)
{
    struct store_scan scan;
    if (!row_scan_all(r->pipeline, r->bounds, &scan))
        return AWS_INTERNAL_SERVER;
    if (select->from.ptr != NULL)
        scan.from = row_key(r->pipeline, r->bounds, select->from).id;
    if (select->to.ptr != NULL)
        scan.before = just_behind(r->bounds, row_key(r->pipeline, r->bounds, select->to).id);
    scan.descending = select->descending;
    return arena_exhausted(r->bounds) ? AWS_INTERNAL_SERVER : put_scan(r, &scan);
}

static enum aws_status put_of_status(struct reading *r, const struct table_select *select)
{
    enum row_status status;
    struct store_scan scan;
    if (!row_status_parse(select->hash, &status))
        return AWS_OK;
    if (!row_scan_status(r->pipeline, r->bounds, status, &scan))
        return AWS_INTERNAL_SERVER;
    if (select->from.ptr != NULL)
        scan.from = row_status_bound(r->pipeline, r->bounds, status, select->from);
    if (select->to.ptr != NULL)
        scan.before = just_behind(r->bounds, row_status_bound(r->pipeline, r->bounds, status, select->to));
    scan.descending = select->descending;
    return arena_exhausted(r->bounds) ? AWS_INTERNAL_SERVER : put_scan(r, &scan);
}

static int by_name(const void *a, const void *b)
{
    return view_compare(row_status_name(*(const enum row_status *)a), row_status_name(*(const enum row_status *)b));
}

/* The whole index: status after status, and within one by JobId. */
static enum aws_status put_by_status(struct reading *r, const struct table_select *select)
{
    enum row_status order[ROW_STATUSES];
    enum aws_status put = AWS_OK;
    for (int i = 0; i < ROW_STATUSES; i++)
        order[i] = (enum row_status)i;
    qsort(order, ROW_STATUSES, sizeof(order[0]), by_name);
    for (int i = 0; i < ROW_STATUSES && put == AWS_OK && !r->full; i++) {
        struct store_scan scan;
        struct view name = row_status_name(order[select->descending ? ROW_STATUSES - 1 - i : i]);
        if ((select->from.ptr != NULL && view_compare(name, select->from) < 0) ||
            (select->to.ptr != NULL && view_compare(name, select->to) > 0))
            continue;
        if (!row_scan_all(r->pipeline, r->bounds, &scan))
            return AWS_INTERNAL_SERVER;
        scan.state = name;
        scan.descending = select->descending;
        put = put_scan(r, &scan);
    }
    return put;
}

static enum aws_status read_items(void *ctx, const struct table *table, const struct table_select *select, struct table_items *items)
{
    struct pipelines *p = ctx;
    struct reading reading = {
        .store = p->options.store,
        .pipeline = table->of,
        .items = items,
        .bounds = arena_create(TABLE_ARENA),
        .rows = arena_create(TABLE_ARENA),
    };
    enum aws_status status = AWS_INTERNAL_SERVER;
    if (reading.bounds != NULL && reading.rows != NULL) {
        bool hashed = select->hash.ptr != NULL;
        status = select->index == NULL ? (hashed ? put_one(&reading, select->hash) : put_by_id(&reading, select))
                                       : (hashed ? put_of_status(&reading, select) : put_by_status(&reading, select));
    }
    arena_destroy(reading.rows);
    arena_destroy(reading.bounds);
    return status;
}

struct table_source pipelines_tables(struct pipelines *pipelines)
{
    return (struct table_source){ .ctx = pipelines, .tables = list_tables, .find = find_table, .items = read_items };
}
