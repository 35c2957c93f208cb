/* craton-bench-worker - tokens per second of one worker, bare, over its socket.
 *
 *     craton-bench-worker WORKER MODEL [STREAMS [SHARED [OWN [GENERATED [ROUNDS [THREADS [batch]]]]]]]
 *
 * STREAMS clients at once each send ROUNDS requests one after the other, whose prompts have about SHARED words of common beginning
 * and OWN words of their own, and have GENERATED tokens made of each. What is printed counts generated tokens over all the time,
 * prompts included. With a last argument, whatever it is, they are batch calls. The first request warms the worker up and is not
 * counted. The processor's time tells more than the clock's on a machine that has other work, with one thread at least: several wait
 * for each other by spinning.
 */
#include "worker_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define MAX_WORDS 4000

struct settings {
    unsigned streams, shared, own, generated, rounds, threads;
    enum priority priority;
};

static void add_words(struct buf *out, unsigned seed, unsigned count)
{
    static const char *const words[] = { "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child",
                                         "world", "school", "state", "family", "student", "group" };
    for (unsigned i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        buf_append_cstr(out, words[(seed >> 20) % 16]);
        buf_append_byte(out, ' ');
    }
}

static void send_request(struct client *client, const struct settings *settings, uint32_t stream, unsigned number)
{
    struct buf text = BUF_INIT(1 << 20);
    add_words(&text, 1, settings->shared);
    add_words(&text, 1000 + number, settings->own);
    struct chat_part part = { .type = CHAT_TEXT, .text = buf_view(&text) };
    struct chat_message message = { .role = CHAT_USER, .parts = &part, .part_count = 1 };
    struct model_request request = client_generate(&message, 1, settings->generated);
    request.generate.raw_prompt = buf_view(&text);          /* raw: the model goes on and on, so each makes GENERATED tokens */
    request.generate.has_raw_prompt = true;
    request.generate.message_count = 0;
    request.priority = settings->priority;
    client_call(client, stream, &request);
    buf_free(&text);
}

struct totals {
    int64_t generated, prompt, cached, first_us, requests;
};

static void count(struct totals *totals, const struct client_call *call)
{
    totals->generated += call->end.usage.output_tokens;
    totals->prompt += call->end.usage.input_tokens;
    totals->cached += call->end.usage.cached_tokens;
    totals->first_us += call->end.first_token_us;
    totals->requests++;
}

static bool run(struct client *client, const struct settings *settings, struct totals *totals)
{
    unsigned left[CLIENT_MAX_STREAMS], open = settings->streams, number = 0;
    for (uint32_t stream = 1; stream <= settings->streams; stream++) {
        left[stream] = settings->rounds;
        send_request(client, settings, stream, ++number);
    }
    while (open > 0) {
        if (!client_pump(client, 1000))
            return false;
        for (uint32_t stream = 1; stream <= settings->streams; stream++) {
            struct client_call *call = &client->calls[stream];
            if (!call->ended)
                continue;
            count(totals, call);
            client_forget(client, stream);
            if (--left[stream] > 0)
                send_request(client, settings, stream, ++number);
            else
                open--;
        }
    }
    return true;
}

static bool measure(struct client *client, const struct settings *settings)
{
    struct totals totals = { .generated = 0 };
    struct settings warm = *settings;
    warm.streams = warm.rounds = warm.generated = 1;
    warm.shared = 100;
    if (!run(client, &warm, &totals))
        return false;
    totals = (struct totals){ .generated = 0 };
    int64_t started = client_now_us();
    if (!run(client, settings, &totals))
        return false;
    double seconds = (double)(client_now_us() - started) / 1e6;
    printf("%u streams: %.1f generated tokens/s (%lld in %.2f s; prompts of %lld tokens, %.0f %% cached; first token after "
           "%.0f ms)\n",
           settings->streams, (double)totals.generated / seconds, (long long)totals.generated, seconds,
           (long long)(totals.prompt / totals.requests), 100.0 * (double)totals.cached / (double)totals.prompt,
           (double)totals.first_us / (double)totals.requests / 1000);
    return true;
}

static unsigned argument(int argc, char **argv, int index, unsigned fallback)
{
    uint64_t number = fallback;
    if (index < argc)
        (void)view_to_u64(view_from_cstr(argv[index]), &number);
    return (unsigned)(number < MAX_WORDS ? number : MAX_WORDS);
}

int main(int argc, char **argv)
{
    static struct client client;
    char load[4096];
    if (argc < 3) {
        fputs("craton-bench-worker WORKER MODEL [STREAMS [SHARED [OWN [GENERATED [ROUNDS [THREADS [batch]]]]]]]\n", stderr);
        return 2;
    }
    struct settings settings = {
        .streams = argument(argc, argv, 3, 1),
        .shared = argument(argc, argv, 4, 512),
        .own = argument(argc, argv, 5, 64),
        .generated = argument(argc, argv, 6, 128),
        .rounds = argument(argc, argv, 7, 1),
        .threads = argument(argc, argv, 8, 2),
        .priority = argc > 9 ? PRIORITY_BATCH : PRIORITY_ON_DEMAND,
    };
    if (settings.streams == 0 || settings.streams >= CLIENT_MAX_STREAMS || settings.rounds == 0)
        return 2;
    snprintf(load, sizeof(load), "{\"path\":\"%s\",\"threads\":%u,\"context\":2048}", argv[2], settings.threads);
    if (!client_start(&client, argv[1]) || !client_load(&client, load, settings.threads)) {
        fprintf(stderr, "the worker did not start: %s\n", client.error);
        return 1;
    }
    bool measured = measure(&client, &settings);
    bool stopped = client_stop(&client) == 0;
    struct rusage usage;
    if (measured && getrusage(RUSAGE_CHILDREN, &usage) == 0)
        printf("%.1f s of processor time, %ld MiB at most\n", (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6,
               usage.ru_maxrss / 1024);
    return stopped && measured ? 0 : 1;
}
