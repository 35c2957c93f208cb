/* dynamodb/request.h - what the operations share: finding tables, expressions of a request, failing. In the pool. */
#ifndef CRATON_DYNAMODB_REQUEST_H
#define CRATON_DYNAMODB_REQUEST_H

#include "dynamodb/dynamodb.h"
#include "dynamodb/items.h"
#include "dynamodb/keys.h"

struct table_place {
    const struct table_source *source;
    struct table table;
};

/* By name or ARN. Not found: the call's error is set, in the words of reads; DescribeTable has its own. */
enum aws_status request_table(struct call *call, struct view name_or_arn, struct table_place *out);
struct view request_table_name(struct view name_or_arn);

/* Refuses members that expressions have replaced long ago. */
enum aws_status request_no_legacy(struct call *call, const struct json *from);

/* The expressions of a request or, in BatchGetItem, of one table. AWS_OK, or the call's error. */
enum aws_status request_expressions(struct call *call, const struct json *from, struct expressions *out);
enum aws_status request_projection(struct call *call, const struct json *from, struct expressions *x, const struct projection **out);
enum aws_status request_settled(struct call *call, struct expressions *x);     /* everything that was given was used */

enum aws_status request_problem(struct call *call, const struct expressions *x);
enum aws_status request_unreadable(struct call *call, enum aws_status status);  /* the source's error */

/* The item with this key, handed to take(); AWS_OK also when there is none. */
enum aws_status request_one(struct call *call, const struct table_place *place, const struct json *key,
                            bool (*take)(void *ctx, const struct json *item), void *ctx);
void request_write_item(const struct projection *projection, const struct json *item, struct json_writer *out);
void request_write_capacity(struct call *call, const struct table *table, size_t bytes, struct json_writer *out);

enum aws_status list_tables(struct call *call);
enum aws_status describe_table(struct call *call);
enum aws_status scan(struct call *call);
enum aws_status query(struct call *call);
enum aws_status get_item(struct call *call);
enum aws_status batch_get_item(struct call *call);
enum aws_status refuse_write(struct call *call);

#endif
