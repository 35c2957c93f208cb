/* Copies, conditions, checksums that must hold, tags. */
#include "fixture.h"

static const struct object_field red[] = { { VIEW_INIT("x-amz-meta-colour"), VIEW_INIT("red") } };
static const struct object_field team[] = { { VIEW_INIT("team"), VIEW_INIT("x") } };

static void put_source(void)
{
    struct object_info info;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("from"), .content_type = VIEW("text/plain"), .fields = red, .field_count = 1,
                              .tags = team, .tag_count = 1 };
    assert_int_equal(object_put_bytes(fixture_objects, fixture_arena, &put, VIEW("the bytes"), &info), OBJECT_OK);
}

static enum object_status copy(const struct object_put *to, bool replace, struct object_info *info)
{
    return object_copy(fixture_objects, fixture_arena, BUCKET, VIEW("from"), to, replace, replace, info);
}

static void a_copy_has_all_of_its_source_and_lives_on_its_own(void **state)
{
    (void)state;
    struct object_info info, read;
    put_source();
    clock_manual_advance(fixture_clock, 1000);
    assert_int_equal(copy(&(struct object_put){ .bucket = BUCKET, .key = VIEW("to") }, false, &info), OBJECT_OK);
    assert_int_equal(info.modified_ms, START_MS + 1000);
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("from")), OBJECT_OK);
    assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, VIEW("to"), &read), OBJECT_OK);
    assert_view_is(read.content_type, "text/plain");
    assert_view_is(read.fields[0].value, "red");
    assert_view_is(read.tags[0].value, "x");
    assert_view_eq(read.etag, info.etag);
    assert_view_is(text_of("to"), "the bytes");
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(files_in("pending"), 0);
}

static void what_is_said_of_a_copy_can_be_replaced_also_in_place(void **state)
{
    (void)state;
    static const char *const keys[] = { "to", "from" };
    const struct object_field blue[] = { { VIEW("x-amz-meta-colour"), VIEW("blue") } };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct object_info info, read;
        struct view key = view_from_cstr(keys[i]);
        struct object_put to = { .bucket = BUCKET, .key = key, .fields = blue, .field_count = 1 };
        put_source();
        assert_int_equal(copy(&to, true, &info), OBJECT_OK);
        assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, key, &read), OBJECT_OK);
        assert_view_is(read.content_type, "binary/octet-stream");
        assert_view_is(read.fields[0].value, "blue");
        assert_int_equal(read.tag_count, 0);
        assert_view_is(text_of(keys[i]), "the bytes");
    }
    assert_int_equal(files_in("data"), 2);
}

static void a_copy_can_have_another_checksum(void **state)
{
    (void)state;
    struct object_info info;
    put_source();
    const struct object_put to = { .bucket = BUCKET, .key = VIEW("from"), .checksum = OBJECT_CRC32 };
    assert_int_equal(copy(&to, false, &info), OBJECT_OK);
    assert_int_equal(info.checksum, OBJECT_CRC32);
    assert_view_is(info.checksum_value, "4dHv3g==");
    assert_view_is(info.fields[0].value, "red");
    assert_view_is(text_of("from"), "the bytes");
}

static void what_is_not_there_cannot_be_copied(void **state)
{
    (void)state;
    struct object_info info;
    assert_int_equal(copy(&(struct object_put){ .bucket = BUCKET, .key = VIEW("to") }, false, &info), OBJECT_NO_KEY);
    put_source();
    assert_int_equal(copy(&(struct object_put){ .bucket = VIEW("no-bucket"), .key = VIEW("to") }, false, &info), OBJECT_NO_BUCKET);
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(files_in("pending"), 0);
}

static enum object_status put_if(const char *match, const char *none_match)
{
    struct object_info info;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k"),
                              .condition = { .if_match = view_from_cstr(match), .if_none_match = view_from_cstr(none_match) } };
    return object_put_bytes(fixture_objects, fixture_arena, &put, VIEW("x"), &info);
}

static void conditions_are_looked_at_when_the_put_ends(void **state)
{
    (void)state;
    const char *etag = "9dd4e461268c8034f5c8564e155c67a6", *other = "00000000000000000000000000000000";
    assert_int_equal(put_if("*", ""), OBJECT_NO_KEY);
    assert_int_equal(put_if(etag, ""), OBJECT_NO_KEY);
    assert_int_equal(put_if("", etag), OBJECT_OK);
    assert_int_equal(put_if("", "*"), OBJECT_PRECONDITION_FAILED);
    assert_int_equal(put_if("", etag), OBJECT_PRECONDITION_FAILED);
    assert_int_equal(put_if("", other), OBJECT_OK);
    assert_int_equal(put_if(other, ""), OBJECT_PRECONDITION_FAILED);
    assert_int_equal(put_if(etag, ""), OBJECT_OK);
    assert_int_equal(put_if("*", ""), OBJECT_OK);
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(files_in("pending"), 0);
}

static enum object_status put_expecting(enum object_checksum checksum, const char *value, bool md5, bool late)
{
    struct object_writer *writer;
    struct object_info info;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k"), .checksum = OBJECT_CRC32 };
    assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
    for (int i = 0; i < 2; i++) {
        if (late == (i == 1) && md5)
            object_write_expect_md5(writer, view_from_cstr(value));
        else if (late == (i == 1))
            object_write_expect(writer, checksum, view_from_cstr(value));
        if (i == 0)
            object_write(writer, VIEW("123456789"));
    }
    return object_write_end(writer, fixture_arena, &info);
}

static void bytes_that_are_not_those_of_their_checksum_are_refused(void **state)
{
    (void)state;
    assert_int_equal(put_expecting(OBJECT_CRC32, "y/Q5Jg==", false, false), OBJECT_OK);
    assert_int_equal(put_expecting(OBJECT_CRC32, "y/Q5Jg==", false, true), OBJECT_OK);
    assert_int_equal(put_expecting(OBJECT_CRC32, "y/Q5Jw==", false, true), OBJECT_BAD_DIGEST);
    assert_int_equal(put_expecting(OBJECT_CRC32, "y/Q5", false, false), OBJECT_BAD_DIGEST);
    assert_int_equal(put_expecting(OBJECT_CRC32, "no base64!", false, false), OBJECT_BAD_DIGEST);
    assert_int_equal(put_expecting(OBJECT_CRC32C, "4waSgw==", false, false), OBJECT_OK);
    assert_int_equal(put_expecting(OBJECT_CRC32C, "4waShA==", false, false), OBJECT_BAD_DIGEST);
    assert_int_equal(put_expecting(OBJECT_CRC32C, "4waSgw==", false, true), OBJECT_BAD_DIGEST);
    assert_int_equal(put_expecting(OBJECT_CHECKSUM_NONE, "JfnnlDI7RTiF9RgfG2JNCw==", true, true), OBJECT_OK);
    assert_int_equal(put_expecting(OBJECT_CHECKSUM_NONE, "JfnnlDI7RTiF9RgfG2JNDA==", true, false), OBJECT_BAD_DIGEST);
    assert_int_equal(files_in("data"), 1);
    assert_int_equal(files_in("pending"), 0);
}

static void tags_are_replaced_and_nothing_else_changes(void **state)
{
    (void)state;
    const struct object_field tags[] = { { VIEW("a"), VIEW("1") }, { VIEW("b"), VIEW("") } };
    struct object_info before, after;
    put_source();
    assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, VIEW("from"), &before), OBJECT_OK);
    clock_manual_advance(fixture_clock, 1000);
    assert_int_equal(object_set_tags(fixture_objects, BUCKET, VIEW("from"), tags, 2), OBJECT_OK);
    assert_int_equal(object_head(fixture_objects, fixture_arena, BUCKET, VIEW("from"), &after), OBJECT_OK);
    assert_int_equal(after.tag_count, 2);
    assert_view_is(after.tags[1].name, "b");
    assert_int_equal(after.modified_ms, before.modified_ms);
    assert_view_eq(after.id, before.id);
    assert_view_is(text_of("from"), "the bytes");
    assert_int_equal(object_set_tags(fixture_objects, BUCKET, VIEW("from"), NULL, 0), OBJECT_OK);
    assert_int_equal(object_set_tags(fixture_objects, BUCKET, VIEW("none"), tags, 1), OBJECT_NO_KEY);
    assert_int_equal(object_set_tags(fixture_objects, VIEW("no-bucket"), VIEW("none"), tags, 1), OBJECT_NO_BUCKET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_has_all_of_its_source_and_lives_on_its_own),
        TEST(what_is_said_of_a_copy_can_be_replaced_also_in_place),
        TEST(a_copy_can_have_another_checksum),
        TEST(what_is_not_there_cannot_be_copied),
        TEST(conditions_are_looked_at_when_the_put_ends),
        TEST(bytes_that_are_not_those_of_their_checksum_are_refused),
        TEST(tags_are_replaced_and_nothing_else_changes),
    };
    return cmocka_run_group_tests_name("objects_copy", tests, NULL, NULL);
}
