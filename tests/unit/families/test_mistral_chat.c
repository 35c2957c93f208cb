#include "dialogue.h"

DIALOGUE_FIXTURE(&family_mistral_chat, "mistral.mistral-large-2407-v1:0")

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]"

static void the_body_is_read(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO ",\"max_tokens\":10,\"random_seed\":4,\"tools\":[{\"type\":\"function\",\"function\":{"
                               "\"name\":\"look\"}}],"
                     "\"tool_choice\":\"any\"}");
    assert_view_is(dialogue_messages(d), "user: Hello");
    assert_int_equal(d->request.generate.tool_choice, TOOL_CHOICE_ANY);
    assert_int_equal(d->request.generate.sampling.seed, 4);
    assert_float_equal(d->request.generate.sampling.temperature, 0.7, 1e-6);
    assert_refused(d, "{\"prompt\":\"a\"}", MALFORMED("#: required key [messages] not found#: extraneous key [prompt] is not permitted"));
    assert_refused(d, "{" HELLO ",\"safe_prompt\":true}",
                   "This server doesn't support the value at /safe_prompt for this model. Use false, or remove it, and try again.");
}

static void older_models_say_stop_reason(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{" HELLO "}");
    assert_view_is(dialogue_text(d, "Hi", GEN_END), "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},"
                                                    "\"stop_reason\":\"stop\"}]}");
    struct view text = dialogue_two_deltas(d, GEN_END);
    assert_view_is(view_split(&text, '\n'),
                   "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"stop_reason\":null}]}");
    assert_view_is(view_split(&text, '\n'), "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Par\"},\"stop_reason\":null}]}");
}

static void newer_models_say_finish_reason_and_usage(void **state)
{
    struct dialogue *d = *state;
    d->model.id = VIEW("mistral.pixtral-large-2502-v1:0");
    assert_parses(d, "{" HELLO "}");
    dialogue_text(d, "Hi", GEN_END);
    assert_at(d, "/choices/0/finish_reason", "stop");
    assert_view_is(json_number_text(dialogue_at(d, "/usage/prompt_tokens")), "7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(the_body_is_read),
        DIALOGUE_TEST(older_models_say_stop_reason),
        DIALOGUE_TEST(newer_models_say_finish_reason_and_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
