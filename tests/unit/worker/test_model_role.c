/* craton-worker as a process, with the default text model. One compute thread, since tests run beside each other. */
#include "unit.h"
#include "worker_client.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

#define LOAD      "{\"path\":\"" TEST_TEXT_MODEL "\",\"threads\":1,\"context\":2048,\"sequences\":16}"
#define LONG_WAIT 300000

static struct client client;

static int start(void **state)
{
    (void)state;
    return client_start(&client, TEST_WORKER) && client_load(&client, LOAD, 1) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    return client_stop(&client) == 0 ? 0 : -1;
}

static int forget_all(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CLIENT_MAX_STREAMS; i++)
        client_forget(&client, i);
    return 0;
}

static struct client_call *ask(uint32_t stream, const struct model_request *request)
{
    client_forget(&client, stream);
    client_call(&client, stream, request);
    assert_true(client_wait(&client, stream, stream, LONG_WAIT));
    return &client.calls[stream];
}

/* A conversation of one message. */
struct talk {
    struct chat_part part;
    struct chat_message message;
};

static struct model_request say(struct talk *talk, struct view text, int64_t max_tokens)
{
    talk->part = (struct chat_part){ .type = CHAT_TEXT, .text = text };
    talk->message = (struct chat_message){ .role = CHAT_USER, .parts = &talk->part, .part_count = 1 };
    return client_generate(&talk->message, 1, max_tokens);
}

static const struct json *parse(struct arena *arena, struct view text)
{
    const struct json *json = json_parse(arena, text, 64, NULL);
    assert_non_null(json);
    return json;
}

/* ---- answers ---- */

static void model_answers_a_question_with_exact_usage(void **state)
{
    (void)state;
    struct talk talk;
    struct model_request request = say(&talk, VIEW("What is the capital of France? Answer with one sentence."), 40);
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.status, ENGINE_OK);
    assert_int_equal(call->end.reason, GEN_END);
    assert_true(view_find(buf_view(&call->text), VIEW("Paris")) != VIEW_NPOS);
    assert_int_equal(call->end.usage.input_tokens, call->input_tokens);
    assert_in_range(call->end.usage.output_tokens, 3, 40);
    assert_true(call->end.first_token_us > 0 && call->end.first_token_us <= call->end.total_us);

    int64_t used = call->input_tokens;
    request.kind = MODEL_COUNT;
    call = ask(2, &request);
    assert_int_equal(call->end.status, ENGINE_OK);
    assert_int_equal(call->end.usage.input_tokens, used);
    assert_int_equal(call->end.usage.output_tokens, 0);
}

static void max_tokens_ends_the_answer_exactly(void **state)
{
    (void)state;
    struct talk talk;
    struct model_request request = say(&talk, VIEW("Write a long story."), 7);
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.reason, GEN_MAX_TOKENS);
    assert_int_equal(call->end.usage.output_tokens, 7);
}

static void stop_sequence_ends_the_answer_and_is_not_part_of_it(void **state)
{
    (void)state;
    struct talk talk;
    struct view stop = VIEW("apital");
    struct model_request request = say(&talk, VIEW("What is the capital of France? Answer with one sentence."), 40);
    request.generate.stops = &stop;
    request.generate.stop_count = 1;
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.reason, GEN_STOP_SEQUENCE);
    assert_string_equal(call->stop, "apital");
    assert_view_is(buf_view(&call->text), "The c");
}

static void forced_tool_yields_a_call_that_fits_its_schema(void **state)
{
    (void)state;
    struct talk talk;
    struct arena *arena = arena_create(1u << 20);
    struct chat_tool tool = {
        .name = VIEW("get_weather"),
        .description = VIEW("The weather of a city"),
        .schema = parse(arena, VIEW("{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"unit\":{\"enum\":"
                                    "[\"celsius\",\"fahrenheit\"]}},\"required\":[\"city\",\"unit\"]}")),
    };
    for (unsigned hot = 0; hot < 2; hot++) {
        struct model_request request = say(&talk, VIEW("What is the weather in Rome?"), 200);
        request.generate.tools = &tool;
        request.generate.tool_count = 1;
        request.generate.tool_choice = TOOL_CHOICE_ANY;
        request.generate.sampling.temperature = (float)hot;
        struct client_call *call = ask(1, &request);
        assert_int_equal(call->end.status, ENGINE_OK);
        assert_int_equal(call->end.reason, GEN_TOOL_USE);
        assert_string_equal(call->tool, "get_weather");
        const struct json *arguments = parse(arena, buf_view(&call->arguments));
        struct view unit = json_get_string(arguments, "unit");
        assert_true(json_is(json_get(arguments, "city"), JSON_STRING));
        assert_true(view_is(unit, "celsius") || view_is(unit, "fahrenheit"));
    }
    arena_destroy(arena);
}

static void json_schema_shapes_the_answer(void **state)
{
    (void)state;
    struct talk talk;
    struct arena *arena = arena_create(1u << 20);
    struct model_request request = say(&talk, VIEW("Name a colour and a number."), 200);
    request.generate.has_json_schema = true;
    request.generate.json_schema = parse(arena, VIEW("{\"type\":\"object\",\"properties\":{\"colour\":{\"enum\":[\"red\",\"blue\"]},"
                                                     "\"number\":{\"type\":\"integer\"}},\"required\":[\"colour\",\"number\"],"
                                                     "\"additionalProperties\":false}"));
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.status, ENGINE_OK);
    const struct json *answer = parse(arena, buf_view(&call->text));
    int64_t number;
    assert_true(json_get_i64(answer, "number", &number));
    assert_int_equal(json_size(answer), 2);
    arena_destroy(arena);
}

/* ---- refusals ---- */

static void prompt_beyond_the_context_is_refused_by_its_count(void **state)
{
    (void)state;
    struct talk talk;
    struct buf text = BUF_INIT(1u << 20);
    for (int i = 0; i < 3000; i++)
        buf_append_cstr(&text, "word ");
    struct model_request request = say(&talk, buf_view(&text), 10);
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.status, ENGINE_TOO_LONG);
    assert_true(strstr(call->message, "2048") != NULL);
    buf_free(&text);
}

static void request_that_the_model_cannot_serve_is_refused(void **state)
{
    (void)state;
    struct view text = VIEW("hello");
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_EMBED;
    request.embed.texts = &text;
    request.embed.text_count = 1;
    assert_int_equal(ask(1, &request)->end.status, ENGINE_INVALID);

    client_forget(&client, 2);
    client_send(&client, WIRE_CALL, 2, VIEW("{\"kind\":"));
    assert_true(client_wait(&client, 2, 2, LONG_WAIT));
    assert_int_equal(client.calls[2].end.status, ENGINE_INVALID);
}

/* ---- determinism ---- */

static void add_story(struct buf *text, unsigned sentences)
{
    for (unsigned i = 0; i < sentences; i++)
        buf_printf(text, "On day %u the %s went to the %s and saw %u birds. ", i, i % 2 ? "fisher" : "baker",
                   i % 3 ? "market" : "harbour", i * 7 % 13);
}

static void warm_and_cold_give_the_same_text_greedy_and_drawn(void **state)
{
    (void)state;
    static const float temperatures[] = { 0, 0.9f };
    for (size_t i = 0; i < 2; i++) {
        struct talk talk;
        struct buf text = BUF_INIT(1u << 20);
        buf_printf(&text, "Story %zu. ", i);                /* cold for both */
        add_story(&text, 30);
        struct model_request request = say(&talk, buf_view(&text), 48);
        request.generate.sampling.temperature = temperatures[i];
        request.generate.sampling.has_seed = true;
        request.generate.sampling.seed = 42;
        struct client_call *cold = ask(1, &request), *warm = ask(2, &request);
        assert_int_equal(cold->cached_tokens, 0);
        assert_true(warm->cached_tokens >= 256 && warm->cached_tokens % 64 == 0);
        assert_true(cold->text.len > 20);
        assert_view_eq(buf_view(&warm->text), buf_view(&cold->text));
        buf_free(&text);
    }
}

static void another_seed_gives_another_text(void **state)
{
    (void)state;
    struct talk talk;
    struct model_request request = say(&talk, VIEW("Write a poem about the sea."), 48);
    request.generate.sampling.temperature = 1;
    request.generate.sampling.has_seed = true;
    request.generate.sampling.seed = 1;
    struct client_call *one = ask(1, &request);
    request.generate.sampling.seed = 2;
    struct client_call *two = ask(2, &request);
    assert_false(view_eq(buf_view(&one->text), buf_view(&two->text)));
}

/* Bytes of agreement, and how near the choice was at the token where they part: the distance of the two best, in logits. */
static float margin_where_they_part(const struct client_call *alone, const struct client_call *together)
{
    size_t same = 0, at = 0;
    while (same < alone->text.len && same < together->text.len && alone->text.ptr[same] == together->text.ptr[same])
        same++;
    if (same == alone->text.len && same == together->text.len)
        return 0;
    while (at + 1 < alone->prob_count && alone->token_ends[at] <= same)
        at++;
    return alone->logprobs[at] - alone->runners_up[at];
}

#define NEAR_TIE 0.7f                                       /* one and many rows take different kernels: logits differ by up to 0.4 */

static void sixteen_streams_give_the_text_they_give_alone_or_part_at_a_near_tie(void **state)
{
    (void)state;
    static const char *const subjects[16] = { "cats", "ships", "rain", "bread", "chess", "glass", "bees", "gold",
                                              "maps", "wind", "salt", "clocks", "ice", "paper", "roads", "tea" };
    struct talk talks[16];
    struct model_request requests[16];
    struct buf texts[16];
    unsigned equal = 0;
    for (uint32_t i = 0; i < 16; i++) {
        buf_init(&texts[i], 4096);
        buf_printf(&texts[i], "Tell me something about %s.", subjects[i]);
        requests[i] = say(&talks[i], buf_view(&texts[i]), 24);
        requests[i].generate.want_logprobs = true;
        ask(i + 1, &requests[i]);
    }
    for (uint32_t i = 0; i < 16; i++)
        client_call(&client, i + 21, &requests[i]);
    assert_true(client_wait(&client, 21, 36, LONG_WAIT));
    for (uint32_t i = 0; i < 16; i++) {
        const struct client_call *alone = &client.calls[i + 1], *together = &client.calls[i + 21];
        assert_int_equal(together->end.status, ENGINE_OK);
        assert_true(alone->prob_count >= (size_t)alone->end.usage.output_tokens);
        float margin = margin_where_they_part(alone, together);
        if (margin >= NEAR_TIE)
            print_error("%s: parts where the choice was clear (%.2f)\n", subjects[i], (double)margin);
        assert_true(margin < NEAR_TIE);
        equal += view_eq(buf_view(&alone->text), buf_view(&together->text));
        buf_free(&texts[i]);
    }
    assert_true(equal >= 6);
}

/* ---- coming and going ---- */

static void cancelled_call_ends_within_a_step(void **state)
{
    (void)state;
    struct talk talk;
    struct model_request request = say(&talk, VIEW("Write a very long story about a king."), 1000);
    client_call(&client, 1, &request);
    while (client.calls[1].deltas < 5)
        assert_true(client_pump(&client, 10000));
    unsigned before = client.calls[1].deltas;
    client_send(&client, WIRE_CANCEL, 1, VIEW(""));
    assert_true(client_wait(&client, 1, 1, LONG_WAIT));
    assert_int_equal(client.calls[1].end.status, ENGINE_CANCELLED);
    assert_true(client.calls[1].deltas - before <= 3);      /* those that were on their way */
    client_send(&client, WIRE_CANCEL, 1, VIEW(""));         /* crosses the END: no harm */
    request = say(&talk, VIEW("Hello"), 3);
    assert_int_equal(ask(2, &request)->end.status, ENGINE_OK);
}

static void call_waits_for_credit(void **state)
{
    (void)state;
    struct model_request request = client_generate(NULL, 0, 400);
    request.generate.has_raw_prompt = true;                 /* without a turn to end, the model goes on and on */
    request.generate.raw_prompt = VIEW("day world time day world time day world time day world time day world time day world");
    client_call(&client, 1, &request);
    int64_t until = client_now_us() + 60000000;
    while (client.calls[1].deltas < WIRE_FIRST_CREDIT && client_now_us() < until)
        assert_true(client_pump(&client, 1000));
    assert_true(client_pump(&client, 500));
    assert_in_range(client.calls[1].deltas, WIRE_FIRST_CREDIT, WIRE_FIRST_CREDIT + 4);
    assert_false(client.calls[1].ended);
    client_send_u32(&client, WIRE_CREDIT, 1, 1000);
    assert_true(client_wait(&client, 1, 1, LONG_WAIT));
    assert_int_equal(client.calls[1].end.status, ENGINE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, forget_all)
        TEST(model_answers_a_question_with_exact_usage),
        TEST(max_tokens_ends_the_answer_exactly),
        TEST(stop_sequence_ends_the_answer_and_is_not_part_of_it),
        TEST(forced_tool_yields_a_call_that_fits_its_schema),
        TEST(json_schema_shapes_the_answer),
        TEST(prompt_beyond_the_context_is_refused_by_its_count),
        TEST(request_that_the_model_cannot_serve_is_refused),
        TEST(warm_and_cold_give_the_same_text_greedy_and_drawn),
        TEST(another_seed_gives_another_text),
        TEST(sixteen_streams_give_the_text_they_give_alone_or_part_at_a_near_tie),
        TEST(cancelled_call_ends_within_a_step),
        TEST(call_waits_for_credit),
    };
    if (access(TEST_TEXT_MODEL, R_OK) != 0) {
        print_message("the default text model is not in the cache: run make setup\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
