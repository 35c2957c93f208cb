/* Grammars of our own: forced calls, calls a model may make, and answers that must validate against a schema. */
#include "worker/chat_internal.h"

#include "worker/gbnf.h"

#include <stdio.h>

/* A model that has lost its way in a string must still come to an end within the tokens it has: about two characters a token,
 * shared out over the strings. */
static struct gbnf_limits limits_for(int64_t max_tokens, size_t strings)
{
    int64_t tokens = max_tokens < 0 || max_tokens > 2048 ? 2048 : max_tokens;
    int64_t chars = 2 * tokens / (int64_t)(strings > 0 ? strings : 1), items = tokens / 16;
    chars = chars < 32 ? 32 : chars > GBNF_MAX_REPEAT ? GBNF_MAX_REPEAT
                                                      : chars;
    items = items < 8 ? 8 : items > 128 ? 128
                                        : items;
    return (struct gbnf_limits){ .string_chars = (unsigned)chars, .array_items = (unsigned)items };
}

/* Keeps the grammar's text with the prompt. */
static enum chat_status keep(struct chat_prompt *prompt, struct gbnf *g, struct chat_error *error)
{
    enum chat_status status = CHAT_OK;
    if (gbnf_error(g) != NULL)
        status = chat_fail(error, CHAT_INVALID, "%s", gbnf_error(g));
    else if ((prompt->grammar = arena_cstr(prompt->arena, gbnf_text(g))) == NULL)
        status = CHAT_NO_MEMORY;
    gbnf_destroy(g);
    return status;
}

enum chat_status chat_grammar_schema(struct chat_prompt *prompt, const struct generate_request *request, struct chat_error *error)
{
    struct gbnf *g = gbnf_create(limits_for(request->max_tokens, gbnf_count_strings(request->json_schema)));
    if (g == NULL)
        return CHAT_NO_MEMORY;
    gbnf_schema(g, "root", request->json_schema);
    if (request->assistant_prefix.len > 0)
        prompt->grammar_prefix = arena_cstr(prompt->arena, request->assistant_prefix);
    return keep(prompt, g, error);
}

static size_t count_strings(const struct chat_input *input)
{
    size_t most = 0;
    for (size_t i = 0; i < input->tool_count; i++) {
        size_t count = gbnf_count_strings(input->schemas[i]);
        most = count > most ? count : most;
    }
    return most;
}

/* The arguments' rule of one tool. A call that is not forced does without what cannot be enforced: it may be any object then. */
static void add_arguments(struct gbnf *g, const struct chat_input *input, size_t tool, struct gbnf_limits limits)
{
    char name[32];
    snprintf(name, sizeof name, "arguments-%zu", tool);
    const struct json *schema = input->schemas[tool];
    if (!input->forced) {
        struct gbnf *trial = gbnf_create(limits);
        if (trial != NULL) {
            gbnf_schema(trial, "root", schema);
            if (gbnf_error(trial) != NULL && !gbnf_too_large(trial))
                schema = NULL;
        }
        gbnf_destroy(trial);
    }
    gbnf_schema(g, name, schema);
}

/* "name", "arguments": {...} for each tool, as alternatives. */
static void append_calls(struct chat_prompt *prompt, struct buf *out)
{
    for (size_t i = 0; i < prompt->tool_count; i++) {
        struct buf head = BUF_INIT(4096);
        buf_printf(&head, "\"" VIEW_FMT "\", \"arguments\":", VIEW_ARG(prompt->tool_names[i]));
        buf_append_cstr(out, i > 0 ? " | " : "");
        gbnf_literal(out, buf_view(&head));
        buf_printf(out, " json-space arguments-%zu", i);
        buf_free(&head);
    }
}

static void rule(struct gbnf *g, const char *name, struct buf *text)
{
    gbnf_rule(g, name, buf_view(text));
    buf_clear(text);
}

/* One call and nothing else. What is known of it stands in the prompt already: with one tool all but the arguments. */
static void add_forced(struct chat_prompt *prompt, struct gbnf *g, struct buf *text)
{
    struct buf prelude = BUF_INIT(4096);
    prompt->form = FORM_FORCED_CALL;
    if (prompt->thinking) /* the template has opened the reasoning: there is none */
        buf_printf(&prelude, "\n%s\n\n", prompt->native.think_close);
    buf_append_cstr(&prelude, CALL_OPEN "\n{\"name\":");
    if (prompt->tool_count == 1) {
        buf_printf(&prelude, " \"" VIEW_FMT "\", \"arguments\":", VIEW_ARG(prompt->tool_names[0]));
        buf_append_cstr(text, "json-space arguments-0");
    } else {
        append_calls(prompt, text);
        rule(g, "call", text);
        buf_append_cstr(text, "json-space call");
    }
    rule(g, "root", text);
    prompt->prelude = arena_copy(prompt->arena, buf_view(&prelude));
    buf_free(&prelude);
}

/* Any number of calls, from the first CALL_OPEN on; with a schema for the answer, that or calls from the first byte on. */
static void add_possible(struct chat_prompt *prompt, struct gbnf *g, const struct generate_request *request, struct buf *text)
{
    prompt->form = FORM_CALLS;
    append_calls(prompt, text);
    rule(g, "call", text);
    buf_append_cstr(text, "\"" CALL_OPEN "\" [ \\n]{0,2} \"{\\\"name\\\":\" json-space call \"}\" [ \\n]{0,2} \"" CALL_CLOSE "\"");
    rule(g, "wrapped", text);
    buf_append_cstr(text, "wrapped ([ \\n]{0,2} wrapped){0,15}");
    rule(g, "calls", text);
    prompt->grammar_lazy = !request->has_json_schema;
    if (request->has_json_schema)
        gbnf_schema(g, "answer", request->json_schema);
    buf_append_cstr(text, request->has_json_schema ? "answer | calls" : "calls");
    rule(g, "root", text);
}

/* Names stand in literals and are read back without unescaping. */
static bool take_names(struct chat_prompt *prompt, const struct chat_input *input)
{
    prompt->tool_names = ARENA_ARRAY(prompt->arena, struct view, input->tool_count);
    for (size_t i = 0; i < input->tool_count && prompt->tool_names != NULL; i++) {
        struct view name = view_from_cstr(input->tools[i].name);
        for (size_t b = 0; b < name.len; b++)
            if (view_find_byte(VIEW("\"\\{}"), name.ptr[b]) != VIEW_NPOS || (unsigned char)name.ptr[b] < 0x20 ||
                (unsigned char)name.ptr[b] > 0x7e)
                return false;
        prompt->tool_names[prompt->tool_count++] = arena_copy(prompt->arena, name);
    }
    return true;
}

enum chat_status chat_grammar_calls(struct chat_prompt *prompt, const struct chat_input *input,
                                    const struct generate_request *request, struct chat_error *error)
{
    prompt->thinking = prompt->native.think_open != NULL &&
                       view_ends_with(view_trim(view_from_cstr(prompt->native.text)), view_from_cstr(prompt->native.think_open));
    if (!take_names(prompt, input))
        return chat_fail(error, CHAT_INVALID, "A tool's name must be of letters, digits, '_' and '-'.");
    struct gbnf_limits limits = limits_for(request->max_tokens, count_strings(input));
    struct gbnf *g = gbnf_create(limits);
    if (g == NULL)
        return CHAT_NO_MEMORY;
    for (size_t i = 0; i < prompt->tool_count; i++)
        add_arguments(g, input, i, limits);
    struct buf text = BUF_INIT(1u << 20);
    gbnf_need_space(g);
    if (input->forced)
        add_forced(prompt, g, &text);
    else
        add_possible(prompt, g, request, &text);
    enum chat_status status = buf_failed(&text) ? CHAT_NO_MEMORY : keep(prompt, g, error);
    buf_free(&text);
    return status;
}

enum chat_status chat_grammar_check(const struct chat_input *input, const struct generate_request *request,
                                    struct chat_error *error)
{
    enum chat_status status = CHAT_OK;
    for (size_t i = 0; i <= input->tool_count && status == CHAT_OK; i++) {
        bool answer = i == input->tool_count; /* after the tools the answer's schema */
        if (answer && !request->has_json_schema)
            break;
        struct gbnf *g = gbnf_create(limits_for(request->max_tokens, 1));
        if (g == NULL)
            return CHAT_NO_MEMORY;
        gbnf_schema(g, "root", answer ? request->json_schema : input->schemas[i]);
        if (gbnf_error(g) != NULL && (answer || input->forced || gbnf_too_large(g)))
            status = chat_fail(error, CHAT_INVALID, "%s", gbnf_error(g));
        gbnf_destroy(g);
    }
    return status;
}
