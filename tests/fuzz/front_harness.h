/* front_harness.h - a session of the HTTP front without a socket: bytes in, bytes out, and a handler that tries everything. */
#ifndef CRATON_FRONT_HARNESS_H
#define CRATON_FRONT_HARNESS_H

#include "net/front.h"

#include <stdlib.h>

struct harness {
    struct loop *loop;
    struct front front;
    struct link link;
    struct buf sent;
    bool over;                                              /* the session has closed the connection */
    struct http_exchange *waiting[64];                      /* to be answered at the end of the turn */
    unsigned waiting_count;
};

static void harness_answer(struct http_exchange *ex)
{
    static const struct http_header header = { VIEW_INIT("Content-Type"), VIEW_INIT("text/plain") };
    static const struct http_response plain = { .status = 200, .headers = &header, .header_count = 1 };
    const struct http_request *request = http_request(ex);
    struct buf body = BUF_INIT(1 << 20);
    buf_append_view(&body, request->method);
    buf_append_view(&body, request->target);
    buf_append_view(&body, request->body);
    if (request->path.len % 3 == 1) {
        http_start(ex, &plain);
        http_write(ex, buf_view(&body));
        http_finish(ex);
    } else if (request->path.len % 7 == 6) {
        http_abort(ex);
    } else {
        http_respond(ex, &plain, &body);
    }
    buf_free(&body);
}

static void harness_on_headers(void *ctx, struct http_exchange *ex, struct http_admission *admission)
{
    (void)ctx;
    if (http_request(ex)->path.len % 5 == 4) {
        http_respond(ex, &(struct http_response){ .status = 403 }, NULL);
        admission->refuse = true;
    }
}

static void harness_on_request(void *ctx, struct http_exchange *ex)
{
    struct harness *harness = ctx;
    if (http_request(ex)->path.len % 2 == 0 && harness->waiting_count < 64)
        harness->waiting[harness->waiting_count++] = ex;
    else
        harness_answer(ex);
}

static void harness_on_closed(void *ctx, struct http_exchange *ex, bool aborted)
{
    struct harness *harness = ctx;
    (void)aborted;
    for (unsigned i = 0; i < harness->waiting_count; i++)
        if (harness->waiting[i] == ex)
            harness->waiting[i] = NULL;
}

static void harness_turn(void *arg)
{
    struct harness *harness = arg;
    struct link *link = &harness->link;
    if (link->session == NULL)
        return;
    for (size_t before = SIZE_MAX; before != harness->sent.len;) {
        before = harness->sent.len;
        if (!link->broken)
            link->session->ops->pump(link->session);
        buf_append_view(&harness->sent, buf_view(&link->out));
        buf_clear(&link->out);
    }
    harness->over = harness->over || link->closing || link->broken;
}

static void harness_begin(struct harness *harness, struct session *(*create)(struct link *link))
{
    struct http_server_options options;
    const struct http_handler handler = { .ctx = harness, .on_headers = harness_on_headers, .on_request = harness_on_request,
                                          .on_closed = harness_on_closed };
    *harness = (struct harness){ .loop = NULL };
    static struct clock *clock;
    if (clock == NULL)
        clock = clock_manual_create(784111777000);
    harness->loop = loop_create(clock, 0);
    http_server_defaults(&options);
    options.body_limit = 100000;
    if (harness->loop == NULL)
        abort();
    front_init(&harness->front, harness->loop, &options, &handler);
    harness->link.front = &harness->front;
    harness->link.turn = (struct loop_turn){ .fn = harness_turn, .arg = harness };
    buf_init(&harness->link.out, SIZE_MAX / 2);
    buf_init(&harness->sent, SIZE_MAX / 2);
    harness->link.session = create(&harness->link);
    if (harness->link.session == NULL)
        abort();
}

static void harness_run(struct harness *harness)
{
    link_touch(&harness->link);
    uv_run(loop_uv(harness->loop), UV_RUN_NOWAIT);
    while (harness->waiting_count > 0 && !harness->over) {
        struct http_exchange *ex = harness->waiting[--harness->waiting_count];
        if (ex != NULL)
            harness_answer(ex);
        link_touch(&harness->link);
        uv_run(loop_uv(harness->loop), UV_RUN_NOWAIT);
    }
}

static void harness_feed(struct harness *harness, struct view bytes)
{
    if (harness->over)
        return;
    harness->link.session->ops->receive(harness->link.session, bytes);
    harness_run(harness);
}

static void harness_end(struct harness *harness)
{
    struct session *session = harness->link.session;
    harness->link.session = NULL;
    session->ops->destroy(session);
    loop_turn_cancel(harness->loop, &harness->link.turn);
    front_clear(&harness->front);
    if (harness->front.live != 0 || harness->front.body_bytes != 0)
        abort();                                            /* an exchange was lost, or its bytes were counted wrongly */
    loop_destroy(harness->loop);
    buf_free(&harness->link.out);
}

#endif
