/* dynamodb/dynamodb.h - DynamoDB's reading operations over tables that capabilities show (table.h). Writing is refused.
 *
 * The handlers run in the pool; their call_context() is a struct dynamodb.
 */
#ifndef CRATON_DYNAMODB_DYNAMODB_H
#define CRATON_DYNAMODB_DYNAMODB_H

#include "aws/call.h"
#include "dynamodb/table.h"

struct dynamodb {                                           /* borrowed by every call; outlives them all */
    const struct table_source *sources;
    size_t source_count;
};

extern const struct handler_row dynamodb_handlers[];
extern const size_t dynamodb_handler_count;

#endif
