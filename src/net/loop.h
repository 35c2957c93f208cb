/* net/loop.h - the event loop and its pool of threads.
 *
 * One thread runs loop_run(); everything named "on the loop" happens there and must never block. Other threads reach the loop
 * only through loop_post(). Blocking work goes to the pool through loop_work(). Built on libuv; a struct loop owns its uv_loop_t,
 * its pool threads and its timers. There are no globals, so a process may have several.
 */
#ifndef CRATON_NET_LOOP_H
#define CRATON_NET_LOOP_H

#include "base/clock.h"

struct loop;
struct loop_timer;

struct loop *loop_create(const struct clock *clock, unsigned pool_threads);    /* NULL when out of memory or descriptors */
void loop_destroy(struct loop *loop);                       /* after loop_run() has returned; joins the pool */

int loop_run(struct loop *loop);                            /* until loop_stop(); returns 0 */
void loop_stop(struct loop *loop);                          /* any thread */

/* Any thread. Runs fn(arg) on the loop, in the order of posting. False (and fn never runs) only when out of memory. */
bool loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* On the loop. Runs work(arg) in a pool thread, then done(arg) on the loop. False when the queue is full: answer 503. */
bool loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* On the loop. The timer fires once after delay_ms, fn runs on the loop; loop_timer_cancel() before that frees it. The pointer
 * is dead once fn has begun. */
struct loop_timer *loop_timer_start(struct loop *loop, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
void loop_timer_cancel(struct loop_timer *timer);           /* NULL is fine */

const struct clock *loop_clock(const struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop);              /* monotonic, cached once a turn */
void *loop_uv(struct loop *loop);                           /* the uv_loop_t, for the engine's worker channels */

#endif
