/* dynamodb/table.h - records of a capability, shown as the items of a DynamoDB table. Read-only.
 *
 * A capability fills a struct table_source and the server hands it to the DynamoDB door, which does the rest: conditions,
 * projections, paging and the wire. A source finds tables and writes the items that were selected, attribute by attribute:
 *
 *     item_begin(items);
 *     item_string(items, "JobId", row->id);
 *     item_number(items, "Attempts", row->attempts);       // what is not written is absent
 *     if (!item_end(items))
 *         break;                                           // the page is full
 *
 * A selection narrows what is read, no more: items outside it may be written too, they are dropped. The bounds hold for the order
 * attribute: the range key when select->hash is given, the hash key when it is not.
 *
 * Sources are called in pool threads, several at once, and may block. What they hand out lives in the arena or outlives the call.
 */
#ifndef CRATON_DYNAMODB_TABLE_H
#define CRATON_DYNAMODB_TABLE_H

#include "aws/error.h"
#include "base/arena.h"

struct table_key {
    const char *name;                                       /* NULL: there is none */
    char type;                                              /* 'S' or 'N' */
};

struct table_index {                                        /* global, with all attributes; items without its keys are not in it */
    const char *name;
    struct table_key hash, range;
};

struct table {
    struct view name;
    struct table_key hash, range;
    const struct table_index *indexes;
    size_t index_count;
    int64_t created_ms;
    const void *of;                                         /* the source's own */
};

struct table_select {
    const struct table_index *index;                        /* NULL: the table itself */
    struct view hash;                                       /* only items with this hash key, as the client wrote it; ptr NULL: any */
    struct view from, to;                                   /* bounds of an order attribute of type 'S', inclusive; ptr NULL: open */
    bool descending;
};

struct table_items;                                         /* takes items; the door's */

struct table_source {
    void *ctx;
    /* All tables of an account and region, in any order. */
    enum aws_status (*tables)(void *ctx, struct view account, struct view region, struct arena *arena,
                              void (*each)(void *each_ctx, const struct table *table), void *each_ctx);
    /* AWS_RESOURCE_NOT_FOUND when no table has this name. */
    enum aws_status (*find)(void *ctx, struct view account, struct view region, struct view name, struct arena *arena,
                            struct table *out);
    /* Writes the items by the order attribute and then by the table's hash key, both falling when select->descending; strings by
     * their bytes, numbers by value. Anything but AWS_OK: they could not be read. */
    enum aws_status (*items)(void *ctx, const struct table *table, const struct table_select *select, struct table_items *out);
};

void item_begin(struct table_items *items);
void item_string(struct table_items *items, const char *name, struct view value);
void item_number(struct table_items *items, const char *name, int64_t value);
void item_bool(struct table_items *items, const char *name, bool value);
bool item_end(struct table_items *items);                   /* false: no more are wanted */

#endif
