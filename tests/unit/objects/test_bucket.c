/* Buckets: whose they are, what they may be called, when they may go. */
#include "fixture.h"

static void names_follow_the_rules_of_s3(void **state)
{
    (void)state;
    static const char *const good[] = { "abc", "my-bucket", "a.b.c", "1bucket", "a1.2b" };
    static const char *const bad[] = { "", "ab", "Abc", "-abc", "abc-", ".abc", "abc.", "a..b", "a_b", "192.168.1.1", "xn--abc",
                                       "abc-s3alias",
                                       "a/b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(bucket_name_is_valid(view_from_cstr(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(bucket_name_is_valid(view_from_cstr(bad[i])));
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, VIEW("No Bucket")), OBJECT_BAD_NAME);
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, VIEW(OBJECT_OWN_BUCKET)), OBJECT_BAD_NAME);
}

static void a_bucket_belongs_to_who_made_it(void **state)
{
    (void)state;
    struct bucket_info info;
    assert_int_equal(bucket_get(fixture_objects, fixture_arena, BUCKET, &info), OBJECT_OK);
    assert_view_eq(info.account, ACCOUNT);
    assert_view_eq(info.region, REGION);
    assert_int_equal(info.place, BUCKET_LOCAL);
    assert_int_equal(info.created_ms, START_MS);
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, BUCKET), OBJECT_BUCKET_OWNED);
    assert_int_equal(bucket_create(fixture_objects, VIEW("2"), REGION, BUCKET), OBJECT_BUCKET_TAKEN);
    assert_int_equal(bucket_get(fixture_objects, fixture_arena, VIEW("another"), &info), OBJECT_NO_BUCKET);
}

static void buckets_are_listed_by_name_and_account(void **state)
{
    (void)state;
    struct bucket_info *buckets;
    size_t count;
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, VIEW("zzz")), OBJECT_OK);
    assert_int_equal(bucket_create(fixture_objects, VIEW("2"), REGION, VIEW("bbb")), OBJECT_OK);
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, VIEW("aaa")), OBJECT_OK);
    assert_int_equal(bucket_list(fixture_objects, fixture_arena, ACCOUNT, &buckets, &count), OBJECT_OK);
    assert_int_equal(count, 3);
    assert_view_is(buckets[0].name, "a-bucket");
    assert_view_is(buckets[1].name, "aaa");
    assert_view_is(buckets[2].name, "zzz");
}

static void only_an_empty_bucket_can_be_deleted(void **state)
{
    (void)state;
    struct bucket_info info;
    assert_int_equal(put_text("k", "x", NULL), OBJECT_OK);
    assert_int_equal(bucket_delete(fixture_objects, BUCKET), OBJECT_BUCKET_NOT_EMPTY);
    assert_int_equal(put_text("k", "y", NULL), OBJECT_OK);  /* it is as usable as before */
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("k")), OBJECT_OK);
    assert_int_equal(bucket_delete(fixture_objects, BUCKET), OBJECT_OK);
    assert_int_equal(bucket_get(fixture_objects, fixture_arena, BUCKET, &info), OBJECT_NO_BUCKET);
    assert_int_equal(bucket_delete(fixture_objects, BUCKET), OBJECT_NO_BUCKET);
}

static void a_put_into_a_bucket_that_went_meanwhile_fails(void **state)
{
    (void)state;
    struct object_writer *writer;
    struct object_info info;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k") };
    assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
    assert_int_equal(object_write(writer, VIEW("x")), OBJECT_OK);
    assert_int_equal(bucket_delete(fixture_objects, BUCKET), OBJECT_OK);
    assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_NO_BUCKET);
    assert_int_equal(bucket_create(fixture_objects, ACCOUNT, REGION, BUCKET), OBJECT_OK);
    assert_null(text_of("k").ptr);
    assert_int_equal(files_in("data"), 0);
    assert_int_equal(files_in("pending"), 0);
}

static void uris_are_taken_apart(void **state)
{
    (void)state;
    struct view bucket, key;
    assert_true(object_uri_parse(VIEW("s3://a-bucket/some/key"), &bucket, &key));
    assert_view_is(bucket, "a-bucket");
    assert_view_is(key, "some/key");
    assert_true(object_uri_parse(VIEW("s3://a-bucket"), &bucket, &key));
    assert_int_equal(key.len, 0);
    assert_true(object_uri_parse(VIEW("s3://a-bucket/"), &bucket, &key));
    assert_int_equal(key.len, 0);
    assert_false(object_uri_parse(VIEW("s3:///key"), &bucket, &key));
    assert_false(object_uri_parse(VIEW("s3://No/key"), &bucket, &key));
    assert_false(object_uri_parse(VIEW("http://a-bucket/key"), &bucket, &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_follow_the_rules_of_s3),
        TEST(a_bucket_belongs_to_who_made_it),
        TEST(buckets_are_listed_by_name_and_account),
        TEST(only_an_empty_bucket_can_be_deleted),
        TEST(a_put_into_a_bucket_that_went_meanwhile_fails),
        TEST(uris_are_taken_apart),
    };
    return cmocka_run_group_tests_name("objects_bucket", tests, NULL, NULL);
}
