#include "dialogue.h"

DIALOGUE_FIXTURE(&family_cohere_embed_v3, "cohere.embed-multilingual-v3")

static const float rows[] = { 0.6f, -0.8f, -1, 0 };

static void texts_and_their_purpose_are_taken_over(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"texts\":[\"One\",\"Two\"],\"input_type\":\"search_document\"}");
    assert_int_equal(d->request.kind, MODEL_EMBED);
    assert_int_equal(d->request.embed.text_count, 2);
    assert_view_is(d->request.embed.texts[1], "Two");
    assert_int_equal(d->request.embed.purpose, EMBED_DOCUMENT);
    assert_int_equal(d->request.embed.truncate, EMBED_TRUNCATE_REFUSE);
    assert_parses(d, "{\"texts\":[\"One\"],\"input_type\":\"search_query\",\"truncate\":\"START\"}");
    assert_int_equal(d->request.embed.purpose, EMBED_QUERY);
    assert_int_equal(d->request.embed.truncate, EMBED_TRUNCATE_START);
    assert_parses(d, "{\"texts\":[\"One\"],\"input_type\":\"clustering\",\"truncate\":\"END\"}");
    assert_int_equal(d->request.embed.purpose, EMBED_SYMMETRIC);
    assert_int_equal(d->request.embed.truncate, EMBED_TRUNCATE_END);
}

static void the_error_for_another_familys_body_is_bedrocks(void **state)
{
    struct dialogue *d = *state;
    assert_refused(d, "{\"inputText\":\"a\"}",
                   MALFORMED("#: required key [input_type] not found#: extraneous key [inputText] is not permitted"));
    assert_refused(d, "{\"input_type\":\"search_query\"}", MALFORMED("#: required key [texts] not found"));
    assert_refused(d, "{\"texts\":[],\"input_type\":\"search_query\"}", MALFORMED("#/texts: expected minimum item count: 1, found: 0"));
    assert_refused(d, "{\"texts\":[\"\"],\"input_type\":\"search_query\"}", MALFORMED("#/texts/0: expected minLength: 1, actual: 0"));
}

static void a_long_text_is_refused_with_its_length(void **state)
{
    struct dialogue *d = *state;
    char body[3000];
    snprintf(body, sizeof(body), "{\"texts\":[\"%02049d\"],\"input_type\":\"search_query\"}", 0);
    assert_refused(d, body, MALFORMED("#/texts/0: expected maxLength: 2048, actual: 2049"));
    snprintf(body, sizeof(body), "{\"texts\":[\"%02048d\"],\"input_type\":\"search_query\"}", 0);
    assert_parses(d, body);
}

static void images_are_refused_by_name(void **state)
{
    assert_refused(*state, "{\"images\":[\"data:image/png;base64,aGk=\"],\"input_type\":\"image\"}",
                   "This server doesn't support the value at /images for this model. Remove it and try again.");
    assert_refused(*state, "{\"texts\":[\"a\"],\"input_type\":\"image\"}",
                   "This server doesn't support the input_type image for this model. Embed texts instead.");
}

static void without_types_the_vectors_stand_alone(void **state)
{
    struct dialogue *d = *state;
    assert_parses(d, "{\"texts\":[\"One\",\"TWO Ä\"],\"input_type\":\"search_document\"}");
    struct view reply = dialogue_vectors(d, rows, 2, 2);
    assert_true(view_ends_with(reply, VIEW("\"texts\":[\"one\",\"two Ä\"],\"embeddings\":[[0.6,-0.8],[-1.0,0.0]],"
                                           "\"response_type\":\"embeddings_floats\"}")));
    assert_int_equal(dialogue_at(d, "/id") != NULL, true);
}

static void every_type_comes_under_its_name(void **state)
{
    struct dialogue *d = *state;
    d->model.dimensions = 8;
    assert_parses(d, "{\"texts\":[\"One\"],\"input_type\":\"search_document\","
                     "\"embedding_types\":[\"ubinary\",\"float\",\"int8\",\"uint8\",\"binary\"]}");
    struct view reply = dialogue_vectors(d, rows, 1, 2);
    assert_true(view_ends_with(reply, VIEW("\"embeddings\":{\"float\":[[0.6,-0.8,0.0,0.0,0.0,0.0,0.0,0.0]],\"int8\":[[27,-36,0,0,0,0,"
                                           "0,0]],"
                                           "\"uint8\":[[155,92,128,128,128,128,128,128]],\"binary\":[[0]],\"ubinary\":[[128]]},"
                                           "\"response_type\":\"embeddings_by_type\"}")));
}

static void version_4_takes_inputs_and_dimensions(void **state)
{
    struct dialogue *d = *state;
    d->family = &family_cohere_embed_v4;
    d->model.dimensions = 1536;
    assert_parses(d, "{\"inputs\":[{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}],"
                     "\"input_type\":\"search_query\",\"output_dimension\":256,\"truncate\":\"LEFT\"}");
    assert_view_is(d->request.embed.texts[0], "a\nb");
    assert_int_equal(d->request.embed.truncate, EMBED_TRUNCATE_START);
    dialogue_vectors(d, rows, 1, 2);
    assert_int_equal(json_size(dialogue_at(d, "/embeddings/0")), 256);
    assert_parses(d, "{\"texts\":[\"a\"],\"input_type\":\"search_query\"}");
    dialogue_vectors(d, rows, 1, 2);
    assert_int_equal(json_size(dialogue_at(d, "/embeddings/0")), 1536);
    assert_refused(d, "{\"texts\":[\"a\"],\"input_type\":\"search_query\",\"output_dimension\":300}",
                   MALFORMED("#/output_dimension: 300 is not a valid enum value"));
    assert_refused(d, "{\"inputs\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}],"
                      "\"input_type\":\"search_query\"}",
                   "This server doesn't support the value at /inputs/0/content/0/image_url for this model. Remove it and try again.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(texts_and_their_purpose_are_taken_over),
        DIALOGUE_TEST(the_error_for_another_familys_body_is_bedrocks),
        DIALOGUE_TEST(a_long_text_is_refused_with_its_length),
        DIALOGUE_TEST(images_are_refused_by_name),
        DIALOGUE_TEST(without_types_the_vectors_stand_alone),
        DIALOGUE_TEST(every_type_comes_under_its_name),
        DIALOGUE_TEST(version_4_takes_inputs_and_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
