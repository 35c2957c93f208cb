/* base/hashmap.h - from byte strings to pointers.
 *
 * Keys are borrowed: their bytes must live as long as they are in the map, typically inside the value. Hashes are seeded per
 * process, so nobody outside can choose keys that collide. A map that nobody changes may be read by several threads.
 */
#ifndef CRATON_BASE_HASHMAP_H
#define CRATON_BASE_HASHMAP_H

#include "base/view.h"

struct hashmap_slot {
    struct view key;
    void *value;                                            /* NULL: the slot is free */
    uint64_t hash;
};

struct hashmap {                                            /* all zero is an empty map */
    struct hashmap_slot *slots;
    size_t capacity;                                        /* a power of two, or 0 */
    size_t count;
};

void hashmap_free(struct hashmap *map);                     /* empty afterwards; values are the caller's */
bool hashmap_put(struct hashmap *map, struct view key, void *value); /* replaces key and value; not NULL; false: no memory */
void *hashmap_get(const struct hashmap *map, struct view key);       /* NULL when absent */
void *hashmap_remove(struct hashmap *map, struct view key);          /* the value that was there, or NULL */

/* In no particular order: size_t at = 0; while ((slot = hashmap_next(&map, &at)) != NULL) … The map must not change meanwhile. */
const struct hashmap_slot *hashmap_next(const struct hashmap *map, size_t *at);

#endif
