/* From neutral messages to what the shim takes, in the template's own form or in ours. Every text of the caller is quoted. */
#include "worker/chat_internal.h"

struct reader {
    const struct chat *chat;
    const struct generate_request *request;
    struct arena *arena;
    struct chat_input *input;
    struct chat_error *error;
    struct buf text; /* scratch */
};

static const char *take_text(struct reader *r)
{
    const char *text = buf_failed(&r->text) ? NULL : arena_cstr(r->arena, buf_view(&r->text));
    if (buf_failed(&r->text))
        arena_alloc(r->arena, SIZE_MAX / 4); /* out of memory shows in the arena */
    buf_clear(&r->text);
    return text != NULL ? text : "";
}

static const char *quoted(struct reader *r, struct view text)
{
    buf_clear(&r->text);
    quote_append(r->chat, &r->text, text);
    return take_text(r);
}

static void append_line(struct reader *r, struct view text)
{
    if (r->text.len > 0 && text.len > 0)
        buf_append_byte(&r->text, '\n');
    quote_append(r->chat, &r->text, text);
}

static void append_json(struct reader *r, const struct json *value)
{
    struct buf json = BUF_INIT(CHAT_TEXT_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &json);
    if (value != NULL)
        json_write_value(&writer, value);
    else
        buf_append_cstr(&json, "{}");
    quote_append(r->chat, &r->text, buf_view(&json));
    if (buf_failed(&json))
        r->text.failed = true;
    buf_free(&json);
}

/* As a JSON string; is_quoted: it comes out of quoted() already. */
static void append_json_string(struct reader *r, struct view text, bool is_quoted)
{
    struct buf json = BUF_INIT(CHAT_TEXT_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_write_string(&writer, text);
    if (is_quoted)
        buf_append_view(&r->text, buf_view(&json));
    else
        quote_append(r->chat, &r->text, buf_view(&json));
    if (buf_failed(&json))
        r->text.failed = true;
    buf_free(&json);
}

/* A tool's name by the id of an earlier call. */
static struct view called_name(const struct generate_request *request, const struct chat_part *result)
{
    if (result->name.len > 0)
        return result->name;
    for (size_t m = 0; m < request->message_count; m++)
        for (size_t p = 0; p < request->messages[m].part_count; p++) {
            const struct chat_part *part = &request->messages[m].parts[p];
            if (part->type == CHAT_TOOL_CALL && view_eq(part->id, result->id))
                return part->name;
        }
    return VIEW("tool");
}

/* ---- messages ---- */

static const char *const role_names[] = { "system", "user", "assistant", "tool" };

static struct shim_message *last_of_role(struct chat_input *input, const char *role)
{
    struct shim_message *last = input->count > 0 ? &input->messages[input->count - 1] : NULL;
    return last != NULL && strcmp(last->role, role) == 0 && last->call_count == 0 && last->reasoning == NULL ? last : NULL;
}

/* Adds a message, or adds to the one before when that has the same role: many templates insist on turns. */
static void add_message(struct reader *r, struct shim_message message)
{
    struct shim_message *last = strcmp(message.role, "tool") != 0 ? last_of_role(r->input, message.role) : NULL;
    if (last != NULL && message.reasoning == NULL) {
        buf_clear(&r->text);
        buf_append_cstr(&r->text, last->content);
        if (r->text.len > 0 && message.content[0] != '\0')
            buf_append_byte(&r->text, '\n');
        buf_append_cstr(&r->text, message.content);
        last->content = take_text(r);
        last->calls = message.calls;
        last->call_count = message.call_count;
        return;
    }
    r->input->messages[r->input->count++] = message;
}

static const char *result_text(struct reader *r, const struct chat_part *part)
{
    buf_clear(&r->text);
    if (part->is_error)
        buf_append_cstr(&r->text, "Error: ");
    quote_append(r->chat, &r->text, part->text);
    return take_text(r);
}

/* What answers tools comes first: it belongs to the calls before it. */
static void add_results(struct reader *r, const struct chat_message *message)
{
    struct buf own = BUF_INIT(CHAT_TEXT_MAX);
    for (size_t i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type != CHAT_TOOL_RESULT)
            continue;
        const char *text = result_text(r, part);
        if (r->input->native)
            add_message(r, (struct shim_message){ .role = "tool",
                                                  .content = text,
                                                  .tool_call_id = quoted(r, part->id),
                                                  .tool_name = quoted(r, called_name(r->request, part)) });
        else
            buf_printf(&own, "%s<tool_response>\n%s\n</tool_response>", own.len > 0 ? "\n" : "", text);
    }
    if (own.len > 0 || buf_failed(&own)) {
        buf_swap(&own, &r->text);
        add_message(r, (struct shim_message){ .role = "user", .content = take_text(r) });
    }
    buf_free(&own);
}

static void append_own_call(struct reader *r, const struct chat_part *part)
{
    buf_append_cstr(&r->text, r->text.len > 0 ? "\n" CALL_OPEN "\n{\"name\": " : CALL_OPEN "\n{\"name\": ");
    append_json_string(r, part->name, false);
    buf_append_cstr(&r->text, ", \"arguments\": ");
    append_json(r, part->arguments);
    buf_append_cstr(&r->text, "}\n" CALL_CLOSE);
}

static struct shim_call *native_calls(struct reader *r, const struct chat_message *message, size_t *count)
{
    struct shim_call *calls = ARENA_ARRAY(r->arena, struct shim_call, message->part_count);
    for (size_t i = 0; i < message->part_count && calls != NULL; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type != CHAT_TOOL_CALL)
            continue;
        struct shim_call *call = &calls[(*count)++];
        call->id = quoted(r, part->id);
        call->name = quoted(r, part->name);
        append_json(r, part->arguments);
        call->arguments = take_text(r);
    }
    return calls;
}

/* Texts, reasoning and calls of one message, without its tool results. */
static bool add_spoken(struct reader *r, const struct chat_message *message)
{
    struct shim_message out = { .role = role_names[message->role == CHAT_TOOL ? CHAT_USER : message->role] };
    bool some = false;
    buf_clear(&r->text);
    for (size_t i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type == CHAT_IMAGE)
            return chat_fail(r->error, CHAT_INVALID, "This model cannot read images.") == CHAT_OK;
        some |= part->type == CHAT_TEXT || part->type == CHAT_TOOL_CALL;
        if (part->type == CHAT_TEXT)
            append_line(r, part->text);
        else if (part->type == CHAT_TOOL_CALL && !r->input->native)
            append_own_call(r, part);
    }
    out.content = take_text(r);
    for (size_t i = 0; i < message->part_count; i++)
        if (message->parts[i].type == CHAT_REASONING && r->input->native)
            append_line(r, message->parts[i].text);
    if (r->text.len > 0)
        out.reasoning = take_text(r);
    if (r->input->native)
        out.calls = native_calls(r, message, &out.call_count);
    if (some || out.reasoning != NULL)
        add_message(r, out);
    return true;
}

/* ---- tools ---- */

static enum chat_status read_tools(struct reader *r)
{
    const struct generate_request *request = r->request;
    struct chat_input *input = r->input;
    bool wanted = request->tool_choice != TOOL_CHOICE_NONE;
    input->tools = ARENA_ARRAY(r->arena, struct shim_tool, request->tool_count + 1);
    input->schemas = ARENA_ARRAY(r->arena, const struct json *, request->tool_count + 1);
    for (size_t i = 0; i < request->tool_count && wanted && !arena_exhausted(r->arena); i++) {
        const struct chat_tool *tool = &request->tools[i];
        if (request->tool_choice == TOOL_CHOICE_NAMED && !view_eq(tool->name, request->tool_name))
            continue;
        struct shim_tool *out = &input->tools[input->tool_count];
        out->name = quoted(r, tool->name);
        out->description = quoted(r, tool->description);
        if (tool->schema != NULL)
            append_json(r, tool->schema);
        else
            buf_append_cstr(&r->text, "{\"type\":\"object\"}");
        out->schema = take_text(r);
        input->schemas[input->tool_count++] = tool->schema;
    }
    input->has_tools = input->tool_count > 0;
    input->forced = request->tool_choice == TOOL_CHOICE_ANY || request->tool_choice == TOOL_CHOICE_NAMED;
    if (input->forced && !input->has_tools)
        return chat_fail(r->error, CHAT_INVALID, "The tool choice names a tool that is not among the tools.");
    return CHAT_OK;
}

/* Tells a model whose template knows no tools what there is. */
static void append_tool_prompt(struct reader *r)
{
    const struct chat_input *input = r->input;
    buf_append_cstr(&r->text, "You can use tools. These are the tools, with the JSON schema of their arguments:\n<tools>\n");
    for (size_t i = 0; i < input->tool_count; i++) {
        buf_append_cstr(&r->text, "{\"name\": ");
        append_json_string(r, view_from_cstr(input->tools[i].name), true);
        buf_append_cstr(&r->text, ", \"description\": ");
        append_json_string(r, view_from_cstr(input->tools[i].description), true);
        buf_append_cstr(&r->text, ", \"parameters\": ");
        buf_append_cstr(&r->text, input->tools[i].schema);
        buf_append_cstr(&r->text, "}\n");
    }
    buf_append_cstr(&r->text, "</tools>\nTo use a tool, answer with its name and its arguments, like this:\n" CALL_OPEN
                              "\n{\"name\": \"the tool\", \"arguments\": {\"argument\": \"value\"}}\n" CALL_CLOSE
                              "\nIf no tool is needed, answer in plain words.");
}

static void add_tool_prompt(struct reader *r)
{
    struct chat_input *input = r->input;
    bool has_system = input->count > 0 && strcmp(input->messages[0].role, "system") == 0;
    buf_clear(&r->text);
    if (has_system) {
        buf_append_cstr(&r->text, input->messages[0].content);
        buf_append_cstr(&r->text, "\n\n");
    } else {
        memmove(input->messages + 1, input->messages, input->count * sizeof *input->messages);
        input->messages[0] = (struct shim_message){ .role = "system" };
        input->count++;
    }
    append_tool_prompt(r);
    input->messages[0].content = take_text(r);
}

enum chat_status chat_input_read(const struct chat *chat, const struct generate_request *request, struct arena *arena,
                                 struct chat_input *input, struct chat_error *error)
{
    struct reader r = { .chat = chat, .request = request, .arena = arena, .input = input, .error = error };
    buf_init(&r.text, CHAT_TEXT_MAX);
    *input = (struct chat_input){ .native = chat_knows_tools(chat) };
    size_t messages = 1; /* the tool prompt may need one of its own */
    for (size_t i = 0; i < request->message_count; i++)
        messages += 1 + request->messages[i].part_count;
    input->messages = ARENA_ARRAY(arena, struct shim_message, messages);

    enum chat_status status = input->messages != NULL ? read_tools(&r) : CHAT_NO_MEMORY;
    for (size_t i = 0; i < request->message_count && status == CHAT_OK && !arena_exhausted(arena); i++) {
        add_results(&r, &request->messages[i]);
        if (!add_spoken(&r, &request->messages[i]))
            status = CHAT_INVALID;
    }
    if (status == CHAT_OK && input->has_tools && !input->native)
        add_tool_prompt(&r);
    buf_free(&r.text);
    return status == CHAT_OK && arena_exhausted(arena) ? CHAT_NO_MEMORY : status;
}
