/* What a remote model server sends: events, errors and embeddings. */
#include "engine/remote.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *ctx, const struct gen_delta *delta)
{
    size_t *bytes = ctx;
    *bytes += delta->text.len + delta->id.len + delta->name.len;
    for (size_t i = 0; i < delta->prob_count; i++)
        *bytes += delta->probs[i].token.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view all = view_of(data, size);
    struct arena *arena = arena_create(64u << 20);
    struct remote_reply reply = { 0 };
    struct engine_end end;
    struct embed_result result;
    struct gen_usage usage;
    char message[256];
    size_t bytes = 0;
    if (arena == NULL)
        abort();
    for (struct view rest = all; rest.ptr != NULL;) {
        if (!remote_reply_event(&reply, arena, view_split(&rest, '\n'), look, &bytes, &end, message) && end.status == ENGINE_OK)
            abort();                                        /* a failure has to say so */
    }
    remote_reply_end(&reply, &end);
    remote_read_error(arena, 400, all, &end, message);
    remote_read_embeddings(arena, all, 2, &result, &usage, message);
    arena_destroy(arena);
    return 0;
}
