#include "s3/range.h"

#include "base/clock.h"

#define UNIT     "bytes="
#define MS_PER_S 1000

enum range_result s3_range_parse(struct view text, uint64_t size, uint64_t *offset, uint64_t *length)
{
    uint64_t first, last;
    struct view end = view_from(text, sizeof UNIT - 1);
    *offset = 0;
    *length = size;
    if (!view_starts_with(text, VIEW(UNIT)) || view_find_byte(end, ',') != VIEW_NPOS)
        return RANGE_WHOLE;
    struct view begin = view_trim(view_split(&end, '-'));
    if (end.ptr == NULL)
        return RANGE_WHOLE;
    end = view_trim(end);
    if (begin.len == 0) {                                   /* the last bytes */
        if (!view_to_u64(end, &last))
            return RANGE_WHOLE;
        if (last == 0 || size == 0)
            return RANGE_UNSATISFIABLE;
        *length = last < size ? last : size;
        *offset = size - *length;
        return RANGE_PART;
    }
    if (!view_to_u64(begin, &first) || (end.len > 0 && (!view_to_u64(end, &last) || last < first)))
        return RANGE_WHOLE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    *offset = first;
    *length = end.len > 0 && last < size - 1 ? last - first + 1 : size - first;
    return RANGE_PART;
}

static bool lists(struct view list, struct view etag)
{
    while (list.ptr != NULL) {
        struct view item = view_trim(view_split(&list, ','));
        if (view_starts_with(item, VIEW("W/")))
            item = view_from(item, 2);
        if (item.len >= 2 && item.ptr[0] == '"' && item.ptr[item.len - 1] == '"')
            item = view_of(item.ptr + 1, item.len - 2);
        if (view_is(item, "*") || view_eq(item, etag))
            return true;
    }
    return false;
}

enum condition_result s3_conditions_check(const struct conditions *conditions, struct view etag, int64_t modified_ms)
{
    int64_t when, modified_s = modified_ms / MS_PER_S;
    if (conditions->if_match.ptr != NULL) {
        if (!lists(conditions->if_match, etag))
            return CONDITION_FAILED;
    } else if (clock_parse_http(conditions->if_unmodified_since, &when) && modified_s > when / MS_PER_S) {
        return CONDITION_FAILED;
    }
    if (conditions->if_none_match.ptr != NULL)
        return lists(conditions->if_none_match, etag) ? CONDITION_NOT_MODIFIED : CONDITION_HOLDS;
    if (clock_parse_http(conditions->if_modified_since, &when) && modified_s <= when / MS_PER_S)
        return CONDITION_NOT_MODIFIED;
    return CONDITION_HOLDS;
}
