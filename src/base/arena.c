/* base/arena.c - see arena.h. A chain of blocks; each is filled from its front, only the newest is being filled. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size)   __asan_poison_memory_region((ptr), (size))
#define UNPOISON(ptr, size) __asan_unpoison_memory_region((ptr), (size))
#else
#define POISON(ptr, size)   ((void)(ptr), (void)(size))
#define UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#endif

#define ALIGNMENT   16u
#define FIRST_BYTES 3968u              /* with the header and malloc's own a little less than a page */
#define BLOCK_MAX   (1024u * 1024u)    /* blocks double up to this; larger pieces get a block of their own size */

struct block {
    struct block *older;
    size_t size;
    size_t used;
    size_t padding;                    /* keeps bytes[] aligned */
    char bytes[];
};

struct arena {
    struct block *newest;
    size_t cap;
    size_t used;                       /* over all blocks, after rounding */
    bool exhausted;
    struct block first;                /* last member: its bytes follow */
};

_Static_assert(sizeof(struct block) % ALIGNMENT == 0, "a block's bytes are aligned when the block is");
_Static_assert(offsetof(struct arena, first) % ALIGNMENT == 0, "the first block is aligned");

#define CAP_MAX (SIZE_MAX / 2)         /* leaves room to add a header to any size below it */

/* SIZE_MAX, which no cap allows, for what could overflow. */
static size_t round_up(size_t size)
{
    return size > CAP_MAX ? SIZE_MAX : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

struct arena *arena_create(size_t cap_bytes)
{
    struct arena *arena = malloc(sizeof *arena + FIRST_BYTES);
    if (arena == NULL)
        return NULL;
    *arena = (struct arena){ .newest = &arena->first, .first = { .size = FIRST_BYTES } };
    arena->cap = cap_bytes < CAP_MAX ? cap_bytes : CAP_MAX;
    POISON(arena->first.bytes, FIRST_BYTES);
    return arena;
}

void arena_reset(struct arena *arena)
{
    while (arena->newest != &arena->first) {
        struct block *block = arena->newest;
        arena->newest = block->older;
        UNPOISON(block->bytes, block->size);
        free(block);
    }
    arena->first.used = 0;
    arena->used = 0;
    arena->exhausted = false;
    POISON(arena->first.bytes, arena->first.size);
}

void arena_destroy(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_reset(arena);
    UNPOISON(arena->first.bytes, arena->first.size);
    free(arena);
}

static bool add_block(struct arena *arena, size_t size)
{
    size_t block_size = arena->newest->size < BLOCK_MAX ? arena->newest->size * 2 : BLOCK_MAX;
    if (block_size < size)
        block_size = size;
    struct block *block = malloc(sizeof *block + block_size);
    if (block == NULL)
        return false;
    *block = (struct block){ .older = arena->newest, .size = block_size };
    POISON(block->bytes, block_size);
    arena->newest = block;
    return true;
}

void *arena_bytes(struct arena *arena, size_t size)
{
    size_t rounded = round_up(size > 0 ? size : 1);
    if (rounded > arena->cap - arena->used) {
        arena->exhausted = true;
        return NULL;
    }
    if (rounded > arena->newest->size - arena->newest->used && !add_block(arena, rounded)) {
        arena->exhausted = true;
        return NULL;
    }
    struct block *block = arena->newest;
    void *piece = block->bytes + block->used;
    block->used += rounded;
    arena->used += rounded;
    UNPOISON(piece, size);
    return piece;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *piece = arena_bytes(arena, size);
    return piece != NULL ? memset(piece, 0, size) : NULL;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        arena->exhausted = true;
        return NULL;
    }
    return arena_alloc(arena, total);
}

/* The last piece of the newest block can change its size where it is. */
static bool resize_in_place(struct arena *arena, char *ptr, size_t old_size, size_t new_size)
{
    struct block *block = arena->newest;
    size_t old_rounded = round_up(old_size > 0 ? old_size : 1);
    size_t new_rounded = round_up(new_size > 0 ? new_size : 1);
    if (ptr < block->bytes || ptr > block->bytes + block->used || ptr + old_rounded != block->bytes + block->used)
        return false;
    size_t offset = (size_t)(ptr - block->bytes);
    if (new_rounded > block->size - offset || new_rounded > arena->cap - (arena->used - old_rounded))
        return false;
    block->used = offset + new_rounded;
    arena->used = arena->used - old_rounded + new_rounded;
    POISON(ptr, old_rounded);
    UNPOISON(ptr, new_size);
    return true;
}

void *arena_resize(struct arena *arena, void *ptr, size_t old_size, size_t new_size)
{
    if (ptr == NULL)
        return arena_bytes(arena, new_size);
    if (resize_in_place(arena, ptr, old_size, new_size) || new_size <= old_size)
        return ptr;
    void *larger = arena_bytes(arena, new_size);
    return larger != NULL ? memcpy(larger, ptr, old_size) : NULL;
}

struct view arena_copy(struct arena *arena, struct view bytes)
{
    char *copy = arena_cstr(arena, bytes);
    return copy != NULL ? (struct view){ copy, bytes.len } : (struct view){ NULL, 0 };
}

char *arena_cstr(struct arena *arena, struct view bytes)
{
    if (bytes.len == SIZE_MAX) {
        arena->exhausted = true;
        return NULL;
    }
    char *copy = arena_bytes(arena, bytes.len + 1);
    if (copy == NULL)
        return NULL;
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len >= 0 ? arena_bytes(arena, (size_t)len + 1) : NULL;
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

bool arena_exhausted(const struct arena *arena)
{
    return arena->exhausted;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
