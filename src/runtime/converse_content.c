#include "runtime/converse_content.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "text/html_text.h"

#include <stdio.h>

#define LOCATION_SIZE 128
#define TEXT_MAX      (32u << 20)

void converse_tell(struct converse_parser *parser, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(parser->input->error);
    buf_vprintf(parser->input->error, format, args);
    va_end(args);
}

/* The JSON text of a value, in the arena. */
static struct view json_text(struct arena *arena, const struct json *value)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_write_value(&writer, value);
    struct view copy = json_writer_failed(&writer) ? VIEW("") : arena_copy(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

static bool is_blank(struct view text)
{
    return view_trim(text).len == 0;
}

/* Parts of one message, sorted into what the user (or assistant) said and what tools answered. */
struct parts {
    struct chat_part *said, *results;
    size_t said_count, result_count;
};

static struct chat_part *add_said(struct parts *parts, enum chat_part_type type)
{
    struct chat_part *part = &parts->said[parts->said_count++];
    part->type = type;
    return part;
}

/* ---- documents ---- */

static bool readable_format(struct view format)
{
    return format.len == 0 || view_is(format, "txt") || view_is(format, "md") || view_is(format, "csv") || view_is(format, "html");
}

static struct view readable_html(struct arena *arena, struct view html)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    html_text(html, &text);
    struct view copy = arena_copy(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

static bool document_text(struct converse_parser *parser, const struct json *document, const char *at, struct view *out)
{
    const struct json *source = json_get(document, "source");
    const struct json *text = json_get(source, "text");
    if (text != NULL) {
        *out = json_string(text);
        return true;
    }
    if (json_get(source, "s3Location") != NULL)
        return converse_refuse(parser, "The s3Location source of the document at %s isn't supported by this server. "
                                       "Send the document in the bytes field.", at);

    struct view format = json_get_string(document, "format");
    if (!readable_format(format))
        return converse_refuse(parser, "The document format " VIEW_FMT " at %s isn't supported by this server. Use txt, md, html or "
                                       "csv.", VIEW_ARG(format), at);

    const struct json *chunks = json_get(source, "content");
    if (chunks != NULL) {
        struct buf joined = BUF_INIT(TEXT_MAX);
        struct json_iter it = json_iter(chunks);
        while (json_next(&it)) {
            buf_append_view(&joined, json_get_string(it.value, "text"));
            buf_append_byte(&joined, '\n');
        }
        *out = buf_failed(&joined) ? VIEW("") : arena_copy(parser->arena, buf_view(&joined));
        buf_free(&joined);
        return true;
    }

    if (!base64_decode(parser->arena, json_get_string(source, "bytes"), out))
        return converse_refuse(parser, "The bytes field of the document at %s is not valid base64.", at);
    if (!utf8_valid(*out))
        return converse_refuse(parser, "The document at %s is not valid UTF-8 text.", at);
    if (view_is(format, "html"))
        *out = readable_html(parser->arena, *out);
    return true;
}

static bool add_document(struct converse_parser *parser, const struct json *document, const char *at, struct parts *parts)
{
    if (json_bool(json_get(json_get(document, "citations"), "enabled"), false))
        return converse_refuse(parser, "This model doesn't support citations. Remove the citations field at %s.document and try "
                                       "again.", at);
    struct view text;
    if (!document_text(parser, document, at, &text))
        return false;
    struct view context = json_get_string(document, "context");
    struct view name = json_get_string(document, "name");
    char *rendered = arena_printf(parser->arena, "Document \"" VIEW_FMT "\"" "%s" VIEW_FMT ":\n" VIEW_FMT "\n", VIEW_ARG(name),
                                  context.len > 0 ? ", " : "", VIEW_ARG(context), VIEW_ARG(text));
    add_said(parts, CHAT_TEXT)->text = view_from_cstr(rendered);
    return true;
}

static void add_search_result(struct converse_parser *parser, const struct json *result, struct parts *parts)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    buf_printf(&text, "Search result \"" VIEW_FMT "\" (" VIEW_FMT "):\n", VIEW_ARG(json_get_string(result, "title")),
               VIEW_ARG(json_get_string(result, "source")));
    struct json_iter it = json_iter(json_get(result, "content"));
    while (json_next(&it)) {
        buf_append_view(&text, json_get_string(it.value, "text"));
        buf_append_byte(&text, '\n');
    }
    add_said(parts, CHAT_TEXT)->text = arena_copy(parser->arena, buf_view(&text));
    buf_free(&text);
}

/* ---- tools ---- */

static bool add_tool_use(struct converse_parser *parser, const struct json *use, const char *at, struct parts *parts)
{
    const struct json *input = json_get(use, "input");
    if (!json_is(input, JSON_OBJECT))
        return converse_refuse(parser, "The format of the value at %s.toolUse.input is invalid. Provide a json object for the field "
                                       "and try again.", at);
    parser->saw_tool_blocks = true;
    struct chat_part *part = add_said(parts, CHAT_TOOL_CALL);
    part->id = json_get_string(use, "toolUseId");
    part->name = json_get_string(use, "name");
    part->arguments = input;
    return true;
}

static bool tool_result_text(struct converse_parser *parser, const struct json *content, const char *at, struct buf *text)
{
    struct json_iter it = json_iter(content);
    while (json_next(&it)) {
        const struct json *json = json_get(it.value, "json");
        const struct json *document = json_get(it.value, "document");
        struct view piece;
        if (json != NULL) {
            if (!json_is(json, JSON_OBJECT))
                return converse_refuse(parser, "The format of the value at %s.toolResult.content.%zu.json is invalid. Provide a "
                                               "json object for the field and try again.", at, it.index);
            piece = json_text(parser->arena, json);
        } else if (json_get(it.value, "text") != NULL) {
            piece = json_get_string(it.value, "text");
        } else if (document != NULL) {
            if (!document_text(parser, document, at, &piece))
                return false;
        } else {
            return converse_refuse(parser, "This model doesn't support the content block at %s.toolResult.content.%zu. Use text, json "
                                           "or document.", at, it.index);
        }
        if (text->len > 0)
            buf_append_byte(text, '\n');
        buf_append_view(text, piece);
    }
    return true;
}

static bool add_tool_result(struct converse_parser *parser, const struct json *result, const char *at, struct parts *parts)
{
    const struct json *content = json_get(result, "content");
    bool is_error = view_is(json_get_string(result, "status"), "error");
    if (is_error && json_size(content) == 0)
        return converse_refuse(parser, "The content field at %s.toolResult cannot be empty when status value is error.", at);

    struct buf text = BUF_INIT(TEXT_MAX);
    if (!tool_result_text(parser, content, at, &text)) {
        buf_free(&text);
        return false;
    }
    parser->saw_tool_blocks = true;
    struct chat_part *part = &parts->results[parts->result_count++];
    part->type = CHAT_TOOL_RESULT;
    part->id = json_get_string(result, "toolUseId");
    part->text = arena_copy(parser->arena, buf_view(&text));
    part->is_error = is_error;
    buf_free(&text);
    return true;
}

/* ---- blocks ---- */

static bool add_image(struct converse_parser *parser, const struct json *image, const char *at, struct parts *parts)
{
    if (!parser->input->vision)
        return converse_refuse(parser, "This model doesn't support the image content block that you provided at %s. Remove the image or "
                                       "use a model that supports images, and try again.", at);
    struct view bytes = json_get_string(json_get(image, "source"), "bytes");
    struct view decoded;
    if (bytes.len == 0 || !base64_decode(parser->arena, bytes, &decoded))
        return converse_refuse(parser, "The image at %s must carry base64 data in source.bytes.", at);
    struct chat_part *part = add_said(parts, CHAT_IMAGE);
    part->bytes = decoded;
    part->media_type = view_from_cstr(
        arena_printf(parser->arena, "image/" VIEW_FMT, VIEW_ARG(json_get_string(image, "format"))));
    return true;
}

static bool add_reasoning(struct converse_parser *parser, const struct json *reasoning, const char *at, struct parts *parts)
{
    const struct json *text = json_get(reasoning, "reasoningText");
    if (text == NULL)
        return converse_refuse(parser, "The redactedContent at %s.reasoningContent can't be read by this model. Remove it and try "
                                       "again.", at);
    add_said(parts, CHAT_REASONING)->text = json_get_string(text, "text");
    return true;
}

static bool add_text(struct converse_parser *parser, const struct json *text, const char *at, struct parts *parts)
{
    if (is_blank(json_string(text)))
        return converse_refuse(parser, "The text field in the ContentBlock object at %s is blank. Add text to the text field, and "
                                       "try again.", at);
    add_said(parts, CHAT_TEXT)->text = json_string(text);
    return true;
}

static void add_cache_point(struct parts *parts)
{
    if (parts->said_count > 0)
        parts->said[parts->said_count - 1].cache_point = true;
    else if (parts->result_count > 0)
        parts->results[parts->result_count - 1].cache_point = true;
}

/* Which sides of a conversation may carry a kind of block. */
enum { BY_USER = 1, BY_ASSISTANT = 2 };

static bool add_block(struct converse_parser *parser, const struct json *block, enum chat_role role, const char *at,
                      struct parts *parts)
{
    struct json_iter it = json_iter(block);
    if (!json_next(&it))
        return converse_refuse(parser, "The content block at %s is empty. Add a member and try again.", at);

    static const struct {
        const char *member;
        int sides;
        bool (*add)(struct converse_parser *, const struct json *, const char *, struct parts *);
    } kinds[] = {
        { "text", BY_USER | BY_ASSISTANT, add_text },        { "toolUse", BY_ASSISTANT, add_tool_use },
        { "toolResult", BY_USER, add_tool_result },          { "document", BY_USER, add_document },
        { "image", BY_USER, add_image },                     { "reasoningContent", BY_ASSISTANT, add_reasoning },
    };
    int side = role == CHAT_ASSISTANT ? BY_ASSISTANT : BY_USER;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!view_is(it.key, kinds[i].member))
            continue;
        if ((kinds[i].sides & side) == 0)
            return converse_refuse(parser, "The %s block at %s is not allowed in a message with the role %s.", kinds[i].member, at,
                                   role == CHAT_ASSISTANT ? "assistant" : "user");
        return kinds[i].add(parser, it.value, at, parts);
    }
    if (view_is(it.key, "cachePoint")) {
        add_cache_point(parts);
        return true;
    }
    if (view_is(it.key, "searchResult")) {
        add_search_result(parser, it.value, parts);
        return true;
    }
    return converse_refuse(parser, "This model doesn't support the " VIEW_FMT " content block that you provided at %s. Remove it and try "
                                   "again.", VIEW_ARG(it.key), at);
}

static bool parse_content(struct converse_parser *parser, const struct json *content, enum chat_role role, size_t index,
                          struct parts *parts)
{
    size_t blocks = json_size(content);
    if (blocks == 0)
        return converse_refuse(parser, "The content field in the Message object at messages.%zu is empty. Add a ContentBlock object to "
                                       "the content field and try again.", index);
    *parts = (struct parts){ .said = ARENA_ARRAY(parser->arena, struct chat_part, blocks),
                             .results = ARENA_ARRAY(parser->arena, struct chat_part, blocks) };
    if (parts->said == NULL || parts->results == NULL)
        return converse_refuse(parser, "The request is too large.");

    bool has_text = false, has_document = false;
    struct json_iter it = json_iter(content);
    while (json_next(&it)) {
        char at[LOCATION_SIZE];
        snprintf(at, sizeof(at), "messages.%zu.content.%zu", index, it.index);
        has_text |= json_get(it.value, "text") != NULL;
        has_document |= json_get(it.value, "document") != NULL;
        if (!add_block(parser, it.value, role, at, parts))
            return false;
    }
    if (has_document && !has_text)
        return converse_refuse(parser, "The content field at messages.%zu has a document without text. Add a text block that says what "
                                       "to do with the document, and try again.", index);
    return true;
}

/* ---- conversations ---- */

static bool has_result_for(const struct parts *parts, struct view id)
{
    for (size_t i = 0; i < parts->result_count; i++) {
        if (view_eq(parts->results[i].id, id))
            return true;
    }
    return false;
}

/* Every toolUse of the assistant's last turn is answered in this one, and nothing else is. */
static bool check_results(struct converse_parser *parser, const struct parts *before, const struct parts *parts, size_t index)
{
    size_t calls = 0;
    for (size_t i = 0; before != NULL && i < before->said_count; i++) {
        if (before->said[i].type != CHAT_TOOL_CALL)
            continue;
        calls++;
        if (!has_result_for(parts, before->said[i].id))
            return converse_refuse(parser, "Expected toolResult blocks at messages.%zu.content for the following Ids: " VIEW_FMT, index,
                                   VIEW_ARG(before->said[i].id));
    }
    if (parts->result_count > calls)
        return converse_refuse(parser, "The number of toolResult blocks at messages.%zu.content exceeds the number of toolUse blocks of "
                                       "previous turn.", index);
    return true;
}

static void push_message(struct chat_message *messages, size_t *count, enum chat_role role, const struct chat_part *parts,
                         size_t part_count)
{
    if (part_count > 0)
        messages[(*count)++] = (struct chat_message){ .role = role, .parts = parts, .part_count = part_count };
}

static bool parse_system(struct converse_parser *parser, const struct json *system, struct chat_message *messages, size_t *count)
{
    size_t blocks = json_size(system);
    struct parts parts = { .said = ARENA_ARRAY(parser->arena, struct chat_part, blocks) };
    if (blocks > 0 && parts.said == NULL)
        return converse_refuse(parser, "The request is too large.");
    struct json_iter it = json_iter(system);
    while (json_next(&it)) {
        const struct json *text = json_get(it.value, "text");
        if (json_get(it.value, "cachePoint") != NULL) {
            add_cache_point(&parts);
        } else if (text == NULL) {
            return converse_refuse(parser, "This model doesn't support the guardContent block that you provided at system.%zu. Remove it "
                                           "and try again.", it.index);
        } else if (is_blank(json_string(text))) {
            return converse_refuse(parser, "The text field in the SystemContentBlock object at system.%zu is blank. Add text to the text "
                                           "field, and try again.", it.index);
        } else {
            add_said(&parts, CHAT_TEXT)->text = json_string(text);
        }
    }
    push_message(messages, count, CHAT_SYSTEM, parts.said, parts.said_count);
    return true;
}

/* An answer that the caller has begun: the model goes on from there. Tool calls cannot be continued. */
static bool take_prefix(struct converse_parser *parser, const struct parts *last, size_t index)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    for (size_t i = 0; i < last->said_count; i++) {
        if (last->said[i].type != CHAT_TEXT) {
            buf_free(&text);
            return converse_refuse(parser, "A conversation must end with a user message. The assistant message at messages.%zu can only be "
                                           "continued when it holds text.", index);
        }
        buf_append_view(&text, last->said[i].text);
    }
    parser->out->assistant_prefix = arena_copy(parser->arena, buf_view(&text));
    buf_free(&text);
    return true;
}

static bool parse_role(struct converse_parser *parser, const struct json *message, size_t index, enum chat_role before,
                       enum chat_role *role)
{
    struct view name = json_get_string(message, "role");
    *role = view_is(name, "assistant") ? CHAT_ASSISTANT : view_is(name, "system") ? CHAT_SYSTEM : CHAT_USER;
    if (index == 0 && *role != CHAT_USER)
        return converse_refuse(parser, "A conversation must start with a user message. Try again with a conversation that starts with a "
                                       "user message.");
    if (index > 0 && *role == before)
        return converse_refuse(parser, "A conversation must alternate between user and assistant roles. Make sure the conversation "
                                       "alternates between user and assistant roles and try again.");
    return true;
}

bool converse_messages(struct converse_parser *parser)
{
    const struct json *system = json_get(parser->input->body, "system");
    const struct json *conversation = json_get(parser->input->body, "messages");
    size_t turns = json_size(conversation);
    if (turns == 0)
        return converse_refuse(parser, "A conversation must start with a user message. Try again with a conversation that starts with a "
                                       "user message.");

    struct chat_message *messages = ARENA_ARRAY(parser->arena, struct chat_message, 2 * turns + 1);
    struct parts *all = ARENA_ARRAY(parser->arena, struct parts, turns);
    if (messages == NULL || all == NULL)
        return converse_refuse(parser, "The request is too large.");
    size_t count = 0;
    if (!parse_system(parser, system, messages, &count))
        return false;

    enum chat_role role = CHAT_USER;
    const struct parts *calls = NULL;                       /* the assistant's last turn, while it waits for results */
    struct json_iter it = json_iter(conversation);
    while (json_next(&it)) {
        struct parts *parts = &all[it.index];
        if (!parse_role(parser, it.value, it.index, role, &role) ||
            !parse_content(parser, json_get(it.value, "content"), role, it.index, parts))
            return false;
        if (role == CHAT_USER && !check_results(parser, calls, parts, it.index))
            return false;
        calls = role == CHAT_ASSISTANT ? parts : NULL;
        if (role == CHAT_ASSISTANT && it.index + 1 == turns) {
            if (!take_prefix(parser, parts, it.index))
                return false;
            break;
        }
        push_message(messages, &count, CHAT_TOOL, parts->results, parts->result_count);
        push_message(messages, &count, role, parts->said, parts->said_count);
    }
    parser->out->messages = messages;
    parser->out->message_count = count;
    return true;
}
