#include "server/server.h"

#include "admin/admin.h"
#include "base/fs.h"
#include "base/log.h"
#include "elastic/elastic.h"
#include "iam/keys.h"
#include "net/retry.h"
#include "jobs/jobs.h"
#include "objects/objects.h"
#include "s3/s3.h"
#include "server/handlers.h"
#include "server/identity.h"
#include "server/signals.h"
#include "store/server_lock.h"

#include "craton_version.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTINGS_ARENA (16u << 20)
#define KEY_RETRY_MS   1000

struct server {
    const struct config *config;
    const struct places *places;
    struct arena *arena; /* options and names, for the life of the server */

    struct seal *seal;
    struct store *store;
    struct objects *objects;
    struct iam_store iam_store;
    struct iam *iam;
    struct identity identity;
    struct models *models;
    struct loop *loop;
    struct engine *engine;
    struct documents *documents;
    struct metrics *metrics;
    struct runtime runtime;
    struct pipelines *pipelines;
    struct table_source tables[1];    /* what DynamoDB clients can read */
    struct dynamodb dynamodb;
    struct batch *batch;
    struct tags tags;
    struct async *async;
    struct jobs *jobs;
    struct aws_front *front;
    const struct http_handler *aws;
    struct admin admin;
    struct elastic *elastic;
    struct s3 *s3;
    struct s3_domains s3_domains;
    struct http_server *http;
    struct http_server *elastic_http; /* the second listener; NULL: there is none */
    unsigned stops_awaited;           /* listeners, the runner of jobs and the pipelines, as long as they have not stopped */
    struct signals *signals;
    struct store_watch *key_watch;
    struct retry key_reload;          /* when the watch says so */
    pthread_mutex_t loading_keys;     /* so that nobody puts older keys in the place of newer ones */
    bool stopping;
    bool closed;                      /* the loop has ended: mail that still comes finds nothing to do */
};

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "craton: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    return false;
}

/* ---- keys and models, as they are on disk ---- */

/* A thread of the store and one of the pool may come here at once. */
static bool load_keys(struct server *server)
{
    enum iam_status status;
    pthread_mutex_lock(&server->loading_keys);
    struct iam_snapshot *snapshot = iam_load(&server->iam_store, &status);
    if (snapshot == NULL)
        log_error("keys could not be read", LOG_STR("reason", iam_status_text(status)));
    else if (server->iam != NULL)
        iam_swap(server->iam, snapshot);
    else
        server->iam = iam_create(snapshot);
    pthread_mutex_unlock(&server->loading_keys);
    return snapshot != NULL && server->iam != NULL;
}

static bool reload_keys(void *ctx)
{
    return load_keys(ctx);
}

static bool load_models(struct server *server)
{
    struct buf problems = BUF_INIT(1 << 20);
    bool ok = models_reload(server->models, &problems);
    struct view rest = buf_view(&problems);
    while (rest.len > 0) {
        struct view line = view_split(&rest, '\n');
        if (line.len > 0)
            log_warn("a model was left out", LOG_VIEW("reason", line));
    }
    buf_free(&problems);
    return ok;
}

/* In a pool thread. */
static bool reload(void *ctx)
{
    struct server *server = ctx;
    return load_keys(server) && load_models(server);
}

/* On the loop: what has been loaded becomes what is used. */
static void reloaded(void *ctx)
{
    struct server *server = ctx;
    if (server->closed)
        return;
    struct arena *arena = arena_create(SETTINGS_ARENA);
    struct models_snapshot *snapshot = models_acquire(server->models);
    struct engine_model *list = arena != NULL ? models_engine_list(snapshot, arena) : NULL;
    if (list == NULL || !engine_set_models(server->engine, list, models_count(snapshot)))
        log_error("the models could not be handed to the engine", LOG_STR("reason", "out of memory"));
    models_release(snapshot);
    arena_destroy(arena);
    identity_refresh(&server->identity);
}

/* In a thread of the store: some process has changed a key. One that was taken back must not stay because of a moment's failure. */
static void keys_changed(void *ctx)
{
    struct server *server = ctx;
    if (!retry_ask(&server->key_reload))
        log_error("changed keys were not read", LOG_STR("reason", "out of memory"));
}

/* ---- doors ---- */

enum door { DOOR_AWS,
            DOOR_ADMIN,
            DOOR_ELASTIC,
            DOOR_S3 };

static enum door door_of_path(const struct http_request *request)
{
    struct route route;
    if (view_starts_with(request->path, VIEW("/_craton")))  /* some are operations, which the AWS door serves like any other */
        return aws_route(request->method, request->path, &route) ? DOOR_AWS : DOOR_ADMIN;
    return elastic_wants(request) ? DOOR_ELASTIC : DOOR_AWS;
}

/* Without authentication nothing names the service: what no operation claims may still be a bucket. */
static bool may_be_bucket(const struct http_request *request)
{
    struct route route;
    bool post = view_is(request->method, "POST");
    return request->path.len > 1 && !aws_route(request->method, request->path, &route) &&
           (!post || s3_query_raw(request->query, VIEW("delete")).ptr != NULL ||
            s3_query_raw(request->query, VIEW("uploads")).ptr != NULL || s3_query_raw(request->query, VIEW("uploadId")).ptr != NULL);
}

/* What a request is signed for comes before where it goes, so a bucket may be named like a path of another door. */
static enum door door_of(const struct server *server, const struct http_request *request)
{
    enum s3_claim claim = s3_claim_of(&server->s3_domains, request);
    if (claim == S3_CLAIM_SIGNED)
        return DOOR_S3;
    enum door door = door_of_path(request);
    if (claim == S3_CLAIM_HOST && door != DOOR_ADMIN)
        return DOOR_S3;
    bool open = server->identity.credentials.open != NULL;
    return open && claim == S3_CLAIM_UNSIGNED && door == DOOR_AWS && may_be_bucket(request) ? DOOR_S3 : door;
}

static bool who_asks(struct server *server, const struct http_request *request, struct principal *out)
{
    return identity_of(&server->identity, request, clock_wall_ms(loop_clock(server->loop)), out);
}

static void elastic_headers(void *ctx, struct http_exchange *ex, struct http_admission *admission)
{
    struct server *server = ctx;
    const struct http_request *request = http_request(ex);
    struct principal principal;
    elastic_on_headers(server->elastic, ex, admission);
    if (identity_needs_body(request))
        return;
    admission->outside_budget = who_asks(server, request, &principal);
    admission->refuse = !admission->outside_budget;
    if (admission->refuse)
        elastic_on_request(server->elastic, ex, NULL);      /* a stranger's body is never read */
}

static void elastic_request(void *ctx, struct http_exchange *ex)
{
    struct server *server = ctx;
    struct principal principal;
    bool known = who_asks(server, http_request(ex), &principal);
    elastic_on_request(server->elastic, ex, known ? &principal : NULL);
}

static void elastic_writable(void *ctx, struct http_exchange *ex)
{
    struct server *server = ctx;
    elastic_on_writable(server->elastic, ex);
}

static void elastic_closed(void *ctx, struct http_exchange *ex, bool aborted)
{
    struct server *server = ctx;
    elastic_on_closed(server->elastic, ex, aborted);
}

static void elastic_error(void *ctx, enum http_refusal refusal, const struct http_request *request, struct http_refused *out)
{
    (void)ctx;
    (void)request;
    elastic_on_error(refusal, out);
}

static void on_headers(void *ctx, struct http_exchange *ex, struct http_admission *admission)
{
    struct server *server = ctx;
    switch (door_of(server, http_request(ex))) {
    case DOOR_ADMIN:
        admission->body_limit = 0;
        break;
    case DOOR_ELASTIC:
        elastic_headers(ctx, ex, admission);
        break;
    case DOOR_S3:
        s3_on_headers(server->s3, ex, admission);
        break;
    case DOOR_AWS:
        server->aws->on_headers(server->aws->ctx, ex, admission);
        break;
    }
}

static void on_request(void *ctx, struct http_exchange *ex)
{
    struct server *server = ctx;
    const struct http_request *request = http_request(ex);
    struct principal principal;
    switch (door_of(server, request)) {
    case DOOR_ADMIN:
        admin_request(&server->admin, ex, !admin_is_open(request->path) && who_asks(server, request, &principal) ? &principal : NULL);
        break;
    case DOOR_ELASTIC:
        elastic_request(ctx, ex);
        break;
    case DOOR_S3:
        s3_on_request(server->s3, ex);
        break;
    case DOOR_AWS:
        server->aws->on_request(server->aws->ctx, ex);
        break;
    }
}

static void on_writable(void *ctx, struct http_exchange *ex)
{
    struct server *server = ctx;
    enum door door = door_of(server, http_request(ex));
    if (door == DOOR_ELASTIC)
        elastic_writable(ctx, ex);
    else if (door == DOOR_S3)
        s3_on_writable(server->s3, ex);
    else if (door == DOOR_AWS)
        server->aws->on_writable(server->aws->ctx, ex);
}

static void on_closed(void *ctx, struct http_exchange *ex, bool aborted)
{
    struct server *server = ctx;
    enum door door = door_of(server, http_request(ex));
    if (door == DOOR_ELASTIC)
        elastic_closed(ctx, ex, aborted);
    else if (door == DOOR_S3)
        s3_on_closed(server->s3, ex, aborted);
    else if (door == DOOR_AWS)
        server->aws->on_closed(server->aws->ctx, ex, aborted);
}

static void on_error(void *ctx, enum http_refusal refusal, const struct http_request *request, struct http_refused *out)
{
    struct server *server = ctx;
    enum door door = door_of(server, request);
    if (door == DOOR_ELASTIC && request->path.len > 1)
        elastic_on_error(refusal, out);
    else if (door == DOOR_S3)
        s3_on_error(refusal, request, out);
    else
        server->aws->on_error(server->aws->ctx, refusal, request, out);
}

/* ---- the end of a call ---- */

static void on_done(void *ctx, const struct call *call, const struct call_outcome *outcome)
{
    struct server *server = ctx;
    const struct operation *operation = call_operation(call);
    const struct call_stats *stats = outcome->stats;
    const struct principal *principal = call_principal(call);
    bool inference = stats->input_tokens >= 0;
    metrics_call(server->metrics, operation, outcome->http_status, outcome->duration_us, stats);
    enum log_level level = call_is_batch(call) ? LOG_DEBUG : LOG_INFO;  /* a job has many thousands of records */
    log_line(level, "call", LOG_VIEW("requestId", call_request_id(call)),
             LOG_VIEW("principal", principal != NULL ? principal->arn : VIEW("")),
             LOG_VIEW("operation", operation != NULL ? operation->name : VIEW("")), LOG_INT("status", outcome->http_status),
             LOG_STR(outcome->error != AWS_OK ? "error" : NULL, aws_status_name(outcome->error)),
             LOG_INT("durationMs", outcome->duration_us / 1000), LOG_VIEW(stats->model_id.len > 0 ? "model" : NULL, stats->model_id),
             LOG_VIEW(stats->served_by.len > 0 ? "servedBy" : NULL, stats->served_by),
             LOG_INT(inference ? "inputTokens" : NULL, stats->input_tokens),
             LOG_INT(inference ? "outputTokens" : NULL, stats->output_tokens),
             LOG_INT(inference ? "cachedTokens" : NULL, stats->cached_tokens),
             LOG_INT(stats->first_token_us >= 0 ? "firstTokenMs" : NULL, stats->first_token_us / 1000),
             LOG_STR(outcome->gone ? "client" : NULL, "gone"));
}

static void on_elastic_done(void *ctx, const struct elastic_outcome *outcome)
{
    struct server *server = ctx;
    const struct call_stats *stats = &outcome->stats;
    bool inference = stats->input_tokens >= 0;
    metrics_request(server->metrics, outcome->operation, outcome->status, outcome->duration_us, stats);
    log_info("call", LOG_VIEW("principal", outcome->principal), LOG_STR("operation", outcome->operation),
             LOG_VIEW("method", outcome->method), LOG_VIEW("path", outcome->path), LOG_INT("status", outcome->status),
             LOG_STR(outcome->error != NULL ? "error" : NULL, outcome->error), LOG_INT("durationMs", outcome->duration_us / 1000),
             LOG_VIEW(stats->model_id.len > 0 ? "model" : NULL, stats->model_id),
             LOG_VIEW(stats->served_by.len > 0 ? "servedBy" : NULL, stats->served_by),
             LOG_INT(inference ? "inputTokens" : NULL, stats->input_tokens),
             LOG_INT(inference ? "outputTokens" : NULL, stats->output_tokens),
             LOG_INT(inference ? "cachedTokens" : NULL, stats->cached_tokens),
             LOG_INT(stats->first_token_us >= 0 ? "firstTokenMs" : NULL, stats->first_token_us / 1000),
             LOG_STR(outcome->gone ? "client" : NULL, "gone"));
}

static void on_s3_done(void *ctx, const struct s3_outcome *outcome)
{
    struct server *server = ctx;
    metrics_call(server->metrics, outcome->operation, outcome->status, outcome->duration_us, NULL);
    log_info("call", LOG_VIEW("requestId", outcome->request_id), LOG_VIEW("principal", outcome->principal),
             LOG_VIEW("operation", outcome->operation != NULL ? outcome->operation->name : VIEW("")),
             LOG_VIEW(outcome->bucket.len > 0 ? "bucket" : NULL, outcome->bucket),
             LOG_VIEW(outcome->key.len > 0 ? "key" : NULL, outcome->key), LOG_INT("status", outcome->status),
             LOG_STR(outcome->error != NULL ? "error" : NULL, outcome->error), LOG_INT("durationMs", outcome->duration_us / 1000),
             LOG_INT("requestBytes", outcome->request_bytes), LOG_INT("responseBytes", outcome->response_bytes),
             LOG_STR(outcome->gone ? "client" : NULL, "gone"));
}

/* ---- start ---- */

static bool open_data(struct server *server)
{
    char words[256];
    struct store_error error;
    struct config_error config_error;
    struct objects_options objects;
    server->seal = seal_open(server->places->seal_key, words, sizeof(words));
    if (server->seal == NULL)
        return complain("secrets", words);
    server->store = store_open(server->places->store, clock_system(), &error);
    if (server->store == NULL)
        return complain("store", error.message);
    if (!settings_objects(server->config, server->places, server->arena, &objects, &config_error))
        return complain("settings", config_error.message);
    objects.store = server->store;
    objects.recover = true;
    server->objects = objects_open(&objects, words, sizeof(words));
    if (server->objects == NULL)
        return complain("objects", words);
    server->iam_store = (struct iam_store){
        .store = server->store, .seal = server->seal, .account = view_from_cstr(config_string(server->config, CONFIG_ACCOUNT))
    };
    struct iam_key first;
    enum iam_status status = iam_first_key(&server->iam_store, server->arena, &first);
    if (status != IAM_OK)
        return complain("keys", iam_status_text(status));
    return load_keys(server) || complain("keys", "they could not be read");
}

static bool open_engine(struct server *server)
{
    struct models_options models;
    struct engine_options engine;
    struct config_error error;
    if (!settings_models(server->config, server->places, server->arena, &models, &error))
        return complain("settings", error.message);
    server->models = models_create(&models);
    settings_engine(server->config, server->places, &engine);
    server->loop = loop_create(clock_system(), (unsigned)config_number(server->config, CONFIG_NET_POOL_THREADS));
    if (server->models == NULL || server->loop == NULL || !load_models(server))
        return complain("start", "out of memory");
    server->engine = engine_create(server->loop, &engine);
    server->documents = documents_create(&(struct documents_options){ .loop = server->loop, .worker_path = engine.worker_path });
    return (server->engine != NULL && server->documents != NULL) || complain("engine", "it could not be started");
}

static bool open_elastic(struct server *server)
{
    struct elastic_options options = {
        .loop = server->loop,
        .engine = server->engine,
        .documents = server->documents,
        .models = server->models,
        .store = server->store,
        .seal = server->seal,
        .credentials = &server->identity.credentials,
        .body_limit = (uint64_t)config_number(server->config, CONFIG_NET_BODY_MAX),
        .json_depth = (unsigned)config_number(server->config, CONFIG_NET_JSON_DEPTH),
        .version = CRATON_VERSION,
        .on_done = on_elastic_done,
        .done_ctx = server,
    };
    struct config_error error;
    if (!settings_elastic_servers(server->config, server->arena, &options.servers, &error))
        return complain("settings", error.message);
    server->elastic = elastic_create(&options);
    return (server->elastic != NULL && elastic_load(server->elastic)) || complain("inference endpoints", "they could not be read");
}

static bool open_s3(struct server *server)
{
    struct config_error error;
    if (!settings_s3_domains(server->config, server->arena, &server->s3_domains, &error))
        return complain("settings", error.message);
    const struct s3_options options = {
        .loop = server->loop,
        .objects = server->objects,
        .credentials = &server->identity.credentials,
        .domains = server->s3_domains,
        .account = server->iam_store.account,
        .region = view_from_cstr(config_string(server->config, CONFIG_REGION)),
        .on_done = on_s3_done,
        .done_ctx = server,
    };
    server->s3 = s3_create(&options);
    return server->s3 != NULL || complain("start", "out of memory");
}

static bool open_doors(struct server *server)
{
    char words[256];
    bool open = strcmp(config_string(server->config, CONFIG_AUTH), "off") == 0;
    identity_init(&server->identity, server->iam, open, server->iam_store.account);
    server->metrics = metrics_create(aws_operation_count);
    if (server->metrics == NULL)
        return complain("start", "out of memory");

    struct handler_set sets[HANDLER_SETS];
    struct aws_front_options front;
    struct pipelines_options pipelines = { .store = server->store, .objects = server->objects, .models = server->models };
    settings_pipelines(server->config, &pipelines);
    server->pipelines = pipelines_create(&pipelines);
    if (server->pipelines == NULL)
        return complain("pipelines", "out of memory");
    server->tables[0] = pipelines_tables(server->pipelines);
    server->dynamodb = (struct dynamodb){ server->tables, sizeof(server->tables) / sizeof(server->tables[0]) };
    struct batch_options batch;
    settings_batch(server->config, &batch);
    batch.store = server->store;
    batch.objects = server->objects;
    batch.models = server->models;
    server->batch = batch_create(&batch);
    if (server->batch == NULL)
        return complain("batch inference", "out of memory");
    server->tags = (struct tags){ .store = server->store };
    struct async_options async = { .store = server->store, .objects = server->objects, .models = server->models };
    settings_async(server->config, &async);
    server->async = async_create(&async);
    if (server->async == NULL)
        return complain("asynchronous invocations", "out of memory");
    const struct handler_contexts contexts = { .runtime = &server->runtime, .models = server->models, .pipelines = server->pipelines,
                                               .dynamodb = &server->dynamodb,
                                               .async = server->async, .batch = server->batch, .tags = &server->tags };
    server->runtime = (struct runtime){ .loop = server->loop, .engine = server->engine, .models = server->models };
    aws_front_defaults(&front);
    front.loop = server->loop;
    front.credentials = &server->identity.credentials;
    front.handlers = sets;
    front.handler_count = handlers_all(&contexts, sets);
    front.account = server->iam_store.account;
    front.region = view_from_cstr(config_string(server->config, CONFIG_REGION));
    front.body_limit = (uint64_t)config_number(server->config, CONFIG_NET_BODY_MAX);
    front.json_depth = (unsigned)config_number(server->config, CONFIG_NET_JSON_DEPTH);
    front.on_done = on_done;
    front.done_ctx = server;
    server->front = aws_front_create(&front, words, sizeof(words));
    if (server->front == NULL)
        return complain("operations", words);
    server->aws = aws_front_handler(server->front);
    batch_set_front(server->batch, server->front);
    async_set_front(server->async, server->front);
    if (!open_elastic(server) || !open_s3(server))
        return false;
    if (open)
        log_warn("authentication is off: every call is taken as the administrator's");
    return true;
}

/* The URL by which this machine reaches the server. */
static bool write_endpoint(struct server *server, const struct http_server_options *options)
{
    bool tls = options->tls_cert != NULL || options->tls_self_signed;
    bool v6 = strchr(options->host, ':') != NULL;
    const char *host = strcmp(options->host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(options->host, "::") == 0 ? "::1"
                                                                                                              : options->host;
    char url[160], words[128];
    int len = snprintf(url, sizeof(url), v6 ? "%s://[%s]:%u" : "%s://%s:%u", tls ? "https" : "http", host,
                       http_server_port(server->http));
    int code = fs_write_file(server->places->endpoint, view_of(url, (size_t)len), 0644);
    if (code != 0)
        return complain(server->places->endpoint, fs_error(code, words, sizeof(words)));
    log_info("craton serves", LOG_STR("url", url), LOG_STR("data", server->places->data), LOG_STR("version", CRATON_VERSION));
    return true;
}

/* The second listener, where every path is Elasticsearch's. */
static bool listen_elastic(struct server *server, struct http_server_options options)
{
    const struct http_handler handler = {
        .ctx = server,
        .on_headers = elastic_headers,
        .on_request = elastic_request,
        .on_writable = elastic_writable,
        .on_closed = elastic_closed,
        .on_error = elastic_error,
    };
    struct config_error error;
    char words[256];
    if (config_string(server->config, CONFIG_ELASTIC_LISTEN)[0] == '\0')
        return true;
    if (!settings_elastic_listen(server->config, server->arena, &options, &error))
        return complain("settings", error.message);
    server->elastic_http = http_server_create(server->loop, &options, &handler, words, sizeof(words));
    if (server->elastic_http == NULL)
        return complain(config_string(server->config, CONFIG_ELASTIC_LISTEN), words);
    server->stops_awaited++;
    log_info("craton serves Elasticsearch's inference API", LOG_STR("address", options.host),
             LOG_INT("port", http_server_port(server->elastic_http)));
    return true;
}

static void batch_metrics(void *ctx, struct buf *out)
{
    batch_write_metrics(ctx, out);
}

static bool listen_on(struct server *server)
{
    struct http_server_options options;
    struct config_error error;
    char words[256];
    if (!settings_http(server->config, server->places, server->arena, &options, &error))
        return complain("settings", error.message);
    const struct http_handler handler = {
        .ctx = server,
        .on_headers = on_headers,
        .on_request = on_request,
        .on_writable = on_writable,
        .on_closed = on_closed,
        .on_error = on_error,
    };
    server->http = http_server_create(server->loop, &options, &handler, words, sizeof(words));
    if (server->http == NULL)
        return complain(config_string(server->config, CONFIG_LISTEN), words);
    server->stops_awaited++;
    server->admin = (struct admin){
        .loop = server->loop,
        .engine = server->engine,
        .metrics = server->metrics,
        .http = server->http,
        .version = CRATON_VERSION,
        .started_ms = clock_wall_ms(clock_system()),
        .more_metrics_ctx = server->batch,
        .more_metrics = batch_metrics,
        .reload_ctx = server,
        .reload = reload,
        .reloaded = reloaded,
    };
    server->key_reload = (struct retry){
        .loop = server->loop, .pause_ms = KEY_RETRY_MS, .work = reload_keys, .done = reloaded, .ctx = server
    };
    server->key_watch = store_watch(server->store, VIEW(IAM_KEY_KIND), keys_changed, server);
    if (server->key_watch == NULL)
        return complain("start", "out of memory");
    if (!load_keys(server))                                 /* what changed before there was a watch */
        return complain("keys", "they could not be read");
    reloaded(server);
    return listen_elastic(server, options) && write_endpoint(server, &options);
}

/* ---- end ---- */

static void stopped(void *arg)
{
    struct server *server = arg;
    if (--server->stops_awaited == 0)
        loop_stop(server->loop);
}

/* In a thread that called operations, whose answers come over the loop. */
static void thread_ended(void *ctx)
{
    struct server *server = ctx;
    loop_post(server->loop, stopped, server);
}

static enum aws_status call_inside(void *ctx, const struct internal_request *request, struct arena *arena,
                                   struct internal_answer *answer)
{
    return internal_call(ctx, request, arena, answer);
}

static bool start_pipelines(struct server *server)
{
    return pipelines_start(server->pipelines, call_inside, server->front) || complain("pipelines", "no more threads");
}

/* Last of the start: jobs call operations. */
static bool start_jobs(struct server *server)
{
    /* One server serves a data directory, so its next process is the same owner. */
    const struct jobs_options options = { .store = server->store, .owner = VIEW("server"), .on_ended = thread_ended, .ended_ctx = server };
    server->jobs = jobs_create(&options);
    bool joined = server->jobs != NULL && batch_join(server->batch, server->jobs) && async_join(server->async, server->jobs);
    if (!joined || !jobs_start(server->jobs))
        return complain("jobs", "out of memory or threads");
    server->stops_awaited++;
    return true;
}

static void stop_serving(struct server *server, uint64_t grace_ms)
{
    server->stopping = true;
    fs_remove(server->places->endpoint);
    http_server_stop(server->http, grace_ms, stopped, server);
    if (server->elastic_http != NULL)
        http_server_stop(server->elastic_http, grace_ms, stopped, server);
    if (server->jobs != NULL)
        jobs_end(server->jobs);                             /* the loop runs until they have: their calls end on it */
    server->stops_awaited++;
    pipelines_stop(server->pipelines, thread_ended, server);
}

/* On the loop: SIGTERM or SIGINT. */
static void told_to_stop(void *arg)
{
    struct server *server = arg;
    if (server->stopping)
        _exit(130); /* the second time: at once; whatever is on disk is whole */
    log_info("stopping", LOG_INT("connections", http_server_connections(server->http)));
    stop_serving(server, (uint64_t)config_number(server->config, CONFIG_NET_GRACE));
}

static void close_all(struct server *server)
{
    server->closed = true;
    signals_stop(server->signals);
    retry_stop(&server->key_reload);
    if (server->jobs != NULL)
        jobs_stop(server->jobs);
    if (server->key_watch != NULL)
        store_unwatch(server->store, server->key_watch);
    http_server_destroy(server->elastic_http);
    http_server_destroy(server->http);
    engine_stop(server->engine);
    documents_stop(server->documents);
    elastic_stop(server->elastic);
    aws_front_destroy(server->front);
    metrics_destroy(server->metrics);
    if (server->identity.iam != NULL)
        identity_free(&server->identity);
    loop_destroy(server->loop);
    engine_destroy(server->engine);
    documents_destroy(server->documents);
    elastic_destroy(server->elastic);
    s3_destroy(server->s3);
    models_destroy(server->models);
    iam_destroy(server->iam);
    jobs_destroy(server->jobs);
    batch_destroy(server->batch);
    async_destroy(server->async);
    pipelines_destroy(server->pipelines);
    objects_close(server->objects);
    store_close(server->store);
    seal_close(server->seal);
    arena_destroy(server->arena);
}

static void start_log(const struct config *config)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    const char *format = config_string(config, CONFIG_LOG_FORMAT), *wanted = config_string(config, CONFIG_LOG_LEVEL);
    enum log_level level = LOG_INFO;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(wanted, levels[i]) == 0)
            level = (enum log_level)i;
    }
    bool text = strcmp(format, "text") == 0 || (strcmp(format, "auto") == 0 && isatty(STDERR_FILENO));
    log_start(STDERR_FILENO, level, text ? LOG_TEXT : LOG_JSON);
}

static bool make_dirs(const struct places *places)
{
    const char *const dirs[] = { places->data, places->models, places->spool };
    char words[128];
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        int code = fs_make_dirs(dirs[i], 0700);
        if (code != 0)
            return complain(dirs[i], fs_error(code, words, sizeof(words)));
    }
    return true;
}

static int serve(const struct config *config, const struct places *places)
{
    struct server server = { .config = config, .places = places, .arena = arena_create(SETTINGS_ARENA),
                             .loading_keys = PTHREAD_MUTEX_INITIALIZER };
    bool ready = server.arena != NULL && open_data(&server) && open_engine(&server) && open_doors(&server) && listen_on(&server);
    if (ready) {
        server.signals = signals_start(server.loop, told_to_stop, &server);
        ready = (server.signals != NULL || complain("start", "no more threads")) && start_jobs(&server) &&
                start_pipelines(&server);
    }
    if (!ready && server.http != NULL)
        stop_serving(&server, 0); /* what listens is closed on the loop alone */
    if (server.http != NULL)
        loop_run(server.loop);
    close_all(&server);
    return ready ? EXIT_SUCCESS : EXIT_FAILURE;
}

int server_run(const struct config *config, const struct places *places)
{
    char words[128];
    if (!make_dirs(places))
        return EXIT_FAILURE;
    long holder;
    int lock = server_lock_take(places->data, &holder);
    if (lock < 0) {
        snprintf(words, sizeof(words), "process %ld serves this data directory: stop it, or give another --data DIR", holder);
        complain(places->data, lock == -EWOULDBLOCK ? words : fs_error(lock, words, sizeof(words)));
        return EXIT_FAILURE;
    }
    fs_remove(places->endpoint);                            /* of a server that was killed: nobody answers there */
    signals_block();
    start_log(config);
    int status = serve(config, places);
    log_stop();
    server_lock_release(lock);
    return status;
}
