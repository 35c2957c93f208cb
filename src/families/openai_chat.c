/* families/openai_chat.c - the bodies of Qwen, gpt-oss and other open-weight models, of imported models, and of this server's own
 * model names: OpenAI's chat with "messages", OpenAI's completion with "prompt", or Llama's with "prompt" and "max_gen_len".
 *
 * "reasoning_effort", "user" and "metadata" are accepted and change nothing.
 */
#include "families/dialect.h"
#include "families/families.h"
#include "families/openai_body.h"

#define DEFAULT_MAX_TOKENS            4096
#define DEFAULT_COMPLETION_MAX_TOKENS 512
#define MAX_TOKENS                    131072

#define SHARED_MEMBERS                                                              \
    MEMBER("model", OPTIONAL, TEXT(0, 0)),                                          \
    MEMBER("max_tokens", OPTIONAL, .types = SCHEMA_INTEGER | SCHEMA_NULL, .bounded = true, .min = 1, .max = 1e9), \
    MEMBER("temperature", OPTIONAL, NUMBER(0, 2)),                                  \
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),                                        \
    MEMBER("top_k", OPTIONAL, INTEGER(-1, 1e6)),                                    \
    MEMBER("min_p", OPTIONAL, NUMBER(0, 1)),                                        \
    MEMBER("stop", OPTIONAL, OPENAI_STOP),                                          \
    MEMBER("stream", OPTIONAL, .types = SCHEMA_BOOLEAN | SCHEMA_NULL),              \
    MEMBER("stream_options", OPTIONAL, ANY_OBJECT), /* usage is always on the last chunk */ \
    MEMBER("n", OPTIONAL, ONLY("1")),                                               \
    MEMBER("seed", OPTIONAL, .types = SCHEMA_INTEGER | SCHEMA_NULL, .bounded = true, .min = 0, .max = 4294967295.0), \
    MEMBER("frequency_penalty", OPTIONAL, NUMBER(-2, 2)),                           \
    MEMBER("presence_penalty", OPTIONAL, NUMBER(-2, 2)),                            \
    MEMBER("repetition_penalty", OPTIONAL, NUMBER(0.01, 10)),                       \
    MEMBER("logit_bias", OPTIONAL, ONLY("{}")),                                     \
    MEMBER("user", OPTIONAL, TEXT(0, 0)),                                           \
    MEMBER("metadata", OPTIONAL, ANY_OBJECT),                                       \
    MEMBER("store", OPTIONAL, ONLY("false")),                                       \
    MEMBER("structured_outputs", OPTIONAL, UNSUPPORTED),                            \
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED)

static const char *const efforts[] = { "none", "minimal", "low", "medium", "high", NULL };

static const struct schema_member chat_members[] = {
    MEMBER("messages", REQUIRED, OPENAI_MESSAGES),
    MEMBER("max_completion_tokens", OPTIONAL, .types = SCHEMA_INTEGER | SCHEMA_NULL, .bounded = true, .min = 1, .max = 1e9),
    MEMBER("reasoning_effort", OPTIONAL, ONE_OF(efforts)),
    MEMBER("tools", OPTIONAL, OPENAI_TOOLS),
    MEMBER("tool_choice", OPTIONAL, OPENAI_CHOICE),
    MEMBER("parallel_tool_calls", OPTIONAL, ONLY("true")),
    MEMBER("response_format", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL),
    MEMBER("logprobs", OPTIONAL, .types = SCHEMA_BOOLEAN | SCHEMA_NULL),
    MEMBER("top_logprobs", OPTIONAL, ONLY("0")),
    SHARED_MEMBERS,
    MEMBERS_END
};
static const struct schema_member completion_members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("echo", OPTIONAL, ONLY("false")),
    MEMBER("suffix", OPTIONAL, UNSUPPORTED),
    MEMBER("best_of", OPTIONAL, ONLY("1")),
    MEMBER("logprobs", OPTIONAL, ONLY("0")),
    MEMBER("return_logprobs", OPTIONAL, ONLY("false")),
    SHARED_MEMBERS,
    MEMBERS_END
};
static const struct schema chat_schema = { OBJECT_OF(chat_members) };
static const struct schema completion_schema = { OBJECT_OF(completion_members) };

static const struct openai_style style = {
    .reason_key = "finish_reason", .envelope = true, .usage = true, .tool_type = true, .logprobs = true
};

enum body_form { BODY_CHAT, BODY_COMPLETION, BODY_LLAMA };

struct openai_form {
    enum body_form form;
    struct view id;                                         /* of the completion */
    int64_t created;
};

/* A conversation that came by another door is answered as chat. */
static enum body_form form_of(const struct family_stream *stream)
{
    const struct openai_form *state = stream->parse_state;
    return state != NULL ? state->form : BODY_CHAT;
}

/* "model" may repeat the id, and "stream" the operation. */
static bool agrees_with_call(struct family_input *in, const struct json *body)
{
    struct view model = json_get_string(body, "model");
    if (model.len > 0 && !view_eq(model, in->model->id)) {
        native_refuse(in, "The model in the request body must be the one that is called, " VIEW_FMT ".", VIEW_ARG(in->model->id));
        return false;
    }
    if (json_bool(json_get(body, "stream"), in->streaming) != in->streaming) {
        native_refuse(in, in->streaming ? "The stream field must be true, or absent, in a streaming call."
                                        : "The stream field must be false, or absent: use InvokeModelWithResponseStream to stream.");
        return false;
    }
    return true;
}

static bool read_limits(struct family_input *in, const struct json *body, bool chat, struct generate_request *out)
{
    const char *name = native_has(body, "max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
    if (!native_max_tokens(in, body, name, chat ? DEFAULT_MAX_TOKENS : DEFAULT_COMPLETION_MAX_TOKENS, MAX_TOKENS, &out->max_tokens))
        return false;
    out->sampling.temperature = native_float(body, "temperature", 1);
    out->sampling.top_p = native_float(body, "top_p", 1);
    int64_t top_k = native_int(body, "top_k", 0);
    out->sampling.top_k = top_k > 0 ? (int)top_k : 0;
    out->sampling.min_p = native_float(body, "min_p", MODEL_UNSET_FLOAT);
    out->sampling.frequency_penalty = native_float(body, "frequency_penalty", MODEL_UNSET_FLOAT);
    out->sampling.presence_penalty = native_float(body, "presence_penalty", MODEL_UNSET_FLOAT);
    out->sampling.repeat_penalty = native_float(body, "repetition_penalty", MODEL_UNSET_FLOAT);
    out->want_logprobs = json_bool(json_get(body, "logprobs"), false);
    native_seed(body, &out->sampling);
    native_stops(in, json_get(body, "stop"), VIEW(""), out);
    return true;
}

static enum aws_status openai_chat_parse(struct family_input *in, struct model_request *out)
{
    struct openai_form *state = ARENA_NEW(in->arena, struct openai_form);
    const struct json *body = native_json(in);
    if (body == NULL || state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    bool prompt = json_get(body, "prompt") != NULL && json_get(body, "messages") == NULL;
    state->form = !prompt ? BODY_CHAT : json_get(body, "max_gen_len") != NULL ? BODY_LLAMA : BODY_COMPLETION;
    in->state = state;
    if (state->form == BODY_LLAMA)
        return family_llama.parse(in, out);

    if (!native_check(in, prompt ? &completion_schema : &chat_schema, body) || !agrees_with_call(in, body))
        return AWS_VALIDATION;
    if (prompt)
        dialect_prompt(in, DIALECT_HEADERS | DIALECT_INST | DIALECT_DEEPSEEK, json_get_string(body, "prompt"), &out->generate);
    else if (!openai_conversation(in, body, &out->generate))
        return AWS_VALIDATION;
    if (!read_limits(in, body, !prompt, &out->generate))
        return AWS_VALIDATION;
    return native_done(in);
}

/* ---- completions ---- */

static void write_completion(struct family_stream *stream, struct json_writer *out, struct view text, const struct engine_end *end)
{
    struct openai_form *state = stream->parse_state;
    if (state->id.len == 0) {
        state->id = native_id(stream->arena, "cmpl-");
        state->created = clock_wall_ms(stream->clock) / 1000;
    }
    json_put_string(out, "id", state->id);
    json_put_cstr(out, "object", "text_completion");
    json_put_i64(out, "created", state->created);
    json_put_string(out, "model", stream->model->id);
    json_key(out, "choices");
    json_array(out);
    json_object(out);
    json_put_i64(out, "index", 0);
    json_put_string(out, "text", text);
    json_put_cstr(out, "logprobs", NULL);
    json_put_cstr(out, "finish_reason", end != NULL ? openai_reason(end) : NULL);
    json_end(out);
    json_end(out);
    if (end != NULL)
        openai_usage(out, end);
}

/* ---- the writer ---- */

static void openai_chat_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    switch (form_of(stream)) {
    case BODY_CHAT:
        openai_result(&style, stream, result, reply);
        break;
    case BODY_COMPLETION:
        json_object(reply);
        write_completion(stream, reply, result->text, result->end);
        json_end(reply);
        break;
    case BODY_LLAMA:
        family_llama.result(stream, result, reply);
        break;
    }
}

static void openai_chat_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    if (form_of(stream) == BODY_CHAT)
        openai_begin(&style, stream, out);
    else if (form_of(stream) == BODY_LLAMA)
        family_llama.stream.begin(stream, begin, out);
}

static void openai_chat_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    enum body_form form = form_of(stream);
    if (form == BODY_CHAT) {
        openai_delta(&style, stream, delta, out);
    } else if (form == BODY_LLAMA) {
        family_llama.stream.delta(stream, delta, out);
    } else if (delta->type == GEN_TEXT && delta->text.len > 0) {
        struct json_writer chunk = chunk_open(stream);
        write_completion(stream, &chunk, delta->text, NULL);
        chunk_close(stream, &chunk, out);
    }
}

static void openai_chat_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                            struct chunk_sink *out)
{
    enum body_form form = form_of(stream);
    if (form == BODY_CHAT) {
        openai_end(&style, stream, end, metrics, out);
    } else if (form == BODY_LLAMA) {
        family_llama.stream.end(stream, end, metrics, out);
    } else {
        struct json_writer chunk = chunk_open(stream);
        write_completion(stream, &chunk, VIEW(""), end);
        write_metrics(&chunk, metrics);
        chunk_close(stream, &chunk, out);
    }
}

const struct family family_openai_chat = {
    .name = "openai-chat",
    .parse = openai_chat_parse,
    .result = openai_chat_result,
    .stream = { openai_chat_begin, openai_chat_delta, openai_chat_end },
};
