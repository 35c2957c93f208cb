#include "runtime/converse_write.h"

#define EVENT_MAX (16u << 20)

struct reported_usage usage_report(const struct gen_usage *usage, bool cache_points)
{
    struct reported_usage report = { .input = usage->input_tokens, .output = usage->output_tokens };
    if (cache_points) {
        report.cache_read = usage->cached_tokens;
        report.cache_write = usage->cache_write_tokens;
        report.input -= report.cache_read + report.cache_write;
    }
    return report;
}

const char *converse_stop_reason(enum gen_reason reason)
{
    static const char *const words[] = {
        [GEN_END] = "end_turn",
        [GEN_MAX_TOKENS] = "max_tokens",
        [GEN_STOP_SEQUENCE] = "stop_sequence",
        [GEN_TOOL_USE] = "tool_use",
        [GEN_MALFORMED] = "malformed_model_output",
        [GEN_CONTEXT_FULL] = "model_context_window_exceeded",
    };
    return words[reason];
}

static void write_usage(struct json_writer *out, const struct reported_usage *usage)
{
    json_key(out, "usage");
    json_object(out);
    json_put_i64(out, "inputTokens", usage->input);
    json_put_i64(out, "outputTokens", usage->output);
    json_put_i64(out, "totalTokens", usage->input + usage->output + usage->cache_read + usage->cache_write);
    json_put_i64(out, "cacheReadInputTokens", usage->cache_read);
    json_put_i64(out, "cacheWriteInputTokens", usage->cache_write);
    json_end(out);
}

static void write_metrics(struct json_writer *out, int64_t latency_ms)
{
    json_key(out, "metrics");
    json_object(out);
    json_put_i64(out, "latencyMs", latency_ms);
    json_end(out);
}

static void write_additional(struct json_writer *out, struct view fields)
{
    if (fields.len == 0)
        return;
    json_key(out, "additionalModelResponseFields");
    json_write_raw(out, fields);
}

/* ---- one reply ---- */

/* Arguments cut off by the token limit are no JSON: they are handed on as the text they are. */
static void write_arguments(struct json_writer *out, struct arena *arena, struct view arguments)
{
    const struct json *value = json_parse(arena, arguments, JSON_DEPTH_DEFAULT, NULL);
    if (value != NULL) {
        json_write_value(out, value);
    } else if (view_trim(arguments).len == 0) {
        json_object(out);
        json_end(out);
    } else {
        json_write_string(out, arguments);
    }
}

static void write_block(struct json_writer *out, struct arena *arena, const struct answer_block *block)
{
    json_object(out);
    switch (block->type) {
    case ANSWER_TEXT:
        json_put_string(out, "text", buf_view(&block->text));
        break;
    case ANSWER_REASONING:
        json_key(out, "reasoningContent");
        json_object(out);
        json_key(out, "reasoningText");
        json_object(out);
        json_put_string(out, "text", buf_view(&block->text));
        json_end(out);
        json_end(out);
        break;
    case ANSWER_TOOL_CALL:
        json_key(out, "toolUse");
        json_object(out);
        json_put_string(out, "toolUseId", block->id);
        json_put_string(out, "name", block->name);
        json_key(out, "input");
        write_arguments(out, arena, buf_view(&block->text));
        json_end(out);
        break;
    }
    json_end(out);
}

static void write_content(struct json_writer *out, const struct answer *answer)
{
    json_array(out);
    for (size_t i = 0; i < answer->count; i++)
        write_block(out, answer->arena, &answer->blocks[i]);
    if (answer->count == 0) {                               /* callers read content[0].text */
        json_object(out);
        json_put_cstr(out, "text", "");
        json_end(out);
    }
    json_end(out);
}

void converse_write_reply(struct json_writer *out, const struct answer *answer, const struct converse_finish *finish)
{
    json_object(out);
    json_key(out, "output");
    json_object(out);
    json_key(out, "message");
    json_object(out);
    json_put_cstr(out, "role", "assistant");
    json_key(out, "content");
    write_content(out, answer);
    json_end(out);
    json_end(out);
    json_put_cstr(out, "stopReason", converse_stop_reason(finish->reason));
    write_usage(out, &finish->usage);
    write_metrics(out, finish->latency_ms);
    write_additional(out, finish->additional_fields);
    json_end(out);
}

/* ---- a stream of events ---- */

void converse_stream_init(struct converse_stream *stream, struct event_sink sink)
{
    *stream = (struct converse_stream){ .sink = sink };
    buf_init(&stream->scratch, EVENT_MAX);
}

void converse_stream_free(struct converse_stream *stream)
{
    buf_free(&stream->scratch);
}

static struct json_writer begin_event(struct converse_stream *stream)
{
    struct json_writer out;
    buf_clear(&stream->scratch);
    json_writer_init(&out, &stream->scratch);
    json_object(&out);
    return out;
}

static void end_event(struct converse_stream *stream, struct json_writer *out, const char *type)
{
    json_end(out);
    stream->sink.event(stream->sink.ctx, type, buf_view(&stream->scratch));
}

static void start(struct converse_stream *stream)
{
    if (stream->started)
        return;
    stream->started = true;
    struct json_writer out = begin_event(stream);
    json_put_cstr(&out, "role", "assistant");
    end_event(stream, &out, "messageStart");
}

static void close_block(struct converse_stream *stream)
{
    if (stream->open == OPEN_NONE)
        return;
    struct json_writer out = begin_event(stream);
    json_put_i64(&out, "contentBlockIndex", stream->block);
    end_event(stream, &out, "contentBlockStop");
    stream->open = OPEN_NONE;
    stream->block++;
}

static void open_tool(struct converse_stream *stream, const struct gen_delta *delta)
{
    close_block(stream);
    struct json_writer out = begin_event(stream);
    json_key(&out, "start");
    json_object(&out);
    json_key(&out, "toolUse");
    json_object(&out);
    json_put_string(&out, "toolUseId", delta->id);
    json_put_string(&out, "name", delta->name);
    json_end(&out);
    json_end(&out);
    json_put_i64(&out, "contentBlockIndex", stream->block);
    end_event(stream, &out, "contentBlockStart");
    stream->open = OPEN_TOOL;
}

/* Text and reasoning blocks have no start event: they begin with their first delta. */
static void open_plain(struct converse_stream *stream, enum open_block kind)
{
    if (stream->open != kind)
        close_block(stream);
    stream->open = kind;
}

static void send_delta(struct converse_stream *stream, const struct gen_delta *delta)
{
    struct json_writer out = begin_event(stream);
    json_key(&out, "delta");
    json_object(&out);
    if (delta->type == GEN_TEXT) {
        json_put_string(&out, "text", delta->text);
    } else {
        bool reasoning = delta->type == GEN_REASONING;
        json_key(&out, reasoning ? "reasoningContent" : "toolUse");
        json_object(&out);
        json_put_string(&out, reasoning ? "text" : "input", delta->text);
        json_end(&out);
    }
    json_end(&out);
    json_put_i64(&out, "contentBlockIndex", stream->block);
    end_event(stream, &out, "contentBlockDelta");
}

void converse_stream_deltas(struct converse_stream *stream, const struct gen_delta *deltas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct gen_delta *delta = &deltas[i];
        if (delta->type == GEN_BEGIN)
            continue;
        start(stream);
        if (delta->type == GEN_TOOL_START) {
            open_tool(stream, delta);
            continue;
        }
        if (delta->type != GEN_TOOL_ARGUMENTS)
            open_plain(stream, delta->type == GEN_TEXT ? OPEN_TEXT : OPEN_REASONING);
        send_delta(stream, delta);
    }
}

void converse_stream_finish(struct converse_stream *stream, const struct converse_finish *finish)
{
    start(stream);
    if (stream->open == OPEN_NONE && stream->block == 0) {     /* an empty answer still has its text block */
        stream->open = OPEN_TEXT;
        send_delta(stream, &(struct gen_delta){ .type = GEN_TEXT, .text = VIEW("") });
    }
    close_block(stream);

    struct json_writer out = begin_event(stream);
    json_put_cstr(&out, "stopReason", converse_stop_reason(finish->reason));
    write_additional(&out, finish->additional_fields);
    end_event(stream, &out, "messageStop");

    out = begin_event(stream);
    write_usage(&out, &finish->usage);
    write_metrics(&out, finish->latency_ms);
    end_event(stream, &out, "metadata");
}
