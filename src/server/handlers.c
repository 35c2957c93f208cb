#include "server/handlers.h"

#include "models/operations.h"
#include "s3/s3.h"
#include "sts/sts.h"

size_t handlers_all(const struct handler_contexts *contexts, struct handler_set out[HANDLER_SETS])
{
    const struct handler_set sets[HANDLER_SETS] = {
        { runtime_handlers, runtime_handler_count, contexts->runtime },
        { models_handlers, models_handler_count, contexts->models },
        { async_handlers, async_handler_count, contexts->async },
        { pipeline_handlers, pipeline_handler_count, contexts->pipelines },
        { sts_handlers, sts_handler_count, NULL },
        { dynamodb_handlers, dynamodb_handler_count, contexts->dynamodb },
        { batch_handlers, batch_handler_count, contexts->batch },
        { tags_handlers, tags_handler_count, contexts->tags },
    };
    memcpy(out, sets, sizeof(sets));
    return HANDLER_SETS;
}

bool handlers_serve(const struct operation *operation)
{
    if (view_is(operation->service->name, "s3"))            /* which has a door and handlers of its own */
        return s3_serves(operation->name);
    const struct handler_contexts none = { 0 };
    struct handler_set sets[HANDLER_SETS];
    size_t count = handlers_all(&none, sets);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sets[i].count; j++) {
            if (aws_operation_find(view_from_cstr(sets[i].rows[j].operation)) == operation)
                return true;
        }
    }
    return false;
}
