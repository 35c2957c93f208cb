#include "families/vectors.h"

#include <math.h>

#define SCALE_END 4.0                                       /* standard deviations that a byte can hold */

static void to_unit_length(float *values, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (double)values[i] * values[i];
    if (sum <= 0)
        return;
    double factor = 1 / sqrt(sum);
    for (size_t i = 0; i < size; i++)
        values[i] = (float)(values[i] * factor);
}

struct vector vector_fit(struct arena *arena, const float *row, size_t have, size_t promised)
{
    if (promised == 0 || promised == have)
        return (struct vector){ .values = row, .size = have, .real = have };
    size_t real = have < promised ? have : promised;
    float *values = ARENA_ARRAY(arena, float, promised);
    if (values == NULL)
        return (struct vector){ .values = NULL };
    memcpy(values, row, real * sizeof(*values));
    if (promised < have)
        to_unit_length(values, real);
    return (struct vector){ .values = values, .size = promised, .real = real };
}

void vector_write_float(struct json_writer *out, const struct vector *vector)
{
    json_array(out);
    for (size_t i = 0; vector->values != NULL && i < vector->size; i++)
        json_write_float(out, vector->values[i]);
    json_end(out);
}

static void write_bytes(struct json_writer *out, const struct vector *vector, int offset)
{
    double scale = 127 * sqrt((double)vector->real) / SCALE_END;
    json_array(out);
    for (size_t i = 0; vector->values != NULL && i < vector->size; i++) {
        double byte = round(vector->values[i] * scale);
        byte = byte > 127 ? 127 : byte > -128 ? byte : -128; /* not a number ends at -128 too */
        json_write_i64(out, (int64_t)byte + offset);
    }
    json_end(out);
}

void vector_write_int8(struct json_writer *out, const struct vector *vector)
{
    write_bytes(out, vector, 0);
}

void vector_write_uint8(struct json_writer *out, const struct vector *vector)
{
    write_bytes(out, vector, 128);
}

void vector_write_bits(struct json_writer *out, const struct vector *vector)
{
    json_array(out);
    for (size_t i = 0; vector->values != NULL && i < vector->size; i++)
        json_write_i64(out, vector->values[i] > 0);
    json_end(out);
}

void vector_write_packed(struct json_writer *out, const struct vector *vector, bool is_signed)
{
    json_array(out);
    for (size_t i = 0; vector->values != NULL && i < vector->size; i += 8) {
        int byte = 0;
        for (size_t bit = 0; bit < 8 && i + bit < vector->size; bit++)
            byte |= (vector->values[i + bit] > 0) << (7 - bit);
        json_write_i64(out, is_signed ? byte - 128 : byte);
    }
    json_end(out);
}
