#include "rig.h"

#include <sys/wait.h>

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig_open(rig);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static struct batch_job run_to_end(struct rig *rig)
{
    rig_start(rig);
    struct batch_job job = rig_wait(rig, JOB_ID, has_ended, 1000);
    rig_stop(rig);
    return job;
}

static struct batch_job run_input(struct rig *rig, struct view lines)
{
    put_object(&rig->fixture, VIEW("in-bucket"), "in.jsonl", lines);
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in.jsonl");
    return run_to_end(rig);
}

/* ---- what comes out ---- */

static void every_record_is_answered_in_order_over_several_windows(void **state)
{
    struct rig *rig = *state;
    rig_put_numbers(rig, "in/5000 records.jsonl", 5000);
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in/5000 records.jsonl");
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_COMPLETED);
    assert_int_equal(job.progress.counts.success, 5000);
    assert_int_equal(rig->submitted, 5000);
    assert_in_range(rig->most_together, 2, 16);
    expect_numbers(rig_output(rig, JOB_ID, "5000 records.jsonl.out"), 5000);
    expect_manifest(rig, JOB_ID, 5000, 5000, 0);
    expect_tidy(rig);
    assert_true(job.progress.ended_ms > 0);
    assert_int_equal(job.progress.message.len, 0);
}

static void bad_records_fail_alone_and_keep_their_places(void **state)
{
    struct rig *rig = *state;
    struct batch_job job = run_input(rig, VIEW("{\"recordId\":\"A\",\"modelInput\":{\"text\":\"bad\"}}\n"
                                               "[1]\r\n"
                                               "{\"recordId\":\"C\"}\n"
                                               "\n"
                                               "{\"recordId\":\"D\",\"modelInput\":{ \"text\" : \"x\" }}"));
    assert_int_equal(job.status, BATCH_COMPLETED);
    struct view output = rig_output(rig, JOB_ID, "in.jsonl.out");
    assert_view_is(view_split(&output, '\n'), "{\"recordId\":\"A\",\"modelInput\":{\"text\":\"bad\"},"
                                              "\"error\":{\"errorCode\":400,\"errorMessage\":\"bad request\"}}");
    struct view second = view_split(&output, '\n');
    assert_true(view_ends_with(second, VIEW("\"modelInput\":[1],\"error\":{\"errorCode\":400,\"errorMessage\":\"The line is no record: it "
                                            "must be a JSON object with a modelInput.\"}}")));
    assert_view_is(view_split(&output, '\n'), "{\"recordId\":\"C\",\"modelInput\":{\"recordId\":\"C\"},"
                                              "\"error\":{\"errorCode\":400,\"errorMessage\":\"The record has no modelInput.\"}}");
    assert_view_is(view_split(&output, '\n'),
                   "{\"recordId\":\"D\",\"modelInput\":{ \"text\" : \"x\" },\"modelOutput\":{ \"text\" : \"x\" }}");
    assert_int_equal(output.len, 0);
    expect_manifest(rig, JOB_ID, 4, 1, 3);
}

static void a_job_whose_records_all_failed_is_completed(void **state)
{
    struct rig *rig = *state;
    struct batch_job job = run_input(rig, VIEW("{\"modelInput\":{\"text\":\"bad\"}}\n{\"modelInput\":{\"text\":\"bad\"}}\n"));
    assert_int_equal(job.status, BATCH_COMPLETED);
    expect_manifest(rig, JOB_ID, 2, 0, 2);
}

static void a_folder_keeps_the_names_of_its_files(void **state)
{
    struct rig *rig = *state;
    rig_put_numbers(rig, "set/a.jsonl", 3);
    rig_put_numbers(rig, "set/deep/b c+%.jsonl", 2);
    put_object(&rig->fixture, VIEW("in-bucket"), "set/deep/empty.jsonl", VIEW("\n"));
    put_object(&rig->fixture, VIEW("in-bucket"), "set/notes.txt", VIEW("no record"));
    put_object(&rig->fixture, VIEW("in-bucket"), "settings.jsonl", VIEW("no record"));
    rig_put_numbers(rig, "set/z.jsonl", 1);
    rig_create_job(rig, JOB_ID, "s3://in-bucket/set");
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_COMPLETED);
    expect_numbers(rig_output(rig, JOB_ID, "a.jsonl.out"), 3);
    expect_numbers(rig_output(rig, JOB_ID, "deep/b c+%.jsonl.out"), 2);
    expect_numbers(rig_output(rig, JOB_ID, "z.jsonl.out"), 1);
    struct view empty = rig_output(rig, JOB_ID, "deep/empty.jsonl.out");
    assert_true(empty.ptr != NULL && empty.len == 0);
    expect_manifest(rig, JOB_ID, 6, 6, 0);
}

/* ---- what validation finds ---- */

static void an_input_that_cannot_be_used_fails_the_job_and_says_why(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *id, *uri, *bytes, *message;
    } cases[] = {
        { "aaaaaaaaaaaa", "s3://no-bucket/in.jsonl", NULL, "The input bucket no-bucket does not exist." },
        { "bbbbbbbbbbbb", "s3://in-bucket/no.jsonl", NULL, "The input s3://in-bucket/no.jsonl does not exist." },
        { "cccccccccccc", "s3://in-bucket/in.txt", "{}", "The name of the input s3://in-bucket/in.txt does not end in .jsonl." },
        { "dddddddddddd", "s3://in-bucket/none/", NULL, "There is no .jsonl file in the folder s3://in-bucket/none/." },
        { "eeeeeeeeeeee", "s3://in-bucket/e.jsonl", "\n \n", "The input s3://in-bucket/e.jsonl holds no record." },
        { "ffffffffffff", "s3://in-bucket/f.jsonl", "{}\n\n{oops}\n", "Line 3 of s3://in-bucket/f.jsonl is not valid JSON: " },
    };
    rig_start(rig);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].bytes != NULL)
            put_object(&rig->fixture, VIEW("in-bucket"), cases[i].uri + strlen("s3://in-bucket/"), view_from_cstr(cases[i].bytes));
        rig_create_job(rig, cases[i].id, cases[i].uri);
        struct batch_job job = rig_wait(rig, cases[i].id, has_ended, 0);
        assert_int_equal(job.status, BATCH_FAILED);
        assert_true(view_starts_with(job.progress.message, view_from_cstr(cases[i].message)));
    }
    rig_stop(rig);
    expect_tidy(rig);
}

static void inputs_over_a_limit_fail_the_job_and_name_the_setting(void **state)
{
    struct rig *rig = *state;
    static const char *const settings[] = { "batch.max_file_records", "batch.max_job_records", "batch.min_records",
                                            "batch.max_file_size",    "batch.max_job_size",    "net.body_max" };
    rig_put_numbers(rig, "set/a.jsonl", 10);
    rig_put_numbers(rig, "set/b.jsonl", 10);
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        struct batch_options options = rig_options(rig);
        char id[] = "limit0000000";
        id[5] = (char)('a' + i);
        options.max_file_records = i == 0 ? 9 : options.max_file_records;
        options.max_job_records = i == 1 ? 19 : options.max_job_records;
        options.min_records = i == 2 ? 21 : options.min_records;
        options.max_file_bytes = i == 3 ? 100 : options.max_file_bytes;
        options.max_job_bytes = i == 4 ? 1000 : options.max_job_bytes;
        options.max_record_bytes = i == 5 ? 20 : options.max_record_bytes;
        rig_create_job(rig, id, "s3://in-bucket/set/");
        rig_start_with(rig, &options);
        struct batch_job job = rig_wait(rig, id, has_ended, 0);
        assert_int_equal(job.status, BATCH_FAILED);
        assert_true(view_find(job.progress.message, view_from_cstr(settings[i])) != VIEW_NPOS);
        rig_stop(rig);
    }
}

static void a_bucket_of_another_account_is_not_read(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(bucket_create(rig->fixture.objects, VIEW("999999999999"), REGION, VIEW("their-bucket")), OBJECT_OK);
    put_object(&rig->fixture, VIEW("their-bucket"), "in.jsonl", VIEW("{\"modelInput\":{}}\n"));
    rig_create_job(rig, JOB_ID, "s3://their-bucket/in.jsonl");
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_FAILED);
    assert_view_is(job.progress.message, "The input bucket their-bucket belongs to another account.");
}

/* ---- a model that is busy, or dies ---- */

static void a_record_is_tried_again_while_the_model_takes_no_calls(void **state)
{
    struct rig *rig = *state;
    struct batch_job job = run_input(rig, VIEW("{\"recordId\":\"A\",\"modelInput\":{\"text\":\"busy 3\"}}\n"
                                               "{\"recordId\":\"B\",\"modelInput\":{\"text\":\"x\"}}\n"));
    assert_int_equal(job.status, BATCH_COMPLETED);
    assert_int_equal(rig->submitted, 5);
    expect_manifest(rig, JOB_ID, 2, 2, 0);
    assert_int_equal(job.progress.message.len, 0);
}

static bool is_waiting(const struct batch_job *job)
{
    return job->progress.message.len > 0;
}

static void a_record_that_the_model_never_takes_fails_in_the_end_and_the_job_says_that_it_waits(void **state)
{
    struct rig *rig = *state;
    put_object(&rig->fixture, VIEW("in-bucket"), "in.jsonl", VIEW("{\"recordId\":\"A\",\"modelInput\":{\"text\":\"busy 9999\"}}\n"));
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in.jsonl");
    rig_start(rig);
    struct batch_job job = rig_wait(rig, JOB_ID, is_waiting, 1000);
    assert_int_equal(job.status, BATCH_IN_PROGRESS);
    assert_view_is(job.progress.message, "Waiting for the model: too busy");
    job = rig_wait(rig, JOB_ID, has_ended, 1000);
    rig_stop(rig);
    assert_int_equal(job.status, BATCH_COMPLETED);
    assert_view_is(rig_output(rig, JOB_ID, "in.jsonl.out"), "{\"recordId\":\"A\",\"modelInput\":{\"text\":\"busy 9999\"},"
                                                            "\"error\":{\"errorCode\":429,\"errorMessage\":\"too busy\"}}\n");
}

static void a_record_that_ends_the_models_process_twice_fails_and_others_do_not(void **state)
{
    struct rig *rig = *state;
    struct batch_job job = run_input(rig, VIEW("{\"recordId\":\"A\",\"modelInput\":{\"text\":\"crash 1\"}}\n"
                                               "{\"recordId\":\"B\",\"modelInput\":{\"text\":\"crash 2\"}}\n"
                                               "{\"recordId\":\"C\",\"modelInput\":{\"text\":\"x\"}}\n"));
    assert_int_equal(job.status, BATCH_COMPLETED);
    expect_manifest(rig, JOB_ID, 3, 2, 1);
    struct view output = rig_output(rig, JOB_ID, "in.jsonl.out");
    assert_true(view_ends_with(view_split(&output, '\n'), VIEW("\"modelOutput\":{\"text\":\"crash 1\"}}")));
    assert_true(view_ends_with(view_split(&output, '\n'), VIEW("\"errorMessage\":\"The model's process ended.\"}}")));
    assert_int_equal(rig->submitted, 5);
}

static void a_model_that_is_gone_fails_the_job_and_not_each_record(void **state)
{
    struct rig *rig = *state;
    put_object(&rig->fixture, VIEW("in-bucket"), "in.jsonl",
               VIEW("{\"recordId\":\"A\",\"modelInput\":{\"text\":\"x\"}}\n{\"recordId\":\"B\",\"modelInput\":{\"text\":\"bad\"}}\n"));
    rig_create_job_for(rig, JOB_ID, "s3://in-bucket/in.jsonl", VIEW("removed.model-v1"));
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_FAILED);
    assert_view_is(job.progress.message, "The model removed.model-v1 can no longer be used: The provided model identifier is invalid.");
    assert_int_equal(job.progress.counts.error, 0);
}

/* ---- stopping, and time ---- */

static bool has_results(const struct batch_job *job)
{
    return batch_counts_done(&job->progress.counts) >= 3;
}

static void put_three_quick_and_two_slow(struct rig *rig)
{
    put_object(&rig->fixture, VIEW("in-bucket"), "in.jsonl",
               VIEW("{\"recordId\":\"A\",\"modelInput\":{\"text\":\"slow\"}}\n{\"recordId\":\"B\",\"modelInput\":{\"text\":\"x\"}}\n"
                    "{\"recordId\":\"C\",\"modelInput\":{\"text\":\"x\"}}\n{\"recordId\":\"D\",\"modelInput\":{\"text\":\"slow\"}}\n"
                    "{\"recordId\":\"E\",\"modelInput\":{\"text\":\"x\"}}\n"));
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in.jsonl");
}

static void expect_quick_ones(struct rig *rig)
{
    static const char *const ids[] = { "B", "C", "E" };
    struct view output = rig_output(rig, JOB_ID, "in.jsonl.out");
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char line[128];
        snprintf(line, sizeof(line), "{\"recordId\":\"%s\",\"modelInput\":{\"text\":\"x\"},\"modelOutput\":{\"text\":\"x\"}}", ids[i]);
        assert_view_is(view_split(&output, '\n'), line);
    }
    assert_int_equal(output.len, 0);
    expect_manifest(rig, JOB_ID, 5, 3, 0);
    expect_tidy(rig);
}

static void a_stopped_job_keeps_what_was_done(void **state)
{
    struct rig *rig = *state;
    put_three_quick_and_two_slow(rig);
    rig_start(rig);
    rig_wait(rig, JOB_ID, has_results, 1000);
    rig_set_status(rig, JOB_ID, BATCH_STOPPING);
    struct batch_job job = rig_wait(rig, JOB_ID, has_ended, 0);
    rig_stop(rig);
    assert_int_equal(job.status, BATCH_STOPPED);
    expect_quick_ones(rig);
}

static void a_job_whose_time_is_over_is_partially_completed(void **state)
{
    struct rig *rig = *state;
    put_three_quick_and_two_slow(rig);
    rig_start(rig);
    rig_wait(rig, JOB_ID, has_results, 1000);
    clock_manual_advance(rig->fixture.clock, 24ll * 3600 * 1000);
    jobs_wake(rig->jobs);
    struct batch_job job = rig_wait(rig, JOB_ID, has_ended, 0);
    rig_stop(rig);
    assert_int_equal(job.status, BATCH_PARTIALLY_COMPLETED);
    assert_true(job.progress.message.len > 0);
    expect_quick_ones(rig);
}

static void a_job_whose_time_is_over_before_it_starts_expires(void **state)
{
    struct rig *rig = *state;
    rig_put_numbers(rig, "in.jsonl", 3);
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in.jsonl");
    clock_manual_advance(rig->fixture.clock, 25ll * 3600 * 1000);
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_EXPIRED);
    assert_int_equal(rig->submitted, 0);
    assert_null(rig_output(rig, JOB_ID, "manifest.json.out").ptr);
}

static void a_job_that_is_stopped_before_it_starts_has_no_output(void **state)
{
    struct rig *rig = *state;
    rig_put_numbers(rig, "in.jsonl", 3);
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in.jsonl");
    rig_set_status(rig, JOB_ID, BATCH_STOPPING);
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_STOPPED);
    assert_int_equal(rig->submitted, 0);
    assert_null(rig_output(rig, JOB_ID, "manifest.json.out").ptr);
}

static bool is_in_progress(const struct batch_job *job)
{
    return job->status == BATCH_IN_PROGRESS;
}

static bool is_scheduled(const struct batch_job *job)
{
    return job->status == BATCH_SCHEDULED;
}

static void only_so_many_jobs_are_in_progress_and_others_wait_their_turn(void **state)
{
    struct rig *rig = *state;
    static const char *const ids[] = { "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc" };
    put_object(&rig->fixture, VIEW("in-bucket"), "in.jsonl", VIEW("{\"modelInput\":{\"text\":\"slow\"}}\n"));
    rig_start(rig);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        rig_create_job(rig, ids[i], "s3://in-bucket/in.jsonl");
        rig_wait(rig, ids[i], i < 2 ? is_in_progress : is_scheduled, 0);
    }
    rig_set_status(rig, ids[0], BATCH_STOPPING);
    rig_wait(rig, ids[2], is_in_progress, 0);
    rig_release(rig);
    assert_int_equal(rig_wait(rig, ids[0], has_ended, 1000).status, BATCH_STOPPED);
    assert_int_equal(rig_wait(rig, ids[1], has_ended, 1000).status, BATCH_COMPLETED);
    assert_int_equal(rig_wait(rig, ids[2], has_ended, 1000).status, BATCH_COMPLETED);
    rig_stop(rig);
}

/* ---- what goes away while a job runs ---- */

static void an_output_bucket_that_was_deleted_fails_the_job(void **state)
{
    struct rig *rig = *state;
    put_three_quick_and_two_slow(rig);
    rig_start(rig);
    rig_wait(rig, JOB_ID, has_results, 1000);
    assert_int_equal(bucket_delete(rig->fixture.objects, VIEW("out-bucket")), OBJECT_OK);
    rig_release(rig);
    struct batch_job job = rig_wait(rig, JOB_ID, has_ended, 1000);
    rig_stop(rig);
    assert_int_equal(job.status, BATCH_FAILED);
    assert_true(view_starts_with(job.progress.message, VIEW("The output cannot be written: s3://out-bucket/results/")));
    expect_tidy(rig);
}

static void an_input_that_was_replaced_fails_a_job_that_reads_it_again(void **state)
{
    struct rig *rig = *state;
    put_three_quick_and_two_slow(rig);
    rig_start(rig);
    rig_wait(rig, JOB_ID, has_results, 1000);
    rig_stop(rig);
    put_object(&rig->fixture, VIEW("in-bucket"), "in.jsonl", VIEW("{\"recordId\":\"Z\",\"modelInput\":{\"text\":\"x\"}}\n"));
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_FAILED);
    assert_view_is(job.progress.message, "The input s3://in-bucket/in.jsonl was replaced while the job was running.");
    expect_quick_ones(rig);
}

/* ---- going on ---- */

static void a_job_goes_on_after_an_orderly_end_without_doing_anything_twice(void **state)
{
    struct rig *rig = *state;
    put_three_quick_and_two_slow(rig);
    rig_start(rig);
    rig_wait(rig, JOB_ID, has_results, 1000);
    rig_stop(rig);
    assert_int_equal(rig->submitted, 5);
    rig->released = true;
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_COMPLETED);
    assert_int_equal(rig->submitted, 7);
    expect_manifest(rig, JOB_ID, 5, 5, 0);
}

static void a_job_that_was_cut_off_while_it_ended_works_on_no_more_records(void **state)
{
    struct rig *rig = *state;
    put_three_quick_and_two_slow(rig);
    rig_start(rig);
    rig_wait(rig, JOB_ID, has_results, 1000);
    rig_stop(rig);
    struct batch_job job = rig_job(rig, JOB_ID);
    struct store_record record = { .key = job.key };
    job.progress.ending = true;
    job.progress.outcome = BATCH_FAILED;
    job.progress.message = VIEW("something had happened");
    assert_true(batch_job_write(rig->fixture.arena, &job, &record));
    assert_int_equal(store_update(rig->fixture.store, &record), STORE_OK);

    rig->released = true;
    job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_FAILED);
    assert_view_is(job.progress.message, "something had happened");
    assert_int_equal(rig->submitted, 5);
    expect_quick_ones(rig);
}

#define CRASH_RECORDS 4500

/* A process that is gone in the middle of an answer, as by kill -9. */
static void run_until_gone(struct rig *rig, unsigned answers)
{
    pid_t child = fork();
    if (child == 0) {
        fixture_reopen(&rig->fixture);
        rig->exit_after = answers;
        rig_start(rig);
        rig_wait(rig, JOB_ID, has_ended, 1000);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static void a_job_survives_crashes_at_any_instant_and_repeats_little(void **state)
{
    struct rig *rig = *state;
    static const unsigned answers[] = { 1, 200, 255, 256, 257, 300, 1000, 700, 900, 500 };
    unsigned computed = 0;
    rig_put_numbers(rig, "in.jsonl", CRASH_RECORDS);
    rig_create_job(rig, JOB_ID, "s3://in-bucket/in.jsonl");
    fixture_shut(&rig->fixture);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        run_until_gone(rig, answers[i]);
        computed += answers[i];
    }
    fixture_reopen(&rig->fixture);
    struct batch_job job = run_to_end(rig);
    assert_int_equal(job.status, BATCH_COMPLETED);
    expect_numbers(rig_output(rig, JOB_ID, "in.jsonl.out"), CRASH_RECORDS);
    expect_manifest(rig, JOB_ID, CRASH_RECORDS, CRASH_RECORDS, 0);
    expect_tidy(rig);
    assert_in_range(computed + rig->submitted, CRASH_RECORDS, CRASH_RECORDS + COUNT_OF(answers) * (256 + 16));
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_TEST(every_record_is_answered_in_order_over_several_windows),
        RUN_TEST(bad_records_fail_alone_and_keep_their_places),
        RUN_TEST(a_job_whose_records_all_failed_is_completed),
        RUN_TEST(a_folder_keeps_the_names_of_its_files),
        RUN_TEST(an_input_that_cannot_be_used_fails_the_job_and_says_why),
        RUN_TEST(inputs_over_a_limit_fail_the_job_and_name_the_setting),
        RUN_TEST(a_bucket_of_another_account_is_not_read),
        RUN_TEST(a_record_is_tried_again_while_the_model_takes_no_calls),
        RUN_TEST(a_record_that_the_model_never_takes_fails_in_the_end_and_the_job_says_that_it_waits),
        RUN_TEST(a_record_that_ends_the_models_process_twice_fails_and_others_do_not),
        RUN_TEST(a_model_that_is_gone_fails_the_job_and_not_each_record),
        RUN_TEST(a_stopped_job_keeps_what_was_done),
        RUN_TEST(a_job_whose_time_is_over_is_partially_completed),
        RUN_TEST(a_job_whose_time_is_over_before_it_starts_expires),
        RUN_TEST(a_job_that_is_stopped_before_it_starts_has_no_output),
        RUN_TEST(only_so_many_jobs_are_in_progress_and_others_wait_their_turn),
        RUN_TEST(an_output_bucket_that_was_deleted_fails_the_job),
        RUN_TEST(an_input_that_was_replaced_fails_a_job_that_reads_it_again),
        RUN_TEST(a_job_goes_on_after_an_orderly_end_without_doing_anything_twice),
        RUN_TEST(a_job_that_was_cut_off_while_it_ended_works_on_no_more_records),
        RUN_TEST(a_job_survives_crashes_at_any_instant_and_repeats_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
