#include "unit.h"

#include "engine/wire.h"

#define CAP (1u << 20)

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(CAP);
    return arena == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static void frames_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(CAP);
    assert_true(wire_append(&bytes, WIRE_CALL, 7, VIEW("{}")));
    assert_true(wire_append(&bytes, WIRE_CANCEL, 0xfffffffe, VIEW("")));

    size_t offset = 0;
    struct wire_frame frame;
    assert_int_equal(wire_next(&bytes, &offset, &frame), WIRE_FRAME);
    assert_int_equal(frame.type, WIRE_CALL);
    assert_int_equal(frame.stream, 7);
    assert_view_is(frame.payload, "{}");
    assert_int_equal(wire_next(&bytes, &offset, &frame), WIRE_FRAME);
    assert_int_equal(frame.type, WIRE_CANCEL);
    assert_int_equal(frame.stream, 0xfffffffe);
    assert_int_equal(frame.payload.len, 0);
    assert_int_equal(wire_next(&bytes, &offset, &frame), WIRE_MORE);
    assert_int_equal(offset, bytes.len);
    buf_free(&bytes);
}

static void frame_cut_anywhere_asks_for_more(void **state)
{
    (void)state;
    struct buf whole = BUF_INIT(CAP);
    assert_true(wire_append(&whole, WIRE_STATS, 0, VIEW("{\"running\":1}")));
    for (size_t len = 0; len < whole.len; len++) {
        struct buf part = BUF_INIT(CAP);
        buf_append(&part, whole.ptr, len);
        size_t offset = 0;
        struct wire_frame frame;
        assert_int_equal(wire_next(&part, &offset, &frame), WIRE_MORE);
        assert_int_equal(offset, 0);
        buf_free(&part);
    }
    buf_free(&whole);
}

static enum wire_result result_of_header(const unsigned char header[WIRE_HEADER_SIZE])
{
    struct buf bytes = BUF_INIT(CAP);
    buf_append(&bytes, header, WIRE_HEADER_SIZE);
    size_t offset = 0;
    struct wire_frame frame;
    enum wire_result result = wire_next(&bytes, &offset, &frame);
    buf_free(&bytes);
    return result;
}

static void header_that_breaks_the_protocol_is_refused(void **state)
{
    (void)state;
    const unsigned char fine[] = { 0, 0, 0, 0, WIRE_DONE, 0, 0, 0, 0, 0, 0, 0 };
    const unsigned char too_long[] = { 1, 0, 0, 4, WIRE_DONE, 0, 0, 0, 0, 0, 0, 0 };
    const unsigned char no_type[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    const unsigned char unknown_type[] = { 0, 0, 0, 0, WIRE_TYPE_COUNT, 0, 0, 0, 0, 0, 0, 0 };
    const unsigned char not_zero[] = { 0, 0, 0, 0, WIRE_DONE, 0, 1, 0, 0, 0, 0, 0 };
    assert_int_equal(result_of_header(fine), WIRE_FRAME);
    assert_int_equal(result_of_header(too_long), WIRE_BROKEN);
    assert_int_equal(result_of_header(no_type), WIRE_BROKEN);
    assert_int_equal(result_of_header(unknown_type), WIRE_BROKEN);
    assert_int_equal(result_of_header(not_zero), WIRE_BROKEN);
}

static void payload_over_the_cap_leaves_the_frames_before_it_alone(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT((size_t)2 * WIRE_MAX_PAYLOAD);
    assert_true(wire_append(&bytes, WIRE_DONE, 0, VIEW("")));
    size_t begun = wire_begin(&bytes, WIRE_CALL, 1);
    assert_non_null(buf_reserve(&bytes, WIRE_MAX_PAYLOAD + 1));
    buf_commit(&bytes, WIRE_MAX_PAYLOAD + 1);
    assert_false(wire_end(&bytes, begun));
    assert_int_equal(bytes.len, WIRE_HEADER_SIZE);
    assert_false(buf_failed(&bytes));
    buf_free(&bytes);
}

static void hello_carries_version_and_build(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(CAP);
    assert_true(wire_append_hello(&bytes));
    size_t offset = 0;
    struct wire_frame frame;
    assert_int_equal(wire_next(&bytes, &offset, &frame), WIRE_FRAME);
    uint32_t version = 0;
    struct view build_id;
    assert_true(wire_read_hello(frame.payload, &version, &build_id));
    assert_int_equal(version, WIRE_VERSION);
    assert_view_is(build_id, wire_build_id());
    assert_true(build_id.len > 0);
    assert_false(wire_read_hello(view_first(frame.payload, frame.payload.len - 1), &version, &build_id));
    buf_free(&bytes);
}

static void numbers_need_four_bytes(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(CAP);
    assert_true(wire_append_u32(&bytes, WIRE_GRANT, 0, WIRE_GRANT_STANDING | 2));
    struct view payload = view_from(buf_view(&bytes), WIRE_HEADER_SIZE);
    uint32_t number = 0;
    assert_true(wire_read_u32(payload, &number));
    assert_int_equal(number, WIRE_GRANT_STANDING | 2);
    assert_false(wire_read_u32(view_first(payload, 3), &number));
    buf_free(&bytes);
}

static const struct token_prob two_probs[] = {
    { VIEW_INIT("Par"), -0.25f, -1.5f },
    { VIEW_INIT("is"), 0.0f, -30.0f },
};

static const struct gen_delta every_delta[] = {
    { .type = GEN_BEGIN, .input_tokens = 550, .cached_tokens = 512 },
    { .type = GEN_TEXT, .text = VIEW_INIT("Paris"), .probs = two_probs, .prob_count = 2 },
    { .type = GEN_REASONING, .text = VIEW_INIT("\xe6\xad\x89") },
    { .type = GEN_TOOL_START, .tool_index = 3, .id = VIEW_INIT("call-1"), .name = VIEW_INIT("weather") },
    { .type = GEN_TOOL_ARGUMENTS, .tool_index = 3, .text = VIEW_INIT("{\"city\":") },
};

static void assert_delta_eq(const struct gen_delta *a, const struct gen_delta *b)
{
    assert_int_equal(a->type, b->type);
    assert_view_eq(a->text, b->text);
    assert_int_equal(a->tool_index, b->tool_index);
    assert_view_eq(a->id, b->id);
    assert_view_eq(a->name, b->name);
    assert_int_equal(a->input_tokens, b->input_tokens);
    assert_int_equal(a->cached_tokens, b->cached_tokens);
    assert_int_equal(a->prob_count, b->prob_count);
    for (size_t i = 0; i < a->prob_count; i++) {
        assert_view_eq(a->probs[i].token, b->probs[i].token);
        assert_true(a->probs[i].logprob == b->probs[i].logprob && a->probs[i].runner_up == b->probs[i].runner_up);
    }
}

static void batch_of_deltas_is_read_one_by_one(void **state)
{
    (void)state;
    struct buf batch = BUF_INIT(CAP);
    for (size_t i = 0; i < COUNT_OF(every_delta); i++)
        wire_write_delta(&batch, &every_delta[i]);
    struct view rest = buf_view(&batch);
    for (size_t i = 0; i < COUNT_OF(every_delta); i++) {
        struct gen_delta delta;
        assert_true(wire_read_delta(arena, &rest, &delta));
        assert_delta_eq(&delta, &every_delta[i]);
    }
    assert_int_equal(rest.len, 0);
    buf_free(&batch);
}

static void delta_cut_anywhere_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(every_delta); i++) {
        struct buf bytes = BUF_INIT(CAP);
        wire_write_delta(&bytes, &every_delta[i]);
        for (size_t len = 0; len < bytes.len; len++) {
            struct view part = view_first(buf_view(&bytes), len);
            struct gen_delta delta;
            assert_false(wire_read_delta(arena, &part, &delta));
        }
        buf_free(&bytes);
    }
}

static void delta_with_an_absurd_count_asks_for_no_memory(void **state)
{
    (void)state;
    struct view payload = VIEW("\x01\0\0\0\0\xff\xff\xff\xff");
    struct gen_delta delta;
    assert_false(wire_read_delta(arena, &payload, &delta));
    assert_int_equal(arena_used(arena), 0);
}

static void vectors_come_out_as_they_went_in_from_any_address(void **state)
{
    (void)state;
    const float vectors[] = { 0.5f, -0.5f, 1.0f, 0.25f, 0.0f, -1.0f };
    const int32_t counts[] = { 4, 9 };
    const struct embed_result result = { .vectors = vectors, .count = 2, .dimensions = 3, .token_counts = counts };
    struct buf bytes = BUF_INIT(CAP);
    buf_append_byte(&bytes, 'x');
    wire_write_vectors(&bytes, &result);
    struct embed_result back;
    assert_true(wire_read_vectors(arena, view_from(buf_view(&bytes), 1), &back));
    assert_int_equal(back.count, 2);
    assert_int_equal(back.dimensions, 3);
    assert_memory_equal(back.vectors, vectors, sizeof vectors);
    assert_memory_equal(back.token_counts, counts, sizeof counts);
    buf_free(&bytes);
}

static void vectors_whose_size_does_not_match_are_malformed(void **state)
{
    (void)state;
    struct embed_result result;
    assert_true(wire_read_vectors(arena, VIEW("\1\0\0\0\1\0\0\0" "aaaabbbb"), &result));
    assert_false(wire_read_vectors(arena, VIEW("\1\0\0\0\1\0\0\0" "aaaabbb"), &result));
    assert_false(wire_read_vectors(arena, VIEW("\1\0\0\0\1\0\0\0" "aaaabbbbc"), &result));
    assert_false(wire_read_vectors(arena, VIEW("\xff\xff\xff\xff\xff\xff\xff\xff"), &result));
    assert_false(wire_read_vectors(arena, VIEW("\1\0\0\0\1\0"), &result));
}

static void end_comes_out_as_it_went_in(void **state)
{
    (void)state;
    const struct engine_end end = {
        .status = ENGINE_MODEL_ERROR,
        .message = "the backend failed",
        .original_status = 503,
        .reason = GEN_STOP_SEQUENCE,
        .stop = VIEW_INIT("\n\nHuman:"),
        .usage = { .input_tokens = 10, .output_tokens = 5000000000, .cached_tokens = 8, .cache_write_tokens = 2 },
        .first_token_us = 123,
        .total_us = 456789,
    };
    struct buf bytes = BUF_INIT(CAP);
    wire_write_end(&bytes, &end);
    struct engine_end back;
    assert_true(wire_read_end(arena, buf_view(&bytes), &back));
    assert_int_equal(back.status, end.status);
    assert_string_equal(back.message, end.message);
    assert_int_equal(back.original_status, 503);
    assert_int_equal(back.reason, GEN_STOP_SEQUENCE);
    assert_view_eq(back.stop, end.stop);
    assert_memory_equal(&back.usage, &end.usage, sizeof end.usage);
    assert_int_equal(back.first_token_us, 123);
    assert_int_equal(back.total_us, 456789);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(wire_read_end(arena, view_first(buf_view(&bytes), len), &back));
    buf_free(&bytes);
}

static void end_with_a_status_that_does_not_exist_is_malformed(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT(CAP);
    wire_write_end(&bytes, &(struct engine_end){ .message = "" });
    struct engine_end back;
    assert_true(wire_read_end(arena, buf_view(&bytes), &back));
    bytes.ptr[0] = ENGINE_THROTTLED + 1;
    assert_false(wire_read_end(arena, buf_view(&bytes), &back));
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_come_out_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(frame_cut_anywhere_asks_for_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_that_breaks_the_protocol_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(payload_over_the_cap_leaves_the_frames_before_it_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hello_carries_version_and_build, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_need_four_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(batch_of_deltas_is_read_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delta_cut_anywhere_is_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(delta_with_an_absurd_count_asks_for_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vectors_come_out_as_they_went_in_from_any_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vectors_whose_size_does_not_match_are_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(end_comes_out_as_it_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(end_with_a_status_that_does_not_exist_is_malformed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
