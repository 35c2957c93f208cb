/* Numbers between bounds, as digits: see gbnf.h for what is promised. */
#include "worker/gbnf_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define WHOLE_MAX     999999999999999 /* NUMBER_DIGITS nines */
#define MULTIPLES_MAX 512

struct bounds {
    double low, high;
    bool low_open, high_open; /* the bound itself is not allowed */
    bool bounded;
    double step; /* multipleOf; 0: any */
};

static bool bounds_read(struct gbnf *g, const struct conj *conj, struct bounds *b)
{
    *b = (struct bounds){ .low = -INFINITY, .high = INFINITY };
    for (size_t i = 0; i < conj->count; i++) {
        const struct json *schema = conj->schema[i];
        double value;
        bool old_low = json_bool(json_get(schema, "exclusiveMinimum"), false); /* draft 4: a flag beside the bound */
        bool old_high = json_bool(json_get(schema, "exclusiveMaximum"), false);
        if (json_get_double(schema, "minimum", &value) && value >= b->low) {
            b->low_open = (value == b->low && b->low_open) || old_low;
            b->low = value;
        }
        if (json_get_double(schema, "maximum", &value) && value <= b->high) {
            b->high_open = (value == b->high && b->high_open) || old_high;
            b->high = value;
        }
        if (json_get_double(schema, "exclusiveMinimum", &value) && value >= b->low) {
            b->low = value;
            b->low_open = true;
        }
        if (json_get_double(schema, "exclusiveMaximum", &value) && value <= b->high) {
            b->high = value;
            b->high_open = true;
        }
        if (json_get_double(schema, "multipleOf", &value)) {
            if (!(value > 0))
                return gbnf_refuse(g, "The JSON schema's multipleOf must be greater than 0.") != YIELD_ERROR;
            if (b->step != 0 && b->step != value)
                return gbnf_refuse(g, "Two different values of multipleOf cannot be enforced together.") != YIELD_ERROR;
            b->step = value;
        }
    }
    b->bounded = isfinite(b->low) || isfinite(b->high);
    return true;
}

/* ---- strings of digits between two others ---- */

static void any_digits(struct buf *out, size_t count)
{
    if (count > 0)
        buf_printf(out, " [0-9]{%zu}", count);
}

static bool all_are(const char *digits, size_t count, char digit)
{
    for (size_t i = 0; i < count; i++)
        if (digits[i] != digit)
            return false;
    return true;
}

static void digits_from(struct buf *out, const char *low, size_t count)
{
    if (all_are(low, count, '0')) {
        any_digits(out, count);
        return;
    }
    buf_printf(out, " (\"%c\"", low[0]);
    digits_from(out, low + 1, count - 1);
    if (low[0] < '9') {
        buf_printf(out, " | [%c-9]", low[0] + 1);
        any_digits(out, count - 1);
    }
    buf_append_byte(out, ')');
}

static void digits_to(struct buf *out, const char *high, size_t count)
{
    if (all_are(high, count, '9')) {
        any_digits(out, count);
        return;
    }
    buf_printf(out, " (\"%c\"", high[0]);
    digits_to(out, high + 1, count - 1);
    if (high[0] > '0') {
        buf_printf(out, " | [0-%c]", high[0] - 1);
        any_digits(out, count - 1);
    }
    buf_append_byte(out, ')');
}

/* Exactly count digits, between low and high, both included. */
static void digits_between(struct buf *out, const char *low, const char *high, size_t count)
{
    while (count > 0 && *low == *high) {
        buf_printf(out, " \"%c\"", *low);
        low++;
        high++;
        count--;
    }
    if (count == 0)
        return;
    buf_printf(out, " (\"%c\"", *low);
    digits_from(out, low + 1, count - 1);
    if (*high - *low > 1) {
        buf_printf(out, " | [%c-%c]", *low + 1, *high - 1);
        any_digits(out, count - 1);
    }
    buf_printf(out, " | \"%c\"", *high);
    digits_to(out, high + 1, count - 1);
    buf_append_byte(out, ')');
}

/* Whole numbers from low to high, 0 <= low <= high, without leading zeros; alternatives, not in parentheses. */
static void wholes_between(struct buf *out, uint64_t low, uint64_t high)
{
    bool some = false;
    uint64_t smallest = 0, power = 10; /* of this many digits; one more digit begins at power */
    for (int digits = 1; smallest <= high; digits++) {
        uint64_t from = low > smallest ? low : smallest, to = high < power - 1 ? high : power - 1;
        if (from <= to) {
            char a[24], b[24];
            snprintf(a, sizeof a, "%0*" PRIu64, digits, from);
            snprintf(b, sizeof b, "%0*" PRIu64, digits, to);
            if (some)
                buf_append_cstr(out, " |");
            digits_between(out, a, b, (size_t)digits);
            some = true;
        }
        smallest = power;
        power *= 10;
    }
}

/* ---- whole numbers ---- */

static enum yield integer_multiples(struct gbnf *g, int64_t low, int64_t high, double step, struct buf *out)
{
    double first = ceil((double)low / step), last = floor((double)high / step);
    if (last < first)
        return YIELD_NOTHING;
    double more = last - first;
    if (!(more < MULTIPLES_MAX)) /* also when a tiny step makes it no number */
        return gbnf_refuse(g, "The JSON schema's multipleOf cannot be enforced without narrower bounds.");
    bool some = false;
    for (int i = 0; i <= (int)more; i++) {
        double value = (first + i) * step;
        if (value != floor(value))
            continue;
        buf_printf(out, some ? " | \"%.0f\"" : "\"%.0f\"", value == 0 ? 0.0 : value);
        some = true;
    }
    return some ? YIELD_VALUES : YIELD_NOTHING;
}

static enum yield integer_between(struct gbnf *g, const struct bounds *b, struct buf *out)
{
    double low = isfinite(b->low) ? ceil(b->low) : -(double)WHOLE_MAX, high = isfinite(b->high) ? floor(b->high) : (double)WHOLE_MAX;
    if (b->low_open && low == b->low)
        low += 1;
    if (b->high_open && high == b->high)
        high -= 1;
    if (low < -(double)WHOLE_MAX)
        low = -(double)WHOLE_MAX;
    if (high > (double)WHOLE_MAX)
        high = (double)WHOLE_MAX;
    if (low > high)
        return YIELD_NOTHING;
    if (b->step != 0 && b->step != 1)
        return integer_multiples(g, (int64_t)low, (int64_t)high, b->step, out);
    if (low < 0) {
        buf_append_cstr(out, "\"-\" (");
        wholes_between(out, high < 0 ? (uint64_t)-high : 1, (uint64_t)-low);
        buf_append_cstr(out, high < 0 ? ")" : ") | ");
    }
    if (high >= 0)
        wholes_between(out, low > 0 ? (uint64_t)low : 0, (uint64_t)high);
    return YIELD_VALUES;
}

/* ---- numbers with a fraction ---- */

/* The values that a fixed number of decimals can tell apart: whole numbers of 10^-decimals. */
struct scaled {
    uint64_t low, high;
    unsigned decimals;
    uint64_t unit; /* 10^decimals */
};

/* One whole number and the fractions from..to of it, with exactly the scale's decimals. */
static void one_cell(struct buf *out, const struct scaled *s, uint64_t whole, uint64_t from, uint64_t to)
{
    char a[24], b[24];
    snprintf(a, sizeof a, "%0*" PRIu64, (int)s->decimals, from);
    snprintf(b, sizeof b, "%0*" PRIu64, (int)s->decimals, to);
    buf_printf(out, " \"%" PRIu64, whole);
    if (s->decimals == 0) {
        buf_append_byte(out, '"');
        return;
    }
    buf_append_cstr(out, ".\"");
    digits_between(out, a, b, s->decimals);
    if (from == 0)
        buf_printf(out, " | \"%" PRIu64 "\"", whole);
}

/* low..high, both >= 0: whole numbers all of whose fractions fit are free in their decimals, those at the ends are not. */
static void magnitudes_between(struct buf *out, const struct scaled *s)
{
    uint64_t first = s->low / s->unit, last = s->high / s->unit, from = s->low % s->unit, to = s->high % s->unit;
    if (first == last) {
        one_cell(out, s, first, from, to);
        return;
    }
    bool some = false;
    if (from > 0) {
        one_cell(out, s, first, from, s->unit - 1);
        first++;
        some = true;
    }
    if (first < last) {
        buf_append_cstr(out, some ? " | (" : " (");
        wholes_between(out, first, last - 1);
        buf_printf(out, s->decimals > 0 ? ") (\".\" [0-9]{1,%u})?" : ")", s->decimals);
        some = true;
    }
    if (some)
        buf_append_cstr(out, " |");
    one_cell(out, s, last, 0, to);
}

/* Bounds in units of 10^-decimals; false when nothing lies between them. */
static bool scale_bounds(const struct bounds *b, double unit, double *low, double *high)
{
    double limit = (double)WHOLE_MAX;
    *low = isfinite(b->low) ? ceil(b->low * unit - 1e-6) : -limit;
    *high = isfinite(b->high) ? floor(b->high * unit + 1e-6) : limit;
    if (*low / unit < b->low || (b->low_open && *low / unit <= b->low))
        *low += 1;
    if (*high / unit > b->high || (b->high_open && *high / unit >= b->high))
        *high -= 1;
    *low = *low < -limit ? -limit : *low;
    *high = *high > limit ? limit : *high;
    return *low <= *high;
}

static enum yield number_between(const struct bounds *b, unsigned fewest, unsigned most, struct buf *out)
{
    for (unsigned decimals = fewest; decimals <= most; decimals += 3) {
        double low, high, unit = pow(10, decimals);
        if (!scale_bounds(b, unit, &low, &high))
            continue;
        struct scaled s = { .decimals = decimals, .unit = (uint64_t)unit };
        if (low < 0) {
            s.low = high < 0 ? (uint64_t)-high : 1;
            s.high = (uint64_t)-low;
            buf_append_cstr(out, "\"-\" (");
            magnitudes_between(out, &s);
            buf_append_cstr(out, high < 0 ? ")" : ") | ");
        }
        if (high >= 0) {
            s.low = low > 0 ? (uint64_t)low : 0;
            s.high = (uint64_t)high;
            magnitudes_between(out, &s);
        }
        return YIELD_VALUES;
    }
    return YIELD_NOTHING;
}

/* multipleOf 0.01 is two decimals; -1 when the step is not such a power of ten. */
static int decimals_of_step(double step)
{
    for (int decimals = 0; decimals <= 9; decimals++)
        if (fabs(step * pow(10, decimals) - 1) < 1e-9)
            return decimals;
    return -1;
}

enum yield gbnf_number(struct gbnf *g, const struct conj *conj, bool integer, struct buf *out)
{
    struct bounds b;
    if (!bounds_read(g, conj, &b))
        return YIELD_ERROR;
    if (!b.bounded && (b.step == 0 || (integer && b.step == 1))) {
        gbnf_primitive(g, integer ? PRIM_INTEGER : PRIM_NUMBER, out);
        return YIELD_VALUES;
    }
    int decimals = b.step != 0 ? decimals_of_step(b.step) : -1;
    if (integer || (b.step != 0 && decimals < 0))
        return integer_between(g, &b, out);
    bool wide = fabs(isfinite(b.low) ? b.low : 0) > 1e9 || fabs(isfinite(b.high) ? b.high : 0) > 1e9;
    unsigned fewest = decimals >= 0 ? (unsigned)decimals : wide ? 0
                                                                : 3;
    enum yield yield = number_between(&b, fewest, decimals >= 0 ? fewest : 9, out);
    if (yield == YIELD_NOTHING && decimals < 0 && b.low < b.high)
        return gbnf_refuse(g, "The JSON schema's bounds of a number are too narrow to be enforced.");
    return yield;
}
