#include "runtime/native_result.h"

#include "base/encode.h"

#define ERROR_MAX 8192
#define CHUNK_MAX (24u << 20)                               /* what the clients' event decoders take */

struct invocation {
    bool streaming;                                         /* chunks, not one body */
    struct family_stream stream;
    struct answer answer;
    struct buf frame;                                       /* {"bytes": …} of one chunk */
    struct chunk_sink sink;
    bool begun;
};

static void invocation_free(void *arg)
{
    struct invocation *invocation = arg;
    answer_free(&invocation->answer);
    buf_free(&invocation->stream.scratch);
    buf_free(&invocation->frame);
}

/* ---- one body ---- */

static void gather(struct inference *inference, const struct gen_delta *deltas, size_t count)
{
    struct invocation *invocation = inference->door;
    answer_add(&invocation->answer, deltas, count);
}

static void write_embedding(struct inference *inference, const struct embed_result *result)
{
    struct invocation *invocation = inference->door;
    inference->target.family->embedding(&invocation->stream, result, call_reply(inference->call));
}

static void finish_body(struct inference *inference, const struct engine_end *end)
{
    const struct invocation *invocation = inference->door;
    struct reported_usage usage = usage_report(&end->usage, inference->cache_points);
    if (invocation->stream.failed) {
        call_fail_later(inference->call, AWS_INTERNAL_SERVER, "The server ran out of memory.");
        return;
    }
    inference_headers(inference, &usage, end);
    call_finish(inference->call);
}

static void reply(struct inference *inference, const struct engine_end *end)
{
    struct invocation *invocation = inference->door;
    struct gen_result result;
    if (answer_failed(&invocation->answer) || !native_result(&invocation->answer, end, &result)) {
        call_fail_later(inference->call, AWS_INTERNAL_SERVER, "The answer is larger than this server can hold.");
        return;
    }
    inference->target.family->result(&invocation->stream, &result, call_reply(inference->call));
    finish_body(inference, end);
}

/* ---- a stream of chunks ---- */

static void send_chunk(void *ctx, struct view json)
{
    struct inference *inference = ctx;
    struct invocation *invocation = inference->door;
    struct json_writer out;
    buf_clear(&invocation->frame);
    json_writer_init(&out, &invocation->frame);
    json_object(&out);
    json_key(&out, "bytes");
    json_write_base64(&out, json);
    json_end(&out);
    inference_event(inference, "chunk", buf_view(&invocation->frame));
}

static void begin_chunks(struct inference *inference, const struct gen_begin *begin)
{
    struct invocation *invocation = inference->door;
    if (invocation->begun)
        return;
    invocation->begun = true;
    inference->target.family->stream.begin(&invocation->stream, begin, &invocation->sink);
}

static void stream_deltas(struct inference *inference, const struct gen_delta *deltas, size_t count)
{
    struct invocation *invocation = inference->door;
    for (size_t i = 0; i < count; i++) {
        bool counted = deltas[i].type == GEN_BEGIN;
        const struct gen_begin begin = { .input_tokens = counted ? deltas[i].input_tokens : -1,
                                         .cached_tokens = counted && inference->cache_points ? deltas[i].cached_tokens : 0 };
        begin_chunks(inference, &begin);
        if (!counted)
            inference->target.family->stream.delta(&invocation->stream, &deltas[i], &invocation->sink);
    }
}

static void end_chunks(struct inference *inference, const struct engine_end *end)
{
    struct invocation *invocation = inference->door;
    struct reported_usage usage = usage_report(&end->usage, inference->cache_points);
    struct invocation_metrics metrics = {
        .input_tokens = usage.input,
        .output_tokens = usage.output,
        .latency_ms = inference_latency_ms(end),
        .first_byte_ms = end->first_token_us / 1000,
        .cache_read = usage.cache_read,
        .cache_write = usage.cache_write,
    };
    const struct gen_begin begin = { .input_tokens = usage.input, .cached_tokens = usage.cache_read };
    begin_chunks(inference, &begin);
    inference->target.family->stream.end(&invocation->stream, end, &metrics, &invocation->sink);
    if (invocation->stream.failed)
        call_stream_exception(inference->call, AWS_INTERNAL_SERVER, "The server ran out of memory.");
    else
        call_stream_end(inference->call);
}

/* ---- the request ---- */

static enum aws_status refuse_unsupported(struct call *call)
{
    static const char *const headers[] = { "x-amzn-bedrock-guardrailidentifier", "x-amzn-bedrock-guardrailversion" };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (call_header(call, headers[i]).len > 0)
            return call_fail(call, AWS_VALIDATION, "This server has no guardrails yet. Remove the guardrailIdentifier and guardrailVersion "
                                                   "parameters and try again.");
    }
    return AWS_OK;
}

static enum aws_status parse(struct inference *inference)
{
    struct call *call = inference->call;
    struct invocation *invocation = inference->door;
    struct buf error = BUF_INIT(ERROR_MAX);
    struct family_input input = {
        .arena = call_arena(call),
        .body = call_body_bytes(call),
        .streaming = invocation->streaming,
        .model = &inference->target.family_model,
        .error = &error,
    };
    enum aws_status status = inference->target.family->parse(&input, &inference->request);
    if (status != AWS_OK)
        call_fail(call, status, VIEW_FMT, VIEW_ARG(buf_view(&error)));
    buf_free(&error);
    invocation->stream.parse_state = input.state;
    return status;
}

/* What the family has parsed the body into decides which callbacks there are. */
static enum aws_status parse_and_choose(struct inference *inference)
{
    const struct invocation *invocation = inference->door;
    enum aws_status status = parse(inference);
    if (status != AWS_OK || invocation->streaming)
        return status;
    bool embed = inference->request.kind == MODEL_EMBED;
    inference->on_vectors = write_embedding;
    inference->on_deltas = gather;
    inference->on_done = embed ? finish_body : reply;
    return AWS_OK;
}

static struct invocation *invocation_create(struct inference *inference)
{
    struct call *call = inference->call;
    struct invocation *invocation = ARENA_NEW(call_arena(call), struct invocation);
    if (invocation == NULL)
        return NULL;
    answer_init(&invocation->answer, call_arena(call));
    invocation->stream =
        (struct family_stream){ .model = &inference->target.family_model, .arena = call_arena(call), .clock = call_clock(call) };
    buf_init(&invocation->stream.scratch, CHUNK_MAX);
    buf_init(&invocation->frame, CHUNK_MAX);
    invocation->sink = (struct chunk_sink){ .ctx = inference, .chunk = send_chunk };
    call_defer(call, invocation_free, invocation);
    return invocation;
}

static enum aws_status begin(struct call *call, bool streaming)
{
    enum aws_status status = refuse_unsupported(call);
    if (status != AWS_OK)
        return status;
    struct inference *inference = inference_create(call, &status);
    if (inference == NULL)
        return status;
    const struct family *family = inference->target.family;
    if (streaming && family->stream.delta == NULL)
        return call_fail(call, AWS_VALIDATION, "The model is unsupported for streaming");

    struct invocation *invocation = invocation_create(inference);
    if (invocation == NULL)
        return call_fail(call, AWS_INTERNAL_SERVER, "The server is out of memory.");
    invocation->streaming = streaming;
    inference->door = invocation;
    inference->parse = parse_and_choose;
    if (streaming) {
        call_reply_header(call, "X-Amzn-Bedrock-Content-Type", VIEW("application/json"));
        inference->on_deltas = stream_deltas;
        inference->on_done = end_chunks;
    }
    return inference_run(inference);
}

enum aws_status invoke_model(struct call *call)
{
    return begin(call, false);
}

enum aws_status invoke_model_with_response_stream(struct call *call)
{
    return begin(call, true);
}
