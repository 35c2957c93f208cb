#include "families/schema.h"

#include "base/utf8.h"

#define MAX_VIOLATIONS 16
#define MAX_QUOTED     128                                  /* bytes of a client's key or value that are shown */

/* Where the checker stands: a chain on the stack, printed when something is wrong. */
struct place {
    const struct place *parent;
    struct view key;                                        /* of a member; NULL ptr: an element */
    size_t index;
};

struct checker {
    struct buf *out;
    unsigned violations;
};

static void append_quoted(struct buf *out, struct view text)
{
    struct view cut = view_first(text, MAX_QUOTED);
    buf_append(out, cut.ptr, utf8_whole(cut));
}

static void append_place(struct buf *out, const struct place *place)
{
    if (place == NULL)
        return;
    append_place(out, place->parent);
    buf_append_byte(out, '/');
    if (place->key.ptr != NULL)
        append_quoted(out, place->key);
    else
        buf_append_u64(out, place->index);
}

/* Begins a violation: "#/texts/0: ". False when enough have been told. */
static bool violation(struct checker *checker, const struct place *place)
{
    if (checker->violations++ >= MAX_VIOLATIONS)
        return false;
    buf_append_byte(checker->out, '#');
    append_place(checker->out, place);
    buf_append_cstr(checker->out, ": ");
    return true;
}

/* ---- types ---- */

static bool is_whole(const struct json *value)
{
    int64_t number;
    return json_to_i64(value, &number);
}

static bool type_fits(unsigned types, const struct json *value)
{
    switch (json_type(value)) {
    case JSON_NULL:
        return types & SCHEMA_NULL;
    case JSON_BOOL:
        return types & SCHEMA_BOOLEAN;
    case JSON_NUMBER:
        return (types & SCHEMA_NUMBER) || ((types & SCHEMA_INTEGER) && is_whole(value));
    case JSON_STRING:
        return types & SCHEMA_STRING;
    case JSON_ARRAY:
        return types & SCHEMA_ARRAY;
    case JSON_OBJECT:
        return types & SCHEMA_OBJECT;
    case JSON_ABSENT:
        break;
    }
    return false;
}

static const char *found_name(const struct json *value)
{
    switch (json_type(value)) {
    case JSON_BOOL:
        return "Boolean";
    case JSON_NUMBER:
        return is_whole(value) ? "Integer" : "BigDecimal";
    case JSON_STRING:
        return "String";
    case JSON_ARRAY:
        return "JSONArray";
    case JSON_OBJECT:
        return "JSONObject";
    default:
        return "Null";
    }
}

static void append_expected(struct buf *out, unsigned types)
{
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {
        { SCHEMA_STRING, "String" },
        { SCHEMA_NUMBER, "Number" },
        { SCHEMA_INTEGER, "Integer" },
        { SCHEMA_BOOLEAN, "Boolean" },
        { SCHEMA_ARRAY, "JSONArray" },
        { SCHEMA_OBJECT, "JSONObject" },
        { SCHEMA_NULL, "Null" },
    };
    const char *separator = "";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!(types & names[i].type))
            continue;
        buf_append_cstr(out, separator);
        buf_append_cstr(out, names[i].name);
        separator = " or ";
    }
}

/* ---- one value ---- */

static void check(struct checker *checker, const struct schema *schema, const struct json *value, const struct place *place);

static void check_number(struct checker *checker, const struct schema *schema, const struct json *value, const struct place *place)
{
    double number;
    const char *relation = NULL;
    double limit = schema->min;
    if (!schema->bounded)
        return;
    if (!json_to_double(value, &number)) {
        relation = "less or equal to";
        limit = schema->max;
    } else if (schema->above && number <= schema->min) {
        relation = "greater than";
    } else if (number < schema->min) {
        relation = "greater or equal to";
    } else if (number > schema->max) {
        relation = "less or equal to";
        limit = schema->max;
    }
    if (relation == NULL || !violation(checker, place))
        return;
    append_quoted(checker->out, json_number_text(value));
    buf_printf(checker->out, " is not %s %.15g", relation, limit);
}

static void check_size(struct checker *checker, const struct schema *schema, size_t size, bool text, const struct place *place)
{
    if (size < schema->min_size && violation(checker, place))
        buf_printf(checker->out, text ? "expected minLength: %zu, actual: %zu" : "expected minimum item count: %zu, found: %zu",
                   schema->min_size, size);
    if (schema->max_size != 0 && size > schema->max_size && violation(checker, place))
        buf_printf(checker->out, text ? "expected maxLength: %zu, actual: %zu" : "expected maximum item count: %zu, found: %zu",
                   schema->max_size, size);
}

static void check_values(struct checker *checker, const struct schema *schema, const struct json *value, const struct place *place)
{
    for (const char *const *allowed = schema->values; *allowed != NULL; allowed++) {
        if (view_is(json_string(value), *allowed))
            return;
    }
    if (!violation(checker, place))
        return;
    append_quoted(checker->out, json_string(value));
    buf_append_cstr(checker->out, " is not a valid enum value");
}

static const struct schema_member *find_member(const struct schema *schema, struct view key)
{
    for (const struct schema_member *member = schema->members; member->name != NULL; member++) {
        if (view_is(key, member->name))
            return member;
    }
    return NULL;
}

static void check_object(struct checker *checker, const struct schema *schema, const struct json *value, const struct place *place)
{
    if (schema->members == NULL)
        return;
    for (const struct schema_member *member = schema->members; member->name != NULL; member++) {
        if (member->required && json_get(value, member->name) == NULL && violation(checker, place))
            buf_printf(checker->out, "required key [%s] not found", member->name);
    }
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        const struct schema_member *member = find_member(schema, it.key);
        struct place inner = { .parent = place, .key = it.key };
        if (member != NULL) {
            check(checker, &member->schema, it.value, &inner);
        } else if (!schema->open && violation(checker, place)) {
            buf_append_cstr(checker->out, "extraneous key [");
            append_quoted(checker->out, it.key);
            buf_append_cstr(checker->out, "] is not permitted");
        }
    }
}

static void check_array(struct checker *checker, const struct schema *schema, const struct json *value, const struct place *place)
{
    check_size(checker, schema, json_size(value), false, place);
    if (schema->items == NULL)
        return;
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        struct place inner = { .parent = place, .index = it.index };
        check(checker, schema->items, it.value, &inner);
    }
}

static void check(struct checker *checker, const struct schema *schema, const struct json *value, const struct place *place)
{
    if (!type_fits(schema->types, value)) {
        if (violation(checker, place)) {
            buf_append_cstr(checker->out, "expected type: ");
            append_expected(checker->out, schema->types);
            buf_printf(checker->out, ", found: %s", found_name(value));
        }
        return;
    }
    switch (json_type(value)) {
    case JSON_NUMBER:
        check_number(checker, schema, value, place);
        break;
    case JSON_STRING:
        check_size(checker, schema, utf8_count(json_string(value)), true, place);
        if (schema->values != NULL)
            check_values(checker, schema, value, place);
        break;
    case JSON_ARRAY:
        check_array(checker, schema, value, place);
        break;
    case JSON_OBJECT:
        check_object(checker, schema, value, place);
        break;
    default:
        break;
    }
}

bool schema_check(const struct schema *schema, const struct json *value, struct buf *out)
{
    struct checker checker = { .out = out };
    check(&checker, schema, value, NULL);
    return checker.violations == 0;
}

/* ---- what is not served ---- */

static bool is_only(const struct json *value, const char *only)
{
    double number, served;
    switch (json_type(value)) {
    case JSON_NULL:
        return true;                                        /* the member might as well be absent */
    case JSON_BOOL:
        return strcmp(only, json_bool(value, false) ? "true" : "false") == 0;
    case JSON_NUMBER:
        return json_to_double(value, &number) && view_to_double(view_from_cstr(only), &served) && number == served;
    case JSON_STRING:
        return view_is(json_string(value), only);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return only[0] != '\0' && json_size(value) == 0;
    case JSON_ABSENT:
        break;
    }
    return true;
}

static bool find_unsupported(const struct schema *schema, const struct json *value, const struct place *place, struct buf *path,
                             const char **only)
{
    if (schema->only != NULL && !is_only(value, schema->only)) {
        append_place(path, place);
        *only = schema->only;
        return true;
    }
    bool object = json_is(value, JSON_OBJECT) && schema->members != NULL;
    if (!object && !(json_is(value, JSON_ARRAY) && schema->items != NULL))
        return false;
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        const struct schema_member *member = object ? find_member(schema, it.key) : NULL;
        struct place inner = { .parent = place, .key = it.key, .index = it.index };
        if (!object)
            inner.key.ptr = NULL;
        const struct schema *inside = !object ? schema->items : member != NULL ? &member->schema : NULL;
        if (inside != NULL && find_unsupported(inside, it.value, &inner, path, only))
            return true;
    }
    return false;
}

bool schema_unsupported(const struct schema *schema, const struct json *value, struct buf *path, const char **only)
{
    return !find_unsupported(schema, value, NULL, path, only);
}
