/* elastic/endpoints.h - the endpoints that exist: records in the store, and an immutable picture of them for the loop.
 *
 * A set is built from the store after each change and swapped in; whoever took one with endpoints_acquire() may read it as long as
 * it is held. Functions that change or load block: not on the loop. The others may be called from any thread.
 */
#ifndef CRATON_ELASTIC_ENDPOINTS_H
#define CRATON_ELASTIC_ENDPOINTS_H

#include "elastic/config.h"
#include "iam/seal.h"
#include "store/store.h"

#define ENDPOINT_KIND "elastic.endpoint"

struct endpoints;
struct endpoint_set;

struct endpoints *endpoints_create(struct store *store, const struct seal *seal); /* borrowed; empty. NULL: no memory */
void endpoints_destroy(struct endpoints *endpoints);                              /* NULL is fine; sets still held stay valid */
/* Takes what the store holds now. False: it is in the log, and nothing has changed. */
bool endpoints_load(struct endpoints *endpoints);

struct endpoint_set *endpoints_acquire(struct endpoints *endpoints);
void endpoint_set_release(struct endpoint_set *set); /* NULL is fine */
size_t endpoint_set_count(const struct endpoint_set *set);
const struct endpoint *endpoint_set_at(const struct endpoint_set *set, size_t index);                          /* by id */
const struct endpoint *endpoint_set_find(const struct endpoint_set *set, struct view account, struct view id); /* NULL: none */

/* Durable, and in the set, when they return STORE_OK. The keys are sealed first. */
enum store_status endpoints_add(struct endpoints *endpoints, struct arena *arena, const struct endpoint *endpoint,
                                const struct key_pair *keys);
/* Replaces the record of endpoint->version; with the sealed keys it has when keys->secret_key is empty. */
enum store_status endpoints_replace(struct endpoints *endpoints, struct arena *arena, const struct endpoint *endpoint,
                                    const struct key_pair *keys);
/* The key pair of a stored endpoint, in the arena. False: it was sealed with another key. Does not block. */
bool endpoints_reveal(const struct endpoints *endpoints, struct arena *arena, const struct endpoint *endpoint, struct key_pair *out);
enum store_status endpoints_remove(struct endpoints *endpoints, const struct endpoint *endpoint);

#endif
