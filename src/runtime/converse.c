#include "runtime/converse_parse.h"
#include "runtime/native_result.h"

#define ERROR_MAX 8192

struct conversation {
    struct answer answer;
    struct converse_stream stream;
    const struct json *paths;                               /* additionalModelResponseFieldPaths, or NULL */
    bool gather;                                            /* the whole answer is wanted */
};

static void conversation_free(void *arg)
{
    struct conversation *conversation = arg;
    answer_free(&conversation->answer);
    converse_stream_free(&conversation->stream);
}

static void deltas_arrived(struct inference *inference, const struct gen_delta *deltas, size_t count)
{
    struct conversation *conversation = inference->door;
    if (conversation->gather)
        answer_add(&conversation->answer, deltas, count);
    if (conversation->stream.sink.event != NULL)
        converse_stream_deltas(&conversation->stream, deltas, count);
}

static struct converse_finish finish_of(struct inference *inference, const struct engine_end *end)
{
    struct conversation *conversation = inference->door;
    return (struct converse_finish){
        .reason = end->reason,
        .usage = usage_report(&end->usage, inference->cache_points),
        .latency_ms = inference_latency_ms(end),
        .additional_fields = response_fields(inference, &conversation->answer, end, conversation->paths),
    };
}

static void reply(struct inference *inference, const struct engine_end *end)
{
    struct conversation *conversation = inference->door;
    if (answer_failed(&conversation->answer)) {
        call_fail_later(inference->call, AWS_INTERNAL_SERVER, "The answer is larger than this server can hold.");
        return;
    }
    struct converse_finish finish = finish_of(inference, end);
    inference_headers(inference, &finish.usage, end);
    converse_write_reply(call_reply(inference->call), &conversation->answer, &finish);
    call_finish(inference->call);
}

static void send_event(void *ctx, const char *type, struct view json)
{
    inference_event(ctx, type, json);
}

static void end_stream(struct inference *inference, const struct engine_end *end)
{
    struct conversation *conversation = inference->door;
    struct converse_finish finish = finish_of(inference, end);
    converse_stream_finish(&conversation->stream, &finish);
    call_stream_end(inference->call);
}

static enum aws_status parse(struct inference *inference)
{
    struct call *call = inference->call;
    struct buf error = BUF_INIT(ERROR_MAX);
    struct converse_input input = {
        .arena = call_arena(call),
        .body = call_body(call),
        .vision = inference->target.family_model.vision,
        .max_output_tokens = inference->target.family_model.max_output_tokens,
        .error = &error,
    };
    enum aws_status status = converse_parse(&input, &inference->request);
    if (status != AWS_OK)
        call_fail(call, status, VIEW_FMT, VIEW_ARG(buf_view(&error)));
    buf_free(&error);
    return status;
}

static struct conversation *conversation_create(struct inference *inference, bool streaming)
{
    struct call *call = inference->call;
    struct conversation *conversation = ARENA_NEW(call_arena(call), struct conversation);
    if (conversation == NULL)
        return NULL;
    answer_init(&conversation->answer, call_arena(call));
    converse_stream_init(&conversation->stream, (struct event_sink){ .ctx = inference, .event = streaming ? send_event : NULL });
    conversation->paths = json_get(call_body(call), "additionalModelResponseFieldPaths");
    conversation->gather = !streaming || json_size(conversation->paths) > 0;
    call_defer(call, conversation_free, conversation);
    return conversation;
}

static enum aws_status begin(struct call *call, bool streaming)
{
    enum aws_status status;
    struct inference *inference = inference_create(call, &status);
    if (inference == NULL)
        return status;
    if (inference->target.embedding)
        return call_fail(call, AWS_VALIDATION, "This action doesn't support the model that you provided. Try again with a supported text "
                                               "or chat model.");
    struct conversation *conversation = conversation_create(inference, streaming);
    if (conversation == NULL)
        return call_fail(call, AWS_INTERNAL_SERVER, "The server is out of memory.");
    if (!response_paths_valid(call, conversation->paths, &status))
        return status;
    inference->error_prefix = "The model returned the following errors: ";
    inference->door = conversation;
    inference->parse = parse;
    inference->on_deltas = deltas_arrived;
    inference->on_done = streaming ? end_stream : reply;
    return inference_run(inference);
}

enum aws_status converse(struct call *call)
{
    return begin(call, false);
}

enum aws_status converse_stream(struct call *call)
{
    return begin(call, true);
}
