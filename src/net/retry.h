/* net/retry.h - work that must succeed in the end, like taking over what another process has changed: what fails is done again
 * after a pause, until it has worked.
 */
#ifndef CRATON_NET_RETRY_H
#define CRATON_NET_RETRY_H

#include "net/loop.h"

struct retry {
    struct loop *loop;                                      /* these five are the owner's, set before the first ask */
    uint64_t pause_ms;
    bool (*work)(void *ctx);                                /* in a pool thread */
    void (*done)(void *ctx);                                /* on the loop, when work has succeeded; NULL: nobody has to know */
    void *ctx;

    struct loop_timer *timer;
    bool running, again, worked, stopped;
};

/* Any thread, before loop_destroy(). work begins after this, and goes on until it has succeeded once. False: out of memory. */
bool retry_ask(struct retry *retry);
void retry_stop(struct retry *retry);                       /* on the loop, or when it has ended: nothing is begun any more */

#endif
