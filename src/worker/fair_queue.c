#include "worker/fair_queue.h"

void fair_init(struct fair_queue *queue)
{
    *queue = (struct fair_queue){ .count = 0 };
}

/* An item's turn is one after its caller's last one in the queue, or one after the turn being served. So the second call of a
 * busy caller stands behind the first calls of all others. */
void fair_push(struct fair_queue *queue, struct fair_item *item)
{
    item->turn = queue->now[item->priority] + 1;
    for (struct fair_item *other = queue->heads[item->priority]; other != NULL; other = other->next) {
        if (other->turn >= item->turn && view_eq(other->caller, item->caller))
            item->turn = other->turn + 1;
    }

    struct fair_item **at = &queue->heads[item->priority];
    while (*at != NULL && (*at)->turn <= item->turn)
        at = &(*at)->next;
    item->next = *at;
    *at = item;
    queue->count++;
}

static struct fair_item *take(struct fair_queue *queue, enum priority priority)
{
    struct fair_item *item = queue->heads[priority];
    queue->heads[priority] = item->next;
    queue->now[priority] = item->turn;
    queue->count--;
    queue->since_batch = priority == PRIORITY_BATCH ? 0 : queue->since_batch + 1;
    return item;
}

struct fair_item *fair_take(struct fair_queue *queue, bool batch_allowed)
{
    batch_allowed = batch_allowed && fair_waiting(queue, PRIORITY_BATCH);
    if (batch_allowed && queue->since_batch + 1 >= FAIR_BATCH_TURN)
        return take(queue, PRIORITY_BATCH);
    if (fair_waiting(queue, PRIORITY_PROVISIONED))
        return take(queue, PRIORITY_PROVISIONED);
    if (fair_waiting(queue, PRIORITY_ON_DEMAND))
        return take(queue, PRIORITY_ON_DEMAND);
    return batch_allowed ? take(queue, PRIORITY_BATCH) : NULL;
}

void fair_remove(struct fair_queue *queue, struct fair_item *item)
{
    for (struct fair_item **at = &queue->heads[item->priority]; *at != NULL; at = &(*at)->next) {
        if (*at == item) {
            *at = item->next;
            queue->count--;
            return;
        }
    }
}

bool fair_waiting(const struct fair_queue *queue, enum priority priority)
{
    return queue->heads[priority] != NULL;
}
