/* base/encode.c - base64, hexadecimal, percent and CRC-32: see encode.h. */
#include "base/encode.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_upper[] = "0123456789ABCDEF";
static const char hex_lower[] = "0123456789abcdef";

/* ---- base64 ---- */

bool base64_append(struct buf *out, struct view bytes)
{
    if (bytes.len > SIZE_MAX / 2) {
        buf_reserve(out, SIZE_MAX);
        return false;
    }
    size_t len = (bytes.len + 2) / 3 * 4;
    char *to = buf_reserve(out, len);
    if (to == NULL)
        return false;
    const unsigned char *from = (const unsigned char *)bytes.ptr;
    for (size_t left = bytes.len; left > 0; to += 4) {
        size_t take = left < 3 ? left : 3;
        uint32_t group = (uint32_t)from[0] << 16 | (take > 1 ? (uint32_t)from[1] << 8 : 0) | (take > 2 ? from[2] : 0);
        to[0] = base64_digits[group >> 18];
        to[1] = base64_digits[group >> 12 & 63];
        to[2] = take > 1 ? base64_digits[group >> 6 & 63] : '=';
        to[3] = take > 2 ? base64_digits[group & 63] : '=';
        from += take;
        left -= take;
    }
    buf_commit(out, len);
    return true;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padding, when there is any, must complete the last group of four. */
static bool strip_padding(struct view *text)
{
    size_t padding = 0;
    while (padding < 2 && padding < text->len && text->ptr[text->len - 1 - padding] == '=')
        padding++;
    if (padding > 0 && text->len % 4 != 0)
        return false;
    text->len -= padding;
    return text->len % 4 != 1;
}

bool base64_decode(struct arena *arena, struct view text, struct view *out)
{
    if (!strip_padding(&text))
        return false;
    size_t len = text.len / 4 * 3 + (text.len % 4 > 0 ? text.len % 4 - 1 : 0);
    char *bytes = arena_bytes(arena, len + 1);
    if (bytes == NULL)
        return false;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[at++] = (char)(bits >> held);
            bits &= (1u << held) - 1;
        }
    }
    bytes[at] = '\0';
    *out = (struct view){ bytes, at };
    return bits == 0; /* bits beyond the last byte: another text would decode to the same */
}

/* ---- hexadecimal ---- */

void hex_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *from = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = hex_lower[from[i] >> 4];
        out[2 * i + 1] = hex_lower[from[i] & 15];
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(struct view text, void *out, size_t out_len)
{
    unsigned char *to = out;
    if (text.len / 2 != out_len || text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < out_len; i++) {
        int high = hex_value(text.ptr[2 * i]);
        int low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* ---- percent ---- */

bool percent_decode(struct arena *arena, struct view text, bool plus_is_space, struct view *out)
{
    char *bytes = arena_bytes(arena, text.len + 1);
    size_t at = 0;
    if (bytes == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || !hex_decode(view_of(text.ptr + i + 1, 2), &c, 1))
                return false;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        bytes[at++] = c;
    }
    bytes[at] = '\0';
    *out = (struct view){ bytes, at };
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool percent_append(struct buf *out, struct view text, bool keep_slash)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i]) || (c == '/' && keep_slash))
            buf_append_byte(out, text.ptr[i]);
        else
            buf_append(out, (char[]){ '%', hex_upper[c >> 4], hex_upper[c & 15] }, 3);
    }
    return !buf_failed(out);
}

/* ---- CRC-32, eight bytes a step through eight tables ---- */

static uint32_t crc_tables[8][256];

__attribute__((constructor)) static void make_crc_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        crc_tables[0][byte] = crc;
    }
    for (int table = 1; table < 8; table++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t crc = crc_tables[table - 1][byte];
            crc_tables[table][byte] = crc >> 8 ^ crc_tables[0][crc & 0xff];
        }
    }
}

uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    crc = ~crc;
    for (; len >= 8; at += 8, len -= 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
        crc = crc_tables[7][low & 0xff] ^ crc_tables[6][low >> 8 & 0xff] ^ crc_tables[5][low >> 16 & 0xff] ^
              crc_tables[4][low >> 24] ^ crc_tables[3][at[4]] ^ crc_tables[2][at[5]] ^ crc_tables[1][at[6]] ^
              crc_tables[0][at[7]];
    }
    for (; len > 0; at++, len--)
        crc = crc >> 8 ^ crc_tables[0][(crc ^ *at) & 0xff];
    return ~crc;
}
