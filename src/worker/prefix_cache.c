#include "worker/prefix_cache.h"

#include "worker/step_budget.h"

#include <stdlib.h>

struct entry {
    char *scope;
    size_t scope_len;
    llama_token *tokens;
    size_t count;
    void *state;
    size_t state_size;
    int64_t used_us;
    bool keep;
};

struct prefix_cache {
    struct entry entries[PREFIX_MAX_ENTRIES];               /* the first count, in no order */
    size_t count;
    size_t bytes, budget;
};

struct prefix_cache *prefix_cache_create(size_t budget_bytes)
{
    struct prefix_cache *cache = calloc(1, sizeof(*cache));
    if (cache != NULL)
        cache->budget = budget_bytes;
    return cache;
}

static size_t entry_bytes(const struct entry *entry)
{
    return sizeof(*entry) + entry->scope_len + entry->count * sizeof(*entry->tokens) + entry->state_size;
}

static void entry_free(struct entry *entry)
{
    free(entry->scope);
    free(entry->tokens);
    free(entry->state);
}

static void remove_at(struct prefix_cache *cache, size_t index)
{
    cache->bytes -= entry_bytes(&cache->entries[index]);
    entry_free(&cache->entries[index]);
    cache->entries[index] = cache->entries[--cache->count];
}

void prefix_cache_destroy(struct prefix_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->count > 0)
        remove_at(cache, cache->count - 1);
    free(cache);
}

static bool in_scope(const struct entry *entry, struct view scope)
{
    return view_eq(view_of(entry->scope, entry->scope_len), scope);
}

/* Whole quanta in which the entry and the tokens agree. */
static size_t agreement(const struct entry *entry, const llama_token *tokens, size_t count)
{
    size_t most = entry->count < count ? entry->count : count;
    size_t same = 0;
    while (same + STEP_QUANTUM <= most &&
           memcmp(entry->tokens + same, tokens + same, STEP_QUANTUM * sizeof(*tokens)) == 0)
        same += STEP_QUANTUM;
    return same;
}

struct prefix_hit prefix_find(struct prefix_cache *cache, struct view scope, const llama_token *tokens, size_t count,
                              int64_t now_us)
{
    struct entry *best = NULL;
    size_t best_length = 0;
    for (size_t i = 0; i < cache->count; i++) {
        struct entry *entry = &cache->entries[i];
        size_t length = in_scope(entry, scope) ? agreement(entry, tokens, count) : 0;
        /* Of equal ones the shortest: there is less to copy. */
        if (length > best_length || (length > 0 && length == best_length && entry->count < best->count)) {
            best = entry;
            best_length = length;
        }
    }
    if (best == NULL)
        return (struct prefix_hit){ .length = 0 };
    best->used_us = now_us;
    return (struct prefix_hit){ best_length, best->count, best->state, best->state_size };
}

bool prefix_has(const struct prefix_cache *cache, struct view scope, const llama_token *tokens, size_t count)
{
    for (size_t i = 0; i < cache->count; i++) {
        if (in_scope(&cache->entries[i], scope) && agreement(&cache->entries[i], tokens, count) == count)
            return true;
    }
    return false;
}

bool prefix_fits(const struct prefix_cache *cache, size_t state_size)
{
    return state_size <= cache->budget / 2;
}

static bool better_victim(const struct entry *a, const struct entry *b, int64_t now_us)
{
    bool a_kept = a->keep && now_us - a->used_us < PREFIX_KEEP_US;
    bool b_kept = b->keep && now_us - b->used_us < PREFIX_KEEP_US;
    return a_kept != b_kept ? b_kept : a->used_us < b->used_us;
}

static void make_room(struct prefix_cache *cache, size_t bytes, int64_t now_us)
{
    while (cache->count > 0 && (cache->count == PREFIX_MAX_ENTRIES || cache->bytes + bytes > cache->budget)) {
        size_t victim = 0;
        for (size_t i = 1; i < cache->count; i++) {
            if (better_victim(&cache->entries[i], &cache->entries[victim], now_us))
                victim = i;
        }
        remove_at(cache, victim);
    }
}

/* Drops the entries that the new one makes superfluous, and hands their wish to be kept on. */
static bool drop_beginnings(struct prefix_cache *cache, const struct entry *added)
{
    bool keep = added->keep;
    struct view scope = view_of(added->scope, added->scope_len);
    for (size_t i = cache->count; i-- > 0;) {
        struct entry *old = &cache->entries[i];
        if (old->count <= added->count && in_scope(old, scope) &&
            agreement(old, added->tokens, added->count) == old->count) {
            keep = keep || old->keep;
            remove_at(cache, i);
        }
    }
    return keep;
}

void prefix_insert_take(struct prefix_cache *cache, struct view scope, const llama_token *tokens, size_t count, void *state,
                        size_t state_size, bool keep, int64_t now_us)
{
    struct entry added = {
        .scope = malloc(scope.len + 1),
        .scope_len = scope.len,
        .tokens = malloc((count + 1) * sizeof(*tokens)),
        .count = count,
        .state = state,
        .state_size = state_size,
        .used_us = now_us,
        .keep = keep,
    };
    if (added.scope == NULL || added.tokens == NULL || count == 0 || !prefix_fits(cache, entry_bytes(&added))) {
        entry_free(&added);
        return;
    }
    if (scope.len > 0)
        memcpy(added.scope, scope.ptr, scope.len);
    memcpy(added.tokens, tokens, count * sizeof(*tokens));
    added.keep = drop_beginnings(cache, &added);
    make_room(cache, entry_bytes(&added), now_us);
    cache->entries[cache->count++] = added;
    cache->bytes += entry_bytes(&added);
}

size_t prefix_cache_bytes(const struct prefix_cache *cache)
{
    return cache->bytes;
}

size_t prefix_cache_count(const struct prefix_cache *cache)
{
    return cache->count;
}
