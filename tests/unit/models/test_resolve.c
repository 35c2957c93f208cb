#include "shelf.h"

static struct arena *arena;
static struct model_target target;
static const char *problem;

static int set_up(void **state)
{
    static struct shelf shelf;
    static const struct models_rule rules[] = {
        { .pattern = VIEW_INIT("us.anthropic.claude-opus-*"), .model = VIEW_INIT("craton.scripted-v1") },
        { .pattern = VIEW_INIT("meta.llama3-8b-*"), .model = VIEW_INIT("smollm2"), .raw_prompt = true },
        { .pattern = VIEW_INIT("acme.writer-v1"), .model = VIEW_INIT("smollm2"), .family = VIEW_INIT("titan-text") },
        { .pattern = VIEW_INIT("amazon.titan-embed-text-v1"), .model = VIEW_INIT("smollm2") },
        { .pattern = VIEW_INIT("cohere.embed-english-*"), .model = VIEW_INIT("craton.scripted-v1") },
        { .pattern = VIEW_INIT("acme.gone-v1"), .model = VIEW_INIT("nowhere") },
        { .pattern = VIEW_INIT("mistral.mistral-large-*"), .model = VIEW_INIT("nowhere") },
    };
    shelf_begin(&shelf);
    shelf_open(&shelf, (struct models_options){ .rules = rules, .rule_count = COUNT_OF(rules) });
    arena = arena_create(1 << 20);
    *state = &shelf;
    return 0;
}

static int tear_down(void **state)
{
    shelf_end(*state);
    arena_destroy(arena);
    return 0;
}

static enum aws_status resolve(void **state, const char *id)
{
    struct shelf *shelf = *state;
    return models_resolve(shelf->models, arena, view_from_cstr(id), &target, &problem);
}

static void assert_served(void **state, const char *id, const char *local, const char *family)
{
    assert_int_equal(resolve(state, id), AWS_OK);
    assert_view_is(target.local, local);
    assert_string_equal(target.family->name, family);
}

static void ids_of_the_catalogue_are_served_by_the_default_of_their_kind(void **state)
{
    assert_served(state, "anthropic.claude-v2", "smollm2", "claude-text");
    assert_view_is(target.served_by, "smollm2; layout=Q8_0");
    assert_view_is(target.family_model.id, "anthropic.claude-v2");
    assert_false(target.embedding);
    assert_served(state, "amazon.titan-embed-text-v2:0", "e5", "titan-embed-v2");
    assert_int_equal(target.family_model.dimensions, 1024);
    assert_true(target.embedding);
}

static void the_scripted_model_answers_in_the_kind_that_the_id_asks_for(void **state)
{
    assert_served(state, "cohere.embed-english-v3", "craton.scripted-v1", "cohere-embed-v3");
    assert_true(target.embedding);
    assert_int_equal(target.family_model.dimensions, 1024);
    assert_served(state, "us.anthropic.claude-opus-4-20250514-v1:0", "craton.scripted-v1", "claude-messages");
    assert_false(target.embedding);
    assert_int_equal(resolve(state, "craton.scripted-v1"), AWS_OK);
    assert_false(target.embedding);
}

static void profiles_and_arns_are_the_model_they_contain(void **state)
{
    assert_served(state, "eu.amazon.nova-lite-v1:0", "smollm2", "nova");
    assert_view_is(target.family_model.id, "amazon.nova-lite-v1:0");
    assert_served(state, "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2:1", "smollm2", "claude-text");
    assert_served(state, "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0", "smollm2", "llama");
}

static void a_local_models_name_is_a_model_id(void **state)
{
    assert_served(state, "smollm2", "smollm2", "openai-chat");
    assert_served(state, "a-minilm", "a-minilm", "titan-embed-v2");
    assert_int_equal(target.family_model.dimensions, 0);
    assert_served(state, "craton.scripted-v1", "craton.scripted-v1", "openai-chat");
    assert_served(state, "arn:aws:bedrock:us-east-1::foundation-model/craton.scripted-v1", "craton.scripted-v1", "openai-chat");
}

static void the_configuration_goes_before_the_catalogue(void **state)
{
    assert_served(state, "us.anthropic.claude-opus-4-20250514-v1:0", "craton.scripted-v1", "claude-messages");
    assert_served(state, "anthropic.claude-opus-4-20250514-v1:0", "smollm2", "claude-messages");
    assert_served(state, "acme.writer-v1", "smollm2", "titan-text");
    assert_served(state, "meta.llama3-8b-instruct-v1:0", "smollm2", "llama");
    assert_true(target.family_model.raw_prompt);
    assert_served(state, "meta.llama3-70b-instruct-v1:0", "smollm2", "llama");
    assert_false(target.family_model.raw_prompt);
}

static void a_text_model_cannot_answer_for_an_embedding_id(void **state)
{
    assert_int_equal(resolve(state, "amazon.titan-embed-text-v1"), AWS_VALIDATION);
    assert_non_null(strstr(problem, "another kind"));
}

static void an_id_that_nobody_has_is_invalid(void **state)
{
    static const char *const ids[] = { "nobody.no-such-model-v1", "anthropic.claude-99", "", "us.smollm2", "arn:aws:s3:::b" };
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(resolve(state, ids[i]), AWS_VALIDATION);
        assert_string_equal(problem, "The provided model identifier is invalid.");
    }
}

static void nothing_stands_in_for_a_mapped_model_that_is_not_there(void **state)
{
    assert_int_equal(resolve(state, "acme.gone-v1"), AWS_SERVICE_UNAVAILABLE);
    assert_non_null(strstr(problem, "maps acme.gone-v1 to nowhere"));
    assert_int_equal(resolve(state, "mistral.mistral-large-2402-v1:0"), AWS_SERVICE_UNAVAILABLE);
    assert_non_null(strstr(problem, "nowhere"));
}

static void a_resource_that_was_not_made_here_is_not_found(void **state)
{
    assert_int_equal(resolve(state, "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"), AWS_RESOURCE_NOT_FOUND);
}

static void a_model_of_a_kind_that_is_not_here_is_refused_by_name(void **state)
{
    assert_int_equal(resolve(state, "stability.stable-diffusion-xl"), AWS_VALIDATION);
    assert_string_equal(problem, "This server can't run stability.stable-diffusion-xl: it has no model of that kind. ListFoundationModels "
                                 "lists what it answers.");
}

static void without_a_model_the_error_says_what_to_do(void **state)
{
    struct shelf *shelf = *state;
    shelf_remove(shelf->shared);
    assert_true(models_reload(shelf->models, NULL));
    assert_int_equal(resolve(state, "anthropic.claude-v2"), AWS_SERVICE_UNAVAILABLE);
    assert_non_null(strstr(problem, "craton models add"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ids_of_the_catalogue_are_served_by_the_default_of_their_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_scripted_model_answers_in_the_kind_that_the_id_asks_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(profiles_and_arns_are_the_model_they_contain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_local_models_name_is_a_model_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_configuration_goes_before_the_catalogue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_text_model_cannot_answer_for_an_embedding_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_id_that_nobody_has_is_invalid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_stands_in_for_a_mapped_model_that_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resource_that_was_not_made_here_is_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_of_a_kind_that_is_not_here_is_refused_by_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_model_the_error_says_what_to_do, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
