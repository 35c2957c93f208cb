/* families/openai_write.c - answers in OpenAI's words; see openai_body.h. */
#include "families/openai_body.h"

const char *openai_reason(const struct engine_end *end)
{
    static const char *const words[] = {
        [GEN_END] = "stop",
        [GEN_MAX_TOKENS] = "length",
        [GEN_STOP_SEQUENCE] = "stop",
        [GEN_TOOL_USE] = "tool_calls",
        [GEN_MALFORMED] = "length",
        [GEN_CONTEXT_FULL] = "length",
    };
    return words[end->reason];
}

void openai_usage(struct json_writer *out, const struct engine_end *end)
{
    const struct gen_usage *usage = &end->usage;
    json_key(out, "usage");
    json_object(out);
    json_put_i64(out, "prompt_tokens", usage->input_tokens);
    json_put_i64(out, "completion_tokens", usage->output_tokens);
    json_put_i64(out, "total_tokens", usage->input_tokens + usage->output_tokens);
    if (usage->cached_tokens > 0) {
        json_key(out, "prompt_tokens_details");
        json_object(out);
        json_put_i64(out, "cached_tokens", usage->cached_tokens);
        json_end(out);
    }
    json_end(out);
}

void openai_logprobs(struct json_writer *out, const struct token_prob *probs, size_t count)
{
    json_object(out);
    json_key(out, "content");
    json_array(out);
    for (size_t i = 0; i < count; i++) {
        json_object(out);
        json_put_string(out, "token", probs[i].token);
        json_key(out, "logprob");
        json_write_float(out, probs[i].logprob);
        json_key(out, "top_logprobs");
        json_array(out);
        json_end(out);
        json_end(out);
    }
    json_end(out);
    json_end(out);
}

/* gpt-oss has its thoughts inside the content. */
static bool thinks_aloud(const struct family_stream *stream)
{
    return view_starts_with(stream->model->id, VIEW("openai."));
}

static void write_envelope(const struct openai_style *style, const struct family_stream *stream, struct json_writer *out, struct view id,
                           int64_t created, const char *object)
{
    if (!style->envelope)
        return;
    json_put_string(out, "id", id);
    json_put_cstr(out, "object", object);
    json_put_i64(out, "created", created);
    json_put_string(out, "model", stream->model->id);
}

static int64_t now_seconds(const struct family_stream *stream)
{
    return clock_wall_ms(stream->clock) / 1000;
}

/* ---- one body ---- */

static void write_calls(const struct openai_style *style, const struct gen_result *result, struct json_writer *out)
{
    if (result->tool_call_count == 0)
        return;
    json_key(out, "tool_calls");
    json_array(out);
    for (size_t i = 0; i < result->tool_call_count; i++) {
        const struct gen_tool_call *call = &result->tool_calls[i];
        json_object(out);
        json_put_string(out, "id", call->id);
        if (style->tool_type)
            json_put_cstr(out, "type", "function");
        json_key(out, "function");
        json_object(out);
        json_put_string(out, "name", call->name);
        json_put_string(out, "arguments", call->arguments.len > 0 ? call->arguments : VIEW("{}"));
        json_end(out);
        json_end(out);
    }
    json_end(out);
}

static void write_content(struct family_stream *stream, const struct gen_result *result, struct json_writer *out)
{
    struct view text = result->text;
    if (result->reasoning.len > 0 && thinks_aloud(stream)) {
        struct gathered whole = { .ptr = NULL };
        gathered_add(&whole, stream->arena, VIEW("<reasoning>"));
        gathered_add(&whole, stream->arena, result->reasoning);
        gathered_add(&whole, stream->arena, VIEW("</reasoning>"));
        stream->failed |= !gathered_add(&whole, stream->arena, text);
        text = view_of(whole.ptr, whole.len);
    } else if (result->reasoning.len > 0) {
        json_put_string(out, "reasoning_content", result->reasoning);
    }
    if (text.len == 0 && result->tool_call_count > 0)
        json_put_cstr(out, "content", NULL);
    else
        json_put_string(out, "content", text);
}

void openai_result(const struct openai_style *style, struct family_stream *stream, const struct gen_result *result,
                   struct json_writer *reply)
{
    json_object(reply);
    write_envelope(style, stream, reply, native_id(stream->arena, "chatcmpl-"), now_seconds(stream), "chat.completion");
    json_key(reply, "choices");
    json_array(reply);
    json_object(reply);
    json_put_i64(reply, "index", 0);
    json_key(reply, "message");
    json_object(reply);
    json_put_cstr(reply, "role", "assistant");
    write_content(stream, result, reply);
    write_calls(style, result, reply);
    json_end(reply);
    if (style->logprobs && result->prob_count > 0) {
        json_key(reply, "logprobs");
        openai_logprobs(reply, result->probs, result->prob_count);
    }
    json_put_cstr(reply, style->reason_key, openai_reason(result->end));
    json_end(reply);
    json_end(reply);
    if (style->usage)
        openai_usage(reply, result->end);
    if (style->meta) {
        json_key(reply, "meta");
        json_object(reply);
        json_put_i64(reply, "requestDurationMillis", result->end->total_us / 1000);
        json_end(reply);
    }
    json_end(reply);
}

/* ---- chunks ---- */

struct openai_state {
    struct view id;
    int64_t created;
    bool thinking;                                          /* <reasoning> is open */
};

/* A chunk up to and into its delta. */
static struct json_writer open_delta(const struct openai_style *style, struct family_stream *stream)
{
    const struct openai_state *state = stream->state;
    struct json_writer chunk = chunk_open(stream);
    if (state != NULL)
        write_envelope(style, stream, &chunk, state->id, state->created, "chat.completion.chunk");
    json_key(&chunk, "choices");
    json_array(&chunk);
    json_object(&chunk);
    json_put_i64(&chunk, "index", 0);
    json_key(&chunk, "delta");
    json_object(&chunk);
    return chunk;
}

/* Ends delta, choice and choices. */
static void close_delta(const struct openai_style *style, struct json_writer *chunk, const char *reason)
{
    json_end(chunk);
    json_put_cstr(chunk, style->reason_key, reason);
    json_end(chunk);
    json_end(chunk);
}

void openai_begin(const struct openai_style *style, struct family_stream *stream, struct chunk_sink *out)
{
    struct openai_state *state = ARENA_NEW(stream->arena, struct openai_state);
    if (state == NULL) {
        stream->failed = true;
        return;
    }
    state->id = native_id(stream->arena, "chatcmpl-");
    state->created = now_seconds(stream);
    stream->state = state;
    struct json_writer chunk = open_delta(style, stream);
    json_put_cstr(&chunk, "role", "assistant");
    json_put_cstr(&chunk, "content", "");
    close_delta(style, &chunk, NULL);
    chunk_close(stream, &chunk, out);
}

static void send_text(const struct openai_style *style, struct family_stream *stream, const char *key, struct view text,
                      const struct gen_delta *delta, struct chunk_sink *out)
{
    if (text.len == 0)
        return;
    struct json_writer chunk = open_delta(style, stream);
    json_put_string(&chunk, key, text);
    json_end(&chunk);
    if (style->logprobs && delta != NULL && delta->prob_count > 0) {
        json_key(&chunk, "logprobs");
        openai_logprobs(&chunk, delta->probs, delta->prob_count);
    }
    json_put_cstr(&chunk, style->reason_key, NULL);
    json_end(&chunk);
    json_end(&chunk);
    chunk_close(stream, &chunk, out);
}

static void end_thoughts(const struct openai_style *style, struct family_stream *stream, struct chunk_sink *out)
{
    struct openai_state *state = stream->state;
    if (state == NULL || !state->thinking)
        return;
    state->thinking = false;
    send_text(style, stream, "content", VIEW("</reasoning>"), NULL, out);
}

static void send_thought(const struct openai_style *style, struct family_stream *stream, struct view text, struct chunk_sink *out)
{
    struct openai_state *state = stream->state;
    if (!thinks_aloud(stream)) {
        send_text(style, stream, "reasoning_content", text, NULL, out);
        return;
    }
    if (state != NULL && !state->thinking) {
        state->thinking = true;
        send_text(style, stream, "content", VIEW("<reasoning>"), NULL, out);
    }
    send_text(style, stream, "content", text, NULL, out);
}

static void send_call(const struct openai_style *style, struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    bool start = delta->type == GEN_TOOL_START;
    struct json_writer chunk = open_delta(style, stream);
    json_key(&chunk, "tool_calls");
    json_array(&chunk);
    json_object(&chunk);
    json_put_i64(&chunk, "index", delta->tool_index);
    if (start)
        json_put_string(&chunk, "id", delta->id);
    if (start && style->tool_type)
        json_put_cstr(&chunk, "type", "function");
    json_key(&chunk, "function");
    json_object(&chunk);
    if (start)
        json_put_string(&chunk, "name", delta->name);
    json_put_string(&chunk, "arguments", start ? VIEW("") : delta->text);
    json_end(&chunk);
    json_end(&chunk);
    json_end(&chunk);
    close_delta(style, &chunk, NULL);
    chunk_close(stream, &chunk, out);
}

void openai_delta(const struct openai_style *style, struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    if (delta->type == GEN_BEGIN)
        return;
    if (delta->type == GEN_REASONING) {
        send_thought(style, stream, delta->text, out);
        return;
    }
    end_thoughts(style, stream, out);
    if (delta->type == GEN_TEXT)
        send_text(style, stream, "content", delta->text, delta, out);
    else
        send_call(style, stream, delta, out);
}

void openai_end(const struct openai_style *style, struct family_stream *stream, const struct engine_end *end,
                const struct invocation_metrics *metrics, struct chunk_sink *out)
{
    end_thoughts(style, stream, out);
    struct json_writer chunk = open_delta(style, stream);
    close_delta(style, &chunk, openai_reason(end));
    if (style->usage)
        openai_usage(&chunk, end);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}
