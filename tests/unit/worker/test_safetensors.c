#include "unit.h"

#include "worker/safetensors.h"

/* A file of this header, with `data` bytes behind it. */
static struct view file_of(struct buf *out, const char *header, size_t data)
{
    uint64_t length = strlen(header);
    buf_clear(out);
    buf_append(out, &length, sizeof length);
    buf_append_cstr(out, header);
    for (size_t i = 0; i < data; i++)
        buf_append_byte(out, (char)i);
    return buf_view(out);
}

static void tensors_are_views_into_the_file(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1u << 20);
    struct buf bytes = BUF_INIT(1u << 20);
    struct safetensors all = { 0 };
    const char *problem;
    struct view file =
        file_of(&bytes,
                "{\"__metadata__\":{\"format\":\"pt\"},\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[4,28]},"
                "\"s\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]},\"i\":{\"dtype\":\"I64\",\"shape\":[0],"
                "\"data_offsets\":[28,28]}}",
                28);
    assert_true(safetensors_parse(arena, file, &all, &problem));
    assert_int_equal(all.count, 3);
    const struct safetensor *a = safetensors_find(&all, VIEW("a.weight"));
    assert_non_null(a);
    assert_int_equal(a->type, ST_F32);
    assert_int_equal(a->dims, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 3);
    assert_int_equal(a->shape[2], 1);
    assert_int_equal(a->data.len, 24);
    assert_int_equal(a->data.ptr[0], 4);
    assert_int_equal(safetensors_find(&all, VIEW("s"))->type, ST_BF16);
    assert_int_equal(safetensors_find(&all, VIEW("i"))->type, ST_OTHER);
    assert_null(safetensors_find(&all, VIEW("b")));
    buf_free(&bytes);
    arena_destroy(arena);
}

static void several_files_add_up(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1u << 20);
    struct buf first = BUF_INIT(1u << 20), second = BUF_INIT(1u << 20);
    struct safetensors all = { 0 };
    const char *problem;
    assert_true(safetensors_parse(arena, file_of(&first, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
                                  &all, &problem));
    assert_true(safetensors_parse(arena, file_of(&second, "{\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2),
                                  &all, &problem));
    assert_non_null(safetensors_find(&all, VIEW("a")));
    assert_non_null(safetensors_find(&all, VIEW("b")));
    buf_free(&first);
    buf_free(&second);
    arena_destroy(arena);
}

static void whatever_points_out_of_the_file_is_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",
        "[]",
        "{\"a\":1}",
        "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,18446744073709551616]}}",
    };
    struct arena *arena = arena_create(1u << 20);
    struct buf bytes = BUF_INIT(1u << 20);
    const char *problem;
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct safetensors all = { 0 };
        if (safetensors_parse(arena, file_of(&bytes, headers[i], 8), &all, &problem))
            fail_msg("accepted: %s", headers[i]);
        assert_non_null(problem);
    }
    struct safetensors all = { 0 };
    assert_false(safetensors_parse(arena, VIEW("\1\0\0"), &all, &problem));
    assert_false(safetensors_parse(arena, VIEW("\xff\xff\xff\xff\xff\xff\xff\xff{}"), &all, &problem));
    assert_false(safetensors_parse(arena, VIEW("\3\0\0\0\0\0\0\0{}"), &all, &problem));
    buf_free(&bytes);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_views_into_the_file),
        cmocka_unit_test(several_files_add_up),
        cmocka_unit_test(whatever_points_out_of_the_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
