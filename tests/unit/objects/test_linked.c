/* Linked directories: the files are there, in order, and there is no way out. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LINKED VIEW("linked")

static const char *in_tree(const char *name)
{
    return arena_printf(fixture_arena, "%s/tree/%s", fixture_dir, name);
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(in_tree(name), 0700), 0);
}

static void make_file(const char *name, const char *text)
{
    int fd = open(in_tree(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void link_tree(void)
{
    char outside[128];
    make_dir("");
    const char *tree = arena_printf(fixture_arena, "%s/tree", fixture_dir);
    assert_int_equal(bucket_link(fixture_objects, ACCOUNT, REGION, LINKED, view_from_cstr(tree)), OBJECT_OK);
    snprintf(outside, sizeof outside, "%s/secret", fixture_dir);
    int fd = open(outside, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "secret", 6), 6);
    close(fd);
}

static const char *listed(struct object_list list)
{
    struct object_page page;
    struct buf text = BUF_INIT(1 << 20);
    list.bucket = LINKED;
    list.limit = list.limit > 0 ? list.limit : 100;
    assert_int_equal(object_list(fixture_objects, fixture_arena, &list, &page), OBJECT_OK);
    for (size_t o = 0, p = 0; o < page.count || p < page.prefix_count;) {
        bool object = p == page.prefix_count || (o < page.count && view_compare(page.objects[o].key, page.prefixes[p]) < 0);
        struct view at = object ? page.objects[o++].key : page.prefixes[p++];
        buf_printf(&text, "%s" VIEW_FMT "%s", text.len > 0 ? " " : "", VIEW_ARG(at), object ? "" : "*");
    }
    const char *out = arena_cstr(fixture_arena, buf_view(&text));
    buf_free(&text);
    return out;
}

static void files_are_objects_and_nothing_can_be_changed(void **state)
{
    (void)state;
    struct object_info info, again;
    struct object_writer *writer;
    struct view upload;
    struct object_put put = { .bucket = LINKED, .key = VIEW("k") };
    link_tree();
    make_dir("sub");
    make_file("sub/a.txt", "the text");
    assert_view_is(bytes_of(LINKED, "sub/a.txt"), "the text");
    assert_int_equal(object_head(fixture_objects, fixture_arena, LINKED, VIEW("sub/a.txt"), &info), OBJECT_OK);
    assert_view_is(info.bucket, "linked");
    assert_view_is(info.key, "sub/a.txt");
    assert_int_equal(info.size, 8);
    assert_true(info.modified_ms > START_MS);
    assert_int_equal(info.etag.len, 34);
    make_file("sub/a.txt", "other");
    assert_int_equal(object_head(fixture_objects, fixture_arena, LINKED, VIEW("sub/a.txt"), &again), OBJECT_OK);
    assert_false(view_eq(info.etag, again.etag));
    assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_READ_ONLY);
    assert_int_equal(object_delete(fixture_objects, LINKED, VIEW("sub/a.txt")), OBJECT_READ_ONLY);
    assert_int_equal(object_set_tags(fixture_objects, LINKED, VIEW("sub/a.txt"), NULL, 0), OBJECT_READ_ONLY);
    assert_int_equal(upload_create(fixture_objects, fixture_arena, &put, &upload), OBJECT_READ_ONLY);
}

static void what_is_no_file_below_the_directory_is_not_there(void **state)
{
    (void)state;
    static const char *const keys[] = { "../secret", "sub/../../secret", "link", "out/secret", "sub", "sub/", "./a", "sub//a", "/a", "a/b",
                                        "none", "fifo", "sub/." };
    struct object_info info;
    link_tree();
    make_dir("sub");
    make_file("a", "x");
    make_file("sub/a", "x");
    assert_int_equal(symlink("../secret", in_tree("link")), 0);
    assert_int_equal(symlink("..", in_tree("out")), 0);
    assert_int_equal(symlink("a", in_tree("inner")), 0);
    assert_int_equal(mkfifo(in_tree("fifo"), 0600), 0);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(object_head(fixture_objects, fixture_arena, LINKED, view_from_cstr(keys[i]), &info), OBJECT_NO_KEY);
    assert_string_equal(listed((struct object_list){ .limit = 0 }), "a sub/a");
}

static void the_list_is_in_the_order_of_the_keys_bytes(void **state)
{
    (void)state;
    link_tree();
    make_dir("a");
    make_dir("a/b");
    make_dir("empty");
    make_dir("empty/below");
    make_file("a.txt", "x");
    make_file("a-b", "x");
    make_file("a/z", "x");
    make_file("a/b/c", "x");
    make_file("a0", "x");
    make_file("\xc3\xa4", "x");
    make_file("bad\xff", "x");
    assert_string_equal(listed((struct object_list){ .limit = 0 }), "a-b a.txt a/b/c a/z a0 \xc3\xa4");
    assert_string_equal(listed((struct object_list){ .delimiter = VIEW("/") }), "a-b a.txt a/* a0 \xc3\xa4");
    assert_string_equal(listed((struct object_list){ .prefix = VIEW("a/"), .delimiter = VIEW("/") }), "a/b/* a/z");
    assert_string_equal(listed((struct object_list){ .prefix = VIEW("a/b") }), "a/b/c");
    assert_string_equal(listed((struct object_list){ .after = VIEW("a/b/c") }), "a/z a0 \xc3\xa4");
    assert_string_equal(listed((struct object_list){ .after = VIEW("a/"), .delimiter = VIEW("/") }), "a0 \xc3\xa4");
}

static void pages_give_everything_once(void **state)
{
    (void)state;
    struct object_list list = { .bucket = LINKED, .limit = 7 };
    struct object_page page;
    size_t count = 0;
    link_tree();
    for (int d = 0; d < 5; d++) {
        make_dir(arena_printf(fixture_arena, "d%d", d));
        for (int f = 0; f < 10; f++)
            make_file(arena_printf(fixture_arena, "d%d/%d", d, f), "x");
    }
    do {
        assert_int_equal(object_list(fixture_objects, fixture_arena, &list, &page), OBJECT_OK);
        for (size_t i = 0; i < page.count; i++, count++)
            assert_view_is(page.objects[i].key, arena_printf(fixture_arena, "d%zu/%zu", count / 10, count % 10));
        list.after = page.last;
    } while (page.more);
    assert_int_equal(count, 50);
}

static void a_link_can_be_undone_and_its_files_stay(void **state)
{
    (void)state;
    struct bucket_info info;
    struct object_info object;
    link_tree();
    make_file("a", "x");
    assert_int_equal(bucket_get(fixture_objects, fixture_arena, LINKED, &info), OBJECT_OK);
    assert_int_equal(info.place, BUCKET_LINKED);
    assert_view_is(info.target, arena_printf(fixture_arena, "%s/tree", fixture_dir));
    assert_int_equal(bucket_delete(fixture_objects, LINKED), OBJECT_OK);
    assert_int_equal(object_head(fixture_objects, fixture_arena, LINKED, VIEW("a"), &object), OBJECT_NO_BUCKET);
    assert_int_equal(access(in_tree("a"), R_OK), 0);
}

static void only_an_existing_directory_can_be_linked(void **state)
{
    (void)state;
    struct object_page page;
    link_tree();
    make_file("a", "x");
    assert_int_equal(bucket_link(fixture_objects, ACCOUNT, REGION, VIEW("other"), view_from_cstr(in_tree("none"))), OBJECT_BAD_NAME);
    assert_int_equal(bucket_link(fixture_objects, ACCOUNT, REGION, VIEW("other"), view_from_cstr(in_tree("a"))), OBJECT_BAD_NAME);
    assert_int_equal(bucket_link(fixture_objects, ACCOUNT, REGION, VIEW("other"), VIEW("tmp")), OBJECT_BAD_NAME);
    assert_int_equal(bucket_link(fixture_objects, ACCOUNT, REGION, VIEW("No"), VIEW("/tmp")), OBJECT_BAD_NAME);
    assert_int_equal(bucket_link(fixture_objects, ACCOUNT, REGION, BUCKET, VIEW("/tmp")), OBJECT_BUCKET_OWNED);
    assert_int_equal(bucket_link(fixture_objects, VIEW("2"), REGION, BUCKET, VIEW("/tmp")), OBJECT_BUCKET_TAKEN);
    assert_int_equal(unlink(in_tree("a")), 0);
    assert_int_equal(rmdir(in_tree("")), 0);
    assert_int_equal(object_list(fixture_objects, fixture_arena, &(struct object_list){ .bucket = LINKED }, &page), OBJECT_NO_BUCKET);
}

static void a_linked_file_can_be_copied_into_a_bucket(void **state)
{
    (void)state;
    struct object_info info;
    struct object_put to = { .bucket = BUCKET, .key = VIEW("copied") };
    link_tree();
    make_file("a", "123456789");
    assert_int_equal(object_copy(fixture_objects, fixture_arena, LINKED, VIEW("a"), &to, false, false, &info), OBJECT_OK);
    assert_view_is(info.etag, "25f9e794323b453885f5181f1b624d0b");
    assert_view_is(text_of("copied"), "123456789");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_objects_and_nothing_can_be_changed),
        TEST(what_is_no_file_below_the_directory_is_not_there),
        TEST(the_list_is_in_the_order_of_the_keys_bytes),
        TEST(pages_give_everything_once),
        TEST(a_link_can_be_undone_and_its_files_stay),
        TEST(only_an_existing_directory_can_be_linked),
        TEST(a_linked_file_can_be_copied_into_a_bucket),
    };
    return cmocka_run_group_tests_name("objects_linked", tests, NULL, NULL);
}
