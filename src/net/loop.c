#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

/* How often a loop looks at a clock that moves only when a test moves it. */
#define MANUAL_CLOCK_POLL_MS 2

/* After so many passes over the end-of-turn list the rest waits for the next turn, so that input is not starved. */
#define TURN_PASSES 8

struct mail {
    void (*fn)(void *arg);
    void *arg;
    struct mail *next;
};

struct job {
    struct mail mail;                                       /* first: a finished job travels back as its own letter */
    void (*work)(void *arg);
    struct job *next;
};

struct loop_timer {
    struct loop *loop;
    uint64_t due_ms;
    uint64_t order;                                         /* equal times fire in the order of starting */
    size_t index;                                           /* its place in the heap */
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    pthread_t *threads;
    unsigned thread_count;
    unsigned working;                                       /* threads that have not ended; under mail_mutex */
    struct job *first, **last;
    size_t waiting;
    bool ending;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t alarm;                                       /* armed for the earliest of timers */
    uv_prepare_t before_sleep;
    uv_check_t after_sleep;
    const struct clock *clock;
    bool manual_clock;
    uint64_t now_ms;
    bool now_fresh;

    pthread_mutex_t mail_mutex;
    pthread_cond_t news;                                    /* mail has come, or a thread has ended: for loop_destroy() */
    struct mail *first_mail, **last_mail;
    bool stop_asked;                                        /* under mail_mutex */

    struct loop_turn *turns, **last_turn;

    struct loop_timer **timers;                             /* a binary heap, the earliest at 0 */
    size_t timer_count, timer_capacity;
    uint64_t timer_order;

    struct pool pool;
};

/* ---- mail: from any thread to the loop ---------------------------------------------------------------------------- */

static void mail_send(struct loop *loop, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&loop->mail_mutex);
    bool first = loop->first_mail == NULL;
    *loop->last_mail = mail;
    loop->last_mail = &mail->next;
    pthread_cond_signal(&loop->news);
    pthread_mutex_unlock(&loop->mail_mutex);
    if (first)
        uv_async_send(&loop->wake);
}

static struct mail *mail_take_all(struct loop *loop)
{
    pthread_mutex_lock(&loop->mail_mutex);
    struct mail *mail = loop->first_mail;
    loop->first_mail = NULL;
    loop->last_mail = &loop->first_mail;
    pthread_mutex_unlock(&loop->mail_mutex);
    return mail;
}

static void mail_close(struct loop *loop)
{
    pthread_cond_destroy(&loop->news);
    pthread_mutex_destroy(&loop->mail_mutex);
}

static void mail_deliver(struct loop *loop)
{
    struct mail *mail = mail_take_all(loop);
    while (mail != NULL) {
        struct mail *next = mail->next;
        if (mail->fn != NULL)
            mail->fn(mail->arg);
        free(mail);
        mail = next;
    }
}

bool loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct mail *mail = malloc(sizeof(*mail));
    if (mail == NULL)
        return false;
    mail->fn = fn;
    mail->arg = arg;
    mail_send(loop, mail);
    return true;
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->mail_mutex);
    loop->stop_asked = true;
    pthread_mutex_unlock(&loop->mail_mutex);
    uv_async_send(&loop->wake);
}

static bool stop_asked(struct loop *loop)
{
    pthread_mutex_lock(&loop->mail_mutex);
    bool asked = loop->stop_asked;
    pthread_mutex_unlock(&loop->mail_mutex);
    return asked;
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    mail_deliver(loop);
    if (stop_asked(loop))
        uv_stop(&loop->uv);
}

/* ---- the pool ------------------------------------------------------------------------------------------------------ */

static struct job *pool_take(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !pool->ending)
        pthread_cond_wait(&pool->more, &pool->mutex);
    struct job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL)
            pool->last = &pool->first;
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void *pool_thread(void *arg)
{
    struct loop *loop = arg;
    for (struct job *job; (job = pool_take(&loop->pool)) != NULL;) {
        job->work(job->mail.arg);
        mail_send(loop, &job->mail);
    }
    pthread_mutex_lock(&loop->mail_mutex);
    loop->pool.working--;
    pthread_cond_signal(&loop->news);
    pthread_mutex_unlock(&loop->mail_mutex);
    return NULL;
}

bool loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct job *job = malloc(sizeof(*job));
    if (job == NULL)
        return false;
    *job = (struct job){ .mail = { .fn = done, .arg = arg }, .work = work };

    struct pool *pool = &loop->pool;
    pthread_mutex_lock(&pool->mutex);
    bool accepted = pool->waiting < LOOP_WORK_QUEUE && !pool->ending;
    if (accepted) {
        *pool->last = job;
        pool->last = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->more);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!accepted)
        free(job);
    return accepted;
}

static bool pool_start(struct loop *loop, unsigned threads)
{
    struct pool *pool = &loop->pool;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->more, NULL);
    pool->last = &pool->first;
    pool->threads = calloc(threads > 0 ? threads : 1, sizeof(*pool->threads));
    if (pool->threads == NULL)
        return false;
    while (pool->thread_count < threads) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, pool_thread, loop) != 0)
            return false;
        pool->thread_count++;
        pthread_mutex_lock(&loop->mail_mutex);
        pool->working++;
        pthread_mutex_unlock(&loop->mail_mutex);
    }
    return true;
}

/* Threads end when the queue is empty, so everything accepted is done afterwards. */
static void pool_end(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->ending = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->mutex);
}

static void pool_join(struct pool *pool)
{
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    free(pool->threads);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->mutex);
}

/* ---- timers: a heap of our own, since libuv's follow only the real clock ---------------------------------------- */

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_set(struct loop *loop, size_t index, struct loop_timer *timer)
{
    loop->timers[index] = timer;
    timer->index = index;
}

static void heap_rise(struct loop *loop, size_t index)
{
    struct loop_timer *timer = loop->timers[index];
    while (index > 0 && timer_before(timer, loop->timers[(index - 1) / 2])) {
        heap_set(loop, index, loop->timers[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    heap_set(loop, index, timer);
}

static void heap_sink(struct loop *loop, size_t index)
{
    struct loop_timer *timer = loop->timers[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count && timer_before(loop->timers[child + 1], loop->timers[child]))
            child++;
        if (!timer_before(loop->timers[child], timer))
            break;
        heap_set(loop, index, loop->timers[child]);
        index = child;
    }
    heap_set(loop, index, timer);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
    size_t index = timer->index;
    struct loop_timer *last = loop->timers[--loop->timer_count];
    if (last == timer)
        return;
    heap_set(loop, index, last);
    heap_rise(loop, index);
    heap_sink(loop, last->index);
}

static void on_alarm(uv_timer_t *alarm);

static void alarm_set(struct loop *loop)
{
    if (loop->timer_count == 0) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    uint64_t now = loop_now_ms(loop), due = loop->timers[0]->due_ms;
    uint64_t delay = due > now ? due - now : 0;
    if (loop->manual_clock && delay > 0)
        delay = MANUAL_CLOCK_POLL_MS;
    uv_timer_start(&loop->alarm, on_alarm, delay, 0);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = alarm->data;
    loop->now_fresh = false;
    uint64_t now = loop_now_ms(loop);
    /* What heap_remove() took out is not the first any more. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    while (loop->timer_count > 0 && loop->timers[0]->due_ms <= now) {
        struct loop_timer *timer = loop->timers[0];
        void (*fn)(void *arg) = timer->fn;
        void *arg = timer->arg;
        heap_remove(loop, timer);
        free(timer);
        fn(arg);
    }
    alarm_set(loop);
}

struct loop_timer *loop_timer_start(struct loop *loop, uint64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    if (loop->timer_count == loop->timer_capacity) {
        size_t capacity = loop->timer_capacity > 0 ? 2 * loop->timer_capacity : 16;
        struct loop_timer **timers = realloc(loop->timers, capacity * sizeof(struct loop_timer *));
        if (timers == NULL)
            return NULL;
        loop->timers = timers;
        loop->timer_capacity = capacity;
    }
    struct loop_timer *timer = malloc(sizeof(*timer));
    if (timer == NULL)
        return NULL;
    /* Rounded up: a timer never fires before its time. */
    *timer = (struct loop_timer){ .loop = loop, .due_ms = loop_now_ms(loop) + delay_ms + (loop->manual_clock ? 0 : 1),
                                  .order = loop->timer_order++, .fn = fn, .arg = arg };
    heap_set(loop, loop->timer_count++, timer);
    heap_rise(loop, timer->index);
    if (timer->index == 0)
        alarm_set(loop);
    return timer;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    heap_remove(timer->loop, timer);
    free(timer);
}

/* ---- the end of a turn --------------------------------------------------------------------------------------------- */

void loop_turn_end(struct loop *loop, struct loop_turn *turn)
{
    if (turn->link != NULL)
        return;
    turn->next = NULL;
    turn->link = loop->last_turn;
    *loop->last_turn = turn;
    loop->last_turn = &turn->next;
}

void loop_turn_cancel(struct loop *loop, struct loop_turn *turn)
{
    if (turn->link == NULL)
        return;
    *turn->link = turn->next;
    if (turn->next != NULL)
        turn->next->link = turn->link;
    if (loop->last_turn == &turn->next)
        loop->last_turn = turn->link;
    turn->next = NULL;
    turn->link = NULL;
}

static void turns_run(struct loop *loop)
{
    for (int pass = 0; loop->turns != NULL && pass < TURN_PASSES; pass++) {
        struct loop_turn *now = loop->turns;                /* what is added meanwhile waits for the next pass */
        now->link = &now;
        loop->turns = NULL;
        loop->last_turn = &loop->turns;
        while (now != NULL) {
            struct loop_turn *turn = now;
            loop_turn_cancel(loop, turn);
            turn->fn(turn->arg);
        }
    }
    if (loop->turns != NULL)
        uv_async_send(&loop->wake);
}

static bool is_busy(struct loop *loop)
{
    pthread_mutex_lock(&loop->mail_mutex);
    bool busy = loop->first_mail != NULL || loop->pool.working > 0;
    pthread_mutex_unlock(&loop->mail_mutex);
    return busy || loop->turns != NULL;
}

static void wait_for_news(struct loop *loop)
{
    pthread_mutex_lock(&loop->mail_mutex);
    while (loop->first_mail == NULL && loop->pool.working > 0)
        pthread_cond_wait(&loop->news, &loop->mail_mutex);
    pthread_mutex_unlock(&loop->mail_mutex);
}

/* Work that is not finished may wait for what it posts, so mail is delivered until the last thread has ended. */
static void finish_work(struct loop *loop)
{
    pool_end(&loop->pool);
    do {
        wait_for_news(loop);
        mail_deliver(loop);
        turns_run(loop);
    } while (is_busy(loop));
    pool_join(&loop->pool);
}

/* Callbacks of timers run before this one, those of sockets and mail before the next: so each kind ends its turn at once. */
static void on_before_sleep(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    turns_run(loop);
    loop->now_fresh = false;
}

static void on_after_sleep(uv_check_t *check)
{
    struct loop *loop = check->data;
    turns_run(loop);
    loop->now_fresh = false;
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

static bool handles_start(struct loop *loop)
{
    uv_loop_t *uv = &loop->uv;
    if (uv_async_init(uv, &loop->wake, on_wake) != 0)
        return false;
    uv_timer_init(uv, &loop->alarm);                        /* these cannot fail */
    uv_prepare_init(uv, &loop->before_sleep);
    uv_check_init(uv, &loop->after_sleep);
    loop->wake.data = loop->alarm.data = loop->before_sleep.data = loop->after_sleep.data = loop;
    uv_prepare_start(&loop->before_sleep, on_before_sleep);
    uv_check_start(&loop->after_sleep, on_after_sleep);
    return true;
}

struct loop *loop_create(const struct clock *clock, unsigned pool_threads)
{
    signal(SIGPIPE, SIG_IGN);                               /* libuv writes to sockets whose peer may have gone */
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return NULL;
    loop->clock = clock;
    loop->manual_clock = clock != clock_system();
    loop->last_mail = &loop->first_mail;
    loop->last_turn = &loop->turns;
    pthread_mutex_init(&loop->mail_mutex, NULL);
    pthread_cond_init(&loop->news, NULL);
    if (uv_loop_init(&loop->uv) != 0) {
        mail_close(loop);
        free(loop);
        return NULL;
    }
    if (!handles_start(loop)) {
        uv_loop_close(&loop->uv);
        mail_close(loop);
        free(loop);
        return NULL;
    }
    if (!pool_start(loop, pool_threads)) {
        loop_destroy(loop);
        return NULL;
    }
    return loop;
}

int loop_run(struct loop *loop)
{
    while (!stop_asked(loop))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    return 0;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    finish_work(loop);
    for (size_t i = 0; i < loop->timer_count; i++)
        free(loop->timers[i]);
    free(loop->timers);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->before_sleep, NULL);
    uv_close((uv_handle_t *)&loop->after_sleep, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);                      /* only the closing callbacks are left */
    uv_loop_close(&loop->uv);
    mail_close(loop);
    free(loop);
}

const struct clock *loop_clock(const struct loop *loop)
{
    return loop->clock;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    struct loop *cache = (struct loop *)loop;               /* the cache is not part of what callers see as its state */
    if (!cache->now_fresh) {
        cache->now_ms = (uint64_t)clock_mono_us(loop->clock) / 1000;
        cache->now_fresh = true;
    }
    return cache->now_ms;
}

void *loop_uv(struct loop *loop)
{
    return &loop->uv;
}
