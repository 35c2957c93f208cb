/* The SSE parser: cut anywhere, the same events; what was written is read back. */
#include "net/sse.h"

#include <stdlib.h>

static bool collect(void *ctx, struct view name, struct view data)
{
    sse_append(ctx, name, data);
    return true;
}

static void parse(struct view bytes, size_t piece, struct buf *events)
{
    struct sse_parser parser;
    sse_parser_init(&parser, 1 << 20, collect, events);
    for (struct view rest = bytes; rest.len > 0; rest = view_from(rest, piece))
        sse_feed(&parser, view_first(rest, piece));
    sse_parser_free(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT(1 << 24), pieces = BUF_INIT(1 << 24), again = BUF_INIT(1 << 24);
    parse(view_of(data, size), size > 0 ? size : 1, &whole);
    parse(view_of(data, size), 1 + (size > 0 ? data[0] % 7 : 0), &pieces);
    parse(buf_view(&whole), 5, &again);
    if (!view_eq(buf_view(&whole), buf_view(&pieces)) || !view_eq(buf_view(&whole), buf_view(&again)))
        abort();
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&again);
    return 0;
}
