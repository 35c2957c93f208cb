/* Any bytes must be read in bounded memory; valid UTF-8 must stay valid. */
#include "text/html_text.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view html = view_of(data, size);
    struct buf out = BUF_INIT(1 << 20);
    html_text(html, &out);
    if (!buf_failed(&out) && utf8_valid(html) && !utf8_valid(buf_view(&out)))
        abort();
    buf_free(&out);
    return 0;
}
