/* Any bytes must be read in bounded memory, and what a tree holds must be text that can be written and read back. */
#include "base/xml.h"

#include "base/utf8.h"

#include <stdlib.h>

#define ARENA_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *arena, const struct xml *element, struct buf *out)
{
    for (; element != NULL; element = element->next) {
        struct xml_writer w;
        if (!utf8_valid(element->text))
            abort();
        buf_clear(out);
        xml_writer_init(&w, out, "Root", NULL);
        xml_put(&w, "Text", element->text);
        xml_close(&w);
        const struct xml *again = xml_writer_failed(&w) ? NULL : xml_parse(arena, buf_view(out));
        if (again != NULL && !view_eq(xml_text(again, "Text"), element->text))
            abort();
        check(arena, element->child, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(ARENA_MAX);
    struct buf out = BUF_INIT(1 << 20);
    if (arena == NULL)
        return 0;
    check(arena, xml_parse(arena, view_of(data, size)), &out);
    buf_free(&out);
    arena_destroy(arena);
    return 0;
}
