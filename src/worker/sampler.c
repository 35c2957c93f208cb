#include "worker/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define REPEAT_WINDOW  64                                   /* tokens that repeat_penalty looks back over */
#define FIRST_SELECTED 64                                   /* how many of the best are sorted first to find top_p */
#define NEGLIGIBLE     20.0f                                /* e^-20 of the best: 50,000 such tokens weigh 0.01 % together */
#define LANES          16

struct sampler {
    struct sampling sampling;
    int32_t vocabulary;
    uint64_t random;
    uint16_t *counts;                                       /* of each token in the answer; NULL: no penalty needs it */
    llama_token *distinct;                                  /* the tokens whose count is not 0 */
    size_t distinct_count;
    llama_token recent[REPEAT_WINDOW];
    size_t recent_count;
};

struct sampler_scratch {
    int32_t vocabulary;
    float *logits;
    llama_token_data *candidates;
};

/* ---- creation ---- */

struct sampler_scratch *sampler_scratch_create(int32_t vocabulary)
{
    struct sampler_scratch *scratch = calloc(1, sizeof(*scratch));
    if (scratch == NULL)
        return NULL;
    scratch->vocabulary = vocabulary;
    scratch->logits = calloc((size_t)vocabulary, sizeof(*scratch->logits));
    scratch->candidates = calloc((size_t)vocabulary, sizeof(*scratch->candidates));
    if (scratch->logits == NULL || scratch->candidates == NULL) {
        sampler_scratch_destroy(scratch);
        return NULL;
    }
    return scratch;
}

void sampler_scratch_destroy(struct sampler_scratch *scratch)
{
    if (scratch == NULL)
        return;
    free(scratch->logits);
    free(scratch->candidates);
    free(scratch);
}

static bool penalises(const struct sampling *sampling)
{
    return sampling->frequency_penalty != 0 || sampling->presence_penalty != 0 || sampling->repeat_penalty != 1;
}

struct sampler *sampler_create(const struct sampling *sampling, int32_t vocabulary)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));
    if (sampler == NULL)
        return NULL;
    sampler->sampling = *sampling;
    sampler->vocabulary = vocabulary;
    sampler->random = sampling->seed;
    if (penalises(sampling)) {
        sampler->counts = calloc((size_t)vocabulary, sizeof(*sampler->counts));
        sampler->distinct = calloc((size_t)vocabulary, sizeof(*sampler->distinct));
        if (sampler->counts == NULL || sampler->distinct == NULL) {
            sampler_destroy(sampler);
            return NULL;
        }
    }
    return sampler;
}

void sampler_destroy(struct sampler *sampler)
{
    if (sampler == NULL)
        return;
    free(sampler->counts);
    free(sampler->distinct);
    free(sampler);
}

static float set_or(float value, float fallback)
{
    return value == MODEL_UNSET_FLOAT ? fallback : value;
}

void sampling_resolve(struct sampling *sampling, const struct sampling *defaults)
{
    sampling->temperature = set_or(sampling->temperature, defaults->temperature);
    sampling->top_p = set_or(sampling->top_p, defaults->top_p);
    sampling->min_p = set_or(sampling->min_p, defaults->min_p);
    sampling->frequency_penalty = set_or(sampling->frequency_penalty, defaults->frequency_penalty);
    sampling->presence_penalty = set_or(sampling->presence_penalty, defaults->presence_penalty);
    sampling->repeat_penalty = set_or(sampling->repeat_penalty, defaults->repeat_penalty);
    if (sampling->top_k < 0)
        sampling->top_k = defaults->top_k;
    if (!sampling->has_seed && getrandom(&sampling->seed, sizeof(sampling->seed), GRND_NONBLOCK) != sizeof(sampling->seed))
        sampling->seed = (uint32_t)clock();                 /* only at the very start of a machine */
    sampling->has_seed = true;
}

/* ---- numbers ---- */

/* splitmix64: good enough to draw from, and a seed gives the same numbers everywhere. */
static double next_random(struct sampler *sampler)
{
    uint64_t z = (sampler->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

/* Independent lanes let the compiler use the vector unit, which otherwise may not reorder comparisons. */
static float largest(const float *logits, size_t count)
{
    float lanes[LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        lanes[lane] = -INFINITY;
    size_t at = 0;
    for (; at + LANES <= count; at += LANES) {
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] = logits[at + lane] > lanes[lane] ? logits[at + lane] : lanes[lane];
    }
    float max = -INFINITY;
    for (size_t lane = 0; lane < LANES; lane++)
        max = lanes[lane] > max ? lanes[lane] : max;
    for (; at < count; at++)
        max = logits[at] > max ? logits[at] : max;
    return max;
}

/* ---- penalties ---- */

void sampler_accept(struct sampler *sampler, llama_token token)
{
    if (sampler->counts == NULL || token < 0 || token >= sampler->vocabulary)
        return;
    if (sampler->counts[token] == 0)
        sampler->distinct[sampler->distinct_count++] = token;
    if (sampler->counts[token] < UINT16_MAX)
        sampler->counts[token]++;
    sampler->recent[sampler->recent_count++ % REPEAT_WINDOW] = token;
}

static void repeat_penalty(const struct sampler *sampler, const float *from, float *logits)
{
    size_t window = sampler->recent_count < REPEAT_WINDOW ? sampler->recent_count : REPEAT_WINDOW;
    float penalty = sampler->sampling.repeat_penalty;
    for (size_t i = 0; i < window; i++) {
        llama_token token = sampler->recent[i];             /* from, not logits: a token in the window twice counts once */
        logits[token] = from[token] > 0 ? from[token] / penalty : from[token] * penalty;
    }
}

static const float *penalised(const struct sampler *sampler, struct sampler_scratch *scratch, const float *logits)
{
    if (sampler->distinct_count == 0)
        return logits;
    memcpy(scratch->logits, logits, (size_t)sampler->vocabulary * sizeof(*logits));
    if (sampler->sampling.repeat_penalty != 1)
        repeat_penalty(sampler, logits, scratch->logits);
    for (size_t i = 0; i < sampler->distinct_count; i++) {
        llama_token token = sampler->distinct[i];
        scratch->logits[token] -= sampler->sampling.frequency_penalty * (float)sampler->counts[token] +
                                  sampler->sampling.presence_penalty;
    }
    return scratch->logits;
}

/* ---- candidates: an array of tokens with their logits, p is filled in late ---- */

static bool better(const llama_token_data *a, const llama_token_data *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static int by_logit(const void *a, const void *b)
{
    return better(a, b) ? -1 : 1;
}

static void exchange(llama_token_data *a, llama_token_data *b)
{
    llama_token_data kept = *a;
    *a = *b;
    *b = kept;
}

/* Moves the best `wanted` of count candidates to the front, sorted. */
static void sort_best(llama_token_data *candidates, size_t count, size_t wanted)
{
    size_t low = 0, high = count;
    while (wanted < count && high - low > 1) {
        exchange(&candidates[low + (high - low) / 2], &candidates[high - 1]);
        size_t split = low;
        for (size_t i = low; i + 1 < high; i++) {
            if (better(&candidates[i], &candidates[high - 1]))
                exchange(&candidates[i], &candidates[split++]);
        }
        exchange(&candidates[split], &candidates[high - 1]);
        if (split == wanted)
            break;
        if (split < wanted)
            low = split + 1;
        else
            high = split;
    }
    qsort(candidates, wanted, sizeof(*candidates), by_logit);
}

/* Those that are not negligible beside the best. */
static size_t gather(const struct sampler *sampler, const float *logits, llama_token_data *candidates)
{
    float floor = largest(logits, (size_t)sampler->vocabulary) - sampler->sampling.temperature * NEGLIGIBLE;
    size_t count = 0;
    for (int32_t id = 0; id < sampler->vocabulary; id++) {
        if (logits[id] >= floor)
            candidates[count++] = (llama_token_data){ .id = id, .logit = logits[id] };
    }
    return count;
}

static double weigh(const struct sampler *sampler, llama_token_data *candidates, size_t count, float max)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        candidates[i].p = expf((candidates[i].logit - max) / sampler->sampling.temperature);
        total += candidates[i].p;
    }
    return total;
}

static float best_logit(const llama_token_data *candidates, size_t count)
{
    float max = -INFINITY;
    for (size_t i = 0; i < count; i++)
        max = candidates[i].logit > max ? candidates[i].logit : max;
    return max;
}

/* How many of the best make up top_p of the weight. Sorts no more of them than it has to. */
static size_t cut_top_p(const struct sampler *sampler, llama_token_data *candidates, size_t count, double total)
{
    double wanted = total * sampler->sampling.top_p, sum = 0;
    size_t sorted = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == sorted) {
            size_t more = sorted == 0 ? FIRST_SELECTED : 3 * sorted;
            more = more < count - sorted ? more : count - sorted;
            sort_best(candidates + sorted, count - sorted, more);
            sorted += more;
        }
        sum += candidates[i].p;
        if (sum >= wanted)
            return i + 1;
    }
    return count;
}

static size_t cut_min_p(const struct sampler *sampler, llama_token_data *candidates, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {                    /* the best one's p is 1 */
        if (candidates[i].p >= sampler->sampling.min_p)
            candidates[kept++] = candidates[i];
    }
    return kept > 0 ? kept : count;
}

/* Applies what truncates; afterwards the first candidates are those that may be drawn. */
static size_t truncate_candidates(const struct sampler *sampler, llama_token_data *candidates, size_t count)
{
    const struct sampling *sampling = &sampler->sampling;
    if (sampling->top_k > 0 && (size_t)sampling->top_k < count) {
        sort_best(candidates, count, (size_t)sampling->top_k);
        count = (size_t)sampling->top_k;
    }
    double total = weigh(sampler, candidates, count, best_logit(candidates, count));
    if (sampling->top_p < 1)
        count = cut_top_p(sampler, candidates, count, total);
    if (sampling->min_p > 0)
        count = cut_min_p(sampler, candidates, count);
    return count;
}

static llama_token draw(struct sampler *sampler, const llama_token_data *candidates, size_t count)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        total += candidates[i].p;
    double point = next_random(sampler) * total;
    for (size_t i = 0; i < count; i++) {
        sum += candidates[i].p;
        if (point < sum)
            return candidates[i].id;
    }
    return candidates[count - 1].id;
}

static llama_token likeliest(const struct sampler *sampler, const float *logits)
{
    float max = largest(logits, (size_t)sampler->vocabulary);
    for (int32_t id = 0; id < sampler->vocabulary; id++) {
        if (logits[id] == max)
            return id;
    }
    return 0;                                               /* not a number everywhere: the model is broken */
}

/* ---- grammar ---- */

/* Keeps the candidates that the grammar allows. */
static size_t allowed(struct grammar *grammar, llama_token_data *candidates, size_t count)
{
    llama_token_data_array array = { .data = candidates, .size = count, .selected = -1, .sorted = false };
    if (!grammar_apply(grammar, &array))
        return 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].logit > -INFINITY)
            candidates[kept++] = candidates[i];
    }
    return kept;
}

static llama_token best_of(const llama_token_data *candidates, size_t count)
{
    const llama_token_data *best = &candidates[0];
    for (size_t i = 1; i < count; i++) {
        if (better(&candidates[i], best))
            best = &candidates[i];
    }
    return best->id;
}

static enum sampler_result pick_from_all(struct sampler *sampler, struct sampler_scratch *scratch, const float *logits,
                                         struct grammar *grammar, llama_token *token)
{
    llama_token_data *candidates = scratch->candidates;
    for (int32_t id = 0; id < sampler->vocabulary; id++)
        candidates[id] = (llama_token_data){ .id = id, .logit = logits[id] };
    size_t count = allowed(grammar, candidates, (size_t)sampler->vocabulary);
    if (count == 0)
        return SAMPLER_DEAD_END;
    if (sampler->sampling.temperature <= 0)
        *token = best_of(candidates, count);
    else
        *token = draw(sampler, candidates, truncate_candidates(sampler, candidates, count));
    return SAMPLER_TOKEN;
}

/* ---- choosing ---- */

enum sampler_result sampler_pick(struct sampler *sampler, struct sampler_scratch *scratch, const float *logits,
                                 struct grammar *grammar, llama_token *token)
{
    logits = penalised(sampler, scratch, logits);
    if (sampler->sampling.temperature <= 0) {
        *token = likeliest(sampler, logits);
        if (grammar == NULL || grammar_allows(grammar, *token))
            return SAMPLER_TOKEN;
        return pick_from_all(sampler, scratch, logits, grammar, token);
    }

    llama_token_data *candidates = scratch->candidates;
    size_t count = gather(sampler, logits, candidates);
    if (count == 0) {
        *token = likeliest(sampler, logits);
        return SAMPLER_TOKEN;
    }
    count = truncate_candidates(sampler, candidates, count);
    *token = draw(sampler, candidates, count);
    if (grammar == NULL || grammar_allows(grammar, *token))
        return SAMPLER_TOKEN;

    count = allowed(grammar, candidates, count);
    if (count == 0)
        return pick_from_all(sampler, scratch, logits, grammar, token);
    *token = draw(sampler, candidates, count);
    return SAMPLER_TOKEN;
}

void sampler_probabilities(const float *logits, int32_t vocabulary, llama_token token, float *logprob, float *runner_up)
{
    float max = largest(logits, (size_t)vocabulary), second = -INFINITY;
    double sum = 0;
    for (int32_t id = 0; id < vocabulary; id++) {
        sum += exp((double)(logits[id] - max));
        if (id != token && logits[id] > second)
            second = logits[id];
    }
    double log_total = (double)max + log(sum);
    *logprob = (float)((double)logits[token] - log_total);
    *runner_up = (float)((double)second - log_total);
}
