/* What another Bedrock is asked, and how its answers are understood. */
#include "body.h"

#include "elastic/bedrock.h"

static int make_arena(void **state)
{
    *state = arena_create(8 << 20);
    return *state == NULL;
}

static int drop_arena(void **state)
{
    arena_destroy(*state);
    return 0;
}

static const char *converse(struct arena *arena, const struct generate_request *request, enum elastic_provider provider)
{
    struct buf text = BUF_INIT(65536);
    struct json_writer out;
    json_writer_init(&out, &text);
    bedrock_write_converse(request, provider, &out);
    assert_false(json_writer_failed(&out));
    const char *copy = quoted(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

static struct model_request asking(const struct chat_message *messages, size_t count)
{
    struct model_request request;
    model_request_init(&request);
    request.generate.messages = messages;
    request.generate.message_count = count;
    request.generate.max_tokens = 64;
    return request;
}

/* ---- asking ---- */

static void a_model_stands_encoded_in_the_path(void **state)
{
    assert_string_equal(bedrock_path(*state, VIEW("amazon.titan-embed-text-v2:0"), BEDROCK_INVOKE),
                        "/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_string_equal(bedrock_path(*state, VIEW("arn:aws:bedrock:r:1:p/x"), BEDROCK_CONVERSE_STREAM),
                        "/model/arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/converse-stream");
    assert_string_equal(bedrock_path(*state, VIEW("m"), BEDROCK_CONVERSE), "/model/m/converse");
}

static void messages_of_one_side_become_one(void **state)
{
    const struct chat_part system = { .type = CHAT_TEXT, .text = VIEW("Be short.") }, one = { .type = CHAT_TEXT, .text = VIEW("one") },
                           two = { .type = CHAT_TEXT, .text = VIEW("two") }, answer = { .type = CHAT_TEXT, .text = VIEW("yes") };
    const struct chat_message messages[] = {
        { CHAT_SYSTEM, &system, 1 },    { CHAT_USER, &one, 1 }, { CHAT_SYSTEM, &two, 1 },
        { CHAT_ASSISTANT, &answer, 1 }, { CHAT_USER, &one, 1 },
    };
    struct model_request request = asking(messages, COUNT_OF(messages));
    assert_string_equal(converse(*state, &request.generate, PROVIDER_META),
                        "{'system':[{'text':'Be short.'}],'messages':[{'role':'user','content':[{'text':'one'},{'text':'two'}]},"
                        "{'role':'assistant','content':[{'text':'yes'}]},{'role':'user','content':[{'text':'one'}]}],"
                        "'inferenceConfig':{'maxTokens':64}}");
}

static void sampling_goes_along_and_top_k_by_the_providers_name(void **state)
{
    static const struct view stops[] = { VIEW_INIT("END") };
    const struct chat_part part = { .type = CHAT_TEXT, .text = VIEW("x") };
    const struct chat_message message = { CHAT_USER, &part, 1 };
    struct model_request request = asking(&message, 1);
    request.generate.sampling.temperature = 0.5f;
    request.generate.sampling.top_p = 0.25f;
    request.generate.sampling.top_k = 50;
    request.generate.stops = stops;
    request.generate.stop_count = 1;
    assert_non_null(strstr(converse(*state, &request.generate, PROVIDER_ANTHROPIC),
                           "'inferenceConfig':{'maxTokens':64,'temperature':0.5,'topP':0.25,'stopSequences':['END']},"
                           "'additionalModelRequestFields':{'top_k':50}"));
    assert_non_null(strstr(converse(*state, &request.generate, PROVIDER_COHERE), "'additionalModelRequestFields':{'k':50}"));
}

static void tools_their_calls_and_results_are_told(void **state)
{
    const struct chat_part ask = { .type = CHAT_TEXT, .text = VIEW("Weather?") };
    const struct json *arguments = body_of(*state, "{'city': 'Bonn'}");
    const struct chat_part call = { .type = CHAT_TOOL_CALL, .id = VIEW("t1"), .name = VIEW("weather"), .arguments = arguments };
    const struct chat_part result = { .type = CHAT_TOOL_RESULT, .id = VIEW("t1"), .text = VIEW("rain"), .is_error = true };
    const struct chat_message messages[] = { { CHAT_USER, &ask, 1 }, { CHAT_ASSISTANT, &call, 1 }, { CHAT_TOOL, &result, 1 } };
    const struct chat_tool tools[] = { { .name = VIEW("weather"), .description = VIEW("Tells it.") } };
    struct model_request request = asking(messages, COUNT_OF(messages));
    request.generate.tools = tools;
    request.generate.tool_count = 1;
    request.generate.tool_choice = TOOL_CHOICE_NAMED;
    request.generate.tool_name = VIEW("weather");
    const char *text = converse(*state, &request.generate, PROVIDER_ANTHROPIC);
    assert_non_null(strstr(text, "{'toolUse':{'toolUseId':'t1','name':'weather','input':{'city':'Bonn'}}}"));
    assert_non_null(strstr(text, "{'toolResult':{'toolUseId':'t1','content':[{'text':'rain'}],'status':'error'}}"));
    assert_non_null(strstr(text, "'toolConfig':{'tools':[{'toolSpec':{'name':'weather','description':'Tells it.',"
                                 "'inputSchema':{'json':{'type':'object'}}}}],'toolChoice':{'tool':{'name':'weather'}}}"));
    request.generate.tool_choice = TOOL_CHOICE_NONE;
    assert_non_null(strstr(converse(*state, &request.generate, PROVIDER_ANTHROPIC), "'toolChoice':{'auto':{}}"));
    request.generate.message_count = 1;
    assert_null(strstr(converse(*state, &request.generate, PROVIDER_ANTHROPIC), "toolConfig"));
}

static void texts_are_asked_for_in_the_providers_form(void **state)
{
    static const struct view texts[] = { VIEW_INIT("a"), VIEW_INIT("b"), VIEW_INIT("c") };
    const struct embed_request request = { .texts = texts, .text_count = 3, .truncate = EMBED_TRUNCATE_START };
    struct buf text = BUF_INIT(4096);
    struct json_writer out;
    json_writer_init(&out, &text);
    bedrock_write_texts(&request, 1, 1, PROVIDER_AMAZONTITAN, "search_query", &out);
    bedrock_write_texts(&request, 1, 2, PROVIDER_COHERE, "search_query", &out);
    assert_string_equal(quoted(*state, buf_view(&text)),
                        "{'inputText':'b'}{'texts':['b','c'],'input_type':'search_query','truncate':'START'}");
    buf_free(&text);
    assert_int_equal(bedrock_texts_at_once(PROVIDER_AMAZONTITAN), 1);
    assert_int_equal(bedrock_texts_at_once(PROVIDER_COHERE), 96);
}

/* ---- answers ---- */

struct heard {
    char text[512];
    size_t len;
};

/* Each delta as a letter for its kind, then what it says. */
static void hear(void *ctx, const struct gen_delta *delta)
{
    static const char kinds[] = {
        [GEN_BEGIN] = 'b', [GEN_TEXT] = 't', [GEN_REASONING] = 'r', [GEN_TOOL_START] = 'T', [GEN_TOOL_ARGUMENTS] = 'a'
    };
    struct heard *heard = ctx;
    int len = snprintf(heard->text + heard->len, sizeof(heard->text) - heard->len, "%c%u:" VIEW_FMT VIEW_FMT VIEW_FMT " ",
                       kinds[delta->type], delta->tool_index, VIEW_ARG(delta->id), VIEW_ARG(delta->name), VIEW_ARG(delta->text));
    heard->len += (size_t)len;
}

static struct view json_of(struct arena *arena, const char *single_quoted)
{
    char *text = arena_cstr(arena, view_from_cstr(single_quoted));
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\'')
            *c = '"';
    }
    return view_from_cstr(text);
}

static void an_answer_becomes_deltas_and_an_end(void **state)
{
    struct heard heard = { .len = 0 };
    struct bedrock_reader reader;
    bedrock_reader_init(&reader, hear, &heard);
    assert_true(bedrock_read_converse(&reader, *state, json_of(*state, "{'output':{'message':{'role':'assistant','content':["
        "{'reasoningContent':{'reasoningText':{'text':'hm'}}},{'text':'Paris'},{'toolUse':{'toolUseId':'i','name':'n','input':{'a':1}}}]}},"
        "'stopReason':'max_tokens','usage':{'inputTokens':7,'outputTokens':3,'totalTokens':10}}")));
    assert_string_equal(heard.text, "r0:hm t0:Paris T0:in a0:{\"a\":1} ");
    assert_true(reader.finished);
    assert_int_equal(reader.end.reason, GEN_MAX_TOKENS);
    assert_int_equal(reader.end.usage.input_tokens, 7);
    assert_int_equal(reader.end.usage.output_tokens, 3);
    assert_false(bedrock_read_converse(&reader, *state, VIEW("{}")));
    assert_int_equal(reader.end.original_status, 502);
}

static bool event(struct bedrock_reader *reader, struct arena *arena, const char *type, const char *payload)
{
    const struct eventstream_frame frame = {
        .headers = { { VIEW(":message-type"), VIEW("event") }, { VIEW(":event-type"), view_from_cstr(type) } },
        .header_count = 2,
        .payload = json_of(arena, payload),
    };
    return bedrock_read_event(reader, arena, &frame);
}

static void events_become_deltas_and_an_end(void **state)
{
    struct heard heard = { .len = 0 };
    struct bedrock_reader reader;
    bedrock_reader_init(&reader, hear, &heard);
    assert_true(event(&reader, *state, "messageStart", "{'role':'assistant'}"));
    assert_true(event(&reader, *state, "contentBlockDelta", "{'contentBlockIndex':0,'delta':{'reasoningContent':{'text':'hm'}}}"));
    assert_true(event(&reader, *state, "contentBlockDelta", "{'contentBlockIndex':1,'delta':{'text':'Hi'}}"));
    for (int i = 0; i < 2; i++) {
        assert_true(event(&reader, *state, "contentBlockStart", "{'start':{'toolUse':{'toolUseId':'i','name':'n'}}}"));
        assert_true(event(&reader, *state, "contentBlockDelta", "{'delta':{'toolUse':{'input':'{}'}}}"));
        assert_true(event(&reader, *state, "contentBlockStop", "{}"));
    }
    assert_true(event(&reader, *state, "somethingNew", "{}"));
    assert_false(reader.finished);
    assert_true(event(&reader, *state, "messageStop", "{'stopReason':'tool_use'}"));
    assert_true(event(&reader, *state, "metadata", "{'usage':{'inputTokens':5,'outputTokens':2},'metrics':{'latencyMs':1}}"));
    assert_string_equal(heard.text, "r0:hm t0:Hi T0:in a0:{} T1:in a1:{} ");
    assert_true(reader.finished);
    assert_int_equal(reader.end.reason, GEN_TOOL_USE);
    assert_int_equal(reader.end.usage.input_tokens, 5);
    assert_false(event(&reader, *state, "contentBlockDelta", "[]"));
}

static void errors_keep_their_status_and_words(void **state)
{
    struct bedrock_reader reader;
    bedrock_reader_init(&reader, hear, NULL);
    const struct eventstream_frame frame = {
        .headers = { { VIEW(":message-type"), VIEW("exception") }, { VIEW(":exception-type"), VIEW("throttlingException") } },
        .header_count = 2,
        .payload = VIEW("{\"message\":\"slowly\"}"),
    };
    assert_false(bedrock_read_event(&reader, *state, &frame));
    assert_int_equal(reader.end.original_status, 429);
    assert_string_equal(reader.end.message, "slowly");
    bedrock_read_error(&reader, *state, 403, VIEW("{\"Message\":\"no\"}"));
    assert_int_equal(reader.end.original_status, 403);
    assert_string_equal(reader.end.message, "no");
    bedrock_read_error(&reader, *state, 302, VIEW("<html>"));
    assert_int_equal(reader.end.original_status, 502);
    assert_string_equal(reader.end.message, "the server gives no reason");
}

static void vectors_are_read_in_the_providers_form(void **state)
{
    float *rows;
    size_t dimensions;
    assert_true(bedrock_read_vectors(*state, VIEW("{\"embedding\":[0.5,1,-2e0]}"), PROVIDER_AMAZONTITAN, 1, &rows, &dimensions));
    assert_int_equal(dimensions, 3);
    assert_true(rows[0] == 0.5f && rows[1] == 1.0f && rows[2] == -2.0f);
    assert_true(bedrock_read_vectors(*state, VIEW("{\"embeddings\":[[1,2],[3,4]]}"), PROVIDER_COHERE, 2, &rows, &dimensions));
    assert_true(dimensions == 2 && rows[3] == 4.0f);
    assert_true(bedrock_read_vectors(*state, VIEW("{\"embeddings\":{\"float\":[[1],[3]]}}"), PROVIDER_COHERE, 2, &rows, &dimensions));
    static const char *const wrong[] = { "{\"embeddings\":[[1,2],[3]]}", "{\"embeddings\":[[1,2]]}", "{\"embeddings\":[[],[]]}",
                                         "{\"embeddings\":[[\"a\"],[1]]}", "{\"embeddings\":[[1],{\"x\":1}]}", "[]", "" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(bedrock_read_vectors(*state, view_from_cstr(wrong[i]), PROVIDER_COHERE, 2, &rows, &dimensions));
    assert_false(bedrock_read_vectors(*state, VIEW("{\"embedding\":{}}"), PROVIDER_AMAZONTITAN, 1, &rows, &dimensions));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_stands_encoded_in_the_path),
        TEST(messages_of_one_side_become_one),
        TEST(sampling_goes_along_and_top_k_by_the_providers_name),
        TEST(tools_their_calls_and_results_are_told),
        TEST(texts_are_asked_for_in_the_providers_form),
        TEST(an_answer_becomes_deltas_and_an_end),
        TEST(events_become_deltas_and_an_end),
        TEST(errors_keep_their_status_and_words),
        TEST(vectors_are_read_in_the_providers_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
