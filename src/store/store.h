/* store/store.h - everything that must survive the process: records, with compare-and-swap, ordered scans and leases.
 *
 * A record is a JSON document under the key (kind, account, region, id), with a version that counts its changes, a state and up to
 * four index values that scans can order by. A change is durable when the function returns: a writer thread commits the changes
 * of all callers that wait together, with one sync. Several processes may have the same store open; what one commits, the others
 * see with their next call, and are told through store_watch().
 *
 * Every function may be called from any thread that may block, never from the loop. What is read is copied into the caller's
 * arena. Other processes are waited for up to ten seconds, then the answer is STORE_BUSY.
 */
#ifndef CRATON_STORE_STORE_H
#define CRATON_STORE_STORE_H

#include "base/arena.h"
#include "base/clock.h"

struct store;

enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,
    STORE_EXISTS,                                           /* create: the key is taken */
    STORE_TOKEN_USED,                                       /* create: another record was made with this token */
    STORE_CONFLICT,                                         /* the record has another version, or the lease another holder */
    STORE_BAD_PAGE,                                         /* scan: the page token belongs to no such scan */
    STORE_BUSY,                                             /* another process held the store for too long */
    STORE_NO_MEMORY,                                        /* also: the arena is exhausted */
    STORE_ERROR,                                            /* disk or file; logged with its reason */
};
const char *store_status_text(enum store_status status);    /* for logs and people */

struct store_error {
    char message[512];
};

/* Opens the database file, made when needed together with its directory (0700), and brings it to this program's version. The
 * directory should hold nothing else. NULL with *error filled when that fails, also when a newer program has written it. */
struct store *store_open(const char *path, const struct clock *clock, struct store_error *error);
void store_close(struct store *store);                      /* no call may be running; NULL is fine */
int64_t store_now_ms(struct store *store);                  /* the clock that times and leases go by */

/* ---- records ---- */

#define STORE_INDEXES 4

struct store_key {
    struct view kind;                                       /* "iam.key", "model-invocation-job"; never empty */
    struct view account, region;                            /* region is empty for what belongs to none */
    struct view id;                                         /* never empty */
};

struct store_record {
    struct store_key key;
    uint64_t version;                                       /* 1 when created */
    struct view state;                                      /* may be empty */
    struct view token;                                      /* clientRequestToken; ptr NULL: none. Kept from the creation on */
    struct view index[STORE_INDEXES];                       /* ptr NULL: none, and such scans pass over the record */
    struct view json;
    int64_t created_ms, updated_ms;                         /* set by the store */
};

enum store_action {
    STORE_CREATE,                                           /* STORE_EXISTS or STORE_TOKEN_USED when it cannot be new */
    STORE_UPDATE,                                           /* replaces state, index and json of what has record.version; 0: any */
    STORE_PUT,                                              /* creates or replaces */
    STORE_DELETE,                                           /* what has record.version; 0: any. Its lease goes too */
    STORE_CHECK,                                            /* changes nothing: the others need a record of record.version; 0: any */
};

struct store_write {
    enum store_action action;
    struct store_record record;                             /* version and times are filled in when it has been done */
    uint64_t fence;                                         /* not 0: only while the record's lease has this fence */
    struct view holds;                                      /* ptr not NULL: only while the record's index[0] is this. A version comes
                                                             * again when a record is deleted and created anew */
};

/* All or nothing. Otherwise the status is that of the first write that failed, and *failed (may be NULL) its place. */
enum store_status store_apply(struct store *store, struct store_write *writes, size_t count, size_t *failed);

/* One write each. */
enum store_status store_create(struct store *store, struct store_record *record);
enum store_status store_update(struct store *store, struct store_record *record);
enum store_status store_put(struct store *store, struct store_record *record);
enum store_status store_delete(struct store *store, const struct store_key *key, uint64_t version);

enum store_status store_get(struct store *store, struct arena *arena, const struct store_key *key, struct store_record *out);

/* The record that was created with this token; key.id is not looked at. */
enum store_status store_get_by_token(struct store *store, struct arena *arena, const struct store_key *key,
                                     struct view token, struct store_record *out);

/* ---- scans ---- */

enum store_order { STORE_BY_ID, STORE_BY_CREATED, STORE_BY_INDEX }; /* then by id, account and region */

struct store_scan {
    struct view kind;
    struct view account, region;                            /* ptr NULL: all of them */
    struct view state;                                      /* ptr NULL: any */
    enum store_order order;
    unsigned index;                                         /* STORE_BY_INDEX: which, 0 to 3 */
    bool descending;
    struct view from, before;                               /* id or index value: >= from, < before; ptr NULL: open */
    int64_t from_ms, before_ms;                             /* created: >= from_ms, < before_ms; 0: open. In any order */
    size_t limit;                                           /* records a page, 1 to 1000; 0: 100 */
    struct view page;                                       /* what the page before gave as next; empty: the first page */
};

struct store_page {
    struct store_record *records;
    size_t count;
    struct view next;                                       /* opaque, printable; empty when this was the last page */
};

/* Records created or deleted between two pages may be seen or not; others are seen exactly once. */
enum store_status store_scan(struct store *store, struct arena *arena, const struct store_scan *scan,
                             struct store_page *page);

#define STORE_SORTABLE_SIZE 21
void store_sortable(int64_t number, char out[STORE_SORTABLE_SIZE]);     /* an index value that sorts as the number does */

/* ---- leases: one worker at a time on a record; kept apart from it, so a renewal is no change of version ---- */

struct store_lease {
    struct store_key key;                                   /* borrowed from the caller, or in the claim's arena */
    struct view owner;
    uint64_t fence;                                         /* grows with every holder; goes into store_write.fence */
    int64_t until_ms;
};

/* STORE_CONFLICT while another owner's lease has not run out. An owner that has it already gets it again, with a new fence. */
enum store_status store_lease_take(struct store *store, const struct store_key *key, struct view owner, int64_t ms,
                                   struct store_lease *out);

/* Takes the oldest record of this kind and state (ptr NULL: any) that nobody holds. What this owner has taken is passed over until it
 * releases it, even when the lease has run out: it may still be at work. STORE_NOT_FOUND when there is none. */
enum store_status store_lease_claim(struct store *store, struct arena *arena, struct view kind, struct view state,
                                    struct view owner, int64_t ms, struct store_record *record, struct store_lease *out);

enum store_status store_lease_renew(struct store *store, struct store_lease *lease, int64_t ms);    /* STORE_CONFLICT: lost */
enum store_status store_lease_release(struct store *store, const struct store_lease *lease);        /* lost is fine */

/* Frees all leases on records of this kind that the owner holds: for a process that follows a killed one of the same name. */
enum store_status store_lease_release_all(struct store *store, struct view kind, struct view owner);

/* ---- being told ---- */

struct store_watch;

/* Calls fn(ctx) on a thread of the store soon after records of this kind were changed, by whichever process. Several changes may
 * give one call. fn must be brief; it may read the store. NULL when out of memory. */
struct store_watch *store_watch(struct store *store, struct view kind, void (*fn)(void *ctx), void *ctx);
void store_unwatch(struct store *store, struct store_watch *watch);     /* fn is not running afterwards; not from fn */

#endif
