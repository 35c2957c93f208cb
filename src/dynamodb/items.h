/* dynamodb/items.h - the door's side of table.h: an item that a source has written becomes a JSON tree and is handed on. */
#ifndef CRATON_DYNAMODB_ITEMS_H
#define CRATON_DYNAMODB_ITEMS_H

#include "base/json.h"
#include "dynamodb/table.h"

struct table_items {
    bool (*take)(void *ctx, const struct json *item);       /* false: no more are wanted. The item lives until it returns */
    void *ctx;
    struct buf text;
    struct json_writer writer;
    struct arena *scratch;                                  /* of the item at hand */
    bool failed;                                            /* an item was malformed, or memory is out */
};

/* The source's items that the selection names, one after the other. AWS_INTERNAL_SERVER also when one was malformed. */
enum aws_status items_read(const struct table_source *source, const struct table *table, const struct table_select *select,
                           bool (*take)(void *ctx, const struct json *item), void *ctx);

size_t item_size(const struct json *item);                  /* bytes, about as DynamoDB counts them */

#endif
