/* The HTTP/2 front: the client's preface, then whatever comes. */
#include "front_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct harness harness;
    harness_begin(&harness, http2_create);
    harness_feed(&harness, VIEW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    size_t piece = 1 + data[0];
    for (struct view rest = view_of(data + 1, size - 1); rest.len > 0; rest = view_from(rest, piece))
        harness_feed(&harness, view_first(rest, piece));
    harness_end(&harness);
    buf_free(&harness.sent);
    return 0;
}
