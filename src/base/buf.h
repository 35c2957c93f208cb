/* base/buf.h - a growing byte buffer with a cap.
 *
 * The caller owns the struct; buf_free() releases the bytes. Errors are sticky: an append that would pass the cap, or finds no
 * memory, frees the bytes and marks the buffer failed; later appends are no-ops, so a run of them needs one buf_failed() at
 * the end. Not thread-safe.
 */
#ifndef CRATON_BASE_BUF_H
#define CRATON_BASE_BUF_H

#include "base/view.h"

#include <stdarg.h>

struct buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max;                /* the cap, in bytes */
    bool failed;
};

#define BUF_INIT(max_bytes) { .max = (max_bytes) }

void buf_init(struct buf *buf, size_t max);
void buf_free(struct buf *buf);                             /* back to empty and usable, the cap kept */
void buf_clear(struct buf *buf);                            /* empty, memory kept, failure forgotten */

/* Each returns false when the buffer is failed afterwards. */
bool buf_append(struct buf *buf, const void *bytes, size_t len);
bool buf_append_view(struct buf *buf, struct view bytes);
bool buf_append_cstr(struct buf *buf, const char *text);
bool buf_append_byte(struct buf *buf, char byte);
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
bool buf_append_u64(struct buf *buf, uint64_t number);      /* decimal */

/* Room for len more bytes, to be filled by the caller and then claimed with buf_commit(). NULL when failed. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

void buf_consume(struct buf *buf, size_t len);              /* drops bytes at the front */
void buf_swap(struct buf *a, struct buf *b);                /* bytes and state move; caps too */

static inline bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}

static inline struct view buf_view(const struct buf *buf)   /* valid until the next change */
{
    return (struct view){ buf->ptr, buf->len };
}

#endif
