/* worker/shim.h - the only way from C into libllama's C++: chat templates, tool-call parsing, and every call that may throw.
 *
 * All strings are NUL-terminated UTF-8. Every function catches every exception; where one can fail it says so with its result and
 * puts one sentence into error. Whatever is handed out as `char *` or an array is freed with free(). The scheduler uses
 * worker/chat.h, which stands on this.
 */
#ifndef CRATON_WORKER_SHIM_H
#define CRATON_WORKER_SHIM_H

#include <llama.h>

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shim_error {
    char message[512];
};

/* ---- templates ---- */

struct shim_template; /* immutable: several threads may use one */

/* The model's own template, or source when it is not NULL. NULL: there is none, or it is not valid. */
struct shim_template *shim_template_create(const struct llama_model *model, const char *source, struct shim_error *error);
void shim_template_destroy(struct shim_template *tmpl);
bool shim_template_tools(const struct shim_template *tmpl);  /* it renders tools and tool calls */
bool shim_template_thinks(const struct shim_template *tmpl); /* answers may begin with reasoning, to be parsed off */

struct shim_call {
    const char *id, *name, *arguments; /* arguments: the text of a JSON object */
};

struct shim_message {
    const char *role; /* system, user, assistant, tool */
    const char *content;
    const char *reasoning; /* NULL: none */
    const struct shim_call *calls;
    size_t call_count;
    const char *tool_name, *tool_call_id; /* role tool */
};

struct shim_tool {
    const char *name, *description, *schema; /* schema: JSON text */
};

struct shim_input {
    const struct shim_message *messages;
    size_t message_count;
    const struct shim_tool *tools; /* none: plain text, and nothing of the output needs parsing */
    size_t tool_count;
    bool tool_required;
    const char *json_schema; /* NULL: none */
    const char *prefix;      /* the answer continues this; NULL: none */
};

struct shim_prompt {
    char *text;
    char *grammar;     /* GBNF; NULL: none */
    bool grammar_lazy; /* it begins where a trigger is met */
    char **trigger_patterns;
    size_t trigger_pattern_count;
    llama_token *trigger_tokens;
    size_t trigger_token_count;
    char *grammar_prefix; /* text that the grammar has to have accepted already; NULL: none */
    llama_token *kept;    /* tokens whose text the parser needs, control tokens or not */
    size_t kept_count;
    char **stops;
    size_t stop_count;
    char *think_open, *think_close; /* what reasoning stands between; NULL: the template knows none */
    struct shim_format *format;     /* how to read the answer; NULL: it is plain text */
};

bool shim_render(const struct shim_template *tmpl, const struct shim_input *input, struct shim_prompt *prompt,
                 struct shim_error *error); /* false leaves *prompt empty */
void shim_prompt_clear(struct shim_prompt *prompt);

/* ---- reading an answer ---- */

struct shim_reader;

struct shim_diff {
    const char *text, *reasoning; /* NULL: nothing new */
    size_t text_len, reasoning_len;
    size_t call;           /* SIZE_MAX: nothing new in a call */
    const char *name;      /* set where the call begins */
    const char *arguments; /* a fragment; NULL: nothing new */
};

struct shim_reader *shim_reader_create(const struct shim_format *format); /* NULL: no memory */
void shim_reader_destroy(struct shim_reader *reader);
/* Reads all of the answer so far (valid UTF-8) and gives what is new since the last call. *diffs is the reader's, until the next
 * call. False: the answer does not have the template's form. */
bool shim_reader_read(struct shim_reader *reader, const char *answer, size_t len, bool partial, const struct shim_diff **diffs,
                      size_t *count, struct shim_error *error);

/* ---- calls of libllama that may throw ---- */

/* The tokens of text, in *tokens. False: out of memory, or the text cannot be tokenized. */
bool shim_tokenize(const struct llama_vocab *vocab, const char *text, size_t len, bool add_special, bool parse_special,
                   llama_token **tokens, size_t *count, struct shim_error *error);

/* A grammar sampler; NULL: the grammar is not valid. */
struct llama_sampler *shim_grammar_create(const struct llama_vocab *vocab, const char *grammar, struct shim_error *error);
struct llama_sampler *shim_grammar_create_lazy(const struct llama_vocab *vocab, const struct shim_prompt *prompt,
                                               struct shim_error *error);
bool shim_sampler_apply(struct llama_sampler *sampler, llama_token_data_array *candidates);
bool shim_sampler_accept(struct llama_sampler *sampler, llama_token token);

#ifdef __cplusplus
}
#endif

#endif
