/* dynamodb/read.c - Scan and Query: a page of items at a time. */
#include "dynamodb/request.h"

#include "base/encode.h"

#define PAGE_BYTES (1u << 20)                               /* of items that were looked at */

struct reading {
    struct call *call;
    struct table_place place;
    const struct table_index *index;                        /* NULL: the table itself */
    bool queried;
    const struct condition *key, *filter;                   /* NULL: everything */
    const struct projection *projection;                    /* NULL: all attributes */
    bool count_only;
    size_t limit;                                           /* 0: none */
    const struct json *start;                               /* the place after which to begin; NULL: from the first */
    uint32_t segment, segments;                             /* of a parallel scan; segments 0: none */
    struct table_select select;
    struct key_list place_keys, order;

    struct json_writer *reply;
    size_t looked_at, found, bytes;
    struct buf last;                                        /* the place where the page ended; empty: there is no more */
};

/* ---- one item after the other ---- */

static bool in_segment(const struct reading *r, const struct json *item)
{
    struct view hash = value_text(value_of(json_get(item, r->place.table.hash.name)));
    return r->segments == 0 || crc32_ieee(0, hash.ptr, hash.len) % r->segments == r->segment;
}

static bool is_behind_start(const struct reading *r, const struct json *item)
{
    if (r->start == NULL)
        return true;
    int order = keys_compare(&r->order, item, r->start);
    return r->select.descending ? order < 0 : order > 0;
}

static void end_page(struct reading *r, const struct json *item)
{
    struct json_writer w;
    json_writer_init(&w, &r->last);
    keys_write(&r->place_keys, item, &w);
}

static bool take(void *ctx, const struct json *item)
{
    struct reading *r = ctx;
    if (!keys_present(&r->place_keys, item) || !is_behind_start(r, item) || !in_segment(r, item) ||
        (r->key != NULL && !condition_holds(r->key, item)))
        return true;
    r->looked_at++;
    r->bytes += item_size(item);
    if (r->filter == NULL || condition_holds(r->filter, item)) {
        r->found++;
        if (!r->count_only)
            request_write_item(r->projection, item, r->reply);
    }
    if (r->looked_at != r->limit && r->bytes < PAGE_BYTES)
        return true;
    end_page(r, item);
    return false;
}

static void write_end(struct reading *r)
{
    json_put_i64(r->reply, "Count", (int64_t)r->found);
    json_put_i64(r->reply, "ScannedCount", (int64_t)r->looked_at);
    if (r->last.len > 0) {
        json_key(r->reply, "LastEvaluatedKey");
        json_write_raw(r->reply, buf_view(&r->last));
    }
    request_write_capacity(r->call, &r->place.table, r->bytes, r->reply);
    json_end(r->reply);
}

static enum aws_status read_page(struct reading *r)
{
    buf_init(&r->last, PAGE_BYTES);
    r->reply = call_reply(r->call);
    json_object(r->reply);
    if (!r->count_only) {
        json_key(r->reply, "Items");
        json_array(r->reply);
    }
    enum aws_status status = items_read(r->place.source, &r->place.table, &r->select, take, r);
    if (!r->count_only)
        json_end(r->reply);
    write_end(r);
    bool broken = buf_failed(&r->last);
    buf_free(&r->last);
    return status == AWS_OK && !broken ? AWS_OK : request_unreadable(r->call, status != AWS_OK ? status : AWS_INTERNAL_SERVER);
}

/* ---- the request ---- */

static const struct table_index *index_named(const struct table *table, struct view name)
{
    for (size_t i = 0; i < table->index_count; i++) {
        if (view_is(name, table->indexes[i].name))
            return &table->indexes[i];
    }
    return NULL;
}

static enum aws_status read_target(struct reading *r)
{
    const struct json *body = call_body(r->call), *name = json_get(body, "IndexName");
    enum aws_status status = request_table(r->call, json_get_string(body, "TableName"), &r->place);
    if (status != AWS_OK)
        return status;
    r->index = name != NULL ? index_named(&r->place.table, json_string(name)) : NULL;
    if (name != NULL && r->index == NULL)
        return call_fail(r->call, AWS_VALIDATION, "The table does not have the specified index: " VIEW_FMT, VIEW_ARG(json_string(name)));
    if (r->index != NULL && json_bool(json_get(body, "ConsistentRead"), false))
        return call_fail(r->call, AWS_VALIDATION, "Consistent reads are not supported on global secondary indexes");
    r->select.index = r->index;
    r->place_keys = keys_of_place(&r->place.table, r->index);
    r->order = keys_of_order(&r->place.table, r->index, r->queried);
    return AWS_OK;
}

static enum aws_status read_select(struct reading *r)
{
    struct view select = json_get_string(call_body(r->call), "Select");
    r->count_only = view_is(select, "COUNT");
    if (r->projection != NULL && select.len > 0 && !view_is(select, "SPECIFIC_ATTRIBUTES"))
        return call_fail(r->call, AWS_VALIDATION, "Cannot specify the ProjectionExpression when choosing to get %s",
                         r->count_only ? "only the Count" : "ALL_ATTRIBUTES");
    if (r->projection == NULL && view_is(select, "SPECIFIC_ATTRIBUTES"))
        return call_fail(r->call, AWS_VALIDATION, "Must specify the AttributesToGet or ProjectionExpression when choosing to get "
                         "SPECIFIC_ATTRIBUTES");
    if (r->index == NULL && view_is(select, "ALL_PROJECTED_ATTRIBUTES"))
        return call_fail(r->call, AWS_VALIDATION, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName");
    return AWS_OK;
}

/* The order attribute begins where the page before ended. Its items that were seen already are dropped by their keys. */
static void select_from_start(struct reading *r)
{
    const struct table_key *first = r->order.keys[0];
    struct view begin = value_text(value_of(json_get(r->start, first->name)));
    struct view *bound = r->select.descending ? &r->select.to : &r->select.from;
    if (r->order.count == 0 || first->type != 'S' || begin.ptr == NULL)
        return;
    int order = bound->ptr != NULL ? view_compare(begin, *bound) : 0;
    if (bound->ptr == NULL || (r->select.descending ? order < 0 : order > 0))
        *bound = begin;
}

static enum aws_status read_start(struct reading *r)
{
    r->start = json_get(call_body(r->call), "ExclusiveStartKey");
    if (r->start == NULL)
        return AWS_OK;
    if (!keys_match(&r->place_keys, r->start))
        return call_fail(r->call, AWS_VALIDATION, "The provided starting key is invalid");
    const struct table_key *hash = r->index != NULL ? &r->index->hash : &r->place.table.hash;
    if (r->queried && !view_eq(value_text(value_of(json_get(r->start, hash->name))), r->select.hash))
        return call_fail(r->call, AWS_VALIDATION,
                         "The provided starting key is outside query boundaries based on provided conditions");
    select_from_start(r);
    return AWS_OK;
}

static enum aws_status read_segment(struct reading *r)
{
    int64_t segment, segments;
    bool has_segment = json_get_i64(call_body(r->call), "Segment", &segment);
    bool has_segments = json_get_i64(call_body(r->call), "TotalSegments", &segments);
    if (has_segment != has_segments)
        return call_fail(r->call, AWS_VALIDATION, "The %s parameter is required but was not present in the request when parameter %s is "
                         "present", has_segment ? "TotalSegments" : "Segment", has_segment ? "Segment" : "TotalSegments");
    if (!has_segment)
        return AWS_OK;
    if (segment >= segments)
        return call_fail(r->call, AWS_VALIDATION,
                         "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %lld is not less "
                         "than TotalSegments: %lld", (long long)segment, (long long)segments);
    r->segment = (uint32_t)segment;
    r->segments = (uint32_t)segments;
    return AWS_OK;
}

static enum aws_status read_filter(struct reading *r, struct expressions *x)
{
    const struct json *text = json_get(call_body(r->call), "FilterExpression");
    if (text == NULL)
        return AWS_OK;
    r->filter = condition_parse(x, "FilterExpression", json_string(text));
    if (r->filter == NULL)
        return request_problem(r->call, x);
    const struct table_key *keys[] = { r->index != NULL ? &r->index->hash : &r->place.table.hash,
                                       r->index != NULL ? &r->index->range : &r->place.table.range };
    for (size_t i = 0; i < 2 && r->queried; i++) {
        if (keys[i]->name != NULL && condition_uses(r->filter, view_from_cstr(keys[i]->name)))
            return call_fail(r->call, AWS_VALIDATION,
                             "Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", keys[i]->name);
    }
    return AWS_OK;
}

static enum aws_status read_key_condition(struct reading *r, struct expressions *x)
{
    const struct json *text = json_get(call_body(r->call), "KeyConditionExpression");
    const struct table *table = &r->place.table;
    const struct table_key *hash = r->index != NULL ? &r->index->hash : &table->hash;
    const struct table_key *range = r->index != NULL ? &r->index->range : &table->range;
    if (!r->queried)
        return AWS_OK;
    if (text == NULL)
        return call_fail(r->call, AWS_VALIDATION,
                         "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.");
    r->key = condition_parse(x, "KeyConditionExpression", json_string(text));
    return r->key != NULL && keys_select(x, r->key, hash, range, &r->select) ? AWS_OK : request_problem(r->call, x);
}

static enum aws_status read_request(struct reading *r)
{
    const struct json *body = call_body(r->call);
    struct expressions x;
    int64_t limit = 0;
    json_get_i64(body, "Limit", &limit);
    r->limit = (size_t)limit;
    r->select.descending = r->queried && !json_bool(json_get(body, "ScanIndexForward"), true);
    enum aws_status status = request_expressions(r->call, body, &x);
    if (status == AWS_OK)
        status = read_target(r);
    if (status == AWS_OK)
        status = read_key_condition(r, &x);
    if (status == AWS_OK)
        status = read_filter(r, &x);
    if (status == AWS_OK)
        status = request_projection(r->call, body, &x, &r->projection);
    if (status == AWS_OK)
        status = request_settled(r->call, &x);
    if (status == AWS_OK)
        status = read_select(r);
    if (status == AWS_OK)
        status = read_start(r);
    return status == AWS_OK ? read_segment(r) : status;
}

static enum aws_status run(struct call *call, bool queried)
{
    struct reading reading = { .call = call, .queried = queried };
    enum aws_status status = read_request(&reading);
    return status == AWS_OK ? read_page(&reading) : status;
}

/* Scan: all items of a table or an index. */
enum aws_status scan(struct call *call)
{
    return run(call, false);
}

/* Query: the items of one hash key, by their range key. */
enum aws_status query(struct call *call)
{
    return run(call, true);
}
