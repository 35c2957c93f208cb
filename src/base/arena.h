/* base/arena.h - memory that lives exactly as long as one request or one job step.
 *
 * Everything is freed at once by arena_destroy(). An arena belongs to one thread at a time. Allocation returns NULL when the
 * cap is reached or memory is out; arena_exhausted() then stays true. Small arenas are cheap: the first block is part of the
 * arena's own allocation, and arena_reset() keeps it.
 */
#ifndef CRATON_BASE_ARENA_H
#define CRATON_BASE_ARENA_H

#include "base/view.h"

#include <stdarg.h>

struct arena;

struct arena *arena_create(size_t cap_bytes);                           /* NULL when out of memory */
void arena_destroy(struct arena *arena);                                /* NULL is fine */
void arena_reset(struct arena *arena);                                  /* frees all but the first block */
void *arena_alloc(struct arena *arena, size_t size);                    /* zeroed, aligned for any type */
void *arena_array(struct arena *arena, size_t count, size_t size);      /* the same, checked against overflow */
void *arena_bytes(struct arena *arena, size_t size);                    /* not zeroed, aligned for any type */
/* Grows or shrinks a piece that this arena gave; in place when it was the last one. New bytes are not zeroed. ptr may be NULL. */
void *arena_resize(struct arena *arena, void *ptr, size_t old_size, size_t new_size);
struct view arena_copy(struct arena *arena, struct view bytes);         /* NUL-terminated; empty with NULL when exhausted */
char *arena_cstr(struct arena *arena, struct view bytes);               /* NUL-terminated copy, or NULL */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
bool arena_exhausted(const struct arena *arena);
size_t arena_used(const struct arena *arena);                           /* bytes handed out */

#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
