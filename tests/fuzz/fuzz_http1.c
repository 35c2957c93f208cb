/* The HTTP/1 front: whatever comes, and however it is cut, it neither crashes nor loses an exchange, and it answers the same. */
#include "front_harness.h"

static void without_interim_answers(struct buf *sent)
{
    static const struct view interim = VIEW_INIT("HTTP/1.1 100 Continue\r\n\r\n");
    struct buf rest = BUF_INIT(SIZE_MAX / 2);
    struct view text = buf_view(sent);
    for (size_t at; (at = view_find(text, interim)) != VIEW_NPOS; text = view_from(text, at + interim.len))
        buf_append_view(&rest, view_first(text, at));
    buf_append_view(&rest, text);
    buf_swap(sent, &rest);
    buf_free(&rest);
}

static struct buf answers(struct view bytes, size_t piece)
{
    struct harness harness;
    harness_begin(&harness, http1_create);
    for (struct view rest = bytes; rest.len > 0; rest = view_from(rest, piece))
        harness_feed(&harness, view_first(rest, piece));
    harness_end(&harness);
    without_interim_answers(&harness.sent);
    return harness.sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000)
        return 0;
    struct view bytes = view_of(data + 1, size - 1);
    struct buf whole = answers(bytes, bytes.len), pieces = answers(bytes, 1 + data[0]);
    if (!view_eq(buf_view(&whole), buf_view(&pieces)))
        abort();
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
