/* Any model.json and any model id must be read in bounded memory, to a model or to a problem that is told. */
#include "models/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = view_of(data, size);
    struct arena *arena = arena_create(8 << 20);
    struct local_model model;
    const char *problem = NULL;
    if (arena == NULL)
        return 0;
    if (!manifest_read(arena, VIEW("model"), bytes, &model, &problem) && problem == NULL && !arena_exhausted(arena))
        abort();
    struct model_id id = model_id_parse(bytes);
    if (id.form == MODEL_ID_PLAIN && catalog_find(id.id) != NULL && id.id.len > CATALOG_MAX_ID)
        abort();
    arena_destroy(arena);
    return 0;
}
