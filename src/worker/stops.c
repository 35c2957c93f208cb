#include "worker/stops.h"

#define HELD_MAX (1u << 20)

void stop_init(struct stop_matcher *matcher, const struct view *stops, size_t count)
{
    *matcher = (struct stop_matcher){ .stops = stops, .count = count, .hit = STOPS_NONE };
    buf_init(&matcher->held, HELD_MAX);
    for (size_t i = 0; i < count; i++) {
        if (stops[i].len > matcher->longest)
            matcher->longest = stops[i].len;
    }
}

void stop_clear(struct stop_matcher *matcher)
{
    buf_free(&matcher->held);
}

/* The longest stop that stands complete at the beginning of text. */
static size_t complete_at(const struct stop_matcher *matcher, struct view text)
{
    size_t best = STOPS_NONE;
    for (size_t i = 0; i < matcher->count; i++) {
        if (matcher->stops[i].len == 0 || !view_starts_with(text, matcher->stops[i]))
            continue;
        if (best == STOPS_NONE || matcher->stops[i].len > matcher->stops[best].len)
            best = i;
    }
    return best;
}

/* Whether more bytes after text could complete a stop that begins with it. */
static bool may_complete(const struct stop_matcher *matcher, struct view text)
{
    for (size_t i = 0; i < matcher->count; i++) {
        if (matcher->stops[i].len > text.len && view_starts_with(matcher->stops[i], text))
            return true;
    }
    return false;
}

/* Bytes up to the first one from which a stop is complete (then hit is set) or may still become complete. */
static size_t releasable(struct stop_matcher *matcher, struct view text)
{
    for (size_t at = 0; at < text.len; at++) {
        struct view rest = view_from(text, at);
        size_t hit = complete_at(matcher, rest);
        if (hit != STOPS_NONE) {
            matcher->hit = hit;
            return at;
        }
        if (rest.len < matcher->longest && may_complete(matcher, rest))
            return at;
    }
    return text.len;
}

static struct view release(struct stop_matcher *matcher, size_t len)
{
    matcher->released = len;
    return view_first(buf_view(&matcher->held), len);
}

struct view stop_feed(struct stop_matcher *matcher, struct view bytes)
{
    if (stop_hit(matcher) || stop_failed(matcher))
        return VIEW("");
    if (matcher->longest == 0)
        return bytes;

    buf_consume(&matcher->held, matcher->released);
    matcher->released = 0;
    if (!buf_append_view(&matcher->held, bytes))
        return VIEW("");
    return release(matcher, releasable(matcher, buf_view(&matcher->held)));
}

struct view stop_flush(struct stop_matcher *matcher)
{
    if (stop_hit(matcher) || stop_failed(matcher))
        return VIEW("");
    buf_consume(&matcher->held, matcher->released);
    matcher->released = 0;
    return release(matcher, matcher->held.len);
}
