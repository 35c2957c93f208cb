/* families/claude_text.c - Anthropic's text completions: claude-v1, v2, instant. */
#include "families/dialect.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 200
#define MAX_TOKENS         4096

static const struct view human_stop = VIEW_INIT("\n\nHuman:");
static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("max_tokens_to_sample", REQUIRED, INTEGER(1, 1e9)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_k", OPTIONAL, INTEGER(0, 500)),
    MEMBER("stop_sequences", OPTIONAL, ARRAY_OF(stop, 0, 8191)),
    MEMBER("anthropic_version", OPTIONAL, TEXT(0, 0)),      /* harmless: there is one */
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

static enum aws_status claude_text_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    struct generate_request *generate = &out->generate;
    struct view prompt = json_get_string(body, "prompt");
    const char *problem = in->model->raw_prompt ? NULL : dialect_human_problem(prompt);
    if (problem != NULL)
        return native_refuse(in, "%s", problem);
    if (!native_max_tokens(in, body, "max_tokens_to_sample", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;

    dialect_prompt(in, DIALECT_HUMAN, prompt, generate);
    generate->sampling.temperature = native_float(body, "temperature", 1);
    generate->sampling.top_p = native_float(body, "top_p", 1);
    generate->sampling.top_k = (int)native_int(body, "top_k", 250);
    native_stops(in, json_get(body, "stop_sequences"), human_stop, generate);
    return native_done(in);
}

/* The model's own end is the beginning of the human's turn, which it would write next. */
static void write_reason(struct json_writer *out, const struct engine_end *end)
{
    bool stopped = end->reason == GEN_END || end->reason == GEN_TOOL_USE || end->reason == GEN_STOP_SEQUENCE;
    json_put_cstr(out, "stop_reason", stopped ? "stop_sequence" : "max_tokens");
    if (stopped)
        json_put_string(out, "stop", end->reason == GEN_STOP_SEQUENCE ? end->stop : human_stop);
    else
        json_put_cstr(out, "stop", NULL);
}

static void claude_text_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    (void)stream;
    json_object(reply);
    json_put_string(reply, "completion", result->text);
    write_reason(reply, result->end);
    json_end(reply);
}

static void claude_text_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)stream, (void)begin, (void)out;
}

static void claude_text_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    if (delta->type != GEN_TEXT || delta->text.len == 0)
        return;
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "completion", delta->text);
    json_put_cstr(&chunk, "stop_reason", NULL);
    json_put_cstr(&chunk, "stop", NULL);
    chunk_close(stream, &chunk, out);
}

static void claude_text_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                            struct chunk_sink *out)
{
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "completion", VIEW(""));
    write_reason(&chunk, end);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_claude_text = {
    .name = "claude-text",
    .parse = claude_text_parse,
    .result = claude_text_result,
    .stream = { claude_text_begin, claude_text_delta, claude_text_end },
};
