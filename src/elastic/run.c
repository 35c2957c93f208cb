/* elastic/run.c - the rate limit, the engine, answers and streams; see door.h. */
#include "elastic/door.h"
#include "families/vectors.h"

#include <stdio.h>

/* ---- who pays: the endpoint's key pair ---- */

static bool check_keys(struct elastic_exchange *x, const struct endpoint *endpoint, struct principal *out)
{
    const struct credentials *credentials = x->elastic->options.credentials;
    struct credential found;
    uint8_t digest[SHA256_SIZE];
    if (credentials->open != NULL) {
        *out = *credentials->open;
        return true;
    }
    if (!credentials->find_key(credentials->ctx, endpoint->access_key, &found))
        return error_set(&x->error, 403, ERROR_STATUS, "The security token included in the request is invalid.");
    *out = found.principal;
    endpoint_digest(&(struct key_pair){ endpoint->access_key, found.secret }, digest);
    return equal_constant_time(digest, endpoint->credentials, sizeof(digest)) ||
           error_set(&x->error, 403, ERROR_STATUS,
                     "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
                     "signing method.");
}

/* ---- the engine ---- */

static const struct failure {
    int status;
    const char *message; /* NULL: the engine's own */
} failures[] = {
    [ENGINE_INVALID] = { 400, NULL },
    [ENGINE_TOO_LONG] = { 400, "Input is too long for requested model." },
    [ENGINE_NO_MODEL] = { 404, "The model that serves this id has been removed from this server." },
    [ENGINE_NOT_READY] = { 503, "The model is being loaded. Try your request again." },
    [ENGINE_OVERLOADED] = { 503, "Too many requests are waiting for this model. Try your request again." },
    [ENGINE_TIMEOUT] = { 408, "Model has timed out in processing the request. Try your request again." },
    [ENGINE_MODEL_ERROR] = { 500, NULL },
    [ENGINE_THROTTLED] = { 429, "Too many requests, please wait before trying again." },
    [ENGINE_CANCELLED] = { 503, "The server is shutting down. Try your request again." },
};

static void set_timeout_error(struct elastic_exchange *x)
{
    error_set(&x->error, 408, ERROR_STATUS, "Request timed out after [%llums]", (unsigned long long)x->params.timeout_ms);
}

static void set_engine_error(struct elastic_exchange *x, const struct engine_end *end)
{
    const struct failure *failure = &failures[end->status];
    const char *message = failure->message != NULL ? failure->message : end->message != NULL ? end->message
                                                                                             : "the model failed";
    int status = failure->status;
    if (x->upstream != NULL && end->original_status > 0) {  /* another server: it knows what is wrong */
        status = end->original_status;
        message = end->message;
    }
    if (x->timed_out)
        set_timeout_error(x);
    else
        error_set(&x->error, status, ERROR_STATUS,
                  "Received an error response for request from inference entity id [" VIEW_FMT "]. Error message: [%s]",
                  VIEW_ARG(x->route.id), message);
}

static void pause_call(struct elastic_exchange *x, bool paused)
{
    if (x->call != NULL)
        engine_pause(x->call, paused);
    else if (x->upstream != NULL)
        upstream_pause(x->upstream, paused);
}

static void cancel_call(struct elastic_exchange *x)
{
    if (x->call != NULL)
        engine_cancel(x->call);
    else
        upstream_cancel(x->upstream);
}

static void flush_stream(struct elastic_exchange *x)
{
    static const struct http_header headers[] = {
        { VIEW_INIT("Content-Type"), VIEW_INIT(SSE_CONTENT_TYPE) },
        { VIEW_INIT("X-Elastic-Product"), VIEW_INIT("Elasticsearch") },
        { VIEW_INIT("Cache-Control"), VIEW_INIT("no-cache") },
        { VIEW_INIT("x-craton-served-by"), VIEW_INIT("") },
    };
    struct http_header sent[sizeof(headers) / sizeof(headers[0])];
    if (x->reply.len == 0)
        return;
    if (!x->started) {
        memcpy(sent, headers, sizeof(headers));
        sent[3].value = x->served_by;
        x->started = true;
        http_start(x->ex, &(struct http_response){ .status = 200, .headers = sent, .header_count = sizeof(sent) / sizeof(sent[0]) });
    }
    if (!http_write(x->ex, buf_view(&x->reply)))
        pause_call(x, true);
    buf_clear(&x->reply);
}

static void on_deltas(void *ctx, const struct gen_delta *deltas, size_t count)
{
    struct elastic_exchange *x = ctx;
    if (!x->streaming) {
        answer_add(&x->answer, deltas, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        stream_delta(&x->stream, &deltas[i]);
    flush_stream(x);
}

static void on_vectors(void *ctx, const struct embed_result *result)
{
    struct elastic_exchange *x = ctx;
    size_t size = result->count * result->dimensions * sizeof(float);
    float *copy = arena_bytes(x->arena, size);
    if (copy == NULL)
        return;
    memcpy(copy, result->vectors, size);
    x->vectors = (struct embed_result){ .vectors = copy, .count = result->count, .dimensions = result->dimensions };
}

static void on_end(void *ctx, const struct engine_end *end)
{
    struct elastic_exchange *x = ctx;
    x->call = NULL;
    loop_timer_cancel(x->timer);
    x->timer = NULL;
    x->stats.input_tokens = end->usage.input_tokens;
    x->stats.output_tokens = end->usage.output_tokens;
    x->stats.cached_tokens = end->usage.cached_tokens;
    x->stats.first_token_us = x->request.kind == MODEL_GENERATE && end->first_token_us > 0 ? end->first_token_us : -1;
    if (end->status != ENGINE_OK)
        set_engine_error(x, end);
    else if (x->request.kind == MODEL_EMBED && x->vectors.count != x->request.embed.text_count)
        error_set(&x->error, 503, ERROR_STATUS, "The server is out of memory.");
    else if (x->streaming)
        stream_end(&x->stream, end);
    if (!x->closed)
        x->finished(x);
    exchange_left(x);
}

/* What runs in a pool thread is short: whoever takes it back sees that it is too late. */
static void ran_out_of_time(void *arg)
{
    struct elastic_exchange *x = arg;
    x->timer = NULL;
    x->timed_out = true;
    if (x->call != NULL || x->upstream != NULL) {
        cancel_call(x);
    } else if (x->waits || limiter_waits(&x->ticket)) {
        limiter_leave(&x->ticket);
        run_late(x);
    }
}

void run_late(struct elastic_exchange *x)
{
    set_timeout_error(x);
    x->finished(x);
}

struct engine_sink run_sink(struct elastic_exchange *x)
{
    return (struct engine_sink){ .ctx = x, .on_delta = on_deltas, .on_vectors = on_vectors, .on_end = on_end };
}

void run_clock(struct elastic_exchange *x)
{
    if (x->params.has_timeout)
        x->timer = loop_timer_start(x->elastic->options.loop, x->params.timeout_ms, ran_out_of_time, x);
}

static bool resolve(struct elastic_exchange *x, const struct endpoint *endpoint, struct view model)
{
    const char *problem;
    enum aws_status status = models_resolve(x->elastic->options.models, x->arena, model, &x->target, &problem);
    if (status != AWS_OK)
        return error_set(&x->error, status == AWS_SERVICE_UNAVAILABLE ? 503 : 400, ERROR_STATUS, "%s", problem);
    if (x->target.embedding == (endpoint->task == TASK_TEXT_EMBEDDING))
        return true;
    return error_set(&x->error, 400, ERROR_STATUS, "The model [" VIEW_FMT "] cannot be used for the task type [%s]", VIEW_ARG(model),
                     task_name(endpoint->task));
}

void run_engine(struct elastic_exchange *x, const struct endpoint *endpoint, struct view model)
{
    const struct engine_sink sink = run_sink(x);
    struct principal payer;
    if (endpoint->url.len > 0) {
        away_run(x, endpoint, model);
        return;
    }
    if (!check_keys(x, endpoint, &payer) || !resolve(x, endpoint, model)) {
        x->finished(x);
        return;
    }
    x->request.model = x->target.local;
    x->request.priority = PRIORITY_ON_DEMAND;
    x->request.account = payer.account;
    x->request.caller = payer.arn;
    x->request.request_id = x->route.id;
    x->served_by = x->target.served_by;
    x->stats.model_id = model;
    x->stats.served_by = x->served_by;
    answer_init(&x->answer, x->arena);
    exchange_enter(x);
    x->call = engine_submit(x->elastic->options.engine, &x->request, &sink);
    if (x->call == NULL) {
        error_set(&x->error, 503, ERROR_STATUS, "The server is out of memory. Try your request again.");
        x->finished(x);
        exchange_left(x);
    }
}

/* ---- answers ---- */

/* In a pool thread: a thousand vectors take their time to be written. */
static void render_vectors(struct elastic_exchange *x)
{
    struct json_writer out;
    struct arena *scratch = arena_create(1u << 20);
    reply_begin(x, &out);
    json_object(&out);
    json_key(&out, "text_embedding");
    json_array(&out);
    for (size_t i = 0; scratch != NULL && i < x->vectors.count; i++) {
        struct vector vector = vector_fit(scratch, x->vectors.vectors + i * x->vectors.dimensions, x->vectors.dimensions,
                                          (size_t)x->target.family_model.dimensions);
        json_object(&out);
        json_key(&out, "embedding");
        vector_write_float(&out, &vector);
        json_end(&out);
        arena_reset(scratch);
    }
    json_end(&out);
    json_end(&out);
    arena_destroy(scratch);
    if (scratch == NULL || json_writer_failed(&out) || !reply_shape(x))
        error_set(&x->error, 413, ERROR_STATUS, "The answer is larger than this server can hold. Send fewer texts at once.");
}

static void rendered(struct elastic_exchange *x)
{
    if (error_is_set(&x->error))
        reply_error(x);
    else
        reply_send(x, 200);
}

static void infer_finished(struct elastic_exchange *x)
{
    struct json_writer out;
    if (!error_is_set(&x->error) && x->request.kind == MODEL_GENERATE && answer_failed(&x->answer))
        error_set(&x->error, 503, ERROR_STATUS, "The server is out of memory.");
    if (error_is_set(&x->error)) {
        reply_error(x);
    } else if (x->request.kind == MODEL_EMBED) {
        exchange_work(x, render_vectors, rendered);
    } else {
        reply_begin(x, &out);
        completion_write(&x->answer, &out);
        reply_finish(x);
    }
}

static void stream_finished(struct elastic_exchange *x)
{
    if (!error_is_set(&x->error) && (x->stream.failed || buf_failed(&x->reply)))
        error_set(&x->error, 503, ERROR_STATUS, "The server is out of memory.");
    if (error_is_set(&x->error)) {
        reply_error(x);
        return;
    }
    flush_stream(x);
    reply_end_stream(x);
}

/* ---- requests ---- */

static bool check_task(struct elastic_exchange *x)
{
    enum elastic_task asked = x->route.task, task = x->found->task;
    if (asked != TASK_ANY && asked != task)
        return error_set(&x->error, 400, ERROR_STATUS, "Incompatible task_type, the requested type [%s] does not match the model type [%s]",
                         task_name(asked), task_name(task));
    if (x->streaming && task == TASK_TEXT_EMBEDDING)
        return error_set(&x->error, 405, ERROR_STATUS,
                         "Streaming is not allowed for service [" ELASTIC_SERVICE "] and task [text_embedding]. Supported tasks: "
                         "[completion,chat_completion]");
    if (!x->streaming && task == TASK_CHAT_COMPLETION)
        return error_set(&x->error, 400, ERROR_STATUS,
                         "Inference entity [" VIEW_FMT "] does not support task type [chat_completion] for inference, the task type "
                         "must be one "
                         "of [text_embedding, completion]. The task type for the inference entity is chat_completion, please use the "
                         "_inference/chat_completion/" VIEW_FMT "/_stream URL.",
                         VIEW_ARG(x->found->id), VIEW_ARG(x->found->id));
    return true;
}

static bool read_request(struct elastic_exchange *x)
{
    model_request_init(&x->request);
    x->stream.model = x->found->model;
    if (x->found->task == TASK_CHAT_COMPLETION)
        return chat_read(x->body, x->found, &x->error, &x->request, &x->stream.model);
    return infer_read(x->body, x->found, &x->error, &x->request);
}

static void go(struct elastic_exchange *x)
{
    run_engine(x, x->found, x->stream.model);
}

static void queue_full(struct elastic_exchange *x)
{
    error_set(&x->error, 429, ERROR_REJECTED,
              "Failed to execute task for inference id [" VIEW_FMT "] because the request service [inference_utility_pool] queue is full",
              VIEW_ARG(x->found->id));
}

static void turn_came(void *arg, enum limiter_verdict verdict)
{
    struct elastic_exchange *x = arg;
    if (verdict == LIMITER_TIMEOUT) {
        run_late(x);
    } else {
        go(x);
    }
}

void run_in_turn(struct elastic_exchange *x)
{
    x->ticket = (struct limiter_ticket){ .called = turn_came, .arg = x };
    enum limiter_verdict verdict = limiter_enter(x->elastic->limiter, x->found->credentials, x->found->requests_per_minute,
                                                 x->params.timeout_ms, &x->ticket);
    if (verdict == LIMITER_FULL) {
        queue_full(x);
        reply_error(x);
    } else if (verdict == LIMITER_GO) {
        go(x);
    }
}

static void start(struct elastic_exchange *x)
{
    if (check_task(x) && read_request(x)) {
        run_clock(x);
        run_in_turn(x);
    } else {
        reply_error(x);
    }
}

void run_inference(struct elastic_exchange *x)
{
    x->finished = infer_finished;
    start(x);
}

void run_stream(struct elastic_exchange *x)
{
    char uuid[UUID_SIZE];
    uuid_v4(uuid);
    x->finished = stream_finished;
    x->streaming = true;
    buf_init(&x->reply, REPLY_MAX);
    x->stream = (struct infer_stream){
        .out = &x->reply,
        .chat = x->found->task == TASK_CHAT_COMPLETION,
        .id = view_from_cstr(arena_printf(x->arena, "chatcmpl-%s", uuid)),
    };
    start(x);
}

void run_closed(struct elastic_exchange *x)
{
    limiter_leave(&x->ticket);
    cancel_call(x);
}

void run_writable(struct elastic_exchange *x)
{
    pause_call(x, false);
}

void run_cleanup(struct elastic_exchange *x)
{
    loop_timer_cancel(x->timer);
    x->timer = NULL;
    upstream_destroy(x->upstream);
    upstream_destroy(x->prepared);
    x->upstream = x->prepared = NULL;
    if (x->answer.arena != NULL)
        answer_free(&x->answer);
}
