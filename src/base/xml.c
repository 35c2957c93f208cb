#include "base/xml.h"

#include "base/utf8.h"

struct parser {
    struct arena *arena;
    struct view rest;
    struct xml *open[XML_DEPTH_MAX];
    struct xml *last[XML_DEPTH_MAX];                        /* the last child of each open element */
    unsigned depth;
    struct xml *root;
};

/* ---- pieces ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == ':' ||
           byte == '-' || byte == '.' || (unsigned char)byte >= 0x80;
}

static bool take(struct parser *p, struct view literal)
{
    if (!view_starts_with(p->rest, literal))
        return false;
    p->rest = view_from(p->rest, literal.len);
    return true;
}

static void skip_blanks(struct parser *p)
{
    while (p->rest.len > 0 && is_blank(p->rest.ptr[0]))
        p->rest = view_from(p->rest, 1);
}

static struct view take_name(struct parser *p)
{
    size_t len = 0;
    while (len < p->rest.len && is_name_byte(p->rest.ptr[len]))
        len++;
    struct view name = view_first(p->rest, len);
    p->rest = view_from(p->rest, len);
    return name;
}

/* Everything up to the end mark, which is eaten too. */
static bool take_until(struct parser *p, struct view end, struct view *out)
{
    size_t at = view_find(p->rest, end);
    if (at == VIEW_NPOS)
        return false;
    *out = view_first(p->rest, at);
    p->rest = view_from(p->rest, at + end.len);
    return true;
}

static struct view local_name(struct view name)
{
    size_t colon = view_find_byte(name, ':');
    return colon == VIEW_NPOS ? name : view_from(name, colon + 1);
}

/* ---- text ---- */

static bool append_code_point(char *out, size_t *len, uint32_t code)
{
    struct buf bytes = BUF_INIT(8);
    bool character = code > 0 && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF) && utf8_append(&bytes, code);
    if (character) {
        memcpy(out + *len, bytes.ptr, bytes.len);
        *len += bytes.len;
    }
    buf_free(&bytes);
    return character;
}

static bool read_code_point(struct view digits, uint32_t *out)
{
    bool hex = view_starts_with(digits, VIEW("x"));
    uint32_t code = 0;
    digits = view_from(digits, hex);
    for (size_t i = 0; i < digits.len; i++) {
        char byte = digits.ptr[i];
        bool decimal = byte >= '0' && byte <= '9', letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f';
        if ((!decimal && !(hex && letter)) || code > 0x10FFFF)
            return false;
        code = code * (hex ? 16 : 10) + (uint32_t)(decimal ? byte - '0' : (byte | 0x20) - 'a' + 10);
    }
    *out = code;
    return digits.len > 0;
}

/* The reference after '&', up to and with ';'. No form is shorter than what it stands for. */
static bool decode_reference(struct view *rest, char *out, size_t *len)
{
    static const struct {
        struct view name;
        char byte;
    } names[] = { { VIEW_INIT("lt"), '<' }, { VIEW_INIT("gt"), '>' }, { VIEW_INIT("amp"), '&' }, { VIEW_INIT("quot"), '"' },
                  { VIEW_INIT("apos"), '\'' } };
    uint32_t code;
    struct view name = view_split(rest, ';');
    if (rest->ptr == NULL)
        return false;
    if (view_starts_with(name, VIEW("#")))
        return read_code_point(view_from(name, 1), &code) && append_code_point(out, len, code);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (view_eq(name, names[i].name)) {
            out[(*len)++] = names[i].byte;
            return true;
        }
    }
    return false;
}

static bool decode(struct view raw, bool references, char *out, size_t *len)
{
    while (raw.len > 0) {
        char byte = raw.ptr[0];
        raw = view_from(raw, 1);
        if (byte == '&' && references) {
            if (!decode_reference(&raw, out, len))
                return false;
        } else if (byte == '\r') {                          /* a line end is one '\n' */
            if (!view_starts_with(raw, VIEW("\n")))
                out[(*len)++] = '\n';
        } else {
            out[(*len)++] = byte;
        }
    }
    return true;
}

/* Adds to the text of the innermost element; outside the root only blanks may stand. */
static bool add_text(struct parser *p, struct view raw, bool references)
{
    if (p->depth == 0)
        return view_trim(raw).len == 0;
    struct xml *element = p->open[p->depth - 1];
    if (raw.len == 0 || element->child != NULL)
        return true;
    size_t len = element->text.len, room = len + raw.len;
    char *text = arena_resize(p->arena, (char *)(uintptr_t)element->text.ptr, len, room);
    if (text == NULL || !decode(raw, references, text, &len))
        return false;
    element->text = view_of(arena_resize(p->arena, text, room, len), len);
    return true;
}

/* ---- tags ---- */

static bool skip_attributes(struct parser *p)
{
    for (;;) {
        bool blank = p->rest.len > 0 && is_blank(p->rest.ptr[0]);
        struct view value;
        skip_blanks(p);
        if (p->rest.len == 0)
            return false;
        if (p->rest.ptr[0] == '>' || p->rest.ptr[0] == '/')
            return true;
        if (!blank || take_name(p).len == 0)
            return false;
        skip_blanks(p);
        if (!take(p, VIEW("=")))
            return false;
        skip_blanks(p);
        bool quoted = take(p, VIEW("\"")) ? take_until(p, VIEW("\""), &value) : take(p, VIEW("'")) && take_until(p, VIEW("'"), &value);
        if (!quoted || view_find_byte(value, '<') != VIEW_NPOS)
            return false;
    }
}

static bool begin_element(struct parser *p)
{
    struct view name = take_name(p);
    struct xml *element = ARENA_NEW(p->arena, struct xml);
    if (name.len == 0 || element == NULL || !skip_attributes(p) || (p->depth == 0 && p->root != NULL) || p->depth == XML_DEPTH_MAX)
        return false;
    element->name = arena_copy(p->arena, local_name(name));
    if (p->depth == 0) {
        p->root = element;
    } else {
        struct xml *parent = p->open[p->depth - 1];
        if (p->last[p->depth - 1] != NULL)
            p->last[p->depth - 1]->next = element;
        else
            parent->child = element;
        p->last[p->depth - 1] = element;
        parent->text = VIEW("");
    }
    if (take(p, VIEW("/>")))
        return true;
    p->open[p->depth] = element;
    p->last[p->depth++] = NULL;
    return take(p, VIEW(">"));
}

static bool end_element(struct parser *p)
{
    struct view name = local_name(take_name(p));
    skip_blanks(p);
    if (p->depth == 0 || !take(p, VIEW(">")) || !view_eq(name, p->open[p->depth - 1]->name))
        return false;
    p->depth--;
    return true;
}

static bool parse_markup(struct parser *p)
{
    struct view inside;
    if (take(p, VIEW("<!--")))
        return take_until(p, VIEW("-->"), &inside);
    if (take(p, VIEW("<![CDATA[")))
        return take_until(p, VIEW("]]>"), &inside) && add_text(p, inside, false);
    if (take(p, VIEW("<?")))
        return take_until(p, VIEW("?>"), &inside);
    if (take(p, VIEW("</")))
        return end_element(p);
    return take(p, VIEW("<")) && begin_element(p);
}

const struct xml *xml_parse(struct arena *arena, struct view text)
{
    struct parser p = { .arena = arena, .rest = text };
    if (!utf8_valid(text))
        return NULL;
    take(&p, VIEW("\xEF\xBB\xBF"));
    while (p.rest.len > 0) {
        struct view raw = view_first(p.rest, view_find_byte(p.rest, '<'));
        p.rest = view_from(p.rest, raw.len);
        if (!add_text(&p, raw, true) || (p.rest.len > 0 && !parse_markup(&p)))
            return NULL;
    }
    return p.depth == 0 && !arena_exhausted(arena) ? p.root : NULL;
}

/* ---- looking things up ---- */

static const struct xml *named(const struct xml *element, struct view name)
{
    while (element != NULL && !view_eq(element->name, name))
        element = element->next;
    return element;
}

const struct xml *xml_get(const struct xml *parent, const char *name)
{
    return parent != NULL ? named(parent->child, view_from_cstr(name)) : NULL;
}

const struct xml *xml_again(const struct xml *element)
{
    return element != NULL ? named(element->next, element->name) : NULL;
}

struct view xml_text(const struct xml *parent, const char *name)
{
    const struct xml *element = xml_get(parent, name);
    if (element == NULL)
        return (struct view){ NULL, 0 };
    return element->text.ptr != NULL ? element->text : VIEW("");
}

/* ---- writing ---- */

void xml_writer_init(struct xml_writer *w, struct buf *out, const char *root, const char *namespace)
{
    *w = (struct xml_writer){ .out = out, .open = { root }, .depth = 1 };
    buf_append_cstr(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (namespace != NULL)
        buf_printf(out, "<%s xmlns=\"%s\">", root, namespace);
    else
        buf_printf(out, "<%s>", root);
}

void xml_open(struct xml_writer *w, const char *name)
{
    if (w->depth == XML_DEPTH_MAX) {
        w->failed = true;
        return;
    }
    w->open[w->depth++] = name;
    buf_printf(w->out, "<%s>", name);
}

void xml_close(struct xml_writer *w)
{
    if (w->depth == 0) {
        w->failed = true;
        return;
    }
    buf_printf(w->out, "</%s>", w->open[--w->depth]);
}

static void append_escaped(struct buf *out, struct view text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        bool control = (unsigned char)byte < 0x20 && byte != '\t' && byte != '\n';
        if (byte != '<' && byte != '>' && byte != '&' && byte != '"' && !control)
            continue;
        buf_append(out, text.ptr + start, i - start);
        start = i + 1;
        if (control)
            buf_printf(out, "&#%d;", byte);
        else
            buf_append_cstr(out, byte == '<' ? "&lt;" : byte == '>' ? "&gt;" : byte == '&' ? "&amp;" : "&quot;");
    }
    buf_append_view(out, view_from(text, start));
}

void xml_put(struct xml_writer *w, const char *name, struct view text)
{
    if (text.len == 0) {
        buf_printf(w->out, "<%s/>", name);
        return;
    }
    xml_open(w, name);
    append_escaped(w->out, text);
    xml_close(w);
}

void xml_put_cstr(struct xml_writer *w, const char *name, const char *text)
{
    xml_put(w, name, view_from_cstr(text));
}

void xml_put_u64(struct xml_writer *w, const char *name, uint64_t number)
{
    xml_open(w, name);
    buf_append_u64(w->out, number);
    xml_close(w);
}

void xml_put_bool(struct xml_writer *w, const char *name, bool value)
{
    xml_put_cstr(w, name, value ? "true" : "false");
}

bool xml_writer_failed(const struct xml_writer *w)
{
    return w->failed || w->depth > 0 || buf_failed(w->out);
}
