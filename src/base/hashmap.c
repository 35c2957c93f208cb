/* base/hashmap.c - see hashmap.h. Open addressing with linear probing; removal closes the gap, so there are no tombstones. */
#include "base/hashmap.h"

#include "base/encode.h"

#include <pthread.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16u

static uint64_t seed;

static void make_seed(void)
{
    if (!random_bytes(&seed, sizeof seed))
        seed = (uintptr_t)&seed; /* address randomisation is better than nothing */
}

static uint64_t hash_of(struct view key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_seed);
    return view_hash(key, seed);
}

void hashmap_free(struct hashmap *map)
{
    free(map->slots);
    *map = (struct hashmap){ .slots = NULL };
}

/* The slot that holds the key, or the free one where it would go. There is always a free one. */
static struct hashmap_slot *find(struct hashmap_slot *slots, size_t capacity, struct view key, uint64_t hash)
{
    size_t at = hash & (capacity - 1);
    while (slots[at].value != NULL && !(slots[at].hash == hash && view_eq(slots[at].key, key)))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static bool grow(struct hashmap *map)
{
    size_t capacity = map->capacity > 0 ? map->capacity * 2 : FIRST_CAPACITY;
    struct hashmap_slot *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value != NULL)
            *find(slots, capacity, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    }
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

bool hashmap_put(struct hashmap *map, struct view key, void *value)
{
    if (map->count + 1 > map->capacity / 4 * 3 && !grow(map))
        return false;
    uint64_t hash = hash_of(key);
    struct hashmap_slot *slot = find(map->slots, map->capacity, key, hash);
    map->count += slot->value == NULL;
    *slot = (struct hashmap_slot){ .key = key, .value = value, .hash = hash };
    return true;
}

void *hashmap_get(const struct hashmap *map, struct view key)
{
    return map->count > 0 ? find(map->slots, map->capacity, key, hash_of(key))->value : NULL;
}

void *hashmap_remove(struct hashmap *map, struct view key)
{
    if (map->count == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t gap = (size_t)(find(map->slots, map->capacity, key, hash_of(key)) - map->slots);
    void *value = map->slots[gap].value;
    if (value == NULL)
        return NULL;
    map->count--;
    /* What follows moves into the gap, unless it stands no further from its own place than the gap is behind it. */
    for (size_t at = (gap + 1) & mask; map->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t distance = (at - map->slots[at].hash) & mask;
        if (distance >= ((at - gap) & mask)) {
            map->slots[gap] = map->slots[at];
            gap = at;
        }
    }
    map->slots[gap] = (struct hashmap_slot){ .value = NULL };
    return value;
}

const struct hashmap_slot *hashmap_next(const struct hashmap *map, size_t *at)
{
    while (*at < map->capacity) {
        const struct hashmap_slot *slot = &map->slots[(*at)++];
        if (slot->value != NULL)
            return slot;
    }
    return NULL;
}
