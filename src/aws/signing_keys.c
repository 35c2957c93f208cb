/* The cache of derived signing keys: a few hundred places, four for each hash. A date change makes old entries useless; they are
 * overwritten in turn. */
#include "aws/sigv4.h"

#include <stdlib.h>

#define SETS       64
#define WAYS       4
#define NAME_SIZE  192                                      /* of key id and scope together; longer ones are not kept */
#define SECRET_MAX 128

struct entry {
    size_t name_len, secret_len;
    char name[NAME_SIZE];
    char secret[SECRET_MAX];
    uint8_t key[SHA256_SIZE];
};

struct signing_keys {
    uint64_t seed;
    unsigned next;                                          /* the way to give up next */
    struct entry entries[SETS][WAYS];
};

struct signing_keys *signing_keys_create(void)
{
    struct signing_keys *keys = calloc(1, sizeof *keys);
    if (keys != NULL && !random_bytes(&keys->seed, sizeof keys->seed)) {
        free(keys);
        return NULL;
    }
    return keys;
}

void signing_keys_destroy(struct signing_keys *keys)
{
    if (keys == NULL)
        return;
    explicit_bzero(keys, sizeof *keys);
    free(keys);
}

static bool matches(const struct entry *entry, struct view name, struct view secret)
{
    return view_eq(view_of(entry->name, entry->name_len), name) && entry->secret_len == secret.len &&
           equal_constant_time(entry->secret, secret.ptr, secret.len);
}

static void fill(struct entry *entry, struct view name, struct view secret, const uint8_t key[SHA256_SIZE])
{
    explicit_bzero(entry, sizeof *entry);
    memcpy(entry->name, name.ptr, name.len);
    memcpy(entry->secret, secret.ptr, secret.len);
    memcpy(entry->key, key, SHA256_SIZE);
    entry->name_len = name.len;
    entry->secret_len = secret.len;
}

void signing_keys_get(struct signing_keys *keys, struct view key_id, struct view secret, const struct sigv4 *signature,
                      uint8_t out[SHA256_SIZE])
{
    char text[NAME_SIZE];
    size_t len = key_id.len + 1 + signature->scope.len;
    bool kept = len <= sizeof text && secret.len > 0 && secret.len <= SECRET_MAX;
    struct entry *set = NULL;
    if (kept) {
        memcpy(text, key_id.ptr, key_id.len);
        text[key_id.len] = '/';
        memcpy(text + key_id.len + 1, signature->scope.ptr, signature->scope.len);
        set = keys->entries[view_hash(view_of(text, len), keys->seed) % SETS];
        for (unsigned i = 0; i < WAYS; i++) {
            if (matches(&set[i], view_of(text, len), secret)) {
                memcpy(out, set[i].key, SHA256_SIZE);
                return;
            }
        }
    }
    sigv4_derive_key(secret, signature->date, signature->region, signature->service, out);
    if (kept)
        fill(&set[keys->next++ % WAYS], view_of(text, len), secret, out);
}
