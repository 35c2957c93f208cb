#include "dialogue.h"

DIALOGUE_FIXTURE(&family_deepseek, "deepseek.r1-v1:0")

static void a_prompt_is_taken_apart_and_answered_as_text(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"prompt\":\"<\uff5cbegin\u2581of\u2581sentence\uff5c><\uff5cUser\uff5c>Hi<\uff5cAssistant\uff5c><think>\\n\","
                     "\"max_tokens\":100,\"stop\":[\"END\"]}");
    assert_view_is(dialogue_messages(d), "user: Hi");
    assert_int_equal(d->request.generate.assistant_prefix.len, 0);
    assert_int_equal(d->request.generate.max_tokens, 100);
    assert_view_is(dialogue_text(d, "Hello", GEN_END), "{\"choices\":[{\"text\":\"Hello\",\"stop_reason\":\"stop\"}]}");
    assert_view_is(dialogue_two_deltas(d, GEN_MAX_TOKENS),
                   "{\"choices\":[{\"text\":\"Par\",\"stop_reason\":null}]}\n{\"choices\":[{\"text\":\"is.\",\"stop_reason\":null}]}\n"
                   "{\"choices\":[{\"text\":\"\",\"stop_reason\":\"length\"}]," METRICS "}");
}

static void thoughts_come_first_and_are_closed(void **state)
{
    struct dialogue *d = *state;
    static const struct gen_delta deltas[] = { { .type = GEN_REASONING, .text = VIEW_INIT("hm") }, TEXT_DELTA("Hi") };
    assert_parses(d, "{\"prompt\":\"a\"}");
    d->end.reason = GEN_END;
    assert_view_is(dialogue_result(d, &(struct gen_result){ .text = VIEW("Hi"), .reasoning = VIEW("hm"), .end = &d->end }),
                   "{\"choices\":[{\"text\":\"hm\\n</think>\\n\\nHi\",\"stop_reason\":\"stop\"}]}");
    struct view text = dialogue_stream(d, deltas, COUNT_OF(deltas), GEN_END);
    assert_view_is(view_split(&text, '\n'), "{\"choices\":[{\"text\":\"hm\",\"stop_reason\":null}]}");
    assert_view_is(view_split(&text, '\n'), "{\"choices\":[{\"text\":\"\\n</think>\\n\\n\",\"stop_reason\":null}]}");
    assert_view_is(view_split(&text, '\n'), "{\"choices\":[{\"text\":\"Hi\",\"stop_reason\":null}]}");
}

static void messages_are_answered_as_chat(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
    dialogue_text(d, "Hello", GEN_END);
    assert_at(d, "/object", "chat.completion");
    assert_at(d, "/choices/0/finish_reason", "stop");
}

static void a_body_with_neither_lacks_its_prompt(void **state)
{
    assert_refused(*state, "{\"top_p\":2}", MALFORMED("#: required key [prompt] not found#/top_p: 2 is not less or equal to 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(a_prompt_is_taken_apart_and_answered_as_text),
        DIALOGUE_TEST(thoughts_come_first_and_are_closed),
        DIALOGUE_TEST(messages_are_answered_as_chat),
        DIALOGUE_TEST(a_body_with_neither_lacks_its_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
