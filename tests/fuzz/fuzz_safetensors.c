/* The header of safetensors files: whatever is accepted lies inside of the file and has the size that its shape says. */
#include "worker/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(64u << 20);
    struct safetensors all = { 0 };
    const char *problem = NULL;
    struct view file = view_of(data, size);
    if (arena != NULL && safetensors_parse(arena, file, &all, &problem)) {
        for (size_t i = 0; i < all.count; i++) {
            struct view bytes = all.list[i].data;
            if (bytes.len > 0 && (bytes.ptr < file.ptr + 8 || bytes.ptr + bytes.len > file.ptr + file.len))
                abort();
            if (safetensors_find(&all, all.list[i].name) == NULL)
                abort();
        }
    } else if (arena != NULL && problem == NULL) {
        abort();
    }
    arena_destroy(arena);
    return 0;
}
