/* Reads frames off the input, one after the other. What is read whole and holds string headers only must be written back alike. */
#include "net/eventstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = view_of(data, size);
    struct eventstream_frame frame;
    while (rest.len > 0 && eventstream_read(rest, &frame) == EVENTSTREAM_FRAME) {
        struct buf out = BUF_INIT(EVENTSTREAM_FRAME_MAX);
        if (eventstream_append(&out, frame.headers, frame.header_count, frame.payload) && out.len == frame.size &&
            memcmp(out.ptr, rest.ptr, out.len) != 0)
            __builtin_trap();
        buf_free(&out);
        rest = view_from(rest, frame.size);
    }
    return 0;
}
