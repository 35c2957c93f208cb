/* elastic/limiter.h - how many requests a minute go to a model, for each key pair.
 *
 * A token bucket that holds one token: no bursts, and idle time is worth one request. Who finds no token waits in line, 2,000 at most,
 * and is called back when its turn or its time-out has come. Endpoints with the same key pair share a group; the rate of the first one
 * holds until limiter_set_rate() or until the group has been idle for ten days. On the loop, by the loop's clock.
 */
#ifndef CRATON_ELASTIC_LIMITER_H
#define CRATON_ELASTIC_LIMITER_H

#include "base/list.h"
#include "net/loop.h"

#define LIMITER_QUEUE 2000
#define LIMITER_KEY   32 /* bytes of a group's key */

struct limiter;
struct limiter_group;

enum limiter_verdict { LIMITER_GO,
                       LIMITER_WAIT,
                       LIMITER_FULL,
                       LIMITER_TIMEOUT };

struct limiter_ticket { /* the caller's, for as long as it waits */
    struct list_link link;
    struct limiter_group *group; /* NULL: not waiting */
    struct loop_timer *timer;
    void (*called)(void *arg, enum limiter_verdict verdict); /* LIMITER_GO or LIMITER_TIMEOUT, once */
    void *arg;
};

struct limiter *limiter_create(struct loop *loop); /* NULL: no memory */
void limiter_destroy(struct limiter *limiter);     /* nobody may wait any more; also after the loop; NULL is fine */

/* LIMITER_GO: a token was taken. LIMITER_WAIT: called() comes. LIMITER_FULL: also when out of memory. */
enum limiter_verdict limiter_enter(struct limiter *limiter, const uint8_t key[LIMITER_KEY], int64_t requests_per_minute,
                                   uint64_t timeout_ms, struct limiter_ticket *ticket);
bool limiter_waits(const struct limiter_ticket *ticket);
void limiter_leave(struct limiter_ticket *ticket); /* gives up waiting; harmless when it does not */
void limiter_set_rate(struct limiter *limiter, const uint8_t key[LIMITER_KEY], int64_t requests_per_minute);

#endif
