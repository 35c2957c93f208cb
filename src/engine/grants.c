/* engine/grants.c - see grants.h. */
#include "engine/grants.h"

static struct grant_share *share_of(struct list_link *link)
{
    return LIST_ITEM(link, struct grant_share, link);
}

void grants_init(struct grants *grants, unsigned cores)
{
    *grants = (struct grants){ .cores = cores > 0 ? cores : 1 };
    list_init(&grants->shares);
}

void grants_add(struct grants *grants, struct grant_share *share)
{
    *share = (struct grant_share){ .state = GRANT_IDLE };
    list_push_back(&grants->shares, &share->link);
}

static bool goes_before(const struct grant_share *a, const struct grant_share *b, bool by_age)
{
    if (!by_age && a->priority != b->priority)
        return a->priority < b->priority;
    return a->order < b->order;
}

/* The longest waiting one has its turn when others have been served often enough, and for long enough. */
static bool turn_by_age(const struct grants *grants)
{
    return grants->served + 1 >= GRANTS_FAIR_EVERY && grants->served_ms >= grants->aged_ms * (GRANTS_FAIR_TIME - 1);
}

static struct grant_share *next_waiting(struct grants *grants)
{
    bool by_age = turn_by_age(grants);
    struct grant_share *best = NULL;
    LIST_EACH(at, &grants->shares) {
        struct grant_share *share = share_of(at);
        if (share->state == GRANT_WAITING && (best == NULL || goes_before(share, best, by_age)))
            best = share;
    }
    return best;
}

/* Nobody else holds, waits, or has asked lately. */
static bool is_alone(struct grants *grants, const struct grant_share *me, uint64_t now_ms)
{
    LIST_EACH(at, &grants->shares) {
        const struct grant_share *other = share_of(at);
        if (other == me)
            continue;
        if (other->state != GRANT_IDLE || (other->has_wanted && now_ms < other->wanted_ms + GRANTS_ALONE_MS))
            return false;
    }
    return true;
}

static void revoke_standing(struct grants *grants, uint64_t now_ms)
{
    LIST_EACH(at, &grants->shares) {
        struct grant_share *share = share_of(at);
        if (share->state != GRANT_STANDING)
            continue;
        share->state = GRANT_REVOKED;
        share->since_ms = now_ms;
        grants->revoke(share);
    }
}

static void count_turn(struct grants *grants, struct grant_share *share)
{
    share->by_age = turn_by_age(grants);
    grants->served = share->by_age ? 0 : grants->served + 1;
    grants->served_ms = share->by_age ? 0 : grants->served_ms;
}

/* A grant is for all cores: a step is short, and its threads work best without others beside them. */
void grants_next(struct grants *grants, uint64_t now_ms)
{
    struct grant_share *next = next_waiting(grants);
    if (next == NULL)
        return;
    if (grants->running > 0) {
        revoke_standing(grants, now_ms);
        return;
    }
    bool standing = is_alone(grants, next, now_ms);
    count_turn(grants, next);
    next->state = standing ? GRANT_STANDING : GRANT_HELD;
    next->threads = grants->cores;
    next->since_ms = now_ms;
    grants->running += next->threads;
    grants->give(next, next->threads, standing);
}

static void take_back(struct grants *grants, struct grant_share *share, uint64_t now_ms)
{
    bool held = share->threads > 0;
    if (held && share->by_age)
        grants->aged_ms = now_ms - share->since_ms;
    else if (held)
        grants->served_ms += now_ms - share->since_ms;
    grants->running -= share->threads;
    share->threads = 0;
    share->state = GRANT_IDLE;
}

void grants_remove(struct grants *grants, struct grant_share *share, uint64_t now_ms)
{
    take_back(grants, share, now_ms);
    list_remove(&share->link);
    grants_next(grants, now_ms);
}

bool grants_want(struct grants *grants, struct grant_share *share, enum priority priority, uint64_t now_ms)
{
    if (share->state != GRANT_IDLE)
        return false;
    share->state = GRANT_WAITING;
    share->priority = priority;
    share->order = grants->order++;
    share->wanted_ms = now_ms;
    share->has_wanted = true;
    grants_next(grants, now_ms);
    return true;
}

bool grants_done(struct grants *grants, struct grant_share *share, uint64_t now_ms)
{
    if (share->state == GRANT_IDLE || share->state == GRANT_WAITING)
        return false;
    take_back(grants, share, now_ms);
    return true;
}

bool grants_contended(struct grants *grants)
{
    return next_waiting(grants) != NULL;
}

struct grant_share *grants_overdue(struct grants *grants, uint64_t now_ms)
{
    if (!grants_contended(grants))
        return NULL;
    LIST_EACH(at, &grants->shares) {
        struct grant_share *share = share_of(at);
        bool keeps_others = share->state == GRANT_HELD || share->state == GRANT_REVOKED;
        if (keeps_others && now_ms >= share->since_ms + GRANTS_HOLD_MS)
            return share;
    }
    return NULL;
}
