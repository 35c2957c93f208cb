#include "unit.h"

#include "families/family.h"
#include "models/catalog.h"

static void assert_entry(const char *id, const char *expected)
{
    const struct catalog_entry *entry = catalog_find(view_from_cstr(id));
    if (expected == NULL) {
        assert_null(entry);
        return;
    }
    assert_non_null(entry);
    assert_view_is(entry->id, expected);
}

static void the_ids_of_the_source_documents_are_known(void **state)
{
    static const char *const ids[] = {
        "ai21.j2-mid-v1", "ai21.j2-ultra-v1", "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0",
        "amazon.titan-text-premier-v1:0", "anthropic.claude-3-sonnet-20240229-v1:0", "anthropic.claude-instant-v1",
        "anthropic.claude-v1", "anthropic.claude-v2", "cohere.command-text-v14", "stability.stable-diffusion-xl",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_entry(ids[i], ids[i]);
}

static void a_context_variant_counts_as_its_model(void **state)
{
    (void)state;
    assert_entry("anthropic.claude-v2:1:18k", "anthropic.claude-v2:1");
    assert_entry("cohere.command-text-v14:7:4k", "cohere.command-text-v14");
    assert_entry("amazon.titan-text-premier-v1:0:32k", "amazon.titan-text-premier-v1:0");
}

static void versions_to_come_fit_a_pattern_and_exact_ids_go_first(void **state)
{
    (void)state;
    assert_entry("anthropic.claude-3-9-haiku-20290101-v1:0", "anthropic.claude-3-*-v#:#");
    assert_entry("anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1:0");
    assert_entry("qwen.qwen4-8b", "qwen.qwen#*");
    assert_entry("anthropic.claude-4000", NULL);
    assert_entry("nobody.no-such-model-v1", NULL);
    assert_entry("", NULL);
}

static void patterns_fit_digits_and_anything(void **state)
{
    static const struct {
        const char *pattern, *id;
        bool fits;
    } rows[] = {
        { "a.b-v#:#", "a.b-v12:0", true },   { "a.b-v#:#", "a.b-v:0", false },    { "a.b-v#:#", "a.b-v1:0:4k", false },
        { "a.*", "a.", true },               { "a.*", "b.", false },              { "*", "", true },
        { "a.*-x-*-v#", "a.1-x-2-x-v9", true }, { "a.*-x-*-v#", "a.1-x-2-x-v", false }, { "", "a", false },
        { "*a*b*c*d*e*", "xaxbxcxdxe", true }, { "*a*b*c*d*e*", "xaxbxcxdx", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(catalog_pattern_fits(view_from_cstr(rows[i].pattern), view_from_cstr(rows[i].id)), rows[i].fits);
}

static void a_hostile_pattern_takes_no_time(void **state)
{
    char pattern[200], id[256];
    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    memset(id, 'a', sizeof(id));
    assert_false(catalog_pattern_fits(view_of("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", 30), view_of(id, sizeof(id))));
    assert_true(catalog_pattern_fits(view_of(pattern, sizeof(pattern)), view_of(id, sizeof(id))));
}

static void every_entry_has_a_dialect_of_its_kind_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < catalog_entry_count; i++) {
        const struct catalog_entry *entry = &catalog_entries[i];
        const struct family *family = family_find(entry->family);
        assert_int_equal(entry->family.len > 0, family != NULL);
        if (family == NULL)
            continue;
        assert_int_equal(family->embedding != NULL, entry->output == MODALITY_EMBEDDING);
        assert_int_equal(family->stream.delta != NULL, entry->streaming);
    }
}

static void assert_form(const char *text, enum model_id_form form, const char *id)
{
    struct model_id parsed = model_id_parse(view_from_cstr(text));
    assert_int_equal(parsed.form, form);
    assert_view_is(parsed.id, id);
}

static void every_accepted_form_of_an_id_is_taken_apart(void **state)
{
    (void)state;
    assert_form("anthropic.claude-v2", MODEL_ID_PLAIN, "anthropic.claude-v2");
    assert_form("smollm2", MODEL_ID_PLAIN, "smollm2");
    assert_form("us.anthropic.claude-sonnet-4-20250514-v1:0", MODEL_ID_PROFILE, "anthropic.claude-sonnet-4-20250514-v1:0");
    assert_form("us-gov.amazon.nova-pro-v1:0", MODEL_ID_PROFILE, "amazon.nova-pro-v1:0");
    assert_form("global.amazon.nova-2-lite-v1:0", MODEL_ID_PROFILE, "amazon.nova-2-lite-v1:0");
    assert_form("arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-v4:0", MODEL_ID_PLAIN, "cohere.embed-v4:0");
    assert_form("arn:aws-cn:bedrock:cn-north-1:123456789012:inference-profile/apac.amazon.nova-lite-v1:0", MODEL_ID_PROFILE,
                "amazon.nova-lite-v1:0");
    assert_form("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", MODEL_ID_RESOURCE, "abcdefghijkl");
    assert_form("arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text-lite-v1/abcdefghijkl", MODEL_ID_RESOURCE,
                "amazon.titan-text-lite-v1/abcdefghijkl");
    assert_form("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl", MODEL_ID_RESOURCE, "abcdefghijkl");
    assert_form("arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine", MODEL_ID_RESOURCE, "mine");
}

static void what_is_no_id_is_malformed(void **state)
{
    static const char *const texts[] = {
        "", "arn:", "arn:aws:s3:::bucket", "arn:aws:bedrock:us-east-1::foundation-model/",
        "arn:aws:bedrock:us-east-1:123456789012:foundation-model/amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(model_id_parse(view_from_cstr(texts[i])).form, MODEL_ID_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ids_of_the_source_documents_are_known),
        cmocka_unit_test(a_context_variant_counts_as_its_model),
        cmocka_unit_test(versions_to_come_fit_a_pattern_and_exact_ids_go_first),
        cmocka_unit_test(patterns_fit_digits_and_anything),
        cmocka_unit_test(a_hostile_pattern_takes_no_time),
        cmocka_unit_test(every_entry_has_a_dialect_of_its_kind_or_none),
        cmocka_unit_test(every_accepted_form_of_an_id_is_taken_apart),
        cmocka_unit_test(what_is_no_id_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
