/* worker/chat_internal.h - what the files behind worker/chat.h share. */
#ifndef CRATON_WORKER_CHAT_INTERNAL_H
#define CRATON_WORKER_CHAT_INTERNAL_H

#include "worker/chat.h"
#include "worker/shim.h"

#define CHAT_TEXT_MAX (128u << 20) /* bytes of one rendered prompt */

/* Craton's own form of a tool call, for templates that know none. */
#define CALL_OPEN  "<tool_call>"
#define CALL_CLOSE "</tool_call>"

struct chat {
    const struct llama_vocab *vocab;
    struct shim_template *tmpl;
    struct view *controls; /* texts of control tokens, longest first; then the two marks */
    size_t control_count;
    bool starts[256]; /* a control begins with this byte */
};

enum chat_form {
    FORM_TEXT,        /* everything is text */
    FORM_NATIVE,      /* the template's own: read by the shim */
    FORM_CALLS,       /* perhaps reasoning, text, then perhaps calls between CALL_OPEN and CALL_CLOSE */
    FORM_FORCED_CALL, /* goes on where `prelude` ends, inside a call; nothing follows it */
};

struct segment {
    struct view text;
    bool special; /* control tokens in it are what they say */
};

struct chat_prompt {
    const struct chat *chat;
    struct arena *arena; /* everything below */
    enum chat_form form;
    struct shim_prompt native;
    struct segment *segments;
    size_t segment_count;
    struct view text;
    bool add_special;
    const char *grammar;        /* our own GBNF; NULL: native.grammar, or none */
    bool grammar_lazy;          /* our own: begins at CALL_OPEN */
    const char *grammar_prefix; /* what the prompt already holds of the grammar's text; may be NULL */
    struct view prelude;        /* what our form adds behind the template's text */
    bool thinking;              /* our form: the prompt ends inside of the reasoning */
    struct view *tool_names;
    size_t tool_count;
};

enum chat_status chat_fail(struct chat_error *error, enum chat_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- chat_quote.c: keeps control tokens in foreign text from acting ---- */

bool quote_init(struct chat *chat);
/* Appends text with each control token's text replaced by a mark. */
void quote_append(const struct chat *chat, struct buf *out, struct view text);
/* Cuts a rendered prompt at the marks into prompt->segments and prompt->text. */
bool quote_split(struct chat_prompt *prompt, struct view rendered);

/* ---- chat_messages.c: neutral messages as the shim wants them ---- */

struct chat_input {
    struct shim_message *messages;
    size_t count;
    struct shim_tool *tools; /* those that may be called: one when a tool is named */
    size_t tool_count;
    const struct json **schemas; /* of tools; elements may be NULL */
    bool has_tools, forced;
    bool native; /* the template renders calls and tools */
};

enum chat_status chat_input_read(const struct chat *chat, const struct generate_request *request, struct arena *arena,
                                 struct chat_input *input, struct chat_error *error);

/* ---- chat_grammar.c: our own grammars ---- */

/* Sets grammar, form, prelude and so on for calls in our own form. */
enum chat_status chat_grammar_calls(struct chat_prompt *prompt, const struct chat_input *input,
                                    const struct generate_request *request, struct chat_error *error);
enum chat_status chat_grammar_schema(struct chat_prompt *prompt, const struct generate_request *request, struct chat_error *error);
/* Whether the tools' schemas may be given to the template's own grammar. */
enum chat_status chat_grammar_check(const struct chat_input *input, const struct generate_request *request,
                                    struct chat_error *error);

#endif
