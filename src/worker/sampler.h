/* worker/sampler.h - which token comes next.
 *
 * In this order: penalties, temperature, top_k, top_p, min_p, draw. A temperature of 0 takes the likeliest token, of equal ones the
 * one with the lowest number. The draws depend on the seed alone, so equal logits and an equal seed give equal tokens.
 *
 * A grammar costs little as long as the model follows it: the choice is made first and only checked. When it is refused, the
 * grammar is put to the few tokens that sampling had left, and to the whole vocabulary only when none of those fits either.
 *
 * A sampler belongs to one sequence; the scratch memory may serve any number of them, in one thread.
 */
#ifndef CRATON_WORKER_SAMPLER_H
#define CRATON_WORKER_SAMPLER_H

#include "engine/request.h"
#include "worker/chat.h"

struct sampler;
struct sampler_scratch;

struct sampler_scratch *sampler_scratch_create(int32_t vocabulary);    /* NULL when out of memory */
void sampler_scratch_destroy(struct sampler_scratch *scratch);         /* NULL is fine */

/* Every member of sampling is set (see sampling_resolve). NULL when out of memory. */
struct sampler *sampler_create(const struct sampling *sampling, int32_t vocabulary);
void sampler_destroy(struct sampler *sampler);                         /* NULL is fine */

/* Puts the defaults where a member is unset, and a seed from the system where there is none. */
void sampling_resolve(struct sampling *sampling, const struct sampling *defaults);

enum sampler_result {
    SAMPLER_TOKEN,
    SAMPLER_DEAD_END,                                       /* the grammar leaves no token possible */
};

/* Chooses; grammar may be NULL and is not moved on. */
enum sampler_result sampler_pick(struct sampler *sampler, struct sampler_scratch *scratch, const float *logits,
                                 struct grammar *grammar, llama_token *token);

/* The token has become part of the answer (or stood in the prompt): penalties count it. */
void sampler_accept(struct sampler *sampler, llama_token token);

/* Natural logarithms of the probabilities that the model itself gave: of token, and of the best other one. */
void sampler_probabilities(const float *logits, int32_t vocabulary, llama_token token, float *logprob, float *runner_up);

#endif
