/* Puts, reads and deletes of local objects: whole, durable, at once, and nothing left behind. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

static void what_was_put_is_read_back_with_all_that_was_said_of_it(void **state)
{
    (void)state;
    const struct object_field fields[] = { { VIEW("x-amz-meta-colour"), VIEW("gr\xc3\xbcn") },
                                           { VIEW("cache-control"), VIEW("no-store") } };
    const struct object_field tags[] = { { VIEW("team"), VIEW("a b") } };
    struct object_put put = { .bucket = BUCKET, .key = VIEW("some/key.txt"), .content_type = VIEW("text/plain"), .fields = fields,
                              .field_count = 2, .tags = tags, .tag_count = 1 };
    struct object_info made, info;
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &put, VIEW("123456789"), &made), OBJECT_OK);
    assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, put.key, &info), OBJECT_OK);
    assert_view_is(info.bucket, "a-bucket");
    assert_view_is(info.key, "some/key.txt");
    assert_view_eq(info.id, made.id);
    assert_int_equal(info.size, 9);
    assert_int_equal(info.modified_ms, START_MS);
    assert_view_is(info.etag, "25f9e794323b453885f5181f1b624d0b");
    assert_view_is(info.content_type, "text/plain");
    assert_int_equal(info.field_count, 2);
    assert_view_is(info.fields[0].name, "x-amz-meta-colour");
    assert_view_is(info.fields[0].value, "gr\xc3\xbcn");
    assert_view_is(info.fields[1].value, "no-store");
    assert_int_equal(info.tag_count, 1);
    assert_view_is(info.tags[0].value, "a b");
    assert_int_equal(info.checksum, OBJECT_CRC64NVME);
    assert_view_is(info.checksum_value, "rosUhgp5mIg=");
    assert_int_equal(info.part_count, 0);
    assert_view_is(text_of("some/key.txt"), "123456789");
}

static void what_is_not_there_is_told_apart(void **state)
{
    (void)state;
    struct object_info info;
    struct object_writer *writer;
    struct object_put nowhere = { .bucket = VIEW("no-bucket"), .key = VIEW("k") }, bad = { .bucket = BUCKET, .key = VIEW("\xff") };
    assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, VIEW("k"), &info), OBJECT_NO_KEY);
    assert_int_equal(object_head(fixture_objects, fixture_arena, VIEW("no-bucket"), VIEW("k"), &info), OBJECT_NO_BUCKET);
    assert_int_equal(object_write_begin(fixture_objects, &nowhere, &writer), OBJECT_NO_BUCKET);
    assert_int_equal(object_write_begin(fixture_objects, &bad, &writer), OBJECT_BAD_NAME);
    bad.key = VIEW("");
    assert_int_equal(object_write_begin(fixture_objects, &bad, &writer), OBJECT_BAD_NAME);
    assert_int_equal(object_delete(fixture_objects, VIEW("no-bucket"), VIEW("k")), OBJECT_NO_BUCKET);
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("k")), OBJECT_OK);
}

static void an_empty_object_is_an_object(void **state)
{
    (void)state;
    struct object_info info;
    assert_int_equal(put_text("empty/", "", &info), OBJECT_OK);
    assert_view_is(info.etag, "d41d8cd98f00b204e9800998ecf8427e");
    assert_view_is(info.checksum_value, "AAAAAAAAAAA=");
    assert_non_null(text_of("empty/").ptr);
    assert_int_equal(text_of("empty/").len, 0);
}

static void bytes_may_come_in_any_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = { 1, 7, 4096, 65535, 65536, 65537, 300000 };
    for (size_t p = 0; p < COUNT_OF(pieces); p++) {
        size_t total = 400001;
        char *bytes = arena_bytes(fixture_arena, total);
        struct object_writer *writer;
        struct object_info info;
        struct object_put put = { .bucket = BUCKET, .key = VIEW("pieces") };
        for (size_t i = 0; i < total; i++)
            bytes[i] = (char)(i * 7 + i / 255);
        assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
        for (struct view rest = view_of(bytes, total); rest.len > 0; rest = view_from(rest, pieces[p]))
            assert_int_equal(object_write(writer, view_first(rest, pieces[p])), OBJECT_OK);
        assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
        assert_view_eq(text_of("pieces"), view_of(bytes, total));
    }
    assert_int_equal(files_in("data"), 1);
}

static void a_put_replaces_whole_and_readers_keep_what_they_opened(void **state)
{
    (void)state;
    struct object_info info, now;
    struct object_reader *reader;
    char bytes[16];
    size_t got;
    assert_int_equal(put_text("k", "old bytes", NULL), OBJECT_OK);
    assert_int_equal(object_read_begin(fixture_objects, fixture_arena, BUCKET, VIEW("k"), &info, &reader), OBJECT_OK);
    assert_int_equal(put_text("k", "new", &now), OBJECT_OK);
    assert_view_is(text_of("k"), "new");
    assert_int_equal(object_read_at(reader, 4, bytes, sizeof bytes, &got), OBJECT_OK);
    assert_view_eq(view_of(bytes, got), VIEW("bytes"));
    int fd = object_reader_fd(reader);
    assert_int_equal(lseek(fd, 0, SEEK_END), 9);
    close(fd);
    object_read_end(reader);
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(files_in("pending"), 0);
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("k")), OBJECT_OK);
    assert_null(text_of("k").ptr);
    assert_int_equal(files_in("data"), 0);
    assert_int_equal(files_in("pending"), 0);
}

static void an_aborted_put_leaves_nothing(void **state)
{
    (void)state;
    struct object_writer *writer;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k") };
    char big[100000] = { 0 };
    assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
    assert_int_equal(object_write(writer, view_of(big, sizeof big)), OBJECT_OK);
    assert_int_equal(files_in("pending"), 1);
    object_write_abort(writer);
    object_write_abort(NULL);
    assert_int_equal(files_in("pending"), 0);
    assert_int_equal(files_in("data"), 0);
    assert_null(text_of("k").ptr);
}

static void an_unlinked_file_is_taken_as_it_is_and_others_are_copied(void **state)
{
    (void)state;
    struct object_info info;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("spooled") };
    for (int linked = 0; linked < 2; linked++) {
        struct object_writer *writer;
        char path[256];
        snprintf(path, sizeof path, "%s/a-file", fixture_dir);
        int fd = linked ? open(path, O_RDWR | O_CREAT, 0600) : open(fixture_dir, O_TMPFILE | O_RDWR, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "spooled bytes", 13), 13);
        struct stat before, after;
        assert_int_equal(fstat(fd, &before), 0);
        assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
        assert_int_equal(object_write_fd(writer, fd, 0, 13), OBJECT_OK);
        assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
        assert_view_is(info.etag, "d0b76d592d2b02b8956e1544c83c477b");
        assert_int_equal(fstat(fd, &after), 0);
        assert_int_equal(after.st_nlink, 1);                /* the object's, or its own */
        close(fd);
        assert_view_is(text_of("spooled"), "spooled bytes");
    }
    assert_int_equal(files_in("data"), 1);
}

static void a_part_of_a_file_can_be_taken(void **state)
{
    (void)state;
    struct object_info info;
    struct object_writer *writer;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("part") };
    int fd = open(fixture_dir, O_TMPFILE | O_RDWR, 0600);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
    assert_int_equal(object_write(writer, VIEW("<")), OBJECT_OK);
    assert_int_equal(object_write_fd(writer, fd, 3, 4), OBJECT_OK);
    assert_int_equal(object_write(writer, VIEW(">")), OBJECT_OK);
    assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
    close(fd);
    assert_view_is(text_of("part"), "<3456>");
}

static void the_own_bucket_is_there_from_the_beginning(void **state)
{
    (void)state;
    struct object_info info;
    struct object_put put = { .bucket = VIEW(OBJECT_OWN_BUCKET), .key = VIEW("jobs/1") };
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &put, VIEW("x"), &info), OBJECT_OK);
    assert_view_is(bytes_of(VIEW(OBJECT_OWN_BUCKET), "jobs/1"), "x");
}

static void objects_outlive_the_process(void **state)
{
    (void)state;
    assert_int_equal(put_text("k", "kept", NULL), OBJECT_OK);
    close_objects();
    assert_true(open_objects(true));
    assert_view_is(text_of("k"), "kept");
}

static void many_are_deleted_at_once_and_each_has_its_status(void **state)
{
    (void)state;
    struct view keys[253];
    enum object_status statuses[253];
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *key = arena_printf(fixture_arena, "key-%zu", i);
        keys[i] = view_from_cstr(key);
        if (i % 50 != 49)
            assert_int_equal(put_text(key, "x", NULL), OBJECT_OK);
    }
    keys[200] = VIEW("\xff");                               /* no key */
    keys[3] = keys[2];
    assert_int_equal(object_delete_many(fixture_objects, BUCKET, keys, COUNT_OF(keys), statuses), OBJECT_BAD_NAME);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(statuses[i], i == 200 ? OBJECT_BAD_NAME : OBJECT_OK);
    assert_int_equal(files_in("data"), 2);                  /* key-3 and key-200 */
    assert_int_equal(files_in("pending"), 0);
    assert_int_equal(object_delete_many(fixture_objects, VIEW("no-bucket"), keys, 2, statuses), OBJECT_NO_BUCKET);
    assert_int_equal(statuses[1], OBJECT_NO_BUCKET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_is_read_back_with_all_that_was_said_of_it),
        TEST(what_is_not_there_is_told_apart),
        TEST(an_empty_object_is_an_object),
        TEST(bytes_may_come_in_any_pieces),
        TEST(a_put_replaces_whole_and_readers_keep_what_they_opened),
        TEST(an_aborted_put_leaves_nothing),
        TEST(an_unlinked_file_is_taken_as_it_is_and_others_are_copied),
        TEST(a_part_of_a_file_can_be_taken),
        TEST(the_own_bucket_is_there_from_the_beginning),
        TEST(many_are_deleted_at_once_and_each_has_its_status),
        TEST(objects_outlive_the_process),
    };
    return cmocka_run_group_tests_name("objects_write", tests, NULL, NULL);
}
