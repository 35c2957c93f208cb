/* engine/remote_reply.c - see remote.h. */
#include "engine/remote.h"

#include "base/encode.h"

#include <math.h>
#include <stdio.h>

#define MESSAGE_SIZE  256
#define EVENT_DEPTH   64
#define TOOL_CALLS_MAX 128

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

static bool mentions(struct view text, const char *word)
{
    return view_find(text, view_from_cstr(word)) != VIEW_NPOS;
}

/* {"error": {"message", "type", "code"}}, or the same without the envelope. */
static struct view error_text(const struct json *body, struct view *kind)
{
    const struct json *error = json_get(body, "error");
    if (!json_is(error, JSON_OBJECT)) {
        *kind = json_get_string(body, "code");
        return json_is(error, JSON_STRING) ? json_string(error) : json_get_string(body, "message");
    }
    *kind = json_get_string(error, "code");
    if (kind->len == 0)
        *kind = json_get_string(error, "type");
    return json_get_string(error, "message");
}

static bool is_about_length(struct view text, struct view kind)
{
    return mentions(kind, "context_length") || mentions(kind, "exceed_context") || mentions(text, "maximum context length") ||
           mentions(text, "exceeds the available context size");
}

static enum engine_status status_of(int status, struct view text, struct view kind)
{
    if (status == 429)
        return ENGINE_THROTTLED;
    if (status == 503)
        return ENGINE_OVERLOADED;                           /* it loads its model, or has too much to do: worth another try */
    if (status == 408 || status == 504)
        return ENGINE_TIMEOUT;
    if (status == 401 || status == 403 || status == 404)
        return ENGINE_MODEL_ERROR;                          /* the server's configuration is wrong, not the caller's request */
    if (status >= 400 && status < 500)
        return is_about_length(text, kind) ? ENGINE_TOO_LONG : ENGINE_INVALID;
    return ENGINE_MODEL_ERROR;
}

static void fail(struct engine_end *end, enum engine_status status, int http_status, struct view text, char message[MESSAGE_SIZE])
{
    snprintf(message, MESSAGE_SIZE, VIEW_FMT, VIEW_ARG(view_first(text, MESSAGE_SIZE - 1)));
    *end = (struct engine_end){ .status = status, .message = message, .original_status = http_status };
}

void remote_read_error(struct arena *arena, int status, struct view body, struct engine_end *end, char message[MESSAGE_SIZE])
{
    const struct json *root = json_parse(arena, body, EVENT_DEPTH, NULL);
    struct view kind = VIEW(""), text = error_text(root, &kind);
    if (text.len == 0)
        text = VIEW("The remote model server answered with an error.");
    fail(end, status_of(status, text, kind), status, text, message);
}

/* ---- usage ------------------------------------------------------------------------------------------------------------------ */

static void read_usage(struct remote_reply *reply, const struct json *usage)
{
    struct gen_usage read = { 0 };
    if (!json_get_i64(usage, "prompt_tokens", &read.input_tokens) || read.input_tokens < 0)
        return;
    json_get_i64(usage, "completion_tokens", &read.output_tokens);
    json_get_i64(json_get(usage, "prompt_tokens_details"), "cached_tokens", &read.cached_tokens);
    reply->usage = read;
    reply->has_usage = true;
}

/* ---- deltas ---------------------------------------------------------------------------------------------------------------- */

struct reader {
    struct remote_reply *reply;
    struct arena *scratch;
    remote_emit *emit;
    void *ctx;
};

static void emit(struct reader *in, const struct gen_delta *delta)
{
    if (!in->reply->begun) {
        in->reply->begun = true;
        in->emit(in->ctx, &(struct gen_delta){ .type = GEN_BEGIN,
                                               .input_tokens = in->reply->usage.input_tokens,
                                               .cached_tokens = in->reply->usage.cached_tokens });
    }
    in->emit(in->ctx, delta);
}

/* The best of the candidates that was not chosen. */
static float runner_up(const struct json *candidates, struct view chosen)
{
    double best = -INFINITY, logprob;
    struct json_iter it = json_iter(candidates);
    while (json_next(&it)) {
        if (!view_eq(json_get_string(it.value, "token"), chosen) && json_get_double(it.value, "logprob", &logprob) && logprob > best)
            best = logprob;
    }
    return (float)best;
}

static void read_probs(struct reader *in, const struct json *list, struct gen_delta *delta)
{
    struct token_prob *probs = ARENA_ARRAY(in->scratch, struct token_prob, json_size(list));
    struct json_iter it = json_iter(list);
    while (probs != NULL && json_next(&it)) {
        struct token_prob *prob = &probs[delta->prob_count++];
        double logprob = 0;
        json_get_double(it.value, "logprob", &logprob);
        prob->token = json_get_string(it.value, "token");
        prob->logprob = (float)logprob;
        prob->runner_up = runner_up(json_get(it.value, "top_logprobs"), prob->token);
    }
    delta->probs = probs;
}

static void emit_text(struct reader *in, enum gen_delta_type type, struct view text, const struct json *probs)
{
    struct gen_delta delta = { .type = type, .text = text };
    if (text.len == 0)
        return;
    if (json_size(probs) > 0)
        read_probs(in, probs, &delta);
    emit(in, &delta);
}

static bool read_tool_call(struct reader *in, const struct json *call)
{
    const struct json *function = json_get(call, "function");
    struct view id = json_get_string(call, "id"), name = json_get_string(function, "name");
    struct view arguments = json_get_string(function, "arguments");
    int64_t index = in->reply->tool_calls > 0 ? in->reply->tool_calls - 1 : 0;
    json_get_i64(call, "index", &index);
    if (index < 0 || index > in->reply->tool_calls || index >= TOOL_CALLS_MAX)
        return false;
    if (index == in->reply->tool_calls) {
        char made_up[24];
        if (id.len == 0) {
            random_id(made_up, 22, "0123456789abcdefghijklmnopqrstuvwxyz");
            id = view_of(made_up, 22);
        }
        in->reply->tool_calls++;
        emit(in, &(struct gen_delta){ .type = GEN_TOOL_START, .tool_index = (unsigned)index, .id = id, .name = name });
    }
    if (arguments.len > 0)
        emit(in, &(struct gen_delta){ .type = GEN_TOOL_ARGUMENTS, .tool_index = (unsigned)index, .text = arguments });
    return true;
}

static void read_finish(struct remote_reply *reply, const struct json *choice)
{
    struct view reason = json_get_string(choice, "finish_reason"), stop = json_get_string(choice, "stop_reason");
    if (reason.len == 0)
        return;
    if (stop.len == 0)
        stop = json_get_string(choice, "matched_stop");     /* SGLang's name for vLLM's stop_reason */
    reply->finished = true;
    reply->reason = view_is(reason, "length") ? GEN_MAX_TOKENS : GEN_END;
    if (view_is(reason, "tool_calls") || view_is(reason, "function_call") ||
        (reply->reason == GEN_END && reply->tool_calls > 0)) {
        reply->reason = GEN_TOOL_USE;
    } else if (reply->reason == GEN_END && stop.len > 0 && stop.len <= sizeof reply->stop) {
        reply->reason = GEN_STOP_SEQUENCE;
        memcpy(reply->stop, stop.ptr, stop.len);
        reply->stop_len = stop.len;
    }
}

static bool read_choice(struct reader *in, const struct json *choice)
{
    const struct json *delta = json_get(choice, "delta"), *logprobs = json_get(choice, "logprobs");
    struct view reasoning = json_get_string(delta, "reasoning_content");
    emit_text(in, GEN_REASONING, reasoning.len > 0 ? reasoning : json_get_string(delta, "reasoning"), NULL);
    emit_text(in, GEN_TEXT, json_get_string(delta, "content"), json_get(logprobs, "content"));
    emit_text(in, GEN_TEXT, json_get_string(choice, "text"), NULL);     /* of /completions */
    struct json_iter it = json_iter(json_get(delta, "tool_calls"));
    while (json_next(&it)) {
        if (!read_tool_call(in, it.value))
            return false;
    }
    read_finish(in->reply, choice);
    return true;
}

bool remote_reply_event(struct remote_reply *reply, struct arena *scratch, struct view data, remote_emit *emit_to, void *ctx,
                        struct engine_end *error, char message[MESSAGE_SIZE])
{
    struct reader in = { reply, scratch, emit_to, ctx };
    const struct json *root = json_parse(scratch, data, EVENT_DEPTH, NULL);
    if (!json_is(root, JSON_OBJECT)) {
        fail(error, ENGINE_MODEL_ERROR, 200, VIEW("The remote model server sent an event that is no JSON object."), message);
        return false;
    }
    if (json_get(root, "error") != NULL) {
        remote_read_error(scratch, 500, data, error, message);
        return false;
    }
    read_usage(reply, json_get(root, "usage"));
    const struct json *choice = json_at(json_get(root, "choices"), 0);
    if (choice == NULL || read_choice(&in, choice))
        return true;
    fail(error, ENGINE_MODEL_ERROR, 200, VIEW("The remote model server sent a tool call out of order."), message);
    return false;
}

void remote_reply_end(const struct remote_reply *reply, struct engine_end *end)
{
    *end = (struct engine_end){ .status = ENGINE_MODEL_ERROR, .original_status = 200 };
    if (!reply->finished) {
        end->message = "The remote model server's answer ended early.";
    } else if (!reply->has_usage) {
        end->message = "The remote model server reported no token usage.";
    } else {
        end->status = ENGINE_OK;
        end->message = "";
        end->reason = reply->reason;
        end->stop = view_of(reply->stop, reply->stop_len);
        end->usage = reply->usage;
    }
}

/* ---- embeddings ------------------------------------------------------------------------------------------------------------ */

static bool read_row(const struct json *embedding, size_t dimensions, float *row)
{
    if (json_size(embedding) != dimensions)
        return false;
    struct json_iter it = json_iter(embedding);
    for (size_t i = 0; json_next(&it); i++) {
        double number;
        if (!json_to_double(it.value, &number))
            return false;
        row[i] = (float)number;
    }
    return true;
}

static bool read_rows(struct arena *arena, const struct json *data, size_t count, struct embed_result *result)
{
    size_t dimensions = json_size(json_get(json_at(data, 0), "embedding"));
    if (json_size(data) != count || dimensions == 0 || dimensions > SIZE_MAX / sizeof(float) / (count + 1))
        return false;
    float *rows = arena_array(arena, count * dimensions, sizeof *rows);
    bool *seen = arena_array(arena, count, sizeof *seen);
    struct json_iter it = json_iter(data);
    for (size_t i = 0; rows != NULL && seen != NULL && json_next(&it); i++) {
        int64_t index = (int64_t)i;
        json_get_i64(it.value, "index", &index);
        if (index < 0 || (size_t)index >= count || seen[index] ||
            !read_row(json_get(it.value, "embedding"), dimensions, rows + (size_t)index * dimensions))
            return false;
        seen[index] = true;
    }
    *result = (struct embed_result){ .vectors = rows, .count = count, .dimensions = dimensions };
    return rows != NULL && seen != NULL;
}

bool remote_read_embeddings(struct arena *arena, struct view body, size_t count, struct embed_result *result,
                            struct gen_usage *usage, char message[MESSAGE_SIZE])
{
    const struct json *root = json_parse(arena, body, EVENT_DEPTH, NULL);
    struct remote_reply reply = { 0 };
    read_usage(&reply, json_get(root, "usage"));
    int32_t *counts = ARENA_ARRAY(arena, int32_t, count);
    if (count == 0 || counts == NULL || !read_rows(arena, json_get(root, "data"), count, result)) {
        snprintf(message, MESSAGE_SIZE, "The remote model server's answer does not hold the embeddings.");
        return false;
    }
    if (!reply.has_usage || reply.usage.input_tokens > INT32_MAX) {
        snprintf(message, MESSAGE_SIZE, "The remote model server reported no token usage.");
        return false;
    }
    counts[0] = (int32_t)reply.usage.input_tokens;
    result->token_counts = counts;
    *usage = reply.usage;
    return true;
}
