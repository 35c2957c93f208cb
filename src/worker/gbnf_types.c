/* Objects, arrays and strings: see gbnf.h for what is promised. */
#include "worker/gbnf_internal.h"

#include <stdlib.h>

/* ---- objects ---- */

struct property {
    struct view name;
    bool required;
};

struct properties {
    struct property *list;
    size_t count;
};

static struct property *property_find(struct properties *all, struct view name)
{
    for (size_t i = 0; i < all->count; i++)
        if (view_eq(all->list[i].name, name))
            return &all->list[i];
    return NULL;
}

static struct property *property_add(struct gbnf *g, struct properties *all, struct view name)
{
    struct property *known = property_find(all, name);
    if (known != NULL)
        return known;
    if (all->count == PROPERTIES_MAX) {
        gbnf_refuse_size(g, "The JSON schema has an object with more than %d properties.", PROPERTIES_MAX);
        return NULL;
    }
    all->list[all->count] = (struct property){ .name = name };
    return &all->list[all->count++];
}

/* All declared properties in the order of the schema, then required ones that are not declared. */
static bool properties_collect(struct gbnf *g, const struct conj *conj, struct properties *all)
{
    for (size_t i = 0; i < conj->count; i++) {
        struct json_iter it = json_iter(conj_keyword(conj, i, "properties"));
        while (json_next(&it))
            if (property_add(g, all, it.key) == NULL)
                return false;
    }
    for (size_t i = 0; i < conj->count; i++) {
        struct json_iter it = json_iter(conj_keyword(conj, i, "required"));
        while (json_next(&it)) {
            struct property *property = property_add(g, all, json_string(it.value));
            if (property == NULL)
                return false;
            property->required = true;
        }
    }
    return true;
}

/* What must hold for one property: each schema speaks through properties or, for a name it does not declare, through
 * additionalProperties. */
static bool property_schemas(struct gbnf *g, const struct conj *conj, struct view name, struct conj *out)
{
    out->count = 0;
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *schema = json_get_view(conj_keyword(conj, i, "properties"), name);
        if (schema == NULL)
            schema = conj_keyword(conj, i, "additionalProperties");
        if (schema == NULL)
            schema = conj_keyword(conj, i, "unevaluatedProperties");
        if (schema != NULL && !conj_add(g, out, schema))
            return false;
    }
    return true;
}

static void append_key(struct buf *out, struct view name)
{
    struct buf key = BUF_INIT(GBNF_MAX_TEXT);
    struct json_writer writer;
    json_writer_init(&writer, &key);
    json_write_string(&writer, name);
    buf_append_byte(&key, ':');
    gbnf_literal(out, buf_view(&key));
    buf_append_cstr(out, " json-space ");
    if (buf_failed(&key))
        out->failed = true;
    buf_free(&key);
}

/* The parts' texts are stretches of one buffer, which may move while it grows: they are set when it is complete. */
struct parts {
    struct chain_part *list;
    size_t *ends;
    size_t count;
    struct buf text;
};

static bool parts_init(struct gbnf *g, struct parts *parts, size_t capacity)
{
    *parts = (struct parts){ .list = calloc(capacity + 1, sizeof *parts->list), .ends = calloc(capacity + 1, sizeof *parts->ends) };
    buf_init(&parts->text, GBNF_MAX_TEXT);
    return (parts->list != NULL && parts->ends != NULL) || gbnf_refuse(g, "Out of memory.") != YIELD_ERROR;
}

static void parts_free(struct parts *parts)
{
    free(parts->list);
    free(parts->ends);
    buf_free(&parts->text);
}

static void parts_end_one(struct parts *parts, bool required)
{
    parts->list[parts->count].required = required;
    parts->ends[parts->count++] = parts->text.len;
}

static void parts_chain(struct gbnf *g, struct parts *parts, struct buf *out, const char *open, const char *close)
{
    size_t begin = 0;
    for (size_t i = 0; i < parts->count; i++) {
        parts->list[i].text = view_of(parts->text.ptr + begin, parts->ends[i] - begin);
        begin = parts->ends[i];
    }
    if (buf_failed(&parts->text))
        gbnf_refuse_size(g, "The JSON schema is too large to be enforced.");
    else
        gbnf_chain(g, out, open, close, parts->list, parts->count);
}

/* Makes parts of the properties that can have a value. */
static enum yield object_parts(struct gbnf *g, const struct conj *conj, const struct properties *all, struct parts *parts)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct property *property = &all->list[i];
        struct conj schemas;
        unsigned rule;
        if (!property_schemas(g, conj, property->name, &schemas))
            return YIELD_ERROR;
        enum yield yield = gbnf_convert(g, &schemas, &rule);
        if (yield == YIELD_ERROR || (yield == YIELD_NOTHING && property->required))
            return yield;
        if (yield == YIELD_NOTHING)
            continue;
        append_key(&parts->text, property->name);
        buf_printf(&parts->text, "r%u", rule);
        parts_end_one(parts, property->required);
    }
    return YIELD_VALUES;
}

/* Meets minProperties by making optional parts required from the front, maxProperties by dropping them from the end. */
static bool object_limit(struct parts *parts, int64_t min, int64_t max)
{
    int64_t required = 0;
    for (size_t i = 0; i < parts->count; i++)
        required += parts->list[i].required;
    if (required > max || (int64_t)parts->count < min)
        return false;
    for (size_t i = 0; i < parts->count && required < min; i++) {
        required += !parts->list[i].required;
        parts->list[i].required = true;
    }
    if ((int64_t)parts->count <= max)
        return true;
    for (size_t i = 0; i < parts->count; i++) /* no room for optional ones beyond the required */
        if (!parts->list[i].required && required < max) {
            parts->list[i].required = true;
            required++;
        }
    size_t kept = 0;
    size_t begin = 0;
    struct buf text = BUF_INIT(GBNF_MAX_TEXT);
    for (size_t i = 0; i < parts->count; i++) {
        size_t end = parts->ends[i];
        if (parts->list[i].required) {
            buf_append(&text, parts->text.ptr + begin, end - begin);
            parts->list[kept].required = true;
            parts->ends[kept++] = text.len;
        }
        begin = end;
    }
    parts->count = kept;
    buf_swap(&text, &parts->text);
    buf_free(&text);
    return true;
}

/* An object whose keys the model chooses. */
static enum yield object_of_any_keys(struct gbnf *g, const struct conj *conj, int64_t min, int64_t max, struct buf *out)
{
    struct conj schemas;
    unsigned rule = 0;
    if (min > 1)
        return gbnf_refuse(g, "The JSON schema's minProperties cannot be enforced for an object without declared properties.");
    if (!property_schemas(g, conj, VIEW(""), &schemas))
        return YIELD_ERROR;
    enum yield yield = max == 0 ? YIELD_NOTHING : gbnf_convert(g, &schemas, &rule);
    if (yield == YIELD_ERROR)
        return yield;
    if (yield == YIELD_NOTHING) {
        buf_append_cstr(out, "\"{}\"");
        return min > 0 ? YIELD_NOTHING : YIELD_VALUES;
    }
    struct buf pair = BUF_INIT(256);
    gbnf_primitive(g, PRIM_STRING, &pair);
    buf_append_cstr(&pair, " \":\" ");
    gbnf_primitive(g, PRIM_SPACE, &pair);
    buf_printf(&pair, " r%u", rule);
    int64_t more = (max < (int64_t)g->limits.array_items ? max : (int64_t)g->limits.array_items) - 1;
    buf_printf(out, "\"{\" (" VIEW_FMT " (\",\" json-space " VIEW_FMT "){0,%d})%s \"}\"", VIEW_ARG(buf_view(&pair)),
               VIEW_ARG(buf_view(&pair)), (int)(more > 0 ? more : 0), min > 0 ? "" : "?");
    buf_free(&pair);
    return YIELD_VALUES;
}

enum yield gbnf_object(struct gbnf *g, const struct conj *conj, struct buf *out)
{
    int64_t min = 0, max = INT64_MAX;
    if (!conj_limits(g, conj, "minProperties", "maxProperties", &min, &max))
        return YIELD_ERROR;
    struct properties all = { .list = calloc(PROPERTIES_MAX, sizeof *all.list) };
    struct parts parts = { 0 };
    enum yield yield = YIELD_ERROR;
    if (all.list == NULL) {
        gbnf_refuse(g, "Out of memory.");
    } else if (properties_collect(g, conj, &all)) {
        if (all.count == 0) {
            yield = object_of_any_keys(g, conj, min, max, out);
        } else if (parts_init(g, &parts, all.count)) {
            yield = object_parts(g, conj, &all, &parts);
            if (yield == YIELD_VALUES && !object_limit(&parts, min, max))
                yield = YIELD_NOTHING;
            if (yield == YIELD_VALUES)
                parts_chain(g, &parts, out, "\"{\"", "\"}\"");
        }
    }
    parts_free(&parts);
    free(all.list);
    return g->error[0] != '\0' ? YIELD_ERROR : yield;
}

/* ---- arrays ---- */

/* What must hold for the element at index; *beyond tells whether the tuple part has ended in every schema. */
static bool element_schemas(struct gbnf *g, const struct conj *conj, size_t index, struct conj *out, bool *beyond)
{
    out->count = 0;
    *beyond = true;
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *items = conj_keyword(conj, i, "items"), *prefix = conj_keyword(conj, i, "prefixItems");
        const struct json *rest = items;
        if (json_is(items, JSON_ARRAY)) { /* the tuple form of older drafts */
            prefix = items;
            rest = conj_keyword(conj, i, "additionalItems");
        }
        if (rest == NULL)
            rest = conj_keyword(conj, i, "unevaluatedItems");
        const struct json *schema = json_at(prefix, index);
        if (index < json_size(prefix))
            *beyond = false;
        else
            schema = rest;
        if (schema != NULL && !conj_add(g, out, schema))
            return false;
    }
    return true;
}

static bool wants_unique(const struct conj *conj)
{
    for (size_t i = 0; i < conj->count; i++)
        if (json_bool(conj_keyword(conj, i, "uniqueItems"), false))
            return true;
    return false;
}

/* Unique elements out of a list of values: any of them, each at most once, in the list's order. */
static enum yield array_of_listed(struct gbnf *g, const struct json *list, int64_t min, int64_t max, struct buf *out)
{
    struct parts parts;
    if (!parts_init(g, &parts, json_size(list)))
        return YIELD_ERROR;
    struct json_iter it = json_iter(list);
    while (json_next(&it)) {
        struct buf text = BUF_INIT(GBNF_MAX_TEXT);
        struct json_writer writer;
        json_writer_init(&writer, &text);
        json_write_value(&writer, it.value);
        gbnf_literal(&parts.text, buf_view(&text));
        buf_free(&text);
        parts_end_one(&parts, false);
    }
    enum yield yield = object_limit(&parts, min, max) ? YIELD_VALUES : YIELD_NOTHING;
    if (yield == YIELD_VALUES)
        parts_chain(g, &parts, out, "\"[\"", "\"]\"");
    parts_free(&parts);
    return g->error[0] != '\0' ? YIELD_ERROR : yield;
}

/* Elements that follow the tuple part: between min and max more of them. */
static void array_rest(struct buf *out, unsigned rule, bool after_others, int64_t min, int64_t max)
{
    if (max <= 0)
        return;
    if (after_others)
        buf_printf(out, " (\",\" json-space r%u){%d,%d}", rule, (int)min, (int)max);
    else if (max == 1)
        buf_printf(out, min > 0 ? " r%u" : " r%u?", rule);
    else
        buf_printf(out, " (r%u (\",\" json-space r%u){%d,%d})%s", rule, rule, (int)(min > 0 ? min - 1 : 0), (int)(max - 1),
                   min > 0 ? "" : "?");
}

static enum yield array_of(struct gbnf *g, const struct conj *conj, int64_t min, int64_t max, bool open_ended, struct buf *out)
{
    struct conj schemas;
    unsigned rule = 0;
    bool beyond = false;
    int64_t index = 0;
    buf_append_cstr(out, "\"[\"");
    for (; index < max; index++) {
        if (!element_schemas(g, conj, (size_t)index, &schemas, &beyond))
            return YIELD_ERROR;
        if (beyond)
            break;
        enum yield yield = gbnf_convert(g, &schemas, &rule);
        if (yield == YIELD_NOTHING && index >= min) {
            max = index;
            break;
        }
        if (yield != YIELD_VALUES)
            return yield;
        buf_printf(out, index > 0 ? " \",\" json-space r%u" : " r%u", rule);
    }
    bool constrained = index == 0 || schemas.count > 0; /* behind a tuple nothing more, unless the schema speaks of it */
    if (!constrained && open_ended && index >= min)
        max = index;
    if (index < max) {
        enum yield yield = gbnf_convert(g, &schemas, &rule);
        if (yield == YIELD_NOTHING && index >= min)
            max = index;
        else if (yield != YIELD_VALUES)
            return yield;
        array_rest(out, rule, index > 0, min > index ? min - index : 0, max - index);
    }
    buf_append_cstr(out, " \"]\"");
    return YIELD_VALUES;
}

enum yield gbnf_array(struct gbnf *g, const struct conj *conj, struct buf *out)
{
    int64_t min = 0, max = INT64_MAX;
    if (!conj_limits(g, conj, "minItems", "maxItems", &min, &max))
        return YIELD_ERROR;
    if (min > max)
        return YIELD_NOTHING;
    if (min > GBNF_MAX_REPEAT)
        return gbnf_refuse(g, "The JSON schema's minItems is more than %d.", GBNF_MAX_REPEAT);
    bool open_ended = max == INT64_MAX;
    int64_t limit = open_ended && (int64_t)g->limits.array_items > min ? (int64_t)g->limits.array_items : GBNF_MAX_REPEAT;
    max = max < limit ? max : limit;

    gbnf_need_space(g);
    if (wants_unique(conj) && max > 1) {
        struct conj schemas;
        bool beyond;
        if (!element_schemas(g, conj, 0, &schemas, &beyond))
            return YIELD_ERROR;
        const struct json *list = beyond && schemas.count == 1 ? conj_keyword(&schemas, 0, "enum") : NULL;
        if (list != NULL)
            return array_of_listed(g, list, min, max, out);
        if (min > 1)
            return gbnf_refuse(g, "The JSON schema's uniqueItems cannot be enforced for two or more elements that are not an enum.");
        max = 1;
    }
    return array_of(g, conj, min, max, open_ended, out);
}

/* ---- strings ---- */

#define HEX  "[0-9a-fA-F]"
#define TIME "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})?"
#define ZONE "(\"Z\" | [+-] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])"
#define DATE                                                                                                                 \
    "[12] [0-9]{3} \"-\" ((\"01\" | \"03\" | \"05\" | \"07\" | \"08\" | \"10\" | \"12\") \"-\" (\"0\" [1-9] | [12] [0-9] | " \
    "\"3\" [01]) | (\"04\" | \"06\" | \"09\" | \"11\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"30\") | \"02-\" (\"0\" [1-9] | "  \
    "\"1\" [0-9] | \"2\" [0-8]))"
#define OCTET     "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9] [0-9] | [1-9] [0-9] | [0-9])"
#define HOST_NAME "[a-z0-9]{1,30} (\"-\" [a-z0-9]{1,30})? (\".\" [a-z] [a-z0-9]{1,20}){1,4}"

static const struct {
    const char *name;
    const char *text;
    int min, max; /* lengths that it can have */
} formats[] = {
    { "date", DATE, 10, 10 },
    { "time", TIME " " ZONE, 9, 21 },
    { "date-time", DATE " \"T\" " TIME " " ZONE, 20, 32 },
    { "uuid", HEX "{8} \"-\" " HEX "{4} \"-\" " HEX "{4} \"-\" " HEX "{4} \"-\" " HEX "{12}", 36, 36 },
    { "ipv4", OCTET " (\".\" " OCTET "){3}", 7, 15 },
    { "hostname", HOST_NAME, 3, 145 },
    { "email", "[a-zA-Z0-9] [a-zA-Z0-9_+-]{0,30} (\".\" [a-zA-Z0-9_+-]{1,30})? \"@\" " HOST_NAME, 5, 209 },
};

static int format_of(const struct conj *conj)
{
    for (size_t i = 0; i < conj->count; i++)
        for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++)
            if (view_is(json_get_string(conj->schema[i], "format"), formats[f].name))
                return (int)f;
    return -1;
}

enum yield gbnf_string(struct gbnf *g, const struct conj *conj, struct buf *out)
{
    int64_t min = 0, max = INT64_MAX;
    if (!conj_limits(g, conj, "minLength", "maxLength", &min, &max))
        return YIELD_ERROR;
    if (min > max)
        return YIELD_NOTHING;
    if (min > GBNF_MAX_REPEAT)
        return gbnf_refuse(g, "The JSON schema's minLength is more than %d.", GBNF_MAX_REPEAT);
    const struct json *pattern = NULL;
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *one = conj_keyword(conj, i, "pattern");
        if (one != NULL && pattern != NULL && !view_eq(json_string(one), json_string(pattern)))
            return gbnf_refuse(g, "The JSON schema asks one string to match two patterns, which cannot be enforced.");
        pattern = one != NULL ? one : pattern;
    }
    if (pattern != NULL) {
        buf_append_cstr(out, "\"\\\"\" (");
        enum yield yield = gbnf_pattern(g, json_string(pattern), min, max, out);
        buf_append_cstr(out, ") \"\\\"\"");
        return yield;
    }
    int format = format_of(conj);
    if (format >= 0 && formats[format].min >= min && formats[format].max <= max) {
        buf_printf(out, "\"\\\"\" %s \"\\\"\"", formats[format].text);
        return YIELD_VALUES;
    }
    if (min == 0 && max == INT64_MAX) {
        gbnf_primitive(g, PRIM_STRING, out);
        return YIELD_VALUES;
    }
    int64_t limit = max == INT64_MAX && (int64_t)g->limits.string_chars > min ? (int64_t)g->limits.string_chars : GBNF_MAX_REPEAT;
    buf_append_cstr(out, "\"\\\"\" ");
    gbnf_primitive(g, PRIM_CHAR, out);
    buf_printf(out, "{%d,%d} \"\\\"\"", (int)min, (int)(max < limit ? max : limit));
    return YIELD_VALUES;
}
