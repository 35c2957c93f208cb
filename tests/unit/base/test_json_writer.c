/* Writing JSON: commas and nesting, escapes, the shortest numbers, misuse, the buffer's cap. */
#include "unit.h"

#include "base/json.h"

#include <math.h>

static struct buf out;
static struct json_writer w;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static void nested_values_are_separated_by_commas(void **state)
{
    (void)state;
    json_object(&w);
    json_put_cstr(&w, "a", "x");
    json_key(&w, "list");
    json_array(&w);
    json_write_i64(&w, INT64_MIN);
    json_write_u64(&w, UINT64_MAX);
    json_array(&w);
    json_end(&w);
    json_object(&w);
    json_end(&w);
    json_end(&w);
    json_put_bool(&w, "yes", true);
    json_put_cstr(&w, "none", NULL);
    json_put_i64(&w, "n", -1);
    json_end(&w);
    assert_false(json_writer_failed(&w));
    assert_view_is(buf_view(&out), "{\"a\":\"x\",\"list\":[-9223372036854775808,18446744073709551615,[],{}],\"yes\":true,"
                                   "\"none\":null,\"n\":-1}");
}

static void strings_are_escaped_and_always_valid_utf8(void **state)
{
    (void)state;
    json_array(&w);
    json_write_string(&w, VIEW("\"\\/\b\f\n\r\t\x01\x1f\x7f\0"));
    json_write_string(&w, VIEW("\xc3\xa9\xf0\x9f\x98\x80"));
    json_write_string(&w, VIEW("a\xff\xe2\x82z\xed\xa0\x80\xef\xbf\xbd"));
    json_write_string(&w, (struct view){ NULL, 0 });
    json_end(&w);
    assert_false(json_writer_failed(&w));
    assert_view_is(buf_view(&out),
                   "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\",\"\xc3\xa9\xf0\x9f\x98\x80\","
                   "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"\"]");
}

static void every_byte_string_reads_back(void **state)
{
    (void)state;
    char all[128];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    json_write_string(&w, view_of(all, sizeof all));
    struct arena *arena = arena_create(1 << 16);
    assert_view_eq(json_string(json_parse(arena, buf_view(&out), 1, NULL)), view_of(all, sizeof all));
    arena_destroy(arena);
}

static const char *double_text(double number)
{
    buf_clear(&out);
    json_writer_init(&w, &out);
    json_write_double(&w, number);
    buf_append_byte(&out, '\0');
    return out.ptr;
}

static const char *float_text(float number)
{
    buf_clear(&out);
    json_writer_init(&w, &out);
    json_write_float(&w, number);
    buf_append_byte(&out, '\0');
    return out.ptr;
}

static void reals_take_the_fewest_digits(void **state)
{
    (void)state;
    assert_string_equal(double_text(0.1), "0.1");
    assert_string_equal(double_text(1.0), "1.0");
    assert_string_equal(double_text(-0.0), "-0.0");
    assert_string_equal(double_text(0.1 + 0.2), "0.30000000000000004");
    assert_string_equal(double_text(1e300), "1e300");
    assert_string_equal(double_text(NAN), "null");
    assert_string_equal(double_text(-INFINITY), "null");
    assert_string_equal(float_text(0.1f), "0.1");
    assert_string_equal(float_text(16777216.0f), "16777216.0");
    assert_string_equal(float_text(-3.4028235e38f), "-3.4028235e38");
    assert_string_equal(float_text(INFINITY), "null");
}

static void reals_read_back_as_the_same_number(void **state)
{
    (void)state;
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        uint32_t half = (uint32_t)(bits >> 32);
        double number;
        float single;
        memcpy(&number, &bits, sizeof number);
        memcpy(&single, &half, sizeof single);
        double back;
        if (isfinite(number)) {
            assert_true(view_to_double(view_from_cstr(double_text(number)), &back));
            assert_true(back == number);
        }
        if (isfinite(single))
            assert_true(strtof(float_text(single), NULL) == single);
    }
}

static void a_tree_is_echoed_with_its_numbers_as_they_stood(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4 << 20);
    const char *text = "{\"n\":[1.0,1e2,-0,12345678901234567890123,0.10],\"s\":\"a\\nb\xc3\xa9/\",\"o\":{\"x\":null,\"y\":[]}}";
    const struct json *tree = json_parse(arena, view_from_cstr(text), 10, NULL);
    json_array(&w);
    json_write_value(&w, tree);
    json_write_value(&w, json_get(tree, "n"));
    json_end(&w);
    assert_false(json_writer_failed(&w));
    buf_append_byte(&out, '\0');
    char expected[400];
    snprintf(expected, sizeof expected, "[%s,[1.0,1e2,-0,12345678901234567890123,0.10]]", text);
    assert_string_equal(out.ptr, expected);

    char deep[1024]; /* deeper than a writer's own levels */
    memset(deep, '[', 512);
    memset(deep + 512, ']', 512);
    end(NULL);
    begin(NULL);
    json_write_value(&w, json_parse(arena, view_of(deep, sizeof deep), 512, NULL));
    assert_view_eq(buf_view(&out), view_of(deep, sizeof deep));
    arena_destroy(arena);
}

static void base64_is_written_in_place(void **state)
{
    (void)state;
    json_object(&w);
    json_key(&w, "bytes");
    json_write_base64(&w, VIEW("\0\xff"));
    json_end(&w);
    assert_view_is(buf_view(&out), "{\"bytes\":\"AP8=\"}");
}

static void misuse_fails_the_writer(void **state)
{
    (void)state;
    json_object(&w);
    json_write_i64(&w, 1); /* a value without a key */
    assert_true(json_writer_failed(&w));

    json_writer_init(&w, &out);
    json_array(&w);
    json_key(&w, "k"); /* a key in an array */
    json_end(&w);
    assert_true(json_writer_failed(&w));

    json_writer_init(&w, &out);
    json_object(&w);
    json_key(&w, "k");
    json_end(&w); /* a key without a value */
    assert_true(json_writer_failed(&w));

    json_writer_init(&w, &out);
    json_object(&w);
    json_key(&w, "k");
    json_key(&w, "l");
    assert_true(json_writer_failed(&w));

    json_writer_init(&w, &out);
    json_end(&w);
    assert_true(json_writer_failed(&w));

    json_writer_init(&w, &out);
    json_array(&w); /* still open */
    assert_true(json_writer_failed(&w));
    json_end(&w);
    assert_false(json_writer_failed(&w));

    json_writer_init(&w, &out);
    json_write_value(&w, NULL);
    assert_true(json_writer_failed(&w));
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < JSON_WRITER_DEPTH; i++)
        json_array(&w);
    assert_false(w.failed);
    for (int i = 0; i < JSON_WRITER_DEPTH; i++)
        json_end(&w);
    assert_false(json_writer_failed(&w));
    for (int i = 0; i < JSON_WRITER_DEPTH + 1; i++)
        json_array(&w);
    assert_true(w.failed);
}

static void the_cap_of_the_buffer_fails_the_writer(void **state)
{
    (void)state;
    buf_init(&out, 20);
    json_writer_init(&w, &out);
    json_array(&w);
    json_write_cstr(&w, "0123456789");
    assert_false(buf_failed(&out));
    json_write_cstr(&w, "0123456789");
    json_end(&w);
    assert_true(json_writer_failed(&w));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nested_values_are_separated_by_commas),
        TEST(strings_are_escaped_and_always_valid_utf8),
        TEST(every_byte_string_reads_back),
        TEST(reals_take_the_fewest_digits),
        TEST(reals_read_back_as_the_same_number),
        TEST(a_tree_is_echoed_with_its_numbers_as_they_stood),
        TEST(base64_is_written_in_place),
        TEST(misuse_fails_the_writer),
        TEST(nesting_is_bounded),
        TEST(the_cap_of_the_buffer_fails_the_writer),
    };
    return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
