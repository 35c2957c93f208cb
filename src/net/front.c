/* net/front.c - see front.h: what all connections of a server share. */
#include "net/front.h"

#include <stdlib.h>
#include <unistd.h>

static void reap(void *arg);

void front_init(struct front *front, struct loop *loop, const struct http_server_options *options,
                const struct http_handler *handler)
{
    *front = (struct front){ .loop = loop, .options = *options, .handler = *handler, .date_s = -1 };
    front->reap = (struct loop_turn){ .fn = reap, .arg = front };
}

void link_touch(struct link *link)
{
    loop_turn_end(link->front->loop, &link->turn);
}

struct view front_date(struct front *front)
{
    int64_t wall_ms = clock_wall_ms(loop_clock(front->loop));
    if (wall_ms / 1000 != front->date_s) {
        front->date_s = wall_ms / 1000;
        clock_format_http(wall_ms, front->date);
    }
    return view_from_cstr(front->date);
}

struct reason {
    int status;
    const char *text;
};

static const struct reason reasons[] = {
    { 100, "Continue" }, { 101, "Switching Protocols" },
    { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" }, { 206, "Partial Content" },
    { 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
    { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
    { 400, "Bad Request" }, { 401, "Unauthorized" }, { 402, "Payment Required" }, { 403, "Forbidden" },
    { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 408, "Request Timeout" },
    { 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" },
    { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" }, { 417, "Expectation Failed" }, { 422, "Unprocessable Content" },
    { 424, "Failed Dependency" }, { 426, "Upgrade Required" }, { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
    { 503, "Service Unavailable" }, { 504, "Gateway Timeout" }, { 507, "Insufficient Storage" },
};

const char *http_reason(int status)
{
    if (status == 200)
        return "OK";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

int http_refusal_status(enum http_refusal refusal)
{
    switch (refusal) {
    case HTTP_REFUSE_BAD_REQUEST: return 400;
    case HTTP_REFUSE_HEADERS_TOO_LARGE: return 431;
    case HTTP_REFUSE_BODY_TOO_LARGE: return 413;
    case HTTP_REFUSE_TIMEOUT: return 408;
    case HTTP_REFUSE_OVERLOADED: return 503;
    }
    return 500;
}

static void on_file_closed(uv_fs_t *request)
{
    uv_fs_req_cleanup(request);
    free(request);
}

void front_close_file(struct front *front, int fd)
{
    if (fd < 0)
        return;
    uv_fs_t *request = malloc(sizeof(*request));
    if (request != NULL && uv_fs_close(loop_uv(front->loop), request, fd, on_file_closed) == 0)
        return;
    free(request);
    close(fd);
}

/* Tells the handler of each exchange that has ended, and keeps its memory for the next. */
static void reap(void *arg)
{
    struct front *front = arg;
    while (front->ended != NULL) {
        struct http_exchange *ex = front->ended;
        front->ended = ex->next;
        if (front->ended == NULL)
            front->last_ended = NULL;
        if (ex->announced && front->handler.on_closed != NULL)
            front->handler.on_closed(front->handler.ctx, ex, ex->aborted);
        ex->closed = true;
        exchange_release(ex);
    }
}

void front_clear(struct front *front)
{
    loop_turn_cancel(front->loop, &front->reap);
    reap(front);
    while (front->free_exchanges != NULL) {
        struct http_exchange *ex = front->free_exchanges;
        front->free_exchanges = ex->next;
        exchange_free(ex);
    }
    front->free_count = 0;
}
