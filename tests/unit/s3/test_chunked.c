/* The aws-chunked framing, whole, in pieces and broken. */
#include "unit.h"

#include "s3/chunked.h"

#define SIGNATURE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct result {
    char data[256];
    size_t len;
    char fields[256];
    unsigned chunks, signatures;
    bool bad, done;
};

/* Feeds text in steps of so many bytes. */
static void decode(struct view text, size_t step, struct result *out)
{
    struct chunked c;
    *out = (struct result){ 0 };
    chunked_init(&c);
    while (text.len > 0 && !out->bad) {
        struct view piece = view_first(text, step);
        text = view_from(text, piece.len);
        enum chunked_event event;
        do {
            event = chunked_next(&c, &piece);
            if (event == CHUNKED_BEGIN && c.signature.len > 0)
                out->signatures++;
            if (event == CHUNKED_END)
                out->chunks++;
            if (event == CHUNKED_DATA) {
                assert_true(out->len + c.data.len <= sizeof out->data);
                memcpy(out->data + out->len, c.data.ptr, c.data.len);
                out->len += c.data.len;
            }
            if (event == CHUNKED_FIELD)
                snprintf(out->fields + strlen(out->fields), sizeof out->fields - strlen(out->fields), VIEW_FMT "=" VIEW_FMT ";",
                         VIEW_ARG(c.name), VIEW_ARG(c.value));
            out->bad = event == CHUNKED_BAD;
        } while (event != CHUNKED_MORE && event != CHUNKED_BAD);
    }
    out->done = chunked_done(&c);
}

static void a_body_is_the_same_in_pieces_of_any_size(void **state)
{
    (void)state;
    const struct view text = VIEW("b\r\nhello world\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n");
    for (size_t step = 1; step <= text.len; step++) {
        struct result result;
        decode(text, step, &result);
        assert_true(result.done);
        assert_view_is(view_of(result.data, result.len), "hello world!");
        assert_string_equal(result.fields, "x-amz-checksum-crc32=DUoRhQ==;");
        assert_int_equal(result.chunks, 3);
        assert_int_equal(result.signatures, 0);
    }
}

static void signatures_are_told(void **state)
{
    (void)state;
    struct result result;
    decode(VIEW("3;chunk-signature=" SIGNATURE "\r\nabc\r\n0;chunk-signature=" SIGNATURE "\r\n\r\n"), 7, &result);
    assert_true(result.done);
    assert_int_equal(result.signatures, 2);
    assert_int_equal(result.chunks, 2);
    assert_view_is(view_of(result.data, result.len), "abc");
}

static void a_body_that_ends_early_is_not_done(void **state)
{
    (void)state;
    const struct view text = VIEW("3\r\nabc\r\n0\r\n\r\n");
    for (size_t len = 0; len < text.len; len++) {
        struct result result;
        decode(view_first(text, len), 4, &result);
        assert_false(result.done);
        assert_false(result.bad);
    }
}

static void malformed_framing_is_bad_and_stays_so(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\r\n", "x\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "3\r\nab\r\n0\r\n\r\n", " 3\r\nabc\r\n", "-1\r\n", "0x3\r\nabc",
        "10000000000000000\r\n", "3;signature=1\r\n", "3;\r\nabc", "0\r\nno colon\r\n", "0\r\n:value\r\n", "0\r\n\r\nmore",
        "0\r\n\r\n\r\n", "0\r\na:b\n\r\n",
        "0\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct result whole, pieces;
        decode(view_from_cstr(cases[i]), SIZE_MAX, &whole);
        decode(view_from_cstr(cases[i]), 1, &pieces);
        if (!whole.bad || !pieces.bad)
            fail_msg("%s was taken", cases[i]);
    }
}

static void a_line_without_end_is_bad(void **state)
{
    (void)state;
    char line[CHUNKED_LINE_MAX + 8];
    struct result result;
    memset(line, '0', sizeof line);
    decode(view_of(line, sizeof line), 100, &result);
    assert_true(result.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_the_same_in_pieces_of_any_size),
        cmocka_unit_test(signatures_are_told),
        cmocka_unit_test(a_body_that_ends_early_is_not_done),
        cmocka_unit_test(malformed_framing_is_bad_and_stays_so),
        cmocka_unit_test(a_line_without_end_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
