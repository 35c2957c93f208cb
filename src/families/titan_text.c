/* families/titan_text.c - Amazon Titan Text: Lite, Express, Premier. */
#include "families/dialect.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 512
#define MAX_TOKENS         8192

static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member config_members[] = {
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("topP", OPTIONAL, NUMBER_ABOVE(0, 1)),
    MEMBER("maxTokenCount", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("stopSequences", OPTIONAL, ARRAY_OF(stop, 0, 0)),
    MEMBERS_END
};
static const struct schema_member members[] = {
    MEMBER("inputText", REQUIRED, TEXT(1, 0)),
    MEMBER("textGenerationConfig", OPTIONAL, OBJECT_OF(config_members)),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

static enum aws_status titan_text_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    struct generate_request *generate = &out->generate;
    const struct json *config = json_get(body, "textGenerationConfig");
    if (!native_max_tokens(in, config, "textGenerationConfig/maxTokenCount", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;

    dialect_prompt(in, DIALECT_USER_BOT, json_get_string(body, "inputText"), generate);
    generate->sampling.temperature = native_float(config, "temperature", 0.7f);
    generate->sampling.top_p = native_float(config, "topP", 0.9f);
    native_stops(in, json_get(config, "stopSequences"), VIEW(""), generate);
    return native_done(in);
}

static const char *const completion_reasons[] = {
    [GEN_END] = "FINISH",
    [GEN_MAX_TOKENS] = "LENGTH",
    [GEN_STOP_SEQUENCE] = "STOP_CRITERIA_MET",
    [GEN_TOOL_USE] = "FINISH",
    [GEN_MALFORMED] = "LENGTH",
    [GEN_CONTEXT_FULL] = "LENGTH",
};

static void titan_text_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    (void)stream;
    json_object(reply);
    json_put_i64(reply, "inputTextTokenCount", result->end->usage.input_tokens);
    json_key(reply, "results");
    json_array(reply);
    json_object(reply);
    json_put_i64(reply, "tokenCount", result->end->usage.output_tokens);
    json_put_string(reply, "outputText", result->text);
    json_put_cstr(reply, "completionReason", completion_reasons[result->end->reason]);
    json_end(reply);
    json_end(reply);
    json_end(reply);
}

static void titan_text_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)stream, (void)begin, (void)out;
}

static void titan_text_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    if (delta->type != GEN_TEXT || delta->text.len == 0)
        return;
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "outputText", delta->text);
    json_put_i64(&chunk, "index", 0);
    json_put_cstr(&chunk, "totalOutputTextTokenCount", NULL);
    json_put_cstr(&chunk, "completionReason", NULL);
    json_put_cstr(&chunk, "inputTextTokenCount", NULL);
    chunk_close(stream, &chunk, out);
}

static void titan_text_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                           struct chunk_sink *out)
{
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "outputText", VIEW(""));
    json_put_i64(&chunk, "index", 0);
    json_put_i64(&chunk, "totalOutputTextTokenCount", end->usage.output_tokens);
    json_put_cstr(&chunk, "completionReason", completion_reasons[end->reason]);
    json_put_i64(&chunk, "inputTextTokenCount", end->usage.input_tokens);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_titan_text = {
    .name = "titan-text",
    .parse = titan_text_parse,
    .result = titan_text_result,
    .stream = { titan_text_begin, titan_text_delta, titan_text_end },
};
