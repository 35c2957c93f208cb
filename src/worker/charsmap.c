#include "worker/charsmap.h"

#include <stdlib.h>

#define BLOCK     256
#define KEY_MAX   8
#define LEAF      (1u << 8)
#define FAR       (1u << 9)
#define VALUE     (1u << 31)
#define UNITS_MAX (1u << 21)

struct builder {
    const struct charsmap_entry *entries;
    const uint32_t *offsets; /* of the replacements */
    uint32_t *units;
    bool *taken;   /* the unit is in use */
    bool *base;    /* a node's children hang here: no two share a base */
    uint32_t size; /* units, a multiple of BLOCK */
    uint32_t first_free;
};

static int by_key(const void *a, const void *b)
{
    const struct charsmap_entry *left = a, *right = b;
    return view_compare(left->key, right->key);
}

static bool grow(struct builder *b)
{
    uint32_t size = b->size == 0 ? 4 * BLOCK : b->size * 2;
    if (size > UNITS_MAX)
        return false;
    uint32_t *units = realloc(b->units, size * sizeof *units);
    bool *taken = units != NULL ? realloc(b->taken, size * sizeof *taken) : NULL;
    bool *base = taken != NULL ? realloc(b->base, size * sizeof *base) : NULL;
    b->units = units != NULL ? units : b->units;
    b->taken = taken != NULL ? taken : b->taken;
    b->base = base != NULL ? base : b->base;
    if (base == NULL)
        return false;
    memset(b->units + b->size, 0, (size - b->size) * sizeof *b->units);
    memset(b->taken + b->size, 0, (size - b->size) * sizeof *b->taken);
    memset(b->base + b->size, 0, (size - b->size) * sizeof *b->base);
    b->size = size;
    return true;
}

/* Whether the distance fits the entry: 21 bits, or as many more that end in eight zeros. */
static bool reachable(uint32_t from, uint32_t base)
{
    uint32_t distance = from ^ base;
    return distance < (1u << 21) || (distance & 0xff) == 0;
}

/* A base at which all labels are free. */
static bool find_base(struct builder *b, uint32_t from, const unsigned char *labels, size_t count, uint32_t *out)
{
    while (b->first_free < b->size && b->taken[b->first_free])
        b->first_free++;
    for (uint32_t candidate = b->first_free;; candidate++) {
        while ((candidate | 0xff) >= b->size)
            if (!grow(b))
                return false;
        uint32_t base = candidate ^ labels[0];
        if (base == 0 || b->base[base] || !reachable(from, base))
            continue;
        bool fits = true;
        for (size_t i = 0; i < count && fits; i++)
            fits = !b->taken[base ^ labels[i]];
        if (fits) {
            *out = base;
            return true;
        }
    }
}

/* Places the children of the node at index: entries first..last all begin with the same depth bytes. */
static bool place(struct builder *b, uint32_t index, size_t first, size_t last, size_t depth)
{
    unsigned char labels[BLOCK];
    size_t begins[BLOCK + 1], count = 0;
    for (size_t i = first; i < last; i++) {
        struct view key = b->entries[i].key;
        unsigned char label = depth < key.len ? (unsigned char)key.ptr[depth] : 0;
        if (count == 0 || labels[count - 1] != label) {
            labels[count] = label;
            begins[count++] = i;
        }
    }
    begins[count] = last;

    uint32_t base;
    if (!find_base(b, index, labels, count, &base))
        return false;
    uint32_t distance = index ^ base;
    b->base[base] = true;
    b->units[index] |= distance < (1u << 21) ? distance << 10 : (distance >> 8) << 10 | FAR;
    for (size_t i = 0; i < count; i++)
        b->taken[base ^ labels[i]] = true;
    for (size_t i = 0; i < count; i++) {
        uint32_t child = base ^ labels[i];
        if (labels[i] == 0) { /* a key ends here */
            b->units[index] |= LEAF;
            b->units[child] = VALUE | b->offsets[begins[i]];
            continue;
        }
        b->units[child] = labels[i];
        if (!place(b, child, begins[i], begins[i + 1], depth + 1))
            return false;
    }
    return true;
}

static bool keys_are_fine(const struct charsmap_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].key.len == 0 || entries[i].key.len > KEY_MAX || view_find_byte(entries[i].key, '\0') != VIEW_NPOS ||
            view_find_byte(entries[i].replacement, '\0') != VIEW_NPOS)
            return false;
        if (i > 0 && view_eq(entries[i - 1].key, entries[i].key))
            return false;
    }
    return true;
}

bool charsmap_build(struct charsmap_entry *entries, size_t count, struct buf *out)
{
    if (count == 0)
        return true;
    qsort(entries, count, sizeof *entries, by_key);
    uint32_t *offsets = calloc(count, sizeof *offsets);
    struct buf texts = BUF_INIT(CHARSMAP_MAX);
    struct builder b = { .entries = entries, .offsets = offsets };
    bool fine = offsets != NULL && keys_are_fine(entries, count) && grow(&b);
    for (size_t i = 0; i < count && fine; i++) {
        offsets[i] = (uint32_t)texts.len;
        buf_append_view(&texts, entries[i].replacement);
        fine = buf_append_byte(&texts, '\0');
    }
    if (fine) {
        b.taken[0] = true; /* the root */
        fine = place(&b, 0, 0, count, 0);
    }
    if (fine) {
        uint32_t bytes = b.size * (uint32_t)sizeof *b.units;
        buf_append(out, &bytes, sizeof bytes);
        buf_append(out, b.units, bytes);
        fine = buf_append_view(out, buf_view(&texts));
    }
    buf_free(&texts);
    free(offsets);
    free(b.units);
    free(b.taken);
    free(b.base);
    return fine;
}
