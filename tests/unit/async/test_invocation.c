/* Invocations as records: what is written can be read, names are as documented, digests tell requests apart. */
#include "unit.h"

#include "async/invocation.h"

static struct arena *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = arena_create(1 << 20);
    return arena == NULL;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static struct invocation sample(void)
{
    return (struct invocation){
        .key = { VIEW_INIT(ASYNC_KIND), VIEW_INIT("123456789012"), VIEW_INIT("eu-west-1"), VIEW_INIT("abcdefghijkl") },
        .status = VIEW_INIT(ASYNC_FAILED),
        .token = VIEW_INIT("once"),
        .model_id = VIEW_INIT("amazon.nova-lite-v1:0"),
        .output_uri = VIEW_INIT("s3://bucket/some/folder"),
        .digest = VIEW_INIT("00ff"),
        .principal = { .account = VIEW_INIT("123456789012"), .name = VIEW_INIT("root"),
                       .arn = VIEW_INIT("arn:aws:iam::123456789012:user/root"),
                       .access_key_id = VIEW_INIT("AKIA"), .admin = true },
        .message = VIEW_INIT("no \"luck\""),
        .ended_ms = 1735786984001,
    };
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    struct invocation before = sample(), after;
    struct store_record record;
    assert_true(invocation_write(arena, &before, &record));
    assert_view_is(record.state, "Failed");
    assert_view_is(record.token, "once");
    record.created_ms = 5;
    record.updated_ms = 6;
    assert_true(invocation_read(arena, &record, &after));
    assert_view_eq(after.key.id, before.key.id);
    assert_view_eq(after.model_id, before.model_id);
    assert_view_eq(after.output_uri, before.output_uri);
    assert_view_eq(after.digest, before.digest);
    assert_view_eq(after.message, before.message);
    assert_view_eq(after.principal.arn, before.principal.arn);
    assert_view_eq(after.principal.access_key_id, before.principal.access_key_id);
    assert_true(after.principal.admin);
    assert_int_equal(after.ended_ms, before.ended_ms);
    assert_int_equal(after.submitted_ms, 5);
    assert_int_equal(after.changed_ms, 6);
}

static void a_record_of_something_else_is_not_read(void **state)
{
    (void)state;
    struct invocation out;
    struct store_record record = { .json = VIEW_INIT("{\"name\":1}") };
    assert_false(invocation_read(arena, &record, &out));
    record.json = VIEW("not json");
    assert_false(invocation_read(arena, &record, &out));
}

static void arns_name_the_invocation_and_its_model(void **state)
{
    (void)state;
    struct invocation invocation = sample();
    assert_view_is(invocation_arn(arena, &invocation.key), "arn:aws:bedrock:eu-west-1:123456789012:async-invoke/abcdefghijkl");
    assert_view_is(invocation_model_arn(arena, &invocation), "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0");
    invocation.model_id = VIEW("arn:aws:bedrock:us-east-1::foundation-model/x.y");
    assert_view_eq(invocation_model_arn(arena, &invocation), invocation.model_id);
}

static void output_lies_in_a_folder_named_by_the_invocation(void **state)
{
    (void)state;
    static const struct {
        struct view uri;
        const char *key;
    } cases[] = {
        { VIEW_INIT("s3://bucket"), "abcdefghijkl/output.json" },
        { VIEW_INIT("s3://bucket/"), "abcdefghijkl/output.json" },
        { VIEW_INIT("s3://bucket/some/folder"), "some/folder/abcdefghijkl/output.json" },
        { VIEW_INIT("s3://bucket/some/folder/"), "some/folder/abcdefghijkl/output.json" },
    };
    struct invocation invocation = sample();
    struct view bucket, key;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        invocation.output_uri = cases[i].uri;
        assert_true(invocation_object(arena, &invocation, "output.json", &bucket, &key));
        assert_view_is(bucket, "bucket");
        assert_view_is(key, cases[i].key);
    }
    invocation.output_uri = VIEW("https://bucket/");
    assert_false(invocation_object(arena, &invocation, "output.json", &bucket, &key));
}

static struct view digest_of(const char *text)
{
    const struct json *body = json_parse(arena, view_from_cstr(text), JSON_DEPTH_DEFAULT, NULL);
    assert_non_null(body);
    return invocation_digest(arena, body);
}

static void the_digest_is_of_what_was_asked_for_and_not_of_its_blanks_or_its_token(void **state)
{
    (void)state;
    struct view first = digest_of("{\"modelId\":\"a\",\"modelInput\":{\"n\":1}}");
    assert_int_equal(first.len, 64);
    assert_view_eq(digest_of("{ \"modelInput\": {\"n\": 1}, \"modelId\": \"a\", \"clientRequestToken\": \"t\" }"), first);
    assert_false(view_eq(digest_of("{\"modelId\":\"a\",\"modelInput\":{\"n\":2}}"), first));
    assert_false(view_eq(digest_of("{\"modelId\":\"b\",\"modelInput\":{\"n\":1}}"), first));
    assert_false(view_eq(digest_of("{\"modelId\":\"a\",\"modelInput\":{\"n\":1},\"tags\":[]}"), first));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_can_be_read),
        TEST(a_record_of_something_else_is_not_read),
        TEST(arns_name_the_invocation_and_its_model),
        TEST(output_lies_in_a_folder_named_by_the_invocation),
        TEST(the_digest_is_of_what_was_asked_for_and_not_of_its_blanks_or_its_token),
    };
    return cmocka_run_group_tests_name("async_invocation", tests, NULL, NULL);
}
