/* worker/fair_queue.h - who is next, among calls of three priorities and many callers.
 *
 * Provisioned goes before on-demand, on-demand before batch; batch still gets one turn in FAIR_BATCH_TURN, so that it moves under
 * any load. Inside a priority callers take turns, however many calls each has waiting; a caller's own calls keep their order.
 *
 * Items are embedded in what is queued and owned by the caller. Nothing is allocated. Not thread-safe.
 */
#ifndef CRATON_WORKER_FAIR_QUEUE_H
#define CRATON_WORKER_FAIR_QUEUE_H

#include "engine/request.h"

#define FAIR_PRIORITIES 3
#define FAIR_BATCH_TURN 8

struct fair_item {
    struct view caller;                                     /* borrowed while queued */
    enum priority priority;
    uint64_t turn;                                          /* the rest is the queue's */
    struct fair_item *next;
};

struct fair_queue {
    struct fair_item *heads[FAIR_PRIORITIES];               /* each ordered by turn */
    uint64_t now[FAIR_PRIORITIES];                          /* the turn of the last item taken */
    unsigned since_batch;                                   /* items taken since batch had a turn */
    size_t count;
};

void fair_init(struct fair_queue *queue);
void fair_push(struct fair_queue *queue, struct fair_item *item);              /* caller and priority are set */
struct fair_item *fair_take(struct fair_queue *queue, bool batch_allowed);     /* NULL when there is none */
void fair_remove(struct fair_queue *queue, struct fair_item *item);            /* it is queued */
bool fair_waiting(const struct fair_queue *queue, enum priority priority);

#endif
