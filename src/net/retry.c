#include "net/retry.h"

static void begin(void *arg);

static void on_pause_over(void *arg)
{
    struct retry *retry = arg;
    retry->timer = NULL;
    begin(retry);
}

static void begin_later(struct retry *retry)
{
    if (!retry->stopped && retry->timer == NULL)
        retry->timer = loop_timer_start(retry->loop, retry->pause_ms, on_pause_over, retry);
}

static void in_pool(void *arg)
{
    struct retry *retry = arg;
    retry->worked = retry->work(retry->ctx);
}

static void out_of_pool(void *arg)
{
    struct retry *retry = arg;
    bool again = retry->again;
    retry->running = retry->again = false;
    if (retry->stopped)
        return;
    if (retry->worked && retry->done != NULL)
        retry->done(retry->ctx);
    if (again)
        begin(retry);
    else if (!retry->worked)
        begin_later(retry);
}

/* Somebody asks, or a pause is over. */
static void begin(void *arg)
{
    struct retry *retry = arg;
    loop_timer_cancel(retry->timer);
    retry->timer = NULL;
    if (retry->stopped)
        return;
    if (retry->running) {
        retry->again = true;                                /* it may have read before the change */
        return;
    }
    retry->running = loop_work(retry->loop, in_pool, out_of_pool, retry);
    if (!retry->running)
        begin_later(retry);
}

bool retry_ask(struct retry *retry)
{
    return loop_post(retry->loop, begin, retry);
}

void retry_stop(struct retry *retry)
{
    retry->stopped = true;
    loop_timer_cancel(retry->timer);
    retry->timer = NULL;
}
