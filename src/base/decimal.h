/* base/decimal.h - decimal numbers in JSON's syntax, exactly. Pure functions, private to base/. */
#ifndef CRATON_BASE_DECIMAL_H
#define CRATON_BASE_DECIMAL_H

#include "base/view.h"

/* More digits than this cannot change which double is nearest, once it is known whether any of the rest is not zero. */
#define DECIMAL_DIGITS 800

/* The value is (-1)^negative * digits * 10^exponent. Leading and trailing zeros are not among the digits; zero has none. */
struct decimal {
    bool negative;
    char digits[DECIMAL_DIGITS + 1];                        /* ASCII */
    size_t count;
    int64_t exponent;
};

bool decimal_parse(struct view text, struct decimal *out);  /* false unless the whole text is one JSON number */
bool decimal_to_double(const struct decimal *d, double *out);   /* false when it overflows */
bool decimal_to_i64(const struct decimal *d, int64_t *out);     /* false when not whole or out of range */

#endif
