/* net/loop.h - the event loop and its pool of threads.
 *
 * One thread runs loop_run(); everything named "on the loop" happens there and must never block. Other threads reach the loop
 * only through loop_post(). Blocking work goes to the pool through loop_work(). Built on libuv; a struct loop owns its uv_loop_t,
 * its pool threads and its timers. There are no globals, so a process may have several.
 *
 * Time comes from the clock that the loop was made with: with a manual clock, timers fire when a test advances it.
 */
#ifndef CRATON_NET_LOOP_H
#define CRATON_NET_LOOP_H

#include "base/clock.h"

struct loop;
struct loop_timer;

#define LOOP_WORK_QUEUE 4096                                /* waiting jobs; the next is refused */

/* NULL when out of memory or descriptors. Makes the process ignore SIGPIPE. */
struct loop *loop_create(const struct clock *clock, unsigned pool_threads);
/* After loop_run() has returned. Work that was accepted is still finished; done(), posted functions and ends of turns run meanwhile,
 * all on the calling thread, so that work may wait for what it posts. Timers that are left never fire. NULL is fine. */
void loop_destroy(struct loop *loop);

int loop_run(struct loop *loop);                            /* until loop_stop(); returns 0 */
void loop_stop(struct loop *loop);                          /* any thread; also before loop_run(), which then returns at once */

/* Any thread. Runs fn(arg) on the loop, in the order of posting. False (and fn never runs) only when out of memory. */
bool loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* On the loop. Runs work(arg) in a pool thread, then done(arg) (NULL is fine) on the loop. False when the queue is full or the
 * loop is being destroyed: answer 503. */
bool loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* On the loop. The timer fires once after delay_ms, fn runs on the loop; loop_timer_cancel() before that frees it. The pointer
 * is dead once fn has begun. NULL when out of memory. */
struct loop_timer *loop_timer_start(struct loop *loop, uint64_t delay_ms, void (*fn)(void *arg), void *arg);
void loop_timer_cancel(struct loop_timer *timer);           /* NULL is fine */

/* On the loop. What is to happen once at the end of this turn, after everything that is ready now has been handled: for work
 * that several events share, like one write for many small answers. The caller owns the struct, sets fn and arg once, and
 * keeps it until fn has run or loop_turn_cancel(). Asking twice in a turn is asking once. */
struct loop_turn {
    void (*fn)(void *arg);
    void *arg;
    struct loop_turn *next, **link;                         /* the loop's; NULL at first */
};
void loop_turn_end(struct loop *loop, struct loop_turn *turn);
void loop_turn_cancel(struct loop *loop, struct loop_turn *turn);

const struct clock *loop_clock(const struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop);              /* monotonic, cached once a turn */
void *loop_uv(struct loop *loop);                           /* the uv_loop_t, for the engine's worker channels */

#endif
