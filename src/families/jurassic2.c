/* families/jurassic2.c - AI21 Jurassic-2: Mid, Ultra, Jumbo. It does not stream.
 *
 * presencePenalty and countPenalty are the sampler's presence and frequency penalties; they count all kinds of tokens, so the
 * applyTo… switches can only be true. frequencyPenalty, which divides by the length of the text, has no counterpart: only 0.
 */
#include "families/dialect.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 200
#define MAX_TOKENS         8191

#define APPLY_TO                                            \
    MEMBER("applyToWhitespaces", OPTIONAL, ONLY("true")),   \
    MEMBER("applyToPunctuations", OPTIONAL, ONLY("true")),  \
    MEMBER("applyToNumbers", OPTIONAL, ONLY("true")),       \
    MEMBER("applyToStopwords", OPTIONAL, ONLY("true")),     \
    MEMBER("applyToEmojis", OPTIONAL, ONLY("true"))

static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member count_members[] = { MEMBER("scale", REQUIRED, NUMBER(0, 1)), APPLY_TO, MEMBERS_END };
static const struct schema_member presence_members[] = { MEMBER("scale", REQUIRED, NUMBER(0, 5)), APPLY_TO, MEMBERS_END };
static const struct schema_member frequency_members[] = { MEMBER("scale", REQUIRED, ONLY("0")), APPLY_TO, MEMBERS_END };

static const struct schema_member members[] = {
    MEMBER("prompt", REQUIRED, TEXT(1, 0)),
    MEMBER("maxTokens", OPTIONAL, INTEGER(0, 1e9)),
    MEMBER("minTokens", OPTIONAL, ONLY("0")),
    MEMBER("numResults", OPTIONAL, ONLY("1")),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("topP", OPTIONAL, NUMBER(0, 1)),
    MEMBER("topKReturn", OPTIONAL, ONLY("0")),
    MEMBER("stopSequences", OPTIONAL, ARRAY_OF(stop, 0, 0)),
    MEMBER("countPenalty", OPTIONAL, OBJECT_OF(count_members)),
    MEMBER("presencePenalty", OPTIONAL, OBJECT_OF(presence_members)),
    MEMBER("frequencyPenalty", OPTIONAL, OBJECT_OF(frequency_members)),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

struct jurassic2_state {
    struct view prompt;
};

static enum aws_status jurassic2_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct jurassic2_state *state = ARENA_NEW(in->arena, struct jurassic2_state);
    if (body == NULL || state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    struct generate_request *generate = &out->generate;
    if (!native_max_tokens(in, body, "maxTokens", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    state->prompt = json_get_string(body, "prompt");
    in->state = state;

    dialect_prompt(in, 0, state->prompt, generate);
    generate->sampling.temperature = native_float(body, "temperature", 0.5f);
    generate->sampling.top_p = native_float(body, "topP", 0.5f);
    generate->sampling.presence_penalty = native_float(json_get(body, "presencePenalty"), "scale", MODEL_UNSET_FLOAT);
    generate->sampling.frequency_penalty = native_float(json_get(body, "countPenalty"), "scale", MODEL_UNSET_FLOAT);
    generate->want_logprobs = true;                         /* every answer lists its tokens */
    native_stops(in, json_get(body, "stopSequences"), VIEW(""), generate);
    return native_done(in);
}

static void write_tokens(struct json_writer *out, const struct gen_result *result)
{
    size_t at = 0;
    json_key(out, "tokens");
    json_array(out);
    for (size_t i = 0; i < result->prob_count; i++) {
        const struct token_prob *prob = &result->probs[i];
        json_object(out);
        json_key(out, "generatedToken");
        json_object(out);
        json_put_string(out, "token", prob->token);
        json_key(out, "logprob");
        json_write_float(out, prob->logprob);
        json_key(out, "raw_logprob");
        json_write_float(out, prob->logprob);
        json_end(out);
        json_put_cstr(out, "topTokens", NULL);
        json_key(out, "textRange");
        json_object(out);
        json_put_i64(out, "start", (int64_t)at);
        at += prob->token.len;
        json_put_i64(out, "end", (int64_t)at);
        json_end(out);
        json_end(out);
    }
    json_end(out);
}

static void write_finish(struct json_writer *out, const struct engine_end *end)
{
    json_key(out, "finishReason");
    json_object(out);
    if (end->reason == GEN_STOP_SEQUENCE) {
        json_put_cstr(out, "reason", "stop");
        json_put_string(out, "sequence", end->stop);
    } else if (end->reason == GEN_END || end->reason == GEN_TOOL_USE) {
        json_put_cstr(out, "reason", "endoftext");
    } else {
        json_put_cstr(out, "reason", "length");
        json_put_i64(out, "length", end->usage.output_tokens);
    }
    json_end(out);
}

static void jurassic2_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    const struct jurassic2_state *state = stream->parse_state;
    json_object(reply);
    json_put_i64(reply, "id", 1234);                        /* Bedrock's is always this */
    json_key(reply, "prompt");
    json_object(reply);
    json_put_string(reply, "text", state != NULL ? state->prompt : VIEW(""));
    json_key(reply, "tokens");
    json_array(reply);
    json_end(reply);
    json_end(reply);
    json_key(reply, "completions");
    json_array(reply);
    json_object(reply);
    json_key(reply, "data");
    json_object(reply);
    json_put_string(reply, "text", result->text);
    write_tokens(reply, result);
    json_end(reply);
    write_finish(reply, result->end);
    json_end(reply);
    json_end(reply);
    json_end(reply);
}

const struct family family_jurassic2 = {
    .name = "jurassic2",
    .parse = jurassic2_parse,
    .result = jurassic2_result,
};
