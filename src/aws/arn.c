#include "aws/arn.h"

static size_t find_either(struct view text, char a, char b)
{
    size_t first = view_find_byte(text, a), second = view_find_byte(text, b);
    return first < second ? first : second;
}

bool arn_parse(struct view text, struct arn *out)
{
    if (!view_is(view_split(&text, ':'), "arn"))
        return false;
    out->partition = view_split(&text, ':');
    out->service = view_split(&text, ':');
    out->region = view_split(&text, ':');
    out->account = view_split(&text, ':');
    if (text.ptr == NULL || text.len == 0 || out->partition.len == 0 || out->service.len == 0)
        return false;
    out->resource = text;
    size_t cut = find_either(text, '/', ':');
    out->type = cut == VIEW_NPOS ? (struct view){ text.ptr, 0 } : view_first(text, cut);
    out->id = cut == VIEW_NPOS ? text : view_from(text, cut + 1);
    return true;
}

/* Finds the next separator, plain or encoded ("%2F", "%3a"). *width is what it takes; VIEW_NPOS when there is none. */
static size_t next_separator(struct view text, bool slash_too, size_t *width)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (byte == ':' || (slash_too && byte == '/')) {
            *width = 1;
            return i;
        }
        if (byte != '%' || text.len - i < 3)
            continue;
        char high = text.ptr[i + 1], low = (char)(text.ptr[i + 2] | 0x20);
        if ((high == '3' && low == 'a') || (slash_too && high == '2' && low == 'f')) {
            *width = 3;
            return i;
        }
    }
    return VIEW_NPOS;
}

struct view arn_encoded_resource_type(struct view encoded)
{
    size_t width = 0;
    if (!view_starts_with(encoded, VIEW("arn")))
        return VIEW("");
    for (int colons = 0; colons < 5; colons++) {
        size_t at = next_separator(encoded, false, &width);
        if (at == VIEW_NPOS)
            return VIEW("");
        encoded = view_from(encoded, at + width);
    }
    size_t end = next_separator(encoded, true, &width);
    return end == VIEW_NPOS ? VIEW("") : view_first(encoded, end);
}

bool arn_append(struct buf *out, struct view service, struct view region, struct view account, struct view resource)
{
    buf_append_cstr(out, "arn:aws:");
    buf_append_view(out, service);
    buf_append_byte(out, ':');
    buf_append_view(out, region);
    buf_append_byte(out, ':');
    buf_append_view(out, account);
    buf_append_byte(out, ':');
    return buf_append_view(out, resource);
}
