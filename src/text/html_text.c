#include "text/html_text.h"

#include "base/utf8.h"

#include <ctype.h>

struct scanner {
    struct view rest;
    struct buf *out;
    size_t start;                                           /* of our text in out */
    unsigned newlines;                                      /* due before the next character, at most 2 */
    bool space;                                             /* a blank is due before the next character */
    unsigned pre;                                           /* depth of <pre> */
};

enum tag_kind { TAG_INLINE, TAG_LINE, TAG_PARAGRAPH, TAG_ITEM, TAG_CELL, TAG_PRE, TAG_SKIPPED };

static const struct tag {
    const char *name;
    enum tag_kind kind;
} tags[] = {
    { "address", TAG_PARAGRAPH }, { "article", TAG_PARAGRAPH }, { "aside", TAG_PARAGRAPH }, { "blockquote", TAG_PARAGRAPH },
    { "br", TAG_LINE },           { "dd", TAG_LINE },           { "div", TAG_LINE },        { "dl", TAG_PARAGRAPH },
    { "dt", TAG_LINE },           { "fieldset", TAG_PARAGRAPH }, { "figure", TAG_PARAGRAPH }, { "footer", TAG_PARAGRAPH },
    { "form", TAG_PARAGRAPH },    { "h1", TAG_PARAGRAPH },      { "h2", TAG_PARAGRAPH },    { "h3", TAG_PARAGRAPH },
    { "h4", TAG_PARAGRAPH },      { "h5", TAG_PARAGRAPH },      { "h6", TAG_PARAGRAPH },    { "header", TAG_PARAGRAPH },
    { "hr", TAG_PARAGRAPH },      { "li", TAG_ITEM },           { "main", TAG_PARAGRAPH },  { "nav", TAG_PARAGRAPH },
    { "noscript", TAG_SKIPPED },  { "ol", TAG_PARAGRAPH },      { "p", TAG_PARAGRAPH },     { "pre", TAG_PRE },
    { "script", TAG_SKIPPED },    { "section", TAG_PARAGRAPH }, { "style", TAG_SKIPPED },   { "svg", TAG_SKIPPED },
    { "table", TAG_PARAGRAPH },   { "td", TAG_CELL },           { "template", TAG_SKIPPED }, { "th", TAG_CELL },
    { "title", TAG_PARAGRAPH },   { "tr", TAG_LINE },           { "ul", TAG_PARAGRAPH },
};

static enum tag_kind tag_kind(struct view name)
{
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (view_eq_nocase(name, view_from_cstr(tags[i].name)))
            return tags[i].kind;
    }
    return TAG_INLINE;
}

/* ---- writing ---- */

static void break_line(struct scanner *s, unsigned newlines)
{
    if (s->newlines < newlines)
        s->newlines = newlines;
    s->space = false;
}

static void put(struct scanner *s, struct view text)
{
    if (s->out->len > s->start) {
        for (unsigned i = 0; i < s->newlines; i++)
            buf_append_byte(s->out, '\n');
        if (s->newlines == 0 && s->space)
            buf_append_byte(s->out, ' ');
    }
    s->newlines = 0;
    s->space = false;
    buf_append_view(s->out, text);
}

static void put_plain(struct scanner *s, struct view text)
{
    if (s->pre > 0) {
        put(s, text);
        return;
    }
    size_t from = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && !isspace((unsigned char)text.ptr[i]))
            continue;
        if (i > from)
            put(s, view_of(text.ptr + from, i - from));
        if (i < text.len)
            s->space = true;
        from = i + 1;
    }
}

/* ---- character references ---- */

static const struct entity {
    const char *name;
    uint32_t code_point;
} entities[] = {
    { "amp", '&' },      { "lt", '<' },       { "gt", '>' },       { "quot", '"' },     { "apos", '\'' },    { "nbsp", ' ' },
    { "copy", 0xA9 },    { "reg", 0xAE },     { "deg", 0xB0 },     { "euro", 0x20AC },  { "ndash", 0x2013 }, { "mdash", 0x2014 },
    { "hellip", 0x2026 }, { "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "ldquo", 0x201C }, { "rdquo", 0x201D }, { "bull", 0x2022 },
    { "middot", 0xB7 },  { "times", 0xD7 },   { "laquo", 0xAB },   { "raquo", 0xBB },   { "auml", 0xE4 },    { "ouml", 0xF6 },
    { "uuml", 0xFC },    { "szlig", 0xDF },   { "eacute", 0xE9 },  { "egrave", 0xE8 },  { "agrave", 0xE0 },  { "ccedil", 0xE7 },
};

static uint32_t numeric_reference(struct view digits)
{
    bool hex = digits.len > 0 && (digits.ptr[0] == 'x' || digits.ptr[0] == 'X');
    uint32_t code_point = 0;
    for (size_t i = hex ? 1 : 0; i < digits.len && code_point <= 0x10FFFF; i++) {
        int c = tolower((unsigned char)digits.ptr[i]);
        if (!(hex ? isxdigit(c) : isdigit(c)))
            return 0;
        code_point = code_point * (hex ? 16 : 10) + (uint32_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    return code_point > 0x10FFFF || surrogate ? 0xFFFD : code_point;
}

#define REFERENCE_MAX 10

/* A reference at the start of rest: its bytes, and what it stands for. 0 bytes when it is none, and the & stands for itself. */
static size_t character_reference(struct view rest, uint32_t *code_point)
{
    size_t end = view_find_byte(view_first(rest, REFERENCE_MAX + 2), ';');
    if (end == VIEW_NPOS || end < 2)
        return 0;
    struct view name = view_of(rest.ptr + 1, end - 1);
    uint32_t found = name.ptr[0] == '#' ? numeric_reference(view_from(name, 1)) : 0;
    for (size_t i = 0; found == 0 && i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (view_is(name, entities[i].name))
            found = entities[i].code_point;
    }
    if (found == 0)
        return 0;
    *code_point = found;
    return end + 1;
}

static void take_reference(struct scanner *s)
{
    uint32_t code_point = '&';
    size_t used = character_reference(s->rest, &code_point);
    s->rest = view_from(s->rest, used > 0 ? used : 1);
    if (code_point == ' ' || code_point == '\t' || code_point == '\n') {
        s->space = true;
        return;
    }
    char bytes[8];
    struct buf one = BUF_INIT(sizeof(bytes));
    utf8_append(&one, code_point);
    put(s, buf_view(&one));
    buf_free(&one);
}

/* ---- tags ---- */

/* Past what begins here and ends with `end`; everything when it does not end. */
static void skip_past(struct scanner *s, struct view end)
{
    size_t at = view_find(s->rest, end);
    s->rest = view_from(s->rest, at == VIEW_NPOS ? s->rest.len : at + end.len);
}

/* To the closing tag of an element whose content is not for readers. */
static void skip_element(struct scanner *s, struct view name)
{
    while (s->rest.len > 0) {
        size_t at = view_find(s->rest, VIEW("</"));
        s->rest = view_from(s->rest, at == VIEW_NPOS ? s->rest.len : at + 2);
        if (view_starts_with_nocase(s->rest, name))
            break;
    }
    skip_past(s, VIEW(">"));
}

/* Attribute values may hold '>'. */
static void skip_attributes(struct scanner *s)
{
    char quote = 0;
    size_t i = 0;
    for (; i < s->rest.len; i++) {
        char c = s->rest.ptr[i];
        if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            break;
    }
    s->rest = view_from(s->rest, i + 1);
}

static void take_tag(struct scanner *s)
{
    if (view_starts_with(s->rest, VIEW("<!--"))) {
        skip_past(s, VIEW("-->"));
        return;
    }
    bool closing = s->rest.len > 1 && s->rest.ptr[1] == '/';
    struct view name = view_from(s->rest, closing ? 2 : 1);
    size_t len = 0;
    while (len < name.len && isalnum((unsigned char)name.ptr[len]))
        len++;
    bool declaration = s->rest.len > 1 && (s->rest.ptr[1] == '!' || s->rest.ptr[1] == '?');
    if (len == 0 && !closing && !declaration) {             /* a lone < is text */
        put(s, VIEW("<"));
        s->rest = view_from(s->rest, 1);
        return;
    }
    name.len = len;
    s->rest = view_from(s->rest, (size_t)(name.ptr - s->rest.ptr) + len);
    skip_attributes(s);

    switch (tag_kind(name)) {
    case TAG_INLINE:
        break;
    case TAG_LINE:
        break_line(s, 1);
        break;
    case TAG_PARAGRAPH:
        break_line(s, 2);
        break;
    case TAG_ITEM:
        break_line(s, 1);
        if (!closing)
            put(s, VIEW("- "));
        break;
    case TAG_CELL:
        if (closing)
            put(s, VIEW("\t"));
        break;
    case TAG_PRE:
        break_line(s, 2);
        if (!closing)
            s->pre++;
        else if (s->pre > 0)
            s->pre--;
        break;
    case TAG_SKIPPED:
        if (!closing)
            skip_element(s, name);
        break;
    }
}

void html_text(struct view html, struct buf *out)
{
    struct scanner s = { .rest = html, .out = out, .start = out->len };
    while (s.rest.len > 0 && !buf_failed(out)) {
        size_t plain = 0;
        while (plain < s.rest.len && s.rest.ptr[plain] != '<' && s.rest.ptr[plain] != '&')
            plain++;
        put_plain(&s, view_first(s.rest, plain));
        s.rest = view_from(s.rest, plain);
        if (s.rest.len == 0)
            break;
        if (s.rest.ptr[0] == '<')
            take_tag(&s);
        else
            take_reference(&s);
    }
}
