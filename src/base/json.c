/* base/json.c - reading: yyjson's flat tree behind json.h. A struct json is a yyjson_val; nobody else sees that. */
#include "base/json.h"

#include "base/decimal.h"

#include <yyjson.h>

static const yyjson_val *val_of(const struct json *value)
{
    return (const yyjson_val *)value;
}

static const struct json *json_of(const yyjson_val *val)
{
    return (const struct json *)val;
}

/* yyjson's own accessors take values that are not const; they change nothing. */
static yyjson_val *borrow(const struct json *value)
{
    return (yyjson_val *)(uintptr_t)value;
}

/* ---- memory: everything goes to the arena; the newest piece may still change its size ---- */

struct arena_allocator {
    struct arena *arena;
    void *last;
    size_t last_size;
};

static void *alloc_in_arena(void *ctx, size_t size)
{
    struct arena_allocator *allocator = ctx;
    allocator->last = arena_bytes(allocator->arena, size);
    allocator->last_size = size;
    return allocator->last;
}

static void *resize_in_arena(void *ctx, void *ptr, size_t old_size, size_t size)
{
    struct arena_allocator *allocator = ctx;
    allocator->last = arena_resize(allocator->arena, ptr, old_size, size);
    allocator->last_size = size;
    return allocator->last;
}

static void leave_to_arena(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

/* yyjson guesses how many values there will be, and guesses high; what it did not need goes back to the arena. */
static void return_spare_values(struct arena_allocator *allocator, yyjson_doc *doc)
{
    size_t used = (size_t)((char *)(doc->root + doc->val_read) - (char *)doc);
    if ((void *)doc == allocator->last && used < allocator->last_size)
        arena_resize(allocator->arena, doc, allocator->last_size, used);
}

/* ---- depth: yyjson has no limit, and whoever walks a tree relies on one ---- */

/* '[' and '{' differ in one bit, so eight bytes are compared at once. Counting ends when it passes the limit. */
static bool has_more_openers_than(struct view text, size_t limit)
{
    const uint64_t low7 = 0x7f7f7f7f7f7f7f7fu;
    size_t count = 0;
    size_t at = 0;
    uint64_t word;
    for (; at + sizeof word <= text.len && count <= limit; at += sizeof word) {
        memcpy(&word, text.ptr + at, sizeof word);
        uint64_t difference = (word | 0x2020202020202020u) ^ 0x7b7b7b7b7b7b7b7bu;
        uint64_t equal = ~(((difference & low7) + low7) | difference | low7);
        if (equal != 0)
            count += (size_t)__builtin_popcountll(equal);
    }
    for (; at < text.len; at++)
        count += (text.ptr[at] | 0x20) == '{';
    return count > limit;
}

static size_t skip_string(struct view text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++) {
        if (text.ptr[at] == '\\')
            at++;
    }
    return at;
}

/* Where nesting passes the limit, or VIEW_NPOS. Exact for valid text; the rest is refused anyway. */
static size_t find_too_deep(struct view text, size_t max_depth)
{
    if (!has_more_openers_than(text, max_depth))
        return VIEW_NPOS;
    size_t depth = 0;
    for (size_t at = 0; at < text.len; at++) {
        switch (text.ptr[at]) {
        case '"':
            at = skip_string(text, at);
            break;
        case '[':
        case '{':
            if (++depth > max_depth)
                return at;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        default:
            break;
        }
    }
    return VIEW_NPOS;
}

const struct json *json_parse(struct arena *arena, struct view text, size_t max_depth, struct json_error *error)
{
    struct json_error ignored;
    if (error == NULL)
        error = &ignored;
    size_t too_deep = find_too_deep(text, max_depth);
    if (too_deep != VIEW_NPOS) {
        *error = (struct json_error){ too_deep, "nested too deeply" };
        return NULL;
    }
    struct arena_allocator allocator = { .arena = arena };
    yyjson_alc alc = { alloc_in_arena, resize_in_arena, leave_to_arena, &allocator };
    yyjson_read_err err;
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW, &alc, &err);
    if (doc == NULL) {
        *error = (struct json_error){ err.pos, err.msg };
        return NULL;
    }
    return_spare_values(&allocator, doc);
    return json_of(doc->root);
}

/* ---- looking at values ---- */

enum json_type json_type(const struct json *value)
{
    if (value == NULL)
        return JSON_ABSENT;
    switch (unsafe_yyjson_get_type(borrow(value))) {
    case YYJSON_TYPE_NULL:
        return JSON_NULL;
    case YYJSON_TYPE_BOOL:
        return JSON_BOOL;
    case YYJSON_TYPE_RAW:
        return JSON_NUMBER;
    case YYJSON_TYPE_STR:
        return JSON_STRING;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return JSON_OBJECT;
    default:
        return JSON_ABSENT;
    }
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = { "absent", "null", "boolean", "number", "string", "array", "object" };
    return names[type];
}

bool json_is(const struct json *value, enum json_type type)
{
    return json_type(value) == type;
}

size_t json_size(const struct json *container)
{
    return json_is(container, JSON_ARRAY) || json_is(container, JSON_OBJECT) ? unsafe_yyjson_get_len(borrow(container))
                                                                              : 0;
}

static struct view text_of(const yyjson_val *val)
{
    return (struct view){ val->uni.str, (size_t)(val->tag >> YYJSON_TAG_BIT) };
}

struct view json_string(const struct json *value)
{
    return json_is(value, JSON_STRING) ? text_of(val_of(value)) : (struct view){ NULL, 0 };
}

struct view json_number_text(const struct json *value)
{
    return json_is(value, JSON_NUMBER) ? text_of(val_of(value)) : (struct view){ NULL, 0 };
}

bool json_bool(const struct json *value, bool fallback)
{
    return json_is(value, JSON_BOOL) ? unsafe_yyjson_get_bool(borrow(value)) : fallback;
}

bool json_to_double(const struct json *value, double *out)
{
    return view_to_double(json_number_text(value), out);
}

bool json_to_i64(const struct json *value, int64_t *out)
{
    struct decimal d;
    struct view text = json_number_text(value);
    return view_to_i64(text, out) || (decimal_parse(text, &d) && decimal_to_i64(&d, out));
}

/* ---- walking ---- */

struct json_iter json_iter(const struct json *container)
{
    struct json_iter it = { .index = SIZE_MAX };
    size_t size = json_size(container);
    if (size > 0) {
        it.impl[0] = unsafe_yyjson_get_first(borrow(container));
        it.impl[1] = (const void *)(uintptr_t)size;
        it.impl[2] = json_is(container, JSON_OBJECT) ? container : NULL;
    }
    return it;
}

bool json_next(struct json_iter *it)
{
    if (it->impl[1] == NULL)
        return false;
    yyjson_val *val = borrow(it->impl[0]);
    if (it->impl[2] != NULL)
        it->key = text_of(val++);
    it->value = json_of(val);
    it->index++;
    it->impl[0] = unsafe_yyjson_get_next(val);
    it->impl[1] = (const void *)((uintptr_t)it->impl[1] - 1);
    return true;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return json_get_view(object, view_from_cstr(key));
}

const struct json *json_get_view(const struct json *object, struct view key)
{
    const struct json *found = NULL;
    if (!json_is(object, JSON_OBJECT))
        return NULL;
    struct json_iter it = json_iter(object);
    while (json_next(&it)) {
        if (view_eq(it.key, key))
            found = it.value;
    }
    return found;
}

const struct json *json_at(const struct json *array, size_t index)
{
    return json_is(array, JSON_ARRAY) ? json_of(yyjson_arr_get(borrow(array), index)) : NULL;
}

struct view json_get_string(const struct json *object, const char *key)
{
    return json_string(json_get(object, key));
}

bool json_get_i64(const struct json *object, const char *key, int64_t *out)
{
    return json_to_i64(json_get(object, key), out);
}

bool json_get_double(const struct json *object, const char *key, double *out)
{
    return json_to_double(json_get(object, key), out);
}

/* ---- JSON pointers ---- */

static bool token_is_valid(struct view token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '~' && (++i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1')))
            return false;
    }
    return true;
}

/* Compares a valid token, where ~1 stands for a slash and ~0 for a tilde, with a key. */
static bool token_names(struct view token, struct view key)
{
    size_t k = 0;
    for (size_t t = 0; t < token.len; t++, k++) {
        char c = token.ptr[t];
        if (c == '~')
            c = token.ptr[++t] == '1' ? '/' : '~';
        if (k >= key.len || key.ptr[k] != c)
            return false;
    }
    return k == key.len;
}

static const struct json *step(const struct json *value, struct view token)
{
    uint64_t index;
    const struct json *found = NULL;
    if (json_is(value, JSON_ARRAY)) {
        bool is_index = view_to_u64(token, &index) && (token.len == 1 || token.ptr[0] != '0');
        return is_index ? json_at(value, index) : NULL;
    }
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        if (token_names(token, it.key))
            found = it.value;
    }
    return found;
}

const struct json *json_pointer(const struct json *root, struct view pointer, bool *valid)
{
    bool ignored;
    if (valid == NULL)
        valid = &ignored;
    *valid = pointer.len == 0 || pointer.ptr[0] == '/';
    if (pointer.len == 0 || !*valid)
        return pointer.len == 0 ? root : NULL;
    struct view rest = view_from(pointer, 1);
    while (rest.ptr != NULL) {
        struct view token = view_split(&rest, '/');
        *valid = *valid && token_is_valid(token);
        root = *valid ? step(root, token) : NULL;
    }
    return root;
}
