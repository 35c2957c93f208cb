#include "text/separators.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

#define OPTIONS   (PCRE2_UTF | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT)
#define MAX_STEPS 100000u                                   /* at one place; PCRE2 counts anew for each */
#define MAX_DEPTH 20000u
#define MAX_HEAP  (16u << 10)                               /* KiB */
#define STRIDE    256u                                      /* places that are tried between two looks at the clock */

struct finder {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    struct arena *arena;
    struct splits *out;
    size_t capacity;
};

static int64_t thread_cpu_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool finder_open(struct finder *finder, struct view pattern, bool *invalid)
{
    int error;
    size_t offset;
    finder->code = pcre2_compile((PCRE2_SPTR)(pattern.len > 0 ? pattern.ptr : ""), pattern.len, OPTIONS, &error, &offset, NULL);
    *invalid = finder->code == NULL && error != PCRE2_ERROR_HEAP_FAILED;
    if (finder->code == NULL)
        return false;
    finder->match = pcre2_match_data_create(1, NULL);
    finder->limits = pcre2_match_context_create(NULL);
    if (finder->match == NULL || finder->limits == NULL)
        return false;
    pcre2_set_match_limit(finder->limits, MAX_STEPS);
    pcre2_set_depth_limit(finder->limits, MAX_DEPTH);
    pcre2_set_heap_limit(finder->limits, MAX_HEAP);
    return true;
}

static void finder_close(struct finder *finder)
{
    pcre2_match_data_free(finder->match);
    pcre2_match_context_free(finder->limits);
    pcre2_code_free(finder->code);
}

static bool add(struct finder *finder, size_t at)
{
    struct splits *out = finder->out;
    if (out->count == finder->capacity) {
        size_t wider = finder->capacity * 2 + 16;
        uint32_t *room = arena_resize(finder->arena, out->at, finder->capacity * sizeof(*room), wider * sizeof(*room));
        if (room == NULL)
            return false;
        out->at = room;
        finder->capacity = wider;
    }
    out->at[out->count++] = (uint32_t)at;
    return true;
}

static size_t next_character(struct view text, size_t at)
{
    at++;
    while (at < text.len && ((unsigned char)text.ptr[at] & 0xC0) == 0x80)
        at++;
    return at;
}

/* The text is searched in strides, so that the time it takes is looked at between them. */
static enum separator_result find_all(struct finder *finder, struct view text, int64_t until)
{
    size_t from = 0;
    while (from < text.len) {
        size_t limit = text.len - from > STRIDE ? next_character(text, from + STRIDE) : text.len;
        pcre2_set_offset_limit(finder->limits, limit);
        int found = pcre2_match(finder->code, (PCRE2_SPTR)text.ptr, text.len, from, PCRE2_NO_UTF_CHECK, finder->match, finder->limits);
        if (found == PCRE2_ERROR_NOMATCH) {
            from = limit;
        } else if (found < 0) {
            return found == PCRE2_ERROR_NOMEMORY ? SEPARATOR_NO_MEMORY : SEPARATOR_TOO_SLOW;
        } else {
            const size_t *place = pcre2_get_ovector_pointer(finder->match);
            size_t start = place[0] < place[1] ? place[0] : place[1];       /* \K may turn them round */
            bool further = finder->out->count == 0 || start > finder->out->at[finder->out->count - 1];
            if (further && !add(finder, start))
                return SEPARATOR_NO_MEMORY;
            from = place[1] > from ? place[1] : next_character(text, from);
        }
        if (thread_cpu_ms() > until)
            return SEPARATOR_TOO_SLOW;
    }
    return SEPARATOR_OK;
}

enum separator_result separator_find(struct arena *arena, struct view pattern, struct view text, int64_t *cpu_ms, struct splits *out)
{
    int64_t until = thread_cpu_ms() + *cpu_ms;
    *out = (struct splits){ .count = 0 };
    struct finder finder = { .arena = arena, .out = out };
    bool invalid;
    enum separator_result result;
    if (finder_open(&finder, pattern, &invalid))
        result = find_all(&finder, text, until);
    else
        result = invalid ? SEPARATOR_INVALID : SEPARATOR_NO_MEMORY;
    finder_close(&finder);
    *cpu_ms = until - thread_cpu_ms();
    return result;
}
