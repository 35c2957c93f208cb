/* base/list.h - doubly linked lists whose links lie inside their items: no memory, no failure.
 *
 * A list is a ring through its head. An item may be in as many lists as it has links, each once at a time. Not thread-safe.
 *
 *     struct waiter { struct list_link link; … };
 *     list_push_back(&queue, &waiter->link);
 *     struct waiter *first = LIST_ITEM(list_first(&queue), struct waiter, link);
 */
#ifndef CRATON_BASE_LIST_H
#define CRATON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *before, *after;
};

struct list {
    struct list_link head;
};

#define LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

/* The body may remove `at` from the list, but no other item. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `at` is declared here */
#define LIST_EACH(at, list)                                                                                                \
    for (struct list_link *at = (list)->head.after, *at##_next = at->after; at != &(list)->head;                           \
         at = at##_next, at##_next = at->after)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void list_init(struct list *list)
{
    list->head.before = list->head.after = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.after == &list->head;
}

static inline struct list_link *list_first(struct list *list) /* NULL when empty */
{
    return list_empty(list) ? NULL : list->head.after;
}

static inline void list_insert_before(struct list_link *place, struct list_link *link)
{
    link->before = place->before;
    link->after = place;
    place->before->after = link;
    place->before = link;
}

static inline void list_push_back(struct list *list, struct list_link *link)
{
    list_insert_before(&list->head, link);
}

static inline void list_push_front(struct list *list, struct list_link *link)
{
    list_insert_before(list->head.after, link);
}

/* The link is in no list afterwards, and may be removed again without harm. */
static inline void list_remove(struct list_link *link)
{
    link->before->after = link->after;
    link->after->before = link->before;
    link->before = link->after = link;
}

static inline struct list_link *list_pop_front(struct list *list) /* NULL when empty */
{
    struct list_link *link = list_first(list);
    if (link != NULL)
        list_remove(link);
    return link;
}

#endif
