#include "world.h"

static void a_file_becomes_a_row_and_its_row_a_job(void **state)
{
    (void)state;
    put_file("to-process/day one.jsonl");
    a_round();

    struct row row = row_of("to-process/day one.jsonl");
    assert_int_equal(row.status, ROW_SUBMITTED);
    assert_int_equal(row.attempts, 1);
    assert_int_equal(row.submitted_ms, START_MS);
    assert_int_equal(world.job_count, 1);
    assert_string_equal(world.jobs[0].input, "s3://" BUCKET "/to-process/day one.jsonl");
    assert_string_equal(world.jobs[0].model, MODEL);
    assert_view_is(row.job_arn, world.jobs[0].arn);
    assert_view_is(row.job_name, world.jobs[0].name);
}

static void only_jsonl_files_of_the_folder_become_rows(void **state)
{
    (void)state;
    put_file("to-process/");
    put_file("to-process/.jsonl");
    put_file("to-process/readme.txt");
    put_file("to-process/a.jsonl.gz");
    put_file("elsewhere/b.jsonl");
    put_file("processed/c.jsonl");
    put_file("to-process/deeper/d.jsonl");
    a_round();
    assert_int_equal(world.job_count, 1);
    assert_int_equal(row_of("to-process/deeper/d.jsonl").status, ROW_SUBMITTED);
}

static void files_that_are_seen_again_make_no_new_rows(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    for (int i = 0; i < 3; i++)
        a_round();
    start_process(true);
    a_round();
    assert_int_equal(world.job_count, 1);
    assert_int_equal(rows_in(ROW_SUBMITTED), 1);
}

static void a_key_that_is_put_again_makes_a_new_row(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    a_round();
    put_file("to-process/a.jsonl");
    a_round();
    assert_int_equal(world.job_count, 2);
    assert_int_equal(rows_in(ROW_SUBMITTED), 2);
    assert_string_not_equal(world.jobs[0].token, world.jobs[1].token);
}

static void rows_show_what_their_jobs_do(void **state)
{
    (void)state;
    static const char *const lives[] = { "Validating", "Scheduled", "InProgress", "Completed" };
    static const enum row_status shown[] = { ROW_VALIDATING, ROW_SCHEDULED, ROW_IN_PROGRESS, ROW_COMPLETED };
    put_file("to-process/a.jsonl");
    a_round();
    for (size_t i = 0; i < COUNT_OF(lives); i++) {
        world.jobs[0].status = lives[i];
        world.jobs[0].total = 20;
        world.jobs[0].success = (int64_t)i;
        clock_manual_advance(world.clock, 1000);
        a_round();
        struct row row = row_of("to-process/a.jsonl");
        assert_int_equal(row.status, shown[i]);
        assert_int_equal(row.counts.total, 20);
        assert_int_equal(row.counts.success, i);
        assert_int_equal(row.finished_ms, shown[i] == ROW_COMPLETED ? START_MS + 4000 : 0);
    }
    size_t gets = world.gets;
    a_round();
    assert_int_equal(world.gets, gets);                     /* what has ended is not asked for again */
}

static void results_lie_in_the_folder_of_the_job(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    a_round();
    struct row row = row_of("to-process/a.jsonl");
    assert_view_is(row_output_uri(&world.pipeline, &row, world.arena), "s3://" BUCKET "/processed/job000000000/");
    row.job_arn = VIEW("");
    assert_view_is(row_output_uri(&world.pipeline, &row, world.arena), "s3://" BUCKET "/processed/");
}

/* ---- slots ---- */

static void put_files(size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        char key[64];
        snprintf(key, sizeof(key), "to-process/%05zu.jsonl", i);
        put_file(key);
    }
}

static void ten_jobs_run_at_once_and_the_rest_waits_its_turn(void **state)
{
    (void)state;
    put_files(0, 25);
    a_round();
    assert_int_equal(active_jobs(), 10);
    assert_int_equal(rows_in(ROW_PENDING), 15);

    for (size_t i = 0; i < 3; i++)
        world.jobs[i].status = "Completed";
    a_round();
    assert_int_equal(active_jobs(), 10);
    assert_int_equal(rows_in(ROW_PENDING), 12);
    assert_int_equal(rows_in(ROW_COMPLETED), 3);

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < world.job_count; i++)
            world.jobs[i].status = "Completed";
        a_round();
    }
    assert_int_equal(rows_in(ROW_COMPLETED), 25);
    assert_int_equal(world.job_count, 25);
}

static void the_oldest_file_is_submitted_first(void **state)
{
    (void)state;
    world.p->options.slots = 1;
    put_file("to-process/z.jsonl");
    clock_manual_advance(world.clock, 1000);
    put_file("to-process/m.jsonl");
    clock_manual_advance(world.clock, 1000);
    put_file("to-process/a.jsonl");
    for (int i = 0; i < 3; i++) {
        a_round();
        world.jobs[i].status = "Completed";
    }
    assert_string_equal(world.jobs[0].input, "s3://" BUCKET "/to-process/z.jsonl");
    assert_string_equal(world.jobs[1].input, "s3://" BUCKET "/to-process/m.jsonl");
    assert_string_equal(world.jobs[2].input, "s3://" BUCKET "/to-process/a.jsonl");
}

static void jobs_made_by_hand_hold_slots_of_their_model(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++)
        add_job(MODEL, "by hand");
    add_job("arn:aws:bedrock:" REGION "::foundation-model/" MODEL, "by hand")->status = "Stopping";
    add_job("another.model", "by hand");
    add_job(MODEL, "by hand")->status = "Stopped";
    put_files(0, 5);
    a_round();
    assert_int_equal(rows_in(ROW_SUBMITTED), 2);            /* ten less seven, less one that is stopping */
    assert_int_equal(rows_in(ROW_PENDING), 3);
}

static void nothing_is_submitted_while_active_jobs_cannot_be_counted(void **state)
{
    (void)state;
    world.list_error = AWS_SERVICE_UNAVAILABLE;
    put_files(0, 3);
    assert_int_equal(a_round(), START_MS + 10000);
    assert_int_equal(world.creates, 0);
    world.list_error = AWS_OK;
    time_passes(10000);
    assert_int_equal(rows_in(ROW_SUBMITTED), 3);
    assert_int_equal(row_of("to-process/00000.jsonl").attempts, 1);
}

static void a_quota_that_is_smaller_than_thought_costs_no_attempt(void **state)
{
    (void)state;
    world.quota = 4;
    put_files(0, 6);
    a_round();
    assert_int_equal(rows_in(ROW_SUBMITTED), 4);
    assert_int_equal(rows_in(ROW_PENDING), 2);
    assert_int_equal(row_of("to-process/00004.jsonl").attempts, 0);
    world.jobs[0].status = "Failed";
    a_round();
    assert_int_equal(row_of("to-process/00004.jsonl").status, ROW_SUBMITTED);
    assert_int_equal(row_of("to-process/00004.jsonl").attempts, 1);
}

static void pipelines_of_one_model_take_turns(void **state)
{
    (void)state;
    struct pipeline other;
    make_pipeline("second", "ZZZZZZZZZZ99", "second-bucket", &other);   /* the world's files lie in both buckets */
    put_files(0, 20);
    a_round();
    assert_int_equal(active_jobs(), 10);
    assert_int_equal(rows_in(ROW_SUBMITTED), 5);
}

/* ---- the interval ---- */

static void without_changes_a_quarter_of_an_hour_brings_the_next_round(void **state)
{
    (void)state;
    start_process(false);
    assert_int_equal(a_round(), START_MS + INTERVAL_MS);    /* the first round comes at once */
    clock_manual_advance(world.clock, 1000);
    put_file("to-process/a.jsonl");
    assert_int_equal(a_round(), START_MS + INTERVAL_MS);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_PENDING);     /* seen at once, submitted later */
    time_passes(INTERVAL_MS - 1001);
    assert_int_equal(world.job_count, 0);
    assert_int_equal(time_passes(1), START_MS + 2 * INTERVAL_MS);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);

    world.jobs[0].status = "Completed";
    a_round();
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);
    time_passes(INTERVAL_MS);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_COMPLETED);
}

/* ---- failures ---- */

static void bad_input_fails_for_good_with_its_reason(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    a_round();
    world.jobs[0].status = "Failed";
    world.jobs[0].message = "Line 3 of a.jsonl is no JSON";
    for (int i = 0; i < 5; i++) {
        a_round();
        clock_manual_advance(world.clock, INTERVAL_MS);
    }
    struct row row = row_of("to-process/a.jsonl");
    assert_int_equal(row.status, ROW_FAILED);
    assert_view_is(row.error, "Line 3 of a.jsonl is no JSON");
    assert_int_equal(row.counts.total, -1);                 /* nobody has counted them */
    assert_int_equal(world.job_count, 1);
}

static void a_refused_submission_fails_with_its_reason(void **state)
{
    (void)state;
    world.create_error = AWS_VALIDATION;
    world.create_message = "The provided model identifier is invalid.";
    world.errors_left = 1;
    put_files(0, 2);
    a_round();
    struct row row = row_of("to-process/00000.jsonl");
    assert_int_equal(row.status, ROW_FAILED);
    assert_view_is(row.error, "The provided model identifier is invalid.");
    assert_int_equal(row.finished_ms, START_MS);
    assert_int_equal(row_of("to-process/00001.jsonl").status, ROW_SUBMITTED);
}

static void a_passing_failure_is_tried_again_after_a_while(void **state)
{
    (void)state;
    world.create_error = AWS_THROTTLING;
    world.create_message = "Too many requests";
    world.errors_left = 2;
    put_file("to-process/a.jsonl");
    assert_int_equal(a_round(), START_MS + RETRY_MS);
    struct row row = row_of("to-process/a.jsonl");
    assert_int_equal(row.status, ROW_PENDING);
    assert_view_is(row.error, "Too many requests");
    time_passes(RETRY_MS - 1);
    assert_int_equal(world.creates, 1);
    assert_int_equal(time_passes(1), START_MS + RETRY_MS + 2 * RETRY_MS);   /* the wait doubles */
    assert_int_equal(world.creates, 2);
    time_passes(2 * RETRY_MS);
    row = row_of("to-process/a.jsonl");
    assert_int_equal(row.status, ROW_SUBMITTED);
    assert_int_equal(row.attempts, 3);
    assert_int_equal(row.error.len, 0);
}

static void attempts_have_a_limit(void **state)
{
    (void)state;
    world.create_error = AWS_SERVICE_UNAVAILABLE;
    world.create_message = "Not now";
    world.errors_left = 100;
    put_file("to-process/a.jsonl");
    a_round();
    for (int i = 0; i < 10; i++)
        time_passes(INTERVAL_MS);
    struct row row = row_of("to-process/a.jsonl");
    assert_int_equal(row.status, ROW_FAILED);
    assert_int_equal(row.attempts, 3);
    assert_int_equal(world.creates, 3);
    assert_view_is(row.error, "Not now");
}

static void one_passing_failure_holds_back_the_other_rows(void **state)
{
    (void)state;
    world.create_error = AWS_THROTTLING;
    world.create_message = "Too many requests";
    world.errors_left = 1;
    put_files(0, 5);
    a_round();
    a_round();
    assert_int_equal(world.creates, 1);
    time_passes(RETRY_MS);
    assert_int_equal(rows_in(ROW_SUBMITTED), 5);
    assert_string_equal(world.jobs[0].input, "s3://" BUCKET "/to-process/00000.jsonl");     /* still the oldest first */
}

static void an_expired_job_is_made_again_as_another(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    a_round();
    world.jobs[0].status = "Expired";
    a_round();
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_PENDING);
    time_passes(RETRY_MS);
    struct row row = row_of("to-process/a.jsonl");
    assert_int_equal(row.status, ROW_SUBMITTED);
    assert_int_equal(row.attempts, 2);
    assert_int_equal(world.job_count, 2);
    assert_string_not_equal(world.jobs[0].token, world.jobs[1].token);
    assert_view_is(row.job_arn, world.jobs[1].arn);
    for (int i = 1; i < 3; i++) {
        world.jobs[i].status = "Expired";
        a_round();
        time_passes(INTERVAL_MS);
    }
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_EXPIRED);
    assert_int_equal(world.job_count, 3);
}

static void a_job_that_failed_on_its_way_is_made_again(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    a_round();
    world.jobs[0].status = "Failed";
    world.jobs[0].message = "No space left on device";
    world.jobs[0].total = 20;
    a_round();
    struct row row = row_of("to-process/a.jsonl");
    assert_int_equal(row.status, ROW_PENDING);
    assert_view_is(row.error, "No space left on device");
    time_passes(RETRY_MS);
    assert_int_equal(world.job_count, 2);
}

static void a_clock_that_is_set_back_stops_nothing(void **state)
{
    (void)state;
    a_round();
    clock_manual_advance(world.clock, -24 * INTERVAL_MS);
    put_file("to-process/a.jsonl");
    time_passes(0);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);
}

static void a_stopped_job_is_left_stopped(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    a_round();
    world.jobs[0].status = "Stopped";
    a_round();
    time_passes(INTERVAL_MS);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_STOPPED);
    assert_int_equal(world.job_count, 1);
}

static void files_that_are_replaced_or_deleted_while_they_wait_are_not_run(void **state)
{
    (void)state;
    world.p->options.slots = 1;
    put_file("to-process/0.jsonl");
    put_file("to-process/a.jsonl");
    put_file("to-process/b.jsonl");
    a_round();
    struct row old = row_of("to-process/a.jsonl"), gone = row_of("to-process/b.jsonl");
    clock_manual_advance(world.clock, 1);
    put_file("to-process/a.jsonl");
    delete_file("to-process/b.jsonl");
    world.p->options.slots = 10;
    a_round();

    assert_int_equal(world.job_count, 2);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);
    const struct view ids[] = { old.id, gone.id };
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct store_key key = row_key(&world.pipeline, world.arena, ids[i]);
        struct store_record record;
        struct row row;
        assert_int_equal(store_get(world.store, world.arena, &key, &record), STORE_OK);
        assert_true(row_read_record(&record, world.arena, &row));
        assert_int_equal(row.status, ROW_FAILED);
        assert_true(view_find(row.error, i == 0 ? VIEW("replaced") : VIEW("deleted")) != VIEW_NPOS);
    }
}

static void a_bucket_that_is_gone_is_shown_as_the_problem_of_the_pipeline(void **state)
{
    (void)state;
    struct pipeline now;
    world.bucket_status = OBJECT_NO_BUCKET;
    a_round();
    assert_int_equal(pipeline_load(world.store, world.arena, VIEW(ACCOUNT), VIEW(REGION), VIEW("nightly"), &now), STORE_OK);
    assert_view_is(now.problem, "The specified bucket does not exist");
    world.bucket_status = OBJECT_OK;
    put_file("to-process/a.jsonl");
    a_round();
    assert_int_equal(pipeline_load(world.store, world.arena, VIEW(ACCOUNT), VIEW(REGION), VIEW("nightly"), &now), STORE_OK);
    assert_int_equal(now.problem.len, 0);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);
}

static void trouble_that_may_pass_brings_the_next_round_soon(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    world.bucket_status = OBJECT_BUSY;
    assert_int_equal(a_round(), START_MS + 10000);
    world.bucket_status = OBJECT_OK;
    assert_int_equal(time_passes(10000), START_MS + 10000 + INTERVAL_MS);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);
}

/* ---- crashes ---- */

static void a_crash_after_the_submission_makes_no_second_job(void **state)
{
    (void)state;
    put_files(0, 2);
    world.die_after_create = true;
    a_round();
    assert_int_equal(world.job_count, 1);
    assert_int_equal(row_of("to-process/00000.jsonl").status, ROW_PENDING);

    world.quota = 1;                                        /* the job holds the only slot: it is found by its token all the same */
    start_process(true);
    a_round();
    assert_int_equal(world.job_count, 1);
    struct row row = row_of("to-process/00000.jsonl");
    assert_int_equal(row.status, ROW_SUBMITTED);
    assert_int_equal(row.attempts, 1);
    assert_view_is(row.job_arn, world.jobs[0].arn);
    assert_int_equal(row_of("to-process/00001.jsonl").status, ROW_PENDING);
}

static void a_crash_before_the_submission_loses_nothing(void **state)
{
    (void)state;
    put_file("to-process/a.jsonl");
    world.p->options.slots = 0;
    a_round();
    struct row row = row_of("to-process/a.jsonl");
    row.turn = TURN_SUBMITTING;
    row.attempts = 1;
    row.job_name = row_job_name(&world.pipeline, &row, world.arena);
    assert_true(row_save(world.p, &row));

    start_process(true);
    a_round();
    assert_int_equal(world.job_count, 1);
    assert_int_equal(row_of("to-process/a.jsonl").status, ROW_SUBMITTED);
    assert_int_equal(row_of("to-process/a.jsonl").attempts, 1);
}

/* ---- deleting ---- */

static void a_deleted_pipeline_goes_with_its_rows_and_leaves_its_jobs(void **state)
{
    (void)state;
    struct pipeline pipeline = world.pipeline, found;
    struct store_record record;
    put_files(0, 15);
    a_round();
    pipeline.deleting = true;
    assert_true(pipeline_write_record(&pipeline, world.arena, &record));
    record.version = 0;
    assert_int_equal(store_update(world.store, &record), STORE_OK);
    /* The claim on its bucket is part of what CreatePipeline writes. */
    struct store_record claim = { .key = { VIEW(PIPELINE_BUCKET_KIND), VIEW(""), VIEW(""), VIEW(BUCKET) }, .json = VIEW("{}") };
    assert_int_equal(store_create(world.store, &claim), STORE_OK);
    a_round();

    assert_int_equal(pipeline_load(world.store, world.arena, VIEW(ACCOUNT), VIEW(REGION), VIEW("nightly"), &found), STORE_NOT_FOUND);
    for (int status = 0; status < ROW_STATUSES; status++)
        assert_int_equal(rows_in((enum row_status)status), 0);
    assert_int_equal(store_create(world.store, &claim), STORE_OK);      /* its bucket is free again */
    assert_int_equal(active_jobs(), 10);
}

/* ---- many ---- */

static void ten_thousand_files_become_ten_thousand_rows(void **state)
{
    (void)state;
    put_files(0, 10000);
    a_round();
    assert_int_equal(rows_in(ROW_PENDING) + rows_in(ROW_SUBMITTED), 10000);
    assert_int_equal(world.listings, 10);                   /* pages of a thousand */
    assert_int_equal(active_jobs(), 10);
    arena_reset(world.arena);
    put_file("to-process/one-more.jsonl");
    clock_manual_advance(world.clock, 60000);
    a_round();
    assert_int_equal(rows_in(ROW_PENDING) + rows_in(ROW_SUBMITTED), 10001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_becomes_a_row_and_its_row_a_job),
        TEST(only_jsonl_files_of_the_folder_become_rows),
        TEST(files_that_are_seen_again_make_no_new_rows),
        TEST(a_key_that_is_put_again_makes_a_new_row),
        TEST(rows_show_what_their_jobs_do),
        TEST(results_lie_in_the_folder_of_the_job),
        TEST(ten_jobs_run_at_once_and_the_rest_waits_its_turn),
        TEST(the_oldest_file_is_submitted_first),
        TEST(jobs_made_by_hand_hold_slots_of_their_model),
        TEST(nothing_is_submitted_while_active_jobs_cannot_be_counted),
        TEST(a_quota_that_is_smaller_than_thought_costs_no_attempt),
        TEST(pipelines_of_one_model_take_turns),
        TEST(without_changes_a_quarter_of_an_hour_brings_the_next_round),
        TEST(bad_input_fails_for_good_with_its_reason),
        TEST(a_refused_submission_fails_with_its_reason),
        TEST(a_passing_failure_is_tried_again_after_a_while),
        TEST(attempts_have_a_limit),
        TEST(one_passing_failure_holds_back_the_other_rows),
        TEST(an_expired_job_is_made_again_as_another),
        TEST(a_job_that_failed_on_its_way_is_made_again),
        TEST(a_clock_that_is_set_back_stops_nothing),
        TEST(a_stopped_job_is_left_stopped),
        TEST(files_that_are_replaced_or_deleted_while_they_wait_are_not_run),
        TEST(a_bucket_that_is_gone_is_shown_as_the_problem_of_the_pipeline),
        TEST(trouble_that_may_pass_brings_the_next_round_soon),
        TEST(a_crash_after_the_submission_makes_no_second_job),
        TEST(a_crash_before_the_submission_loses_nothing),
        TEST(a_deleted_pipeline_goes_with_its_rows_and_leaves_its_jobs),
        TEST(ten_thousand_files_become_ten_thousand_rows),
    };
    return cmocka_run_group_tests_name("pipeline rounds", tests, NULL, NULL);
}
