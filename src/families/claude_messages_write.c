/* families/claude_messages_write.c - answers in the words of Anthropic's Messages; see claude_messages.h. */
#include "families/claude_messages.h"

static const char *const stop_reasons[] = {
    [GEN_END] = "end_turn",
    [GEN_MAX_TOKENS] = "max_tokens",
    [GEN_STOP_SEQUENCE] = "stop_sequence",
    [GEN_TOOL_USE] = "tool_use",
    [GEN_MALFORMED] = "max_tokens",
    [GEN_CONTEXT_FULL] = "model_context_window_exceeded",
};

static void write_stop(struct json_writer *out, const struct engine_end *end)
{
    json_put_cstr(out, "stop_reason", stop_reasons[end->reason]);
    if (end->reason == GEN_STOP_SEQUENCE)
        json_put_string(out, "stop_sequence", end->stop);
    else
        json_put_cstr(out, "stop_sequence", NULL);
}

/* With cache points in the request, what came from the cache is not counted as input. */
static void write_usage(struct json_writer *out, const struct claude_state *state, int64_t input, int64_t cached, int64_t cache_write,
                        int64_t output)
{
    bool apart = state != NULL && state->cache_points;
    json_key(out, "usage");
    json_object(out);
    json_put_i64(out, "input_tokens", apart ? input - cached - cache_write : input);
    json_put_i64(out, "cache_creation_input_tokens", apart ? cache_write : 0);
    json_put_i64(out, "cache_read_input_tokens", apart ? cached : 0);
    json_put_i64(out, "output_tokens", output);
    json_end(out);
}

/* "claude-3-haiku-20240307" of "anthropic.claude-3-haiku-20240307-v1:0". */
static struct view short_name(struct view id)
{
    if (view_starts_with(id, VIEW("anthropic.")))
        id = view_from(id, strlen("anthropic."));
    size_t version = view_find(id, VIEW("-v1"));
    return view_first(id, version);
}

static void write_head(struct family_stream *stream, struct json_writer *out)
{
    json_put_string(out, "id", native_id(stream->arena, "msg_bdrk_"));
    json_put_cstr(out, "type", "message");
    json_put_cstr(out, "role", "assistant");
    json_put_string(out, "model", short_name(stream->model->id));
}

/* ---- one body ---- */

static void write_call(struct family_stream *stream, const struct gen_tool_call *call, struct json_writer *out)
{
    struct view input;
    if (!native_arguments(stream->arena, call->arguments, &input))
        return;                                             /* cut off in its middle: no call */
    json_object(out);
    json_put_cstr(out, "type", "tool_use");
    json_put_string(out, "id", call->id);
    json_put_string(out, "name", call->name);
    json_key(out, "input");
    json_write_raw(out, input);
    json_end(out);
}

void claude_messages_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    const struct gen_usage *usage = &result->end->usage;
    json_object(reply);
    write_head(stream, reply);
    json_key(reply, "content");
    json_array(reply);
    if (result->text.len > 0) {
        json_object(reply);
        json_put_cstr(reply, "type", "text");
        json_put_string(reply, "text", result->text);
        json_end(reply);
    }
    for (size_t i = 0; i < result->tool_call_count; i++)
        write_call(stream, &result->tool_calls[i], reply);
    json_end(reply);
    write_stop(reply, result->end);
    write_usage(reply, stream->parse_state, usage->input_tokens, usage->cached_tokens, usage->cache_write_tokens, usage->output_tokens);
    json_end(reply);
}

/* ---- chunks ---- */

void claude_messages_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    struct claude_state *state = ARENA_NEW(stream->arena, struct claude_state);
    const struct claude_state *parsed = stream->parse_state;
    if (state == NULL) {
        stream->failed = true;
        return;
    }
    state->cache_points = parsed != NULL && parsed->cache_points;
    stream->state = state;
    struct json_writer chunk = chunk_open(stream);
    json_put_cstr(&chunk, "type", "message_start");
    json_key(&chunk, "message");
    json_object(&chunk);
    write_head(stream, &chunk);
    json_key(&chunk, "content");
    json_array(&chunk);
    json_end(&chunk);
    json_put_cstr(&chunk, "stop_reason", NULL);
    json_put_cstr(&chunk, "stop_sequence", NULL);
    write_usage(&chunk, state, begin->input_tokens > 0 ? begin->input_tokens : 0, begin->cached_tokens, 0, 0);
    json_end(&chunk);
    chunk_close(stream, &chunk, out);
}

static struct json_writer open_event(struct family_stream *stream, const char *type)
{
    const struct claude_state *state = stream->state;
    struct json_writer chunk = chunk_open(stream);
    json_put_cstr(&chunk, "type", type);
    json_put_i64(&chunk, "index", (int64_t)state->blocks - 1);
    return chunk;
}

static void stop_block(struct family_stream *stream, struct chunk_sink *out)
{
    struct claude_state *state = stream->state;
    if (state->open == CLAUDE_NO_BLOCK)
        return;
    struct json_writer chunk = open_event(stream, "content_block_stop");
    chunk_close(stream, &chunk, out);
    state->open = CLAUDE_NO_BLOCK;
}

static void start_text(struct family_stream *stream, struct chunk_sink *out)
{
    struct claude_state *state = stream->state;
    if (state->open == CLAUDE_TEXT_BLOCK)
        return;
    stop_block(stream, out);
    state->open = CLAUDE_TEXT_BLOCK;
    state->blocks++;
    struct json_writer chunk = open_event(stream, "content_block_start");
    json_key(&chunk, "content_block");
    json_object(&chunk);
    json_put_cstr(&chunk, "type", "text");
    json_put_cstr(&chunk, "text", "");
    json_end(&chunk);
    chunk_close(stream, &chunk, out);
}

static void start_tool(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    struct claude_state *state = stream->state;
    stop_block(stream, out);
    state->open = CLAUDE_TOOL_BLOCK;
    state->blocks++;
    struct json_writer chunk = open_event(stream, "content_block_start");
    json_key(&chunk, "content_block");
    json_object(&chunk);
    json_put_cstr(&chunk, "type", "tool_use");
    json_put_string(&chunk, "id", delta->id);
    json_put_string(&chunk, "name", delta->name);
    json_key(&chunk, "input");
    json_object(&chunk);
    json_end(&chunk);
    json_end(&chunk);
    chunk_close(stream, &chunk, out);
}

static void send_delta(struct family_stream *stream, const char *type, const char *key, struct view text, struct chunk_sink *out)
{
    struct json_writer chunk = open_event(stream, "content_block_delta");
    json_key(&chunk, "delta");
    json_object(&chunk);
    json_put_cstr(&chunk, "type", type);
    json_put_string(&chunk, key, text);
    json_end(&chunk);
    chunk_close(stream, &chunk, out);
}

void claude_messages_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    const struct claude_state *state = stream->state;
    if (state == NULL)
        return;
    if (delta->type == GEN_TEXT && delta->text.len > 0) {
        start_text(stream, out);
        send_delta(stream, "text_delta", "text", delta->text, out);
    } else if (delta->type == GEN_TOOL_START) {
        start_tool(stream, delta, out);
    } else if (delta->type == GEN_TOOL_ARGUMENTS && state->open == CLAUDE_TOOL_BLOCK) {
        send_delta(stream, "input_json_delta", "partial_json", delta->text, out);
    }
}

void claude_messages_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                         struct chunk_sink *out)
{
    if (stream->state == NULL)
        return;
    stop_block(stream, out);
    struct json_writer chunk = chunk_open(stream);
    json_put_cstr(&chunk, "type", "message_delta");
    json_key(&chunk, "delta");
    json_object(&chunk);
    write_stop(&chunk, end);
    json_end(&chunk);
    write_usage(&chunk, stream->state, end->usage.input_tokens, end->usage.cached_tokens, end->usage.cache_write_tokens,
                end->usage.output_tokens);
    chunk_close(stream, &chunk, out);

    chunk = chunk_open(stream);
    json_put_cstr(&chunk, "type", "message_stop");
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}
