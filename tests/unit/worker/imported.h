/* imported.h - runs the importer as a program, and computes with what it made. */
#ifndef CRATON_UNIT_IMPORTED_H
#define CRATON_UNIT_IMPORTED_H

#include "unit.h"

#include "base/fs.h"
#include "base/json.h"

#include <llama.h>

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char test_folder[64]; /* of this program's run; removed by import_teardown() */

static inline void test_quiet(enum ggml_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    if (level == GGML_LOG_LEVEL_ERROR && getenv("TEST_VERBOSE") != NULL)
        fputs(text, stderr);
}

static inline int import_setup(void **state)
{
    (void)state;
    snprintf(test_folder, sizeof test_folder, "/tmp/craton-import.XXXXXX");
    if (mkdtemp(test_folder) == NULL)
        return -1;
    llama_log_set(test_quiet, NULL);
    ggml_backend_load_all_from_path(TEST_ENGINE);
    return 0;
}

static inline int run_program(const char *const *argv, const char *output)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int result = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (result != 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int import_teardown(void **state)
{
    (void)state;
    const char *argv[] = { "rm", "-rf", test_folder, NULL };
    return run_program(argv, "/dev/null");
}

/* Imports source into test_folder/name; gives the last line of the importer's output, parsed. *status is its exit status. */
static inline const struct json *import_run(struct arena *arena, const char *source, const char *name, const char *layout, int *status)
{
    char *output = arena_printf(arena, "%s/output", test_folder);
    const char *argv[] = { TEST_WORKER, "--role=import", "--threads", "1", "--name", name, "--layout", layout, source,
                           arena_printf(arena, "%s/%s", test_folder, name), NULL };
    struct buf text = BUF_INIT(1u << 20);
    *status = run_program(argv, output);
    assert_int_equal(fs_read_file(output, &text), 0);
    struct view rest = view_trim(arena_copy(arena, buf_view(&text))), line = { NULL, 0 };
    buf_free(&text);
    while (rest.ptr != NULL)
        line = view_split(&rest, '\n');
    const struct json *last = json_parse(arena, line, 64, NULL);
    if (last == NULL)
        fail_msg("the importer's last line is not JSON: " VIEW_FMT, VIEW_ARG(line));
    return last;
}

static inline struct llama_model *load_imported(const char *name)
{
    char path[256];
    struct llama_model_params params = llama_model_default_params();
    snprintf(path, sizeof path, "%s/%s/model.gguf", test_folder, name);
    struct llama_model *model = llama_model_load_from_file(path, params);
    assert_non_null(model);
    return model;
}

static inline struct llama_context *open_model(struct llama_model *model, bool embedding)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = 512;
    params.n_threads = params.n_threads_batch = 1;
    params.embeddings = embedding;
    struct llama_context *context = llama_init_from_model(model, params);
    assert_non_null(context);
    return context;
}

static inline int32_t tokens_of(const struct llama_model *model, const char *text, llama_token *tokens, int32_t room)
{
    int32_t count = llama_tokenize(llama_model_get_vocab(model), text, (int32_t)strlen(text), tokens, room, true, false);
    assert_true(count > 0);
    return count;
}

/* The text's vector, normalised; returns the number of tokens. */
static inline int32_t embed_text(struct llama_context *context, const char *text, float *out)
{
    const struct llama_model *model = llama_get_model(context);
    llama_token tokens[512];
    int32_t count = tokens_of(model, text, tokens, 512), dimensions = llama_model_n_embd(model);
    assert_int_equal(llama_decode(context, llama_batch_get_one(tokens, count)), 0);
    const float *vector = llama_get_embeddings_seq(context, 0);
    assert_non_null(vector);
    double sum = 0;
    for (int32_t i = 0; i < dimensions; i++)
        sum += (double)vector[i] * vector[i];
    for (int32_t i = 0; i < dimensions; i++)
        out[i] = (float)(vector[i] / sqrt(sum));
    return count;
}

static inline double dot_of(const float *a, const float *b, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

#endif
