#include "http_fixture.h"

#include "base/encode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000

/* ---- the handler ------------------------------------------------------------------------------------------------------- */

struct stream_job {
    uint64_t left;
    uint64_t size;
};

static const struct http_header plain_header = { VIEW_INIT("Content-Type"), VIEW_INIT("text/plain") };
static const struct http_response plain = { .status = 200, .headers = &plain_header, .header_count = 1 };

static uint64_t parameter(const struct http_request *request, const char *name, uint64_t fallback)
{
    struct view rest = request->query;
    while (rest.ptr != NULL) {
        struct view pair = view_split(&rest, '&'), value = pair;
        struct view key = view_split(&value, '=');
        if (view_is(key, name))
            view_to_u64(value, &fallback);
    }
    return fallback;
}

static void describe_body(const struct http_request *request, struct buf *out)
{
    if (request->body_fd < 0) {
        buf_append_view(out, request->body);
        return;
    }
    void *map = mmap(NULL, request->body_size, PROT_READ, MAP_PRIVATE, request->body_fd, 0);
    assert_true(map != MAP_FAILED);
    uint8_t digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE];
    sha256(view_of(map, request->body_size), digest);
    hex_encode(digest, sizeof(digest), hex);
    munmap(map, request->body_size);
    buf_printf(out, "file of %llu bytes ", (unsigned long long)request->body_size);
    buf_append(out, hex, sizeof(hex));
}

static void echo(void *arg)
{
    struct http_exchange *ex = arg;
    const struct http_request *request = http_request(ex);
    struct buf body = BUF_INIT(64u * 1024 * 1024);
    buf_append_view(&body, request->method);
    buf_append_byte(&body, ' ');
    buf_append_view(&body, request->target);
    buf_append_byte(&body, '|');
    describe_body(request, &body);
    http_respond(ex, &plain, &body);
    buf_free(&body);
}

static void echo_headers(struct http_exchange *ex)
{
    const struct http_request *request = http_request(ex);
    struct buf body = BUF_INIT(1024 * 1024);
    buf_printf(&body, ":authority=" VIEW_FMT "\n:path=" VIEW_FMT "\n:query=" VIEW_FMT "\n", VIEW_ARG(request->authority),
               VIEW_ARG(request->path), VIEW_ARG(request->query));
    for (size_t i = 0; i < request->header_count; i++)
        buf_printf(&body, VIEW_FMT "=" VIEW_FMT "\n", VIEW_ARG(request->headers[i].name), VIEW_ARG(request->headers[i].value));
    http_respond(ex, &plain, &body);
    buf_free(&body);
}

static void stream_on(struct fixture *fixture, struct http_exchange *ex)
{
    struct stream_job *job = http_context(ex);
    char piece[4096];                                       /* no test asks for larger ones */
    long calls = 0;
    memset(piece, 's', sizeof(piece));
    bool room = true;
    while (room && job->left > 0) {
        room = http_write(ex, view_of(piece, job->size));
        job->left--;
        calls++;
    }
    if (calls > fixture->max_queued_calls)
        fixture->max_queued_calls = calls;
    if (job->left == 0)
        http_finish(ex);
}

static void answer_file(struct http_exchange *ex)
{
    uint64_t size = parameter(http_request(ex), "n", 1000);
    int fd = memfd_create("answer", MFD_CLOEXEC);
    char block[251];
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)i;
    for (uint64_t done = 0; done < size + sizeof(block); done += sizeof(block))
        assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
    http_respond_file(ex, &plain, fd, 0, size);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void held_work(void *arg)
{
    struct http_exchange *ex = arg;
    sleep_ms(50);
    memset(arena_alloc(http_request(ex)->arena, 100), 'h', 100);
}

static void held_done(void *arg)
{
    struct http_exchange *ex = arg;
    if (!http_gone(ex))
        echo(ex);
    http_release(ex);
}

static void on_headers(void *ctx, struct http_exchange *ex, struct http_admission *admission)
{
    struct fixture *fixture = ctx;
    fixture->headers++;
    if (!view_is(http_request(ex)->path, "/refuse"))
        return;
    struct buf body = BUF_INIT(100);
    buf_append_cstr(&body, "refused");
    http_respond(ex, &(struct http_response){ .status = 403 }, &body);
    buf_free(&body);
    admission->refuse = true;
}

static void on_request(void *ctx, struct http_exchange *ex)
{
    struct fixture *fixture = ctx;
    const struct http_request *request = http_request(ex);
    fixture->requests++;
    if (view_is(request->path, "/headers")) {
        echo_headers(ex);
    } else if (view_is(request->path, "/later")) {
        loop_timer_start(fixture->loop, 20, echo, ex);
    } else if (view_is(request->path, "/stream")) {
        struct stream_job *job = ARENA_NEW(request->arena, struct stream_job);
        *job = (struct stream_job){ parameter(request, "n", 10), parameter(request, "size", 100) };
        http_set_context(ex, job);
        http_start(ex, &plain);
        stream_on(fixture, ex);
    } else if (view_is(request->path, "/file")) {
        answer_file(ex);
    } else if (view_is(request->path, "/abort")) {
        http_start(ex, &plain);
        http_write(ex, VIEW("some"));
        http_abort(ex);
    } else if (view_is(request->path, "/hold")) {
        http_hold(ex);
        assert_true(loop_work(fixture->loop, held_work, held_done, ex));
    } else if (!view_is(request->path, "/never")) {
        echo(ex);
    }
}

static void on_writable(void *ctx, struct http_exchange *ex)
{
    struct fixture *fixture = ctx;
    fixture->writables++;
    stream_on(fixture, ex);
}

static void on_closed(void *ctx, struct http_exchange *ex, bool aborted)
{
    struct fixture *fixture = ctx;
    (void)ex;
    if (aborted)
        fixture->aborted++;
    fixture->closed++;
}

static void on_error(void *ctx, enum http_refusal refusal, const struct http_request *request, struct http_refused *out)
{
    struct fixture *fixture = ctx;
    (void)request;
    fixture->errors++;
    buf_printf(&out->body, "{\"refusal\":%d}", (int)refusal);
    out->headers[out->header_count++] = (struct http_header){ VIEW("X-Refused"), VIEW("yes") };
    out->headers[out->header_count++] = (struct http_header){ VIEW("Content-Type"), VIEW("application/json") };
}

/* ---- the server ---------------------------------------------------------------------------------------------------------- */

static void *loop_thread(void *arg)
{
    struct fixture *fixture = arg;
    loop_run(fixture->loop);
    return NULL;
}

void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){ .port = 0 };
    http_server_defaults(&fixture->options);
    fixture->options.port = 0;
    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/craton-net-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->options.body_dir = fixture->dir;
}

void fixture_start(struct fixture *fixture)
{
    const struct http_handler handler = { .ctx = fixture, .on_headers = on_headers, .on_request = on_request,
                                          .on_writable = on_writable, .on_closed = on_closed, .on_error = on_error };
    fixture->loop = loop_create(clock_system(), 2);
    assert_non_null(fixture->loop);
    fixture->server = http_server_create(fixture->loop, &fixture->options, &handler, fixture->error, sizeof(fixture->error));
    if (fixture->server == NULL)
        fail_msg("%s", fixture->error);
    fixture->port = http_server_port(fixture->server);
    assert_int_equal(pthread_create(&fixture->thread, NULL, loop_thread, fixture), 0);
}

struct stop_order {
    struct fixture *fixture;
    uint64_t grace_ms;
};

static void on_stopped(void *arg)
{
    struct fixture *fixture = arg;
    http_server_destroy(fixture->server);
    fixture->server = NULL;
    loop_stop(fixture->loop);
}

static void stop_server(void *arg)
{
    struct stop_order *order = arg;
    http_server_stop(order->fixture->server, order->grace_ms, on_stopped, order->fixture);
    free(order);
}

void fixture_begin_stop(struct fixture *fixture, uint64_t grace_ms)
{
    struct stop_order *order = malloc(sizeof(*order));
    assert_non_null(order);
    *order = (struct stop_order){ fixture, grace_ms };
    assert_true(loop_post(fixture->loop, stop_server, order));
    fixture->port = 0;
}

void fixture_stop(struct fixture *fixture)
{
    if (fixture->port != 0)
        fixture_begin_stop(fixture, 200);
    pthread_join(fixture->thread, NULL);
    loop_destroy(fixture->loop);
    rmdir(fixture->dir);
    assert_true(fixture->closed >= fixture->requests);
    assert_true(fixture->closed <= fixture->headers + fixture->requests);
}

/* ---- the client ------------------------------------------------------------------------------------------------------------ */

int client_connect(const struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(fixture->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void client_send(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0)
            return;                                         /* the server has closed; what it said is still to be read */
        bytes = view_from(bytes, (size_t)n);
    }
}

static bool read_more(int fd, struct buf *reply)
{
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    if (poll(&poller, 1, PATIENCE_MS) != 1)
        fail_msg("no answer in time; so far: " VIEW_FMT, VIEW_ARG(view_first(buf_view(reply), 500)));
    char *place = buf_reserve(reply, 64 * 1024);
    assert_non_null(place);
    ssize_t n = recv(fd, place, 64 * 1024, 0);
    if (n > 0)
        buf_commit(reply, (size_t)n);
    return n > 0;
}

void client_expect(int fd, struct buf *reply, const char *text)
{
    while (view_find(buf_view(reply), view_from_cstr(text)) == VIEW_NPOS)
        if (!read_more(fd, reply))
            fail_msg("closed before \"%s\"; so far: " VIEW_FMT, text, VIEW_ARG(buf_view(reply)));
}

void client_read_bytes(int fd, struct buf *reply, size_t len)
{
    while (reply->len < len && read_more(fd, reply))
        ;
}

void client_read_to_end(int fd, struct buf *reply)
{
    while (read_more(fd, reply))
        ;
}

void client_exchange(const struct fixture *fixture, const char *request, struct buf *reply)
{
    int fd = client_connect(fixture);
    client_say(fd, request);
    client_read_to_end(fd, reply);
    close(fd);
}

size_t count_of(struct view text, const char *needle)
{
    size_t count = 0;
    struct view wanted = view_from_cstr(needle);
    for (size_t at; (at = view_find(text, wanted)) != VIEW_NPOS; count++)
        text = view_from(text, at + wanted.len);
    return count;
}

void wait_for(const atomic_int *value, int expected)
{
    for (int waited = 0; *value != expected && waited < PATIENCE_MS; waited += 2)
        sleep_ms(2);
    assert_int_equal(*value, expected);
}
