/* Base64, hexadecimal, percent encodings and CRC-32. */
#include "unit.h"

#include "base/encode.h"

static void base64_pads_and_reads_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" },           { "f", "Zg==" },         { "fo", "Zm8=" },         { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb\xef\xbe", "//77774=" },
    };
    struct arena *arena = arena_create(1 << 16);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct buf buf = BUF_INIT(100);
        struct view back;
        assert_true(base64_append(&buf, view_from_cstr(pairs[i][0])));
        assert_view_is(buf_view(&buf), pairs[i][1]);
        assert_true(base64_decode(arena, buf_view(&buf), &back));
        assert_view_is(back, pairs[i][0]);
        while (buf.len > 0 && buf.ptr[buf.len - 1] == '=')
            buf.len--;
        assert_true(base64_decode(arena, buf_view(&buf), &back));
        assert_view_is(back, pairs[i][0]);
        buf_free(&buf);
    }
    arena_destroy(arena);
}

static void malformed_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "Z", "Zg=", "Zg===", "=", "====", "Zm9v=", "Z g=", "Zm9v\n", "Zm-_", "Zh==", "Zm9=", "Zg==Zg==" };
    struct arena *arena = arena_create(1 << 16);
    struct view out;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (base64_decode(arena, view_from_cstr(bad[i]), &out))
            fail_msg("accepted: %s", bad[i]);
    }
    arena_destroy(arena);
}

static void hex_is_lower_case_out_and_either_case_in(void **state)
{
    (void)state;
    char text[8];
    hex_encode("\x00\x9f\xab\xff", 4, text);
    assert_view_eq(view_of(text, 8), VIEW("009fabff"));
    unsigned char bytes[4];
    assert_true(hex_decode(VIEW("009FabFF"), bytes, 4));
    assert_memory_equal(bytes, "\x00\x9f\xab\xff", 4);
    assert_false(hex_decode(VIEW("009FabF"), bytes, 4));
    assert_false(hex_decode(VIEW("009FabFF0"), bytes, 4));
    assert_false(hex_decode(VIEW("009FabFg"), bytes, 4));
}

static void percent_decoding_wants_two_digits(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16);
    struct view out;
    assert_true(percent_decode(arena, VIEW("a%20b%2Fc%3a+"), false, &out));
    assert_view_is(out, "a b/c:+");
    assert_true(percent_decode(arena, VIEW("a+b%2B"), true, &out));
    assert_view_is(out, "a b+");
    assert_true(percent_decode(arena, VIEW("%00"), false, &out));
    assert_view_eq(out, VIEW("\0"));
    static const char *const bad[] = { "%", "%2", "%2g", "%g2", "a%", "%%20", "% 2" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(percent_decode(arena, view_from_cstr(bad[i]), false, &out));
    arena_destroy(arena);
}

static void percent_encoding_leaves_only_unreserved_characters(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(100);
    assert_true(percent_append(&buf, VIEW("aZ9-._~/:%\xc3 "), false));
    assert_view_is(buf_view(&buf), "aZ9-._~%2F%3A%25%C3%20");
    buf_clear(&buf);
    assert_true(percent_append(&buf, VIEW("a/b c"), true));
    assert_view_is(buf_view(&buf), "a/b%20c");
    buf_free(&buf);
}

static void crc32_matches_its_check_value_in_any_cut(void **state)
{
    (void)state;
    assert_int_equal(crc32_ieee(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(crc32_ieee(0, NULL, 0), 0);
    char bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37);
    uint32_t whole = crc32_ieee(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++)
        assert_int_equal(crc32_ieee(crc32_ieee(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_pads_and_reads_back),
        cmocka_unit_test(malformed_base64_is_refused),
        cmocka_unit_test(hex_is_lower_case_out_and_either_case_in),
        cmocka_unit_test(percent_decoding_wants_two_digits),
        cmocka_unit_test(percent_encoding_leaves_only_unreserved_characters),
        cmocka_unit_test(crc32_matches_its_check_value_in_any_cut),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
