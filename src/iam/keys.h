/* iam/keys.h - access keys and bearer keys in the store.
 *
 * An access key signs requests (SigV4), so its secret must be readable and is sealed; of a bearer key only the digest is kept.
 * Both are shown in full once, when they are made. All functions block and may be called from any thread that may; after a change
 * the server needs a new snapshot (iam_load).
 */
#ifndef CRATON_IAM_KEYS_H
#define CRATON_IAM_KEYS_H

#include "iam/seal.h"
#include "iam/snapshot.h"
#include "store/store.h"

#define IAM_KEY_KIND "iam.key"

struct iam_store {                                          /* borrowed */
    struct store *store;
    const struct seal *seal;
    struct view account;
};

struct iam_new_key {
    struct view name;                                       /* may be empty; else no other key may have it */
    bool bearer;
};

enum iam_status {
    IAM_OK,
    IAM_NAME_TAKEN,
    IAM_NOT_FOUND,
    IAM_UNSEALABLE,                                         /* the key file is not the one that sealed the secrets */
    IAM_STORE_FAILED,
};
const char *iam_status_text(enum iam_status status);

/* Makes a key; *out lives in the arena, out->secret is the secret of an access key or the whole bearer key. */
enum iam_status iam_key_create(const struct iam_store *from, struct arena *arena, const struct iam_new_key *wanted, struct iam_key *out);

/* All keys, oldest first, with the secrets of access keys revealed. */
enum iam_status iam_key_list(const struct iam_store *from, struct arena *arena, struct iam_key **keys, size_t *count);

enum iam_status iam_key_revoke(const struct iam_store *from, struct arena *arena, struct view id_or_name);

/* The oldest access key; makes the first one when there is none yet. */
enum iam_status iam_first_key(const struct iam_store *from, struct arena *arena, struct iam_key *out);

/* The present keys as a snapshot. NULL when that fails, with *status set. */
struct iam_snapshot *iam_load(const struct iam_store *from, enum iam_status *status);

#endif
