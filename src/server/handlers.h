/* server/handlers.h - every operation that has a handler: the tables of the capabilities, joined. */
#ifndef CRATON_SERVER_HANDLERS_H
#define CRATON_SERVER_HANDLERS_H

#include "async/async.h"
#include "aws/front.h"
#include "batch/batch.h"
#include "dynamodb/dynamodb.h"
#include "pipeline/pipeline.h"
#include "runtime/runtime.h"
#include "tags/tags.h"

#define HANDLER_SETS 8

/* What the handlers of each capability need: their call_context(). All NULL when only names are wanted. */
struct handler_contexts {
    struct runtime *runtime;
    struct models *models;
    struct dynamodb *dynamodb;
    struct async *async;
    struct pipelines *pipelines;
    struct batch *batch;
    struct tags *tags;
};

/* The sets of all capabilities. Returns how many were written. */
size_t handlers_all(const struct handler_contexts *contexts, struct handler_set out[HANDLER_SETS]);

bool handlers_serve(const struct operation *operation); /* has it a handler? */

#endif
