#include "dynamodb/value.h"

#include "base/utf8.h"

#define DIGITS_MAX   38
#define EXPONENT_MAX 1000                                   /* of the text; values beyond 1E126 are refused anyway */
#define MAGNITUDE    126
#define DEPTH_MAX    32

static const struct {
    const char *name;
    enum json_type content;
} types[] = {
    [VALUE_NONE] = { "", JSON_ABSENT },          [VALUE_STRING] = { "S", JSON_STRING },   [VALUE_NUMBER] = { "N", JSON_STRING },
    [VALUE_BINARY] = { "B", JSON_STRING },       [VALUE_BOOL] = { "BOOL", JSON_BOOL },    [VALUE_NULL] = { "NULL", JSON_BOOL },
    [VALUE_MAP] = { "M", JSON_OBJECT },          [VALUE_LIST] = { "L", JSON_ARRAY },      [VALUE_STRING_SET] = { "SS", JSON_ARRAY },
    [VALUE_NUMBER_SET] = { "NS", JSON_ARRAY },   [VALUE_BINARY_SET] = { "BS", JSON_ARRAY },
};

#define TYPE_COUNT (sizeof types / sizeof types[0])

/* ---- numbers ---- */

struct number {
    bool negative;
    char digits[DIGITS_MAX];                                /* without leading and trailing zeros; none: zero */
    int count;
    int magnitude;                                          /* the value is 0.DIGITS × 10^magnitude */
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The digits of the text, with the point's place. False when there are none, or more than may be. */
static bool read_digits(struct view *rest, struct number *out)
{
    int zeros = 0, after_point = 0;
    bool point = false, any = false, significant = false;
    for (; rest->len > 0 && (is_digit(rest->ptr[0]) || (rest->ptr[0] == '.' && !point)); *rest = view_from(*rest, 1)) {
        char byte = rest->ptr[0];
        if (byte == '.') {
            point = true;
            continue;
        }
        any = true;
        after_point += point;
        significant |= byte != '0';
        if (byte == '0') {
            zeros += significant;
            continue;
        }
        if (out->count + zeros + 1 > DIGITS_MAX)
            return false;
        for (; zeros > 0; zeros--)
            out->digits[out->count++] = '0';
        out->digits[out->count++] = byte;
    }
    out->magnitude = out->count + zeros - after_point;
    return any && after_point < EXPONENT_MAX && zeros < EXPONENT_MAX;
}

static bool read_exponent(struct view rest, int *exponent)
{
    bool negative = rest.len > 0 && rest.ptr[0] == '-';
    uint64_t number;
    if (rest.len > 0 && (negative || rest.ptr[0] == '+'))
        rest = view_from(rest, 1);
    if (!view_to_u64(rest, &number) || number > EXPONENT_MAX)
        return false;
    *exponent = negative ? -(int)number : (int)number;
    return true;
}

static bool read_number(struct view text, struct number *out)
{
    int exponent = 0;
    *out = (struct number){ .negative = text.len > 0 && text.ptr[0] == '-' };
    if (text.len > 0 && (out->negative || text.ptr[0] == '+'))
        text = view_from(text, 1);
    if (!read_digits(&text, out))
        return false;
    if (text.len > 0 && ((text.ptr[0] != 'e' && text.ptr[0] != 'E') || !read_exponent(view_from(text, 1), &exponent)))
        return false;
    out->magnitude += exponent;
    if (out->count == 0)
        *out = (struct number){ .count = 0 };
    return out->magnitude <= MAGNITUDE && out->magnitude >= -MAGNITUDE - 3;
}

bool number_valid(struct view text)
{
    struct number number;
    return read_number(text, &number);
}

static int compare_magnitude(const struct number *a, const struct number *b)
{
    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->magnitude != b->magnitude)
        return a->magnitude < b->magnitude ? -1 : 1;
    return view_compare(view_of(a->digits, (size_t)a->count), view_of(b->digits, (size_t)b->count));
}

int number_compare(struct view a, struct view b)
{
    struct number x, y;
    if (!read_number(a, &x) || !read_number(b, &y))
        return 0;
    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    int order = compare_magnitude(&x, &y);
    return x.negative ? -order : order;
}

/* ---- values ---- */

struct value value_of(const struct json *wrapped)
{
    struct json_iter it = json_iter(wrapped);
    if (!json_is(wrapped, JSON_OBJECT) || json_size(wrapped) != 1 || !json_next(&it))
        return (struct value){ VALUE_NONE, NULL };
    for (size_t i = 1; i < TYPE_COUNT; i++) {
        if (view_is(it.key, types[i].name) && json_is(it.value, types[i].content))
            return (struct value){ (enum value_type)i, it.value };
    }
    return (struct value){ VALUE_NONE, NULL };
}

const char *value_type_name(enum value_type type)
{
    return types[type].name;
}

static enum value_type element_type(enum value_type set)
{
    return set == VALUE_STRING_SET ? VALUE_STRING : set == VALUE_NUMBER_SET ? VALUE_NUMBER : set == VALUE_BINARY_SET ? VALUE_BINARY
                                                                                                                    : VALUE_NONE;
}

static const char *number_problem(struct view text, struct arena *arena)
{
    if (number_valid(text))
        return NULL;
    if (text.len == 0)
        return "The parameter cannot be converted to a numeric value";
    return arena_printf(arena, "The parameter cannot be converted to a numeric value: " VIEW_FMT, VIEW_ARG(view_first(text, 100)));
}

static const char *set_problem(struct value set, struct arena *arena)
{
    enum value_type type = element_type(set.type);
    const char *problem = json_size(set.content) == 0 ? "One or more parameter values were invalid: A set may not be empty" : NULL;
    for (struct json_iter it = json_iter(set.content); problem == NULL && json_next(&it);) {
        if (!json_is(it.value, JSON_STRING))
            problem = "One or more parameter values were invalid: A set holds text only";
        else if (type == VALUE_NUMBER)
            problem = number_problem(json_string(it.value), arena);
    }
    return problem;
}

static const char *problem_within(const struct json *wrapped, struct arena *arena, int depth)
{
    struct value value = value_of(wrapped);
    const char *problem = NULL;
    if (json_size(wrapped) > 1)
        return "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";
    if (value.type == VALUE_NONE)
        return "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    if (depth == DEPTH_MAX)
        return "Nesting Levels have exceeded supported limits";
    if (value.type == VALUE_NUMBER)
        return number_problem(json_string(value.content), arena);
    if (element_type(value.type) != VALUE_NONE)
        return set_problem(value, arena);
    if (value.type == VALUE_MAP || value.type == VALUE_LIST) {
        for (struct json_iter it = json_iter(value.content); problem == NULL && json_next(&it);)
            problem = problem_within(it.value, arena, depth + 1);
    }
    return problem;
}

const char *value_problem(const struct json *wrapped, struct arena *arena)
{
    return problem_within(wrapped, arena, 0);
}

struct view value_text(struct value value)
{
    return json_string(value.content);
}

/* ---- comparing ---- */

static bool text_equal(enum value_type type, struct view a, struct view b)
{
    return type == VALUE_NUMBER ? number_compare(a, b) == 0 : view_eq(a, b);
}

static bool set_has(struct value set, struct view text)
{
    for (struct json_iter it = json_iter(set.content); json_next(&it);) {
        if (text_equal(element_type(set.type), json_string(it.value), text))
            return true;
    }
    return false;
}

static bool containers_equal(struct value a, struct value b)
{
    size_t i = 0;
    if (json_size(a.content) != json_size(b.content))
        return false;
    for (struct json_iter it = json_iter(a.content); json_next(&it); i++) {
        bool same = a.type == VALUE_MAP    ? value_equal(value_of(it.value), value_of(json_get_view(b.content, it.key)))
                    : a.type == VALUE_LIST ? value_equal(value_of(it.value), value_of(json_at(b.content, i)))
                                           : set_has(b, json_string(it.value));
        if (!same)
            return false;
    }
    return true;
}

bool value_equal(struct value a, struct value b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case VALUE_NONE:
        return false;
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return json_bool(a.content, false) == json_bool(b.content, false);
    case VALUE_STRING:
    case VALUE_NUMBER:
    case VALUE_BINARY:
        return text_equal(a.type, value_text(a), value_text(b));
    default:
        return containers_equal(a, b);
    }
}

bool value_compare(struct value a, struct value b, int *order)
{
    if (a.type != b.type || (a.type != VALUE_STRING && a.type != VALUE_NUMBER))
        return false;
    *order = a.type == VALUE_NUMBER ? number_compare(value_text(a), value_text(b)) : view_compare(value_text(a), value_text(b));
    return true;
}

bool value_contains(struct value whole, struct value part)
{
    if (whole.type == VALUE_STRING && part.type == VALUE_STRING)
        return view_find(value_text(whole), value_text(part)) != VIEW_NPOS;
    if (element_type(whole.type) != VALUE_NONE)
        return element_type(whole.type) == part.type && set_has(whole, value_text(part));
    if (whole.type != VALUE_LIST)
        return false;
    for (struct json_iter it = json_iter(whole.content); json_next(&it);) {
        if (value_equal(value_of(it.value), part))
            return true;
    }
    return false;
}

bool value_begins_with(struct value whole, struct value part)
{
    return whole.type == VALUE_STRING && part.type == VALUE_STRING && view_starts_with(value_text(whole), value_text(part));
}

bool value_size(struct value value, int64_t *size)
{
    switch (value.type) {
    case VALUE_STRING:
        *size = (int64_t)utf8_count(value_text(value));
        return true;
    case VALUE_BINARY:
        *size = (int64_t)(value_text(value).len / 4 * 3);
        for (size_t at = value_text(value).len; at > 0 && value_text(value).ptr[at - 1] == '='; at--)
            --*size;
        return true;
    case VALUE_MAP:
    case VALUE_LIST:
    case VALUE_STRING_SET:
    case VALUE_NUMBER_SET:
    case VALUE_BINARY_SET:
        *size = (int64_t)json_size(value.content);
        return true;
    default:
        return false;
    }
}
