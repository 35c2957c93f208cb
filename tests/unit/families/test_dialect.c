#include "dialogue.h"

#include "families/dialect.h"

#define ALL (DIALECT_HUMAN | DIALECT_INST | DIALECT_HEADERS | DIALECT_DEEPSEEK | DIALECT_USER_BOT)

/* What the prompt becomes: its messages, and the prefix of the answer after a last line "assistant+". */
static void assert_taken_apart(unsigned dialects, const char *prompt, const char *messages, const char *prefix)
{
    struct dialogue d;
    dialogue_begin(&d, &family_llama, "meta.llama3-8b-instruct-v1:0");
    model_request_init(&d.request);
    d.in = (struct family_input){ .arena = d.arena, .model = &d.model, .error = &d.error };
    dialect_prompt(&d.in, dialects, view_from_cstr(prompt), &d.request.generate);
    assert_view_is(dialogue_messages(&d), messages);
    assert_view_is(d.request.generate.assistant_prefix, prefix);
    dialogue_end(&d);
}

static void a_prompt_without_markers_is_one_user_message(void **state)
{
    (void)state;
    assert_taken_apart(ALL, "What is [a] User: and a Bot?", "user: What is [a] User: and a Bot?", "");
    assert_taken_apart(ALL, "", "user: ", "");
}

static void turns_of_human_and_assistant(void **state)
{
    (void)state;
    assert_taken_apart(ALL, "\n\nHuman: Hi\nHuman: is here\n\nAssistant:", "user: Hi\nHuman: is here", "");
    assert_taken_apart(ALL, "Rules.\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: {",
                       "system: Rules.\nuser: a\nassistant: b\nuser: c", "{");
}

static void turns_of_inst_with_and_without_a_system_prompt(void **state)
{
    (void)state;
    assert_taken_apart(DIALECT_INST, "<s>[INST] Hi [/INST]", "user: Hi", "");
    assert_taken_apart(DIALECT_INST, "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]",
                       "system: Be kind.\nuser: Hi\nassistant: Hello\nuser: Bye", "");
    assert_taken_apart(DIALECT_INST, "[INST] Count [/INST] One, two,", "user: Count", "One, two,");
    assert_taken_apart(DIALECT_INST, "[INST] a [/INST] b</s>", "user: a\nassistant: b", "");
}

static void turns_with_headers_of_llama_3_and_4(void **state)
{
    (void)state;
    assert_taken_apart(DIALECT_HEADERS,
                       "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
                       "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                       "system: Be kind.\nuser: Hi", "");
    assert_taken_apart(DIALECT_HEADERS,
                       "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\nWell,",
                       "user: Hi", "Well,");
}

static void turns_of_chatml_and_gemma(void **state)
{
    (void)state;
    assert_taken_apart(DIALECT_HEADERS, "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
                       "system: Be kind.\nuser: Hi", "");
    assert_taken_apart(DIALECT_HEADERS,
                       "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n<start_of_turn>user\nBye",
                       "user: Hi\nassistant: Hello\nuser: Bye", "");
}

static void turns_of_deepseek_lose_their_thoughts(void **state)
{
    (void)state;
    assert_taken_apart(DIALECT_DEEPSEEK,
                       "<\uff5cbegin\u2581of\u2581sentence\uff5c>Be "
                       "kind.<\uff5cUser\uff5c>Hi<\uff5cAssistant\uff5c><think>\nhm</think>Hello"
                       "<\uff5cend\u2581of\u2581sentence\uff5c><\uff5cUser\uff5c>Bye<\uff5cAssistant\uff5c><think>\n",
                       "system: Be kind.\nuser: Hi\nassistant: Hello\nuser: Bye", "");
}

static void turns_of_user_and_bot_only_when_the_bot_is_next(void **state)
{
    (void)state;
    assert_taken_apart(DIALECT_USER_BOT, "User: Hi\nBot: Hello\nUser: Bye\nBot:", "user: Hi\nassistant: Hello\nuser: Bye", "");
    assert_taken_apart(DIALECT_USER_BOT, "User: a person who uses", "user: User: a person who uses", "");
}

static void a_dialect_that_is_not_the_familys_is_plain_text(void **state)
{
    (void)state;
    assert_taken_apart(DIALECT_INST, "<|im_start|>user\nHi", "user: <|im_start|>user\nHi", "");
    assert_taken_apart(0, "[INST] Hi [/INST]", "user: [INST] Hi [/INST]", "");
}

static void markers_without_text_never_lose_the_prompt(void **state)
{
    (void)state;
    assert_taken_apart(ALL, "[INST][/INST]", "user: [INST][/INST]", "");
    assert_taken_apart(ALL, "<|im_start|>", "user: <|im_start|>", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_without_markers_is_one_user_message),
        cmocka_unit_test(turns_of_human_and_assistant),
        cmocka_unit_test(turns_of_inst_with_and_without_a_system_prompt),
        cmocka_unit_test(turns_with_headers_of_llama_3_and_4),
        cmocka_unit_test(turns_of_chatml_and_gemma),
        cmocka_unit_test(turns_of_deepseek_lose_their_thoughts),
        cmocka_unit_test(turns_of_user_and_bot_only_when_the_bot_is_next),
        cmocka_unit_test(a_dialect_that_is_not_the_familys_is_plain_text),
        cmocka_unit_test(markers_without_text_never_lose_the_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
