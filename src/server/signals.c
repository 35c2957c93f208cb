#include "server/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct signals {
    pthread_t waiter;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};

/* SIGUSR2 never comes from outside in earnest: it ends the waiter. */
#define END_OF_WAITING SIGUSR2

static sigset_t waited_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, END_OF_WAITING);
    return set;
}

void signals_block(void)
{
    sigset_t set = waited_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
}

static void *wait_for_signals(void *arg)
{
    struct signals *signals = arg;
    sigset_t set = waited_signals();
    int signal_number;
    while (sigwait(&set, &signal_number) == 0 && signal_number != END_OF_WAITING)
        loop_post(signals->loop, signals->fn, signals->arg);
    return NULL;
}

struct signals *signals_start(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct signals *signals = calloc(1, sizeof(*signals));
    if (signals == NULL)
        return NULL;
    *signals = (struct signals){ .loop = loop, .fn = fn, .arg = arg };
    if (pthread_create(&signals->waiter, NULL, wait_for_signals, signals) != 0) {
        free(signals);
        return NULL;
    }
    return signals;
}

void signals_stop(struct signals *signals)
{
    if (signals == NULL)
        return;
    pthread_kill(signals->waiter, END_OF_WAITING);
    pthread_join(signals->waiter, NULL);
    free(signals);
}
