/* Framed bytes must come out the same in whatever pieces they go in, and never be more than went in. */
#include "s3/chunked.h"

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool decode(struct view text, size_t step, struct buf *out)
{
    struct chunked c;
    chunked_init(&c);
    while (text.len > 0) {
        struct view piece = view_first(text, step);
        text = view_from(text, piece.len);
        for (;;) {
            enum chunked_event event = chunked_next(&c, &piece);
            if (event == CHUNKED_BAD)
                return false;
            if (event == CHUNKED_MORE)
                break;
            if (event == CHUNKED_DATA)
                buf_append_view(out, c.data);
            if (event == CHUNKED_FIELD)
                buf_printf(out, VIEW_FMT "=" VIEW_FMT "\n", VIEW_ARG(c.name), VIEW_ARG(c.value));
            if (event == CHUNKED_BEGIN)
                buf_printf(out, "[" VIEW_FMT "]", VIEW_ARG(c.signature));
        }
    }
    return chunked_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);
    struct view text = view_of(data, size);
    bool good = decode(text, SIZE_MAX, &whole);
    if (good != decode(text, size > 0 ? 1 + data[0] % 7 : 1, &pieces) || !view_eq(buf_view(&whole), buf_view(&pieces)))
        abort();
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
