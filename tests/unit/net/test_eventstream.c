#include "unit.h"

#include "base/encode.h"
#include "net/eventstream.h"

static const struct eventstream_header chunk[] = {
    { VIEW_INIT(":event-type"), VIEW_INIT("chunk") },
    { VIEW_INIT(":content-type"), VIEW_INIT("application/json") },
    { VIEW_INIT(":message-type"), VIEW_INIT("event") },
};

static void append_chunk(struct buf *out)
{
    assert_true(eventstream_append(out, chunk, COUNT_OF(chunk), VIEW("{\"bytes\":\"e30=\",\"p\":\"abc\"}")));
}

static void a_frame_is_byte_for_byte_what_bedrock_sends(void **state)
{
    (void)state;
    static const char expected[] =
        "000000750000004bb51e28ce0b3a6576656e742d747970650700056368756e6b0d3a636f6e74656e742d747970650700106170706c69636174696f6e"
        "2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b226279746573223a226533303d222c2270223a22616263227d8bcd2fab";
    struct buf out = BUF_INIT(1000);
    char hex[2 * 117];
    append_chunk(&out);
    assert_int_equal(out.len, 117);
    hex_encode(out.ptr, out.len, hex);
    assert_view_is(view_of(hex, sizeof hex), expected);
    buf_free(&out);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct eventstream_frame frame;
    append_chunk(&out);
    append_chunk(&out);
    for (struct view rest = buf_view(&out); rest.len > 0; rest = view_from(rest, frame.size)) {
        assert_int_equal(eventstream_read(rest, &frame), EVENTSTREAM_FRAME);
        assert_int_equal(frame.header_count, 3);
        assert_view_is(eventstream_header(&frame, ":event-type"), "chunk");
        assert_view_is(eventstream_header(&frame, ":message-type"), "event");
        assert_null(eventstream_header(&frame, ":exception-type").ptr);
        assert_view_is(frame.payload, "{\"bytes\":\"e30=\",\"p\":\"abc\"}");
    }
    buf_free(&out);
}

static void a_frame_that_is_not_whole_is_incomplete(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct eventstream_frame frame;
    append_chunk(&out);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(eventstream_read(view_first(buf_view(&out), len), &frame), EVENTSTREAM_INCOMPLETE);
    buf_free(&out);
}

static void any_flipped_bit_breaks_a_frame(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct eventstream_frame frame;
    append_chunk(&out);
    for (size_t i = 0; i < out.len; i++) {
        out.ptr[i] ^= 0x10;
        assert_int_equal(eventstream_read(buf_view(&out), &frame), EVENTSTREAM_BROKEN);
        out.ptr[i] ^= 0x10;
    }
    buf_free(&out);
}

static void headers_of_other_types_are_skipped(void **state)
{
    (void)state;
    /* A true, a 16-bit number, bytes of length two, and a string. */
    static const char headers[] = "\1a\0\1b\3\1\2\1c\6\0\2xy\1d\7\0\1z";
    char bytes[64] = { 0 };
    size_t headers_len = sizeof headers - 1, total = 12 + headers_len + 4;
    struct eventstream_frame frame;
    bytes[3] = (char)total;
    bytes[7] = (char)headers_len;
    uint32_t crc = crc32_ieee(0, bytes, 8);
    for (size_t i = 0; i < 4; i++)
        bytes[8 + i] = (char)(crc >> (24 - 8 * i));
    memcpy(bytes + 12, headers, headers_len);
    crc = crc32_ieee(0, bytes, total - 4);
    for (size_t i = 0; i < 4; i++)
        bytes[total - 4 + i] = (char)(crc >> (24 - 8 * i));
    assert_int_equal(eventstream_read(view_of(bytes, total), &frame), EVENTSTREAM_FRAME);
    assert_int_equal(frame.header_count, 1);
    assert_view_is(eventstream_header(&frame, "d"), "z");
}

static void limits_are_kept_and_nothing_is_written_beyond_them(void **state)
{
    (void)state;
    static const char long_name[300] = { 0 };
    struct buf out = BUF_INIT(1000);
    struct eventstream_header header = { view_of(long_name, sizeof long_name), VIEW("x") };
    assert_false(eventstream_append(&out, &header, 1, VIEW("")));
    header.name = VIEW("");
    assert_false(eventstream_append(&out, &header, 1, VIEW("")));
    assert_false(eventstream_append(&out, chunk, COUNT_OF(chunk), view_of(long_name, EVENTSTREAM_FRAME_MAX)));
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_byte_for_byte_what_bedrock_sends),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_frame_that_is_not_whole_is_incomplete),
        cmocka_unit_test(any_flipped_bit_breaks_a_frame),
        cmocka_unit_test(headers_of_other_types_are_skipped),
        cmocka_unit_test(limits_are_kept_and_nothing_is_written_beyond_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
