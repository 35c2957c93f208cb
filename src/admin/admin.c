#include "admin/admin.h"

#include <stdlib.h>

#define BODY_MAX (16u << 20)

/* allow: the methods that a 405 names; NULL otherwise. */
static void respond_allowing(struct http_exchange *ex, int status, struct view content_type, struct buf *body, const char *allow)
{
    const struct http_header headers[] = {
        { VIEW_INIT("Content-Type"), content_type },
        { VIEW_INIT("Cache-Control"), VIEW_INIT("no-store") },
        { VIEW_INIT("Allow"), view_from_cstr(allow) },
    };
    struct http_response response = { .status = status, .headers = headers, .header_count = allow != NULL ? 3 : 2 };
    if (buf_failed(body))
        response.status = 500;
    http_respond(ex, &response, body);
}

static void respond(struct http_exchange *ex, int status, struct view content_type, struct buf *body)
{
    respond_allowing(ex, status, content_type, body, NULL);
}

static void respond_problem(struct http_exchange *ex, int status, const char *message, const char *allow)
{
    struct buf body = BUF_INIT(4096);
    struct json_writer out;
    json_writer_init(&out, &body);
    json_object(&out);
    json_put_cstr(&out, "message", message);
    json_end(&out);
    respond_allowing(ex, status, VIEW("application/json"), &body, allow);
    buf_free(&body);
}

static void respond_message(struct http_exchange *ex, int status, const char *message)
{
    respond_problem(ex, status, message, NULL);
}

/* ---- pages ---- */

static void get_health(struct admin *admin, struct http_exchange *ex)
{
    (void)admin;
    struct buf body = BUF_INIT(64);
    buf_append_cstr(&body, "{\"status\":\"ok\"}");
    respond(ex, 200, VIEW("application/json"), &body);
    buf_free(&body);
}

static int64_t uptime_s(const struct admin *admin)
{
    return (clock_wall_ms(loop_clock(admin->loop)) - admin->started_ms) / 1000;
}

static void get_metrics(struct admin *admin, struct http_exchange *ex)
{
    struct metrics_gauges gauges = { .connections = http_server_connections(admin->http), .uptime_s = uptime_s(admin) };
    struct buf body = BUF_INIT(BODY_MAX);
    metrics_write(admin->metrics, admin->engine, &gauges, &body);
    if (admin->more_metrics != NULL)
        admin->more_metrics(admin->more_metrics_ctx, &body);
    respond(ex, 200, VIEW("text/plain; version=0.0.4; charset=utf-8"), &body);
    buf_free(&body);
}

static const char *state_name(enum engine_model_state state)
{
    switch (state) {
    case ENGINE_MODEL_COLD:
        return "cold";
    case ENGINE_MODEL_LOADING:
        return "loading";
    case ENGINE_MODEL_READY:
        return "ready";
    case ENGINE_MODEL_BACKING_OFF:
        return "backing off";
    }
    return "unknown";
}

static const char *backend_name(enum engine_backend backend)
{
    return backend == ENGINE_LOCAL ? "local" : backend == ENGINE_REMOTE ? "remote" : "scripted";
}

static void write_model(void *ctx, const struct engine_model_info *info)
{
    struct json_writer *out = ctx;
    json_object(out);
    json_put_string(out, "name", info->name);
    json_put_cstr(out, "backend", backend_name(info->backend));
    json_put_cstr(out, "state", state_name(info->state));
    json_put_i64(out, "pid", info->pid);
    json_put_i64(out, "running", info->running);
    json_put_i64(out, "queued", info->queued);
    json_put_i64(out, "restarts", info->restarts);
    json_put_i64(out, "memoryBytes", (int64_t)info->memory_bytes);
    json_put_i64(out, "context", info->context);
    json_put_i64(out, "dimensions", info->dimensions);
    json_put_string(out, "layout", info->layout);
    json_put_i64(out, "promptTokens", (int64_t)info->prompt_tokens);
    json_put_i64(out, "cachedTokens", (int64_t)info->cached_tokens);
    json_put_i64(out, "outputTokens", (int64_t)info->output_tokens);
    json_end(out);
}

static void get_status(struct admin *admin, struct http_exchange *ex)
{
    struct buf body = BUF_INIT(BODY_MAX);
    struct json_writer out;
    json_writer_init(&out, &body);
    json_object(&out);
    json_put_cstr(&out, "version", admin->version);
    json_put_i64(&out, "uptimeSeconds", uptime_s(admin));
    json_put_i64(&out, "connections", http_server_connections(admin->http));
    json_key(&out, "models");
    json_array(&out);
    engine_each_model(admin->engine, write_model, &out);
    json_end(&out);
    json_end(&out);
    respond(ex, 200, VIEW("application/json"), &body);
    buf_free(&body);
}

static void get_invocations(struct admin *admin, struct http_exchange *ex)
{
    struct buf body = BUF_INIT(BODY_MAX);
    struct json_writer out;
    json_writer_init(&out, &body);
    engine_scripted_records(admin->engine, &out);
    respond(ex, 200, VIEW("application/json"), &body);
    buf_free(&body);
}

/* ---- reload ---- */

struct reload {
    struct admin *admin;
    struct http_exchange *ex;
    bool ok;
};

static void reload_work(void *arg)
{
    struct reload *reload = arg;
    reload->ok = reload->admin->reload(reload->admin->reload_ctx);
}

static void reload_done(void *arg)
{
    struct reload *reload = arg;
    if (reload->ok)
        reload->admin->reloaded(reload->admin->reload_ctx);
    if (reload->ok)
        get_health(reload->admin, reload->ex);
    else
        respond_message(reload->ex, 500, "The keys or models could not be read. The server's log says why.");
    http_release(reload->ex);
    free(reload);
}

static void post_reload(struct admin *admin, struct http_exchange *ex)
{
    struct reload *reload = calloc(1, sizeof(*reload));
    if (reload != NULL) {
        *reload = (struct reload){ .admin = admin, .ex = ex };
        http_hold(ex);
        if (loop_work(admin->loop, reload_work, reload_done, reload))
            return;
        http_release(ex);
        free(reload);
    }
    respond_message(ex, 503, "The server is too busy. Try again.");
}

static const struct page {
    const char *method, *path;
    bool open;                                              /* for everybody */
    void (*answer)(struct admin *admin, struct http_exchange *ex);
} pages[] = {
    { "GET", "/_craton/health", true, get_health },
    { "GET", "/_craton/metrics", false, get_metrics },
    { "GET", "/_craton/status", false, get_status },
    { "GET", "/_craton/scripted/invocations", false, get_invocations },
    { "POST", "/_craton/reload", false, post_reload },
};

static const struct page *page_find(struct view path)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (view_is(path, pages[i].path))
            return &pages[i];
    }
    return NULL;
}

bool admin_is_open(struct view path)
{
    const struct page *page = page_find(path);
    return page != NULL && page->open;
}

void admin_request(struct admin *admin, struct http_exchange *ex, const struct principal *principal)
{
    const struct http_request *request = http_request(ex);
    const struct page *page = page_find(request->path);
    bool head = view_is(request->method, "HEAD");
    if (page == NULL)
        respond_message(ex, 404, "There is no such page. /_craton/health, metrics, status and scripted/invocations exist.");
    else if (!page->open && principal == NULL)
        respond_message(ex, 401, "This page needs an admin key: sign the request, or send a bearer key made by "
                                 "`craton keys create --bearer`.");
    else if (!page->open && !principal->admin)
        respond_message(ex, 403, "This page needs an admin key.");
    else if (!view_is(request->method, page->method) && !(head && page->answer != post_reload))
        respond_problem(ex, 405, "This page does not take that method.", page->answer == post_reload ? "POST" : "GET, HEAD");
    else
        page->answer(admin, ex);
}
