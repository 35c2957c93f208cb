#include "unit.h"

#include "engine/wire.h"

#define CAP (1u << 20)

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(CAP);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static struct model_request through_the_wire(const struct model_request *request)
{
    struct buf bytes = BUF_INIT(CAP);
    wire_write_request(&bytes, request);
    assert_false(buf_failed(&bytes));
    struct model_request back;
    assert_true(wire_read_request(arena, arena_copy(arena, buf_view(&bytes)), &back));
    buf_free(&bytes);
    return back;
}

static struct view as_text(const struct json *value)
{
    struct buf bytes = BUF_INIT(CAP);
    struct json_writer w;
    json_writer_init(&w, &bytes);
    json_write_value(&w, value);
    struct view text = arena_copy(arena, buf_view(&bytes));
    buf_free(&bytes);
    return text;
}

static void messages_of_every_kind_survive(void **state)
{
    (void)state;
    const struct json *arguments = json_parse(arena, VIEW("{\"city\":\"K\\u00f6ln\",\"n\":1.50}"), 8, NULL);
    const struct chat_part system[] = { { .type = CHAT_TEXT, .text = VIEW_INIT("Be brief."), .cache_point = true } };
    const struct chat_part user[] = {
        { .type = CHAT_TEXT, .text = VIEW_INIT("\xe5\xaf\xb9\"\\\n") },
        { .type = CHAT_IMAGE, .bytes = { "\0\1\xff", 3 }, .media_type = VIEW_INIT("image/png") },
    };
    const struct chat_part assistant[] = {
        { .type = CHAT_REASONING, .text = VIEW_INIT("hm") },
        { .type = CHAT_TOOL_CALL, .id = VIEW_INIT("t1"), .name = VIEW_INIT("weather"), .arguments = arguments },
    };
    const struct chat_part tool[] = { { .type = CHAT_TOOL_RESULT, .id = VIEW_INIT("t1"), .text = VIEW_INIT("no"), .is_error = true } };
    const struct chat_message messages[] = {
        { CHAT_SYSTEM, system, 1 },
        { CHAT_USER, user, 2 },
        { CHAT_ASSISTANT, assistant, 2 },
        { CHAT_TOOL, tool, 1 },
    };
    struct model_request request;
    model_request_init(&request);
    request.model = VIEW("default");
    request.generate.messages = messages;
    request.generate.message_count = 4;

    struct generate_request back = through_the_wire(&request).generate;
    assert_int_equal(back.message_count, 4);
    assert_int_equal(back.messages[0].role, CHAT_SYSTEM);
    assert_true(back.messages[0].parts[0].cache_point);
    assert_int_equal(back.messages[1].part_count, 2);
    assert_false(back.messages[1].parts[0].cache_point);
    assert_view_eq(back.messages[1].parts[0].text, user[0].text);
    assert_view_eq(back.messages[1].parts[1].bytes, user[1].bytes);
    assert_view_is(back.messages[1].parts[1].media_type, "image/png");
    assert_int_equal(back.messages[2].parts[0].type, CHAT_REASONING);
    assert_view_is(back.messages[2].parts[1].name, "weather");
    assert_view_eq(as_text(back.messages[2].parts[1].arguments), as_text(arguments));
    assert_int_equal(back.messages[3].role, CHAT_TOOL);
    assert_view_is(back.messages[3].parts[0].id, "t1");
    assert_true(back.messages[3].parts[0].is_error);
}

static void settings_survive_and_unset_ones_stay_unset(void **state)
{
    (void)state;
    const struct chat_tool tools[] = {
        { VIEW_INIT("weather"), VIEW_INIT("Tells the weather."), json_parse(arena, VIEW("{\"type\":\"object\"}"), 8, NULL) },
        { .name = VIEW_INIT("now") },
    };
    const struct view stops[] = { VIEW_INIT("\n\nHuman:"), VIEW_INIT("END") };
    struct model_request request;
    model_request_init(&request);
    request.priority = PRIORITY_BATCH;
    request.account = VIEW("123456789012");
    request.caller = VIEW("arn:aws:iam::123456789012:user/a");
    request.request_id = VIEW("r-1");
    request.generate.raw_prompt = VIEW("");
    request.generate.has_raw_prompt = true;
    request.generate.assistant_prefix = VIEW("{");
    request.generate.tools = tools;
    request.generate.tool_count = 2;
    request.generate.tool_choice = TOOL_CHOICE_NAMED;
    request.generate.tool_name = VIEW("now");
    request.generate.json_schema = json_parse(arena, VIEW("true"), 8, NULL);
    request.generate.has_json_schema = true;
    request.generate.sampling.temperature = 0.7f;
    request.generate.sampling.top_p = 0.0f;
    request.generate.sampling.top_k = 0;
    request.generate.sampling.has_seed = true;
    request.generate.sampling.seed = UINT32_MAX;
    request.generate.max_tokens = 0;
    request.generate.stops = stops;
    request.generate.stop_count = 2;
    request.generate.want_logprobs = true;

    struct model_request back = through_the_wire(&request);
    assert_int_equal(back.priority, PRIORITY_BATCH);
    assert_view_is(back.account, "123456789012");
    assert_view_is(back.caller, "arn:aws:iam::123456789012:user/a");
    assert_view_is(back.request_id, "r-1");
    const struct generate_request *generate = &back.generate;
    assert_true(generate->has_raw_prompt);
    assert_int_equal(generate->raw_prompt.len, 0);
    assert_view_is(generate->assistant_prefix, "{");
    assert_int_equal(generate->tool_count, 2);
    assert_view_is(generate->tools[0].description, "Tells the weather.");
    assert_view_is(as_text(generate->tools[0].schema), "{\"type\":\"object\"}");
    assert_null(generate->tools[1].schema);
    assert_int_equal(generate->tool_choice, TOOL_CHOICE_NAMED);
    assert_view_is(generate->tool_name, "now");
    assert_true(generate->has_json_schema && json_bool(generate->json_schema, false));
    assert_true(generate->sampling.temperature == 0.7f && generate->sampling.top_p == 0.0f);
    assert_true(generate->sampling.min_p == MODEL_UNSET_FLOAT && generate->sampling.repeat_penalty == MODEL_UNSET_FLOAT);
    assert_int_equal(generate->sampling.top_k, 0);
    assert_true(generate->sampling.has_seed);
    assert_int_equal(generate->sampling.seed, UINT32_MAX);
    assert_int_equal(generate->max_tokens, 0);
    assert_int_equal(generate->stop_count, 2);
    assert_view_is(generate->stops[0], "\n\nHuman:");
    assert_true(generate->want_logprobs);

    struct model_request plain;
    model_request_init(&plain);
    plain = through_the_wire(&plain);
    assert_true(plain.generate.sampling.temperature == MODEL_UNSET_FLOAT);
    assert_int_equal(plain.generate.sampling.top_k, -1);
    assert_false(plain.generate.sampling.has_seed);
    assert_int_equal(plain.generate.max_tokens, -1);
    assert_false(plain.generate.has_raw_prompt || plain.generate.has_json_schema);
}

static void embeddings_and_counts_survive(void **state)
{
    (void)state;
    const struct view texts[] = { VIEW_INIT("hello"), VIEW_INIT("") };
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_EMBED;
    request.embed = (struct embed_request){ texts, 2, EMBED_TRUNCATE_REFUSE, EMBED_QUERY };
    struct model_request back = through_the_wire(&request);
    assert_int_equal(back.kind, MODEL_EMBED);
    assert_int_equal(back.embed.text_count, 2);
    assert_view_is(back.embed.texts[0], "hello");
    assert_int_equal(back.embed.texts[1].len, 0);
    assert_int_equal(back.embed.truncate, EMBED_TRUNCATE_REFUSE);
    assert_int_equal(back.embed.purpose, EMBED_QUERY);

    request.kind = MODEL_COUNT;
    request.count_embed = true;
    back = through_the_wire(&request);
    assert_int_equal(back.kind, MODEL_COUNT);
    assert_true(back.count_embed);
    request.count_embed = false;
    assert_false(through_the_wire(&request).count_embed);
}

static void what_no_writer_makes_is_malformed(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "",
        "[]",
        "{}",
        "{\"kind\":\"generate\",\"priority\":\"batch\"}",
        "{\"kind\":\"draw\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\"}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\",\"messages\":{}}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\",\"messages\":[1]}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\",\"max_tokens\":-1}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\",\"stops\":[1]}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\",\"tools\":[{}]}}",
        "{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\",\"seed\":4294967296}}",
        "{\"kind\":\"embed\",\"priority\":\"batch\"}",
    };
    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        struct model_request request;
        assert_false(wire_read_request(arena, view_from_cstr(payloads[i]), &request));
    }
    struct model_request request;
    assert_true(wire_read_request(
        arena, VIEW("{\"kind\":\"generate\",\"priority\":\"batch\",\"generate\":{\"tool_choice\":\"auto\"}}"), &request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_of_every_kind_survive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings_survive_and_unset_ones_stay_unset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(embeddings_and_counts_survive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_no_writer_makes_is_malformed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
