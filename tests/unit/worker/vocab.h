/* vocab.h - the default text model's vocabulary and template, loaded once a test program; no weights. */
#ifndef CRATON_UNIT_VOCAB_H
#define CRATON_UNIT_VOCAB_H

#include "unit.h"

#include <llama.h>

static struct llama_model *test_model;

static void test_log_nothing(enum ggml_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR && getenv("TEST_VERBOSE") != NULL)
        fputs(text, stderr);
}

static inline int vocab_setup(void **state)
{
    (void)state;
    llama_log_set(test_log_nothing, NULL);
    struct llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    test_model = llama_model_load_from_file(TEST_TEXT_MODEL, params);
    return test_model == NULL ? -1 : 0;
}

static inline int vocab_teardown(void **state)
{
    (void)state;
    llama_model_free(test_model);
    return 0;
}

#endif
