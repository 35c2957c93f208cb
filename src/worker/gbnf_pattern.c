/* Regular expressions as grammar. A match may lie anywhere in a string; what is generated is the match alone, so anchors at the
 * ends change nothing. Classes such as \s give a part of what they stand for; that keeps the promise of gbnf.h. */
#include "worker/gbnf_internal.h"

#include "base/utf8.h"

#define RANGES_MAX 64
#define GROUPS_MAX 16
#define EXPANSION  1000 /* copies of an element that counted repetition may make */
#define UNBOUNDED  (INT64_MAX / 4)

struct range {
    uint32_t from, to;
};

struct ranges {
    struct range list[RANGES_MAX];
    size_t count;
    bool overflow;
};

struct regex {
    struct gbnf *g;
    struct view source;
    size_t at;
    unsigned depth;
    int64_t free_repeat; /* what * and + mean outside of groups */
};

/* What one piece can match, and what it costs. */
struct span {
    int64_t min, max; /* characters */
    int64_t cost;     /* elements after expansion */
};

static bool more(const struct regex *r)
{
    return r->at < r->source.len;
}

static char peek(const struct regex *r)
{
    return more(r) ? r->source.ptr[r->at] : '\0';
}

static bool take(struct regex *r, char wanted)
{
    if (!more(r) || peek(r) != wanted)
        return false;
    r->at++;
    return true;
}

static bool take_text(struct regex *r, struct view text)
{
    if (!view_starts_with(view_from(r->source, r->at), text))
        return false;
    r->at += text.len;
    return true;
}

static bool refuse_explosion(struct regex *r)
{
    gbnf_refuse_size(r->g, "The JSON schema's pattern is too large to be enforced: " VIEW_FMT, VIEW_ARG(view_first(r->source, 120)));
    return false;
}

static bool refuse(struct regex *r, const char *what)
{
    gbnf_refuse(r->g, "The JSON schema's pattern cannot be enforced: %s: " VIEW_FMT, what, VIEW_ARG(view_first(r->source, 120)));
    return false;
}

/* ---- sets of characters ---- */

static void ranges_add(struct ranges *set, uint32_t from, uint32_t to)
{
    if (set->count == RANGES_MAX) {
        set->overflow = true;
        return;
    }
    size_t i = set->count++;
    for (; i > 0 && set->list[i - 1].from > from; i--)
        set->list[i] = set->list[i - 1];
    set->list[i] = (struct range){ from, to };
}

/* What set does not hold, printable characters only. */
static void ranges_negate(struct ranges *set)
{
    struct ranges rest = { .overflow = set->overflow };
    uint32_t next = 0x20;
    for (size_t i = 0; i < set->count; i++) {
        if (set->list[i].from > next)
            ranges_add(&rest, next, set->list[i].from - 1);
        if (set->list[i].to >= next)
            next = set->list[i].to + 1;
    }
    if (next <= 0x10ffff)
        ranges_add(&rest, next, 0x10ffff);
    *set = rest;
}

static bool ranges_hold(const struct ranges *set, uint32_t character)
{
    for (size_t i = 0; i < set->count; i++)
        if (character >= set->list[i].from && character <= set->list[i].to)
            return true;
    return false;
}

/* Characters that stand for themselves in a JSON string, without surrogates. */
static const struct range plain[] = { { 0x20, 0x21 }, { 0x23, 0x5b }, { 0x5d, 0x7e }, { 0xa0, 0xd7ff }, { 0xe000, 0x10ffff } };

static const struct {
    uint32_t character;
    const char *escaped; /* GBNF terminal of the JSON escape */
} escapes[] = { { '"', "\"\\\\\\\"\"" }, { '\\', "\"\\\\\\\\\"" }, { '\n', "\"\\\\n\"" }, { '\t', "\"\\\\t\"" }, { '\r', "\"\\\\r\"" } };

static bool ranges_emit(struct regex *r, const struct ranges *set, bool negated, struct buf *out)
{
    struct buf plain_part = BUF_INIT(8192), escaped_part = BUF_INIT(256);
    for (size_t i = 0; i < set->count; i++)
        for (size_t p = 0; p < sizeof plain / sizeof plain[0]; p++) {
            uint32_t from = set->list[i].from > plain[p].from ? set->list[i].from : plain[p].from;
            uint32_t to = set->list[i].to < plain[p].to ? set->list[i].to : plain[p].to;
            if (from <= to)
                buf_printf(&plain_part, from == to ? "\\U%08X" : "\\U%08X-\\U%08X", from, to);
        }
    for (size_t e = 0; e < sizeof escapes / sizeof escapes[0] && !negated; e++)
        if (ranges_hold(set, escapes[e].character))
            buf_printf(&escaped_part, escaped_part.len > 0 ? " | %s" : "%s", escapes[e].escaped);

    bool empty = plain_part.len == 0 && escaped_part.len == 0;
    buf_append_cstr(out, " (");
    if (plain_part.len > 0)
        buf_printf(out, "[" VIEW_FMT "]", VIEW_ARG(buf_view(&plain_part)));
    if (plain_part.len > 0 && escaped_part.len > 0)
        buf_append_cstr(out, " | ");
    buf_append_view(out, buf_view(&escaped_part));
    buf_append_byte(out, ')');
    buf_free(&plain_part);
    buf_free(&escaped_part);
    if (set->overflow)
        return refuse(r, "it has too many ranges in one class");
    return !empty || refuse(r, "it needs a character that JSON cannot hold");
}

static void ranges_of_letter(struct ranges *set, char letter)
{
    struct ranges class = { .count = 0 };
    switch (letter | 0x20) {
    case 'd':
        ranges_add(&class, '0', '9');
        break;
    case 'w':
        ranges_add(&class, '0', '9');
        ranges_add(&class, 'A', 'Z');
        ranges_add(&class, '_', '_');
        ranges_add(&class, 'a', 'z');
        break;
    default: /* \s stands for a space; \S leaves out all of them */
        ranges_add(&class, ' ', ' ');
        if (letter == 'S') {
            ranges_add(&class, 0xa0, 0xa0);
            ranges_add(&class, 0x1680, 0x1680);
            ranges_add(&class, 0x2000, 0x200a);
            ranges_add(&class, 0x2028, 0x2029);
            ranges_add(&class, 0x202f, 0x202f);
            ranges_add(&class, 0x205f, 0x205f);
            ranges_add(&class, 0x3000, 0x3000);
            ranges_add(&class, 0xfeff, 0xfeff);
        }
    }
    if ((letter & 0x20) == 0)
        ranges_negate(&class);
    for (size_t i = 0; i < class.count; i++)
        ranges_add(set, class.list[i].from, class.list[i].to);
}

static bool take_hex(struct regex *r, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        char c = peek(r);
        if (c >= '0' && c <= '9')
            *out = *out * 16 + (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            *out = *out * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return refuse(r, "it has a broken escape");
    }
    return true;
}

/* After a backslash: a class letter adds to set and leaves *single false, anything else is one character. */
static bool take_escape(struct regex *r, struct ranges *set, uint32_t *character, bool *single)
{
    char c = peek(r);
    *single = true;
    r->at++;
    switch (c) {
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 's':
    case 'S':
        ranges_of_letter(set, c);
        *single = false;
        return true;
    case 'n':
        *character = '\n';
        return true;
    case 't':
        *character = '\t';
        return true;
    case 'r':
        *character = '\r';
        return true;
    case 'x':
        return take_hex(r, 2, character);
    case 'u':
        return take_hex(r, 4, character);
    default:
        if (c == '\0' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return refuse(r, "it has an escape that is not supported");
        *character = (unsigned char)c;
        return true;
    }
}

static bool take_character(struct regex *r, struct ranges *set, uint32_t *character, bool *single)
{
    *single = true;
    if (take(r, '\\'))
        return take_escape(r, set, character, single);
    r->at += utf8_decode(view_from(r->source, r->at), character);
    return true;
}

/* After '['. */
static bool take_class(struct regex *r, struct buf *out)
{
    struct ranges set = { .count = 0 };
    bool negated = take(r, '^'), single;
    while (more(r) && peek(r) != ']') {
        uint32_t from = 0, to = 0;
        if (!take_character(r, &set, &from, &single))
            return false;
        if (!single)
            continue;
        to = from;
        bool range = peek(r) == '-' && r->at + 1 < r->source.len && r->source.ptr[r->at + 1] != ']';
        if (range) {
            r->at++;
            if (!take_character(r, &set, &to, &single))
                return false;
            if (!single || to < from)
                return refuse(r, "it has a broken range");
        }
        ranges_add(&set, from, to);
    }
    if (!take(r, ']'))
        return refuse(r, "a class is not closed");
    if (negated)
        ranges_negate(&set);
    return ranges_emit(r, &set, negated, out);
}

/* ---- structure ---- */

static bool take_choice(struct regex *r, struct buf *out, struct span *span);

static bool take_group(struct regex *r, struct buf *out, struct span *span)
{
    if (peek(r) == '?' && !take_text(r, VIEW("?:"))) {
        if (!take_text(r, VIEW("?<")) || peek(r) == '=' || peek(r) == '!')
            return refuse(r, "it looks ahead or behind");
        while (more(r) && peek(r) != '>') /* a named group is a group */
            r->at++;
        take(r, '>');
    }
    if (++r->depth > GROUPS_MAX)
        return refuse(r, "its groups are nested too deeply");
    buf_append_cstr(out, " (");
    if (!take_choice(r, out, span))
        return false;
    buf_append_byte(out, ')');
    r->depth--;
    return take(r, ')') || refuse(r, "a group is not closed");
}

static bool take_atom(struct regex *r, struct buf *out, struct span *span)
{
    struct ranges set = { .count = 0 };
    uint32_t character = 0;
    bool single;
    *span = (struct span){ 1, 1, 1 };
    if (take(r, '('))
        return take_group(r, out, span);
    if (take(r, '['))
        return take_class(r, out);
    if (take(r, '.')) {
        ranges_add(&set, 0x20, 0x10ffff);
        return ranges_emit(r, &set, false, out);
    }
    if (view_find_byte(VIEW("*+?{}]^$"), peek(r)) != VIEW_NPOS)
        return refuse(r, peek(r) == '^' || peek(r) == '$' ? "it has an anchor in its middle" : "it has a misplaced operator");
    if (!take_character(r, &set, &character, &single))
        return false;
    if (single)
        ranges_add(&set, character, character);
    return ranges_emit(r, &set, !single, out);
}

static bool take_number(struct regex *r, int64_t *out)
{
    size_t begin = r->at;
    *out = 0;
    while (peek(r) >= '0' && peek(r) <= '9' && r->at - begin < 6)
        *out = *out * 10 + (r->source.ptr[r->at++] - '0');
    return r->at > begin;
}

/* The quantifier at this place; *max is UNBOUNDED for an open one. */
static bool take_quantifier(struct regex *r, int64_t *min, int64_t *max)
{
    *min = *max = 1;
    if (take(r, '*')) {
        *min = 0;
        *max = UNBOUNDED;
    } else if (take(r, '+')) {
        *max = UNBOUNDED;
    } else if (take(r, '?')) {
        *min = 0;
    } else if (take(r, '{')) {
        if (!take_number(r, min))
            return refuse(r, "it has a broken repetition");
        *max = *min;
        if (take(r, ',') && !take_number(r, max))
            *max = UNBOUNDED;
        if (!take(r, '}') || *max < *min)
            return refuse(r, "it has a broken repetition");
    } else {
        return true;
    }
    if (take(r, '?') || peek(r) == '*' || peek(r) == '+')
        return peek(r) == '*' || peek(r) == '+' ? refuse(r, "it repeats a repetition") : true;
    return true;
}

/* An open repetition gets a bound outside of groups, where it is what a model could ramble in. Inside of one it stays open: nested
 * counters would multiply. */
static bool append_quantifier(struct regex *r, int64_t min, int64_t max, struct span *span, struct buf *out)
{
    bool open = max >= UNBOUNDED;
    if (open && span->min == 0)
        return refuse(r, "it repeats something that may be empty");
    if (open && r->depth == 0 && r->free_repeat / span->cost > min)
        max = r->free_repeat / span->cost;
    int64_t copies = max >= UNBOUNDED ? min + 1 : max > 0 ? max
                                                          : 1;
    if (span->cost * copies > EXPANSION)
        return refuse_explosion(r);
    if (max >= UNBOUNDED)
        buf_printf(out, "{%d,}", (int)min);
    else if (min != 1 || max != 1)
        buf_printf(out, "{%d,%d}", (int)min, (int)max);
    span->cost *= copies;
    span->min *= min;
    span->max = max >= UNBOUNDED || span->max >= UNBOUNDED ? UNBOUNDED : span->max * max;
    return true;
}

static bool at_end_anchor(const struct regex *r)
{
    return peek(r) == '$' && (r->at + 1 == r->source.len || r->source.ptr[r->at + 1] == '|' || r->source.ptr[r->at + 1] == ')');
}

static bool take_sequence(struct regex *r, struct buf *out, struct span *span)
{
    *span = (struct span){ 0, 0, 0 };
    take(r, '^');
    while (more(r) && peek(r) != '|' && peek(r) != ')' && !at_end_anchor(r)) {
        struct span atom;
        int64_t min, max;
        if (!take_atom(r, out, &atom) || !take_quantifier(r, &min, &max) || !append_quantifier(r, min, max, &atom, out))
            return false;
        span->min += atom.min;
        span->max = span->max >= UNBOUNDED || atom.max >= UNBOUNDED ? UNBOUNDED : span->max + atom.max;
        span->cost += atom.cost;
    }
    take(r, '$');
    if (span->cost == 0)
        buf_append_cstr(out, " \"\"");
    return span->cost <= 2 * EXPANSION || refuse_explosion(r);
}

static bool take_choice(struct regex *r, struct buf *out, struct span *span)
{
    if (!take_sequence(r, out, span))
        return false;
    while (take(r, '|')) {
        struct span other;
        buf_append_cstr(out, " |");
        if (!take_sequence(r, out, &other))
            return false;
        span->min = other.min < span->min ? other.min : span->min;
        span->max = other.max > span->max ? other.max : span->max;
        span->cost += other.cost;
    }
    span->cost += span->cost == 0;
    return true;
}

/* A pattern that is one repeated character can take over the bounds of minLength and maxLength: [a-z]+ with at most 8. */
static bool one_repeated_atom(struct regex *r, int64_t min, int64_t max, struct buf *out, bool *is_one)
{
    struct buf atom_text = BUF_INIT(GBNF_MAX_TEXT);
    struct span atom;
    int64_t low, high;
    take(r, '^');
    *is_one = false;
    bool fine = peek(r) != '(' && more(r) && !at_end_anchor(r) && peek(r) != '|' && take_atom(r, &atom_text, &atom) &&
                take_quantifier(r, &low, &high);
    if (fine) {
        take(r, '$');
        *is_one = !more(r) && high > 1;
    }
    if (*is_one) {
        low = low > min ? low : min;
        high = high < max ? high : max;
        int64_t limit = r->free_repeat > low ? r->free_repeat : EXPANSION;
        high = high < limit ? high : limit;
        if (low > high || low > EXPANSION)
            fine = low > EXPANSION ? refuse_explosion(r) : refuse(r, "no string has its length");
        buf_append_view(out, buf_view(&atom_text));
        buf_printf(out, "{%d,%d}", (int)low, (int)high);
    }
    buf_free(&atom_text);
    return fine;
}

enum yield gbnf_pattern(struct gbnf *g, struct view pattern, int64_t min, int64_t max, struct buf *out)
{
    int64_t repeat = g->limits.string_chars < EXPANSION ? (int64_t)g->limits.string_chars : EXPANSION;
    struct regex r = { .g = g, .source = pattern, .free_repeat = repeat };
    bool is_one;
    one_repeated_atom(&r, min, max, out, &is_one);
    if (g->error[0] != '\0')
        return YIELD_ERROR;
    if (is_one)
        return YIELD_VALUES;

    r = (struct regex){ .g = g, .source = pattern, .free_repeat = repeat };
    struct span span;
    if (!take_choice(&r, out, &span))
        return YIELD_ERROR;
    if (more(&r)) {
        refuse(&r, peek(&r) == ')' ? "a group is closed that was not opened" : "it has an anchor in its middle");
        return YIELD_ERROR;
    }
    if (span.min < min || span.max > max) {
        refuse(&r, "it does not keep minLength and maxLength by itself");
        return YIELD_ERROR;
    }
    return YIELD_VALUES;
}
