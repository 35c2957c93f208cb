/* dynamodb/keys.h - the keys of tables and indexes: conditions on them, their order, and where a page ends. Pure functions. */
#ifndef CRATON_DYNAMODB_KEYS_H
#define CRATON_DYNAMODB_KEYS_H

#include "dynamodb/expression.h"
#include "dynamodb/table.h"

/* Attributes of a key, in the order that counts. Borrowed from the table and the index. */
struct key_list {
    const struct table_key *keys[4];
    size_t count;
};

struct key_list keys_of_table(const struct table *table);
/* What identifies a place in a read: the index's keys and the table's. index may be NULL. */
struct key_list keys_of_place(const struct table *table, const struct table_index *index);
/* What items are sorted by, once the hash key is fixed (queried) or not. */
struct key_list keys_of_order(const struct table *table, const struct table_index *index, bool queried);

bool keys_match(const struct key_list *keys, const struct json *key);       /* exactly these attributes, of their types */
bool keys_present(const struct key_list *keys, const struct json *item);    /* at least these */
bool keys_equal(const struct key_list *keys, const struct json *a, const struct json *b);
int keys_compare(const struct key_list *order, const struct json *a, const struct json *b);
void keys_write(const struct key_list *keys, const struct json *item, struct json_writer *out);

/* Reads a KeyConditionExpression into hash and bounds of the selection. False with x->problem when it is none. */
bool keys_select(struct expressions *x, const struct condition *condition, const struct table_key *hash, const struct table_key *range,
                 struct table_select *select);

#endif
