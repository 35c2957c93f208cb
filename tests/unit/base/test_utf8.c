/* UTF-8: what is valid, where it may be cut. */
#include "unit.h"

#include "base/utf8.h"

static void well_formed_text_is_valid(void **state)
{
    (void)state;
    static const char *const good[] = { "", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                                        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "12345678\xe5\xaf\xb9\xe4\xb8\x8d\xe8\xb5\xb7" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(utf8_valid(view_from_cstr(good[i])));
    assert_true(utf8_valid(VIEW("a\0b")));
}

static void malformed_text_is_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2g", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x90\x80", "12345678\xf8\x88\x80\x80\x80",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(utf8_valid(view_from_cstr(bad[i])));
}

static void a_character_that_is_not_complete_is_held_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t whole;
    } cases[] = {
        { "", 0 },
        { "abc", 3 },
        { "ab\xc3", 2 },
        { "ab\xc3\xa9", 4 },
        { "a\xe2\x82", 1 },
        { "a\xe2\x82\xac", 4 },
        { "\xf0\x9f\x98", 0 },
        { "\xf0\x9f\x98\x80", 4 },
        { "ab\x80", 3 },           /* malformed bytes are nobody's beginning: they are not held back */
        { "a\xed\xa0", 3 },
        { "\xff", 1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(utf8_whole(view_from_cstr(cases[i].text)), cases[i].whole);
}

static void decoding_and_appending_are_inverse(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(16);
    for (uint32_t code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 257) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        buf_clear(&buf);
        assert_true(utf8_append(&buf, code));
        uint32_t back = 0;
        assert_int_equal(utf8_decode(buf_view(&buf), &back), buf.len);
        assert_int_equal(back, code);
        assert_true(utf8_valid(buf_view(&buf)));
        assert_int_equal(utf8_count(buf_view(&buf)), 1);
    }
    buf_free(&buf);
}

static void what_is_no_character_becomes_the_replacement_character(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT(16);
    assert_true(utf8_append(&buf, 0xd800));
    assert_true(utf8_append(&buf, 0x110000));
    assert_view_is(buf_view(&buf), "\xef\xbf\xbd\xef\xbf\xbd");
    buf_free(&buf);
    uint32_t code = 0;
    assert_int_equal(utf8_decode(VIEW("\xc0\xaf"), &code), 1);
    assert_int_equal(code, 0xfffd);
    assert_int_equal(utf8_decode(VIEW("\xe2\x82"), &code), 1);
    assert_int_equal(code, 0xfffd);
    assert_int_equal(utf8_decode(VIEW(""), &code), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_text_is_valid),
        cmocka_unit_test(malformed_text_is_not),
        cmocka_unit_test(a_character_that_is_not_complete_is_held_back),
        cmocka_unit_test(decoding_and_appending_are_inverse),
        cmocka_unit_test(what_is_no_character_becomes_the_replacement_character),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
