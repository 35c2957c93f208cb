/* engine/grants.h - which worker may compute now: pure policy, without processes, clocks or sockets.
 *
 * Each worker has a share. It asks with grants_want() and gives back with grants_done(); the policy answers through give and
 * revoke, possibly from inside these calls. The threads of all shares that hold a grant never exceed the cores.
 *
 *            want                 give                       done
 *    IDLE ─────────► WAITING ─────────────► HELD ────────────────────────► IDLE
 *                       │   give (standing)                        done
 *                       └─────────────────► STANDING ──► REVOKED ────────► IDLE
 *                                              another one wants
 *
 * Order: the better priority first, then who has waited longest, so that equals take turns step by step. Each GRANTS_FAIR_EVERY-th
 * grant goes to the longest waiting one of any priority, so that batch work never stops. Who is first waits until its threads are
 * free; nobody overtakes it. A share that is alone (no other wanted anything for GRANTS_ALONE_MS) gets a standing grant, which costs
 * no messages until somebody else wants one.
 */
#ifndef CRATON_ENGINE_GRANTS_H
#define CRATON_ENGINE_GRANTS_H

#include "base/list.h"
#include "engine/request.h"

#define GRANTS_FAIR_EVERY 8
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
};

struct grants {
    unsigned cores;
    unsigned running;                                       /* threads of the grants that are out */
    uint64_t order, given;
    struct list shares;
    void (*give)(struct grant_share *share, unsigned threads, bool standing);
    void (*revoke)(struct grant_share *share);
};

void grants_init(struct grants *grants, unsigned cores);    /* the caller sets give and revoke */
void grants_add(struct grants *grants, struct grant_share *share);
void grants_remove(struct grants *grants, struct grant_share *share, uint64_t now_ms);  /* what it held is free */

/* False: the share holds or awaits one already, which no honest worker does. */
bool grants_want(struct grants *grants, struct grant_share *share, enum priority priority, uint64_t now_ms);
bool grants_done(struct grants *grants, struct grant_share *share, uint64_t now_ms);    /* false: it held none */

bool grants_contended(struct grants *grants);               /* somebody waits */

/* A share that has kept others waiting for more than GRANTS_HOLD_MS; NULL: none. */
struct grant_share *grants_overdue(struct grants *grants, uint64_t now_ms);

#endif
