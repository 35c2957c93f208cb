#include "base/segments.h"

static bool may_end_at(struct view text, size_t last, size_t at)
{
    return at > last && at <= text.len && (at == text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80);
}

bool segments_fit(const struct text_segments *segments, struct view text)
{
    size_t last = 0, last_sentence = 0;
    for (size_t i = 0; i < segments->count; i++) {
        if (!may_end_at(text, last, segments->ends[i].at))
            return false;
        last = segments->ends[i].at;
    }
    for (size_t i = 0; i < segments->sentence_count; i++) {
        if (!may_end_at(text, last_sentence, segments->sentences[i]))
            return false;
        last_sentence = segments->sentences[i];
    }
    return last == text.len && last_sentence == text.len;
}
