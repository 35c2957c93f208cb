/* Blocking calls, against the fixture's server on its own thread. */
#include "http_fixture.h"
#include "net/http_call.h"

struct answer {
    struct buf body;
    struct buf headers;
    int status;
    size_t stop_after;                                      /* bytes; 0: never */
};

static bool on_body(void *ctx, int status, struct view bytes)
{
    struct answer *answer = ctx;
    answer->status = status;
    buf_append_view(&answer->body, bytes);
    return answer->stop_after == 0 || answer->body.len < answer->stop_after;
}

static void on_header(void *ctx, struct view name, struct view value)
{
    struct answer *answer = ctx;
    buf_printf(&answer->headers, VIEW_FMT "=" VIEW_FMT "\n", VIEW_ARG(name), VIEW_ARG(value));
}

static int set_up_with(void **state, bool tls)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    fixture_init(fixture);
    fixture->options.tls_self_signed = tls;
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, false);
}

static int set_up_tls(void **state)
{
    return set_up_with(state, true);
}

static int tear_down(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

static struct http_call_result call_path(const struct fixture *fixture, struct http_call call, const char *path, struct answer *answer)
{
    char url[200];
    struct http_call_result result;
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", fixture->options.tls_self_signed ? "https" : "http", (unsigned)fixture->port, path);
    buf_init(&answer->body, 1 << 28);
    buf_init(&answer->headers, 1 << 20);
    call.url = url;
    call.on_body = on_body;
    call.on_header = on_header;
    call.ctx = answer;
    http_call(&call, &result);
    return result;
}

static void answer_free(struct answer *answer)
{
    buf_free(&answer->body);
    buf_free(&answer->headers);
}

static void a_call_sends_its_body_and_gets_the_answer(void **state)
{
    struct answer answer = { .status = 0 };
    struct http_call_result result = call_path(*state, (struct http_call){ .method = "POST", .body = VIEW("hello") }, "/echo", &answer);
    assert_true(result.complete);
    assert_int_equal(result.status, 200);
    assert_int_equal(answer.status, 200);
    assert_view_is(buf_view(&answer.body), "POST /echo|hello");
    assert_int_equal(count_of(buf_view(&answer.headers), "content-type=text/plain\n"), 1);
    answer_free(&answer);
}

static void a_body_may_be_a_part_of_a_file(void **state)
{
    struct answer answer = { .status = 0 };
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(fputs("out of a file, and more", file) >= 0 && fflush(file) == 0);
    struct http_call call = { .method = "PUT", .body_fd = fileno(file), .body_length = 13 };
    struct http_call_result result = call_path(*state, call, "/echo", &answer);
    assert_true(result.complete);
    assert_view_is(buf_view(&answer.body), "PUT /echo|out of a file");
    answer_free(&answer);
    call.body_length = 1000;                                /* more than there is */
    result = call_path(*state, call, "/echo", &answer);
    assert_false(result.complete);
    answer_free(&answer);
    fclose(file);
}

static void a_head_has_no_body_and_a_put_without_one_says_so(void **state)
{
    struct answer answer = { .status = 0 };
    struct http_call_result result = call_path(*state, (struct http_call){ .method = "HEAD" }, "/echo", &answer);
    assert_true(result.complete);
    assert_int_equal(result.status, 200);
    assert_int_equal(answer.body.len, 0);
    answer_free(&answer);
    result = call_path(*state, (struct http_call){ .method = "PUT" }, "/echo", &answer);
    assert_true(result.complete);
    assert_view_is(buf_view(&answer.body), "PUT /echo|");
    answer_free(&answer);
}

static void headers_with_line_breaks_are_not_sent(void **state)
{
    const struct http_header bad = { VIEW_INIT("A"), VIEW_INIT("b\r\nC: d") };
    struct answer answer = { .status = 0 };
    struct http_call_result result =
        call_path(*state, (struct http_call){ .method = "GET", .headers = &bad, .header_count = 1 }, "/echo", &answer);
    assert_false(result.complete);
    assert_int_equal(((struct fixture *)*state)->requests, 0);
    answer_free(&answer);
}

static void the_taker_may_end_a_call(void **state)
{
    struct answer answer = { .stop_after = 1000 };
    struct http_call_result result = call_path(*state, (struct http_call){ .method = "GET" }, "/stream?n=100000&size=4096", &answer);
    assert_false(result.complete);
    wait_for(&((struct fixture *)*state)->aborted, 1);
    answer_free(&answer);
}

static void a_broken_answer_is_not_complete(void **state)
{
    struct answer answer = { .status = 0 };
    struct http_call_result result = call_path(*state, (struct http_call){ .method = "GET" }, "/abort", &answer);
    assert_false(result.complete);
    assert_true(result.error[0] != '\0');
    answer_free(&answer);
}

static void silence_times_out(void **state)
{
    struct answer answer = { .status = 0 };
    struct http_call_result result =
        call_path(*state, (struct http_call){ .method = "GET", .silence_timeout_s = 1 }, "/never", &answer);
    assert_false(result.complete);
    assert_int_equal(result.status, 0);
    answer_free(&answer);
}

static void certificates_are_verified_unless_told_otherwise(void **state)
{
    struct answer answer = { .status = 0 };
    struct http_call_result result = call_path(*state, (struct http_call){ .method = "GET" }, "/echo", &answer);
    assert_false(result.complete);
    answer_free(&answer);
    result = call_path(*state, (struct http_call){ .method = "GET", .any_certificate = true }, "/echo", &answer);
    assert_true(result.complete);
    assert_view_is(buf_view(&answer.body), "GET /echo|");
    answer_free(&answer);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_call_sends_its_body_and_gets_the_answer),
        WITH_SERVER(a_body_may_be_a_part_of_a_file),
        WITH_SERVER(a_head_has_no_body_and_a_put_without_one_says_so),
        WITH_SERVER(headers_with_line_breaks_are_not_sent),
        WITH_SERVER(the_taker_may_end_a_call),
        WITH_SERVER(a_broken_answer_is_not_complete),
        WITH_SERVER(silence_times_out),
        cmocka_unit_test_setup_teardown(certificates_are_verified_unless_told_otherwise, set_up_tls, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
