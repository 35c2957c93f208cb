#include "batch/job.h"

#include "unit.h"

static const char body[] =
    "{\"jobName\":\"nightly\",\"roleArn\":\"arn:aws:iam::123456789012:role/r\",\"modelId\":\"amazon.nova-lite-v1:0\","
    "\"clientRequestToken\":\"t1\",\"modelInvocationType\":\"Converse\",\"timeoutDurationInHours\":48,"
    "\"inputDataConfig\":{\"s3InputDataConfig\":{\"s3Uri\":\"s3://in/a b+%25é.jsonl\",\"s3InputFormat\":\"JSONL\"}},"
    "\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3BucketOwner\":\"123456789012\",\"s3Uri\":\"s3://out/x/\"}},"
    "\"tags\":[{\"key\":\"team\",\"value\":\"a\"}]}";

static int set_up(void **state)
{
    *state = arena_create(1 << 20);
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_destroy(*state);
    return 0;
}

static struct batch_request request_of(struct arena *arena, const char *text)
{
    struct batch_request request;
    const struct json *json = json_parse(arena, view_from_cstr(text), 32, NULL);
    assert_non_null(json);
    batch_request_read(json, &request);
    return request;
}

static struct batch_job example(struct arena *arena)
{
    struct batch_job job = { .key = { VIEW(BATCH_KIND), VIEW("123456789012"), VIEW("us-east-1"), VIEW("abcdefghijkl") },
                             .status = BATCH_IN_PROGRESS,
                             .request = request_of(arena, body),
                             .principal = { VIEW("123456789012"), VIEW("root"), VIEW("arn:aws:iam::123456789012:user/root"),
                                            VIEW("AKIA"), true },
                             .progress = { .counts = { 10, 3, 1, 400, 80 },
                                           .message = VIEW("Waiting \"a while\""),
                                           .started_ms = 5000,
                                           .rate = 2.5,
                                           .files = 2,
                                           .at = { .window = 1, .file = 1, .offset = 12345678901, .line = 7, .record = 4096 },
                                           .segments = 3 } };
    job.asked = batch_request_text(arena, &job.request);
    return job;
}

static void a_job_comes_back_as_it_was_written(void **state)
{
    struct arena *arena = *state;
    struct batch_job job = example(arena), read;
    struct store_record record = { .key = job.key, .token = VIEW("t1"), .created_ms = 1000, .updated_ms = 2000 };
    assert_true(batch_job_write(arena, &job, &record));
    assert_view_is(record.state, "InProgress");
    assert_view_is(record.index[0], "amazon.nova-lite-v1:0");
    assert_true(batch_job_read(arena, &record, &read));

    assert_int_equal(read.status, BATCH_IN_PROGRESS);
    assert_view_eq(read.asked, job.asked);
    assert_view_is(read.request.name, "nightly");
    assert_view_is(read.request.input_uri, "s3://in/a b+%25é.jsonl");
    assert_view_is(read.request.output_owner, "123456789012");
    assert_true(read.request.converse);
    assert_int_equal(batch_job_expires_ms(&read), 1000 + 48ll * 3600 * 1000);
    assert_true(read.principal.admin);
    assert_view_is(read.principal.arn, "arn:aws:iam::123456789012:user/root");
    assert_int_equal(read.progress.counts.total, 10);
    assert_int_equal(batch_counts_done(&read.progress.counts), 4);
    assert_int_equal(read.progress.counts.output_tokens, 80);
    assert_view_is(read.progress.message, "Waiting \"a while\"");
    assert_int_equal(read.progress.at.offset, 12345678901);
    assert_int_equal(read.progress.at.record, 4096);
    assert_int_equal(read.progress.segments, 3);
    assert_false(read.progress.decided);
}

static void only_an_active_job_is_found_under_its_model(void **state)
{
    struct arena *arena = *state;
    struct batch_job job = example(arena), read;
    struct store_record record = { .key = job.key };
    for (int status = 0; status < BATCH_STATUS_COUNT; status++) {
        job.status = (enum batch_status)status;
        assert_true(batch_job_write(arena, &job, &record));
        assert_int_equal(record.index[0].ptr != NULL, status <= BATCH_STOPPING);
        assert_true(batch_job_read(arena, &record, &read));
        assert_int_equal(read.status, status);
    }
}

static void a_decision_survives(void **state)
{
    struct arena *arena = *state;
    struct batch_job job = example(arena), read;
    struct store_record record = { .key = job.key };
    job.progress.ending = true;
    job.progress.outcome = BATCH_PARTIALLY_COMPLETED;
    assert_true(batch_job_write(arena, &job, &record));
    assert_true(batch_job_read(arena, &record, &read));
    assert_true(read.progress.ending && !read.progress.decided);
    job.progress.decided = true;
    assert_true(batch_job_write(arena, &job, &record));
    assert_true(batch_job_read(arena, &record, &read));
    assert_true(read.progress.decided);
    assert_int_equal(read.progress.outcome, BATCH_PARTIALLY_COMPLETED);
}

static void the_same_request_has_one_text_whatever_its_order_and_defaults(void **state)
{
    struct arena *arena = *state;
    struct batch_request one = request_of(arena, "{\"jobName\":\"j\",\"modelId\":\"m\",\"roleArn\":\"r\",\"timeoutDurationInHours\":24,"
                                                 "\"inputDataConfig\":{\"s3InputDataConfig\":{\"s3Uri\":\"s3://a/b\"}},"
                                                 "\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":\"s3://c/\"}}}");
    struct batch_request same =
        request_of(arena, "{\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":\"s3://c/\"}},\"roleArn\":\"r\",\"modelId\":\"m\","
                          "\"inputDataConfig\":{\"s3InputDataConfig\":{\"s3InputFormat\":\"JSONL\",\"s3Uri\":\"s3://a/b\"}},"
                          "\"clientRequestToken\":\"t\",\"modelInvocationType\":\"InvokeModel\",\"jobName\":\"j\"}");
    assert_view_eq(batch_request_text(arena, &one), batch_request_text(arena, &same));
    same.timeout_hours = 25;
    assert_false(view_eq(batch_request_text(arena, &one), batch_request_text(arena, &same)));
}

static void a_model_is_counted_the_same_under_its_id_and_its_arn(void **state)
{
    (void)state;
    assert_view_is(batch_model_key(VIEW("amazon.nova-lite-v1:0")), "amazon.nova-lite-v1:0");
    assert_view_is(batch_model_key(VIEW("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0")), "amazon.nova-lite-v1:0");
}

static void the_manifest_adds_up(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1024);
    assert_true(batch_write_manifest(&out, &(struct batch_counts){ 10, 7, 2, 123, 45 }));
    assert_view_is(buf_view(&out), "{\"totalRecordCount\":10,\"processedRecordCount\":9,\"successRecordCount\":7,\"errorRecordCount\":2,"
                                   "\"inputTokenCount\":123,\"outputTokenCount\":45}");
    buf_free(&out);
}

static void names_of_states_are_those_of_the_api(void **state)
{
    enum batch_status status;
    (void)state;
    assert_true(batch_status_parse(VIEW("PartiallyCompleted"), &status));
    assert_int_equal(status, BATCH_PARTIALLY_COMPLETED);
    assert_false(batch_status_parse(VIEW("Validation"), &status));
    assert_string_equal(batch_status_name(BATCH_STOPPING), "Stopping");
    assert_true(batch_status_is_active(BATCH_STOPPING));
    assert_false(batch_status_is_active(BATCH_EXPIRED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_comes_back_as_it_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_an_active_job_is_found_under_its_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_decision_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_request_has_one_text_whatever_its_order_and_defaults, set_up, tear_down),
        cmocka_unit_test(a_model_is_counted_the_same_under_its_id_and_its_arn),
        cmocka_unit_test(the_manifest_adds_up),
        cmocka_unit_test(names_of_states_are_those_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
