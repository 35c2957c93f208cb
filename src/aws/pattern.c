/* The patterns of shapes. Each is compiled once, by whichever thread needs it first, and kept for the life of the process. */
#include "aws/validate.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>
#include <stdio.h>

#define PATTERNS_MAX 1024
#define PATTERN_SIZE 8192
#define LIMITS       "(*LIMIT_MATCH=200000)(*LIMIT_DEPTH=20000)(*LIMIT_HEAP=20000)"
/* As the services' own engine reads them: \uXXXX, $ only at the very end, the whole text. */
#define OPTIONS      (PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY | PCRE2_ANCHORED | PCRE2_ENDANCHORED)

static _Atomic(pcre2_code *) compiled[PATTERNS_MAX];

static pcre2_code *compile(uint16_t pattern)
{
    char text[PATTERN_SIZE];
    struct view source = shape_pattern(pattern);
    int error = 0;
    size_t offset = 0;
    int len = snprintf(text, sizeof text, LIMITS "(?:" VIEW_FMT ")", VIEW_ARG(source));
    if (len < 0 || (size_t)len >= sizeof text)
        return NULL;
    return pcre2_compile((PCRE2_SPTR)text, (size_t)len, OPTIONS, &error, &offset, NULL);
}

static pcre2_code *code_of(uint16_t pattern)
{
    if (pattern == 0 || pattern > shape_pattern_count || pattern > PATTERNS_MAX)
        return NULL;
    _Atomic(pcre2_code *) *place = &compiled[pattern - 1];
    pcre2_code *code = atomic_load_explicit(place, memory_order_acquire);
    if (code != NULL)
        return code;
    pcre2_code *mine = compile(pattern);
    if (mine != NULL && atomic_compare_exchange_strong(place, &code, mine))
        return mine;
    pcre2_code_free(mine);
    return code;
}

bool shape_pattern_matches(uint16_t pattern, struct view text)
{
    pcre2_code *code = code_of(pattern);
    pcre2_match_data *match = code != NULL ? pcre2_match_data_create(1, NULL) : NULL;
    if (match == NULL)
        return false;
    int rc = pcre2_match(code, (PCRE2_SPTR)(text.ptr != NULL ? text.ptr : ""), text.len, 0, 0, match, NULL);
    pcre2_match_data_free(match);
    return rc >= 0;
}

bool shape_pattern_usable(uint16_t pattern)
{
    return code_of(pattern) != NULL;
}
