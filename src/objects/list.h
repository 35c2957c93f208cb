/* objects/list.h - listing: the grouping by a delimiter, over whatever gives keys in order. Private to objects/.
 *
 * A cursor is asked for the first key that is not less than `from`, which only grows. So a group of keys under one common prefix is
 * passed over in one step, however many there are.
 */
#ifndef CRATON_OBJECTS_LIST_H
#define CRATON_OBJECTS_LIST_H

#include "objects/internal.h"

struct cursor {
    /* *found is false at the end. What is given lives until the next call. */
    enum object_status (*seek)(struct cursor *cursor, struct view from, struct object_info *out, bool *found);
};

enum object_status list_grouped(struct cursor *cursor, struct arena *arena, const struct object_list *list, struct object_page *out);

/* The least text that is greater than all that begin with this one, into out (as long as the prefix). Its length; 0: there is none. */
size_t list_after_prefix(struct view prefix, char *out);

#endif
