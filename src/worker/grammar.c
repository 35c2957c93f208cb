/* A grammar in use. libllama's grammar throws, or ends the process, when it is given a token that it did not leave possible, so
 * nothing is accepted before it has been asked. */
#include "worker/chat_internal.h"

#include <math.h>
#include <stdlib.h>

struct grammar {
    struct llama_sampler *sampler;
};

void grammar_destroy(struct grammar *grammar)
{
    if (grammar == NULL)
        return;
    if (grammar->sampler != NULL)
        llama_sampler_free(grammar->sampler);
    free(grammar);
}

static struct llama_sampler *create_sampler(const struct chat_prompt *prompt, struct shim_error *error)
{
    if (prompt->grammar == NULL) {
        if (prompt->native.grammar_lazy)
            return shim_grammar_create_lazy(prompt->chat->vocab, &prompt->native, error);
        return shim_grammar_create(prompt->chat->vocab, prompt->native.grammar, error);
    }
    if (!prompt->grammar_lazy)
        return shim_grammar_create(prompt->chat->vocab, prompt->grammar, error);
    char pattern[] = CALL_OPEN, *patterns[] = { pattern };
    struct shim_prompt lazy = { .grammar = (char *)(uintptr_t)prompt->grammar, .trigger_patterns = patterns, .trigger_pattern_count = 1 };
    return shim_grammar_create_lazy(prompt->chat->vocab, &lazy, error);
}

/* Takes the grammar past what the prompt already holds of the answer. */
static bool accept_prefix(struct grammar *grammar, const struct chat_prompt *prompt, struct shim_error *error)
{
    llama_token *tokens;
    size_t count;
    const char *prefix = prompt->grammar_prefix;
    if (prefix == NULL)
        return true;
    if (!shim_tokenize(prompt->chat->vocab, prefix, strlen(prefix), false, true, &tokens, &count, error))
        return false;
    bool fine = true;
    for (size_t i = 0; i < count && fine; i++) {
        /* Some vocabularies put a blank of their own before the first word. */
        const char *piece = llama_vocab_get_text(prompt->chat->vocab, tokens[i]);
        if (i == 0 && strcmp(piece, "\xe2\x96\x81") == 0 && prefix[0] != ' ')
            continue;
        fine = grammar_accept(grammar, tokens[i]);
    }
    free(tokens);
    return fine;
}

enum chat_status grammar_create(const struct chat_prompt *prompt, struct grammar **grammar, struct chat_error *error)
{
    *grammar = NULL;
    if (prompt->grammar == NULL && prompt->native.grammar == NULL)
        return CHAT_OK;
    struct grammar *made = calloc(1, sizeof *made);
    struct shim_error reason = { "" };
    if (made == NULL)
        return chat_fail(error, CHAT_NO_MEMORY, "Out of memory.");
    made->sampler = create_sampler(prompt, &reason);
    if (made->sampler == NULL) {
        grammar_destroy(made);
        return chat_fail(error, CHAT_INVALID, "The JSON schema cannot be enforced: %s.", reason.message);
    }
    if (!accept_prefix(made, prompt, &reason)) {
        grammar_destroy(made);
        return chat_fail(error, CHAT_INVALID, "The answer is to begin with a text that the JSON schema does not allow.");
    }
    *grammar = made;
    return CHAT_OK;
}

bool grammar_apply(struct grammar *grammar, llama_token_data_array *candidates)
{
    return shim_sampler_apply(grammar->sampler, candidates);
}

bool grammar_allows(struct grammar *grammar, llama_token token)
{
    llama_token_data one = { .id = token, .logit = 0 };
    llama_token_data_array candidates = { .data = &one, .size = 1, .selected = -1 };
    return shim_sampler_apply(grammar->sampler, &candidates) && !isinf(one.logit);
}

bool grammar_accept(struct grammar *grammar, llama_token token)
{
    return grammar_allows(grammar, token) && shim_sampler_accept(grammar->sampler, token);
}
