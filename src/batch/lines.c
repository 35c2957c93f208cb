#include "batch/lines.h"

#include <stdlib.h>

#define PIECE (256u << 10)                                  /* bytes read at once */

struct lines {
    struct line_source source;
    struct line_place place;                                /* of the next line */
    size_t max;
    char *bytes;
    size_t start, end, capacity;                            /* bytes[start..end) is read and not used */
    bool ended;                                             /* the source has no more */
};

struct lines *lines_open(const struct line_source *source, struct line_place from, size_t max)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    if (lines == NULL)
        return NULL;
    *lines = (struct lines){ .source = *source, .place = from, .max = max, .capacity = PIECE };
    lines->bytes = malloc(lines->capacity);
    if (lines->bytes == NULL) {
        free(lines);
        return NULL;
    }
    return lines;
}

void lines_close(struct lines *lines)
{
    if (lines == NULL)
        return;
    free(lines->bytes);
    free(lines);
}

/* Room for one more piece behind what is there. */
static bool make_room(struct lines *lines)
{
    if (lines->start > 0) {
        memmove(lines->bytes, lines->bytes + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    if (lines->capacity - lines->end >= PIECE)
        return true;
    size_t capacity = lines->capacity * 2;
    char *bytes = realloc(lines->bytes, capacity);
    if (bytes == NULL)
        return false;
    lines->bytes = bytes;
    lines->capacity = capacity;
    return true;
}

static enum lines_status read_more(struct lines *lines)
{
    size_t got;
    if (!make_room(lines))
        return LINES_NO_MEMORY;
    if (!lines->source.read(lines->source.ctx, lines->place.offset + lines->end, lines->bytes + lines->end, PIECE, &got))
        return LINES_UNREADABLE;
    lines->end += got;
    lines->ended = got == 0;
    return LINES_OK;
}

/* The bytes of the next line with its line end; *line is empty at the end of the input. */
static enum lines_status next_raw(struct lines *lines, struct view *line)
{
    size_t seen = 0;
    for (;;) {
        struct view rest = view_of(lines->bytes + lines->start, lines->end - lines->start);
        size_t found = view_find_byte(view_from(rest, seen), '\n');
        if (found != VIEW_NPOS)
            *line = view_first(rest, seen + found + 1);
        else if (lines->ended)
            *line = rest;
        if (found != VIEW_NPOS || lines->ended)
            return line->len > lines->max ? LINES_TOO_LONG : LINES_OK;
        if (rest.len > lines->max)
            return LINES_TOO_LONG;
        seen = rest.len;
        enum lines_status status = read_more(lines);
        if (status != LINES_OK)
            return status;
    }
}

static struct view without_mark(struct view line, uint64_t offset)
{
    struct view mark = VIEW("\xef\xbb\xbf");
    return offset == 0 && view_starts_with(line, mark) ? view_from(line, mark.len) : line;
}

enum lines_status lines_next(struct lines *lines, struct line *out)
{
    for (;;) {
        struct view raw = VIEW("");
        enum lines_status status = next_raw(lines, &raw);
        out->number = lines->place.number + 1;
        if (status != LINES_OK)
            return status;
        if (raw.len == 0)
            return LINES_END;
        out->text = view_trim(without_mark(raw, lines->place.offset));
        lines->start += raw.len;
        lines->place.offset += raw.len;
        lines->place.number++;
        out->after = lines->place;
        if (out->text.len > 0)
            return LINES_OK;
    }
}
