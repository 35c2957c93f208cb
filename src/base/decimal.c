/* base/decimal.c - see decimal.h. */
#include "base/decimal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPONENT_LIMIT 100000000 /* keeps sums of exponents far from overflow; anything there is 0 or out of range */

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Digits go in without leading zeros; zeros are held back in *zeros until a digit that is not zero follows. */
static void add_digit(struct decimal *d, char digit, int64_t *zeros)
{
    if (digit == '0') {
        if (d->count > 0)
            ++*zeros;
        return;
    }
    for (; *zeros > 0 && d->count < DECIMAL_DIGITS; --*zeros)
        d->digits[d->count++] = '0';
    if (d->count < DECIMAL_DIGITS) {
        d->digits[d->count++] = digit;
        return;
    }
    /* Past the room: the place is kept by the exponent, and that something follows by a last digit that is not zero. */
    if (d->digits[DECIMAL_DIGITS - 1] == '0')
        d->digits[DECIMAL_DIGITS - 1] = '1';
    ++*zeros;
}

static const char *parse_exponent(const char *at, const char *end, int64_t *exponent)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!is_digit(at, end))
        return NULL;
    int64_t value = 0;
    for (; is_digit(at, end); at++) {
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*at - '0');
    }
    *exponent = negative ? -value : value;
    return at;
}

bool decimal_parse(struct view text, struct decimal *out)
{
    int64_t zeros = 0;
    int64_t fraction = 0;
    int64_t exponent = 0;

    out->count = 0;
    if (text.len == 0)
        return false;
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;
    out->negative = *at == '-';
    if (out->negative)
        at++;
    if (!is_digit(at, end) || (*at == '0' && is_digit(at + 1, end)))
        return false;
    for (; is_digit(at, end); at++)
        add_digit(out, *at, &zeros);
    if (at < end && *at == '.') {
        at++;
        if (!is_digit(at, end))
            return false;
        for (; is_digit(at, end); at++, fraction++)
            add_digit(out, *at, &zeros);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = parse_exponent(at + 1, end, &exponent);
        if (at == NULL)
            return false;
    }
    out->digits[out->count] = '\0';
    out->exponent = exponent - fraction + zeros;
    return at == end;
}

/* Exact when both factors are exact doubles and one operation joins them. */
static bool small_to_double(const struct decimal *d, double *out)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (d->count > 15 || d->exponent < -22 || d->exponent > 22)
        return false;
    int64_t whole = 0;
    for (size_t i = 0; i < d->count; i++)
        whole = whole * 10 + (d->digits[i] - '0');
    double value = d->exponent < 0 ? (double)whole / powers[-d->exponent] : (double)whole * powers[d->exponent];
    *out = d->negative ? -value : value;
    return true;
}

bool decimal_to_double(const struct decimal *d, double *out)
{
    if (small_to_double(d, out))
        return true;
    int64_t magnitude = d->exponent + (int64_t)d->count; /* the value is below 10^magnitude */
    if (d->count > 0 && magnitude > 310)
        return false;
    if (d->count == 0 || magnitude < -400) {
        *out = d->negative ? -0.0 : 0.0;
        return true;
    }
    /* Without a decimal point strtod() gives the same in every locale. */
    char text[DECIMAL_DIGITS + 32];
    snprintf(text, sizeof text, "%s%se%lld", d->negative ? "-" : "", d->digits, (long long)d->exponent);
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool decimal_to_i64(const struct decimal *d, int64_t *out)
{
    if (d->count == 0) {
        *out = 0;
        return true;
    }
    if (d->exponent < 0 || d->exponent + (int64_t)d->count > 19)
        return false;
    int64_t value = 0; /* kept negative: the range reaches one further there */
    for (int64_t i = 0; i < (int64_t)d->count + d->exponent; i++) {
        int digit = i < (int64_t)d->count ? d->digits[i] - '0' : 0;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    if (!d->negative && value == INT64_MIN)
        return false;
    *out = d->negative ? value : -value;
    return true;
}
