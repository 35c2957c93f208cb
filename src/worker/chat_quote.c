/* Somebody who types "<|im_end|>" into a message must not end it. A template gives one text for everything, so before rendering
 * each such text is replaced by a mark: U+10FFFE, the number of the token in chat->controls, U+10FFFF. After rendering the marks say
 * which stretches are foreign. The mark characters themselves are the last two of the controls, so they cannot be forged. */
#include "worker/chat_internal.h"

#include "base/buf.h"

#include <stdlib.h>

#define MARK_OPEN  "\xf4\x8f\xbf\xbe"
#define MARK_CLOSE "\xf4\x8f\xbf\xbf"
#define MARK_LEN   4

static int longest_first(const void *a, const void *b)
{
    const struct view *left = a, *right = b;
    if (left->len != right->len)
        return left->len < right->len ? 1 : -1;
    return view_compare(*left, *right);
}

bool quote_init(struct chat *chat)
{
    int32_t tokens = llama_vocab_n_tokens(chat->vocab);
    chat->controls = calloc((size_t)tokens + 2, sizeof *chat->controls);
    if (chat->controls == NULL)
        return false;
    for (llama_token token = 0; token < tokens; token++) {
        enum llama_token_attr attributes = llama_vocab_get_attr(chat->vocab, token);
        struct view text = view_from_cstr(llama_vocab_get_text(chat->vocab, token));
        if ((attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0 && text.len >= 2)
            chat->controls[chat->control_count++] = text;
    }
    qsort(chat->controls, chat->control_count, sizeof *chat->controls, longest_first);
    chat->controls[chat->control_count++] = VIEW(MARK_OPEN);
    chat->controls[chat->control_count++] = VIEW(MARK_CLOSE);
    for (size_t i = 0; i < chat->control_count; i++)
        chat->starts[(unsigned char)chat->controls[i].ptr[0]] = true;
    return true;
}

static size_t control_at(const struct chat *chat, struct view text)
{
    for (size_t i = 0; i < chat->control_count; i++)
        if (view_starts_with(text, chat->controls[i]))
            return i;
    return VIEW_NPOS;
}

void quote_append(const struct chat *chat, struct buf *out, struct view text)
{
    size_t copied = 0;
    for (size_t i = 0; i < text.len;) {
        if (text.ptr[i] == '\0') { /* the template engine takes C strings */
            buf_append(out, text.ptr + copied, i - copied);
            buf_append_cstr(out, "\xef\xbf\xbd");
            copied = ++i;
            continue;
        }
        size_t control = chat->starts[(unsigned char)text.ptr[i]] ? control_at(chat, view_from(text, i)) : VIEW_NPOS;
        if (control == VIEW_NPOS) {
            i++;
            continue;
        }
        buf_append(out, text.ptr + copied, i - copied);
        buf_printf(out, MARK_OPEN "%zu" MARK_CLOSE, control);
        i += chat->controls[control].len;
        copied = i;
    }
    buf_append(out, text.ptr + copied, text.len - copied);
}

/* Cuts the text before the next mark off *rest, and the mark itself; *control is VIEW_NPOS at the end. */
static struct view next_stretch(const struct chat *chat, struct view *rest, size_t *control)
{
    *control = VIEW_NPOS;
    size_t at = view_find(*rest, VIEW(MARK_OPEN));
    struct view stretch = view_first(*rest, at);
    *rest = at == VIEW_NPOS ? view_of(NULL, 0) : view_from(*rest, at + MARK_LEN);
    if (at == VIEW_NPOS)
        return stretch;
    size_t end = view_find(*rest, VIEW(MARK_CLOSE));
    uint64_t number = 0;
    if (end != VIEW_NPOS && view_to_u64(view_first(*rest, end), &number) && number < chat->control_count) {
        *control = (size_t)number;
        *rest = view_from(*rest, end + MARK_LEN);
    }
    return stretch;
}

bool quote_split(struct chat_prompt *prompt, struct view rendered)
{
    size_t marks = 0;
    for (struct view rest = rendered; view_find(rest, VIEW(MARK_OPEN)) != VIEW_NPOS; marks++)
        rest = view_from(rest, view_find(rest, VIEW(MARK_OPEN)) + MARK_LEN);
    prompt->segments = ARENA_ARRAY(prompt->arena, struct segment, 2 * marks + 1);
    if (prompt->segments == NULL)
        return false;
    if (marks == 0) {
        prompt->text = rendered;
        prompt->segments[prompt->segment_count++] = (struct segment){ rendered, true };
        return true;
    }
    struct buf whole = BUF_INIT(CHAT_TEXT_MAX);
    struct view rest = rendered;
    while (rest.ptr != NULL) {
        size_t control;
        struct view stretch = next_stretch(prompt->chat, &rest, &control);
        if (stretch.len > 0)
            prompt->segments[prompt->segment_count++] = (struct segment){ stretch, true };
        buf_append_view(&whole, stretch);
        if (control == VIEW_NPOS)
            continue;
        struct view quoted = prompt->chat->controls[control];
        prompt->segments[prompt->segment_count++] = (struct segment){ quoted, false };
        buf_append_view(&whole, quoted);
    }
    prompt->text = arena_copy(prompt->arena, buf_view(&whole));
    bool fine = !buf_failed(&whole) && !arena_exhausted(prompt->arena);
    buf_free(&whole);
    return fine;
}
