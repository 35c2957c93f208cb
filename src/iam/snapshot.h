/* iam/snapshot.h - who may call, as one immutable picture.
 *
 * The event loop must know every key without asking the store. A snapshot is built in a pool thread after a change, then swapped into a
 * struct iam; readers take the current one with iam_acquire(), which only counts, and may keep it as long as they hold it.
 */
#ifndef CRATON_IAM_SNAPSHOT_H
#define CRATON_IAM_SNAPSHOT_H

#include "aws/call.h"

#define BEARER_PREFIX "craton-api-key-"                     /* of bearer keys made here */

struct iam_key {
    struct view id;                                         /* access key id, or the public id of a bearer key */
    struct view name;                                       /* given by whoever made it; may be empty */
    struct view secret;                                     /* of an access key; empty for a bearer key */
    uint8_t bearer_digest[32];                              /* SHA-256 of a bearer key */
    bool bearer;
    int64_t created_ms;
    struct principal principal;
};

struct iam_snapshot;

/* Copies the keys. NULL when out of memory. The first reference is the caller's. */
struct iam_snapshot *iam_snapshot_create(const struct iam_key *keys, size_t count);
void iam_snapshot_release(struct iam_snapshot *snapshot);   /* NULL is fine; the last one wipes the secrets */

const struct iam_key *iam_find_access_key(const struct iam_snapshot *snapshot, struct view id);    /* NULL when unknown */
const struct iam_key *iam_find_bearer(const struct iam_snapshot *snapshot, struct view token);     /* compares digests */

/* ---- the current one ---- */
struct iam;
struct iam *iam_create(struct iam_snapshot *first_take);    /* NULL when out of memory */
void iam_destroy(struct iam *iam);                          /* NULL is fine; snapshots still held stay valid */
struct iam_snapshot *iam_acquire(struct iam *iam);          /* any thread */
void iam_swap(struct iam *iam, struct iam_snapshot *snapshot_take);

#endif
