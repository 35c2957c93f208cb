/* Listing: order, prefixes, delimiters, pages. */
#include "fixture.h"

/* ---- what a listing costs: the linker leads the scans of src/objects through here ---- */

static size_t records_read, scans;

enum store_status __real_store_scan(struct store *store, struct arena *arena, const struct store_scan *scan, struct store_page *page);
enum store_status __wrap_store_scan(struct store *store, struct arena *arena, const struct store_scan *scan, struct store_page *page);

enum store_status __wrap_store_scan(struct store *store, struct arena *arena, const struct store_scan *scan, struct store_page *page)
{
    enum store_status status = __real_store_scan(store, arena, scan, page);
    records_read += page->count;
    scans++;
    return status;
}

static void put_keys(const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(put_text(keys[i], "x", NULL), OBJECT_OK);
}

/* What the page holds, as text: keys and common prefixes in their order, and "…" when there is more. */
static const char *listed(const struct object_list *list)
{
    struct object_page page;
    struct buf text = BUF_INIT(1 << 20);
    size_t o = 0, p = 0;
    assert_int_equal(object_list(fixture_objects, fixture_arena, list, &page), OBJECT_OK);
    while (o < page.count || p < page.prefix_count) {
        bool object = p == page.prefix_count || (o < page.count && view_compare(page.objects[o].key, page.prefixes[p]) < 0);
        struct view at = object ? page.objects[o++].key : page.prefixes[p++];
        buf_printf(&text, "%s" VIEW_FMT "%s", text.len > 0 ? " " : "", VIEW_ARG(at), object ? "" : "*");
    }
    if (page.more)
        buf_append_cstr(&text, " ...");
    const char *out = arena_cstr(fixture_arena, buf_view(&text));
    buf_free(&text);
    return out;
}

static void keys_come_in_the_order_of_their_bytes(void **state)
{
    (void)state;
    static const char *const keys[] = { "b", "a", "\xc3\xa4", "a/b", "A", "a-b", "a+b" };
    put_keys(keys, COUNT_OF(keys));
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .limit = 100 }), "A a a+b a-b a/b b \xc3\xa4");
}

static void a_prefix_bounds_the_list_and_neighbours_are_not_in_it(void **state)
{
    (void)state;
    static const char *const keys[] = { "a", "ab", "abc", "ac", "b" };
    put_keys(keys, COUNT_OF(keys));
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, VIEW("a-bucket2")), OBJECT_OK);
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, VIEW("a-bucket.b")), OBJECT_OK);
    struct object_info info;
    struct object_put near = { .bucket = VIEW("a-bucket2"), .key = VIEW("ab") };
    struct object_put other = { .bucket = VIEW("a-bucket.b"), .key = VIEW("ab") };
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &near, VIEW("x"), &info), OBJECT_OK);
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &other, VIEW("x"), &info), OBJECT_OK);
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .prefix = VIEW("ab"), .limit = 100 }), "ab abc");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .prefix = VIEW("z"), .limit = 100 }), "");
    assert_string_equal(listed(&(struct object_list){ .bucket = VIEW("a-bucket2"), .limit = 100 }), "ab");
}

static void a_delimiter_folds_what_follows_it(void **state)
{
    (void)state;
    static const char *const keys[] = { "a", "dir/a", "dir/b", "dir/sub/c", "dir/sub/d", "dir2/x", "e//f", "z" };
    put_keys(keys, COUNT_OF(keys));
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .delimiter = VIEW("/"), .limit = 100 }), "a dir/* dir2/* e/* z");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .prefix = VIEW("dir/"), .delimiter = VIEW("/"), .limit = 100 }),
                        "dir/a dir/b dir/sub/*");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .prefix = VIEW("dir"), .delimiter = VIEW("/"), .limit = 100 }),
                        "dir/* dir2/*");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .delimiter = VIEW("sub/"), .limit = 100 }),
                        "a dir/a dir/b dir/sub/* dir2/x e//f z");
}

static void pages_of_any_size_give_everything_once(void **state)
{
    (void)state;
    static const char *const keys[] = { "a", "dir/a", "dir/b", "dir/sub/c", "dir2/x", "e//f", "y/1", "y/2", "z" };
    static const char *const delimiters[] = { "", "/" };
    put_keys(keys, COUNT_OF(keys));
    for (size_t d = 0; d < COUNT_OF(delimiters); d++) {
        struct object_list all = { .bucket = BUCKET, .delimiter = view_from_cstr(delimiters[d]), .limit = 100 };
        const char *whole = listed(&all);
        for (size_t limit = 1; limit < 10; limit++) {
            struct object_list list = all;
            struct object_page page;
            size_t count = 0;
            list.limit = limit;
            do {
                assert_int_equal(object_list(fixture_objects, fixture_arena, &list, &page), OBJECT_OK);
                assert_true(page.count + page.prefix_count <= limit);
                assert_true(page.count + page.prefix_count == limit || !page.more);
                count += page.count + page.prefix_count;
                list.after = page.last;
            } while (page.more);
            size_t words = 1;
            for (const char *at = whole; *at != '\0'; at++)
                words += *at == ' ';
            assert_int_equal(count, words);
        }
    }
}

static void after_need_not_be_a_key(void **state)
{
    (void)state;
    static const char *const keys[] = { "a", "dir/a", "dir/b", "z" };
    put_keys(keys, COUNT_OF(keys));
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .after = VIEW("b"), .limit = 100 }), "dir/a dir/b z");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .after = VIEW("dir/a"), .limit = 100 }), "dir/b z");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .after = VIEW("dir/"), .delimiter = VIEW("/"), .limit = 100 }),
                        "z");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .after = VIEW("zz"), .limit = 100 }), "");
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .prefix = VIEW("dir/"), .after = VIEW("a"), .limit = 1 }),
                        "dir/a ...");
}

static void a_list_of_no_bucket_says_so(void **state)
{
    (void)state;
    struct object_page page;
    struct object_list list = { .bucket = VIEW("no-bucket"), .limit = 10 };
    assert_int_equal(object_list(fixture_objects, fixture_arena, &list, &page), OBJECT_NO_BUCKET);
}

static void many_keys_under_one_common_prefix_are_leapt_over(void **state)
{
    (void)state;
    for (int d = 0; d < 3; d++) {
        for (int i = 0; i < 1500; i++)
            assert_int_equal(put_text(arena_printf(fixture_arena, "dir%d/%04d", d, i), "x", NULL), OBJECT_OK);
    }
    records_read = scans = 0;
    assert_string_equal(listed(&(struct object_list){ .bucket = BUCKET, .delimiter = VIEW("/"), .limit = 100 }), "dir0/* dir1/* dir2/*");
    assert_true(records_read <= 4 * 16);
    assert_true(scans <= 4);
}

static void a_page_reads_no_more_than_about_what_it_gives(void **state)
{
    (void)state;
    for (int i = 0; i < 1200; i++)
        assert_int_equal(put_text(arena_printf(fixture_arena, "key-%04d", i), "x", NULL), OBJECT_OK);
    struct object_page page;
    static const size_t limits[] = { 1, 10, 100, 1000 };
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct object_list list = { .bucket = BUCKET, .limit = limits[i] };
        records_read = scans = 0;
        assert_int_equal(object_list(fixture_objects, fixture_arena, &list, &page), OBJECT_OK);
        assert_int_equal(page.count, limits[i]);
        assert_true(page.more);
        assert_true(records_read <= limits[i] + 16);
        assert_true(scans <= 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_come_in_the_order_of_their_bytes),
        TEST(a_prefix_bounds_the_list_and_neighbours_are_not_in_it),
        TEST(a_delimiter_folds_what_follows_it),
        TEST(pages_of_any_size_give_everything_once),
        TEST(after_need_not_be_a_key),
        TEST(a_list_of_no_bucket_says_so),
        TEST(many_keys_under_one_common_prefix_are_leapt_over),
        TEST(a_page_reads_no_more_than_about_what_it_gives),
    };
    return cmocka_run_group_tests_name("objects_list", tests, NULL, NULL);
}
