#include "unit.h"

#include "runtime/converse_write.h"

/* Events are gathered as lines: `type json`. */
static void gather(void *ctx, const char *type, struct view json)
{
    buf_printf(ctx, "%s " VIEW_FMT "\n", type, VIEW_ARG(json));
}

#define USAGE "\"usage\":{\"inputTokens\":5,\"outputTokens\":2,\"totalTokens\":7,\"cacheReadInputTokens\":0,\"cacheWriteInputTokens\":0}"

static const struct converse_finish finish = { .reason = GEN_END, .usage = { .input = 5, .output = 2 }, .latency_ms = 12 };

static void stream_is(const struct gen_delta *deltas, size_t count, const struct converse_finish *end, const char *expected)
{
    struct buf events = BUF_INIT(1 << 16);
    struct converse_stream stream;
    converse_stream_init(&stream, (struct event_sink){ .ctx = &events, .event = gather });
    converse_stream_deltas(&stream, deltas, count);
    converse_stream_finish(&stream, end);
    assert_view_is(buf_view(&events), expected);
    converse_stream_free(&stream);
    buf_free(&events);
}

static void text_streams_without_a_block_start(void **state)
{
    (void)state;
    const struct gen_delta deltas[] = { { .type = GEN_BEGIN },
                                        { .type = GEN_TEXT, .text = VIEW("Hel") },
                                        { .type = GEN_TEXT, .text = VIEW("lo") } };
    stream_is(deltas, 3, &finish,
              "messageStart {\"role\":\"assistant\"}\n"
              "contentBlockDelta {\"delta\":{\"text\":\"Hel\"},\"contentBlockIndex\":0}\n"
              "contentBlockDelta {\"delta\":{\"text\":\"lo\"},\"contentBlockIndex\":0}\n"
              "contentBlockStop {\"contentBlockIndex\":0}\n"
              "messageStop {\"stopReason\":\"end_turn\"}\n"
              "metadata {" USAGE ",\"metrics\":{\"latencyMs\":12}}\n");
}

static void a_tool_call_is_a_block_of_its_own(void **state)
{
    (void)state;
    const struct gen_delta deltas[] = {
        { .type = GEN_TEXT, .text = VIEW("Let me look.") },
        { .type = GEN_TOOL_START, .id = VIEW("t1"), .name = VIEW("weather") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW("{\"city\":") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW("\"Oslo\"}") },
    };
    struct converse_finish end = finish;
    end.reason = GEN_TOOL_USE;
    stream_is(deltas, 4, &end,
              "messageStart {\"role\":\"assistant\"}\n"
              "contentBlockDelta {\"delta\":{\"text\":\"Let me look.\"},\"contentBlockIndex\":0}\n"
              "contentBlockStop {\"contentBlockIndex\":0}\n"
              "contentBlockStart {\"start\":{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"weather\"}},\"contentBlockIndex\":1}\n"
              "contentBlockDelta {\"delta\":{\"toolUse\":{\"input\":\"{\\\"city\\\":\"}},\"contentBlockIndex\":1}\n"
              "contentBlockDelta {\"delta\":{\"toolUse\":{\"input\":\"\\\"Oslo\\\"}\"}},\"contentBlockIndex\":1}\n"
              "contentBlockStop {\"contentBlockIndex\":1}\n"
              "messageStop {\"stopReason\":\"tool_use\"}\n"
              "metadata {" USAGE ",\"metrics\":{\"latencyMs\":12}}\n");
}

static void nothing_is_said_before_the_first_delta(void **state)
{
    (void)state;
    struct buf events = BUF_INIT(1 << 16);
    struct converse_stream stream;
    converse_stream_init(&stream, (struct event_sink){ .ctx = &events, .event = gather });
    converse_stream_deltas(&stream, &(struct gen_delta){ .type = GEN_BEGIN, .input_tokens = 3 }, 1);
    assert_int_equal(events.len, 0);
    converse_stream_free(&stream);
    buf_free(&events);
}

static void an_empty_answer_has_one_empty_text_block(void **state)
{
    (void)state;
    stream_is(NULL, 0, &finish,
              "messageStart {\"role\":\"assistant\"}\n"
              "contentBlockDelta {\"delta\":{\"text\":\"\"},\"contentBlockIndex\":0}\n"
              "contentBlockStop {\"contentBlockIndex\":0}\n"
              "messageStop {\"stopReason\":\"end_turn\"}\n"
              "metadata {" USAGE ",\"metrics\":{\"latencyMs\":12}}\n");
}

static void reply_is(const struct gen_delta *deltas, size_t count, const char *expected_content)
{
    struct arena *arena = arena_create(1 << 16);
    struct answer answer;
    struct buf body = BUF_INIT(1 << 16), expected = BUF_INIT(1 << 16);
    struct json_writer writer;
    answer_init(&answer, arena);
    answer_add(&answer, deltas, count);
    assert_false(answer_failed(&answer));
    json_writer_init(&writer, &body);
    converse_write_reply(&writer, &answer, &finish);
    assert_false(json_writer_failed(&writer));
    buf_printf(&expected, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":%s}},\"stopReason\":\"end_turn\"," USAGE
                          ",\"metrics\":{\"latencyMs\":12}}", expected_content);
    assert_view_eq(buf_view(&body), buf_view(&expected));
    buf_free(&body);
    buf_free(&expected);
    answer_free(&answer);
    arena_destroy(arena);
}

static void a_reply_joins_the_deltas_of_a_block(void **state)
{
    (void)state;
    const struct gen_delta deltas[] = {
        { .type = GEN_REASONING, .text = VIEW("hm") },
        { .type = GEN_TEXT, .text = VIEW("a") },
        { .type = GEN_TEXT, .text = VIEW("b") },
        { .type = GEN_TOOL_START, .id = VIEW("t1"), .name = VIEW("w") },
        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW("{\"n\": 1.50}") },
    };
    reply_is(deltas, 5,
             "[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"hm\"}}},{\"text\":\"ab\"},"
             "{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"w\",\"input\":{\"n\":1.50}}}]");
    reply_is(NULL, 0, "[{\"text\":\"\"}]");
}

static void arguments_cut_off_stay_text(void **state)
{
    (void)state;
    const struct gen_delta deltas[] = { { .type = GEN_TOOL_START, .id = VIEW("t"), .name = VIEW("w") },
                                        { .type = GEN_TOOL_ARGUMENTS, .text = VIEW("{\"a\":") } };
    reply_is(deltas, 2, "[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"w\",\"input\":\"{\\\"a\\\":\"}}]");
    reply_is(deltas, 1, "[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"w\",\"input\":{}}}]");
}

static void cached_tokens_stand_apart_only_with_cache_points(void **state)
{
    (void)state;
    const struct gen_usage usage = { .input_tokens = 100, .output_tokens = 5, .cached_tokens = 64, .cache_write_tokens = 32 };
    struct reported_usage plain = usage_report(&usage, false), pointed = usage_report(&usage, true);
    assert_int_equal(plain.input, 100);
    assert_int_equal(plain.cache_read, 0);
    assert_int_equal(pointed.input, 4);
    assert_int_equal(pointed.cache_read, 64);
    assert_int_equal(pointed.cache_write, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_streams_without_a_block_start),
        cmocka_unit_test(a_tool_call_is_a_block_of_its_own),
        cmocka_unit_test(nothing_is_said_before_the_first_delta),
        cmocka_unit_test(an_empty_answer_has_one_empty_text_block),
        cmocka_unit_test(a_reply_joins_the_deltas_of_a_block),
        cmocka_unit_test(arguments_cut_off_stay_text),
        cmocka_unit_test(cached_tokens_stand_apart_only_with_cache_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
