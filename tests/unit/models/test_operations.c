#include "shelf.h"

#include "models/operations.h"

struct listing {
    struct shelf shelf;
    struct arena *arena;
};

static int set_up(void **state)
{
    static struct listing listing;
    static const struct models_rule rules[] = {
        { .pattern = VIEW_INIT("acme.writer-v1"), .model = VIEW_INIT("smollm2") },
        { .pattern = VIEW_INIT("acme.*"), .model = VIEW_INIT("smollm2") },
    };
    shelf_begin(&listing.shelf);
    shelf_open(&listing.shelf, (struct models_options){ .rules = rules, .rule_count = COUNT_OF(rules) });
    listing.arena = arena_create(8 << 20);
    *state = &listing;
    return 0;
}

static int tear_down(void **state)
{
    struct listing *listing = *state;
    shelf_end(&listing->shelf);
    arena_destroy(listing->arena);
    return 0;
}

static const struct json *list(void **state, struct models_filter filter)
{
    struct listing *listing = *state;
    struct models_snapshot *snapshot = models_acquire(listing->shelf.models);
    struct buf text = BUF_INIT(1 << 20);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    assert_true(models_write_summaries(snapshot, listing->arena, VIEW("eu-west-1"), &filter, &writer));
    assert_false(json_writer_failed(&writer));
    const struct json *parsed = json_parse(listing->arena, buf_view(&text), 64, NULL);
    assert_non_null(parsed);
    buf_free(&text);
    models_release(snapshot);
    return parsed;
}

static const struct json *find(const struct json *summaries, const char *id)
{
    const struct json *found = NULL;
    struct json_iter it = json_iter(summaries);
    while (json_next(&it)) {
        if (!view_is(json_get_string(it.value, "modelId"), id))
            continue;
        assert_null(found);
        found = it.value;
    }
    return found;
}

static void what_can_be_answered_is_listed_once_and_nothing_else(void **state)
{
    const struct json *all = list(state, (struct models_filter){ { 0 } });
    assert_non_null(find(all, "anthropic.claude-v2"));
    assert_non_null(find(all, "amazon.titan-embed-text-v1"));
    assert_non_null(find(all, "craton.scripted-v1"));
    assert_non_null(find(all, "smollm2"));
    assert_non_null(find(all, "acme.writer-v1"));
    assert_null(find(all, "acme.*"));
    assert_null(find(all, "qwen.qwen#*"));
    assert_null(find(all, "stability.stable-diffusion-xl"));
}

static void a_summary_tells_the_truth(void **state)
{
    const struct json *haiku = find(list(state, (struct models_filter){ { 0 } }), "anthropic.claude-3-haiku-20240307-v1:0");
    assert_view_is(json_get_string(haiku, "modelArn"),
                   "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0");
    assert_view_is(json_get_string(haiku, "modelName"), "Claude 3 Haiku");
    assert_view_is(json_get_string(haiku, "providerName"), "Anthropic");
    assert_int_equal(json_size(json_get(haiku, "inputModalities")), 1); /* the local model sees no images */
    assert_true(json_bool(json_get(haiku, "responseStreamingSupported"), false));
    assert_int_equal(json_size(json_get(haiku, "customizationsSupported")), 0);
    assert_view_is(json_get_string(json_get(haiku, "modelLifecycle"), "status"), "ACTIVE");

    const struct json *j2 = find(list(state, (struct models_filter){ { 0 } }), "ai21.j2-mid-v1");
    assert_false(json_bool(json_get(j2, "responseStreamingSupported"), true));
    assert_view_is(json_get_string(json_get(j2, "modelLifecycle"), "status"), "LEGACY");
}

static void filters_choose(void **state)
{
    const struct json *embedding = list(state, (struct models_filter){ .output_modality = VIEW("EMBEDDING") });
    assert_non_null(find(embedding, "cohere.embed-v4:0"));
    assert_null(find(embedding, "anthropic.claude-v2"));
    const struct json *cohere = list(state, (struct models_filter){ .provider = VIEW("cohere"), .output_modality = VIEW("TEXT") });
    assert_non_null(find(cohere, "cohere.command-text-v14"));
    assert_null(find(cohere, "cohere.embed-v4:0"));
    assert_int_equal(json_size(list(state, (struct models_filter){ .output_modality = VIEW("IMAGE") })), 0);
    assert_int_equal(json_size(list(state, (struct models_filter){ .inference_type = VIEW("PROVISIONED") })), 0);
    assert_true(json_size(list(state, (struct models_filter){ .inference_type = VIEW("ON_DEMAND") })) > 50);
    assert_int_equal(json_size(list(state, (struct models_filter){ .customization = VIEW("FINE_TUNING") })), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_can_be_answered_is_listed_once_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_summary_tells_the_truth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_choose, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
