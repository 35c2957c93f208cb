/* families/mistral_chat.c - Mistral's chat body: Large 2407 and later, Pixtral and their kin. */
#include "families/families.h"
#include "families/openai_body.h"

#define DEFAULT_MAX_TOKENS 8192
#define MAX_TOKENS         131072

static const struct schema_member members[] = {
    MEMBER("messages", REQUIRED, OPENAI_MESSAGES),
    MEMBER("max_tokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("stop", OPTIONAL, OPENAI_STOP),
    MEMBER("tools", OPTIONAL, OPENAI_TOOLS),
    MEMBER("tool_choice", OPTIONAL, OPENAI_CHOICE),
    MEMBER("response_format", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL),
    MEMBER("random_seed", OPTIONAL, INTEGER(0, 4294967295.0)),
    MEMBER("seed", OPTIONAL, INTEGER(0, 4294967295.0)),
    MEMBER("safe_prompt", OPTIONAL, ONLY("false")),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

/* The older bodies say stop_reason and nothing of usage; Pixtral and Large 3 are OpenAI's to the letter. */
static const struct openai_style older = { .reason_key = "stop_reason" };
static const struct openai_style newer = { .reason_key = "finish_reason", .envelope = true, .usage = true, .tool_type = true };

static const struct openai_style *style_of(const struct family_stream *stream)
{
    return view_starts_with(stream->model->id, VIEW("mistral.mistral-large-240")) ? &older : &newer;
}

static enum aws_status mistral_chat_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct generate_request *generate = &out->generate;
    if (body == NULL || !openai_conversation(in, body, generate) ||
        !native_max_tokens(in, body, "max_tokens", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    int64_t seed = native_int(body, "random_seed", -1);
    generate->sampling.temperature = native_float(body, "temperature", 0.7f);
    generate->sampling.top_p = native_float(body, "top_p", 1);
    generate->sampling.has_seed = seed >= 0;
    generate->sampling.seed = seed >= 0 ? (uint32_t)seed : 0;
    native_seed(body, &generate->sampling);
    native_stops(in, json_get(body, "stop"), VIEW(""), generate);
    return native_done(in);
}

static void mistral_chat_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    openai_result(style_of(stream), stream, result, reply);
}

static void mistral_chat_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)begin;
    openai_begin(style_of(stream), stream, out);
}

static void mistral_chat_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    openai_delta(style_of(stream), stream, delta, out);
}

static void mistral_chat_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                             struct chunk_sink *out)
{
    openai_end(style_of(stream), stream, end, metrics, out);
}

const struct family family_mistral_chat = {
    .name = "mistral-chat",
    .parse = mistral_chat_parse,
    .result = mistral_chat_result,
    .stream = { mistral_chat_begin, mistral_chat_delta, mistral_chat_end },
};
