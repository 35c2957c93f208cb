/* fuzz_json.c - whatever json_parse() accepts is valid UTF-8 within the depth, and survives being written and read again. */
#include "base/json.h"
#include "base/utf8.h"

#include <stdlib.h>

#define DEPTH 40

static void require(bool holds)
{
    if (!holds)
        abort();
}

static size_t depth_of(const struct json *value, size_t depth)
{
    size_t deepest = depth;
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        require(utf8_valid(it.key));
        bool container = json_is(it.value, JSON_ARRAY) || json_is(it.value, JSON_OBJECT);
        size_t below = depth_of(it.value, depth + container);
        deepest = below > deepest ? below : deepest;
    }
    require(utf8_valid(json_string(value)));
    return deepest;
}

static void echo(struct buf *out, const struct json *value)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_write_value(&w, value);
    require(!json_writer_failed(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(16u << 20);
    struct json_error error;
    const struct json *first = json_parse(arena, view_of(data, size), DEPTH, &error);
    if (first != NULL) {
        struct buf one = BUF_INIT(64u << 20);
        struct buf two = BUF_INIT(64u << 20);
        int64_t whole;
        double real;
        require(depth_of(first, json_is(first, JSON_ARRAY) || json_is(first, JSON_OBJECT)) <= DEPTH);
        if (json_to_i64(first, &whole))
            require(json_to_double(first, &real));
        json_pointer(first, view_of(data, size), NULL);
        echo(&one, first);
        const struct json *second = json_parse(arena, buf_view(&one), DEPTH, NULL);
        require(second != NULL || arena_exhausted(arena));
        if (second != NULL) {
            echo(&two, second);
            require(view_eq(buf_view(&one), buf_view(&two)));
        }
        buf_free(&one);
        buf_free(&two);
    } else {
        require(error.message != NULL && error.offset <= size);
    }
    arena_destroy(arena);
    return 0;
}
