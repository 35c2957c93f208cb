#include "runtime/runtime.h"

const struct handler_row runtime_handlers[] = {
    { "Converse", converse, .on_loop = true },
    { "ConverseStream", converse_stream, .on_loop = true },
    { "CountTokens", count_tokens, .on_loop = true },
    { "InvokeModel", invoke_model, .on_loop = true },
    { "InvokeModelWithResponseStream", invoke_model_with_response_stream, .on_loop = true },
};

const size_t runtime_handler_count = sizeof(runtime_handlers) / sizeof(runtime_handlers[0]);
