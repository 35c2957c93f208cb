#include "worker/gbnf_internal.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- builder ---- */

struct gbnf *gbnf_create(struct gbnf_limits limits)
{
    struct gbnf *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    g->limits = limits;
    if (g->limits.string_chars > GBNF_MAX_REPEAT)
        g->limits.string_chars = GBNF_MAX_REPEAT;
    if (g->limits.array_items > GBNF_MAX_REPEAT)
        g->limits.array_items = GBNF_MAX_REPEAT;
    buf_init(&g->text, GBNF_MAX_TEXT);
    return g;
}

void gbnf_destroy(struct gbnf *g)
{
    if (g == NULL)
        return;
    buf_free(&g->text);
    free(g->memos);
    free(g);
}

const char *gbnf_error(const struct gbnf *g)
{
    if (g->error[0] != '\0')
        return g->error;
    return buf_failed(&g->text) ? "The JSON schema is too large to be enforced." : NULL;
}

bool gbnf_too_large(const struct gbnf *g)
{
    return g->too_large || buf_failed(&g->text);
}

struct view gbnf_text(const struct gbnf *g)
{
    return buf_view(&g->text);
}

static void __attribute__((format(printf, 2, 0))) set_error(struct gbnf *g, const char *format, va_list args)
{
    if (g->error[0] == '\0')
        vsnprintf(g->error, sizeof g->error, format, args);
}

enum yield gbnf_refuse(struct gbnf *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_error(g, format, args);
    va_end(args);
    return YIELD_ERROR;
}

enum yield gbnf_refuse_size(struct gbnf *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g->too_large |= g->error[0] == '\0';
    set_error(g, format, args);
    va_end(args);
    return YIELD_ERROR;
}

void gbnf_rule(struct gbnf *g, const char *name, struct view text)
{
    buf_append_cstr(&g->text, name);
    buf_append_cstr(&g->text, " ::= ");
    buf_append_view(&g->text, text);
    buf_append_byte(&g->text, '\n');
}

void gbnf_literal(struct buf *out, struct view text)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte == '"' || byte == '\\')
            buf_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buf_printf(out, "\\x%02X", byte);
        else
            buf_append_byte(out, (char)byte);
    }
    buf_append_byte(out, '"');
}

unsigned gbnf_new_rule(struct gbnf *g)
{
    if (++g->rules > GBNF_MAX_RULES)
        gbnf_refuse_size(g, "The JSON schema is too large to be enforced: it needs more than %d grammar rules.", GBNF_MAX_RULES);
    return g->rules;
}

void gbnf_define(struct gbnf *g, unsigned rule, const struct buf *body)
{
    char name[16];
    snprintf(name, sizeof name, "r%u", rule);
    if (buf_failed(body))
        gbnf_refuse_size(g, "The JSON schema is too large to be enforced.");
    gbnf_rule(g, name, buf_view(body));
}

/* ---- shared rules ---- */

struct primitive_row {
    const char *name;
    const char *text; /* NULL: made from the limits */
    unsigned uses;    /* bits of the rules that text names */
};

/* Any JSON value whose elements are of the rule inner: levels are bounded, so that nesting comes to an end. */
#define JSON_NESTED(inner)                                                                                            \
    "json-leaf | \"{\" (json-string \":\" json-space " inner " (\",\" json-space json-string \":\" json-space " inner \
    "){0,15})? \"}\" | \"[\" (" inner " (\",\" json-space " inner "){0,15})? \"]\""
#define JSON_NESTED_USES (1u << PRIM_LEAF | 1u << PRIM_STRING | 1u << PRIM_SPACE)

static const struct primitive_row primitives[PRIM_COUNT] = {
    [PRIM_SPACE] = { "json-space", "\" \"?", 0 },
    [PRIM_CHAR] = { "json-char", "[^\"\\\\\\x00-\\x1F\\x7F] | \"\\\\\" [\"\\\\/bfnrt]", 0 },
    [PRIM_STRING] = { "json-string", NULL, 1u << PRIM_CHAR },
    [PRIM_INTEGER] = { "json-integer", "\"0\" | \"-\"? [1-9] [0-9]{0,14}", 0 },
    [PRIM_NUMBER] = { "json-number", "json-integer (\".\" [0-9]{1,9})?", 1u << PRIM_INTEGER },
    [PRIM_LEAF] = { "json-leaf", "json-string | json-number | \"true\" | \"false\" | \"null\"",
                    1u << PRIM_STRING | 1u << PRIM_NUMBER },
    [PRIM_SMALL] = { "json-small", JSON_NESTED("json-leaf"), JSON_NESTED_USES },
    [PRIM_MEDIUM] = { "json-medium", JSON_NESTED("json-small"), 1u << PRIM_SMALL | JSON_NESTED_USES },
    [PRIM_ANY] = { "json-any", JSON_NESTED("json-medium"), 1u << PRIM_MEDIUM | JSON_NESTED_USES },
};

static void define_primitive(struct gbnf *g, enum primitive which)
{
    if ((g->primitives & 1u << which) != 0)
        return;
    g->primitives |= 1u << which;
    const struct primitive_row *row = &primitives[which];
    for (unsigned other = 0; other < PRIM_COUNT; other++)
        if ((row->uses & 1u << other) != 0)
            define_primitive(g, (enum primitive)other);
    if (row->text != NULL) {
        gbnf_rule(g, row->name, view_from_cstr(row->text));
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "\"\\\"\" json-char{0,%u} \"\\\"\"", g->limits.string_chars);
    gbnf_rule(g, row->name, view_from_cstr(text));
}

void gbnf_primitive(struct gbnf *g, enum primitive which, struct buf *out)
{
    define_primitive(g, which);
    buf_append_cstr(out, primitives[which].name);
}

void gbnf_need_space(struct gbnf *g)
{
    define_primitive(g, PRIM_SPACE);
}

/* ---- lists with optional parts ---- */

static void chain_next(struct buf *out, const struct chain_part *part)
{
    buf_append_cstr(out, part->required ? " \",\" json-space " : " (\",\" json-space ");
    buf_append_view(out, part->text);
    buf_append_cstr(out, part->required ? "" : ")?");
}

/* Defines a rule from out and empties it; 0 when it is empty, since then nothing needs to follow. */
static unsigned chain_rule(struct gbnf *g, struct buf *body)
{
    if (body->len == 0 && !buf_failed(body))
        return 0;
    unsigned rule = gbnf_new_rule(g);
    gbnf_define(g, rule, body);
    buf_clear(body);
    return rule;
}

/* A comma stands before each part but the first one written. From the first required part on that is plain; before it, each
 * optional part is a choice of beginning here or later, so two rules a part: "begins at i" and "goes on at i". */
void gbnf_chain(struct gbnf *g, struct buf *out, const char *open, const char *close, const struct chain_part *parts,
                size_t count)
{
    struct buf body = BUF_INIT(GBNF_MAX_TEXT);
    gbnf_need_space(g);
    size_t first = 0;
    while (first < count && !parts[first].required)
        first++;

    for (size_t i = first + 1; i < count; i++)
        chain_next(&body, &parts[i]);
    unsigned goes_on = chain_rule(g, &body), begins = 0;
    if (first < count) {
        buf_append_view(&body, parts[first].text);
        if (goes_on != 0)
            buf_printf(&body, " r%u", goes_on);
        begins = chain_rule(g, &body);
        buf_printf(&body, "\",\" json-space r%u", begins);
        goes_on = chain_rule(g, &body);
    }
    for (size_t i = first; i-- > 0 && g->error[0] == '\0';) {
        char tail[16] = "";
        if (goes_on != 0)
            snprintf(tail, sizeof tail, " r%u", goes_on);
        chain_next(&body, &parts[i]);
        buf_append_cstr(&body, tail);
        goes_on = chain_rule(g, &body);

        buf_append_view(&body, parts[i].text);
        buf_append_cstr(&body, tail);
        if (begins != 0)
            buf_printf(&body, " | r%u", begins);
        begins = chain_rule(g, &body);
    }
    buf_free(&body);

    buf_append_cstr(out, open);
    if (begins != 0)
        buf_printf(out, first < count ? " r%u" : " r%u?", begins);
    buf_append_byte(out, ' ');
    buf_append_cstr(out, close);
}

/* ---- schemas that hold together ---- */

static const struct json *resolve(struct gbnf *g, struct view ref)
{
    bool valid = false;
    const struct json *target = NULL;
    if (ref.len > 0 && ref.ptr[0] == '#') {
        struct view pointer = view_from(ref, 1);
        if (pointer.len == 0)
            return g->root;
        struct arena *arena = arena_create(64u << 10);
        struct view decoded = { NULL, 0 };
        if (arena != NULL && percent_decode(arena, pointer, false, &decoded))
            target = json_pointer(g->root, decoded, &valid);
        arena_destroy(arena);
    }
    if (target == NULL)
        gbnf_refuse(g, "The JSON schema has a $ref that cannot be resolved: " VIEW_FMT ".", VIEW_ARG(view_first(ref, 160)));
    return target;
}

bool conj_add(struct gbnf *g, struct conj *conj, const struct json *schema)
{
    for (size_t i = 0; i < conj->count; i++)
        if (conj->schema[i] == schema)
            return true;
    if (json_is(schema, JSON_BOOL) && json_bool(schema, false))
        return true;
    if (!json_is(schema, JSON_BOOL) && !json_is(schema, JSON_OBJECT))
        return gbnf_refuse(g, "A JSON schema must be an object or a boolean.") != YIELD_ERROR;
    if (conj->count == CONJ_MAX)
        return gbnf_refuse_size(g, "The JSON schema combines more than %d schemas in one place.", CONJ_MAX) != YIELD_ERROR;
    conj->schema[conj->count] = schema;
    conj->done[conj->count++] = 0;

    const struct json *ref = json_get(schema, "$ref");
    if (ref != NULL) {
        const struct json *target = resolve(g, json_string(ref));
        if (target == NULL || !conj_add(g, conj, target))
            return false;
    }
    struct json_iter it = json_iter(json_get(schema, "allOf"));
    while (json_next(&it))
        if (!conj_add(g, conj, it.value))
            return false;
    return true;
}

const struct json *conj_keyword(const struct conj *conj, size_t index, const char *keyword)
{
    return json_get(conj->schema[index], keyword);
}

bool conj_has(const struct conj *conj, const char *keyword)
{
    for (size_t i = 0; i < conj->count; i++)
        if (conj_keyword(conj, i, keyword) != NULL)
            return true;
    return false;
}

bool conj_limits(struct gbnf *g, const struct conj *conj, const char *min_keyword, const char *max_keyword, int64_t *min,
                 int64_t *max)
{
    for (size_t i = 0; i < conj->count; i++) {
        int64_t number;
        const struct json *low = conj_keyword(conj, i, min_keyword), *high = conj_keyword(conj, i, max_keyword);
        if (low != NULL) {
            if (!json_to_i64(low, &number) || number < 0)
                return gbnf_refuse(g, "The JSON schema's %s must be a whole number of at least 0.", min_keyword) != YIELD_ERROR;
            *min = number > *min ? number : *min;
        }
        if (high != NULL) {
            if (!json_to_i64(high, &number) || number < 0)
                return gbnf_refuse(g, "The JSON schema's %s must be a whole number of at least 0.", max_keyword) != YIELD_ERROR;
            *max = number < *max ? number : *max;
        }
    }
    return true;
}

/* ---- types ---- */

enum json_mask {
    T_NULL = 1,
    T_BOOL = 2,
    T_INTEGER = 4,
    T_NUMBER = 8,
    T_STRING = 16,
    T_ARRAY = 32,
    T_OBJECT = 64,
    T_ALL = 127,
};

static const struct {
    const char *name;
    unsigned mask; /* an integer is a number too */
} type_names[] = {
    { "null", T_NULL },
    { "boolean", T_BOOL },
    { "integer", T_INTEGER },
    { "number", T_NUMBER | T_INTEGER },
    { "string", T_STRING },
    { "array", T_ARRAY },
    { "object", T_OBJECT },
};

/* Without a type, keywords of one type say which is meant. */
static const struct {
    const char *keyword;
    unsigned mask;
} type_hints[] = {
    { "properties", T_OBJECT },
    { "required", T_OBJECT },
    { "additionalProperties", T_OBJECT },
    { "minProperties", T_OBJECT },
    { "items", T_ARRAY },
    { "prefixItems", T_ARRAY },
    { "minItems", T_ARRAY },
    { "maxItems", T_ARRAY },
    { "pattern", T_STRING },
    { "minLength", T_STRING },
    { "maxLength", T_STRING },
    { "format", T_STRING },
    { "minimum", T_NUMBER },
    { "maximum", T_NUMBER },
    { "exclusiveMinimum", T_NUMBER },
    { "exclusiveMaximum", T_NUMBER },
    { "multipleOf", T_NUMBER },
};

static unsigned type_mask_of_name(struct view name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (view_is(name, type_names[i].name))
            return type_names[i].mask;
    return 0;
}

static unsigned type_mask(struct gbnf *g, const struct conj *conj)
{
    unsigned mask = T_ALL;
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *type = conj_keyword(conj, i, "type");
        unsigned allowed = 0;
        if (json_is(type, JSON_STRING)) {
            allowed = type_mask_of_name(json_string(type));
        } else if (json_is(type, JSON_ARRAY)) {
            struct json_iter it = json_iter(type);
            while (json_next(&it))
                allowed |= type_mask_of_name(json_string(it.value));
        } else if (type == NULL) {
            continue;
        }
        if (allowed == 0)
            gbnf_refuse(g, "The JSON schema names an unknown type.");
        mask &= allowed;
    }
    if (mask == T_ALL) {
        for (size_t i = 0; i < sizeof type_hints / sizeof type_hints[0]; i++)
            if (conj_has(conj, type_hints[i].keyword))
                return type_hints[i].mask;
    }
    return (mask & T_NUMBER) != 0 ? mask & ~(unsigned)T_INTEGER : mask;
}

static unsigned type_of_value(const struct json *value)
{
    int64_t whole;
    switch (json_type(value)) {
    case JSON_NULL:
        return T_NULL;
    case JSON_BOOL:
        return T_BOOL;
    case JSON_NUMBER:
        return json_to_i64(value, &whole) ? T_INTEGER | T_NUMBER : T_NUMBER;
    case JSON_STRING:
        return T_STRING;
    case JSON_ARRAY:
        return T_ARRAY;
    case JSON_OBJECT:
        return T_OBJECT;
    case JSON_ABSENT:
        break;
    }
    return 0;
}

/* ---- const and enum ---- */

static bool values_equal(const struct json *a, const struct json *b)
{
    double x, y;
    if (json_type(a) != json_type(b))
        return false;
    if (json_is(a, JSON_STRING))
        return view_eq(json_string(a), json_string(b));
    if (json_to_double(a, &x) && json_to_double(b, &y))
        return x == y;
    struct buf left = BUF_INIT(GBNF_MAX_TEXT), right = BUF_INIT(GBNF_MAX_TEXT);
    struct json_writer writer;
    json_writer_init(&writer, &left);
    json_write_value(&writer, a);
    json_writer_init(&writer, &right);
    json_write_value(&writer, b);
    bool equal = !buf_failed(&left) && !buf_failed(&right) && view_eq(buf_view(&left), buf_view(&right));
    buf_free(&left);
    buf_free(&right);
    return equal;
}

static bool listed_in(const struct json *value, const struct json *list)
{
    struct json_iter it = json_iter(list);
    while (json_next(&it))
        if (values_equal(value, it.value))
            return true;
    return false;
}

static bool number_fits(const struct conj *conj, const struct json *value)
{
    double number, bound;
    if (!json_to_double(value, &number))
        return true;
    for (size_t i = 0; i < conj->count; i++) {
        if ((json_get_double(conj->schema[i], "minimum", &bound) && number < bound) ||
            (json_get_double(conj->schema[i], "maximum", &bound) && number > bound) ||
            (json_get_double(conj->schema[i], "exclusiveMinimum", &bound) && number <= bound) ||
            (json_get_double(conj->schema[i], "exclusiveMaximum", &bound) && number >= bound))
            return false;
    }
    return true;
}

/* Whether a listed value holds against the other keywords that commonly stand beside a list. */
static bool listed_value_fits(struct gbnf *g, const struct conj *conj, const struct json *value)
{
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *only = conj_keyword(conj, i, "const"), *list = conj_keyword(conj, i, "enum");
        if ((only != NULL && !values_equal(value, only)) || (list != NULL && !listed_in(value, list)))
            return false;
        if (conj_keyword(conj, i, "type") != NULL) {
            struct conj alone = { .schema = { conj->schema[i] }, .count = 1 };
            unsigned mask = type_mask(g, &alone), type = type_of_value(value);
            if ((mask & type) == 0)
                return false;
        }
    }
    return number_fits(conj, value);
}

static void append_value(struct buf *out, const struct json *value)
{
    struct buf text = BUF_INIT(GBNF_MAX_TEXT);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_write_value(&writer, value);
    gbnf_literal(out, buf_view(&text));
    if (buf_failed(&text))
        out->failed = true;
    buf_free(&text);
}

static bool lists_are_short(const struct conj *conj)
{
    for (size_t i = 0; i < conj->count; i++)
        if (json_size(conj_keyword(conj, i, "enum")) > LISTED_MAX)
            return false;
    return true;
}

static enum yield convert_listed(struct gbnf *g, const struct conj *conj, struct buf *out)
{
    bool some = false;
    if (!lists_are_short(conj))
        return gbnf_refuse_size(g, "The JSON schema lists more than %d values in one place.", LISTED_MAX);
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *only = conj_keyword(conj, i, "const"), *list = conj_keyword(conj, i, "enum");
        if (only == NULL && list == NULL)
            continue;
        if (only != NULL && listed_value_fits(g, conj, only)) {
            append_value(out, only);
            return YIELD_VALUES;
        }
        struct json_iter it = json_iter(only != NULL ? NULL : list);
        while (json_next(&it)) {
            if (!listed_value_fits(g, conj, it.value))
                continue;
            if (some)
                buf_append_cstr(out, " | ");
            append_value(out, it.value);
            some = true;
        }
        break;
    }
    return some ? YIELD_VALUES : YIELD_NOTHING;
}

/* ---- one of several schemas ---- */

static enum yield convert_choice(struct gbnf *g, const struct conj *conj, size_t index, uint8_t which, struct buf *out)
{
    const struct json *choices = conj_keyword(conj, index, which == CONJ_ANY_OF ? "anyOf" : "oneOf");
    if (!json_is(choices, JSON_ARRAY) || json_size(choices) == 0)
        return gbnf_refuse(g, "The JSON schema's anyOf and oneOf must be arrays of schemas.");
    bool some = false;
    struct json_iter it = json_iter(choices);
    while (json_next(&it)) {
        struct conj chosen = *conj;
        unsigned rule = 0;
        chosen.done[index] |= which;
        if (!conj_add(g, &chosen, it.value))
            return YIELD_ERROR;
        enum yield yield = gbnf_convert(g, &chosen, &rule);
        if (yield == YIELD_ERROR)
            return yield;
        if (yield == YIELD_NOTHING)
            continue;
        buf_printf(out, some ? " | r%u" : "r%u", rule);
        some = true;
    }
    return some ? YIELD_VALUES : YIELD_NOTHING;
}

/* ---- dispatch ---- */

static const char *const refused_keywords[] = { "not", "if", "then", "else", "dependentRequired", "dependentSchemas",
                                                "dependencies", "patternProperties", "propertyNames", "contains",
                                                "$dynamicRef", "$recursiveRef" };

static bool keywords_kept(struct gbnf *g, const struct conj *conj)
{
    for (size_t i = 0; i < sizeof refused_keywords / sizeof refused_keywords[0]; i++)
        if (conj_has(conj, refused_keywords[i]))
            return gbnf_refuse(g, "The JSON schema keyword '%s' cannot be enforced.", refused_keywords[i]) != YIELD_ERROR;
    return true;
}

static enum yield convert_type(struct gbnf *g, const struct conj *conj, unsigned type, struct buf *out)
{
    switch (type) {
    case T_NULL:
        buf_append_cstr(out, "\"null\"");
        return YIELD_VALUES;
    case T_BOOL:
        buf_append_cstr(out, "\"true\" | \"false\"");
        return YIELD_VALUES;
    case T_INTEGER:
        return gbnf_number(g, conj, true, out);
    case T_NUMBER:
        return gbnf_number(g, conj, false, out);
    case T_STRING:
        return gbnf_string(g, conj, out);
    case T_ARRAY:
        return gbnf_array(g, conj, out);
    default:
        return gbnf_object(g, conj, out);
    }
}

static enum yield convert_types(struct gbnf *g, const struct conj *conj, struct buf *out)
{
    unsigned mask = type_mask(g, conj);
    if (g->error[0] != '\0')
        return YIELD_ERROR;
    if (mask == (T_ALL & ~(unsigned)T_INTEGER)) {
        gbnf_primitive(g, PRIM_ANY, out);
        return YIELD_VALUES;
    }
    bool some = false;
    for (unsigned type = 1; type <= T_OBJECT; type <<= 1) {
        if ((mask & type) == 0)
            continue;
        struct buf one = BUF_INIT(GBNF_MAX_TEXT);
        enum yield yield = convert_type(g, conj, type, &one);
        if (yield == YIELD_VALUES) {
            if (some)
                buf_append_cstr(out, " | ");
            buf_append_view(out, buf_view(&one));
            some = true;
        }
        if (buf_failed(&one))
            yield = gbnf_refuse_size(g, "The JSON schema is too large to be enforced.");
        buf_free(&one);
        if (yield == YIELD_ERROR)
            return yield;
    }
    return some ? YIELD_VALUES : YIELD_NOTHING;
}

static enum yield convert_body(struct gbnf *g, const struct conj *conj, struct buf *out)
{
    for (size_t i = 0; i < conj->count; i++)
        if (json_is(conj->schema[i], JSON_BOOL)) /* false: true is never added */
            return YIELD_NOTHING;
    if (!keywords_kept(g, conj))
        return YIELD_ERROR;
    for (size_t i = 0; i < conj->count; i++) {
        if (conj_keyword(conj, i, "anyOf") != NULL && (conj->done[i] & CONJ_ANY_OF) == 0)
            return convert_choice(g, conj, i, CONJ_ANY_OF, out);
        if (conj_keyword(conj, i, "oneOf") != NULL && (conj->done[i] & CONJ_ONE_OF) == 0)
            return convert_choice(g, conj, i, CONJ_ONE_OF, out);
    }
    if (conj_has(conj, "const") || conj_has(conj, "enum"))
        return convert_listed(g, conj, out);
    return convert_types(g, conj, out);
}

static bool conj_equal(const struct conj *a, const struct conj *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (a->schema[i] != b->schema[i] || a->done[i] != b->done[i])
            return false;
    }
    return a->count == b->count;
}

static struct memo *memo_find(struct gbnf *g, const struct conj *conj)
{
    for (size_t i = 0; i < g->memo_count; i++)
        if (conj_equal(&g->memos[i].conj, conj))
            return &g->memos[i];
    return NULL;
}

static bool memo_add(struct gbnf *g, const struct conj *conj, unsigned rule)
{
    if (g->memos == NULL || g->memo_count == g->memo_capacity) {
        size_t capacity = g->memo_capacity == 0 ? 32 : g->memo_capacity * 2;
        struct memo *memos = realloc(g->memos, capacity * sizeof *memos);
        if (memos == NULL)
            return gbnf_refuse(g, "Out of memory.") != YIELD_ERROR;
        g->memos = memos;
        g->memo_capacity = capacity;
    }
    g->memos[g->memo_count++] = (struct memo){ .conj = *conj, .rule = rule, .yield = YIELD_VALUES };
    return true;
}

/* The same schemas give the same rule, so a $ref back to where we are makes a recursive rule instead of a loop. */
enum yield gbnf_convert(struct gbnf *g, const struct conj *conj, unsigned *rule)
{
    const struct memo *known = memo_find(g, conj);
    if (known != NULL) {
        *rule = known->rule;
        return known->yield;
    }
    if (g->depth == GBNF_MAX_DEPTH)
        return gbnf_refuse_size(g, "The JSON schema is nested deeper than %d levels.", GBNF_MAX_DEPTH);
    size_t index = g->memo_count;
    *rule = gbnf_new_rule(g);
    if (g->error[0] != '\0' || !memo_add(g, conj, *rule))
        return YIELD_ERROR;

    struct buf body = BUF_INIT(GBNF_MAX_TEXT);
    g->depth++;
    enum yield yield = convert_body(g, conj, &body);
    g->depth--;
    if (yield == YIELD_VALUES)
        gbnf_define(g, *rule, &body);
    buf_free(&body);
    g->memos[index].yield = yield;
    return g->error[0] != '\0' ? YIELD_ERROR : yield;
}

void gbnf_schema(struct gbnf *g, const char *name, const struct json *schema)
{
    if (gbnf_error(g) != NULL)
        return;
    struct buf body = BUF_INIT(GBNF_MAX_TEXT);
    struct conj conj = { .count = 0 };
    g->root = schema;
    if (schema == NULL) {
        if (gbnf_object(g, &conj, &body) == YIELD_VALUES)
            gbnf_rule(g, name, buf_view(&body));
    } else if (conj_add(g, &conj, schema)) {
        unsigned rule = 0;
        enum yield yield = gbnf_convert(g, &conj, &rule);
        if (yield == YIELD_NOTHING)
            gbnf_refuse(g, "No value can validate against the JSON schema.");
        buf_printf(&body, "r%u", rule);
        if (yield == YIELD_VALUES)
            gbnf_rule(g, name, buf_view(&body));
    }
    buf_free(&body);
}

static size_t count_strings(const struct json *value, unsigned depth)
{
    if (depth == GBNF_MAX_DEPTH)
        return 0;
    size_t count = view_is(json_get_string(value, "type"), "string");
    struct json_iter it = json_iter(value);
    while (json_next(&it))
        count += count_strings(it.value, depth + 1);
    return count;
}

size_t gbnf_count_strings(const struct json *schema)
{
    return count_strings(schema, 0);
}
