/* unit.h - what every unit test includes: cmocka, and comparisons for Craton's own types. */
#ifndef CRATON_UNIT_H
#define CRATON_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/view.h"

static inline void assert_view_eq_at(struct view actual, struct view expected, const char *file, int line)
{
    if (view_eq(actual, expected))
        return;
    print_error("\"" VIEW_FMT "\" (%zu bytes)\nshould be \"" VIEW_FMT "\" (%zu bytes)\n", VIEW_ARG(actual), actual.len,
                VIEW_ARG(expected), expected.len);
    _fail(file, line);
}

#define assert_view_eq(actual, expected) assert_view_eq_at((actual), (expected), __FILE__, __LINE__)
#define assert_view_is(actual, text)     assert_view_eq_at((actual), view_from_cstr(text), __FILE__, __LINE__)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
