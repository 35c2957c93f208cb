#include "elastic/fields.h"

#include "elastic/provider.h"

#include <stdio.h>

#define JAVA_TEXT_MAX 4096

void fields_init(struct fields *fields, const struct json *object, const char *scope, struct elastic_error *error)
{
    *fields = (struct fields){ .object = object, .scope = scope, .error = error };
    fields->taken = ARENA_ARRAY(error->arena, bool, json_size(object) + 1);
    if (fields->taken == NULL)
        error_set(error, 503, ERROR_STATUS, "The server is out of memory.");
}

const struct json *fields_take(struct fields *fields, const char *key)
{
    const struct json *found = NULL;
    struct json_iter it = json_iter(fields->object);
    while (fields->taken != NULL && json_next(&it)) {
        if (view_is(it.key, key)) {
            fields->taken[it.index] = true;
            found = it.value;
        }
    }
    return json_is(found, JSON_NULL) ? NULL : found;
}

/* ---- as Java prints ---- */

static void append_members(struct buf *out, const struct json *value)
{
    bool object = json_is(value, JSON_OBJECT);
    buf_append_byte(out, object ? '{' : '[');
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        if (it.index > 0)
            buf_append_cstr(out, ", ");
        if (object)
            buf_printf(out, VIEW_FMT "=", VIEW_ARG(it.key));
        java_append(out, it.value);
    }
    buf_append_byte(out, object ? '}' : ']');
}

void java_append(struct buf *out, const struct json *value)
{
    switch (json_type(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        append_members(out, value);
        break;
    case JSON_STRING:
        buf_append_view(out, json_string(value));
        break;
    case JSON_NUMBER:
        buf_append_view(out, json_number_text(value));
        break;
    case JSON_BOOL:
        buf_append_cstr(out, json_bool(value, false) ? "true" : "false");
        break;
    case JSON_NULL:
    case JSON_ABSENT:
        buf_append_cstr(out, "null");
        break;
    }
}

/* A cut text in a message is better than a message of megabytes. */
static const char *kept(struct arena *arena, struct buf *text)
{
    const char *copy = buf_failed(text) ? "…" : arena_cstr(arena, buf_view(text));
    buf_free(text);
    return copy != NULL ? copy : "";
}

const char *java_text(struct arena *arena, const struct json *value)
{
    struct buf text = BUF_INIT(JAVA_TEXT_MAX);
    java_append(&text, value);
    return kept(arena, &text);
}

/* ---- types ---- */

static bool wrong_type(struct fields *fields, const char *key, const struct json *value, const char *type)
{
    return error_problem(fields->error, "field [%s] is not of the expected type. The value [%s] cannot be converted to a [%s]", key,
                         java_text(fields->error->arena, value), type);
}

static bool missing(struct fields *fields, const char *key)
{
    return error_problem(fields->error, "[%s] does not contain the required setting [%s]", fields->scope, key);
}

bool fields_string(struct fields *fields, const char *key, bool required, struct view *out)
{
    const struct json *value = fields_take(fields, key);
    if (value == NULL)
        return required ? missing(fields, key) : false;
    if (!json_is(value, JSON_STRING))
        return wrong_type(fields, key, value, "String");
    if (json_string(value).len == 0)
        return error_problem(fields->error, "[%s] Invalid value empty string. [%s] must be a non-empty string", fields->scope, key);
    *out = json_string(value);
    return true;
}

static bool is_integer(const struct json *value, int64_t *out)
{
    return json_is(value, JSON_NUMBER) && view_to_i64(json_number_text(value), out);
}

static bool is_int(const struct json *value, int64_t *out)
{
    return is_integer(value, out) && *out >= INT32_MIN && *out <= INT32_MAX;
}

bool fields_integer(struct fields *fields, const char *key, int64_t *out)
{
    const struct json *value = fields_take(fields, key);
    if (value == NULL)
        return false;
    return is_int(value, out) || wrong_type(fields, key, value, "Integer");
}

static bool positive(struct fields *fields, const char *key, int64_t number, const char *kind, int64_t *out)
{
    if (number <= 0)
        return error_problem(fields->error, "[%s] Invalid value [%lld]. [%s] must be a positive %s", fields->scope, (long long)number,
                             key, kind);
    *out = number;
    return true;
}

bool fields_positive(struct fields *fields, const char *key, int64_t *out)
{
    const struct json *value = fields_take(fields, key);
    int64_t number = 0;
    if (value == NULL)
        return false;
    return is_int(value, &number) ? positive(fields, key, number, "integer", out) : wrong_type(fields, key, value, "Integer");
}

bool fields_positive_long(struct fields *fields, const char *key, int64_t *out)
{
    const struct json *value = fields_take(fields, key);
    int64_t number = 0;
    if (value == NULL)
        return false;
    return is_integer(value, &number) ? positive(fields, key, number, "long", out) : wrong_type(fields, key, value, "Long");
}

bool fields_between(struct fields *fields, const char *key, int64_t least, int64_t most, int64_t *out)
{
    int64_t number = 0;
    if (!fields_positive(fields, key, &number))
        return false;
    if (number < least)
        return error_problem(fields->error, "[%s] Invalid value [%lld.0]. [%s] must be a greater than or equal to [%lld.0]",
                             fields->scope, (long long)number, key, (long long)least);
    if (number > most)
        return error_problem(fields->error, "[%s] Invalid value [%lld.0]. [%s] must be a less than or equal to [%lld.0]",
                             fields->scope, (long long)number, key, (long long)most);
    *out = number;
    return true;
}

static bool looks_decimal(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.' || text.ptr[i] == 'e' || text.ptr[i] == 'E')
            return true;
    }
    return false;
}

/* Java's parser makes a Double only of a number with a point or an exponent. */
static bool is_decimal(const struct json *value, double *out)
{
    return json_is(value, JSON_NUMBER) && looks_decimal(json_number_text(value)) && json_to_double(value, out);
}

static const char *double_text(struct arena *arena, double number)
{
    struct buf text = BUF_INIT(64);
    struct json_writer out;
    json_writer_init(&out, &text);
    json_write_double(&out, number);
    if (!looks_decimal(buf_view(&text)))
        buf_append_cstr(&text, ".0");
    return kept(arena, &text);
}

bool fields_share(struct fields *fields, const char *key, double *out)
{
    const struct json *value = fields_take(fields, key);
    double number = 0;
    if (value == NULL)
        return false;
    if (!is_decimal(value, &number))
        return wrong_type(fields, key, value, "Double");
    const char *bound = number < 0 ? "greater than or equal to [0.0]" : number > 1 ? "less than or equal to [1.0]"
                                                                                   : NULL;
    if (bound != NULL)
        return error_problem(fields->error, "[%s] Invalid value [%s]. [%s] must be a %s", fields->scope,
                             double_text(fields->error->arena, number), key, bound);
    *out = number;
    return true;
}

bool fields_object(struct fields *fields, const char *key, const struct json **out)
{
    const struct json *value = fields_take(fields, key);
    if (value == NULL)
        return false;
    if (!json_is(value, JSON_OBJECT))
        return wrong_type(fields, key, value, "Map");
    *out = value;
    return true;
}

/* ---- what is left ---- */

const char *fields_left(const struct fields *fields)
{
    struct buf text = BUF_INIT(JAVA_TEXT_MAX);
    bool any = false;
    struct json_iter it = json_iter(fields->object);
    while (fields->taken != NULL && json_next(&it)) {
        if (fields->taken[it.index])
            continue;
        buf_printf(&text, any ? ", " VIEW_FMT : VIEW_FMT, VIEW_ARG(it.key));
        any = true;
    }
    const char *left = kept(fields->error->arena, &text);
    return any ? left : NULL;
}

bool fields_done(struct fields *fields)
{
    struct buf text = BUF_INIT(JAVA_TEXT_MAX);
    bool any = false;
    struct json_iter it = json_iter(fields->object);
    while (fields->taken != NULL && json_next(&it)) {
        if (fields->taken[it.index])
            continue;
        buf_printf(&text, any ? ", " VIEW_FMT "=" : VIEW_FMT "=", VIEW_ARG(it.key));
        java_append(&text, it.value);
        any = true;
    }
    const char *left = kept(fields->error->arena, &text);
    return !any || error_set(fields->error, 400, ERROR_STATUS,
                             "Configuration contains settings [{%s}] unknown to the [" ELASTIC_SERVICE "] service", left);
}
