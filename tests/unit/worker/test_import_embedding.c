/* Embedding models, imported and computed with, against engines that share no line with ours. */
#include "bert_reference.h"
#include "imported.h"

#include <e5.h>

#define DIMENSIONS 384

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_create(64u << 20);
    return arena == NULL ? -1 : import_setup(state);
}

static int teardown(void **state)
{
    arena_destroy(arena);
    return import_teardown(state);
}

static const char *const english[] = {
    "The quick brown fox jumps over the lazy dog.",
    "How do I reset my password?",
    "Unbelievably, hyperparameterization wasn't mentioned!",
    "I apologize.",
    "a",
};

static void assert_like_the_reference(const char *name, double at_least)
{
    struct bert *bert = bert_open(TEST_MINILM, 6, 12, DIMENSIONS, 1536);
    struct llama_model *model = load_imported(name);
    struct llama_context *context = open_model(model, true);
    assert_non_null(bert);
    assert_int_equal(llama_model_n_embd(model), DIMENSIONS);
    for (size_t i = 0; i < COUNT_OF(english); i++) {
        int ids[BERT_TOKENS_MAX];
        llama_token tokens[BERT_TOKENS_MAX];
        float expected[DIMENSIONS], actual[DIMENSIONS];
        size_t count = bert_tokenize(bert, english[i], ids);
        assert_int_equal(tokens_of(model, english[i], tokens, BERT_TOKENS_MAX), count);
        for (size_t t = 0; t < count; t++)
            assert_int_equal(tokens[t], ids[t]);
        assert_true(bert_embed(bert, ids, count, expected));
        embed_text(context, english[i], actual);
        double cosine = dot_of(expected, actual, DIMENSIONS);
        if (cosine < at_least)
            fail_msg("%s: cosine %.5f", english[i], cosine);
    }
    llama_free(context);
    llama_model_free(model);
    bert_close(bert);
}

static void minilm_agrees_with_a_plain_forward_pass(void **state)
{
    (void)state;
    int status;
    const struct json *line = import_run(arena, TEST_MINILM, "minilm", "keep", &status), *result = json_get(line, "result");
    int64_t number;
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "kind"), "embedding");
    assert_view_is(json_get_string(result, "layout"), "F32");
    assert_view_is(json_get_string(result, "architecture"), "bert");
    assert_true(json_get_i64(result, "dimensions", &number) && number == DIMENSIONS);
    assert_true(json_get_i64(result, "context", &number) && number == 512);
    assert_int_equal(json_get_string(result, "sha256").len, 64);
    assert_null(json_get(result, "loss"));
    assert_like_the_reference("minilm", 0.99999);
}

static void minilm_in_the_fast_layout_loses_nothing_visible(void **state)
{
    (void)state;
    int status;
    double loss = 1;
    const struct json *line = import_run(arena, TEST_MINILM, "minilm-fast", "auto", &status), *result = json_get(line, "result");
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "layout"), "F16"); /* Q8_0 would lose 0.0015 in short texts */
    assert_true(json_get_double(json_get(result, "loss"), "cosine", &loss) && loss < 0.0005);
    assert_like_the_reference("minilm-fast", 0.999);
}

static void e5_agrees_with_its_own_engine(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "how much protein should a female eat",
        "对不起，我迟到了。",
        "ごめんなさい",
        "Der Zug fährt um 8 Uhr ab.",
        "Привет, как дела?",
        "मुझे खेद है",
        "ＦＵＬＬ　ＷＩＤＴＨ　ｌｅｔｔｅｒｓ １２３",
        "ﬁne ①② ½ ㎏ Å",
        "a  b   c",
        "tab\tand\nnewline",
        "안녕하세요 세계",
        "مرحبا بالعالم",
    };
    int status;
    const struct json *result = json_get(import_run(arena, TEST_E5, "e5", "auto", &status), "result");
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "layout"), "Q4_0");
    assert_view_is(json_get_string(result, "query_prefix"), "query: ");
    assert_view_is(json_get_string(result, "document_prefix"), "passage: ");

    e5_model *reference = e5_load(TEST_E5);
    struct llama_model *model = load_imported("e5");
    struct llama_context *context = open_model(model, true);
    assert_non_null(reference);
    for (size_t i = 0; i < 2 * COUNT_OF(texts); i++) {
        bool query = i % 2 == 0;
        const char *text = texts[i / 2];
        float expected[DIMENSIONS], actual[DIMENSIONS];
        assert_int_equal(e5_embed(reference, text, query, expected), 0);
        int32_t count = embed_text(context, arena_printf(arena, "%s%s", query ? "query: " : "passage: ", text), actual);
        double cosine = dot_of(expected, actual, DIMENSIONS);
        if (count != e5_token_count(reference, text, query) || cosine < 0.99)
            fail_msg("%s: %d tokens instead of %d, cosine %.5f", text, count, e5_token_count(reference, text, query), cosine);
    }
    llama_free(context);
    llama_model_free(model);
    e5_free(reference);
}

static void an_apology_is_nearer_to_an_apology_than_to_the_weather(void **state)
{
    (void)state;
    struct llama_model *model = load_imported("e5");
    struct llama_context *context = open_model(model, true);
    float sorry[DIMENSIONS], other[DIMENSIONS];
    embed_text(context, "query: 对不起", sorry);
    embed_text(context, "query: the weather", other);
    double weather = dot_of(sorry, other, DIMENSIONS);
    static const char *const apologies[] = { "query: 抱歉", "query: I apologize", "query: ごめんなさい" };
    for (size_t i = 0; i < COUNT_OF(apologies); i++) {
        embed_text(context, apologies[i], other);
        assert_true(dot_of(sorry, other, DIMENSIONS) > weather);
    }
    llama_free(context);
    llama_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minilm_agrees_with_a_plain_forward_pass),
        cmocka_unit_test(minilm_in_the_fast_layout_loses_nothing_visible),
        cmocka_unit_test(e5_agrees_with_its_own_engine),
        cmocka_unit_test(an_apology_is_nearer_to_an_apology_than_to_the_weather),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
