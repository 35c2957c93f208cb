/* bench_http - the HTTP server alone, with a handler that answers at once: what the transport costs.
 *
 *     bench_http [PORT] [tls]         then, from another shell:  wrk -t1 -c32 -d5 http://127.0.0.1:PORT/
 *
 * /stream answers with 20 chunks, everything else with 300 bytes of JSON. Prints its port; runs until it is killed.
 */
#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>

static void on_request(void *ctx, struct http_exchange *ex)
{
    static char text[300];
    static const struct http_header headers[] = {
        { VIEW_INIT("Content-Type"), VIEW_INIT("application/json") },
        { VIEW_INIT("x-amzn-RequestId"), VIEW_INIT("5f2f1a5e-6a54-4c35-9a0e-53a5d5a9b6d1") },
    };
    const struct http_response response = { .status = 200, .headers = headers, .header_count = 2 };
    (void)ctx;
    memset(text, 'x', sizeof(text));
    if (view_is(http_request(ex)->path, "/stream")) {
        http_start(ex, &response);
        for (int i = 0; i < 20; i++)
            http_write(ex, view_of(text, 100));
        http_finish(ex);
        return;
    }
    struct buf body = BUF_INIT(1024);
    buf_append(&body, text, sizeof(text));
    http_respond(ex, &response, &body);
    buf_free(&body);
}

int main(int argc, char **argv)
{
    char error[200];
    struct http_server_options options;
    http_server_defaults(&options);
    options.port = argc > 1 ? (uint16_t)atoi(argv[1]) : 0;
    options.tls_self_signed = argc > 2;
    const struct http_handler handler = { .on_request = on_request };
    struct loop *loop = loop_create(clock_system(), 1);
    struct http_server *server = loop != NULL ? http_server_create(loop, &options, &handler, error, sizeof(error)) : NULL;
    if (server == NULL) {
        fprintf(stderr, "bench_http: %s\n", loop != NULL ? error : "out of memory");
        return 1;
    }
    printf("%u\n", (unsigned)http_server_port(server));
    fflush(stdout);
    return loop_run(loop);
}
