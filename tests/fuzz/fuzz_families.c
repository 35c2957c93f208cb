/* Any body of any family must be read in bounded memory, to a request or to a message; what was read must be answered in valid
 * JSON, as one body and as a stream. The first byte chooses the family, the second how it is called. */
#include "families/families.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_WORK   (64u << 20)
#define DIMENSIONS 3

static void must_be_json(struct view text)
{
    struct arena *arena = arena_create(MAX_WORK);
    if (arena == NULL || json_parse(arena, text, JSON_DEPTH_DEFAULT, NULL) == NULL)
        abort();
    arena_destroy(arena);
}

static void take_chunk(void *ctx, struct view json)
{
    (void)ctx;
    must_be_json(json);
}

static void answer_with_vectors(const struct family *family, struct family_stream *stream, const struct embed_request *embed,
                                struct json_writer *reply)
{
    size_t count = embed->text_count;
    float *vectors = calloc(count * DIMENSIONS, sizeof(*vectors));
    int32_t *tokens = calloc(count, sizeof(*tokens));
    if (vectors == NULL || tokens == NULL)
        abort();
    for (size_t i = 0; i < count * DIMENSIONS; i++)
        vectors[i] = (float)i - 1;
    struct embed_result result = { .vectors = vectors, .count = count, .dimensions = DIMENSIONS, .token_counts = tokens };
    family->embedding(stream, &result, reply);
    free(vectors);
    free(tokens);
}

static void stream_answer(const struct family *family, struct family_stream *stream, const struct gen_result *result)
{
    const struct gen_delta deltas[] = {
        { .type = GEN_REASONING, .text = result->reasoning },
        { .type = GEN_TEXT, .text = result->text },
        { .type = GEN_TOOL_START, .tool_index = 200, .id = VIEW("t1"), .name = result->text },
        { .type = GEN_TOOL_ARGUMENTS, .tool_index = 0, .text = VIEW("{\"a\":") },
        { .type = GEN_TEXT, .text = result->text },
    };
    struct chunk_sink sink = { .chunk = take_chunk };
    struct invocation_metrics metrics = { .input_tokens = 1, .cache_read = 1 };
    family->stream.begin(stream, &(struct gen_begin){ .input_tokens = -1 }, &sink);
    for (size_t i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++)
        family->stream.delta(stream, &deltas[i], &sink);
    family->stream.end(stream, result->end, &metrics, &sink);
}

static void answer(const struct family *family, struct family_stream *stream, const struct model_request *request, struct view text,
                   uint8_t how)
{
    struct buf out = BUF_INIT(MAX_WORK);
    struct json_writer reply;
    const struct engine_end end = { .reason = (enum gen_reason)(how % (GEN_CONTEXT_FULL + 1)), .stop = text };
    const struct gen_tool_call calls[] = { { VIEW_INIT("t1"), VIEW_INIT("f"), VIEW_INIT("{\"a\":1}") },
                                           { VIEW_INIT("t2"), VIEW_INIT("g"), { text.ptr, text.len } } };
    const struct token_prob prob = { .token = text, .logprob = -1 };
    const struct gen_result result = { .text = text, .reasoning = view_first(text, how), .tool_calls = calls, .tool_call_count = 2,
                                       .end = &end, .probs = &prob, .prob_count = 1 };
    json_writer_init(&reply, &out);
    if (request->kind == MODEL_EMBED)
        answer_with_vectors(family, stream, &request->embed, &reply);
    else
        family->result(stream, &result, &reply);
    if (!stream->failed) {
        if (json_writer_failed(&reply))
            abort();
        must_be_json(buf_view(&out));
    }
    if (family->stream.delta != NULL)
        stream_answer(family, stream, &result);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t families = 0;
    while (family_at(families) != NULL)
        families++;
    if (size < 2)
        return 0;
    const struct family *family = family_at(data[0] % families);
    uint8_t how = data[1];
    struct view body = view_of(data + 2, size - 2);
    struct arena *arena = arena_create(MAX_WORK);
    struct buf error = BUF_INIT(8192);
    const struct family_model model = {
        .id = VIEW("acme.model-v1"), .dimensions = how & 1 ? 1024 : 0, .raw_prompt = how & 2, .vision = how & 4
    };
    struct family_input in = { .arena = arena, .body = body, .streaming = how & 8, .model = &model, .error = &error };
    struct model_request request;
    model_request_init(&request);
    if (arena == NULL)
        return 0;
    enum aws_status status = family->parse(&in, &request);
    if (status == AWS_OK) {
        struct family_stream stream = { .model = &model, .arena = arena, .parse_state = in.state, .clock = clock_system(),
                                        .scratch = BUF_INIT(MAX_WORK) };
        answer(family, &stream, &request, body, how);
        buf_free(&stream.scratch);
    } else if (status != AWS_VALIDATION || error.len == 0) {
        abort();
    }
    buf_free(&error);
    arena_destroy(arena);
    return 0;
}
