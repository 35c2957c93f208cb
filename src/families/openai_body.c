#include "families/openai_body.h"

#include "base/encode.h"
#include "families/chat_build.h"

/* ---- schemas ---- */

static const char *const roles[] = { "system", "developer", "user", "assistant", "tool", NULL };
static const char *const part_types[] = { "text", "image_url", NULL };

static const struct schema_member image_members[] = {
    MEMBER("url", REQUIRED, TEXT(1, 0)),
    MEMBER("detail", OPTIONAL, TEXT(0, 0)),                 /* harmless */
    MEMBERS_END
};
static const struct schema_member part_members[] = {
    MEMBER("type", REQUIRED, ONE_OF(part_types)),
    MEMBER("text", OPTIONAL, TEXT(0, 0)),
    MEMBER("image_url", OPTIONAL, OBJECT_OF(image_members)),
    MEMBERS_END
};
static const struct schema part_schema = { OBJECT_OF(part_members) };

static const struct schema_member called_members[] = {
    MEMBER("name", REQUIRED, TEXT(1, 0)),
    MEMBER("arguments", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_OBJECT),
    MEMBERS_END
};
static const struct schema_member call_members[] = {
    MEMBER("id", OPTIONAL, TEXT(0, 0)),
    MEMBER("index", OPTIONAL, ANY_VALUE),                   /* harmless: the order says it */
    MEMBER("type", OPTIONAL, TEXT(0, 0)),
    MEMBER("function", REQUIRED, OBJECT_OF(called_members)),
    MEMBERS_END
};
static const struct schema call_schema = { OBJECT_OF(call_members) };

static const struct schema_member message_members[] = {
    MEMBER("role", REQUIRED, ONE_OF(roles)),
    MEMBER("content", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL, .items = &part_schema),
    MEMBER("name", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("reasoning_content", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("tool_calls", OPTIONAL, .types = SCHEMA_ARRAY | SCHEMA_NULL, .items = &call_schema),
    MEMBER("tool_call_id", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("refusal", OPTIONAL, ONLY("null")),
    MEMBERS_END
};
const struct schema openai_messages_schema = { OBJECT_OF(message_members) };

static const struct schema_member function_members[] = {
    MEMBER("name", REQUIRED, TEXT(1, 64)),
    MEMBER("description", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("parameters", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL),
    MEMBER("strict", OPTIONAL, .types = SCHEMA_BOOLEAN | SCHEMA_NULL),  /* calls follow their schema in any case */
    MEMBERS_END
};
static const struct schema_member tool_members[] = {
    MEMBER("type", OPTIONAL, TEXT(0, 0)),
    MEMBER("function", REQUIRED, OBJECT_OF(function_members)),
    MEMBERS_END
};
const struct schema openai_tools_schema = { OBJECT_OF(tool_members) };
const struct schema openai_stop_schema = { TEXT(0, 0) };

/* ---- messages ---- */

/* "data:image/png;base64,…": the only kind of address whose bytes are here. */
static bool add_image(struct family_input *in, struct chat_build *build, const struct json *image)
{
    static const struct view scheme = VIEW_INIT("data:"), base64 = VIEW_INIT(";base64,");
    struct view url = json_get_string(image, "url"), bytes;
    size_t comma = view_find(view_first(url, 128), base64);
    if (!in->model->vision) {
        native_refuse(in, "This model doesn't support images. Use a model that takes images, or remove them, and try again.");
        return false;
    }
    if (!view_starts_with(url, scheme) || comma == VIEW_NPOS ||
        !base64_decode(in->arena, view_from(url, comma + base64.len), &bytes)) {
        native_refuse(in, "Images must be given as data URIs: data:image/png;base64,…");
        return false;
    }
    struct view media_type = view_from(view_first(url, comma), scheme.len);
    chat_part(build, (struct chat_part){ .type = CHAT_IMAGE, .bytes = bytes, .media_type = media_type });
    return true;
}

static bool add_content(struct family_input *in, struct chat_build *build, const struct json *content)
{
    if (json_string(content).len > 0)
        chat_part(build, (struct chat_part){ .type = CHAT_TEXT, .text = json_string(content) });
    struct json_iter it = json_iter(json_is(content, JSON_ARRAY) ? content : NULL);
    while (json_next(&it)) {
        if (view_is(json_get_string(it.value, "type"), "text"))
            chat_part(build, (struct chat_part){ .type = CHAT_TEXT, .text = json_get_string(it.value, "text") });
        else if (!add_image(in, build, json_get(it.value, "image_url")))
            return false;
    }
    return true;
}

static struct view joined_content(struct family_input *in, const struct json *content)
{
    struct chat_build build;
    if (!json_is(content, JSON_ARRAY))
        return json_string(content);
    chat_build_init(&build, in->arena);
    chat_message(&build, CHAT_TOOL);
    struct json_iter it = json_iter(content);
    while (json_next(&it))
        chat_part(&build, (struct chat_part){ .type = CHAT_TEXT, .text = json_get_string(it.value, "text") });
    return build.count > 0 ? chat_joined_text(in->arena, build.messages) : VIEW("");
}

/* Arguments come as JSON text, or as an object. */
static bool add_calls(struct family_input *in, struct chat_build *build, const struct json *calls, size_t message)
{
    struct json_iter it = json_iter(calls);
    while (json_next(&it)) {
        const struct json *function = json_get(it.value, "function");
        const struct json *arguments = json_get(function, "arguments");
        if (!json_is(arguments, JSON_OBJECT)) {
            struct view text = view_trim(json_string(arguments));
            arguments = json_parse(in->arena, text.len > 0 ? text : VIEW("{}"), JSON_DEPTH_DEFAULT, NULL);
        }
        if (!json_is(arguments, JSON_OBJECT)) {
            native_malformed(in, "#/messages/%zu/tool_calls/%zu/function/arguments: not a JSON object", message, it.index);
            return false;
        }
        chat_part(build, (struct chat_part){ .type = CHAT_TOOL_CALL,
                                             .id = json_get_string(it.value, "id"),
                                             .name = json_get_string(function, "name"),
                                             .arguments = arguments });
    }
    return true;
}

static enum chat_role role_of(struct view role)
{
    if (view_is(role, "system") || view_is(role, "developer"))
        return CHAT_SYSTEM;
    if (view_is(role, "assistant"))
        return CHAT_ASSISTANT;
    return view_is(role, "tool") ? CHAT_TOOL : CHAT_USER;
}

static bool add_message(struct family_input *in, struct chat_build *build, const struct json *message, size_t index)
{
    enum chat_role role = role_of(json_get_string(message, "role"));
    const struct json *content = json_get(message, "content");
    if (role == CHAT_TOOL) {
        struct view id = json_get_string(message, "tool_call_id"), name = chat_called_name(build, id);
        chat_message(build, role);
        chat_part(build, (struct chat_part){ .type = CHAT_TOOL_RESULT, .id = id, .name = name, .text = joined_content(in, content) });
        return true;
    }
    chat_message(build, role);
    struct view reasoning = json_get_string(message, "reasoning_content");
    if (reasoning.len > 0)
        chat_part(build, (struct chat_part){ .type = CHAT_REASONING, .text = reasoning });
    return add_content(in, build, content) && add_calls(in, build, json_get(message, "tool_calls"), index);
}

/* ---- tools and formats ---- */

static bool read_tools(struct family_input *in, const struct json *tools, struct generate_request *out)
{
    size_t count = json_size(tools);
    struct chat_tool *list = ARENA_ARRAY(in->arena, struct chat_tool, count + 1);
    if (list == NULL) {
        native_done(in);
        return false;
    }
    struct json_iter it = json_iter(tools);
    while (json_next(&it)) {
        const struct json *function = json_get(it.value, "function");
        const struct json *parameters = json_get(function, "parameters");
        list[it.index] = (struct chat_tool){ .name = json_get_string(function, "name"),
                                             .description = json_get_string(function, "description"),
                                             .schema = json_is(parameters, JSON_OBJECT) ? parameters : NULL };
    }
    out->tools = list;
    out->tool_count = count;
    return true;
}

static bool read_choice(struct family_input *in, const struct json *choice, struct generate_request *out)
{
    struct view word = json_string(choice);
    out->tool_choice = TOOL_CHOICE_AUTO;
    if (choice == NULL || json_is(choice, JSON_NULL) || view_is(word, "auto"))
        return true;
    if (view_is(word, "none")) {
        out->tool_choice = TOOL_CHOICE_NONE;
        return true;
    }
    if (view_is(word, "required") || view_is(word, "any")) {
        out->tool_choice = TOOL_CHOICE_ANY;
    } else {
        out->tool_choice = TOOL_CHOICE_NAMED;
        out->tool_name = json_get_string(json_get(choice, "function"), "name");
    }
    for (size_t i = 0; i < out->tool_count; i++) {
        if (out->tool_choice == TOOL_CHOICE_ANY || view_eq(out->tools[i].name, out->tool_name))
            return true;
    }
    native_malformed(in, "#/tool_choice: it must name one of the tools");
    return false;
}

static bool read_format(struct family_input *in, const struct json *format, struct generate_request *out)
{
    struct view type = json_get_string(format, "type");
    if (format == NULL || json_is(format, JSON_NULL) || view_is(type, "text"))
        return true;
    const struct json *schema = NULL;
    if (view_is(type, "json_object"))
        schema = json_parse(in->arena, VIEW("{\"type\":\"object\"}"), JSON_DEPTH_DEFAULT, NULL);
    else if (view_is(type, "json_schema"))
        schema = json_get(json_get(format, "json_schema"), "schema");
    if (!json_is(schema, JSON_OBJECT)) {
        native_malformed(in, "#/response_format: it must be of type text, json_object, or json_schema with a schema");
        return false;
    }
    out->json_schema = schema;
    out->has_json_schema = true;
    return true;
}

bool openai_conversation(struct family_input *in, const struct json *body, struct generate_request *out)
{
    struct chat_build build;
    chat_build_init(&build, in->arena);
    struct json_iter it = json_iter(json_get(body, "messages"));
    while (json_next(&it)) {
        if (!add_message(in, &build, it.value, it.index))
            return false;
    }
    chat_build_done(&build, out, true);
    return read_tools(in, json_get(body, "tools"), out) && read_choice(in, json_get(body, "tool_choice"), out) &&
           read_format(in, json_get(body, "response_format"), out);
}
