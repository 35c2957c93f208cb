/* JSON schemas become a grammar, or are refused with a sentence; they never crash, loop or explode. */
#include "worker/gbnf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(64u << 20);
    struct gbnf *g = gbnf_create((struct gbnf_limits){ .string_chars = 64, .array_items = 16 });
    const struct json *schema = arena != NULL ? json_parse(arena, view_of(data, size), JSON_DEPTH_DEFAULT, NULL) : NULL;
    if (g != NULL && schema != NULL) {
        gbnf_count_strings(schema);
        gbnf_schema(g, "root", schema);
        if (gbnf_error(g) == NULL && (gbnf_text(g).len == 0 || gbnf_text(g).len > GBNF_MAX_TEXT))
            abort();
    }
    gbnf_destroy(g);
    arena_destroy(arena);
    return 0;
}
