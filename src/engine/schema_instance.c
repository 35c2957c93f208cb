/* engine/schema_instance.c - see schema_instance.h. */
#include "engine/schema_instance.h"

#include <math.h>

#define DEPTH_MAX  32
#define REPEAT_MAX 4096                                     /* characters or elements that one schema can make us write */

struct maker {
    struct json_writer *w;
    const struct json *root;
    unsigned budget;                                        /* values still allowed: nested minItems multiply */
};

static void make(struct maker *m, const struct json *schema, unsigned depth);

static const struct json *follow(const struct maker *m, const struct json *schema)
{
    struct view ref = json_get_string(schema, "$ref");
    if (!view_starts_with(ref, VIEW("#")))
        return NULL;
    bool valid;
    return json_pointer(m->root, view_from(ref, 1), &valid);
}

static struct view type_of(const struct json *schema)
{
    const struct json *type = json_get(schema, "type");
    struct json_iter it = json_iter(type);
    while (json_is(type, JSON_ARRAY) && json_next(&it)) {
        if (!view_is(json_string(it.value), "null"))
            return json_string(it.value);
    }
    if (json_is(type, JSON_STRING))
        return json_string(type);
    if (json_get(schema, "properties") != NULL || json_get(schema, "required") != NULL)
        return VIEW("object");
    return json_get(schema, "items") != NULL ? VIEW("array") : VIEW("string");
}

static void make_object(struct maker *m, const struct json *schema, unsigned depth)
{
    const struct json *properties = json_get(schema, "properties");
    struct json_iter it = json_iter(json_get(schema, "required"));
    json_object(m->w);
    while (json_next(&it)) {
        if (!json_is(it.value, JSON_STRING))
            continue;
        json_key_view(m->w, json_string(it.value));
        make(m, json_get_view(properties, json_string(it.value)), depth);
    }
    json_end(m->w);
}

static size_t at_least(const struct json *schema, const char *key)
{
    int64_t count = 0;
    if (!json_get_i64(schema, key, &count) || count < 0)
        return 0;
    return count > REPEAT_MAX ? REPEAT_MAX : (size_t)count;
}

static void make_array(struct maker *m, const struct json *schema, unsigned depth)
{
    const struct json *first = json_get(schema, "prefixItems"), *items = json_get(schema, "items");
    size_t count = at_least(schema, "minItems");
    json_array(m->w);
    for (size_t i = 0; i < count && m->budget > 0; i++)
        make(m, i < json_size(first) ? json_at(first, i) : items, depth);
    json_end(m->w);
}

static void make_string(struct maker *m, const struct json *schema)
{
    static const struct {
        const char *format, *text;
    } formats[] = {
        { "date-time", "2025-01-01T00:00:00Z" },
        { "date", "2025-01-01" },
        { "time", "00:00:00Z" },
        { "uuid", "00000000-0000-4000-8000-000000000000" },
        { "email", "user@example.com" },
        { "uri", "https://example.com/" },
        { "ipv4", "127.0.0.1" },
    };
    struct view format = json_get_string(schema, "format");
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (view_is(format, formats[i].format)) {
            json_write_cstr(m->w, formats[i].text);
            return;
        }
    }
    char text[REPEAT_MAX];
    size_t len = at_least(schema, "minLength");
    memset(text, 'x', len);
    json_write_string(m->w, view_of(text, len));
}

/* Zero where it is allowed, else the bound next to it, moved to a multiple and to a whole number where one is asked for. */
static void make_number(struct maker *m, const struct json *schema, bool whole)
{
    double minimum = -INFINITY, maximum = INFINITY, above, step = 0;
    json_get_double(schema, "minimum", &minimum);
    json_get_double(schema, "maximum", &maximum);
    if (json_get_double(schema, "exclusiveMinimum", &above) && above >= minimum)
        minimum = whole ? floor(above) + 1 : above + fmax(1, fabs(above)) / 1024;
    if (!json_get_double(schema, "multipleOf", &step) || step <= 0)
        step = whole ? 1 : 0;
    double number = 0;
    if (minimum > 0)
        number = step > 0 ? ceil(minimum / step) * step : minimum;
    else if (maximum < 0)
        number = step > 0 ? floor(maximum / step) * step : maximum;
    if (whole && fabs(number) < 9e15)
        json_write_i64(m->w, (int64_t)number);
    else
        json_write_double(m->w, number);
}

static void make_typed(struct maker *m, const struct json *schema, unsigned depth)
{
    struct view type = type_of(schema);
    if (view_is(type, "object"))
        make_object(m, schema, depth);
    else if (view_is(type, "array"))
        make_array(m, schema, depth);
    else if (view_is(type, "integer") || view_is(type, "number"))
        make_number(m, schema, view_is(type, "integer"));
    else if (view_is(type, "boolean"))
        json_write_bool(m->w, false);
    else if (view_is(type, "null"))
        json_write_null(m->w);
    else
        make_string(m, schema);
}

static const struct json *first_branch(const struct json *schema)
{
    static const char *const keys[] = { "anyOf", "oneOf", "allOf" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct json *branch = json_at(json_get(schema, keys[i]), 0);
        if (branch != NULL && json_get(schema, "properties") == NULL)
            return branch;
    }
    return NULL;
}

static void make(struct maker *m, const struct json *schema, unsigned depth)
{
    if (depth >= DEPTH_MAX || m->budget == 0) {
        json_write_null(m->w);
        return;
    }
    m->budget--;
    const struct json *constant = json_get(schema, "const"), *choices = json_get(schema, "enum");
    const struct json *elsewhere = follow(m, schema);
    if (constant != NULL)
        json_write_value(m->w, constant);
    else if (json_size(choices) > 0)
        json_write_value(m->w, json_at(choices, 0));
    else if (elsewhere != NULL)
        make(m, elsewhere, depth + 1);
    else if (first_branch(schema) != NULL)
        make(m, first_branch(schema), depth + 1);
    else
        make_typed(m, schema, depth + 1);
}

void schema_instance(struct json_writer *w, const struct json *schema)
{
    struct maker m = { .w = w, .root = schema, .budget = REPEAT_MAX };
    if (json_is(schema, JSON_OBJECT) && json_size(schema) > 0) {
        make(&m, schema, 0);
        return;
    }
    json_object(w);
    json_end(w);
}
