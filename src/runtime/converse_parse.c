#include "runtime/converse_parse.h"
#include "runtime/additional_fields.h"
#include "runtime/converse_content.h"

/* Members that this server cannot honour yet: ignoring them would change what the caller relies on. */
static bool refuse_unsupported(struct converse_parser *parser)
{
    static const struct {
        const char *member, *reason;
    } unsupported[] = {
        { "guardrailConfig", "This server has no guardrails yet. Remove the guardrailConfig field and try again." },
        { "promptVariables", "This server has no prompt resources yet. Remove the promptVariables field and try again." },
    };
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        if (json_get(parser->input->body, unsupported[i].member) != NULL)
            return converse_refuse(parser, "%s", unsupported[i].reason);
    }
    return true;
}

static bool parse_stops(struct converse_parser *parser, const struct json *stops)
{
    size_t count = json_size(stops);
    if (count == 0)
        return true;
    struct view *views = ARENA_ARRAY(parser->arena, struct view, count);
    if (views == NULL)
        return converse_refuse(parser, "The request is too large.");
    struct json_iter it = json_iter(stops);
    while (json_next(&it))
        views[it.index] = json_string(it.value);
    parser->out->stops = views;
    parser->out->stop_count = count;
    return true;
}

static bool parse_inference(struct converse_parser *parser)
{
    const struct json *config = json_get(parser->input->body, "inferenceConfig");
    struct generate_request *out = parser->out;
    int64_t limit = parser->input->max_output_tokens;
    double number;

    out->max_tokens = -1;
    if (json_get_i64(config, "maxTokens", &out->max_tokens) && limit > 0 && out->max_tokens > limit)
        return converse_refuse(parser, "The maximum tokens you requested exceeds the model limit of %lld. Try again with a maximum tokens "
                                       "value that is lower than %lld.", (long long)limit, (long long)limit);
    if (json_get_double(config, "temperature", &number))
        out->sampling.temperature = (float)number;
    if (json_get_double(config, "topP", &number))
        out->sampling.top_p = (float)number;
    return parse_stops(parser, json_get(config, "stopSequences"));
}

/* ---- tools ---- */

static const struct chat_tool *find_tool(const struct generate_request *out, struct view name)
{
    for (size_t i = 0; i < out->tool_count; i++) {
        if (view_eq(out->tools[i].name, name))
            return &out->tools[i];
    }
    return NULL;
}

static bool parse_tool(struct converse_parser *parser, const struct json *tool, size_t index, struct chat_tool *tools)
{
    const struct json *spec = json_get(tool, "toolSpec");
    if (json_get(tool, "cachePoint") != NULL)
        return true;                                        /* tools stand before the messages: whatever caches those caches them */
    if (spec == NULL)
        return converse_refuse(parser, "This model doesn't support the systemTool at toolConfig.tools.%zu. Remove it and try again.",
                               index);

    struct generate_request *out = parser->out;
    struct view name = json_get_string(spec, "name");
    const struct json *schema = json_get(json_get(spec, "inputSchema"), "json");
    if (find_tool(out, name) != NULL)
        return converse_refuse(parser, "The tool name " VIEW_FMT " at toolConfig.tools.%zu is used twice. Give each tool its own name.",
                               VIEW_ARG(name), index);
    if (!json_is(schema, JSON_OBJECT))
        return converse_refuse(parser, "The value at toolConfig.tools.%zu.toolSpec.inputSchema.json is invalid. Provide a json object for "
                                       "the field and try again.", index);
    tools[out->tool_count++] = (struct chat_tool){
        .name = name, .description = json_get_string(spec, "description"), .schema = schema
    };
    return true;
}

static bool parse_tool_choice(struct converse_parser *parser, const struct json *choice)
{
    struct generate_request *out = parser->out;
    const struct json *named = json_get(choice, "tool");
    out->tool_choice = named != NULL                         ? TOOL_CHOICE_NAMED
                       : json_get(choice, "any") != NULL     ? TOOL_CHOICE_ANY
                                                             : TOOL_CHOICE_AUTO;
    if (named == NULL)
        return true;
    out->tool_name = json_get_string(named, "name");
    if (find_tool(out, out->tool_name) == NULL)
        return converse_refuse(parser, "The tool " VIEW_FMT " in toolConfig.toolChoice is not among the tools of toolConfig.",
                               VIEW_ARG(out->tool_name));
    return true;
}

static bool parse_tools(struct converse_parser *parser)
{
    const struct json *config = json_get(parser->input->body, "toolConfig");
    if (config == NULL) {
        if (parser->saw_tool_blocks)
            return converse_refuse(parser, "The toolConfig field must be defined when using toolUse and toolResult content blocks.");
        return true;
    }
    const struct json *list = json_get(config, "tools");
    struct chat_tool *tools = ARENA_ARRAY(parser->arena, struct chat_tool, json_size(list) + 1);
    if (tools == NULL)
        return converse_refuse(parser, "The request is too large.");
    parser->out->tools = tools;
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        if (!parse_tool(parser, it.value, it.index, tools))
            return false;
    }
    if (parser->out->tool_count == 0)
        return converse_refuse(parser, "The toolConfig field must hold at least one tool with a toolSpec.");
    return parse_tool_choice(parser, json_get(config, "toolChoice"));
}

/* ---- structured output ---- */

static bool parse_output_config(struct converse_parser *parser)
{
    const struct json *config = json_get(parser->input->body, "outputConfig");
    struct json_iter it = json_iter(config);
    while (json_next(&it)) {
        if (!view_is(it.key, "textFormat"))
            return converse_refuse(parser, "This model doesn't support the " VIEW_FMT " field in outputConfig. Remove it and try again.",
                                   VIEW_ARG(it.key));
    }
    const struct json *format = json_get(config, "textFormat");
    if (format == NULL)
        return true;

    struct view text = json_get_string(json_get(json_get(format, "structure"), "jsonSchema"), "schema");
    struct json_error problem;
    const struct json *schema = json_parse(parser->arena, text, JSON_DEPTH_DEFAULT, &problem);
    if (!json_is(schema, JSON_OBJECT))
        return converse_refuse(parser, "The value at outputConfig.textFormat.structure.jsonSchema.schema is not a JSON schema: %s.",
                               schema == NULL ? problem.message : "it is not an object");
    if (parser->out->tool_count > 0)
        return converse_refuse(parser, "outputConfig.textFormat can't be combined with toolConfig. Remove one of them and try again.");
    parser->out->json_schema = schema;
    parser->out->has_json_schema = true;
    return true;
}

enum aws_status converse_parse(const struct converse_input *input, struct model_request *request)
{
    request->kind = MODEL_GENERATE;
    struct converse_parser parser = { .input = input, .arena = input->arena, .out = &request->generate };
    bool ok = refuse_unsupported(&parser) && converse_messages(&parser) && parse_inference(&parser) && parse_tools(&parser) &&
              parse_output_config(&parser) && additional_fields(&parser);
    return ok ? AWS_OK : AWS_VALIDATION;
}
