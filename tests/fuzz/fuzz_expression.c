/* fuzz_expression.c - no expression crashes the parser or the evaluator, and every refusal says why. The first line is a condition, the
 * second a projection, the third a value in JSON. */
#include "dynamodb/keys.h"

#include <stdlib.h>

#define ITEM                                                                                                                       \
    "{\"a\":{\"S\":\"x\"},\"b\":{\"N\":\"1\"},\"c\":{\"M\":{\"d\":{\"L\":[{\"N\":\"2\"},{\"SS\":[\"x\"]}]}}},\"e\":{\"BOOL\":true}}"
#define NAMES  "{\"#a\":\"a\",\"#c\":\"c\",\"#d\":\"d\"}"
#define VALUES "{\":s\":{\"S\":\"x\"},\":n\":{\"N\":\"1.50\"},\":t\":{\"S\":\"S\"},\":l\":{\"L\":[{\"N\":\"2\"}]},\":z\":{\"NULL\":true}}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void condition(struct expressions x, struct view text, const struct json *item)
{
    static const struct table_key hash = { "a", 'S' }, range = { "b", 'N' };
    struct table_select select = { .index = NULL };
    const struct condition *parsed = condition_parse(&x, "FilterExpression", text);
    if (parsed == NULL) {
        if (x.problem == NULL)
            abort();
        return;
    }
    if (x.used_name_count > 3 || x.used_value_count > 5)
        abort();
    condition_holds(parsed, item);
    condition_uses(parsed, VIEW("e"));
    if (!keys_select(&x, parsed, &hash, &range, &select) && x.problem == NULL)
        abort();
}

static void projection(struct expressions x, struct view text, const struct json *item)
{
    struct buf out = BUF_INIT(1 << 16);
    struct json_writer w;
    const struct projection *parsed = projection_parse(&x, "ProjectionExpression", text);
    json_writer_init(&w, &out);
    if (parsed == NULL && x.problem == NULL)
        abort();
    if (parsed != NULL)
        projection_write(parsed, item, &w);
    if (parsed != NULL && (json_writer_failed(&w) || json_parse(x.arena, buf_view(&out), 64, NULL) == NULL))
        abort();
    buf_free(&out);
}

static void value(struct arena *arena, struct view text)
{
    const struct json *wrapped = json_parse(arena, text, 64, NULL);
    struct value read = value_of(wrapped);
    int64_t size;
    if (wrapped == NULL || value_problem(wrapped, arena) != NULL)
        return;
    value_size(read, &size);
    if (read.type < VALUE_MAP && !value_equal(read, read))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(16u << 20);
    if (arena == NULL)
        abort();
    const struct expressions x = { .arena = arena, .names = json_parse(arena, VIEW(NAMES), 8, NULL),
                                   .values = json_parse(arena, VIEW(VALUES), 8, NULL) };
    const struct json *item = json_parse(arena, VIEW(ITEM), 16, NULL);
    struct view rest = view_of(data, size);
    condition(x, view_split(&rest, '\n'), item);
    projection(x, view_split(&rest, '\n'), item);
    value(arena, rest);
    arena_destroy(arena);
    return 0;
}
