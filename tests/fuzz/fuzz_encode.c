/* fuzz_encode.c - what the decoders of base/encode.h and the dates of base/clock.h accept means the same when written again. */
#include "base/clock.h"
#include "base/encode.h"
#include "base/utf8.h"

#include <stdlib.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_base64(struct arena *arena, struct view text)
{
    struct view bytes;
    if (!base64_decode(arena, text, &bytes))
        return;
    struct buf again = BUF_INIT(64u << 20);
    require(base64_append(&again, bytes));
    require(again.len - text.len <= 2 && view_starts_with(buf_view(&again), text)); /* but for padding the same text */
    buf_free(&again);
}

static void check_percent(struct arena *arena, struct view text)
{
    struct view bytes, back;
    if (!percent_decode(arena, text, true, &bytes))
        return;
    struct buf again = BUF_INIT(64u << 20);
    require(percent_append(&again, bytes, false));
    require(percent_decode(arena, buf_view(&again), false, &back) && view_eq(back, bytes));
    buf_free(&again);
}

static void check_dates(struct view text)
{
    char out[CLOCK_ISO_SIZE];
    int64_t ms;
    if (clock_parse_amz(text, &ms) && ms > INT64_C(-30610224000000)) {
        int64_t back = 0;
        clock_format_amz(ms, out);
        require(clock_parse_amz(view_from_cstr(out), &back) && back == ms);
    }
    if (clock_parse_http(text, &ms))
        clock_format_http(ms, out);
    if (clock_parse_iso(text, &ms))
        clock_format_iso(ms, true, out);
}

static void check_utf8(struct view text)
{
    size_t whole = utf8_whole(text);
    require(whole <= text.len && text.len - whole < 4);
    bool valid = true;
    size_t characters = 0;
    for (struct view rest = text; rest.len > 0; characters++) {
        uint32_t code;
        size_t used = utf8_decode(rest, &code);
        require(used > 0 && used <= rest.len);
        valid = valid && (code != 0xfffd || used == 3);
        rest = view_from(rest, used);
    }
    require(valid == utf8_valid(text));
    require(!valid || (characters == utf8_count(text) && whole == text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view text = view_of(data, size);
    struct arena *arena = arena_create(64u << 20);
    check_base64(arena, text);
    check_percent(arena, text);
    check_dates(text);
    check_utf8(text);
    arena_destroy(arena);
    return 0;
}
