/* base/view.c - see view.h. */
#include "base/view.h"

#include "base/decimal.h"

size_t view_find_byte(struct view v, char byte)
{
    const char *found = v.len > 0 ? memchr(v.ptr, byte, v.len) : NULL;
    return found != NULL ? (size_t)(found - v.ptr) : VIEW_NPOS;
}

size_t view_find(struct view v, struct view needle)
{
    if (needle.len == 0)
        return 0;
    const char *found = v.len >= needle.len ? memmem(v.ptr, v.len, needle.ptr, needle.len) : NULL;
    return found != NULL ? (size_t)(found - v.ptr) : VIEW_NPOS;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool view_eq_nocase(struct view a, struct view b)
{
    return a.len == b.len && view_starts_with_nocase(a, b);
}

bool view_starts_with_nocase(struct view v, struct view prefix)
{
    if (v.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++) {
        if (lower(v.ptr[i]) != lower(prefix.ptr[i]))
            return false;
    }
    return true;
}

int view_compare(struct view a, struct view b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct view view_trim(struct view v)
{
    while (v.len > 0 && is_blank(v.ptr[0]))
        v = view_from(v, 1);
    while (v.len > 0 && is_blank(v.ptr[v.len - 1]))
        v.len--;
    return v;
}

struct view view_split(struct view *rest, char separator)
{
    struct view head = *rest;
    size_t at = view_find_byte(head, separator);
    if (at == VIEW_NPOS) {
        *rest = (struct view){ NULL, 0 };
        return head;
    }
    *rest = view_from(head, at + 1);
    return view_first(head, at);
}

bool view_to_u64(struct view v, uint64_t *out)
{
    uint64_t value = 0;
    if (v.len == 0)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, v.ptr[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

bool view_to_i64(struct view v, int64_t *out)
{
    bool negative = v.len > 0 && v.ptr[0] == '-';
    uint64_t magnitude;
    if (!view_to_u64(view_from(v, negative), &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

bool view_to_double(struct view v, double *out)
{
    struct decimal d;
    return decimal_parse(v, &d) && decimal_to_double(&d, out);
}

/* ---- SipHash-1-3: fast on short keys, and its collisions cannot be computed without the seed ---- */

#define ROTATE(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

static inline void sip_round(uint64_t s[4])
{
    s[0] += s[1];
    s[1] = ROTATE(s[1], 13) ^ s[0];
    s[0] = ROTATE(s[0], 32);
    s[2] += s[3];
    s[3] = ROTATE(s[3], 16) ^ s[2];
    s[0] += s[3];
    s[3] = ROTATE(s[3], 21) ^ s[0];
    s[2] += s[1];
    s[1] = ROTATE(s[1], 17) ^ s[2];
    s[2] = ROTATE(s[2], 32);
}

static inline void sip_word(uint64_t s[4], uint64_t word)
{
    s[3] ^= word;
    sip_round(s);
    s[0] ^= word;
}

uint64_t view_hash(struct view v, uint64_t seed)
{
    uint64_t second = seed * 0x9e3779b97f4a7c15u;
    uint64_t s[4] = { seed ^ 0x736f6d6570736575u, second ^ 0x646f72616e646f6du, seed ^ 0x6c7967656e657261u,
                      second ^ 0x7465646279746573u };
    uint64_t word;
    size_t at = 0;
    for (; at + sizeof word <= v.len; at += sizeof word) {
        memcpy(&word, v.ptr + at, sizeof word);
        sip_word(s, word);
    }
    word = 0;
    if (at < v.len)
        memcpy(&word, v.ptr + at, v.len - at);
    sip_word(s, word | (uint64_t)v.len << 56);
    s[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(s);
    return s[0] ^ s[1] ^ s[2] ^ s[3];
}
