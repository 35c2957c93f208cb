#include "iam/snapshot.h"

#include "base/encode.h"
#include "base/hashmap.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STRINGS_MAX (64u << 20)

struct iam_snapshot {
    atomic_uint references;
    struct arena *arena;
    struct iam_key *keys;
    size_t count;
    struct hashmap by_id;                                   /* access keys */
    struct hashmap by_digest;                               /* bearer keys */
};

static bool copy_key(struct iam_snapshot *snapshot, struct iam_key *to, const struct iam_key *from)
{
    *to = *from;
    struct view *texts[] = { &to->id, &to->name, &to->secret, &to->principal.account, &to->principal.name, &to->principal.arn };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = arena_copy(snapshot->arena, *texts[i]);
    to->principal.access_key_id = to->bearer ? VIEW("") : to->id;
    if (arena_exhausted(snapshot->arena))
        return false;
    return to->bearer ? hashmap_put(&snapshot->by_digest, view_of(to->bearer_digest, sizeof(to->bearer_digest)), to)
                      : hashmap_put(&snapshot->by_id, to->id, to);
}

struct iam_snapshot *iam_snapshot_create(const struct iam_key *keys, size_t count)
{
    struct iam_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (snapshot == NULL)
        return NULL;
    atomic_init(&snapshot->references, 1);
    snapshot->arena = arena_create(STRINGS_MAX);
    snapshot->keys = snapshot->arena != NULL ? ARENA_ARRAY(snapshot->arena, struct iam_key, count + 1) : NULL;
    bool ok = snapshot->keys != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        ok = copy_key(snapshot, &snapshot->keys[i], &keys[i]);
        snapshot->count = i + 1;
    }
    if (!ok) {
        iam_snapshot_release(snapshot);
        return NULL;
    }
    return snapshot;
}

void iam_snapshot_release(struct iam_snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub(&snapshot->references, 1) > 1)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        OPENSSL_cleanse((void *)(uintptr_t)snapshot->keys[i].secret.ptr, snapshot->keys[i].secret.len);
    hashmap_free(&snapshot->by_id);
    hashmap_free(&snapshot->by_digest);
    arena_destroy(snapshot->arena);
    free(snapshot);
}

const struct iam_key *iam_find_access_key(const struct iam_snapshot *snapshot, struct view id)
{
    return hashmap_get(&snapshot->by_id, id);
}

const struct iam_key *iam_find_bearer(const struct iam_snapshot *snapshot, struct view token)
{
    uint8_t digest[SHA256_SIZE];
    sha256(token, digest);
    return hashmap_get(&snapshot->by_digest, view_of(digest, sizeof(digest)));
}

/* ---- the current one ---- */

struct iam {
    pthread_mutex_t lock;                                   /* held only to count or to swap a pointer */
    struct iam_snapshot *current;
};

struct iam *iam_create(struct iam_snapshot *first_take)
{
    struct iam *iam = calloc(1, sizeof(*iam));
    if (iam == NULL || pthread_mutex_init(&iam->lock, NULL) != 0) {
        free(iam);
        iam_snapshot_release(first_take);
        return NULL;
    }
    iam->current = first_take;
    return iam;
}

void iam_destroy(struct iam *iam)
{
    if (iam == NULL)
        return;
    iam_snapshot_release(iam->current);
    pthread_mutex_destroy(&iam->lock);
    free(iam);
}

struct iam_snapshot *iam_acquire(struct iam *iam)
{
    pthread_mutex_lock(&iam->lock);
    struct iam_snapshot *snapshot = iam->current;
    atomic_fetch_add(&snapshot->references, 1);
    pthread_mutex_unlock(&iam->lock);
    return snapshot;
}

void iam_swap(struct iam *iam, struct iam_snapshot *snapshot_take)
{
    pthread_mutex_lock(&iam->lock);
    struct iam_snapshot *before = iam->current;
    iam->current = snapshot_take;
    pthread_mutex_unlock(&iam->lock);
    iam_snapshot_release(before);
}
