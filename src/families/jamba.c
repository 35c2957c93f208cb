/* families/jamba.c - AI21 Jamba: OpenAI's chat body with its own defaults. */
#include "families/families.h"
#include "families/openai_body.h"

#define DEFAULT_MAX_TOKENS 4096
#define MAX_TOKENS         4096

static const struct schema_member members[] = {
    MEMBER("messages", REQUIRED, OPENAI_MESSAGES),
    MEMBER("max_tokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 2)),
    MEMBER("top_p", OPTIONAL, NUMBER(0.01, 1)),
    MEMBER("stop", OPTIONAL, OPENAI_STOP),
    MEMBER("n", OPTIONAL, ONLY("1")),
    MEMBER("frequency_penalty", OPTIONAL, NUMBER(-2, 2)),
    MEMBER("presence_penalty", OPTIONAL, NUMBER(-2, 2)),
    MEMBER("tools", OPTIONAL, OPENAI_TOOLS),
    MEMBER("tool_choice", OPTIONAL, OPENAI_CHOICE),
    MEMBER("response_format", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL),
    MEMBER("seed", OPTIONAL, INTEGER(0, 4294967295.0)),
    MEMBER("documents", OPTIONAL, ONLY("[]")),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

static const struct openai_style style = {
    .reason_key = "finish_reason", .envelope = true, .usage = true, .tool_type = true, .meta = true
};

static enum aws_status jamba_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct generate_request *generate = &out->generate;
    if (body == NULL || !openai_conversation(in, body, generate) ||
        !native_max_tokens(in, body, "max_tokens", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    generate->sampling.temperature = native_float(body, "temperature", 1);
    generate->sampling.top_p = native_float(body, "top_p", 1);
    generate->sampling.frequency_penalty = native_float(body, "frequency_penalty", MODEL_UNSET_FLOAT);
    generate->sampling.presence_penalty = native_float(body, "presence_penalty", MODEL_UNSET_FLOAT);
    native_seed(body, &generate->sampling);
    native_stops(in, json_get(body, "stop"), VIEW(""), generate);
    return native_done(in);
}

static void jamba_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    openai_result(&style, stream, result, reply);
}

static void jamba_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)begin;
    openai_begin(&style, stream, out);
}

static void jamba_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    openai_delta(&style, stream, delta, out);
}

static void jamba_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                      struct chunk_sink *out)
{
    openai_end(&style, stream, end, metrics, out);
}

const struct family family_jamba = {
    .name = "jamba",
    .parse = jamba_parse,
    .result = jamba_result,
    .stream = { jamba_begin, jamba_delta, jamba_end },
};
