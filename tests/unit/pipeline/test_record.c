#include "world.h"

static struct row a_row(void)
{
    struct row row;
    assert_true(row_init(&world.pipeline, world.arena, VIEW("to-process/day one.jsonl"), VIEW("object1"), START_MS, &row));
    return row;
}

static void a_pipeline_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    struct pipeline found;
    assert_int_equal(pipeline_load(world.store, world.arena, VIEW(ACCOUNT), VIEW(REGION), VIEW("nightly"), &found), STORE_OK);
    assert_view_is(found.model_id, MODEL);
    assert_view_is(found.bucket, BUCKET);
    assert_view_is(found.suffix, "ABCDEFGHIJ12");
    assert_view_is(found.principal.arn, "arn:aws:iam::" ACCOUNT ":user/maker");
    assert_int_equal(found.created_ms, START_MS);
    assert_false(found.deleting);
    assert_view_is(pipeline_table_name(&found, world.arena), "nightly-DynamoDBTable-ABCDEFGHIJ12");
    assert_view_is(pipeline_arn(&found, world.arena), "arn:aws:craton:" REGION ":" ACCOUNT ":pipeline/nightly");
}

static void a_row_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    struct row row = a_row(), found;
    struct store_record record;
    row.turn = TURN_RETRY;
    row.attempts = 3;
    row.job_number = 2;
    row.retry_ms = START_MS + 5;
    row.submitted_ms = START_MS + 1;
    row.started_ms = START_MS + 2;
    row.job_name = VIEW("name");
    row.error = VIEW("why \"so\"");
    row.counts = (struct row_counts){ 10, 9, 8, 1 };
    assert_true(row_write_record(&row, world.arena, &record));
    assert_true(row_read_record(&record, world.arena, &found));
    assert_view_eq(found.id, row.id);
    assert_view_eq(found.key, row.key);
    assert_view_eq(found.object_id, row.object_id);
    assert_view_eq(found.suffix, row.suffix);
    assert_int_equal(found.status, ROW_PENDING);
    assert_int_equal(found.turn, TURN_RETRY);
    assert_int_equal(found.attempts, 3);
    assert_int_equal(found.job_number, 2);
    assert_int_equal(found.retry_ms, START_MS + 5);
    assert_int_equal(found.submitted_ms, START_MS + 1);
    assert_int_equal(found.started_ms, START_MS + 2);
    assert_view_eq(found.job_name, row.job_name);
    assert_view_eq(found.error, row.error);
    assert_memory_equal(&found.counts, &row.counts, sizeof(row.counts));
}

static void a_row_is_named_by_pipeline_key_and_upload_alone(void **state)
{
    (void)state;
    struct row row = a_row(), other;
    assert_int_equal(row.id.len, PIPELINE_ROW_ID_SIZE);
    assert_true(row_init(&world.pipeline, world.arena, row.key, VIEW("object1"), START_MS + 1000, &other));
    assert_view_eq(other.id, row.id);
    assert_true(row_init(&world.pipeline, world.arena, row.key, VIEW("object2"), START_MS, &other));
    assert_false(view_eq(other.id, row.id));
    assert_true(row_init(&world.pipeline, world.arena, VIEW("to-process/other.jsonl"), VIEW("object1"), START_MS, &other));
    assert_false(view_eq(other.id, row.id));
    struct pipeline again = world.pipeline;
    again.suffix = VIEW("ABCDEFGHIJ13");
    assert_true(row_init(&again, world.arena, row.key, VIEW("object1"), START_MS, &other));
    assert_false(view_eq(other.id, row.id));
}

static void the_name_and_the_token_of_a_job_stay_until_it_has_failed(void **state)
{
    (void)state;
    struct row row = a_row(), again = row;
    again.attempts = 4;
    assert_view_eq(row_token(&again, world.arena), row_token(&row, world.arena));
    assert_view_eq(row_job_name(&world.pipeline, &again, world.arena), row_job_name(&world.pipeline, &row, world.arena));
    again.job_number = 1;
    assert_false(view_eq(row_token(&again, world.arena), row_token(&row, world.arena)));
}

static void the_name_of_a_job_fits_however_long_that_of_the_pipeline_is(void **state)
{
    (void)state;
    struct row row = a_row();
    char name[129];
    memset(name, 'n', 128);
    name[128] = '\0';
    world.pipeline.name = view_from_cstr(name);
    row.job_number = 1234567;
    assert_true(row_job_name(&world.pipeline, &row, world.arena).len <= 63);
}

static void every_status_has_the_name_that_batch_inference_gives_it(void **state)
{
    (void)state;
    static const char *const names[] = { "Pending", "Submitted", "Validating", "Scheduled", "InProgress", "Stopping",
                                         "Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired" };
    assert_int_equal(COUNT_OF(names), ROW_STATUSES);
    for (int i = 0; i < ROW_STATUSES; i++) {
        enum row_status status;
        assert_view_is(row_status_name((enum row_status)i), names[i]);
        assert_true(row_status_parse(view_from_cstr(names[i]), &status));
        assert_int_equal(status, i);
        assert_int_equal(row_status_is_active(status), i >= 1 && i <= 5);
    }
    enum row_status untouched;
    assert_false(row_status_parse(VIEW("pending"), &untouched));
    assert_false(row_status_parse(VIEW(""), &untouched));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pipeline_is_read_back_as_it_was_written),
        TEST(a_row_is_read_back_as_it_was_written),
        TEST(a_row_is_named_by_pipeline_key_and_upload_alone),
        TEST(the_name_and_the_token_of_a_job_stay_until_it_has_failed),
        TEST(the_name_of_a_job_fits_however_long_that_of_the_pipeline_is),
        TEST(every_status_has_the_name_that_batch_inference_gives_it),
    };
    return cmocka_run_group_tests_name("pipeline records", tests, NULL, NULL);
}
