#include "unit.h"

#include "engine/remote.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(1u << 20);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static const struct json *body_of(const struct model_request *request)
{
    const struct engine_model model = { .name = VIEW("local"), .document_prefix = VIEW("passage: ") };
    struct buf out = BUF_INIT(1u << 20);
    remote_write_request(&out, &model, request);
    const struct json *body = json_parse(arena, buf_view(&out), 64, NULL);
    buf_free(&out);
    assert_non_null(body);
    return body;
}

static struct view at(const struct json *body, const char *pointer)
{
    bool valid;
    const struct json *value = json_pointer(body, view_from_cstr(pointer), &valid);
    return json_is(value, JSON_NUMBER) ? json_number_text(value) : json_string(value);
}

static void conversation_with_tools_takes_the_servers_form(void **state)
{
    (void)state;
    const struct chat_part system[] = { { .type = CHAT_TEXT, .text = VIEW_INIT("Be brief.") } };
    const struct chat_part user[] = { { .type = CHAT_TEXT, .text = VIEW_INIT("look") },
                                      { .type = CHAT_IMAGE, .bytes = { "abc", 3 }, .media_type = VIEW_INIT("image/png") } };
    const struct chat_part assistant[] = { { .type = CHAT_TEXT, .text = VIEW_INIT("I ") },
                                           { .type = CHAT_TEXT, .text = VIEW_INIT("call") },
                                           { .type = CHAT_TOOL_CALL, .id = VIEW_INIT("t1"), .name = VIEW_INIT("f"),
                                             .arguments = json_parse(arena, VIEW("{\"a\":1}"), 8, NULL) } };
    const struct chat_part results[] = { { .type = CHAT_TOOL_RESULT, .id = VIEW_INIT("t1"), .text = VIEW_INIT("gone"), .is_error = true },
                                         { .type = CHAT_TEXT, .text = VIEW_INIT("go on") } };
    const struct chat_message messages[] = { { CHAT_SYSTEM, system, 1 }, { CHAT_USER, user, 2 }, { CHAT_ASSISTANT, assistant, 3 },
                                             { CHAT_TOOL, results, 2 } };
    const struct chat_tool tools[] = { { .name = VIEW_INIT("f") } };
    const struct view stops[] = { VIEW_INIT("END") };
    struct model_request request;
    model_request_init(&request);
    request.generate.messages = messages;
    request.generate.message_count = 4;
    request.generate.tools = tools;
    request.generate.tool_count = 1;
    request.generate.tool_choice = TOOL_CHOICE_NAMED;
    request.generate.tool_name = VIEW("f");
    request.generate.stops = stops;
    request.generate.stop_count = 1;
    request.generate.sampling.temperature = 0.5f;
    request.generate.sampling.has_seed = true;
    request.generate.sampling.seed = 7;
    request.generate.max_tokens = 99;
    assert_string_equal(remote_path(&request), "/chat/completions");
    const struct json *body = body_of(&request);
    assert_view_is(at(body, "/model"), "local");
    assert_view_is(at(body, "/messages/0/role"), "system");
    assert_view_is(at(body, "/messages/1/content/1/image_url/url"), "data:image/png;base64,YWJj");
    assert_view_is(at(body, "/messages/2/content"), "I call");
    assert_view_is(at(body, "/messages/2/tool_calls/0/function/arguments"), "{\"a\":1}");
    assert_view_is(at(body, "/messages/3/role"), "tool");
    assert_view_is(at(body, "/messages/3/content"), "Error: gone");
    assert_view_is(at(body, "/messages/4/role"), "user");
    assert_view_is(at(body, "/messages/4/content"), "go on");
    assert_view_is(at(body, "/tools/0/function/parameters/type"), "object");
    assert_view_is(at(body, "/tool_choice/function/name"), "f");
    assert_view_is(at(body, "/stop/0"), "END");
    assert_view_is(at(body, "/temperature"), "0.5");
    assert_view_is(at(body, "/seed"), "7");
    assert_view_is(at(body, "/max_tokens"), "99");
    assert_null(json_get(body, "top_p"));
    assert_null(json_get(body, "response_format"));
}

static void prefix_raw_prompt_and_schema_are_passed_on(void **state)
{
    (void)state;
    struct model_request request;
    model_request_init(&request);
    request.generate.assistant_prefix = VIEW("{");
    request.generate.has_json_schema = true;
    request.generate.json_schema = json_parse(arena, VIEW("{\"type\":\"object\"}"), 8, NULL);
    const struct json *body = body_of(&request);
    assert_view_is(at(body, "/messages/0/role"), "assistant");
    assert_true(json_bool(json_get(body, "continue_final_message"), false));
    assert_view_is(at(body, "/response_format/json_schema/schema/type"), "object");

    model_request_init(&request);
    request.generate.has_raw_prompt = true;
    request.generate.raw_prompt = VIEW("Once");
    assert_string_equal(remote_path(&request), "/completions");
    assert_view_is(at(body_of(&request), "/prompt"), "Once");
}

static void embedding_texts_get_their_prefix(void **state)
{
    (void)state;
    const struct view texts[] = { VIEW_INIT("a") };
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_EMBED;
    request.embed = (struct embed_request){ texts, 1, EMBED_TRUNCATE_END, EMBED_DOCUMENT };
    assert_view_is(at(body_of(&request), "/input/0"), "passage: a");
    request.embed.purpose = EMBED_SYMMETRIC;
    assert_view_is(at(body_of(&request), "/input/0"), "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(conversation_with_tools_takes_the_servers_form),
        TEST(prefix_raw_prompt_and_schema_are_passed_on),
        TEST(embedding_texts_get_their_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
