/* families/command.c - Cohere Command and Command Light: generate.
 *
 * "truncate" is accepted and changes nothing: a prompt that is too long is refused, never cut. Likelihoods are those of the local
 * model; of the prompt's tokens (ALL) there are none.
 */
#include "families/dialect.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 20
#define MAX_TOKENS         4096

static const char *const truncations[] = { "NONE", "START", "END", NULL };
static const char *const likelihoods[] = { "GENERATION", "ALL", "NONE", NULL };
static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 5)),
    MEMBER("p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("k", OPTIONAL, NUMBER(0, 500)),
    MEMBER("max_tokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("stop_sequences", OPTIONAL, ARRAY_OF(stop, 0, 4)),
    MEMBER("return_likelihoods", OPTIONAL, ONE_OF(likelihoods)),
    MEMBER("stream", OPTIONAL, BOOLEAN),
    MEMBER("num_generations", OPTIONAL, ONLY("1")),
    MEMBER("logit_bias", OPTIONAL, ONLY("{}")),
    MEMBER("truncate", OPTIONAL, ONE_OF(truncations)),
    MEMBER("seed", OPTIONAL, INTEGER(0, 4294967295.0)),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

struct command_state {                                      /* of one call: left by parse, used on by the writer */
    struct view prompt;
    struct gathered text;                                   /* of a stream, repeated at its end */
};

static enum aws_status command_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct command_state *state = ARENA_NEW(in->arena, struct command_state);
    if (body == NULL || state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    struct generate_request *generate = &out->generate;
    struct view wanted = json_get_string(body, "return_likelihoods");
    if (view_is(wanted, "ALL") || (in->streaming && view_is(wanted, "GENERATION")))
        return native_refuse(in, "This server gives return_likelihoods only as %s.",
                             in->streaming ? "NONE in a stream" : "GENERATION or NONE");
    if (json_bool(json_get(body, "stream"), false) && !in->streaming)
        return native_refuse(in, "The stream field is true: use InvokeModelWithResponseStream to stream.");
    if (!native_max_tokens(in, body, "max_tokens", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    state->prompt = json_get_string(body, "prompt");
    in->state = state;

    dialect_prompt(in, 0, state->prompt, generate);
    generate->sampling.temperature = native_float(body, "temperature", 0.9f);
    generate->sampling.top_p = native_float(body, "p", 0.75f);
    generate->sampling.top_k = (int)native_float(body, "k", 0);
    generate->want_logprobs = view_is(wanted, "GENERATION");
    native_seed(body, &generate->sampling);
    native_stops(in, json_get(body, "stop_sequences"), VIEW(""), generate);
    return native_done(in);
}

static const char *const finish_reasons[] = {
    [GEN_END] = "COMPLETE",
    [GEN_MAX_TOKENS] = "MAX_TOKENS",
    [GEN_STOP_SEQUENCE] = "COMPLETE",
    [GEN_TOOL_USE] = "COMPLETE",
    [GEN_MALFORMED] = "ERROR",
    [GEN_CONTEXT_FULL] = "MAX_TOKENS",
};

static void write_likelihoods(struct json_writer *out, const struct token_prob *probs, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)probs[i].logprob;
    json_put_double(out, "likelihood", sum / (double)count);
    json_key(out, "token_likelihoods");
    json_array(out);
    for (size_t i = 0; i < count; i++) {
        json_object(out);
        json_put_string(out, "token", probs[i].token);
        json_key(out, "likelihood");
        json_write_float(out, probs[i].logprob);
        json_end(out);
    }
    json_end(out);
}

/* id, generations and prompt, into an object that is open. */
static void write_response(struct family_stream *stream, struct json_writer *out, struct view text, const struct gen_result *result,
                           const struct engine_end *end)
{
    const struct command_state *state = stream->parse_state;
    json_put_string(out, "id", native_uuid(stream->arena));
    json_key(out, "generations");
    json_array(out);
    json_object(out);
    json_put_string(out, "id", native_uuid(stream->arena));
    json_put_string(out, "text", text);
    json_put_cstr(out, "finish_reason", finish_reasons[end->reason]);
    if (result != NULL && result->prob_count > 0)
        write_likelihoods(out, result->probs, result->prob_count);
    json_end(out);
    json_end(out);
    json_put_string(out, "prompt", state != NULL ? state->prompt : VIEW(""));
}

static void command_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    json_object(reply);
    write_response(stream, reply, result->text, result, result->end);
    json_end(reply);
}

static void command_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)stream, (void)begin, (void)out;
}

static void send_text(struct family_stream *stream, struct view text, struct chunk_sink *out)
{
    struct json_writer chunk = chunk_open(stream);
    json_put_string(&chunk, "text", text);
    json_put_bool(&chunk, "is_finished", false);
    chunk_close(stream, &chunk, out);
}

static void command_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    struct command_state *state = stream->parse_state;
    if (delta->type != GEN_TEXT || delta->text.len == 0)
        return;
    if (state != NULL && !gathered_add(&state->text, stream->arena, delta->text))
        stream->failed = true;
    send_text(stream, delta->text, out);
}

static void command_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                        struct chunk_sink *out)
{
    const struct command_state *state = stream->parse_state;
    struct view text = state != NULL ? view_of(state->text.ptr, state->text.len) : VIEW("");
    if (end->reason == GEN_END)
        send_text(stream, VIEW("<EOS_TOKEN>"), out);
    struct json_writer chunk = chunk_open(stream);
    json_put_bool(&chunk, "is_finished", true);
    json_put_cstr(&chunk, "finish_reason", finish_reasons[end->reason]);
    json_key(&chunk, "response");
    json_object(&chunk);
    write_response(stream, &chunk, text, NULL, end);
    json_end(&chunk);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_command = {
    .name = "command",
    .parse = command_parse,
    .result = command_result,
    .stream = { command_begin, command_delta, command_end },
};
