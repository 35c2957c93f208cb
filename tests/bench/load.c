/* load - sends prepared HTTP/1.1 requests over keep-alive connections and reports calls per second and latencies.
 *
 *     load HOST PORT CONNECTIONS SECONDS FILE
 *
 * FILE holds the requests, each preceded by its length (u32, little-endian): they were signed beforehand, each differently, so that
 * the generator costs next to nothing. They are sent in turn, over and over, one at a time on each connection. Answers must be 200
 * with a Content-Length. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define SAMPLES_MAX     (1 << 22)

struct request {
    const char *bytes;
    uint32_t len;
};

struct connection {
    int fd;
    uint64_t sent_ns;
    size_t received;
    char answer[64 * 1024];
};

static struct request *requests;
static size_t request_count, next_request;
static uint32_t *samples;                                   /* latencies in units of 100 ns */
static size_t sample_count;
static uint64_t failures;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void read_requests(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    size_t size = (size_t)st.st_size;
    const char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED)
        die("mmap");
    close(fd);
    for (size_t at = 0; at + 4 <= size;) {
        uint32_t len;
        memcpy(&len, bytes + at, 4);
        if (request_count % 4096 == 0)
            requests = realloc(requests, (request_count + 4096) * sizeof(*requests));
        if (requests == NULL || len > size - at - 4) {
            fprintf(stderr, "%s: broken\n", path);
            exit(1);
        }
        requests[request_count++] = (struct request){ bytes + at + 4, len };
        at += 4 + len;
    }
    if (request_count == 0) {
        fprintf(stderr, "%s: empty\n", path);
        exit(1);
    }
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void send_next(struct connection *c)
{
    const struct request *request = &requests[next_request];
    next_request = (next_request + 1) % request_count;
    c->received = 0;
    c->sent_ns = now_ns();
    for (size_t done = 0; done < request->len;) {
        ssize_t n = write(c->fd, request->bytes + done, request->len - done);
        if (n < 0 && errno != EINTR)
            die("write");
        done += n > 0 ? (size_t)n : 0;
    }
}

/* True when the answer in the buffer is whole. */
static int answer_is_whole(struct connection *c)
{
    c->answer[c->received] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL)
        return 0;
    const char *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (length == NULL || length > end) {
        fprintf(stderr, "answer without Content-Length:\n%.300s\n", c->answer);
        exit(1);
    }
    size_t whole = (size_t)(end - c->answer) + 4 + strtoul(length + 17, NULL, 10);
    return c->received >= whole;
}

static void receive(struct connection *c)
{
    ssize_t n = read(c->fd, c->answer + c->received, sizeof(c->answer) - 1 - c->received);
    if (n <= 0) {
        fprintf(stderr, "connection closed by the server\n");
        exit(1);
    }
    c->received += (size_t)n;
    if (!answer_is_whole(c))
        return;
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 && failures++ == 0)
        fprintf(stderr, "first failure:\n%.600s\n", c->answer);
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = (uint32_t)((now_ns() - c->sent_ns) / 100);
    send_next(c);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(double p)
{
    return sample_count == 0 ? 0 : samples[(size_t)(p * (double)(sample_count - 1))] / 1e4;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: load HOST PORT CONNECTIONS SECONDS FILE\n");
        return 2;
    }
    int count = atoi(argv[3]);
    double seconds = atof(argv[4]);
    read_requests(argv[5]);
    if (count < 1 || count > MAX_CONNECTIONS || seconds <= 0 || seconds > 600) {
        fprintf(stderr, "1 to %d connections, up to 600 seconds\n", MAX_CONNECTIONS);
        return 2;
    }
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    struct connection *connections = calloc((size_t)count, sizeof(*connections));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (samples == NULL || connections == NULL || epoll < 0)
        die("setup");

    uint64_t begun = now_ns(), until = begun + (uint64_t)(seconds * 1e9);
    for (int i = 0; i < count; i++) {
        connections[i].fd = connect_to(argv[1], argv[2]);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &connections[i] };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0)
            die("epoll_ctl");
        send_next(&connections[i]);
    }
    while (now_ns() < until) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 5000);
        if (ready == 0) {
            fprintf(stderr, "no answer for five seconds\n");
            return 1;
        }
        for (int i = 0; i < ready; i++)
            receive(events[i].data.ptr);
    }
    double elapsed = (double)(now_ns() - begun) / 1e9;
    qsort(samples, sample_count, sizeof(*samples), compare);
    printf("{\"connections\":%d,\"requests\":%zu,\"failures\":%llu,\"per_second\":%.0f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n", count,
           sample_count, (unsigned long long)failures, (double)sample_count / elapsed, percentile_ms(0.50), percentile_ms(0.99));
    return failures > 0;
}
