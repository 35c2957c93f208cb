/* base/config_tree.c - YAML into nodes: see config.h. */
#include "base/config_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#define DEPTH_MAX 32

struct config_node {
    enum config_node_type type;
    unsigned line;
    struct view key;
    struct view text;
    size_t size;
    struct config_node *first, *last, *next;
};

/* ---- reading a tree ---- */

enum config_node_type config_node_type(const struct config_node *node)
{
    return node != NULL ? node->type : CONFIG_NODE_ABSENT;
}

size_t config_node_size(const struct config_node *node)
{
    return node != NULL ? node->size : 0;
}

const struct config_node *config_node_at(const struct config_node *node, size_t index)
{
    if (index >= config_node_size(node))
        return NULL;
    const struct config_node *child = node->first;
    while (index-- > 0)
        child = child->next;
    return child;
}

const struct config_node *config_node_get(const struct config_node *map, const char *key)
{
    if (config_node_type(map) != CONFIG_NODE_MAP)
        return NULL;
    for (const struct config_node *child = map->first; child != NULL; child = child->next) {
        if (view_is(child->key, key))
            return child;
    }
    return NULL;
}

struct view config_node_key(const struct config_node *node)
{
    return node != NULL ? node->key : (struct view){ NULL, 0 };
}

struct view config_node_text(const struct config_node *node)
{
    return config_node_type(node) == CONFIG_NODE_SCALAR ? node->text : (struct view){ NULL, 0 };
}

bool config_node_i64(const struct config_node *node, int64_t *out)
{
    return view_to_i64(config_node_text(node), out);
}

bool config_node_double(const struct config_node *node, double *out)
{
    return view_to_double(config_node_text(node), out);
}

bool config_node_bool(const struct config_node *node, bool *out)
{
    static const char *const words[] = { "false", "true", "off", "on", "no", "yes" };
    struct view text = config_node_text(node);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (view_is(text, words[i])) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

bool config_node_duration(const struct config_node *node, int64_t *out_ms)
{
    return config_parse_duration(config_node_text(node), out_ms);
}

unsigned config_node_line(const struct config_node *node)
{
    return node != NULL ? node->line : 0;
}

/* ---- building one ---- */

struct builder {
    struct arena *arena;
    const char *name;
    struct config_error *error;
    struct config_node *root;
    struct config_node *open[DEPTH_MAX];                    /* containers that are being filled, outermost first */
    size_t depth;
    struct view key;                                        /* the key that waits for its value; NULL ptr: none */
};

void config_fail(struct config_error *error, const char *name, unsigned line, const char *format, ...)
{
    va_list args;
    int len = line > 0 ? snprintf(error->message, sizeof error->message, "%s:%u: ", name, line)
                       : snprintf(error->message, sizeof error->message, "%s: ", name);
    if (len < 0 || (size_t)len >= sizeof error->message)
        return;
    va_start(args, format);
    vsnprintf(error->message + len, sizeof error->message - (size_t)len, format, args);
    va_end(args);
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

static bool build_error(struct builder *b, const yaml_event_t *event, const char *message)
{
    config_fail(b->error, b->name, line_of(event), "%s", message);
    return false;
}

static bool expects_key(const struct builder *b)
{
    return b->depth > 0 && b->open[b->depth - 1]->type == CONFIG_NODE_MAP && b->key.ptr == NULL;
}

/* Puts a new node where the document stands. */
static struct config_node *add_node(struct builder *b, const yaml_event_t *event, enum config_node_type type)
{
    struct config_node *node = ARENA_NEW(b->arena, struct config_node);
    if (node == NULL) {
        build_error(b, event, "the document is too large");
        return NULL;
    }
    node->type = type;
    node->line = line_of(event);
    node->key = b->key;
    b->key = (struct view){ NULL, 0 };
    if (b->depth == 0) {
        b->root = node;
        return node;
    }
    struct config_node *parent = b->open[b->depth - 1];
    if (parent->last != NULL)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->size++;
    return node;
}

static bool add_scalar(struct builder *b, const yaml_event_t *event)
{
    struct view text = arena_copy(b->arena, view_of(event->data.scalar.value, event->data.scalar.length));
    if (text.ptr == NULL)
        return build_error(b, event, "the document is too large");
    if (!expects_key(b)) {
        struct config_node *node = add_node(b, event, CONFIG_NODE_SCALAR);
        if (node != NULL)
            node->text = text;
        return node != NULL;
    }
    if (config_node_get(b->open[b->depth - 1], text.ptr) != NULL) {
        config_fail(b->error, b->name, line_of(event), "'" VIEW_FMT "' is there twice", VIEW_ARG(text));
        return false;
    }
    b->key = text;
    return true;
}

static bool open_container(struct builder *b, const yaml_event_t *event, enum config_node_type type)
{
    if (expects_key(b))
        return build_error(b, event, "a key must be plain text");
    if (b->depth == DEPTH_MAX)
        return build_error(b, event, "nested too deeply");
    struct config_node *node = add_node(b, event, type);
    if (node == NULL)
        return false;
    b->open[b->depth++] = node;
    return true;
}

static bool take_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
            return build_error(b, event, "anchors and tags are not supported");
        return add_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL)
            return build_error(b, event, "anchors and tags are not supported");
        return open_container(b, event, CONFIG_NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL)
            return build_error(b, event, "anchors and tags are not supported");
        return open_container(b, event, CONFIG_NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth -= b->depth > 0;
        return true;
    case YAML_ALIAS_EVENT:
        return build_error(b, event, "aliases are not supported");
    case YAML_DOCUMENT_START_EVENT:
        return b->root == NULL || build_error(b, event, "only one document is allowed");
    default:
        return true;
    }
}

static bool build(struct builder *b, yaml_parser_t *parser)
{
    for (bool at_end = false; !at_end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            config_fail(b->error, b->name, (unsigned)parser->problem_mark.line + 1, "%s",
                        parser->problem != NULL ? parser->problem : "not valid YAML");
            return false;
        }
        at_end = event.type == YAML_STREAM_END_EVENT;
        bool ok = take_event(b, &event);
        yaml_event_delete(&event);
        if (!ok)
            return false;
    }
    return true;
}

const struct config_node *config_node_parse(struct arena *arena, struct view yaml, const char *name,
                                            struct config_error *error)
{
    struct config_error ignored;
    struct builder b = { .arena = arena, .name = name, .error = error != NULL ? error : &ignored };
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        config_fail(b.error, name, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(yaml.len > 0 ? yaml.ptr : ""), yaml.len);
    bool ok = build(&b, &parser);
    yaml_parser_delete(&parser);
    if (ok && b.root == NULL) { /* an empty document is an empty map */
        b.root = ARENA_NEW(arena, struct config_node);
        if (b.root != NULL)
            *b.root = (struct config_node){ .type = CONFIG_NODE_MAP, .line = 1 };
        else
            config_fail(b.error, name, 0, "out of memory");
    }
    return ok ? b.root : NULL;
}
