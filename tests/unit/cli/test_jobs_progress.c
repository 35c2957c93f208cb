#include "unit.h"

#include "base/clock.h"
#include "cli/jobs_progress.h"

#define RUNNING                                                                                                            \
    "{\"jobArn\":\"arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abc123def456\",\"jobName\":\"nightly\"," \
    "\"status\":\"InProgress\",\"modelId\":\"m\",\"submitTime\":\"2025-01-02T03:04:05Z\",\"totalRecordCount\":2000,"       \
    "\"processedRecordCount\":812,\"errorRecordCount\":3,\"inputTokenCount\":12345,\"outputTokenCount\":8100,"            \
    "\"recordsPerSecond\":41.2}"

static struct arena *arena;
static struct buf out = BUF_INIT(1 << 16);
static int64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(1 << 20);
    return arena == NULL || !clock_parse_iso(VIEW("2025-01-02T03:05:15Z"), &now_ms);
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    buf_free(&out);
    return 0;
}

static const struct json *job_of(const char *text)
{
    const struct json *job = json_parse(arena, view_from_cstr(text), JSON_DEPTH_DEFAULT, NULL);
    assert_non_null(job);
    return job;
}

static void assert_line(const char *job, unsigned width, const char *expected)
{
    jobs_line(&out, job_of(job), now_ms, width);
    assert_view_is(buf_view(&out), expected);
    buf_clear(&out);
}

static void a_running_job_shows_how_far_and_how_fast_it_is(void **state)
{
    (void)state;
    assert_line(RUNNING, 200,
                "InProgress  #########............... 812/2000  41.2/s  3 failed  12.3k+8100 tokens  ends in 29 s  for 1 min 10 s");
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    assert_line(RUNNING, 56, "InProgress  #########............... 812/2000  41.2/s");
    assert_line(RUNNING, 20, "InProgress  41.2/s");
    assert_line(RUNNING, 1, "InProgress");
}

static void a_job_that_waits_says_only_for_how_long(void **state)
{
    (void)state;
    assert_line("{\"status\":\"Submitted\",\"submitTime\":\"2025-01-02T03:05:05Z\"}", 80, "Submitted  for 10 s");
}

static void an_ended_job_says_what_it_took_and_why_it_failed(void **state)
{
    (void)state;
    assert_line("{\"status\":\"Completed\",\"totalRecordCount\":10,\"processedRecordCount\":10,\"recordsPerSecond\":5,"
                "\"submitTime\":\"2025-01-02T03:04:05Z\",\"endTime\":\"2025-01-02T03:04:07Z\"}",
                80, "Completed  ######################## 10/10  5.0/s  took 2 s");
    assert_line("{\"status\":\"Failed\",\"message\":\"The bucket\\u001b[31m is gone.\"}", 80, "Failed  The bucket?[31m is gone.");
}

static void a_list_has_a_line_for_each_job(void **state)
{
    (void)state;
    jobs_list_head(&out);
    jobs_list_row(&out, job_of(RUNNING));
    assert_view_is(buf_view(&out),
                   "ID            NAME                          STATUS              RECORDS          SUBMITTED             MODEL\n"
                   "abc123def456  nightly                       InProgress          812/2000 !3      2025-01-02T03:04:05   m\n");
    buf_clear(&out);
}

static void details_name_what_is_known_and_nothing_else(void **state)
{
    (void)state;
    jobs_details(&out, job_of("{\"jobName\":\"n\",\"status\":\"Submitted\",\"modelId\":\"m\",\"inputDataConfig\":"
                              "{\"s3InputDataConfig\":{\"s3Uri\":\"s3://in/a.jsonl\"}}}"), now_ms);
    assert_view_is(buf_view(&out), "n: Submitted\n\n"
                                   "  model        m\n"
                                   "  input        s3://in/a.jsonl\n");
    buf_clear(&out);
}

static void counts_are_short(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        const char *text;
    } cases[] = { { 0, "0" }, { 9999, "9999" }, { 10000, "10.0k" }, { 12345, "12.3k" }, { 10000000, "10.0M" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        jobs_count(&out, cases[i].count);
        assert_view_is(buf_view(&out), cases[i].text);
        buf_clear(&out);
    }
}

static void the_exit_status_says_how_a_job_ended(void **state)
{
    (void)state;
    static const struct {
        const char *job;
        bool ended;
        int status;
    } cases[] = {
        { "{\"status\":\"Completed\"}", true, 0 }, { "{\"status\":\"Failed\"}", true, 1 },
        { "{\"status\":\"PartiallyCompleted\"}", true, 3 }, { "{\"status\":\"Stopped\"}", true, 4 },
        { "{\"status\":\"Expired\"}", true, 5 }, { "{\"status\":\"Stopping\"}", false, 1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(jobs_has_ended(job_of(cases[i].job)), cases[i].ended);
        assert_int_equal(jobs_exit_status(job_of(cases[i].job)), cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_job_shows_how_far_and_how_fast_it_is),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(a_job_that_waits_says_only_for_how_long),
        cmocka_unit_test(an_ended_job_says_what_it_took_and_why_it_failed),
        cmocka_unit_test(a_list_has_a_line_for_each_job),
        cmocka_unit_test(details_name_what_is_known_and_nothing_else),
        cmocka_unit_test(counts_are_short),
        cmocka_unit_test(the_exit_status_says_how_a_job_ended),
    };
    return cmocka_run_group_tests_name("jobs_progress", tests, set_up, tear_down);
}
