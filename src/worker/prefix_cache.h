/* worker/prefix_cache.h - computed prompt prefixes, kept in memory beside the model's own, for the next call that begins alike.
 *
 * An entry is a run of tokens and the state that the model had after them. It belongs to a scope (account, adapter, template: see
 * scheduler.c), and no other scope ever sees it, so the time of an answer tells nothing about other tenants' prompts. Lengths are
 * multiples of STEP_QUANTUM, and only prompt tokens are kept: then a token's arithmetic is the same warm and cold.
 *
 * Restoring copies a few MB, so a sequence that ends needs no cells kept for it, and a hundred calls may begin with one entry.
 * Entries that are over the budget go by least recent use; those under a cache point go last, until PREFIX_KEEP_US after their
 * last use. An entry that another one begins with is dropped for the longer one. Not thread-safe.
 */
#ifndef CRATON_WORKER_PREFIX_CACHE_H
#define CRATON_WORKER_PREFIX_CACHE_H

#include "base/view.h"

#include <llama.h>

#define PREFIX_MAX_ENTRIES 1024
#define PREFIX_KEEP_US     (5 * 60 * INT64_C(1000000))

struct prefix_cache;

struct prefix_hit {
    size_t length;                                          /* tokens that the state is good for; 0: nothing found */
    size_t stored;                                          /* tokens that the state holds: those after length must be cut off */
    const void *state;                                      /* until the next prefix_insert() */
    size_t state_size;
};

struct prefix_cache *prefix_cache_create(size_t budget_bytes);         /* NULL when out of memory */
void prefix_cache_destroy(struct prefix_cache *cache);                 /* NULL is fine */

/* The entry of this scope that agrees with the most of tokens, whole quanta only. now_us is the clock's, and marks its use. */
struct prefix_hit prefix_find(struct prefix_cache *cache, struct view scope, const llama_token *tokens, size_t count,
                              int64_t now_us);

/* Whether count tokens (a multiple of STEP_QUANTUM) are there already, without marking a use. */
bool prefix_has(const struct prefix_cache *cache, struct view scope, const llama_token *tokens, size_t count);

/* Whether a state of this size may be inserted at all: ask before making one. */
bool prefix_fits(const struct prefix_cache *cache, size_t state_size);

/* Keeps a state, which comes from malloc() and is the cache's afterwards, whether or not it was kept. */
void prefix_insert_take(struct prefix_cache *cache, struct view scope, const llama_token *tokens, size_t count, void *state,
                        size_t state_size, bool keep, int64_t now_us);

size_t prefix_cache_bytes(const struct prefix_cache *cache);
size_t prefix_cache_count(const struct prefix_cache *cache);

#endif
