/* Lists: order, removal while walking, removal twice. */
#include "unit.h"

#include "base/list.h"

struct item {
    int number;
    struct list_link link;
};

static int number_of(struct list_link *link)
{
    return LIST_ITEM(link, struct item, link)->number;
}

static void items_keep_their_order(void **state)
{
    (void)state;
    struct list list;
    struct item items[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };
    list_init(&list);
    assert_null(list_pop_front(&list));
    list_push_back(&list, &items[1].link);
    list_push_back(&list, &items[3].link);
    list_push_front(&list, &items[0].link);
    list_insert_before(&items[3].link, &items[2].link);
    for (int i = 0; i < 4; i++)
        assert_int_equal(number_of(list_pop_front(&list)), i);
    assert_true(list_empty(&list));
}

static void an_item_may_leave_while_the_list_is_walked(void **state)
{
    (void)state;
    struct list list;
    struct item items[5];
    list_init(&list);
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_push_back(&list, &items[i].link);
    }
    LIST_EACH(at, &list) {
        if (number_of(at) % 2 == 0)
            list_remove(at);
    }
    list_remove(&items[0].link);
    assert_int_equal(number_of(list_pop_front(&list)), 1);
    assert_int_equal(number_of(list_pop_front(&list)), 3);
    assert_null(list_first(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_order),
        cmocka_unit_test(an_item_may_leave_while_the_list_is_walked),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
