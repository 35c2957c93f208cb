#include "aws/validate.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/utf8.h"

#include <stdarg.h>

#define MESSAGE_MAX   (256u * 1024)
#define ERRORS_MAX    64                                    /* that are told; the count goes on */
#define VALUE_MAX     1024                                  /* bytes of a value that are repeated */
#define INTEGER_MIN   (-2147483648.0)
#define INTEGER_MAX   2147483647.0

/* Where in the input: a member, a list's element or a map's value. Lives on the C stack, as deep as the input is. */
struct place {
    const struct place *up;                                 /* NULL: the input itself */
    struct view name;                                       /* of a member or a map's key */
    size_t index;                                           /* of an element, from 1; 0 otherwise */
    bool entry;                                             /* a map's value */
};

struct checker {
    struct arena *arena;
    struct buf text;                                        /* the messages so far */
    unsigned errors;
    bool stopped;                                           /* a wrong type: message holds the text */
    struct view message;
};

/* ---- telling ---- */

static void append_place(struct buf *out, const struct place *place)
{
    if (place->up != NULL && place->up->up != NULL) {
        append_place(out, place->up);
        buf_append_byte(out, '.');
    }
    if (place->index > 0)
        buf_printf(out, "%zu.member", place->index);
    else
        buf_printf(out, place->entry ? VIEW_FMT ".member" : VIEW_FMT, VIEW_ARG(place->name));
}

/* A type that cannot be read is no matter of constraints: the first one is all that is told. */
static bool wrong_type(struct checker *c, const struct place *place, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool wrong_type(struct checker *c, const struct place *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(&c->text);
    buf_vprintf(&c->text, format, args);
    va_end(args);
    if (place->up != NULL) {
        buf_append_cstr(&c->text, " at '");
        append_place(&c->text, place);
        buf_append_byte(&c->text, '\'');
    }
    c->stopped = true;
    c->message = arena_copy(c->arena, buf_view(&c->text));
    return false;
}

static struct view cut(struct view value)
{
    struct view first = view_first(value, VALUE_MAX);
    return value.len > VALUE_MAX ? view_first(first, utf8_whole(first)) : value;
}

/* Begins one error: "Value 'x' at 'path' failed to satisfy constraint: ". The caller appends the constraint. NULL when enough has
 * been told. value NULL ptr: "Value null". */
static struct buf *broken(struct checker *c, const struct shape *shape, const struct place *place, struct view value)
{
    struct buf *out = &c->text;
    c->errors++;
    if (c->errors > ERRORS_MAX)
        return NULL;
    if (c->errors > 1)
        buf_append_cstr(out, "; ");
    buf_append_cstr(out, "Value ");
    if (value.ptr == NULL)
        buf_append_cstr(out, "null ");
    else if ((shape->flags & SHAPE_SENSITIVE) == 0)
        buf_printf(out, "'" VIEW_FMT "%s' ", VIEW_ARG(cut(value)), value.len > VALUE_MAX ? "..." : "");
    buf_append_cstr(out, "at '");
    append_place(out, place);
    buf_append_cstr(out, "' failed to satisfy constraint: ");
    return out;
}

static void append_enum(struct buf *out, const struct shape *shape)
{
    buf_append_cstr(out, "Member must satisfy enum value set: [");
    for (size_t i = 0; i < shape->count; i++) {
        if (i > 0)
            buf_append_cstr(out, ", ");
        buf_append_view(out, shape_enum_value(shape, i));
    }
    buf_append_byte(out, ']');
}

static const char *measure_of(const struct shape *shape)
{
    return shape->type >= SHAPE_INTEGER && shape->type <= SHAPE_DOUBLE ? "value" : "length";
}

static void append_min(struct buf *out, const struct shape *shape)
{
    buf_printf(out, "Member must have %s greater than or equal to %.17g", measure_of(shape), shape->min);
}

static void append_max(struct buf *out, const struct shape *shape)
{
    buf_printf(out, "Member must have %s less than or equal to %.17g", measure_of(shape), shape->max);
}

static void append_pattern(struct buf *out, const struct shape *shape)
{
    buf_append_cstr(out, "Member must satisfy regular expression pattern: ");
    buf_append_view(out, shape_pattern(shape->pattern));
}

static bool has_pattern(const struct shape *shape)
{
    return shape->pattern != 0 && (shape->flags & SHAPE_LAX) == 0;
}

/* All constraints of a scalar, for the lists and maps that hold it. */
static void append_constraints(struct buf *out, const struct shape *shape)
{
    const char *comma = "";
    buf_append_byte(out, '[');
    if ((shape->flags & SHAPE_HAS_MAX) != 0) {
        append_max(out, shape);
        comma = ", ";
    }
    if ((shape->flags & SHAPE_HAS_MIN) != 0) {
        buf_append_cstr(out, comma);
        append_min(out, shape);
        comma = ", ";
    }
    if (has_pattern(shape)) {
        buf_append_cstr(out, comma);
        append_pattern(out, shape);
        comma = ", ";
    }
    if (shape->type == SHAPE_STRING && shape->count > 0) {
        buf_append_cstr(out, comma);
        append_enum(out, shape);
    }
    buf_append_byte(out, ']');
}

/* ---- scalars ---- */

enum breach { FITS = 0, BELOW_MIN = 1, ABOVE_MAX = 2, NO_MATCH = 4, NOT_LISTED = 8 };

static unsigned breaches_of_measure(const struct shape *shape, double measure)
{
    unsigned found = FITS;
    if ((shape->flags & SHAPE_HAS_MIN) != 0 && measure < shape->min)
        found |= BELOW_MIN;
    if ((shape->flags & SHAPE_HAS_MAX) != 0 && measure > shape->max)
        found |= ABOVE_MAX;
    return found;
}

static bool is_listed(const struct shape *shape, struct view text)
{
    for (size_t i = 0; i < shape->count; i++) {
        if (view_eq(shape_enum_value(shape, i), text))
            return true;
    }
    return false;
}

static unsigned breaches_of_string(const struct shape *shape, struct view text)
{
    unsigned found = breaches_of_measure(shape, (double)utf8_count(text));
    if (shape->count > 0 && !is_listed(shape, text))
        found |= NOT_LISTED;
    /* A text that is too long is not worth matching. */
    if (has_pattern(shape) && (found & ABOVE_MAX) == 0 && !shape_pattern_matches(shape->pattern, text))
        found |= NO_MATCH;
    return found;
}

static void tell_breaches(struct checker *c, const struct shape *shape, const struct place *place, struct view value, unsigned found)
{
    static const struct {
        enum breach breach;
        void (*append)(struct buf *out, const struct shape *shape);
    } constraints[] = {
        { ABOVE_MAX, append_max }, { BELOW_MIN, append_min }, { NO_MATCH, append_pattern }, { NOT_LISTED, append_enum },
    };
    for (size_t i = 0; i < sizeof constraints / sizeof constraints[0]; i++) {
        struct buf *out = (found & constraints[i].breach) != 0 ? broken(c, shape, place, value) : NULL;
        if (out != NULL)
            constraints[i].append(out, shape);
    }
}

/* Decoded bytes of a base64 text; false when it is none. */
static bool base64_size(struct view text, double *size)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    size_t digits = text.len - padding;
    for (size_t i = 0; i < digits; i++) {
        char byte = text.ptr[i];
        bool digit = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '+' ||
                     byte == '/';
        if (!digit)
            return false;
    }
    size_t bytes = digits / 4 * 3 + (digits % 4 > 0 ? digits % 4 - 1 : 0);
    *size = (double)bytes;
    return digits % 4 != 1 && (padding == 0 || text.len % 4 == 0);
}

static const char *type_name(const struct shape *shape)
{
    static const char *const names[] = {
        [SHAPE_STRING] = "a String",     [SHAPE_INTEGER] = "an Integer", [SHAPE_LONG] = "a Long",
        [SHAPE_FLOAT] = "a Float",       [SHAPE_DOUBLE] = "a Double",    [SHAPE_BOOLEAN] = "a Boolean",
        [SHAPE_BLOB] = "a Blob",         [SHAPE_TIMESTAMP] = "a Timestamp", [SHAPE_DOCUMENT] = "a Document",
    };
    return names[shape->type] != NULL ? names[shape->type] : "a Structure";
}

static const char *token_name(const struct json *value)
{
    switch (json_type(value)) {
    case JSON_STRING:
        return "STRING_VALUE";
    case JSON_NUMBER:
        return "NUMBER_VALUE";
    case JSON_BOOL:
        return json_bool(value, false) ? "TRUE_VALUE" : "FALSE_VALUE";
    default:
        return "NULL_VALUE";
    }
}

static bool mismatch(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place)
{
    switch (json_type(value)) {
    case JSON_ARRAY:
        return wrong_type(c, place, "Start of list found where not expected");
    case JSON_OBJECT:
        return wrong_type(c, place, "Start of structure or map found where not expected");
    default:
        break;
    }
    if (shape->type == SHAPE_LIST)
        return wrong_type(c, place, "Expected list or null");
    if (shape->type == SHAPE_MAP || shape_is_structure(shape))
        return wrong_type(c, place, "Expected structure, map or null");
    return wrong_type(c, place, "%s can not be converted to %s", token_name(value), type_name(shape));
}

/* The breaches of a string-like scalar: what a JSON string, a label, a header or a query value can be. False: not of that type. */
static bool read_text(const struct shape *shape, struct view text, unsigned *found)
{
    double number = 0;
    int64_t when = 0;
    switch (shape->type) {
    case SHAPE_STRING:
        *found = breaches_of_string(shape, text);
        return true;
    case SHAPE_BLOB:
        if (!base64_size(text, &number))
            return false;
        *found = breaches_of_measure(shape, number);
        return true;
    case SHAPE_TIMESTAMP:
        *found = FITS;
        return clock_parse_iso(text, &when);
    default:
        return false;
    }
}

/* Numbers and booleans in labels, headers and queries are text. */
static bool read_number_text(const struct shape *shape, struct view text, unsigned *found)
{
    double number = 0;
    int64_t whole = 0;
    if (shape->type == SHAPE_BOOLEAN) {
        *found = FITS;
        return view_is(text, "true") || view_is(text, "false");
    }
    bool integral = shape->type == SHAPE_INTEGER || shape->type == SHAPE_LONG;
    if (integral ? !view_to_i64(text, &whole) : !view_to_double(text, &number))
        return false;
    number = integral ? (double)whole : number;
    *found = breaches_of_measure(shape, number);
    return shape->type != SHAPE_INTEGER || (number >= INTEGER_MIN && number <= INTEGER_MAX);
}

static bool read_number(const struct shape *shape, const struct json *value, unsigned *found)
{
    double number = 0;
    int64_t whole = 0;
    if (shape->type == SHAPE_BOOLEAN) {
        *found = FITS;
        return json_is(value, JSON_BOOL);
    }
    bool integral = shape->type == SHAPE_INTEGER || shape->type == SHAPE_LONG;
    if (integral ? !json_to_i64(value, &whole) : !json_to_double(value, &number))
        return false;
    number = integral ? (double)whole : number;
    *found = breaches_of_measure(shape, number);
    return shape->type != SHAPE_INTEGER || (number >= INTEGER_MIN && number <= INTEGER_MAX);
}

static bool is_textual(const struct shape *shape)
{
    return shape->type == SHAPE_STRING || shape->type == SHAPE_BLOB || shape->type == SHAPE_TIMESTAMP;
}

/* The breaches of a JSON scalar and its text for the message. False, and the check is stopped, when the type is wrong. */
static bool scalar_breaches(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place,
                            struct view *text, unsigned *found)
{
    *text = json_is(value, JSON_STRING) ? json_string(value) : json_number_text(value);
    bool read = is_textual(shape) ? json_is(value, JSON_STRING) && read_text(shape, *text, found) : read_number(shape, value, found);
    if (text->ptr == NULL)
        *text = VIEW("");
    return read || mismatch(c, shape, value, place);
}

/* ---- containers ---- */

static bool check(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place);

static bool is_scalar(const struct shape *shape)
{
    return shape->type >= SHAPE_STRING && shape->type <= SHAPE_TIMESTAMP;
}

static void append_scalar(struct buf *out, const struct json *value)
{
    struct json_writer w;
    if (json_is(value, JSON_STRING)) {
        buf_append_view(out, json_string(value));
        return;
    }
    json_writer_init(&w, out);
    json_write_value(&w, value);
}

/* Lists and maps as text for a message: "[a, b]", "{k=v}", cut. */
static struct view as_text(struct checker *c, const struct json *value)
{
    struct buf out = BUF_INIT(2 * VALUE_MAX);
    bool map = json_is(value, JSON_OBJECT);
    buf_append_byte(&out, map ? '{' : '[');
    for (struct json_iter it = json_iter(value); json_next(&it) && !buf_failed(&out) && out.len <= VALUE_MAX;) {
        if (out.len > 1)
            buf_append_cstr(&out, ", ");
        if (map)
            buf_printf(&out, VIEW_FMT "=", VIEW_ARG(it.key));
        append_scalar(&out, it.value);
    }
    buf_append_byte(&out, map ? '}' : ']');
    struct view text = buf_failed(&out) ? VIEW("[...]") : arena_copy(c->arena, buf_view(&out));
    buf_free(&out);
    return text.ptr != NULL ? text : VIEW("");
}

static void check_size(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place)
{
    unsigned found = breaches_of_measure(shape, (double)json_size(value));
    if (found != FITS)
        tell_breaches(c, shape, place, as_text(c, value), found);
}

static void tell_null(struct checker *c, const struct shape *shape, const struct place *place)
{
    struct buf *out = broken(c, shape, place, (struct view){ NULL, 0 });
    if (out != NULL)
        buf_append_cstr(out, "Member must not be null");
}

/* Scalars in a list or a map are told of as the container's fault, once, with all their constraints. */
static void tell_members(struct checker *c, const struct shape *container, const struct shape *member, const struct json *value,
                         const struct place *place, const char *who)
{
    struct buf *out = broken(c, (member->flags & SHAPE_SENSITIVE) != 0 ? member : container, place, as_text(c, value));
    if (out == NULL)
        return;
    buf_printf(out, "%s must satisfy constraint: ", who);
    append_constraints(out, member);
}

static bool check_list(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place)
{
    const struct shape *element = shape_at(shape->first);
    bool breached = false;
    if (!json_is(value, JSON_ARRAY))
        return mismatch(c, shape, value, place);
    check_size(c, shape, value, place);
    struct place at = { .up = place };
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        at.index++;
        if (json_is(it.value, JSON_NULL) && element->type != SHAPE_DOCUMENT) {
            tell_null(c, element, &at);
        } else if (is_scalar(element)) {
            struct view text;
            unsigned found = FITS;
            if (!scalar_breaches(c, element, it.value, &at, &text, &found))
                return false;
            breached |= found != FITS;
        } else if (!check(c, element, it.value, &at)) {
            return false;
        }
    }
    if (breached)
        tell_members(c, shape, element, value, place, "Member");
    return true;
}

static bool check_map(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place)
{
    const struct shape *key = shape_at(shape->first), *target = shape_at(shape->second);
    bool keys_breached = false, values_breached = false;
    if (!json_is(value, JSON_OBJECT))
        return mismatch(c, shape, value, place);
    check_size(c, shape, value, place);
    for (struct json_iter it = json_iter(value); json_next(&it);) {
        struct place at = { .up = place, .name = it.key, .entry = true };
        keys_breached |= key->type == SHAPE_STRING && breaches_of_string(key, it.key) != FITS;
        if (json_is(it.value, JSON_NULL) && target->type != SHAPE_DOCUMENT)
            continue;
        if (is_scalar(target)) {
            struct view text;
            unsigned found = FITS;
            if (!scalar_breaches(c, target, it.value, &at, &text, &found))
                return false;
            values_breached |= found != FITS;
        } else if (!check(c, target, it.value, &at)) {
            return false;
        }
    }
    if (keys_breached)
        tell_members(c, shape, key, value, place, "Map keys");
    if (values_breached)
        tell_members(c, shape, target, value, place, "Map value");
    return true;
}

static void tell_union(struct checker *c, const struct shape *shape, const struct place *place)
{
    struct buf *out = broken(c, shape, place, VIEW(""));
    if (out == NULL)
        return;
    buf_append_cstr(out, "Member must have exactly one of its members set: [");
    for (size_t i = 0; i < shape->count; i++) {
        if (i > 0)
            buf_append_cstr(out, ", ");
        buf_append_view(out, shape_member_name(shape_member_at(shape, i)));
    }
    buf_append_byte(out, ']');
}

static bool check_structure(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place)
{
    size_t set = 0;
    if (!json_is(value, JSON_OBJECT))
        return mismatch(c, shape, value, place);
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_member *member = shape_member_at(shape, i);
        if (member->location != SHAPE_IN_BODY)
            continue;
        const struct shape *target = shape_at(member->shape);
        const struct json *found = json_get_view(value, shape_member_name(member));
        struct place at = { .up = place, .name = shape_member_name(member) };
        if (found == NULL || (json_is(found, JSON_NULL) && target->type != SHAPE_DOCUMENT)) {
            if (member->required)
                tell_null(c, target, &at);
            continue;
        }
        set++;
        if (!check(c, target, found, &at))
            return false;
    }
    if (shape->type == SHAPE_UNION && set != 1)
        tell_union(c, shape, place);
    return true;
}

static bool check(struct checker *c, const struct shape *shape, const struct json *value, const struct place *place)
{
    struct view text;
    unsigned found = FITS;
    switch (shape->type) {
    case SHAPE_STRUCTURE:
    case SHAPE_UNION:
        return check_structure(c, shape, value, place);
    case SHAPE_LIST:
        return check_list(c, shape, value, place);
    case SHAPE_MAP:
        return check_map(c, shape, value, place);
    case SHAPE_DOCUMENT:
        return true;
    default:
        if (!scalar_breaches(c, shape, value, place, &text, &found))
            return false;
        if (found != FITS)
            tell_breaches(c, shape, place, text, found);
        return true;
    }
}

/* ---- labels, query and headers ---- */

static bool check_text(struct checker *c, const struct shape *shape, struct view text, const struct place *place)
{
    unsigned found = FITS;
    bool read = is_textual(shape) ? read_text(shape, text, &found) : read_number_text(shape, text, &found);
    if (!read)
        return wrong_type(c, place, "STRING_VALUE can not be converted to %s", type_name(shape));
    if (found != FITS)
        tell_breaches(c, shape, place, text, found);
    return true;
}

static struct view label_of(const struct aws_values *values, struct view name)
{
    for (size_t i = 0; i < values->operation->label_count; i++) {
        if (view_eq(values->operation->labels[i], name))
            return values->labels[i];
    }
    return (struct view){ NULL, 0 };
}

static struct view header_of(const struct aws_values *values, struct view name)
{
    for (size_t i = 0; i < values->header_count; i++) {
        if (view_eq_nocase(values->headers[i].name, name))
            return values->headers[i].value;
    }
    return (struct view){ NULL, 0 };
}

/* The value that follows *rest's front and has this name; false when there is none. */
static bool next_in_query(struct checker *c, struct view *rest, struct view name, struct view *value)
{
    while (rest->ptr != NULL) {
        struct view raw = view_split(rest, '&');
        struct view decoded;
        if (!percent_decode(c->arena, view_split(&raw, '='), true, &decoded) || !view_eq(decoded, name))
            continue;
        if (!percent_decode(c->arena, raw, true, value))
            *value = raw;
        if (value->ptr == NULL)
            *value = VIEW("");
        return true;
    }
    return false;
}

/* A list in the query is a parameter that repeats. */
static bool check_query_list(struct checker *c, const struct aws_values *values, const struct shape_member *member,
                             const struct place *place)
{
    const struct shape *shape = shape_at(member->shape);
    struct view rest = values->query, value;
    struct place at = { .up = place };
    while (next_in_query(c, &rest, shape_member_wire(member), &value)) {
        at.index++;
        if (!check_text(c, shape_at(shape->first), value, &at))
            return false;
    }
    unsigned found = breaches_of_measure(shape, (double)at.index);
    if (at.index == 0 && member->required)
        tell_null(c, shape, place);
    else if (at.index > 0 && found != FITS)
        tell_breaches(c, shape, place, VIEW("[...]"), found);
    return true;
}

static bool check_outside_body(struct checker *c, const struct aws_values *values, const struct shape_member *member,
                               const struct place *place)
{
    const struct shape *shape = shape_at(member->shape);
    struct view wire = shape_member_wire(member), value = { NULL, 0 }, rest = values->query;
    if (member->location == SHAPE_IN_QUERY && shape->type == SHAPE_LIST)
        return check_query_list(c, values, member, place);
    if (member->location == SHAPE_IN_URI)
        value = label_of(values, wire);
    else if (member->location == SHAPE_IN_HEADER)
        value = header_of(values, wire);
    else if (!next_in_query(c, &rest, wire, &value))
        value.ptr = NULL;
    if (value.ptr != NULL)
        return check_text(c, shape, value, place);
    if (member->required)
        tell_null(c, shape, place);
    return true;
}

static bool check_payload(struct checker *c, const struct aws_values *values, const struct shape_member *member,
                          const struct place *place)
{
    const struct shape *shape = shape_at(member->shape);
    if ((shape->flags & SHAPE_EVENTS) != 0)
        return true;
    if (values->operation->input_body == AWS_INPUT_BYTES) {
        unsigned found = breaches_of_measure(shape, (double)values->payload.len);
        if (found != FITS && (values->payload.len > 0 || member->required))
            tell_breaches(c, shape, place, values->payload, found);
        return true;
    }
    if (values->body != NULL)
        return check(c, shape, values->body, place);
    if (member->required)
        tell_null(c, shape, place);
    return true;
}

/* Without a body, what it would have to hold is missing. */
static void tell_missing(struct checker *c, const struct shape *input, const struct place *root)
{
    for (size_t i = 0; i < input->count; i++) {
        const struct shape_member *member = shape_member_at(input, i);
        struct place at = { .up = root, .name = shape_member_name(member) };
        if (member->required && member->location == SHAPE_IN_BODY)
            tell_null(c, shape_at(member->shape), &at);
    }
}

static bool check_input(struct checker *c, const struct aws_values *values)
{
    const struct shape *input = values->operation->input;
    const struct place root = { 0 };
    bool has_payload = false;
    for (size_t i = 0; i < input->count; i++) {
        const struct shape_member *member = shape_member_at(input, i);
        struct place at = { .up = &root, .name = shape_member_name(member) };
        has_payload |= member->payload;
        if (member->payload && !check_payload(c, values, member, &at))
            return false;
        if (member->location != SHAPE_IN_BODY && !check_outside_body(c, values, member, &at))
            return false;
    }
    if (has_payload)
        return true;
    if (values->body != NULL)
        return check_structure(c, input, values->body, &root);
    tell_missing(c, input, &root);
    return true;
}

/* ---- the whole ---- */

static enum aws_status settle(struct checker *c, struct view *message)
{
    enum aws_status status = AWS_OK;
    if (c->stopped) {
        status = AWS_SERIALIZATION;
        *message = c->message;
    } else if (c->errors > 0) {
        status = AWS_VALIDATION;
        const char *text = arena_printf(c->arena, "%u validation error%s detected: " VIEW_FMT, c->errors, c->errors == 1 ? "" : "s",
                                        VIEW_ARG(buf_view(&c->text)));
        *message = view_from_cstr(text);
    }
    buf_free(&c->text);
    return status;
}

enum aws_status aws_validate(const struct aws_values *values, struct arena *arena, struct view *message)
{
    struct checker c = { .arena = arena, .text = BUF_INIT(MESSAGE_MAX) };
    if (values->operation->input != NULL)
        check_input(&c, values);
    return settle(&c, message);
}

enum aws_status aws_validate_shape(const struct shape *shape, const struct json *value, struct arena *arena, struct view *message)
{
    struct checker c = { .arena = arena, .text = BUF_INIT(MESSAGE_MAX) };
    const struct place root = { 0 };
    check(&c, shape, value, &root);
    return settle(&c, message);
}
