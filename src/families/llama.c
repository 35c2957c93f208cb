/* families/llama.c - Meta Llama 2, 3 and 4, and the like body of imported models. */
#include "families/dialect.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 512
#define MAX_TOKENS         2048

static const struct schema_member members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("max_gen_len", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("images", OPTIONAL, ONLY("[]")),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

static enum aws_status llama_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    struct generate_request *generate = &out->generate;
    if (!native_max_tokens(in, body, "max_gen_len", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    dialect_prompt(in, DIALECT_HEADERS | DIALECT_INST, json_get_string(body, "prompt"), generate);
    generate->sampling.temperature = native_float(body, "temperature", 0.5f);
    generate->sampling.top_p = native_float(body, "top_p", 0.9f);
    return native_done(in);
}

static const char *stop_reason(const struct engine_end *end)
{
    return end->reason == GEN_END || end->reason == GEN_STOP_SEQUENCE || end->reason == GEN_TOOL_USE ? "stop" : "length";
}

static void llama_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    (void)stream;
    json_object(reply);
    json_put_string(reply, "generation", result->text);
    json_put_i64(reply, "prompt_token_count", result->end->usage.input_tokens);
    json_put_i64(reply, "generation_token_count", result->end->usage.output_tokens);
    json_put_cstr(reply, "stop_reason", stop_reason(result->end));
    json_end(reply);
}

struct llama_state {
    int64_t input_tokens;                                   /* told in the first chunk; -1: unknown or told */
    bool begun;
};

static void llama_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    struct llama_state *state = ARENA_NEW(stream->arena, struct llama_state);
    (void)out;
    if (state == NULL)
        return;
    state->input_tokens = begin->input_tokens;
    stream->state = state;
}

static void put_count(struct json_writer *out, const char *key, int64_t count)
{
    if (count >= 0)
        json_put_i64(out, key, count);
    else
        json_put_cstr(out, key, NULL);
}

static void llama_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    struct llama_state *state = stream->state;
    if (delta->type != GEN_TEXT || delta->text.len == 0 || state == NULL)
        return;
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "generation", delta->text);
    put_count(&chunk, "prompt_token_count", state->input_tokens);
    put_count(&chunk, "generation_token_count", -1);        /* a delta may be several tokens: the last chunk has the count */
    json_put_cstr(&chunk, "stop_reason", NULL);
    chunk_close(stream, &chunk, out);
    state->input_tokens = -1;
    state->begun = true;
}

static void llama_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                      struct chunk_sink *out)
{
    struct llama_state *state = stream->state;
    bool told = state == NULL || state->begun;
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "generation", VIEW(""));
    put_count(&chunk, "prompt_token_count", told ? -1 : end->usage.input_tokens);
    json_put_i64(&chunk, "generation_token_count", end->usage.output_tokens);
    json_put_cstr(&chunk, "stop_reason", stop_reason(end));
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_llama = {
    .name = "llama",
    .parse = llama_parse,
    .result = llama_result,
    .stream = { llama_begin, llama_delta, llama_end },
};
