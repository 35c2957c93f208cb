/* Multipart uploads: parts become one object, with the ETag and checksum that S3 gives; nothing is left of those that end. */
#include "fixture.h"

#define MIB (1u << 20)

static struct view begin_upload(struct object_put put)
{
    struct view id;
    assert_int_equal(upload_create(fixture_objects, fixture_arena, &put, &id), OBJECT_OK);
    assert_int_equal(id.len, 32);
    return id;
}

static struct view begin_plain(struct view bucket)
{
    return begin_upload((struct object_put){ .bucket = bucket, .key = VIEW("big") });
}

/* size bytes of one letter. */
static struct object_part put_part(struct view bucket, struct view upload, unsigned number, char letter, size_t size)
{
    struct object_writer *writer;
    struct object_info info;
    char *bytes = arena_bytes(fixture_arena, size + 1);
    memset(bytes, letter, size);
    assert_int_equal(upload_part_begin(fixture_objects, bucket, VIEW("big"), upload, number, &writer), OBJECT_OK);
    assert_int_equal(object_write(writer, view_of(bytes, size)), OBJECT_OK);
    assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
    assert_int_equal(info.size, size);
    return (struct object_part){ .number = number, .etag = info.etag, .size = size };
}

static enum object_status finish(struct view bucket, struct view upload, const struct object_part *parts, size_t count,
                                 struct object_info *info)
{
    return upload_complete(fixture_objects, fixture_arena, bucket, VIEW("big"), upload, parts, count, NULL, info);
}

static void parts_become_one_object_with_what_the_upload_said(void **state)
{
    (void)state;
    const struct object_field fields[] = { { VIEW("x-amz-meta-a"), VIEW("b") } };
    struct object_put put = { .bucket = BUCKET, .key = VIEW("big"), .content_type = VIEW("text/plain"), .fields = fields,
                              .field_count = 1 };
    struct view upload = begin_upload(put);
    struct object_part parts[2];
    struct object_info info, read;
    parts[1] = put_part(BUCKET, upload, 7, 'b', 10);
    parts[0] = put_part(BUCKET, upload, 2, 'a', 5 * MIB);
    assert_null(text_of("big").ptr);
    assert_int_equal(finish(BUCKET, upload, parts, 2, &info), OBJECT_OK);
    assert_view_is(info.etag, "8b0be7847da5564ae08e97af63b60885-2");
    assert_int_equal(info.size, 5 * MIB + 10);
    assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, VIEW("big"), &read), OBJECT_OK);
    assert_view_eq(read.etag, info.etag);
    assert_view_is(read.content_type, "text/plain");
    assert_view_is(read.fields[0].value, "b");
    assert_int_equal(read.part_count, 2);
    struct view bytes = text_of("big");
    assert_int_equal(bytes.ptr[0], 'a');
    assert_int_equal(bytes.ptr[5 * MIB - 1], 'a');
    assert_view_is(view_from(bytes, 5 * MIB), "bbbbbbbbbb");
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(files_in("pending"), 0);
}

static void completing_twice_succeeds_twice_but_not_after_another_put(void **state)
{
    (void)state;
    struct view upload = begin_plain(BUCKET);
    struct object_part part = put_part(BUCKET, upload, 1, 'a', 3);
    struct object_info first, second;
    assert_int_equal(finish(BUCKET, upload, &part, 1, &first), OBJECT_OK);
    assert_int_equal(finish(BUCKET, upload, &part, 1, &second), OBJECT_OK);
    assert_view_eq(second.id, first.id);
    assert_view_is(text_of("big"), "aaa");
    assert_int_equal(put_text("big", "other", NULL), OBJECT_OK);
    assert_int_equal(finish(BUCKET, upload, &part, 1, &second), OBJECT_NO_UPLOAD);
    assert_int_equal(files_in("data"), 1);
}

static void a_part_sent_again_replaces_the_first(void **state)
{
    (void)state;
    struct view upload = begin_plain(BUCKET);
    struct object_part old = put_part(BUCKET, upload, 1, 'a', 3), now = put_part(BUCKET, upload, 1, 'b', 3);
    struct object_info info;
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(finish(BUCKET, upload, &old, 1, &info), OBJECT_BAD_PART);
    assert_int_equal(finish(BUCKET, upload, &now, 1, &info), OBJECT_OK);
    assert_view_is(text_of("big"), "bbb");
}

static void parts_out_of_order_missing_or_too_small_are_refused(void **state)
{
    (void)state;
    struct view upload = begin_plain(BUCKET);
    struct object_part a = put_part(BUCKET, upload, 1, 'a', 3), b = put_part(BUCKET, upload, 2, 'b', 3);
    struct object_part none = a, twisted[] = { b, a }, same[] = { a, a }, small[] = { a, b };
    struct object_info info;
    struct object_writer *writer;
    none.number = 3;
    assert_int_equal(finish(BUCKET, upload, twisted, 2, &info), OBJECT_BAD_PART);
    assert_int_equal(finish(BUCKET, upload, same, 2, &info), OBJECT_BAD_PART);
    assert_int_equal(finish(BUCKET, upload, &none, 1, &info), OBJECT_BAD_PART);
    assert_int_equal(finish(BUCKET, upload, small, 2, &info), OBJECT_PART_TOO_SMALL);
    assert_int_equal(finish(BUCKET, upload, small, 0, &info), OBJECT_BAD_PART);
    assert_int_equal(upload_part_begin(fixture_objects, BUCKET, VIEW("big"), upload, 0, &writer), OBJECT_BAD_PART);
    assert_int_equal(upload_part_begin(fixture_objects, BUCKET, VIEW("big"), upload, OBJECT_PARTS_MAX + 1, &writer), OBJECT_BAD_PART);
    assert_int_equal(upload_part_begin(fixture_objects, BUCKET, VIEW("other"), upload, 1, &writer), OBJECT_NO_UPLOAD);
    assert_int_equal(finish(BUCKET, upload, &b, 1, &info), OBJECT_OK);
    assert_view_is(text_of("big"), "bbb");
}

static void small_parts_are_welcome_in_the_own_bucket(void **state)
{
    (void)state;
    struct view own = VIEW(OBJECT_OWN_BUCKET), upload = begin_plain(own);
    struct object_part parts[] = { put_part(own, upload, 1, 'a', 2), put_part(own, upload, 2, 'b', 0), put_part(own, upload, 3, 'c', 2) };
    struct object_info info;
    assert_int_equal(finish(own, upload, parts, 3, &info), OBJECT_OK);
    assert_view_is(bytes_of(own, "big"), "aacc");
}

static void checksums_are_composed_or_of_the_whole(void **state)
{
    (void)state;
    static const struct {
        enum object_checksum checksum;
        bool whole;
        const char *value;
    } rows[] = {
        { OBJECT_CHECKSUM_NONE, false, "QxVmD2Vm7AI=" }, { OBJECT_CRC32, true, "u4+GTA==" }, { OBJECT_CRC32, false, "AioR/g==-2" },
        { OBJECT_CRC32C, true, "cQUBMg==" },
        { OBJECT_SHA256, false, "b37e64AUfQlfMMemYJ5bD5ENtZVPJQ/se6icTmcIijI=-2" },
        { OBJECT_SHA1, true, "SpVy0b+Hav9XtNhVInDgL6W4LYQ=-2" },
    };
    struct view own = VIEW(OBJECT_OWN_BUCKET);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct object_put put = { .bucket = own, .key = VIEW("big"), .checksum = rows[i].checksum, .checksum_of_whole = rows[i].whole };
        struct object_condition wrong = { .checksum_value = VIEW("AAAAAA==") }, right = { .checksum_value = view_from_cstr(rows[i].value) };
        struct view upload = begin_upload(put);
        struct object_part parts[] = { put_part(own, upload, 1, '1', 1000), put_part(own, upload, 2, '2', 500) };
        struct object_info info;
        assert_int_equal(upload_complete(fixture_objects, fixture_arena, own, VIEW("big"), upload, parts, 2, &wrong, &info),
                         OBJECT_BAD_DIGEST);
        assert_int_equal(upload_complete(fixture_objects, fixture_arena, own, VIEW("big"), upload, parts, 2, &right, &info), OBJECT_OK);
        assert_view_is(info.checksum_value, rows[i].value);
    }
}

static void an_aborted_upload_leaves_nothing_and_takes_nothing(void **state)
{
    (void)state;
    struct view upload = begin_plain(BUCKET);
    struct object_part part = put_part(BUCKET, upload, 1, 'a', 3);
    struct object_writer *late, *writer;
    struct object_info info;
    assert_int_equal(upload_part_begin(fixture_objects, BUCKET, VIEW("big"), upload, 2, &late), OBJECT_OK);
    assert_int_equal(object_write(late, VIEW("late")), OBJECT_OK);
    assert_int_equal(upload_abort(fixture_objects, BUCKET, VIEW("big"), upload), OBJECT_OK);
    assert_int_equal(object_write_end(late, fixture_arena, &info), OBJECT_NO_UPLOAD);
    assert_int_equal(upload_part_begin(fixture_objects, BUCKET, VIEW("big"), upload, 3, &writer), OBJECT_NO_UPLOAD);
    assert_int_equal(finish(BUCKET, upload, &part, 1, &info), OBJECT_NO_UPLOAD);
    assert_int_equal(upload_abort(fixture_objects, BUCKET, VIEW("big"), upload), OBJECT_NO_UPLOAD);
    assert_int_equal(files_in("data"), 0);
    assert_int_equal(files_in("pending"), 0);
}

static void parts_are_listed_by_number_page_by_page(void **state)
{
    (void)state;
    struct view upload = begin_plain(BUCKET);
    struct object_part *parts;
    size_t count;
    bool more;
    for (unsigned i = 0; i < 5; i++)
        put_part(BUCKET, upload, 9999 - 2000 * i, 'a', i);
    assert_int_equal(upload_parts(fixture_objects, fixture_arena, BUCKET, VIEW("big"), upload, 0, 3, &parts, &count, &more), OBJECT_OK);
    assert_int_equal(count, 3);
    assert_true(more);
    assert_int_equal(parts[0].number, 1999);
    assert_int_equal(parts[0].size, 4);
    assert_int_equal(upload_parts(fixture_objects, fixture_arena, BUCKET, VIEW("big"), upload, parts[2].number, 3, &parts, &count, &more),
                     OBJECT_OK);
    assert_int_equal(count, 2);
    assert_false(more);
    assert_int_equal(parts[1].number, 9999);
}

static void uploads_are_listed_by_key_and_then_id(void **state)
{
    (void)state;
    static const char *const keys[] = { "b", "a", "a", "a/x" };
    struct object_upload *uploads;
    size_t count;
    bool more;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        begin_upload((struct object_put){ .bucket = BUCKET, .key = view_from_cstr(keys[i]) });
    assert_int_equal(upload_list(fixture_objects, fixture_arena, BUCKET, VIEW(""), VIEW(""), VIEW(""), 2, &uploads, &count, &more),
                     OBJECT_OK);
    assert_int_equal(count, 2);
    assert_true(more);
    assert_view_is(uploads[0].key, "a");
    assert_view_is(uploads[1].key, "a");
    assert_true(view_compare(uploads[0].id, uploads[1].id) < 0);
    struct view second = uploads[1].id;
    assert_int_equal(upload_list(fixture_objects, fixture_arena, BUCKET, VIEW(""), VIEW("a"), uploads[0].id, 2, &uploads, &count, &more),
                     OBJECT_OK);
    assert_view_eq(uploads[0].id, second);
    assert_view_is(uploads[1].key, "a/x");
    assert_int_equal(upload_list(fixture_objects, fixture_arena, BUCKET, VIEW(""), VIEW("a"), VIEW(""), 9, &uploads, &count, &more),
                     OBJECT_OK);
    assert_int_equal(count, 2);
    assert_false(more);
    assert_view_is(uploads[1].key, "b");
    assert_int_equal(upload_list(fixture_objects, fixture_arena, BUCKET, VIEW("a/"), VIEW(""), VIEW(""), 9, &uploads, &count, &more),
                     OBJECT_OK);
    assert_int_equal(count, 1);
}

static void a_bucket_goes_with_its_uploads(void **state)
{
    (void)state;
    struct view upload = begin_plain(BUCKET);
    put_part(BUCKET, upload, 1, 'a', 3);
    assert_int_equal(bucket_delete(fixture_objects, BUCKET), OBJECT_OK);
    assert_int_equal(files_in("data"), 0);
}

static void many_parts_are_found_and_removed(void **state)
{
    (void)state;
    struct view own = VIEW(OBJECT_OWN_BUCKET), upload = begin_plain(own);
    struct object_part *parts = ARENA_ARRAY(fixture_arena, struct object_part, 1200);
    struct object_info info;
    for (unsigned i = 0; i < 1200; i++)
        parts[i] = put_part(own, upload, i + 1, (char)('a' + i % 26), 2);
    assert_int_equal(finish(own, upload, parts, 1200, &info), OBJECT_OK);
    assert_int_equal(info.size, 2400);
    assert_view_is(view_first(bytes_of(own, "big"), 6), "aabbcc");
    assert_int_equal(files_in("data"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_become_one_object_with_what_the_upload_said),
        TEST(completing_twice_succeeds_twice_but_not_after_another_put),
        TEST(a_part_sent_again_replaces_the_first),
        TEST(parts_out_of_order_missing_or_too_small_are_refused),
        TEST(small_parts_are_welcome_in_the_own_bucket),
        TEST(checksums_are_composed_or_of_the_whole),
        TEST(an_aborted_upload_leaves_nothing_and_takes_nothing),
        TEST(parts_are_listed_by_number_page_by_page),
        TEST(uploads_are_listed_by_key_and_then_id),
        TEST(a_bucket_goes_with_its_uploads),
        TEST(many_parts_are_found_and_removed),
    };
    return cmocka_run_group_tests_name("objects_upload", tests, NULL, NULL);
}
