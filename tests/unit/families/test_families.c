#include "dialogue.h"

static void every_family_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; family_at(i) != NULL; i++)
        assert_ptr_equal(family_find(view_from_cstr(family_at(i)->name)), family_at(i));
    assert_null(family_find(VIEW("")));
    assert_null(family_find(VIEW("claude")));
}

static void every_family_writes_text_or_vectors_and_streams_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; family_at(i) != NULL; i++) {
        const struct family *family = family_at(i);
        assert_non_null(family->parse);
        assert_int_equal(family->result == NULL, family->embedding != NULL);
        assert_int_equal(family->stream.begin != NULL, family->stream.delta != NULL);
        assert_int_equal(family->stream.end != NULL, family->stream.delta != NULL);
    }
}

/* Converse asks for members of the native body of a conversation that no native body began. */
static void an_answer_is_written_without_a_native_request(void **state)
{
    static const struct gen_tool_call call = { VIEW_INIT("t1"), VIEW_INIT("look"), VIEW_INIT("{}") };
    (void)state;
    for (size_t i = 0; family_at(i) != NULL; i++) {
        struct dialogue d;
        if (family_at(i)->result == NULL)
            continue;
        dialogue_begin(&d, family_at(i), "acme.model-v1");
        d.stream = (struct family_stream){ .model = &d.model, .arena = d.arena, .clock = clock_system() };
        d.end.reason = GEN_STOP_SEQUENCE;
        d.end.stop = VIEW("END");
        dialogue_result(&d, &(struct gen_result){ .text = VIEW("Hi"), .reasoning = VIEW("hm"), .tool_calls = &call, .tool_call_count = 1,
                                                  .end = &d.end });
        assert_true(json_is(dialogue_at(&d, ""), JSON_OBJECT));
        dialogue_end(&d);
    }
}

static void bytes_that_are_no_json_are_malformed_in_every_family(void **state)
{
    static const char *const bodies[] = { "", "{", "{\"a\":1}x", "\xff", "[1,2" };
    (void)state;
    for (size_t i = 0; family_at(i) != NULL; i++) {
        struct dialogue d;
        dialogue_begin(&d, family_at(i), "acme.model-v1");
        for (size_t b = 0; b < COUNT_OF(bodies); b++)
            assert_refused(&d, bodies[b], "Malformed input request, please reformat your input and try again.");
        dialogue_end(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_is_found_by_its_name),
        cmocka_unit_test(every_family_writes_text_or_vectors_and_streams_whole_or_not_at_all),
        cmocka_unit_test(an_answer_is_written_without_a_native_request),
        cmocka_unit_test(bytes_that_are_no_json_are_malformed_in_every_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
