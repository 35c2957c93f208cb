#include "runtime/converse_parse.h"
#include "runtime/inference.h"

#include "base/encode.h"

#define ERROR_MAX 8192

static void reply(struct inference *inference, const struct engine_end *end)
{
    struct json_writer *out = call_reply(inference->call);
    call_reply_header(inference->call, "x-craton-served-by", inference->target.served_by);
    json_object(out);
    json_put_i64(out, "inputTokens", end->usage.input_tokens);
    json_end(out);
    call_finish(inference->call);
}

static enum aws_status parse_native(struct inference *inference, const struct json *invoke, struct buf *error)
{
    struct call *call = inference->call;
    const struct family *family = inference->target.family;
    struct family_input input = { .arena = call_arena(call), .model = &inference->target.family_model, .error = error };
    if (!base64_decode(call_arena(call), json_get_string(invoke, "body"), &input.body)) {
        buf_append_cstr(error, "The value at input.invokeModel.body is not valid base64.");
        return AWS_VALIDATION;
    }
    return family->parse(&input, &inference->request);
}

static enum aws_status parse_conversation(struct inference *inference, const struct json *body, struct buf *error)
{
    if (inference->target.embedding) {
        buf_append_cstr(error, "This action doesn't support the model that you provided. Try again with a supported text or chat model.");
        return AWS_VALIDATION;
    }
    struct converse_input input = {
        .arena = call_arena(inference->call), .body = body, .vision = inference->target.family_model.vision, .error = error
    };
    return converse_parse(&input, &inference->request);
}

static enum aws_status parse(struct inference *inference)
{
    struct call *call = inference->call;
    const struct json *input = json_get(call_body(call), "input"), *invoke = json_get(input, "invokeModel");
    struct buf error = BUF_INIT(ERROR_MAX);
    enum aws_status status = invoke != NULL ? parse_native(inference, invoke, &error)
                                            : parse_conversation(inference, json_get(input, "converse"), &error);
    if (status != AWS_OK)
        call_fail(call, status, VIEW_FMT, VIEW_ARG(buf_view(&error)));
    buf_free(&error);
    inference->request.count_embed = inference->request.kind == MODEL_EMBED;
    inference->request.kind = MODEL_COUNT;
    return status;
}

/* CountTokens: what the same input would cost as a call, counted by the same template and tokenizer. */
enum aws_status count_tokens(struct call *call)
{
    enum aws_status status;
    struct inference *inference = inference_create(call, &status);
    if (inference == NULL)
        return status;
    inference->parse = parse;
    inference->on_done = reply;
    return inference_run(inference);
}
