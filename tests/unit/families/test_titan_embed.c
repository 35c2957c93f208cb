#include "dialogue.h"

DIALOGUE_FIXTURE(&family_titan_embed_v2, "amazon.titan-embed-text-v2:0")

static const float row[] = { 0.6f, -0.8f };

static void version_1_takes_text_alone(void **state)
{
    struct dialogue *d = *state;
    d->family = &family_titan_embed_v1;
    d->model.dimensions = 4;
    assert_parses(d, "{\"inputText\":\"Hello world!\"}");
    assert_int_equal(d->request.kind, MODEL_EMBED);
    assert_view_is(d->request.embed.texts[0], "Hello world!");
    assert_int_equal(d->request.embed.truncate, EMBED_TRUNCATE_WINDOWS);
    assert_view_is(dialogue_vectors(d, row, 1, 2), "{\"embedding\":[0.6,-0.8,0.0,0.0],\"inputTextTokenCount\":5}");
    assert_refused(d, "{\"inputText\":\"a\",\"dimensions\":256}", MALFORMED("#: extraneous key [dimensions] is not permitted"));
    assert_refused(d, "{\"inputText\":\"\"}", MALFORMED("#/inputText: expected minLength: 1, actual: 0"));
}

static void version_2_has_the_dimensions_that_were_asked_for(void **state)
{
    struct dialogue *d = *state;
    d->model.dimensions = 1024;
    assert_parses(d, "{\"inputText\":\"a\",\"dimensions\":256,\"normalize\":true}");
    dialogue_vectors(d, row, 1, 2);
    assert_int_equal(json_size(dialogue_at(d, "/embedding")), 256);
    assert_int_equal(json_size(dialogue_at(d, "/embeddingsByType/float")), 256);
    assert_parses(d, "{\"inputText\":\"a\"}");
    dialogue_vectors(d, row, 1, 2);
    assert_int_equal(json_size(dialogue_at(d, "/embedding")), 1024);
    assert_refused(d, "{\"inputText\":\"a\",\"dimensions\":300}", MALFORMED("#/dimensions: 300 is not a valid enum value"));
}

static void a_models_own_name_promises_no_dimensions(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"inputText\":\"a\"}");
    assert_view_is(dialogue_vectors(d, row, 1, 2),
                   "{\"embedding\":[0.6,-0.8],\"embeddingsByType\":{\"float\":[0.6,-0.8]},\"inputTextTokenCount\":5}");
}

static void binary_alone_leaves_the_floats_out(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"inputText\":\"a\",\"embeddingTypes\":[\"binary\"]}");
    assert_view_is(dialogue_vectors(d, row, 1, 2), "{\"embeddingsByType\":{\"binary\":[1,0]},\"inputTextTokenCount\":5}");
    assert_parses(d, "{\"inputText\":\"a\",\"embeddingTypes\":[\"float\",\"binary\"]}");
    dialogue_vectors(d, row, 1, 2);
    assert_int_equal(json_size(dialogue_at(d, "/embedding")), 2);
    assert_int_equal(json_size(dialogue_at(d, "/embeddingsByType")), 2);
    assert_refused(d, "{\"inputText\":\"a\",\"embeddingTypes\":[\"int8\"]}", MALFORMED("#/embeddingTypes/0: int8 is not a valid enum "
                                                                                       "value"));
}

static void the_multimodal_model_takes_its_text_and_refuses_its_image(void **state)
{
    struct dialogue *d = *state;
    d->family = &family_titan_embed_image;
    d->model.dimensions = 1024;
    assert_parses(d, "{\"inputText\":\"a cat\",\"embeddingConfig\":{\"outputEmbeddingLength\":384}}");
    dialogue_vectors(d, row, 1, 2);
    assert_int_equal(json_size(dialogue_at(d, "/embedding")), 384);
    assert_true(json_is(dialogue_at(d, "/message"), JSON_NULL));
    assert_refused(d, "{\"inputImage\":\"aGk=\"}", "This server doesn't support the value at /inputImage for this model. Remove it "
                                                   "and try again.");
    assert_refused(d, "{}", MALFORMED("#: required key [inputText] not found"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(version_1_takes_text_alone),
        DIALOGUE_TEST(version_2_has_the_dimensions_that_were_asked_for),
        DIALOGUE_TEST(a_models_own_name_promises_no_dimensions),
        DIALOGUE_TEST(binary_alone_leaves_the_floats_out),
        DIALOGUE_TEST(the_multimodal_model_takes_its_text_and_refuses_its_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
