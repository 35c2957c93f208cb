#include "cli/progress.h"

#include "base/utf8.h"

void progress_bar(struct buf *out, int64_t done, int64_t total, unsigned width)
{
    int64_t filled = total > 0 && done > 0 ? (done < total ? done * (int64_t)width / total : (int64_t)width) : 0;
    for (unsigned i = 0; i < width; i++)
        buf_append_byte(out, i < filled ? '#' : '.');
}

void progress_rate(struct buf *out, double per_second)
{
    if (per_second <= 0)
        buf_append_cstr(out, "-");
    else if (per_second >= 100)
        buf_printf(out, "%.0f/s", per_second);
    else if (per_second >= 1)
        buf_printf(out, "%.1f/s", per_second);
    else
        buf_printf(out, "%.1f/min", per_second * 60);
}

void progress_duration(struct buf *out, int64_t ms)
{
    long long seconds = (ms + 999) / 1000;
    if (seconds < 60)
        buf_printf(out, "%lld s", seconds);
    else if (seconds < 3600)
        buf_printf(out, "%lld min %02lld s", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        buf_printf(out, "%lld h %02lld min", seconds / 3600, seconds / 60 % 60);
    else
        buf_printf(out, "%lld d %lld h", seconds / 86400, seconds / 3600 % 24);
}

void progress_column(struct buf *out, struct view text, unsigned width)
{
    unsigned used = 0;
    bool cut = utf8_count(text) > width;
    while (text.len > 0 && used < width) {
        uint32_t code_point;
        size_t len = utf8_decode(text, &code_point);
        if (cut && used + 1 == width)
            code_point = 0x2026;                            /* … */
        bool obeyed = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
        utf8_append(out, obeyed ? '?' : code_point);
        text = view_from(text, len);
        used++;
    }
    for (; used < width; used++)
        buf_append_byte(out, ' ');
}
