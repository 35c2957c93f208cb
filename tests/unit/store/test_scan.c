/* Scans: orders, filters, ranges, pages that neither skip nor repeat. */
#include "fixture.h"

static void make(const char *region, const char *id, const char *state, const char *index)
{
    struct store_record record = record_of(id, "{}");
    record.key.region = view_from_cstr(region);
    record.state = view_from_cstr(state);
    record.index[1] = view_from_cstr(index);
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    clock_manual_advance(fixture_clock, 1000);
}

static void make_some(void)
{
    make("us-east-1", "d", "ACTIVE", "2");
    make("us-east-1", "a", "FAILED", "1");
    make("us-east-1", "c", "ACTIVE", NULL);
    make("us-east-1", "b", "ACTIVE", "2");
    make("eu-west-1", "e", "ACTIVE", "0");
}

static struct store_scan here(void)
{
    return (struct store_scan){ .kind = VIEW("job"), .account = VIEW("123456789012"), .region = VIEW("us-east-1") };
}

/* All pages of a scan, ids joined. */
static const char *ids(struct store_scan scan)
{
    static char all[8192];
    all[0] = '\0';
    do {
        struct store_page page;
        assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &page), STORE_OK);
        for (size_t i = 0; i < page.count; i++)
            strncat(all, page.records[i].key.id.ptr, sizeof all - strlen(all) - 1);
        assert_true(page.next.len == 0 || page.count == (scan.limit ? scan.limit : 100));
        scan.page = page.next;
    } while (scan.page.len > 0);
    return all;
}

static void each_order_is_kept_in_both_directions_and_any_page_size(void **state)
{
    (void)state;
    make_some();
    static const struct {
        enum store_order order;
        const char *up, *down;
    } cases[] = {
        { STORE_BY_ID, "abcd", "dcba" },
        { STORE_BY_CREATED, "dacb", "bcad" },
        { STORE_BY_INDEX, "abd", "dba" }, /* those without the index are passed over; equals follow their id */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t limit = 0; limit <= 5; limit++) {
            struct store_scan scan = here();
            scan.order = cases[i].order;
            scan.index = 1;
            scan.limit = limit;
            assert_string_equal(ids(scan), cases[i].up);
            scan.descending = true;
            assert_string_equal(ids(scan), cases[i].down);
        }
    }
}

static void filters_narrow_and_null_means_all(void **state)
{
    (void)state;
    make_some();
    struct store_scan scan = here();
    scan.state = VIEW("ACTIVE");
    assert_string_equal(ids(scan), "bcd");
    scan.region = (struct view){ NULL, 0 };
    assert_string_equal(ids(scan), "bcde");
    scan.account = (struct view){ NULL, 0 };
    scan.limit = 2;
    assert_string_equal(ids(scan), "bcde");
    scan.account = VIEW("999999999999");
    assert_string_equal(ids(scan), "");
    scan = here();
    scan.kind = VIEW("jobs");
    assert_string_equal(ids(scan), "");
}

static void ranges_take_their_beginning_and_leave_their_end(void **state)
{
    (void)state;
    make_some();
    struct store_scan scan = here();
    scan.from = VIEW("b");
    scan.before = VIEW("d");
    assert_string_equal(ids(scan), "bc");
    scan = here();
    scan.order = STORE_BY_INDEX;
    scan.index = 1;
    scan.from = VIEW("2");
    assert_string_equal(ids(scan), "bd");
    scan = here();
    scan.order = STORE_BY_CREATED;
    scan.from_ms = START_MS + 1000;
    scan.before_ms = START_MS + 3000;
    assert_string_equal(ids(scan), "ac");
    scan.order = STORE_BY_ID;
    scan.limit = 1;
    assert_string_equal(ids(scan), "ac");
}

static void the_same_id_in_two_regions_is_seen_twice(void **state)
{
    (void)state;
    make("eu-west-1", "a", "", "1");
    make("us-east-1", "a", "", "1");
    make("ap-south-1", "a", "", "1");
    struct store_scan scan = { .kind = VIEW("job"), .limit = 1 };
    assert_string_equal(ids(scan), "aaa");
    scan.order = STORE_BY_INDEX;
    scan.index = 1;
    scan.descending = true;
    assert_string_equal(ids(scan), "aaa");
}

static void a_page_token_serves_only_the_scan_it_came_from(void **state)
{
    (void)state;
    make_some();
    struct store_scan scan = here();
    struct store_page page;
    scan.limit = 2;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &page), STORE_OK);
    assert_true(page.next.len > 0);
    struct store_scan other = scan;
    other.page = page.next;
    other.limit = 1;
    struct store_page second;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &other, &second), STORE_OK);
    assert_view_is(second.records[0].key.id, "c");
    other.descending = true;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &other, &second), STORE_BAD_PAGE);
    other = scan;
    other.state = VIEW("");
    other.page = page.next;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &other, &second), STORE_BAD_PAGE);

    static const char *const forged[] = { "x", "====", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA", "not base64!" };
    for (size_t i = 0; i < COUNT_OF(forged); i++) {
        scan.page = view_from_cstr(forged[i]);
        assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &second), STORE_BAD_PAGE);
    }
    for (size_t cut = 1; cut < page.next.len && page.next.ptr[cut] != '='; cut++) {
        scan.page = view_first(page.next, cut);
        assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &second), STORE_BAD_PAGE);
    }
}

static void pages_stay_in_step_while_records_come_and_go(void **state)
{
    (void)state;
    make_some();
    struct store_scan scan = here();
    struct store_page page;
    scan.limit = 2;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &page), STORE_OK);
    struct store_key last = key_of("b");
    assert_int_equal(store_delete(fixture_store, &last, 0), STORE_OK);
    make("us-east-1", "aa", "", NULL);
    scan.page = page.next;
    assert_string_equal(ids(scan), "cd");
}

static void many_records_come_in_pages_of_at_most_a_thousand(void **state)
{
    (void)state;
    static char names[1200][8];
    static struct store_write writes[1200];
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        snprintf(names[i], sizeof names[i], "%05zu", i);
        writes[i] = (struct store_write){ .action = STORE_CREATE, .record = record_of(names[i], "{}") };
    }
    assert_int_equal(store_apply(fixture_store, writes, COUNT_OF(writes), NULL), STORE_OK);
    struct store_scan scan = here();
    struct store_page page;
    scan.limit = 5000;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 1000);
    scan.page = page.next;
    assert_int_equal(store_scan(fixture_store, fixture_arena, &scan, &page), STORE_OK);
    assert_int_equal(page.count, 200);
    assert_view_is(page.records[199].key.id, "01199");
    assert_int_equal(page.next.len, 0);
}

static void sortable_numbers_sort_as_numbers(void **state)
{
    (void)state;
    static const int64_t numbers[] = { INT64_MIN, -1000, -9, 0, 5, 40, 300, INT64_MAX };
    char before[STORE_SORTABLE_SIZE] = "", text[STORE_SORTABLE_SIZE];
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        store_sortable(numbers[i], text);
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_order_is_kept_in_both_directions_and_any_page_size),
        TEST(filters_narrow_and_null_means_all),
        TEST(ranges_take_their_beginning_and_leave_their_end),
        TEST(the_same_id_in_two_regions_is_seen_twice),
        TEST(a_page_token_serves_only_the_scan_it_came_from),
        TEST(pages_stay_in_step_while_records_come_and_go),
        TEST(many_records_come_in_pages_of_at_most_a_thousand),
        cmocka_unit_test(sortable_numbers_sort_as_numbers),
    };
    return cmocka_run_group_tests_name("store_scan", tests, NULL, NULL);
}
