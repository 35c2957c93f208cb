/* engine/grants.h - which worker may compute now: pure policy, without processes, clocks or sockets.
 *
 * Each worker has a share. It asks with grants_want() and gives back with grants_done(); the policy answers through give and
 * revoke, possibly from inside these calls and grants_next(). The threads of all shares that hold a grant never exceed the cores.
 *
 *            want                 give                       done
 *    IDLE ─────────► WAITING ─────────────► HELD ────────────────────────► IDLE
 *                       │   give (standing)                        done
 *                       └─────────────────► STANDING ──► REVOKED ────────► IDLE
 *                                              another one wants
 *
 * Order: the better priority first, then who has waited longest, so that equals take turns step by step. One grant in
 * GRANTS_FAIR_EVERY goes to the longest waiting one of any priority, so that batch work never stops, but no sooner than the others
 * have had GRANTS_FAIR_TIME - 1 times as long as the last such step took, so that long steps of batch do not crowd out the short ones
 * of a stream. Who is first waits until its threads are free; nobody overtakes it. A share that is alone (no other wanted anything for
 * GRANTS_ALONE_MS) gets a standing grant, which costs no messages until somebody else wants one.
 */
#ifndef CRATON_ENGINE_GRANTS_H
#define CRATON_ENGINE_GRANTS_H

#include "base/list.h"
#include "engine/request.h"

#define GRANTS_FAIR_EVERY 8
#define GRANTS_FAIR_TIME  4
#define GRANTS_ALONE_MS   200
#define GRANTS_HOLD_MS    30000                             /* others wait no longer for one holder */

enum grant_state { GRANT_IDLE, GRANT_WAITING, GRANT_HELD, GRANT_STANDING, GRANT_REVOKED };

struct grant_share {                                        /* embedded in what represents a worker; the policy's to change */
    struct list_link link;
    enum grant_state state;
    enum priority priority;
    unsigned threads;                                       /* of the grant it holds */
    uint64_t since_ms;                                      /* GRANT_HELD, GRANT_REVOKED: since when others may have to wait */
    uint64_t wanted_ms;                                     /* when it last asked */
    uint64_t order;                                         /* of waiting */
    bool has_wanted;
    bool by_age;                                            /* its grant came without regard to its priority */
};

struct grants {
    unsigned cores;
    unsigned running;                                       /* threads of the grants that are out */
    uint64_t order;
    unsigned served;                                        /* grants since one went by age */
    uint64_t served_ms, aged_ms;                            /* how long these were held, and that one */
    struct list shares;
    void (*give)(struct grant_share *share, unsigned threads, bool standing);
    void (*revoke)(struct grant_share *share);
};

void grants_init(struct grants *grants, unsigned cores);    /* the caller sets give and revoke */
void grants_add(struct grants *grants, struct grant_share *share);
void grants_remove(struct grants *grants, struct grant_share *share, uint64_t now_ms);  /* what it held is free */

/* False: the share holds or awaits one already, which no honest worker does. */
bool grants_want(struct grants *grants, struct grant_share *share, enum priority priority, uint64_t now_ms);
/* A worker that has given back may want again in the same breath, so nobody is given anything before grants_next(), which follows when
 * all that has come is known. False: it held none. */
bool grants_done(struct grants *grants, struct grant_share *share, uint64_t now_ms);
void grants_next(struct grants *grants, uint64_t now_ms);

bool grants_contended(struct grants *grants);               /* somebody waits */

/* A share that has kept others waiting for more than GRANTS_HOLD_MS; NULL: none. */
struct grant_share *grants_overdue(struct grants *grants, uint64_t now_ms);

#endif
