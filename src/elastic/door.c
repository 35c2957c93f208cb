/* elastic/door.c - requests come in; see door.h. */
#include "elastic/door.h"

#include "elastic/media.h"

#include <stdlib.h>
#include <unistd.h>

#define PARSE_ON_LOOP_MAX (64u << 10) /* larger bodies are parsed in the pool */
#define RELOAD_RETRY_MS   1000

/* ---- life ---- */

static bool reload(void *ctx)
{
    struct elastic *elastic = ctx;
    return endpoints_load(elastic->endpoints);
}

/* In a thread of the store: some process has changed an endpoint. Without memory for the asking, the next change tells. */
static void endpoints_changed(void *ctx)
{
    struct elastic *elastic = ctx;
    (void)retry_ask(&elastic->reload);
}

struct elastic *elastic_create(const struct elastic_options *options)
{
    struct elastic *elastic = calloc(1, sizeof(*elastic));
    if (elastic == NULL)
        return NULL;
    elastic->options = *options;
    elastic->reload = (struct retry){ .loop = options->loop, .pause_ms = RELOAD_RETRY_MS, .work = reload, .ctx = elastic };
    elastic->endpoints = endpoints_create(options->store, options->seal);
    elastic->limiter = limiter_create(options->loop);
    elastic->http = http_client_create(options->loop);
    if (elastic->endpoints != NULL && elastic->limiter != NULL && elastic->http != NULL)
        elastic->watch = store_watch(options->store, VIEW(ENDPOINT_KIND), endpoints_changed, elastic);
    if (elastic->watch == NULL) {
        elastic_stop(elastic);
        elastic_destroy(elastic);
        return NULL;
    }
    return elastic;
}

void elastic_stop(struct elastic *elastic)
{
    if (elastic == NULL)
        return;
    retry_stop(&elastic->reload);
    http_client_destroy(elastic->http);
    elastic->http = NULL;
}

void elastic_destroy(struct elastic *elastic)
{
    if (elastic == NULL)
        return;
    if (elastic->watch != NULL)
        store_unwatch(elastic->options.store, elastic->watch);
    limiter_destroy(elastic->limiter);
    endpoints_destroy(elastic->endpoints);
    free(elastic);
}

bool elastic_load(struct elastic *elastic)
{
    return endpoints_load(elastic->endpoints);
}

bool elastic_wants(const struct http_request *request)
{
    struct view authorization = http_header_get(request, "authorization");
    if (view_is(request->path, "/_inference") || view_starts_with(request->path, VIEW("/_inference/")))
        return true;
    return view_is(request->path, "/") && request->query.len == 0 &&
           (view_is(request->method, "GET") || view_is(request->method, "HEAD")) && http_header_get(request, "x-amz-target").len == 0 &&
           (authorization.len == 0 || view_starts_with_nocase(authorization, VIEW("Basic ")) ||
            view_starts_with_nocase(authorization, VIEW("ApiKey ")) || view_starts_with_nocase(authorization, VIEW("Bearer ")));
}

/* ---- exchanges ---- */

static void settle(struct elastic_exchange *x)
{
    if (!x->closed || x->under_way > 0)
        return;
    run_cleanup(x);
    buf_free(&x->reply);
    endpoint_set_release(x->set);
    x->set = NULL;
}

void exchange_enter(struct elastic_exchange *x)
{
    x->under_way++;
    http_hold(x->ex);
}

void exchange_left(struct elastic_exchange *x)
{
    x->under_way--;
    settle(x);
    http_release(x->ex);
}

static void in_pool(void *arg)
{
    struct elastic_exchange *x = arg;
    x->work(x);
}

static void out_of_pool(void *arg)
{
    struct elastic_exchange *x = arg;
    if (!x->closed)
        x->worked(x);
    exchange_left(x);
}

void exchange_work(struct elastic_exchange *x, void (*work)(struct elastic_exchange *x), void (*worked)(struct elastic_exchange *x))
{
    x->work = work;
    x->worked = worked;
    exchange_enter(x);
    if (loop_work(x->elastic->options.loop, in_pool, out_of_pool, x))
        return;
    error_set(&x->error, 503, ERROR_STATUS, "The server is too busy. Try your request again.");
    reply_error(x);
    exchange_left(x);
}

/* ---- pages that need nothing ---- */

static void get_info(struct elastic_exchange *x)
{
    struct json_writer out;
    reply_begin(x, &out);
    json_object(&out);
    json_put_cstr(&out, "name", "craton");
    json_put_cstr(&out, "cluster_name", "craton");
    json_put_cstr(&out, "cluster_uuid", "craton");
    json_key(&out, "version");
    json_object(&out);
    json_put_cstr(&out, "number", "9.1.0"); /* the API that is spoken */
    json_put_cstr(&out, "build_flavor", "craton");
    json_put_cstr(&out, "build_type", "craton");
    json_put_cstr(&out, "build_hash", x->elastic->options.version);
    json_put_bool(&out, "build_snapshot", false);
    json_put_cstr(&out, "minimum_wire_compatibility_version", "8.19.0");
    json_put_cstr(&out, "minimum_index_compatibility_version", "8.0.0");
    json_end(&out);
    json_put_cstr(&out, "tagline", "You Know, for Search");
    json_end(&out);
    reply_finish(x);
}

static void get_services(struct elastic_exchange *x)
{
    static const enum elastic_task tasks[] = { TASK_TEXT_EMBEDDING, TASK_COMPLETION, TASK_CHAT_COMPLETION };
    static const char *const required[] = { "access_key", "secret_key", "region", "provider", "model" };
    struct json_writer out;
    reply_begin(x, &out);
    json_array(&out);
    if (x->route.task == TASK_ANY || task_is_served(x->route.task)) {
        json_object(&out);
        json_put_cstr(&out, "service", ELASTIC_SERVICE);
        json_put_cstr(&out, "name", "Amazon Bedrock");
        json_key(&out, "task_types");
        json_array(&out);
        for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
            json_write_cstr(&out, task_name(tasks[i]));
        json_end(&out);
        json_key(&out, "configurations");
        json_object(&out);
        for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
            json_key(&out, required[i]);
            json_object(&out);
            json_put_cstr(&out, "type", "str");
            json_put_bool(&out, "required", true);
            json_put_bool(&out, "sensitive", i < 2);
            json_end(&out);
        }
        json_end(&out);
        json_end(&out);
    }
    json_end(&out);
    reply_finish(x);
}

/* ---- GET ---- */

static bool wants_all(const struct elastic_exchange *x)
{
    return x->route.id.len == 0 || view_is(x->route.id, "_all") || view_is(x->route.id, "*");
}

static bool is_shown(const struct elastic_exchange *x, const struct endpoint *endpoint)
{
    if (!view_eq(endpoint->account, x->principal.account))
        return false;
    return wants_all(x) ? x->route.task == TASK_ANY || x->route.task == endpoint->task : endpoint == x->found;
}

static void get_endpoints(struct elastic_exchange *x)
{
    struct json_writer out;
    reply_begin(x, &out);
    json_object(&out);
    json_key(&out, "endpoints");
    json_array(&out);
    for (size_t i = 0; i < endpoint_set_count(x->set); i++) {
        const struct endpoint *endpoint = endpoint_set_at(x->set, i);
        if (is_shown(x, endpoint))
            endpoint_write(endpoint, &out);
    }
    json_end(&out);
    json_end(&out);
    reply_finish(x);
}

/* ---- dispatch ---- */

/* Whether the endpoint that the action is about exists, and is of the type that the path names. */
static bool check_found(struct elastic_exchange *x)
{
    enum action action = x->route.action;
    if (action == ACTION_PUT || action == ACTION_INFO || action == ACTION_SERVICES || (action == ACTION_GET && wants_all(x)))
        return true;
    if (x->found == NULL)
        return error_set(&x->error, 404, ERROR_NOT_FOUND, "Inference endpoint not found [" VIEW_FMT "]",
                         VIEW_ARG(view_first(x->route.id, 256)));
    if ((action == ACTION_GET || action == ACTION_DELETE) && x->route.task != TASK_ANY && x->route.task != x->found->task)
        return error_set(&x->error, 400, ERROR_STATUS, "Requested task type [%s] does not match the inference endpoint's task type [%s]",
                         task_name(x->route.task), task_name(x->found->task));
    return true;
}

static void perform(struct elastic_exchange *x)
{
    static void (*const actions[])(struct elastic_exchange * x) = {
        [ACTION_INFO] = get_info,
        [ACTION_SERVICES] = get_services,
        [ACTION_PUT] = manage_put,
        [ACTION_GET] = get_endpoints,
        [ACTION_DELETE] = manage_delete,
        [ACTION_UPDATE] = manage_update,
        [ACTION_INFER] = run_inference,
        [ACTION_STREAM] = run_stream,
        [ACTION_CHUNK] = chunk_run,
    };
    if (error_is_set(&x->error) || !check_found(x))
        reply_error(x);
    else
        actions[x->route.action](x);
}

/* ---- bodies ---- */

static bool read_file(struct elastic_exchange *x, struct view *out)
{
    const struct http_request *request = http_request(x->ex);
    char *bytes = arena_bytes(x->arena, request->body_size + 1);
    size_t have = 0;
    while (bytes != NULL && have < request->body_size) {
        ssize_t got = pread(request->body_fd, bytes + have, request->body_size - have, (off_t)have);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    *out = view_of(bytes, have);
    return bytes != NULL;
}

/* In a pool thread, or on the loop for a small body. */
static void parse_body(struct elastic_exchange *x)
{
    const struct http_request *request = http_request(x->ex);
    struct view bytes = request->body;
    struct json_error problem;
    if (request->body_fd >= 0 && !read_file(x, &bytes)) {
        error_set(&x->error, 503, ERROR_STATUS, "The request's body could not be read back.");
        return;
    }
    if (bytes.len == 0) {
        error_set(&x->error, 400, "parse_exception", "request body is required");
        return;
    }
    x->body = json_parse(x->arena, bytes, x->elastic->options.json_depth, &problem);
    if (x->body == NULL)
        error_set(&x->error, 400, ERROR_PARSE, "The request's body is not JSON: %s at byte %zu", problem.message, problem.offset);
    else if (!json_is(x->body, JSON_OBJECT))
        error_set(&x->error, 400, ERROR_PARSE, "The request's body must be a JSON object, not %s", json_type_name(json_type(x->body)));
}

static bool takes_body(enum action action)
{
    return action == ACTION_PUT || action == ACTION_UPDATE || action == ACTION_INFER || action == ACTION_STREAM ||
           action == ACTION_CHUNK;
}

/* ---- what the server calls ---- */

static bool copy_principal(struct elastic_exchange *x, const struct principal *principal)
{
    if (principal == NULL)
        return error_set(&x->error, 401, ERROR_SECURITY,
                         "missing or wrong authentication credentials for REST request [" VIEW_FMT "]: use Basic with an access key "
                         "id and its "
                         "secret, or ApiKey with the same in base64, or a bearer key",
                         VIEW_ARG(view_first(http_request(x->ex)->path, 256)));
    x->principal = *principal;
    struct view *texts[] = { &x->principal.account, &x->principal.name, &x->principal.arn, &x->principal.access_key_id };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = arena_copy(x->arena, *texts[i]);
    return true;
}

static bool understand(struct elastic_exchange *x, const struct principal *principal)
{
    const struct http_request *request = http_request(x->ex);
    if (!media_accept(request, &x->error, &x->content_type) || !copy_principal(x, principal) ||
        !route_find(request->method, request->path, &x->error, &x->route, &x->allow))
        return false;
    x->routed = true;
    if (!params_read(request->query, &x->route, request->path, &x->error, &x->params))
        return false;
    x->set = endpoints_acquire(x->elastic->endpoints);
    x->found = endpoint_set_find(x->set, x->principal.account, x->route.id);
    return true;
}

void elastic_on_headers(struct elastic *elastic, struct http_exchange *ex, struct http_admission *admission)
{
    (void)ex;
    admission->body_limit = elastic->options.body_limit;
}

void elastic_on_request(struct elastic *elastic, struct http_exchange *ex, const struct principal *principal)
{
    const struct http_request *request = http_request(ex);
    struct elastic_exchange *x = ARENA_NEW(request->arena, struct elastic_exchange);
    if (x == NULL) {
        http_abort(ex);
        return;
    }
    x->elastic = elastic;
    x->ex = ex;
    x->arena = request->arena;
    x->stats = (struct call_stats){ .input_tokens = -1, .output_tokens = -1, .cached_tokens = -1, .first_token_us = -1 };
    buf_init(&x->reply, REPLY_MAX);
    error_init(&x->error, request->arena);
    http_set_context(ex, x);
    if (!understand(x, principal)) {
        reply_error(x);
        return;
    }
    if (!takes_body(x->route.action)) {
        perform(x);
    } else if (request->body_size > 0 && !media_body(request, &x->error)) {
        reply_error(x);
    } else if (request->body_fd >= 0 || request->body.len > PARSE_ON_LOOP_MAX) {
        exchange_work(x, parse_body, perform);
    } else {
        parse_body(x);
        perform(x);
    }
}

void elastic_on_writable(struct elastic *elastic, struct http_exchange *ex)
{
    struct elastic_exchange *x = http_context(ex);
    (void)elastic;
    if (x != NULL)
        run_writable(x);
}

void elastic_on_closed(struct elastic *elastic, struct http_exchange *ex, bool aborted)
{
    struct elastic_exchange *x = http_context(ex);
    (void)elastic;
    if (x == NULL || x->closed)
        return;
    x->closed = true;
    reply_report(x, aborted);
    run_closed(x);
    settle(x);
}

void elastic_on_error(enum http_refusal refusal, struct http_refused *refused)
{
    static const struct {
        int status;
        const char *type, *reason;
    } refusals[] = {
        [HTTP_REFUSE_BAD_REQUEST] = { 400, ERROR_ARGUMENT, "The request is not well-formed HTTP." },
        [HTTP_REFUSE_HEADERS_TOO_LARGE] = { 431, ERROR_ARGUMENT, "The request's headers are too large." },
        [HTTP_REFUSE_BODY_TOO_LARGE] = { 413, ERROR_STATUS, "The request's body is too large." },
        [HTTP_REFUSE_TIMEOUT] = { 408, ERROR_STATUS, "The request did not arrive in time." },
        [HTTP_REFUSE_OVERLOADED] = { 503, ERROR_STATUS, "The server is too busy. Try your request again." },
    };
    const struct elastic_error error = {
        .status = refusals[refusal].status, .type = refusals[refusal].type, .reason = refusals[refusal].reason
    };
    struct json_writer out;
    json_writer_init(&out, &refused->body);
    error_write(&error, false, &out);
    refused->headers[refused->header_count++] = (struct http_header){ VIEW("X-Elastic-Product"), VIEW("Elasticsearch") };
    refused->headers[refused->header_count++] = (struct http_header){ VIEW("Content-Type"), VIEW("application/json") };
}
