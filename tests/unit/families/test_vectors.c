#include "unit.h"

#include "families/vectors.h"

#include <math.h>

static struct arena *arena;
static struct buf out;
static struct json_writer writer;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(1 << 20);
    buf_init(&out, 1 << 16);
    json_writer_init(&writer, &out);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    arena_destroy(arena);
    return 0;
}

static const float unit[] = { 0.6f, -0.8f, 0, 0 };

static void more_dimensions_are_zeros(void **state)
{
    (void)state;
    struct vector vector = vector_fit(arena, unit, 4, 6);
    vector_write_float(&writer, &vector);
    assert_view_is(buf_view(&out), "[0.6,-0.8,0.0,0.0,0.0,0.0]");
    assert_int_equal(vector.real, 4);
}

static void fewer_dimensions_have_length_one_again(void **state)
{
    static const float row[] = { 0.5f, 0.5f, 0.5f, 0.5f };
    (void)state;
    struct vector vector = vector_fit(arena, row, 4, 2);
    assert_int_equal(vector.size, 2);
    assert_float_equal(vector.values[0], sqrtf(0.5f), 1e-6);
    assert_float_equal(vector.values[1], sqrtf(0.5f), 1e-6);
}

static void as_many_as_there_are_are_not_touched(void **state)
{
    (void)state;
    assert_ptr_equal(vector_fit(arena, unit, 4, 4).values, unit);
    assert_ptr_equal(vector_fit(arena, unit, 4, 0).values, unit);
}

static void bytes_keep_direction_and_stay_in_range(void **state)
{
    (void)state;
    struct vector vector = vector_fit(arena, unit, 4, 6);
    vector_write_int8(&writer, &vector);                    /* 127 * sqrt(4) / 4 = 63.5 for 1.0 */
    assert_view_is(buf_view(&out), "[38,-51,0,0,0,0]");
    buf_clear(&out);
    vector_write_uint8(&writer, &vector);
    assert_view_is(buf_view(&out), "[166,77,128,128,128,128]");

    const float wild[] = { 100, -100, NAN };
    vector = vector_fit(arena, wild, 3, 0);
    buf_clear(&out);
    vector_write_int8(&writer, &vector);
    assert_view_is(buf_view(&out), "[127,-128,-128]");
}

static void bits_are_packed_eight_a_byte_highest_first(void **state)
{
    static const float row[] = { 1, -1, 0, 1, 1, 0, 0, 1, 1, -1 };
    (void)state;
    struct vector vector = vector_fit(arena, row, 10, 0);
    vector_write_bits(&writer, &vector);
    assert_view_is(buf_view(&out), "[1,0,0,1,1,0,0,1,1,0]");
    buf_clear(&out);
    vector_write_packed(&writer, &vector, false);
    assert_view_is(buf_view(&out), "[153,128]");
    buf_clear(&out);
    vector_write_packed(&writer, &vector, true);
    assert_view_is(buf_view(&out), "[25,0]");
}

static void cosine_survives_the_bytes(void **state)
{
    float a[384], b[384];
    double dot = 0, length = 0, dot8 = 0, a8 = 0, b8 = 0, b_length = 0;
    (void)state;
    for (int i = 0; i < 384; i++) {
        a[i] = sinf((float)i * 1.7f);
        b[i] = a[i] + 0.5f * cosf((float)i * 3.1f);
        length += (double)a[i] * a[i];
        b_length += (double)b[i] * b[i];
    }
    for (int i = 0; i < 384; i++) {
        a[i] /= (float)sqrt(length);
        b[i] /= (float)sqrt(b_length);
        dot += (double)a[i] * b[i];
    }
    struct vector va = vector_fit(arena, a, 384, 0), vb = vector_fit(arena, b, 384, 0);
    vector_write_int8(&writer, &va);
    const struct json *ja = json_parse(arena, buf_view(&out), 8, NULL);
    buf_clear(&out);
    vector_write_int8(&writer, &vb);
    const struct json *jb = json_parse(arena, buf_view(&out), 8, NULL);
    for (size_t i = 0; i < 384; i++) {
        double x = 0, y = 0;
        assert_true(json_to_double(json_at(ja, i), &x) && json_to_double(json_at(jb, i), &y));
        dot8 += x * y;
        a8 += x * x;
        b8 += y * y;
    }
    assert_true(fabs(dot8 / sqrt(a8 * b8) - dot) < 0.005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(more_dimensions_are_zeros, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fewer_dimensions_have_length_one_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_many_as_there_are_are_not_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_keep_direction_and_stay_in_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bits_are_packed_eight_a_byte_highest_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cosine_survives_the_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
