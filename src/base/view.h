/* base/view.h - bytes that somebody else owns.
 *
 * A view is a pointer and a length: not owned, not NUL-terminated, valid as long as what it points into. An empty view may
 * have a NULL pointer. Functions here never allocate and never read outside the view.
 */
#ifndef CRATON_BASE_VIEW_H
#define CRATON_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct view {
    const char *ptr;
    size_t len;
};

#define VIEW(literal)      ((struct view){ "" literal, sizeof(literal) - 1 })
#define VIEW_INIT(literal) { "" literal, sizeof(literal) - 1 } /* for static tables */
#define VIEW_FMT           "%.*s"
#define VIEW_ARG(v)        (int)((v).len), ((v).ptr != NULL ? (v).ptr : "")

static inline struct view view_of(const void *ptr, size_t len)
{
    return (struct view){ ptr, len };
}

static inline struct view view_from_cstr(const char *text) /* NULL gives the empty view */
{
    return (struct view){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool view_eq(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool view_is(struct view a, const char *text)
{
    return view_eq(a, view_from_cstr(text));
}

static inline bool view_starts_with(struct view v, struct view prefix)
{
    return v.len >= prefix.len && (prefix.len == 0 || memcmp(v.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool view_ends_with(struct view v, struct view suffix)
{
    return v.len >= suffix.len && (suffix.len == 0 || memcmp(v.ptr + v.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* From offset to the end; an offset past the end gives the empty view. */
static inline struct view view_from(struct view v, size_t offset)
{
    return offset >= v.len ? (struct view){ v.ptr, 0 } : (struct view){ v.ptr + offset, v.len - offset };
}

/* The first len bytes, or all of them when there are fewer. */
static inline struct view view_first(struct view v, size_t len)
{
    return (struct view){ v.ptr, len < v.len ? len : v.len };
}

#define VIEW_NPOS SIZE_MAX
size_t view_find_byte(struct view v, char byte);            /* VIEW_NPOS when absent */
size_t view_find(struct view v, struct view needle);        /* VIEW_NPOS when absent; an empty needle is at 0 */
bool view_eq_nocase(struct view a, struct view b);          /* ASCII letters only */
bool view_starts_with_nocase(struct view v, struct view prefix);
int view_compare(struct view a, struct view b);             /* by bytes, like memcmp; the shorter first */
struct view view_trim(struct view v);                       /* spaces, tabs, CR, LF at both ends */

/* Cuts *rest at the first separator: what stands before it is returned, *rest becomes what follows. Without a separator
 * everything is returned and *rest becomes empty with a NULL pointer, which ends a loop `while (rest.ptr != NULL)`. */
struct view view_split(struct view *rest, char separator);

/* The whole view must be a number: no blanks, no trailing bytes. False leaves *out alone. */
bool view_to_u64(struct view v, uint64_t *out);
bool view_to_i64(struct view v, int64_t *out);
bool view_to_double(struct view v, double *out);            /* JSON's number syntax; out of range is false */

uint64_t view_hash(struct view v, uint64_t seed);           /* not cryptographic; seed it per process against flooding */

#endif
