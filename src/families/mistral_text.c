/* families/mistral_text.c - Mistral's prompt body: 7B, Mixtral, Large 2402, Small. */
#include "families/dialect.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS       512
#define DEFAULT_MAX_TOKENS_LARGE 8192
#define MAX_TOKENS               8192

static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("max_tokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("stop", OPTIONAL, ARRAY_OF(stop, 0, 10)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_k", OPTIONAL, INTEGER(1, 200)),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

static bool is_large(const struct family_model *model)
{
    return view_starts_with(model->id, VIEW("mistral.mistral-large")) || view_starts_with(model->id, VIEW("mistral.mistral-small"));
}

static enum aws_status mistral_text_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    struct generate_request *generate = &out->generate;
    bool large = is_large(in->model);
    if (!native_max_tokens(in, body, "max_tokens", large ? DEFAULT_MAX_TOKENS_LARGE : DEFAULT_MAX_TOKENS, MAX_TOKENS,
                           &generate->max_tokens))
        return AWS_VALIDATION;
    dialect_prompt(in, DIALECT_INST, json_get_string(body, "prompt"), generate);
    generate->sampling.temperature = native_float(body, "temperature", large ? 0.7f : 0.5f);
    generate->sampling.top_p = native_float(body, "top_p", large ? 1 : 0.9f);
    generate->sampling.top_k = (int)native_int(body, "top_k", large ? 0 : 50);
    native_stops(in, json_get(body, "stop"), VIEW(""), generate);
    return native_done(in);
}

static void write_output(struct json_writer *out, struct view text, const struct engine_end *end)
{
    json_key(out, "outputs");
    json_array(out);
    json_object(out);
    json_put_string(out, "text", text);
    bool stopped = end != NULL && (end->reason == GEN_END || end->reason == GEN_STOP_SEQUENCE || end->reason == GEN_TOOL_USE);
    json_put_cstr(out, "stop_reason", end == NULL ? NULL : stopped ? "stop" : "length");
    json_end(out);
    json_end(out);
}

static void mistral_text_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    (void)stream;
    json_object(reply);
    write_output(reply, result->text, result->end);
    json_end(reply);
}

static void mistral_text_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)stream, (void)begin, (void)out;
}

static void mistral_text_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    if (delta->type != GEN_TEXT || delta->text.len == 0)
        return;
    struct json_writer chunk = chunk_open(stream);
    write_output(&chunk, delta->text, NULL);
    chunk_close(stream, &chunk, out);
}

static void mistral_text_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                             struct chunk_sink *out)
{
    struct json_writer chunk = chunk_open(stream);
    write_output(&chunk, VIEW(""), end);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_mistral_text = {
    .name = "mistral-text",
    .parse = mistral_text_parse,
    .result = mistral_text_result,
    .stream = { mistral_text_begin, mistral_text_delta, mistral_text_end },
};
