/* server/signals.h - SIGTERM and SIGINT as calls on the loop.
 *
 * Block them before the first thread is made, so that every thread inherits the mask and only the waiter gets them.
 */
#ifndef CRATON_SERVER_SIGNALS_H
#define CRATON_SERVER_SIGNALS_H

#include "net/loop.h"

struct signals;

void signals_block(void); /* also ignores SIGPIPE */
/* fn(arg) runs on the loop, once for each signal. NULL when no thread can be made. */
struct signals *signals_start(struct loop *loop, void (*fn)(void *arg), void *arg);
void signals_stop(struct signals *signals); /* joins the waiter; NULL is fine */

#endif
