/* engine/worker_grants.c - carries the policy of grants.h over the wire. */
#include "engine/worker.h"

#include "base/log.h"

#define LOOK_EVERY_MS 1000                                  /* for holders that keep others waiting */

static struct worker *worker_of(struct grant_share *share)
{
    return LIST_ITEM(share, struct worker, share);
}

static void send_grant(struct grant_share *share, unsigned threads, bool standing)
{
    struct worker *worker = worker_of(share);
    wire_append_u32(channel_out(&worker->process.channel), WIRE_GRANT, 0, threads | (standing ? WIRE_GRANT_STANDING : 0));
    channel_flush(&worker->process.channel);
}

static void send_revoke(struct grant_share *share)
{
    struct worker *worker = worker_of(share);
    wire_append(channel_out(&worker->process.channel), WIRE_REVOKE, 0, VIEW(""));
    channel_flush(&worker->process.channel);
}

static void give_at_end_of_turn(void *arg)
{
    struct engine *engine = arg;
    grants_next(&engine->grants, loop_now_ms(engine->loop));
}

void worker_grants_init(struct engine *engine, unsigned cores)
{
    engine->grant_turn = (struct loop_turn){ .fn = give_at_end_of_turn, .arg = engine };
    grants_init(&engine->grants, cores);
    engine->grants.give = send_grant;
    engine->grants.revoke = send_revoke;
}

void worker_grants_join(struct worker *worker)
{
    grants_add(&worker->engine->grants, &worker->share);
}

void worker_grants_leave(struct worker *worker)
{
    if (worker->share.link.after != NULL)
        grants_remove(&worker->engine->grants, &worker->share, loop_now_ms(worker->engine->loop));
    worker->share.link.after = NULL;
}

static void look(void *arg);

static void look_again(struct engine *engine)
{
    engine->grant_timer = loop_timer_start(engine->loop, LOOK_EVERY_MS, look, engine);
}

static void look(void *arg)
{
    struct engine *engine = arg;
    engine->grant_timer = NULL;
    struct grant_share *share = grants_overdue(&engine->grants, loop_now_ms(engine->loop));
    if (share != NULL)
        worker_kill(worker_of(share), "it kept others from computing for too long");
    if (grants_contended(&engine->grants))
        look_again(engine);
}

bool worker_take_want(struct worker *worker, const struct wire_frame *frame)
{
    struct engine *engine = worker->engine;
    uint32_t priority = 0;
    if (!wire_read_u32(frame->payload, &priority) || priority >= PRIORITY_COUNT)
        return false;
    if (!grants_want(&engine->grants, &worker->share, (enum priority)priority, loop_now_ms(engine->loop)))
        return false;
    if (engine->grant_timer == NULL && grants_contended(&engine->grants))
        look_again(engine);
    return true;
}

bool worker_take_done(struct worker *worker)
{
    struct engine *engine = worker->engine;
    loop_turn_end(engine->loop, &engine->grant_turn);
    return grants_done(&engine->grants, &worker->share, loop_now_ms(engine->loop));
}
