/* Reads an answer while it comes. Bytes become whole UTF-8 characters first, then the prompt's form decides.
 *
 *                                  ┌──────────────────── CALL_OPEN ───────────────────┐
 *                                  ▼                                                  │
 *  THINKING ──► TEXT ── CALL_OPEN ──► HEAD ── second '{' ──► ARGUMENTS ── its '}' ──► TAIL
 *
 * is our own form; a forced call begins in HEAD.
 */
#include "worker/chat_internal.h"

#include "base/encode.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (16u << 20)
#define HEAD_MAX   8192
#define ID_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define ID_PREFIX  "tooluse_"
#define ID_RANDOM  22

enum parser_state { STATE_THINKING,
                    STATE_TEXT,
                    STATE_HEAD,
                    STATE_ARGUMENTS,
                    STATE_TAIL };

struct chat_parser {
    const struct chat_prompt *prompt;
    chat_emit *emit;
    void *ctx;
    struct buf partial; /* the beginning of a character */
    struct buf clean;   /* whole characters of this feed */
    unsigned calls;
    bool primed; /* the prelude has been read */

    enum parser_state state;
    struct buf held; /* HEAD: the head; else what may be the beginning of a marker */
    bool blank;      /* white space at this place is no text */
    unsigned depth;
    bool in_string, escaped;

    struct shim_reader *reader; /* FORM_NATIVE */
    struct buf answer;
    size_t answer_read;
    struct buf trailing; /* white space that is text only when more of its kind follows */
    enum gen_delta_type trailing_type;
    struct buf name; /* of a call whose start has not been emitted: it may still grow */
    bool name_waits;
};

struct chat_parser *chat_parser_create(const struct chat_prompt *prompt, chat_emit *emit, void *ctx)
{
    struct chat_parser *parser = calloc(1, sizeof *parser);
    if (parser == NULL)
        return NULL;
    parser->prompt = prompt;
    parser->emit = emit;
    parser->ctx = ctx;
    parser->state = prompt->form == FORM_FORCED_CALL ? STATE_HEAD : prompt->thinking ? STATE_THINKING
                                                                                     : STATE_TEXT;
    parser->blank = prompt->thinking;
    buf_init(&parser->partial, 64u << 10);
    buf_init(&parser->clean, ANSWER_MAX);
    buf_init(&parser->held, ANSWER_MAX);
    buf_init(&parser->answer, ANSWER_MAX);
    buf_init(&parser->name, HEAD_MAX);
    buf_init(&parser->trailing, ANSWER_MAX);
    if (prompt->form == FORM_NATIVE && (parser->reader = shim_reader_create(prompt->native.format)) == NULL) {
        chat_parser_destroy(parser);
        return NULL;
    }
    return parser;
}

void chat_parser_destroy(struct chat_parser *parser)
{
    if (parser == NULL)
        return;
    buf_free(&parser->partial);
    buf_free(&parser->clean);
    buf_free(&parser->held);
    buf_free(&parser->answer);
    buf_free(&parser->name);
    buf_free(&parser->trailing);
    shim_reader_destroy(parser->reader);
    free(parser);
}

unsigned chat_parser_tool_calls(const struct chat_parser *parser)
{
    return parser->calls;
}

/* ---- what goes out ---- */

static void emit_text(struct chat_parser *parser, enum gen_delta_type type, struct view text)
{
    if (text.len == 0)
        return;
    struct gen_delta delta = { .type = type, .text = text };
    if (type == GEN_TOOL_ARGUMENTS)
        delta.tool_index = parser->calls - 1;
    parser->emit(parser->ctx, &delta);
}

static void emit_start(struct chat_parser *parser, struct view name)
{
    char id[sizeof ID_PREFIX + ID_RANDOM];
    memcpy(id, ID_PREFIX, sizeof ID_PREFIX - 1);
    random_id(id + sizeof ID_PREFIX - 1, ID_RANDOM, ID_LETTERS);
    struct gen_delta delta = { .type = GEN_TOOL_START, .tool_index = parser->calls++, .id = view_from_cstr(id), .name = name };
    parser->emit(parser->ctx, &delta);
}

/* ---- our own form ---- */

/* How much of text cannot become part of the marker any more, nor is white space that may stand before one. */
static size_t surely_text(struct view text, struct view marker)
{
    size_t len = text.len;
    for (size_t tail = marker.len - 1; tail > 0; tail--)
        if (tail <= len && memcmp(text.ptr + len - tail, marker.ptr, tail) == 0) {
            len -= tail;
            break;
        }
    while (len > 0 && (text.ptr[len - 1] == '\n' || text.ptr[len - 1] == ' '))
        len--;
    return len;
}

static void emit_outside(struct chat_parser *parser, struct view text)
{
    if (parser->state == STATE_TAIL)
        return; /* behind a call nothing but calls counts */
    if (parser->blank)
        while (text.len > 0 && (*text.ptr == '\n' || *text.ptr == ' '))
            text = view_from(text, 1);
    if (text.len > 0)
        parser->blank = false;
    emit_text(parser, parser->state == STATE_THINKING ? GEN_REASONING : GEN_TEXT, text);
}

/* Up to what ends this state. */
static void read_outside(struct chat_parser *parser, struct view *in)
{
    bool thinking = parser->state == STATE_THINKING;
    struct view marker = thinking ? view_from_cstr(parser->prompt->native.think_close) : VIEW(CALL_OPEN);
    buf_append_view(&parser->held, *in);
    struct view held = buf_view(&parser->held);
    size_t at = view_find(held, marker);
    size_t text = surely_text(view_first(held, at), marker);
    emit_outside(parser, view_first(held, text));
    if (at == VIEW_NPOS) {
        buf_consume(&parser->held, text);
        *in = view_of(NULL, 0);
        return;
    }
    *in = view_from(*in, in->len - (held.len - at - marker.len)); /* the marker ended in this piece */
    buf_clear(&parser->held);
    parser->state = thinking ? STATE_TEXT : STATE_HEAD;
    parser->blank = thinking;
}

static struct view head_name(struct view head)
{
    size_t at = view_find(head, VIEW("\"name\""));
    head = at == VIEW_NPOS ? view_of(NULL, 0) : view_from(head, at + 6);
    at = view_find_byte(head, '"');
    head = at == VIEW_NPOS ? view_of(NULL, 0) : view_from(head, at + 1);
    at = view_find_byte(head, '"');
    return at == VIEW_NPOS ? view_of(NULL, 0) : view_first(head, at);
}

static bool is_tool(const struct chat_prompt *prompt, struct view name)
{
    for (size_t i = 0; i < prompt->tool_count; i++)
        if (view_eq(prompt->tool_names[i], name))
            return true;
    return false;
}

/* Up to the brace that begins the arguments: the second one. */
static enum chat_status read_head(struct chat_parser *parser, struct view *in)
{
    size_t braces = view_find_byte(buf_view(&parser->held), '{') != VIEW_NPOS;
    size_t i = 0;
    while (i < in->len && (in->ptr[i] != '{' || braces == 0)) {
        braces += in->ptr[i] == '{';
        i++;
    }
    buf_append(&parser->held, in->ptr, i);
    *in = view_from(*in, i);
    if (parser->held.len > HEAD_MAX)
        return CHAT_MALFORMED;
    if (in->len == 0)
        return CHAT_OK;
    struct view name = head_name(buf_view(&parser->held));
    if (!is_tool(parser->prompt, name))
        return CHAT_MALFORMED;
    emit_start(parser, name);
    buf_clear(&parser->held);
    parser->state = STATE_ARGUMENTS;
    parser->depth = 0;
    parser->in_string = parser->escaped = false;
    return CHAT_OK;
}

static void read_arguments(struct chat_parser *parser, struct view *in)
{
    size_t i = 0;
    bool ended = false;
    while (i < in->len && !ended) {
        char byte = in->ptr[i++];
        if (parser->escaped)
            parser->escaped = false;
        else if (parser->in_string && byte == '\\')
            parser->escaped = true;
        else if (byte == '"')
            parser->in_string = !parser->in_string;
        else if (!parser->in_string && (byte == '{' || byte == '['))
            parser->depth++;
        else if (!parser->in_string && (byte == '}' || byte == ']'))
            ended = --parser->depth == 0;
    }
    emit_text(parser, GEN_TOOL_ARGUMENTS, view_first(*in, i));
    *in = view_from(*in, i);
    if (ended)
        parser->state = STATE_TAIL;
}

static enum chat_status read_own(struct chat_parser *parser, struct view in)
{
    enum chat_status status = CHAT_OK;
    while (in.len > 0 && status == CHAT_OK) {
        if (parser->state == STATE_HEAD)
            status = read_head(parser, &in);
        else if (parser->state == STATE_ARGUMENTS)
            read_arguments(parser, &in);
        else
            read_outside(parser, &in);
    }
    return buf_failed(&parser->held) ? CHAT_MALFORMED : status;
}

/* ---- the template's form ---- */

static void flush_name(struct chat_parser *parser)
{
    if (!parser->name_waits)
        return;
    parser->name_waits = false;
    emit_start(parser, buf_view(&parser->name));
}

/* Templates put line breaks between reasoning, text and calls, which belong to none of them. */
static void emit_trimmed(struct chat_parser *parser, enum gen_delta_type type, struct view text)
{
    if (text.len == 0)
        return;
    if (parser->trailing_type != type)
        buf_clear(&parser->trailing);
    parser->trailing_type = type;
    size_t end = text.len;
    while (end > 0 && (text.ptr[end - 1] == '\n' || text.ptr[end - 1] == ' '))
        end--;
    if (end > 0) {
        emit_text(parser, type, buf_view(&parser->trailing));
        buf_clear(&parser->trailing);
        emit_text(parser, type, view_first(text, end));
    }
    buf_append_view(&parser->trailing, view_from(text, end));
}

static void emit_diff(struct chat_parser *parser, const struct shim_diff *diff)
{
    emit_trimmed(parser, GEN_REASONING, view_of(diff->reasoning, diff->reasoning_len));
    emit_trimmed(parser, GEN_TEXT, view_of(diff->text, diff->text_len));
    if (diff->call == SIZE_MAX)
        return;
    buf_clear(&parser->trailing);
    if (diff->name != NULL && diff->call >= parser->calls) {
        if (parser->name_waits && diff->call > parser->calls)
            flush_name(parser);
        buf_clear(&parser->name);
        buf_append_cstr(&parser->name, diff->name);
        parser->name_waits = true;
    }
    if (diff->arguments != NULL) {
        flush_name(parser);
        emit_text(parser, GEN_TOOL_ARGUMENTS, view_from_cstr(diff->arguments));
    }
}

static bool read_answer(struct chat_parser *parser, bool partial)
{
    const struct shim_diff *diffs;
    size_t count;
    parser->answer_read = parser->answer.len;
    if (!shim_reader_read(parser->reader, parser->answer.ptr != NULL ? parser->answer.ptr : "", parser->answer.len, partial, &diffs,
                          &count, NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        emit_diff(parser, &diffs[i]);
    return true;
}

/* Each reading begins at the answer's start, so a long answer is read a little less often: the whole work stays in proportion. */
static enum chat_status read_native(struct chat_parser *parser, struct view in)
{
    buf_append_view(&parser->answer, in);
    if (buf_failed(&parser->answer))
        return CHAT_MALFORMED;
    if (parser->answer.len - parser->answer_read < parser->answer.len / 256)
        return CHAT_OK;
    read_answer(parser, true); /* a form that is broken so far may still become whole */
    return CHAT_OK;
}

static enum chat_status finish_native(struct chat_parser *parser, bool cut)
{
    bool fine = read_answer(parser, cut);
    if (!fine && !cut && parser->calls == 0 && !parser->name_waits)
        fine = read_answer(parser, true); /* text that does not end as the template wants is text all the same */
    flush_name(parser);
    if (parser->trailing_type == GEN_TEXT)
        emit_text(parser, GEN_TEXT, buf_view(&parser->trailing));
    return fine || cut ? CHAT_OK : CHAT_MALFORMED;
}

/* ---- characters ---- */

/* Moves whole characters of partial and bytes into clean; the end moves everything. */
static void clean_bytes(struct chat_parser *parser, struct view bytes, bool end)
{
    buf_clear(&parser->clean);
    buf_append_view(&parser->partial, bytes);
    struct view all = buf_view(&parser->partial);
    struct view whole = view_first(all, end ? all.len : utf8_whole(all));
    for (size_t i = 0; i < whole.len;) {
        uint32_t character;
        size_t used = utf8_decode(view_from(whole, i), &character);
        if (used == 1 && character == 0xfffd)
            utf8_append(&parser->clean, character);
        else
            buf_append(&parser->clean, whole.ptr + i, used);
        i += used;
    }
    buf_consume(&parser->partial, whole.len);
}

static enum chat_status read_clean(struct chat_parser *parser)
{
    struct view in = buf_view(&parser->clean);
    if (buf_failed(&parser->clean) || buf_failed(&parser->partial))
        return CHAT_NO_MEMORY;
    switch (parser->prompt->form) {
    case FORM_TEXT:
        emit_text(parser, GEN_TEXT, in);
        return CHAT_OK;
    case FORM_NATIVE:
        return in.len > 0 ? read_native(parser, in) : CHAT_OK;
    case FORM_CALLS:
        return read_own(parser, in);
    case FORM_FORCED_CALL:
        break;
    }
    if (!parser->primed) {
        parser->primed = true;
        struct view prelude = parser->prompt->prelude;
        enum chat_status status = read_own(parser, view_from(prelude, view_find(prelude, VIEW(CALL_OPEN)) + sizeof CALL_OPEN - 1));
        if (status != CHAT_OK)
            return status;
    }
    return read_own(parser, in);
}

enum chat_status chat_parser_feed(struct chat_parser *parser, struct view bytes)
{
    if (bytes.len > parser->partial.max / 2)
        return CHAT_MALFORMED;
    clean_bytes(parser, bytes, false);
    return read_clean(parser);
}

enum chat_status chat_parser_finish(struct chat_parser *parser, bool cut)
{
    clean_bytes(parser, view_of(NULL, 0), true);
    enum chat_status status = read_clean(parser);
    if (status != CHAT_OK)
        return status;
    if (parser->prompt->form == FORM_NATIVE)
        return finish_native(parser, cut);
    bool outside = parser->state == STATE_TEXT || parser->state == STATE_THINKING;
    if (outside)
        emit_outside(parser, buf_view(&parser->held));
    return cut || outside || parser->state == STATE_TAIL ? CHAT_OK : CHAT_MALFORMED;
}
