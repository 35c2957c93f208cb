#include "dynamodb/items.h"

#include "dynamodb/value.h"

#include <stdio.h>

#define ITEM_MAX    (4u << 20)
#define SCRATCH_MAX (64u << 20)
#define ITEM_DEPTH  64

static bool items_init(struct table_items *items, bool (*take)(void *ctx, const struct json *item), void *ctx)
{
    *items = (struct table_items){ .take = take, .ctx = ctx, .scratch = arena_create(SCRATCH_MAX) };
    buf_init(&items->text, ITEM_MAX);
    return items->scratch != NULL;
}

static void items_free(struct table_items *items)
{
    buf_free(&items->text);
    arena_destroy(items->scratch);
}

void item_begin(struct table_items *items)
{
    buf_clear(&items->text);
    json_writer_init(&items->writer, &items->text);
    json_object(&items->writer);
}

static void begin_value(struct table_items *items, const char *name, enum value_type type)
{
    json_key(&items->writer, name);
    json_object(&items->writer);
    json_key(&items->writer, value_type_name(type));
}

void item_string(struct table_items *items, const char *name, struct view value)
{
    begin_value(items, name, VALUE_STRING);
    json_write_string(&items->writer, value);
    json_end(&items->writer);
}

void item_number(struct table_items *items, const char *name, int64_t value)
{
    char text[24];
    begin_value(items, name, VALUE_NUMBER);
    snprintf(text, sizeof text, "%lld", (long long)value);
    json_write_cstr(&items->writer, text);
    json_end(&items->writer);
}

void item_bool(struct table_items *items, const char *name, bool value)
{
    begin_value(items, name, VALUE_BOOL);
    json_write_bool(&items->writer, value);
    json_end(&items->writer);
}

bool item_end(struct table_items *items)
{
    json_end(&items->writer);
    arena_reset(items->scratch);
    const struct json *item = NULL;
    if (!json_writer_failed(&items->writer) && !buf_failed(&items->text))
        item = json_parse(items->scratch, buf_view(&items->text), ITEM_DEPTH, NULL);
    items->failed = items->failed || item == NULL;
    return !items->failed && items->take(items->ctx, item);
}

enum aws_status items_read(const struct table_source *source, const struct table *table, const struct table_select *select,
                           bool (*take)(void *ctx, const struct json *item), void *ctx)
{
    struct table_items items;
    enum aws_status status = AWS_INTERNAL_SERVER;
    if (items_init(&items, take, ctx))
        status = source->items(source->ctx, table, select, &items);
    if (status == AWS_OK && items.failed)
        status = AWS_INTERNAL_SERVER;
    items_free(&items);
    return status;
}

size_t item_size(const struct json *item)
{
    size_t size = 0;
    for (struct json_iter it = json_iter(item); json_next(&it);) {
        struct value value = value_of(it.value);
        size += it.key.len + (value.type == VALUE_STRING ? value_text(value).len : value_text(value).len / 2 + 1);
    }
    return size;
}
