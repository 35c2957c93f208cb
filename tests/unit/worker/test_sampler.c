#include "worker/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define VOCABULARY 100

/* A grammar that allows a set of tokens, in place of worker/chat.c's, and counts what it is asked. */
struct grammar {
    bool allowed[VOCABULARY];
    unsigned single_checks;
    size_t applied_to;
};

bool grammar_allows(struct grammar *grammar, llama_token token)
{
    grammar->single_checks++;
    return grammar->allowed[token];
}

bool grammar_apply(struct grammar *grammar, llama_token_data_array *candidates)
{
    grammar->applied_to = candidates->size;
    for (size_t i = 0; i < candidates->size; i++) {
        if (!grammar->allowed[candidates->data[i].id])
            candidates->data[i].logit = -INFINITY;
    }
    return true;
}

static struct sampling plain(float temperature)
{
    return (struct sampling){ .temperature = temperature, .top_p = 1, .min_p = 0, .top_k = 0, .repeat_penalty = 1,
                              .has_seed = true, .seed = 7 };
}

struct bench {
    struct sampler *sampler;
    struct sampler_scratch *scratch;
    float logits[VOCABULARY];
};

static struct bench bench_of(struct sampling sampling)
{
    struct bench bench = { sampler_create(&sampling, VOCABULARY), sampler_scratch_create(VOCABULARY), { 0 } };
    assert_non_null(bench.sampler);
    assert_non_null(bench.scratch);
    for (int i = 0; i < VOCABULARY; i++)
        bench.logits[i] = -50;
    return bench;
}

static void bench_clear(struct bench *bench)
{
    sampler_destroy(bench->sampler);
    sampler_scratch_destroy(bench->scratch);
}

static llama_token pick(struct bench *bench, struct grammar *grammar)
{
    llama_token token = -1;
    assert_int_equal(sampler_pick(bench->sampler, bench->scratch, bench->logits, grammar, &token), SAMPLER_TOKEN);
    return token;
}

static void temperature_zero_takes_the_likeliest_and_of_equals_the_first(void **state)
{
    (void)state;
    struct bench bench = bench_of(plain(0));
    bench.logits[97] = 5;
    assert_int_equal(pick(&bench, NULL), 97);
    bench.logits[41] = bench.logits[60] = 6;
    assert_int_equal(pick(&bench, NULL), 41);
    bench_clear(&bench);
}

static void draws_follow_the_probabilities(void **state)
{
    (void)state;
    struct bench bench = bench_of(plain(1));
    int counts[VOCABULARY] = { 0 };
    bench.logits[10] = logf(0.6f);
    bench.logits[20] = logf(0.3f);
    bench.logits[30] = logf(0.1f);
    for (int i = 0; i < 20000; i++)
        counts[pick(&bench, NULL)]++;
    assert_in_range(counts[10], 11600, 12400);
    assert_in_range(counts[20], 5700, 6300);
    assert_in_range(counts[30], 1800, 2200);
    bench_clear(&bench);
}

static void temperature_sharpens_and_flattens(void **state)
{
    (void)state;
    struct bench bench = bench_of(plain(0.5f));
    int first = 0;
    bench.logits[1] = logf(0.75f);
    bench.logits[2] = logf(0.25f);
    for (int i = 0; i < 10000; i++)
        first += pick(&bench, NULL) == 1;
    assert_in_range(first, 8800, 9200);                     /* 0.75^2 : 0.25^2 = 9 : 1 */
    bench_clear(&bench);
}

static void equal_seeds_give_equal_draws_and_other_seeds_others(void **state)
{
    (void)state;
    struct sampling other = plain(1);
    other.seed = 8;
    struct bench a = bench_of(plain(1)), b = bench_of(plain(1)), c = bench_of(other);
    int same = 0;
    for (int i = 0; i < VOCABULARY; i++)
        a.logits[i] = b.logits[i] = c.logits[i] = (float)(i % 7);
    for (int i = 0; i < 200; i++) {
        llama_token token = pick(&a, NULL);
        assert_int_equal(token, pick(&b, NULL));
        same += token == pick(&c, NULL);
    }
    assert_true(same < 40);
    bench_clear(&a);
    bench_clear(&b);
    bench_clear(&c);
}

/* Draws often and tells whether only tokens below limit came, and all of them. */
static void assert_draws_exactly_below(struct sampling sampling, int limit)
{
    struct bench bench = bench_of(sampling);
    bool seen[VOCABULARY] = { false };
    static const float weights[] = { 0.4f, 0.3f, 0.15f, 0.1f, 0.05f };
    for (int i = 0; i < 5; i++)
        bench.logits[i] = logf(weights[i]);
    for (int i = 0; i < 3000; i++)
        seen[pick(&bench, NULL)] = true;
    for (int i = 0; i < VOCABULARY; i++)
        assert_int_equal(seen[i], i < limit);
    bench_clear(&bench);
}

static void top_k_top_p_and_min_p_cut_the_tail(void **state)
{
    (void)state;
    struct sampling sampling = plain(1);
    assert_draws_exactly_below(sampling, 5);
    sampling.top_k = 2;
    assert_draws_exactly_below(sampling, 2);
    sampling = plain(1);
    sampling.top_p = 0.8f;                                  /* 0.4 + 0.3 + 0.15 reach it */
    assert_draws_exactly_below(sampling, 3);
    sampling.top_p = 0;                                     /* the best one always stays */
    assert_draws_exactly_below(sampling, 1);
    sampling = plain(1);
    sampling.min_p = 0.2f;                                  /* of the best one's: 0.08 */
    assert_draws_exactly_below(sampling, 4);
}

static void top_p_is_found_in_a_long_flat_tail(void **state)
{
    (void)state;
    struct sampling sampling = plain(1);
    sampling.top_p = 0.905f;
    struct bench bench = bench_of(sampling);
    bool seen[VOCABULARY] = { false };
    for (int i = 0; i < VOCABULARY; i++)
        bench.logits[i] = 1.0f - (float)i * 1e-6f;
    for (int i = 0; i < 20000; i++)
        seen[pick(&bench, NULL)] = true;
    for (int i = 0; i < VOCABULARY; i++)
        assert_int_equal(seen[i], i < 91);
    bench_clear(&bench);
}

static void penalties_turn_the_choice_away_from_what_was_said(void **state)
{
    (void)state;
    struct sampling repeat = plain(0), frequency = plain(0), presence = plain(0);
    repeat.repeat_penalty = 2;
    frequency.frequency_penalty = 0.6f;
    presence.presence_penalty = 1.5f;
    struct sampling kinds[] = { repeat, frequency, presence };
    for (size_t i = 0; i < 3; i++) {
        struct bench bench = bench_of(kinds[i]);
        bench.logits[5] = 3;
        bench.logits[6] = 2;
        assert_int_equal(pick(&bench, NULL), 5);
        sampler_accept(bench.sampler, 5);
        sampler_accept(bench.sampler, 5);
        assert_int_equal(pick(&bench, NULL), 6);
        assert_true(bench.logits[5] == 3);                  /* the model's logits are not ours to change */
        bench_clear(&bench);
    }
}

static void grammar_is_only_asked_about_the_choice_while_it_agrees(void **state)
{
    (void)state;
    struct grammar grammar = { .allowed = { [5] = true } };
    struct bench bench = bench_of(plain(0));
    bench.logits[5] = 3;
    assert_int_equal(pick(&bench, &grammar), 5);
    assert_int_equal(grammar.single_checks, 1);
    assert_int_equal(grammar.applied_to, 0);
    bench_clear(&bench);
}

static void refused_choice_falls_to_the_best_allowed_token(void **state)
{
    (void)state;
    struct grammar grammar = { .allowed = { [6] = true, [7] = true } };
    struct bench bench = bench_of(plain(0));
    bench.logits[5] = 3;
    bench.logits[6] = 1;
    bench.logits[7] = 2;
    assert_int_equal(pick(&bench, &grammar), 7);
    bench_clear(&bench);

    bench = bench_of(plain(1));                             /* when drawing: those left by sampling are tried first */
    bench.logits[5] = 30;
    bench.logits[6] = 29;
    assert_int_equal(pick(&bench, &grammar), 6);
    bench.logits[6] = bench.logits[7] = -1000;
    llama_token token = pick(&bench, &grammar);
    assert_true(token == 6 || token == 7);
    assert_int_equal(grammar.applied_to, VOCABULARY);
    bench_clear(&bench);
}

static void grammar_that_allows_nothing_is_a_dead_end(void **state)
{
    (void)state;
    struct grammar grammar = { .single_checks = 0 };
    for (int temperature = 0; temperature < 2; temperature++) {
        struct bench bench = bench_of(plain((float)temperature));
        llama_token token;
        assert_int_equal(sampler_pick(bench.sampler, bench.scratch, bench.logits, &grammar, &token), SAMPLER_DEAD_END);
        bench_clear(&bench);
    }
}

static void probabilities_name_the_chosen_and_the_runner_up(void **state)
{
    (void)state;
    float logits[4] = { logf(0.5f), logf(0.3f), logf(0.15f), logf(0.05f) }, logprob, runner_up;
    sampler_probabilities(logits, 4, 0, &logprob, &runner_up);
    assert_true(fabsf(logprob - logf(0.5f)) < 1e-5f && fabsf(runner_up - logf(0.3f)) < 1e-5f);
    sampler_probabilities(logits, 4, 2, &logprob, &runner_up);
    assert_true(fabsf(logprob - logf(0.15f)) < 1e-5f && fabsf(runner_up - logf(0.5f)) < 1e-5f);
}

static void unset_members_take_the_defaults_and_a_seed_is_made_up(void **state)
{
    (void)state;
    struct sampling defaults = plain(0.8f), sampling = plain(0.3f), other;
    defaults.top_k = 40;
    sampling.top_p = MODEL_UNSET_FLOAT;
    sampling.top_k = -1;
    sampling.has_seed = false;
    other = sampling;
    sampling_resolve(&sampling, &defaults);
    sampling_resolve(&other, &defaults);
    assert_true(sampling.temperature == 0.3f && sampling.top_p == 1 && sampling.top_k == 40 && sampling.has_seed);
    assert_true(sampling.seed != other.seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temperature_zero_takes_the_likeliest_and_of_equals_the_first),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(temperature_sharpens_and_flattens),
        cmocka_unit_test(equal_seeds_give_equal_draws_and_other_seeds_others),
        cmocka_unit_test(top_k_top_p_and_min_p_cut_the_tail),
        cmocka_unit_test(top_p_is_found_in_a_long_flat_tail),
        cmocka_unit_test(penalties_turn_the_choice_away_from_what_was_said),
        cmocka_unit_test(grammar_is_only_asked_about_the_choice_while_it_agrees),
        cmocka_unit_test(refused_choice_falls_to_the_best_allowed_token),
        cmocka_unit_test(grammar_that_allows_nothing_is_a_dead_end),
        cmocka_unit_test(probabilities_name_the_chosen_and_the_runner_up),
        cmocka_unit_test(unset_members_take_the_defaults_and_a_seed_is_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
