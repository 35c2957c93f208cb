/* net/http_server.c - listening, limits on connections, the end (see http.h). */
#include "net/conn.h"

#include <stdio.h>
#include <stdlib.h>

#define READ_SIZE   (64u * 1024)
#define BACKLOG     511
#define TICK_MIN_MS 5
#define TICK_MAX_MS 1000

struct http_server {
    struct front front;
    struct conns conns;
    struct loop *loop;
    uv_tcp_t listener;
    uint16_t port;
    bool listening;                                         /* the listener's handle is open */
    struct loop_timer *tick;
    uint64_t tick_ms;
    struct loop_timer *grace;
    void (*done)(void *arg);
    void *done_arg;
    struct loop_timer *last_look;                           /* waits for threads that still hold an exchange */
};

void http_server_defaults(struct http_server_options *options)
{
    *options = (struct http_server_options){
        .host = "127.0.0.1",
        .port = 4747,
        .header_timeout_ms = 60 * 1000,
        .idle_timeout_ms = 600 * 1000,
        .body_timeout_ms = 60 * 1000,
        .body_limit = 25 * 1000 * 1000,
        .body_memory = 1024 * 1024,
        .body_budget = 512u * 1024 * 1024,
        .max_connections = 4096,
        .max_streams = 128,
        .high_water = 256 * 1024,
    };
}

/* ---- the end ------------------------------------------------------------------------------------------------------------ */

static void look_for_end(void *arg);

static void on_last_look(void *arg)
{
    struct http_server *server = arg;
    server->last_look = NULL;
    look_for_end(server);
}

/* Calls done once nothing is left: no listener, no connection, no exchange that a thread still reads or writes for. */
static void look_for_end(void *arg)
{
    struct http_server *server = arg;
    if (server->done == NULL || server->listening || server->conns.count > 0 || server->last_look != NULL)
        return;
    if (server->front.live > 0) {
        server->last_look = loop_timer_start(server->loop, 1, on_last_look, server);
        return;
    }
    loop_timer_cancel(server->grace);
    loop_timer_cancel(server->tick);
    server->grace = server->tick = NULL;
    void (*done)(void *arg) = server->done;
    server->done = NULL;
    done(server->done_arg);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    server->listening = false;
    look_for_end(server);
}

static void on_grace_over(void *arg)
{
    struct http_server *server = arg;
    server->grace = NULL;
    conns_kill(&server->conns);
}

void http_server_stop(struct http_server *server, uint64_t grace_ms, void (*done)(void *arg), void *arg)
{
    server->front.stopping = true;
    server->done = done;
    server->done_arg = arg;
    server->grace = loop_timer_start(server->loop, grace_ms, on_grace_over, server);
    if (server->grace == NULL)
        conns_kill(&server->conns);
    conns_stop(&server->conns);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}

void http_server_destroy(struct http_server *server)
{
    if (server == NULL)
        return;
    front_clear(&server->front);
    tls_context_destroy(server->conns.tls);
    free(server->conns.read_buffer);
    free(server);
}

/* ---- the beginning --------------------------------------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    struct http_server *server = arg;
    conns_tick(&server->conns);
    server->tick = loop_timer_start(server->loop, server->tick_ms, on_tick, server);
}

static uint64_t tick_interval(const struct http_server_options *options)
{
    uint64_t shortest = options->header_timeout_ms;
    if (options->idle_timeout_ms < shortest)
        shortest = options->idle_timeout_ms;
    if (options->body_timeout_ms < shortest)
        shortest = options->body_timeout_ms;
    uint64_t tick = shortest / 4;
    return tick < TICK_MIN_MS ? TICK_MIN_MS : tick > TICK_MAX_MS ? TICK_MAX_MS : tick;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    if (status == 0)
        conn_accept(&server->conns, listener);
}

static bool listen_on(struct http_server *server, const struct http_server_options *options, char *error, size_t error_size)
{
    struct sockaddr_storage address;
    if (uv_ip4_addr(options->host, options->port, (struct sockaddr_in *)&address) != 0 &&
        uv_ip6_addr(options->host, options->port, (struct sockaddr_in6 *)&address) != 0) {
        snprintf(error, error_size, "'%s' is not a numeric address", options->host);
        return false;
    }
    uv_tcp_init(loop_uv(server->loop), &server->listener);
    server->listener.data = server;
    server->listening = true;
    int result = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    int len = sizeof(address);
    if (result == 0)
        result = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len);
    if (result != 0) {
        snprintf(error, error_size, "cannot listen on %s:%u: %s", options->host, (unsigned)options->port, uv_strerror(result));
        return false;
    }
    server->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                       : ((struct sockaddr_in *)&address)->sin_port);
    return true;
}

static bool make_tls(struct http_server *server, const struct http_server_options *options, char *error, size_t error_size)
{
    if (options->tls_self_signed)
        server->conns.tls = tls_context_self_signed(error, error_size);
    else if (options->tls_cert != NULL)
        server->conns.tls = tls_context_create(options->tls_cert, options->tls_key, error, error_size);
    else
        return true;
    return server->conns.tls != NULL;
}

static void on_failed_listener_closed(uv_handle_t *handle)
{
    http_server_destroy(handle->data);
}

struct http_server *http_server_create(struct loop *loop, const struct http_server_options *options,
                                       const struct http_handler *handler, char *error, size_t error_size)
{
    struct http_server *server = calloc(1, sizeof(*server));
    char *read_buffer = malloc(READ_SIZE);
    if (server == NULL || read_buffer == NULL) {
        snprintf(error, error_size, "out of memory");
        free(server);
        free(read_buffer);
        return NULL;
    }
    front_init(&server->front, loop, options, handler);
    server->loop = loop;
    server->conns = (struct conns){ .front = &server->front, .read_buffer = read_buffer, .read_size = READ_SIZE,
                                    .gone = look_for_end, .arg = server };
    server->tick_ms = tick_interval(options);
    if (make_tls(server, options, error, error_size) && listen_on(server, options, error, error_size)) {
        server->tick = loop_timer_start(loop, server->tick_ms, on_tick, server);
        if (server->tick != NULL)
            return server;
        snprintf(error, error_size, "out of memory");
    }
    if (server->listening)
        uv_close((uv_handle_t *)&server->listener, on_failed_listener_closed);
    else
        http_server_destroy(server);
    return NULL;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

unsigned http_server_connections(const struct http_server *server)
{
    return server->conns.count;
}
