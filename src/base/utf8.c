/* base/utf8.c - see utf8.h. */
#include "base/utf8.h"

/* Bytes of the character that begins with this byte; 0 when none can. */
static size_t lead_length(unsigned char byte)
{
    if (byte < 0x80)
        return 1;
    if (byte >= 0xc2 && byte <= 0xdf)
        return 2;
    if (byte >= 0xe0 && byte <= 0xef)
        return 3;
    return byte >= 0xf0 && byte <= 0xf4 ? 4 : 0;
}

/* The second byte's range depends on the first: it keeps out overlong forms, surrogates and what lies above U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char second)
{
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high;
}

/* How many bytes at the front belong together: *need is what the lead asks for, the result how many of them are there and fit. */
static size_t match(struct view text, size_t *need)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    *need = text.len > 0 ? lead_length(bytes[0]) : 0;
    if (*need == 0)
        return 0;
    size_t fits = 1;
    while (fits < *need && fits < text.len) {
        if (fits == 1 ? !second_fits(bytes[0], bytes[1]) : (bytes[fits] & 0xc0) != 0x80)
            break;
        fits++;
    }
    return fits;
}

/* How many ASCII bytes stand at the front, eight at a time. */
static size_t ascii_run(struct view text)
{
    size_t at = 0;
    uint64_t word;
    for (; at + sizeof word <= text.len; at += sizeof word) {
        memcpy(&word, text.ptr + at, sizeof word);
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    while (at < text.len && (unsigned char)text.ptr[at] < 0x80)
        at++;
    return at;
}

bool utf8_valid(struct view text)
{
    while (text.len > 0) {
        text = view_from(text, ascii_run(text));
        if (text.len == 0)
            return true;
        size_t need;
        size_t fits = match(text, &need);
        if (need == 0 || fits < need)
            return false;
        text = view_from(text, need);
    }
    return true;
}

size_t utf8_whole(struct view text)
{
    /* Only the last three bytes can begin a character that is not complete. */
    for (size_t back = 1; back <= 3 && back <= text.len; back++) {
        struct view tail = view_from(text, text.len - back);
        size_t need;
        size_t fits = match(tail, &need);
        if (need > 0)
            return fits == back && fits < need ? text.len - back : text.len;
    }
    return text.len;
}

size_t utf8_count(struct view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

bool utf8_append(struct buf *out, uint32_t code_point)
{
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff))
        code_point = 0xfffd;
    char bytes[4];
    size_t len = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
    for (size_t i = len; i-- > 1; code_point >>= 6)
        bytes[i] = (char)(0x80 | (code_point & 0x3f));
    bytes[0] = (char)(lead[len] | code_point);
    return buf_append(out, bytes, len);
}

size_t utf8_decode(struct view text, uint32_t *code_point)
{
    static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    size_t need;
    size_t fits = match(text, &need);
    *code_point = 0xfffd;
    if (need == 0 || fits < need)
        return text.len > 0;
    uint32_t value = (unsigned char)text.ptr[0] & mask[need];
    for (size_t i = 1; i < need; i++)
        value = value << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    *code_point = value;
    return need;
}
