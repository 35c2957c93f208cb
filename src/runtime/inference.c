#include "runtime/inference.h"

#include <stdio.h>

#define LOOP_BODY_MAX (64u << 10)                           /* more is parsed in the pool */

struct failure {
    enum aws_status status;
    const char *message;                                    /* NULL: the engine's own */
    bool retry;                                             /* Retry-After is sent */
    bool from_model;                                        /* Converse says so before the message */
};

static const struct failure failures[] = {
    [ENGINE_INVALID] = { AWS_VALIDATION, NULL, false, true },
    [ENGINE_TOO_LONG] = { AWS_VALIDATION, "Input is too long for requested model.", false, true },
    [ENGINE_NO_MODEL] = { AWS_RESOURCE_NOT_FOUND, "The model that serves this id has been removed from this server.", false, false },
    [ENGINE_NOT_READY] = { AWS_MODEL_NOT_READY, "The model is being loaded. Try your request again.", true, false },
    [ENGINE_OVERLOADED] = { AWS_SERVICE_UNAVAILABLE, "Too many requests are waiting for this model. Try your request again.", true,
                            false },
    [ENGINE_TIMEOUT] = { AWS_MODEL_TIMEOUT, "Model has timed out in processing the request. Try your request again.", false, false },
    [ENGINE_MODEL_ERROR] = { AWS_MODEL_ERROR, NULL, false, false },
    [ENGINE_THROTTLED] = { AWS_THROTTLING, "Too many requests, please wait before trying again.", true, false },
    [ENGINE_CANCELLED] = { AWS_SERVICE_UNAVAILABLE, "The server is shutting down. Try your request again.", true, false },
};

int64_t inference_latency_ms(const struct engine_end *end)
{
    return end->total_us / 1000;
}

bool request_has_cache_points(const struct generate_request *request)
{
    for (size_t i = 0; i < request->message_count; i++) {
        const struct chat_message *message = &request->messages[i];
        for (size_t j = 0; j < message->part_count; j++) {
            if (message->parts[j].cache_point)
                return true;
        }
    }
    return false;
}

/* What a scripted rule asks for, by its name. */
static struct failure asked_failure(const struct engine_end *end)
{
    struct failure failure = { AWS_INTERNAL_SERVER, end->message, failures[end->status].retry, false };
    for (int status = AWS_PENDING + 1; status < AWS_STATUS_COUNT; status++) {
        if (strcmp(aws_status_name((enum aws_status)status), end->error) == 0)
            failure.status = (enum aws_status)status;
    }
    return failure;
}

static void fail(struct inference *inference, const struct engine_end *end)
{
    const struct failure asked = end->error != NULL ? asked_failure(end) : failures[end->status], *failure = &asked;
    const char *message = failure->message != NULL ? failure->message
                          : end->message != NULL   ? end->message
                                                   : "The system encountered an unexpected error during processing. "
                                                     "Try your request again.";
    const char *prefix = failure->from_model ? inference->error_prefix : "";
    if (inference->streamed) {
        bool broken = failure->status == AWS_MODEL_ERROR;
        call_stream_exception(inference->call, broken ? AWS_MODEL_STREAM_ERROR : failure->status, message);
        return;
    }
    if (failure->retry)
        call_reply_header(inference->call, "Retry-After", VIEW("1"));
    call_fail_later(inference->call, failure->status, "%s%s", prefix, message);
}

static void note_stats(struct inference *inference, const struct engine_end *end)
{
    struct call_stats *stats = call_stats(inference->call);
    stats->input_tokens = end->usage.input_tokens;
    stats->output_tokens = end->usage.output_tokens;
    stats->cached_tokens = end->usage.cached_tokens;
    stats->first_token_us = end->first_token_us;
}

static void deltas_arrived(void *ctx, const struct gen_delta *deltas, size_t count)
{
    struct inference *inference = ctx;
    if (inference->on_deltas != NULL)
        inference->on_deltas(inference, deltas, count);
}

static void vectors_arrived(void *ctx, const struct embed_result *result)
{
    struct inference *inference = ctx;
    if (inference->on_vectors != NULL)
        inference->on_vectors(inference, result);
}

static void ended(void *ctx, const struct engine_end *end)
{
    struct inference *inference = ctx;
    inference->engine_call = NULL;
    if (end->status == ENGINE_OK) {
        note_stats(inference, end);
        inference->on_done(inference, end);
    } else {
        fail(inference, end);
    }
}

static void client_gone(struct call *call, void *arg)
{
    struct inference *inference = arg;
    (void)call;
    if (inference->engine_call != NULL)
        engine_cancel(inference->engine_call);
}

static void client_reads(struct call *call, void *arg)
{
    struct inference *inference = arg;
    (void)call;
    if (inference->engine_call != NULL)
        engine_pause(inference->engine_call, false);
}

static bool is_prompt_arn(struct view id)
{
    return view_starts_with(id, VIEW("arn:")) && view_find(id, VIEW(":prompt/")) != VIEW_NPOS;
}

struct inference *inference_create(struct call *call, enum aws_status *status)
{
    struct runtime *runtime = call_context(call);
    struct view id = call_label(call, "modelId");
    struct inference *inference = ARENA_NEW(call_arena(call), struct inference);
    if (inference == NULL) {
        *status = call_fail(call, AWS_INTERNAL_SERVER, "The server is out of memory.");
        return NULL;
    }
    if (is_prompt_arn(id)) {
        *status = call_fail(call, AWS_VALIDATION, "This server has no prompt resources yet. Use a model id instead of a prompt ARN.");
        return NULL;
    }
    inference->call = call;
    inference->error_prefix = "";
    call_stats(call)->model_id = id;
    const char *problem;
    *status = models_resolve(runtime->models, call_arena(call), id, &inference->target, &problem);
    if (*status != AWS_OK) {
        call_fail(call, *status, "%s", problem);
        return NULL;
    }
    call_stats(call)->served_by = inference->target.served_by;

    const struct principal *principal = call_principal(call);
    struct model_request *request = &inference->request;
    model_request_init(request);
    request->model = inference->target.local;
    request->priority = call_is_batch(call) ? PRIORITY_BATCH : PRIORITY_ON_DEMAND;
    request->account = principal->account;
    request->caller = principal->arn;
    request->request_id = call_request_id(call);
    return inference;
}

static enum aws_status submit(struct inference *inference)
{
    struct call *call = inference->call;
    struct runtime *runtime = call_context(call);
    struct engine_sink sink = {
        .ctx = inference, .on_delta = deltas_arrived, .on_vectors = vectors_arrived, .on_end = ended
    };
    inference->cache_points = request_has_cache_points(&inference->request.generate);
    inference->engine_call = engine_submit(runtime->engine, &inference->request, &sink);
    if (inference->engine_call == NULL)
        return call_fail(call, AWS_SERVICE_UNAVAILABLE, "The server is out of memory. Try your request again.");
    call_on_gone(call, client_gone, inference);
    call_on_writable(call, client_reads, inference);
    return AWS_PENDING;
}

static void parse_work(void *arg)
{
    struct inference *inference = arg;
    inference->parsed = inference->parse(inference);
}

static void parse_done(void *arg)
{
    struct inference *inference = arg;
    enum aws_status status = inference->parsed;
    if (status == AWS_OK && call_gone(inference->call))
        status = call_fail(inference->call, AWS_SERVICE_UNAVAILABLE, "The client has gone.");
    if (status == AWS_OK)
        status = submit(inference);
    if (status != AWS_PENDING)
        call_finish(inference->call);                       /* sends the failure */
}

enum aws_status inference_run(struct inference *inference)
{
    struct call *call = inference->call;
    struct runtime *runtime = call_context(call);
    if (call_body_bytes(call).len > LOOP_BODY_MAX) {
        if (loop_work(runtime->loop, parse_work, parse_done, inference))
            return AWS_PENDING;
        return call_fail(call, AWS_SERVICE_UNAVAILABLE, "The server is too busy. Try your request again.");
    }
    enum aws_status status = inference->parse(inference);
    return status == AWS_OK ? submit(inference) : status;
}

static void number_header(struct call *call, const char *name, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%lld", (long long)number);
    call_reply_header(call, name, view_of(text, (size_t)len));
}

void inference_headers(struct inference *inference, const struct reported_usage *usage, const struct engine_end *end)
{
    struct call *call = inference->call;
    call_reply_header(call, "x-craton-served-by", inference->target.served_by);
    if (usage == NULL)
        return;
    number_header(call, "x-amzn-bedrock-invocation-latency", inference_latency_ms(end));
    number_header(call, "x-amzn-bedrock-input-token-count", usage->input);
    number_header(call, "x-amzn-bedrock-output-token-count", usage->output);
    number_header(call, "x-amzn-bedrock-cache-read-input-token-count", usage->cache_read);
    number_header(call, "x-amzn-bedrock-cache-write-input-token-count", usage->cache_write);
}

void inference_event(struct inference *inference, const char *type, struct view json)
{
    if (!inference->streamed) {
        inference->streamed = true;
        inference_headers(inference, NULL, NULL);
        call_stream_start(inference->call);
    }
    if (!call_stream_event(inference->call, type, json) && inference->engine_call != NULL)
        engine_pause(inference->engine_call, true);
}
