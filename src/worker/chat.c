#include "worker/chat_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum chat_status chat_fail(struct chat_error *error, enum chat_status status, const char *format, ...)
{
    if (error != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
    }
    return status;
}

/* ---- one model ---- */

static struct chat *create(const struct llama_model *model, const char *source, struct chat_error *error)
{
    struct shim_error reason = { "" };
    struct chat *chat = calloc(1, sizeof *chat);
    if (chat == NULL) {
        chat_fail(error, CHAT_NO_MEMORY, "Out of memory.");
        return NULL;
    }
    chat->vocab = llama_model_get_vocab(model);
    chat->tmpl = shim_template_create(model, source, &reason);
    if (chat->tmpl != NULL && quote_init(chat))
        return chat;
    chat_fail(error, CHAT_INVALID, "The model's chat template cannot be used: %s.", chat->tmpl != NULL ? "out of memory" : reason.message);
    chat_destroy(chat);
    return NULL;
}

struct chat *chat_create(const struct llama_model *model, struct chat_error *error)
{
    return create(model, NULL, error);
}

struct chat *chat_create_from_template(const struct llama_model *model, const char *source, struct chat_error *error)
{
    return create(model, source, error);
}

void chat_destroy(struct chat *chat)
{
    if (chat == NULL)
        return;
    shim_template_destroy(chat->tmpl);
    free(chat->controls);
    free(chat);
}

bool chat_knows_tools(const struct chat *chat)
{
    return shim_template_tools(chat->tmpl);
}

/* ---- one prompt ---- */

static enum chat_status render_native(struct chat_prompt *prompt, const struct chat_input *input,
                                      const struct generate_request *request, struct chat_error *error)
{
    const struct chat *chat = prompt->chat;
    bool thinks = shim_template_thinks(chat->tmpl), tools = input->has_tools && input->native;
    struct shim_error reason = { "" };
    struct buf text = BUF_INIT(CHAT_TEXT_MAX);
    struct shim_input in = {
        .messages = input->messages,
        .message_count = input->count,
        .tools = input->tools,
        .tool_count = tools ? input->tool_count : 0,
        .tool_required = input->forced,
    };
    quote_append(chat, &text, request->assistant_prefix);
    if (request->assistant_prefix.len > 0)
        in.prefix = arena_cstr(prompt->arena, buf_view(&text));
    buf_clear(&text);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    if (request->has_json_schema && thinks) { /* else our own grammar does it */
        if (request->json_schema != NULL)
            json_write_value(&writer, request->json_schema);
        else
            buf_append_cstr(&text, "{\"type\":\"object\"}");
        in.json_schema = arena_cstr(prompt->arena, buf_view(&text));
    }
    buf_free(&text);
    if (arena_exhausted(prompt->arena))
        return CHAT_NO_MEMORY;
    if (!shim_render(chat->tmpl, &in, &prompt->native, &reason))
        return chat_fail(error, CHAT_INVALID, "The model's chat template refuses these messages: %s.", reason.message);
    if (prompt->native.format != NULL)
        prompt->form = FORM_NATIVE;
    prompt->grammar_prefix = prompt->native.grammar_prefix;
    return CHAT_OK;
}

/* The template first, then what our own forms add behind it. */
static enum chat_status render_messages(struct chat_prompt *prompt, const struct generate_request *request, struct chat_error *error)
{
    struct chat_input input;
    enum chat_status status = chat_input_read(prompt->chat, request, prompt->arena, &input, error);
    if (status != CHAT_OK)
        return status;
    bool native_tools = input.has_tools && input.native, own_tools = input.has_tools && !input.native;
    if (native_tools && request->has_json_schema)
        return chat_fail(error, CHAT_INVALID, "This model cannot be given tools and a JSON schema for its answer at once.");
    if (input.count == 0)
        return chat_fail(error, CHAT_INVALID, "There is no message with text.");
    status = chat_grammar_check(&input, request, error);
    if (status == CHAT_OK)
        status = render_native(prompt, &input, request, error);
    if (status == CHAT_OK && own_tools)
        status = chat_grammar_calls(prompt, &input, request, error);
    else if (status == CHAT_OK && request->has_json_schema && prompt->native.grammar == NULL)
        status = chat_grammar_schema(prompt, request, error);
    if (status != CHAT_OK)
        return status;

    struct buf whole = BUF_INIT(CHAT_TEXT_MAX);
    buf_append_cstr(&whole, prompt->native.text);
    if (prompt->prelude.len > 0 && request->assistant_prefix.len > 0)
        buf_append_byte(&whole, '\n');
    buf_append_view(&whole, prompt->prelude);
    struct view rendered = arena_copy(prompt->arena, buf_view(&whole));
    buf_free(&whole);
    prompt->add_special = true;
    return rendered.ptr != NULL && quote_split(prompt, rendered) ? CHAT_OK : CHAT_NO_MEMORY;
}

static bool begins_with_bos(const struct chat *chat, struct view text)
{
    llama_token bos = llama_vocab_bos(chat->vocab);
    return bos != LLAMA_TOKEN_NULL && view_starts_with(text, view_from_cstr(llama_vocab_get_text(chat->vocab, bos)));
}

static enum chat_status render_raw(struct chat_prompt *prompt, const struct generate_request *request, struct chat_error *error)
{
    if (request->tool_count > 0)
        return chat_fail(error, CHAT_INVALID, "Tools need messages, they cannot be used with a raw prompt.");
    struct buf whole = BUF_INIT(CHAT_TEXT_MAX);
    buf_append_view(&whole, request->raw_prompt);
    buf_append_view(&whole, request->assistant_prefix);
    prompt->text = arena_copy(prompt->arena, buf_view(&whole));
    buf_free(&whole);
    prompt->segments = ARENA_NEW(prompt->arena, struct segment);
    if (prompt->segments == NULL || prompt->text.ptr == NULL)
        return CHAT_NO_MEMORY;
    prompt->segments[prompt->segment_count++] = (struct segment){ prompt->text, true };
    prompt->add_special = !begins_with_bos(prompt->chat, prompt->text);
    return request->has_json_schema ? chat_grammar_schema(prompt, request, error) : CHAT_OK;
}

enum chat_status chat_render(const struct chat *chat, const struct generate_request *request, struct chat_prompt **prompt,
                             struct chat_error *error)
{
    *prompt = NULL;
    if (error != NULL)
        error->message[0] = '\0';
    struct arena *arena = arena_create(4 * (size_t)CHAT_TEXT_MAX);
    struct chat_prompt *made = arena != NULL ? ARENA_NEW(arena, struct chat_prompt) : NULL;
    if (made == NULL) {
        arena_destroy(arena);
        return chat_fail(error, CHAT_NO_MEMORY, "Out of memory.");
    }
    made->chat = chat;
    made->arena = arena;
    enum chat_status status =
        request->has_raw_prompt ? render_raw(made, request, error) : render_messages(made, request, error);
    if (status == CHAT_NO_MEMORY)
        chat_fail(error, status, "Out of memory.");
    if (status != CHAT_OK) {
        chat_prompt_destroy(made);
        return status;
    }
    *prompt = made;
    return CHAT_OK;
}

void chat_prompt_destroy(struct chat_prompt *prompt)
{
    if (prompt == NULL)
        return;
    shim_prompt_clear(&prompt->native);
    arena_destroy(prompt->arena);
}

struct view chat_prompt_text(const struct chat_prompt *prompt)
{
    return prompt->text;
}

size_t chat_prompt_stop_count(const struct chat_prompt *prompt)
{
    return prompt->native.stop_count;
}

struct view chat_prompt_stop(const struct chat_prompt *prompt, size_t index)
{
    return view_from_cstr(prompt->native.stops[index]);
}

bool chat_prompt_keeps(const struct chat_prompt *prompt, llama_token token)
{
    for (size_t i = 0; i < prompt->native.kept_count; i++)
        if (prompt->native.kept[i] == token)
            return true;
    return false;
}

enum chat_status chat_prompt_tokenize(const struct chat_prompt *prompt, llama_token **tokens, size_t *count,
                                      struct chat_error *error)
{
    *tokens = NULL;
    *count = 0;
    for (size_t i = 0; i < prompt->segment_count; i++) {
        const struct segment *segment = &prompt->segments[i];
        struct shim_error reason = { "" };
        llama_token *more = NULL, *all = NULL;
        size_t more_count = 0;
        bool fine = shim_tokenize(prompt->chat->vocab, segment->text.ptr, segment->text.len, i == 0 && prompt->add_special,
                                  segment->special, &more, &more_count, &reason);
        if (fine)
            all = realloc(*tokens, (*count + more_count + 1) * sizeof *all);
        if (all != NULL) {
            memcpy(all + *count, more, more_count * sizeof *all);
            *tokens = all;
            *count += more_count;
        }
        free(more);
        if (all != NULL)
            continue;
        free(*tokens);
        *tokens = NULL;
        *count = 0;
        return fine ? chat_fail(error, CHAT_NO_MEMORY, "Out of memory.")
                    : chat_fail(error, CHAT_INVALID, "The prompt cannot be tokenized: %s.", reason.message);
    }
    return CHAT_OK;
}
