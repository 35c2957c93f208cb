#include "elastic/limiter.h"

#include "base/hashmap.h"

#include <stdlib.h>

#define US_A_MINUTE  60000000.0
#define STALE_US     (10LL * 24 * 3600 * 1000000)
#define GROUPS_SWEPT 1024 /* with more groups than this, each new one sweeps out the stale */

struct limiter_group {
    struct limiter *limiter;
    uint8_t key[LIMITER_KEY];
    double interval_us; /* a token's worth of time */
    int64_t next_us;    /* when a token will be there */
    struct list waiting;
    unsigned waiting_count;
    struct loop_timer *timer; /* until next_us, while somebody waits */
};

struct limiter {
    struct loop *loop;
    struct hashmap groups;
};

static int64_t now_us(const struct limiter *limiter)
{
    return clock_mono_us(loop_clock(limiter->loop));
}

struct limiter *limiter_create(struct loop *loop)
{
    struct limiter *limiter = calloc(1, sizeof(*limiter));
    if (limiter != NULL)
        limiter->loop = loop;
    return limiter;
}

static void group_free(struct limiter_group *group)
{
    hashmap_remove(&group->limiter->groups, view_of(group->key, LIMITER_KEY));
    loop_timer_cancel(group->timer);
    free(group);
}

void limiter_destroy(struct limiter *limiter)
{
    if (limiter == NULL)
        return;
    const struct hashmap_slot *slot;
    size_t at = 0;
    while ((slot = hashmap_next(&limiter->groups, &at)) != NULL) {
        struct limiter_group *group = slot->value;
        loop_timer_cancel(group->timer);
        free(group);
    }
    hashmap_free(&limiter->groups);
    free(limiter);
}

/* The first idle group for long; removing one ends an iteration, so one is found at a time. */
static struct limiter_group *find_stale(struct limiter *limiter)
{
    const struct hashmap_slot *slot;
    size_t at = 0;
    while ((slot = hashmap_next(&limiter->groups, &at)) != NULL) {
        struct limiter_group *group = slot->value;
        if (list_empty(&group->waiting) && now_us(limiter) - group->next_us > STALE_US)
            return group;
    }
    return NULL;
}

static struct limiter_group *group_of(struct limiter *limiter, const uint8_t key[LIMITER_KEY], int64_t requests_per_minute)
{
    struct limiter_group *group = hashmap_get(&limiter->groups, view_of(key, LIMITER_KEY));
    if (group != NULL && list_empty(&group->waiting) && now_us(limiter) - group->next_us > STALE_US) {
        group_free(group);
        group = NULL;
    }
    if (group != NULL)
        return group;
    if (limiter->groups.count >= GROUPS_SWEPT && (group = find_stale(limiter)) != NULL)
        group_free(group);
    group = calloc(1, sizeof(*group));
    if (group == NULL)
        return NULL;
    group->limiter = limiter;
    memcpy(group->key, key, LIMITER_KEY);
    group->interval_us = US_A_MINUTE / (double)requests_per_minute;
    group->next_us = now_us(limiter);
    list_init(&group->waiting);
    if (!hashmap_put(&limiter->groups, view_of(group->key, LIMITER_KEY), group)) {
        free(group);
        return NULL;
    }
    return group;
}

static void take_token(struct limiter_group *group)
{
    int64_t now = now_us(group->limiter);
    int64_t from = group->next_us > now ? group->next_us : now;
    group->next_us = from + (int64_t)group->interval_us;
}

static bool has_token(const struct limiter_group *group)
{
    return group->next_us <= now_us(group->limiter);
}

static void leave(struct limiter_ticket *ticket)
{
    list_remove(&ticket->link);
    ticket->group->waiting_count--;
    ticket->group = NULL;
    loop_timer_cancel(ticket->timer);
    ticket->timer = NULL;
}

bool limiter_waits(const struct limiter_ticket *ticket)
{
    return ticket->group != NULL;
}

void limiter_leave(struct limiter_ticket *ticket)
{
    struct limiter_group *group = ticket->group;
    if (group == NULL)
        return;
    leave(ticket);
    if (list_empty(&group->waiting)) {
        loop_timer_cancel(group->timer);
        group->timer = NULL;
    }
}

static void serve(void *arg);

static void wait_for_token(struct limiter_group *group)
{
    if (list_empty(&group->waiting) || group->timer != NULL)
        return;
    int64_t left = group->next_us - now_us(group->limiter);
    group->timer = loop_timer_start(group->limiter->loop, left > 0 ? (uint64_t)(left + 999) / 1000 : 0, serve, group);
}

/* The token is there: the first in line goes. */
static void serve(void *arg)
{
    struct limiter_group *group = arg;
    group->timer = NULL;
    if (has_token(group) && !list_empty(&group->waiting)) {
        struct limiter_ticket *ticket = LIST_ITEM(list_first(&group->waiting), struct limiter_ticket, link);
        take_token(group);
        leave(ticket);
        wait_for_token(group);
        ticket->called(ticket->arg, LIMITER_GO);
        return;
    }
    wait_for_token(group);
}

static void timed_out(void *arg)
{
    struct limiter_ticket *ticket = arg;
    ticket->timer = NULL;
    leave(ticket);
    ticket->called(ticket->arg, LIMITER_TIMEOUT);
}

enum limiter_verdict limiter_enter(struct limiter *limiter, const uint8_t key[LIMITER_KEY], int64_t requests_per_minute,
                                   uint64_t timeout_ms, struct limiter_ticket *ticket)
{
    struct limiter_group *group = group_of(limiter, key, requests_per_minute);
    ticket->group = NULL;
    ticket->timer = NULL;
    if (group == NULL || group->waiting_count >= LIMITER_QUEUE)
        return LIMITER_FULL;
    if (list_empty(&group->waiting) && has_token(group)) {
        take_token(group);
        return LIMITER_GO;
    }
    ticket->timer = loop_timer_start(limiter->loop, timeout_ms, timed_out, ticket);
    if (ticket->timer == NULL)
        return LIMITER_FULL;
    ticket->group = group;
    list_push_back(&group->waiting, &ticket->link);
    group->waiting_count++;
    wait_for_token(group);
    return LIMITER_WAIT;
}

void limiter_set_rate(struct limiter *limiter, const uint8_t key[LIMITER_KEY], int64_t requests_per_minute)
{
    struct limiter_group *group = hashmap_get(&limiter->groups, view_of(key, LIMITER_KEY));
    if (group == NULL)
        return;
    double interval = US_A_MINUTE / (double)requests_per_minute;
    if (!has_token(group))
        group->next_us -= (int64_t)(group->interval_us - interval); /* the token on its way comes at the new pace */
    group->interval_us = interval;
    loop_timer_cancel(group->timer);
    group->timer = NULL;
    wait_for_token(group);
}
