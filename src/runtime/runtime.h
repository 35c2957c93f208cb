/* runtime/runtime.h - the Bedrock Runtime door: Converse, InvokeModel, their streams, and CountTokens.
 *
 * The handlers run on the loop, never block, and answer later (AWS_PENDING). Their call_context() is a struct runtime.
 */
#ifndef CRATON_RUNTIME_RUNTIME_H
#define CRATON_RUNTIME_RUNTIME_H

#include "aws/call.h"
#include "engine/engine.h"
#include "models/registry.h"

struct runtime {                                            /* borrowed by every call; outlives them all */
    struct loop *loop;
    struct engine *engine;
    struct models *models;
};

enum aws_status converse(struct call *call);
enum aws_status converse_stream(struct call *call);
enum aws_status invoke_model(struct call *call);
enum aws_status invoke_model_with_response_stream(struct call *call);
enum aws_status count_tokens(struct call *call);

extern const struct handler_row runtime_handlers[];
extern const size_t runtime_handler_count;

#endif
