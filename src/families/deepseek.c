/* families/deepseek.c - DeepSeek: R1's prompt body, and the chat body of V3.1 and later. */
#include "families/dialect.h"
#include "families/families.h"
#include "families/openai_body.h"

#define DEFAULT_MAX_TOKENS 8192
#define MAX_TOKENS         32768

#define SHARED_MEMBERS                                      \
    MEMBER("max_tokens", OPTIONAL, INTEGER(1, 1e9)),        \
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),          \
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),                \
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED)

static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member prompt_members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("stop", OPTIONAL, ARRAY_OF(stop, 0, 10)),
    SHARED_MEMBERS,
    MEMBERS_END
};
static const struct schema_member chat_members[] = {
    MEMBER("messages", REQUIRED, OPENAI_MESSAGES),
    MEMBER("stop", OPTIONAL, OPENAI_STOP),
    MEMBER("tools", OPTIONAL, OPENAI_TOOLS),
    MEMBER("tool_choice", OPTIONAL, OPENAI_CHOICE),
    MEMBER("response_format", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL),
    SHARED_MEMBERS,
    MEMBERS_END
};
static const struct schema prompt_schema = { OBJECT_OF(prompt_members) };
static const struct schema chat_schema = { OBJECT_OF(chat_members) };

static const struct openai_style style = { .reason_key = "finish_reason", .envelope = true, .usage = true, .tool_type = true };

/* R1's prompt ends in an open <think>, so its text begins with thoughts and closes them. */
static const struct view end_of_thoughts = VIEW_INIT("\n</think>\n\n");

struct deepseek_state {                                     /* left by parse for the prompt body alone */
    bool thinking;                                          /* of a stream: thoughts have been sent and not closed */
};

/* A conversation that came by another door leaves no state and is answered as chat. */
static bool is_prompt(const struct family_stream *stream)
{
    return stream->parse_state != NULL;
}

static enum aws_status deepseek_parse(struct family_input *in, struct model_request *out)
{
    struct generate_request *generate = &out->generate;
    const struct json *body = native_json(in);
    bool chat = json_get(body, "messages") != NULL;
    if (body == NULL || !native_check(in, chat ? &chat_schema : &prompt_schema, body))
        return AWS_VALIDATION;
    if (chat) {
        if (!openai_conversation(in, body, generate))
            return AWS_VALIDATION;
    } else {
        dialect_prompt(in, DIALECT_DEEPSEEK, json_get_string(body, "prompt"), generate);
        in->state = ARENA_NEW(in->arena, struct deepseek_state);
    }
    if (!native_max_tokens(in, body, "max_tokens", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    generate->sampling.temperature = native_float(body, "temperature", 0.6f);
    generate->sampling.top_p = native_float(body, "top_p", 0.95f);
    native_stops(in, json_get(body, "stop"), VIEW(""), generate);
    return native_done(in);
}

static void write_choice(struct json_writer *out, struct view text, const struct engine_end *end)
{
    json_key(out, "choices");
    json_array(out);
    json_object(out);
    json_put_string(out, "text", text);
    json_put_cstr(out, "stop_reason", end != NULL ? openai_reason(end) : NULL);
    json_end(out);
    json_end(out);
}

static void deepseek_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    if (!is_prompt(stream)) {
        openai_result(&style, stream, result, reply);
        return;
    }
    struct view text = result->text;
    if (result->reasoning.len > 0) {
        struct gathered whole = { .ptr = NULL };
        gathered_add(&whole, stream->arena, result->reasoning);
        gathered_add(&whole, stream->arena, end_of_thoughts);
        stream->failed |= !gathered_add(&whole, stream->arena, result->text);
        text = view_of(whole.ptr, whole.len);
    }
    json_object(reply);
    write_choice(reply, text, result->end);
    json_end(reply);
}

static void deepseek_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)begin;
    if (!is_prompt(stream))
        openai_begin(&style, stream, out);
}

static void send_text(struct family_stream *stream, struct view text, struct chunk_sink *out)
{
    struct json_writer chunk = chunk_open(stream);
    write_choice(&chunk, text, NULL);
    chunk_close(stream, &chunk, out);
}

static void deepseek_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    if (!is_prompt(stream)) {
        openai_delta(&style, stream, delta, out);
        return;
    }
    struct deepseek_state *state = stream->parse_state;
    if ((delta->type != GEN_TEXT && delta->type != GEN_REASONING) || delta->text.len == 0)
        return;
    if (delta->type == GEN_TEXT && state->thinking)
        send_text(stream, end_of_thoughts, out);
    state->thinking = delta->type == GEN_REASONING;
    send_text(stream, delta->text, out);
}

static void deepseek_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                         struct chunk_sink *out)
{
    if (!is_prompt(stream)) {
        openai_end(&style, stream, end, metrics, out);
        return;
    }
    struct json_writer chunk = chunk_open(stream);
    write_choice(&chunk, VIEW(""), end);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_deepseek = {
    .name = "deepseek",
    .parse = deepseek_parse,
    .result = deepseek_result,
    .stream = { deepseek_begin, deepseek_delta, deepseek_end },
};
