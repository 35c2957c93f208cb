/* base/buf.c - see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAPACITY 256u

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){ .max = max };
}

void buf_free(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){ .max = buf->max };
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

static bool fail(struct buf *buf)
{
    buf_free(buf);
    buf->failed = true;
    return false;
}

static bool grow(struct buf *buf, size_t needed)
{
    size_t capacity = buf->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buf->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (capacity > buf->max)
        capacity = buf->max;
    char *ptr = realloc(buf->ptr, capacity);
    if (ptr == NULL)
        return fail(buf);
    buf->ptr = ptr;
    buf->capacity = capacity;
    return true;
}

static inline bool ensure(struct buf *buf, size_t len)
{
    if (buf->failed)
        return false;
    if (len <= buf->capacity - buf->len)
        return true;
    if (len > buf->max || buf->len > buf->max - len)
        return fail(buf);
    return grow(buf, buf->len + len);
}

bool buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (!ensure(buf, len))
        return false;
    if (len > 0)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    return true;
}

bool buf_append_view(struct buf *buf, struct view bytes)
{
    return buf_append(buf, bytes.ptr, bytes.len);
}

bool buf_append_cstr(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_append_byte(struct buf *buf, char byte)
{
    if (!ensure(buf, 1))
        return false;
    buf->ptr[buf->len++] = byte;
    return true;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool ok = buf_vprintf(buf, format, args);
    va_end(args);
    return ok;
}

bool buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    bool ok;
    if (len >= 0 && (size_t)len < sizeof small) {
        ok = buf_append(buf, small, (size_t)len);
    } else {
        char *large = NULL;
        len = len >= 0 ? vasprintf(&large, format, again) : len;
        ok = len >= 0 ? buf_append(buf, large, (size_t)len) : fail(buf);
        if (len >= 0)
            free(large);
    }
    va_end(again);
    return ok;
}

bool buf_append_u64(struct buf *buf, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return buf_append(buf, digits + at, sizeof digits - at);
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (!ensure(buf, len > 0 ? len : 1))
        return NULL;
    return buf->ptr + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
    if (!buf->failed)
        buf->len += len;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    if (len > 0)
        memmove(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
}

void buf_swap(struct buf *a, struct buf *b)
{
    struct buf old = *a;
    *a = *b;
    *b = old;
}
