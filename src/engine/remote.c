/* engine/remote.c - models behind an OpenAI-compatible HTTP server. */
#include "engine/internal.h"

static bool prepare(struct engine_call *call, const struct model_request *request)
{
    (void)request;
    call_refuse(call, ENGINE_INVALID, "This build cannot reach remote models.");
    return false;
}

const struct backend backend_remote = { .prepare = prepare };
