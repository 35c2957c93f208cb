/* families/vectors.h - a model's vectors in the dimensions and number types that an id promises. Pure functions.
 *
 * More dimensions than the model has: zeros follow, so cosine and dot product stay exactly the model's. Fewer: the rest is cut and
 * what is left is brought back to length one. Bytes and bits are quantised from those real values.
 */
#ifndef CRATON_FAMILIES_VECTORS_H
#define CRATON_FAMILIES_VECTORS_H

#include "base/json.h"

struct vector {
    const float *values;
    size_t size;                                            /* as promised */
    size_t real;                                            /* so many come from the model; the rest is zero */
};

/* promised 0: as many as the model has. Borrows row when nothing has to change. values is NULL when the arena is exhausted. */
struct vector vector_fit(struct arena *arena, const float *row, size_t have, size_t promised);

/* Each writes one JSON array. */
void vector_write_float(struct json_writer *out, const struct vector *vector);
/* One byte a dimension. A unit vector's values spread like 1/√n: four times that is the end of the scale, the same for all
 * vectors of a model, so that dot products compare. Unsigned is the same, moved up by 128. */
void vector_write_int8(struct json_writer *out, const struct vector *vector);
void vector_write_uint8(struct json_writer *out, const struct vector *vector);
/* One bit a dimension, set for values above zero: as 0 and 1, or eight a byte with the first dimension in the highest bit. The
 * signed form is the unsigned one less 128. */
void vector_write_bits(struct json_writer *out, const struct vector *vector);
void vector_write_packed(struct json_writer *out, const struct vector *vector, bool is_signed);

#endif
