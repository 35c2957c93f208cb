/* elastic/chat.c - chat_completion: its body, and the events of every stream; see infer.h. */
#include "elastic/infer.h"

#include "families/native.h"
#include "families/openai_body.h"

#define CHUNK_MAX (32u << 20)

/* ---- in ---- */

static const struct schema_member chat_members[] = {
    MEMBER("messages", REQUIRED, OPENAI_MESSAGES),
    MEMBER("model", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("max_completion_tokens", OPTIONAL, .types = SCHEMA_INTEGER | SCHEMA_NULL, .bounded = true, .min = 1, .max = 1 << 30),
    MEMBER("stop", OPTIONAL, OPENAI_STOP),
    MEMBER("temperature", OPTIONAL, .types = SCHEMA_NUMBER | SCHEMA_NULL, .bounded = true, .min = 0, .max = 2),
    MEMBER("top_p", OPTIONAL, .types = SCHEMA_NUMBER | SCHEMA_NULL, .bounded = true, .min = 0, .max = 1),
    MEMBER("tools", OPTIONAL, OPENAI_TOOLS),
    MEMBER("tool_choice", OPTIONAL, OPENAI_CHOICE),
    MEMBERS_END
};
static const struct schema chat_schema = { OBJECT_OF(chat_members) };

static void fill_limits(const struct json *body, const struct endpoint *endpoint, struct generate_request *out)
{
    const struct task_settings *settings = &endpoint->settings;
    out->max_tokens = native_int(body, "max_completion_tokens", settings->max_new_tokens);
    out->sampling.temperature =
        native_float(body, "temperature", settings->temperature >= 0 ? (float)settings->temperature : MODEL_UNSET_FLOAT);
    out->sampling.top_p = native_float(body, "top_p", settings->top_p >= 0 ? (float)settings->top_p : MODEL_UNSET_FLOAT);
}

bool chat_read(const struct json *body, const struct endpoint *endpoint, struct elastic_error *error, struct model_request *out,
               struct view *model)
{
    struct buf problem = BUF_INIT(16384);
    struct family_model no_family = { .id = endpoint->model };
    struct family_input in = { .arena = error->arena, .model = &no_family, .streaming = true, .error = &problem };
    bool ok = schema_check(&chat_schema, body, &problem) && openai_conversation(&in, body, &out->generate);
    if (ok) {
        out->kind = MODEL_GENERATE;
        fill_limits(body, endpoint, &out->generate);
        native_stops(&in, json_get(body, "stop"), VIEW(""), &out->generate);
        *model = native_has(body, "model") ? json_get_string(body, "model") : endpoint->model;
        ok = native_done(&in) == AWS_OK;
    }
    if (!ok)
        error_set(error, 400, ERROR_PARSE, VIEW_FMT, VIEW_ARG(buf_view(&problem)));
    buf_free(&problem);
    return ok;
}

/* ---- events ---- */

static void send_event(struct infer_stream *stream, const char *name, struct json_writer *writer, struct buf *json)
{
    if (json_writer_failed(writer))
        stream->failed = true;
    else
        sse_append(stream->out, view_from_cstr(name), buf_view(json));
    buf_free(json);
}

static void send_text(struct infer_stream *stream, struct view text)
{
    struct buf json = BUF_INIT(CHUNK_MAX);
    struct json_writer out;
    json_writer_init(&out, &json);
    json_object(&out);
    json_key(&out, "completion");
    json_array(&out);
    json_object(&out);
    json_put_string(&out, "delta", text);
    json_end(&out);
    json_end(&out);
    json_end(&out);
    send_event(stream, "message", &out, &json);
}

/* {"id", "choices": [{"delta": { …                                   … and what chunk_close() adds */
static struct json_writer chunk_begin(struct infer_stream *stream, struct buf *json)
{
    struct json_writer out;
    json_writer_init(&out, json);
    json_object(&out);
    json_put_string(&out, "id", stream->id);
    json_key(&out, "choices");
    json_array(&out);
    return out;
}

static void delta_begin(struct infer_stream *stream, struct json_writer *out)
{
    json_object(out);
    json_key(out, "delta");
    json_object(out);
    if (!stream->begun)
        json_put_cstr(out, "role", "assistant");
    stream->begun = true;
}

static void delta_finish(struct json_writer *out, const char *reason)
{
    json_end(out);
    if (reason != NULL)
        json_put_cstr(out, "finish_reason", reason);
    json_put_i64(out, "index", 0);
    json_end(out);
}

static void chunk_finish(struct infer_stream *stream, struct json_writer *out, const struct gen_usage *usage, struct buf *json)
{
    json_end(out);
    json_put_string(out, "model", stream->model);
    json_put_cstr(out, "object", "chat.completion.chunk");
    if (usage != NULL) {
        json_key(out, "usage");
        json_object(out);
        json_put_i64(out, "completion_tokens", usage->output_tokens);
        json_put_i64(out, "prompt_tokens", usage->input_tokens);
        json_put_i64(out, "total_tokens", usage->input_tokens + usage->output_tokens);
        json_end(out);
    }
    json_end(out);
    send_event(stream, "message", out, json);
}

static void write_call(const struct gen_delta *delta, struct json_writer *out)
{
    bool start = delta->type == GEN_TOOL_START;
    json_key(out, "tool_calls");
    json_array(out);
    json_object(out);
    json_put_i64(out, "index", delta->tool_index);
    if (start)
        json_put_string(out, "id", delta->id);
    json_key(out, "function");
    json_object(out);
    json_put_string(out, "arguments", start ? VIEW("") : delta->text);
    if (start)
        json_put_string(out, "name", delta->name);
    json_end(out);
    if (start)
        json_put_cstr(out, "type", "function");
    json_end(out);
    json_end(out);
}

static void send_chunk(struct infer_stream *stream, const struct gen_delta *delta)
{
    struct buf json = BUF_INIT(CHUNK_MAX);
    struct json_writer out = chunk_begin(stream, &json);
    delta_begin(stream, &out);
    if (delta->type == GEN_TEXT)
        json_put_string(&out, "content", delta->text);
    else if (delta->type == GEN_REASONING)
        json_put_string(&out, "reasoning", delta->text);
    else
        write_call(delta, &out);
    delta_finish(&out, NULL);
    chunk_finish(stream, &out, NULL, &json);
}

void stream_delta(struct infer_stream *stream, const struct gen_delta *delta)
{
    if (stream->chat && delta->type != GEN_BEGIN)
        send_chunk(stream, delta);
    else if (delta->type == GEN_TEXT)
        send_text(stream, delta->text);
}

void stream_end(struct infer_stream *stream, const struct engine_end *end)
{
    if (stream->chat) {
        struct buf json = BUF_INIT(CHUNK_MAX);
        struct json_writer out = chunk_begin(stream, &json);
        delta_begin(stream, &out);
        delta_finish(&out, openai_reason(end));
        chunk_finish(stream, &out, NULL, &json);
        out = chunk_begin(stream, &json);
        chunk_finish(stream, &out, &end->usage, &json);
    }
    sse_append(stream->out, VIEW("message"), VIEW("[DONE]"));
}

void stream_error(struct infer_stream *stream, const struct elastic_error *error)
{
    struct buf json = BUF_INIT(CHUNK_MAX);
    struct json_writer out;
    json_writer_init(&out, &json);
    if (stream->chat)
        error_write_unified(error, &out);
    else
        error_write(error, false, &out);
    send_event(stream, "error", &out, &json);
}
