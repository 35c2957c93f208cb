#include "worker/prepare.h"

#include "worker/prepare_embed.h"
#include "worker/sampler.h"

#include <stdlib.h>

/* The status that the caller sees, and its message. False when it is not CHAT_OK. */
static bool chat_succeeded(struct job *job, enum chat_status status, const struct chat_error *error)
{
    if (status == CHAT_OK)
        return true;
    if (status == CHAT_NO_MEMORY)
        job_fail(job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
    else
        job_fail(job, ENGINE_INVALID, "%s", error->message);
    return false;
}

static bool render(const struct model *model, struct job *job)
{
    struct chat_error error = { .message = "" };
    if (model->chat == NULL) {
        job_fail(job, ENGINE_INVALID, "This model has no usable chat template: %s", model->chat_error.message);
        return false;
    }
    enum chat_status status = chat_render(model->chat, &job->request.generate, &job->prompt, &error);
    if (status == CHAT_OK)
        status = chat_prompt_tokenize(job->prompt, &job->tokens, &job->token_count, &error);
    return chat_succeeded(job, status, &error);
}

static bool fits(const struct model *model, struct job *job)
{
    if (job->token_count == 0) {
        job_fail(job, ENGINE_INVALID, "The prompt is empty.");
        return false;
    }
    if (job->token_count >= model->compute->max_context) {
        job_fail(job, ENGINE_TOO_LONG, "The prompt has %zu tokens, and the model's context holds %u.", job->token_count,
                 (unsigned)model->compute->max_context);
        return false;
    }
    return true;
}

/* ---- cache points ---- */

/* The message and the part that bear the last cache point. */
static bool last_cache_point(const struct generate_request *request, size_t *message, size_t *part)
{
    for (size_t m = request->message_count; m-- > 0;) {
        for (size_t p = request->messages[m].part_count; p-- > 0;) {
            if (request->messages[m].parts[p].cache_point) {
                *message = m;
                *part = p;
                return true;
            }
        }
    }
    return false;
}

static size_t agreement(const llama_token *a, size_t a_count, const llama_token *b, size_t b_count)
{
    size_t same = 0;
    while (same < a_count && same < b_count && a[same] == b[same])
        same++;
    return same;
}

/* How many of the prompt's tokens come from what stands before the cache point: those in which it agrees with the prompt of a
 * conversation that ends there. A template that cannot render that one just has no cache point. */
static size_t keep_count(const struct model *model, const struct job *job)
{
    struct generate_request cut = job->request.generate;
    size_t last, part, count = 0, same = 0;
    if (!last_cache_point(&cut, &last, &part))
        return 0;
    struct chat_message *messages = ARENA_ARRAY(job->arena, struct chat_message, last + 1);
    if (messages == NULL)
        return 0;
    memcpy(messages, cut.messages, (last + 1) * sizeof(*messages));
    messages[last].part_count = part + 1;
    cut.messages = messages;
    cut.message_count = last + 1;

    struct chat_prompt *prompt = NULL;
    struct chat_error error;
    llama_token *tokens = NULL;
    if (chat_render(model->chat, &cut, &prompt, &error) == CHAT_OK &&
        chat_prompt_tokenize(prompt, &tokens, &count, &error) == CHAT_OK)
        same = agreement(tokens, count, job->tokens, job->token_count);
    free(tokens);
    chat_prompt_destroy(prompt);
    return same;
}

static void prepare_generate(const struct model *model, struct job *job)
{
    if (!render(model, job) || !fits(model, job))
        return;
    struct chat_error error = { .message = "" };
    if (!chat_succeeded(job, grammar_create(job->prompt, &job->grammar, &error), &error))
        return;
    sampling_resolve(&job->request.generate.sampling, &model->defaults);
    job->keep_count = keep_count(model, job);
}

/* ---- both ---- */

void prepare_job(const struct model *model, struct job *job)
{
    job->status = ENGINE_OK;
    if (!wire_read_request(job->arena, job->payload, &job->request)) {
        job_fail(job, ENGINE_INVALID, "The request is malformed.");
        return;
    }
    bool embed = job->request.kind == MODEL_EMBED || (job->request.kind == MODEL_COUNT && job->request.count_embed);
    if (embed != model->options.embedding)
        job_fail(job, ENGINE_INVALID, embed ? "This model makes no embeddings." : "This model only makes embeddings.");
    else if (embed)
        prepare_embed(model, job);
    else if (job->request.kind == MODEL_COUNT)
        (void)render(model, job);
    else
        prepare_generate(model, job);
}
