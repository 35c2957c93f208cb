/* The client on the loop, against the fixture's server: it runs on the test's thread, the server on its own. */
#include "http_fixture.h"
#include "net/http_client.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

struct asker {
    struct fixture fixture;
    struct loop *loop;
    struct http_client *client;
    struct http_transfer *transfer;
    struct buf head, body;
    int status;
    int done;
    int wanted;                                             /* stop the loop after so many ends */
    enum http_client_error error;
    char message[200];
    bool lazy;                                              /* does not say that it has taken bytes */
    size_t cancel_after;                                    /* bytes; 0: never */
};

static void on_head(void *ctx, int status, const struct http_header *headers, size_t count)
{
    struct asker *asker = ctx;
    asker->status = status;
    for (size_t i = 0; i < count; i++)
        buf_printf(&asker->head, VIEW_FMT "=" VIEW_FMT "\n", VIEW_ARG(headers[i].name), VIEW_ARG(headers[i].value));
}

static void on_body(void *ctx, struct view bytes)
{
    struct asker *asker = ctx;
    buf_append_view(&asker->body, bytes);
    if (asker->cancel_after > 0 && asker->body.len >= asker->cancel_after) {
        http_transfer_cancel(asker->transfer);
        loop_stop(asker->loop);
    } else if (!asker->lazy) {
        http_transfer_taken(asker->transfer, bytes.len);
    }
}

static void on_done(void *ctx, const struct http_client_result *result)
{
    struct asker *asker = ctx;
    asker->error = result->error;
    asker->status = result->status;
    snprintf(asker->message, sizeof(asker->message), "%s", result->message);
    if (++asker->done == asker->wanted)
        loop_stop(asker->loop);
}

static const struct http_client_handler handler = { on_head, on_body, on_done };

static int set_up(void **state)
{
    struct asker *asker = calloc(1, sizeof(*asker));
    assert_non_null(asker);
    fixture_init(&asker->fixture);
    fixture_start(&asker->fixture);
    asker->loop = loop_create(clock_system(), 0);
    asker->client = http_client_create(asker->loop);
    assert_non_null(asker->client);
    buf_init(&asker->head, 1 << 20);
    buf_init(&asker->body, 1 << 28);
    asker->wanted = 1;
    *state = asker;
    return 0;
}

static int tear_down(void **state)
{
    struct asker *asker = *state;
    http_client_destroy(asker->client);
    loop_destroy(asker->loop);
    fixture_stop(&asker->fixture);
    buf_free(&asker->head);
    buf_free(&asker->body);
    free(asker);
    return 0;
}

static void ask(struct asker *asker, struct http_client_request request, const char *path)
{
    char url[200];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", (unsigned)asker->fixture.port, path);
    request.url = url;
    if (request.method == NULL)
        request.method = "GET";
    asker->transfer = http_client_start(asker->client, &request, &handler, asker);
    assert_non_null(asker->transfer);
}

static void a_request_brings_head_body_and_end(void **state)
{
    struct asker *asker = *state;
    const struct http_header header = { VIEW_INIT("X-Mine"), VIEW_INIT("1") };
    ask(asker, (struct http_client_request){ .method = "POST", .headers = &header, .header_count = 1, .body = VIEW("hello") },
        "/echo?a=%2F");
    loop_run(asker->loop);
    assert_int_equal(asker->error, HTTP_CLIENT_OK);
    assert_int_equal(asker->status, 200);
    assert_view_is(buf_view(&asker->body), "POST /echo?a=%2F|hello");
    assert_int_equal(count_of(buf_view(&asker->head), "content-type=text/plain\n"), 1);
}

static void headers_are_sent_as_given(void **state)
{
    struct asker *asker = *state;
    const struct http_header header = { VIEW_INIT("X-Mine"), VIEW_INIT("one two") };
    ask(asker, (struct http_client_request){ .headers = &header, .header_count = 1 }, "/headers");
    loop_run(asker->loop);
    assert_int_equal(count_of(buf_view(&asker->body), "x-mine=one two\n"), 1);
    assert_int_equal(count_of(buf_view(&asker->body), "expect="), 0);

    const struct http_header split = { VIEW_INIT("X-Mine"), VIEW_INIT("a\r\nB: c") };
    assert_null(http_client_start(asker->client, &(struct http_client_request){ .method = "GET", .url = "http://127.0.0.1/",
                                                                               .headers = &split, .header_count = 1 },
                                  &handler, asker));
}

static void many_requests_run_at_once(void **state)
{
    struct asker *asker = *state;
    asker->wanted = 50;
    asker->lazy = true;
    for (int i = 0; i < 50; i++)
        ask(asker, (struct http_client_request){ .method = "GET" }, i % 2 == 0 ? "/later" : "/echo");
    loop_run(asker->loop);
    assert_int_equal(asker->done, 50);
    assert_int_equal(count_of(buf_view(&asker->body), "GET /later|"), 25);
    assert_int_equal(count_of(buf_view(&asker->body), "GET /echo|"), 25);
}

static void stop_loop(void *arg)
{
    struct asker *asker = arg;
    loop_stop(asker->loop);
}

static void a_taker_that_does_not_take_stops_the_sender(void **state)
{
    struct asker *asker = *state;
    asker->lazy = true;
    ask(asker, (struct http_client_request){ .method = "GET" }, "/stream?n=20000&size=4096");
    loop_timer_start(asker->loop, 300, stop_loop, asker);
    loop_run(asker->loop);
    assert_int_equal(asker->done, 0);
    assert_in_range(asker->body.len, HTTP_TRANSFER_WINDOW, HTTP_TRANSFER_WINDOW + 64 * 1024);
}

static void a_taker_that_takes_gets_everything(void **state)
{
    struct asker *asker = *state;
    ask(asker, (struct http_client_request){ .method = "GET" }, "/stream?n=5000&size=4096");
    loop_run(asker->loop);
    assert_int_equal(asker->error, HTTP_CLIENT_OK);
    assert_int_equal(asker->body.len, 5000 * 4096);
}

static void a_cancelled_transfer_is_silent_and_hangs_up(void **state)
{
    struct asker *asker = *state;
    asker->cancel_after = 10000;
    ask(asker, (struct http_client_request){ .method = "GET" }, "/stream?n=200000&size=4096");
    loop_run(asker->loop);
    wait_for(&asker->fixture.aborted, 1);
    assert_int_equal(asker->done, 0);
}

static void the_end_of_the_client_cancels_what_runs(void **state)
{
    struct asker *asker = *state;
    ask(asker, (struct http_client_request){ .method = "GET" }, "/never");
    wait_for(&asker->fixture.requests, 1);
    http_client_destroy(asker->client);
    asker->client = NULL;
    wait_for(&asker->fixture.aborted, 1);
    assert_int_equal(asker->done, 0);
}

static void answers_beyond_the_limit_are_an_error(void **state)
{
    struct asker *asker = *state;
    ask(asker, (struct http_client_request){ .method = "GET", .body_limit = 1000 }, "/stream?n=10&size=101");
    loop_run(asker->loop);
    assert_int_equal(asker->error, HTTP_CLIENT_TOO_LARGE);
}

static void a_server_that_says_nothing_times_out(void **state)
{
    struct asker *asker = *state;
    ask(asker, (struct http_client_request){ .method = "GET", .total_timeout_ms = 200 }, "/never");
    loop_run(asker->loop);
    assert_int_equal(asker->error, HTTP_CLIENT_TIMEOUT);
    assert_int_equal(asker->status, 0);
}

static void an_answer_that_breaks_off_is_an_error(void **state)
{
    struct asker *asker = *state;
    ask(asker, (struct http_client_request){ .method = "GET" }, "/abort");
    loop_run(asker->loop);
    assert_int_equal(asker->error, HTTP_CLIENT_BROKEN);
    assert_true(asker->message[0] != '\0');
}

static void nobody_there_is_unreachable(void **state)
{
    struct asker *asker = *state;
    static const char *const urls[] = { "http://127.0.0.1:1/", "ftp://127.0.0.1/", "http://name.invalid/" };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct loop *loop = loop_create(clock_system(), 0);
        struct http_client *client = http_client_create(loop);
        struct asker one = { .loop = loop, .wanted = 1 };
        assert_non_null(http_client_start(client, &(struct http_client_request){ .method = "GET", .url = urls[i] }, &handler, &one));
        loop_run(loop);
        assert_int_equal(one.error, HTTP_CLIENT_UNREACHABLE);
        http_client_destroy(client);
        loop_destroy(loop);
    }
    (void)asker;
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_request_brings_head_body_and_end),
        WITH_SERVER(headers_are_sent_as_given),
        WITH_SERVER(many_requests_run_at_once),
        WITH_SERVER(a_taker_that_does_not_take_stops_the_sender),
        WITH_SERVER(a_taker_that_takes_gets_everything),
        WITH_SERVER(a_cancelled_transfer_is_silent_and_hangs_up),
        WITH_SERVER(the_end_of_the_client_cancels_what_runs),
        WITH_SERVER(answers_beyond_the_limit_are_an_error),
        WITH_SERVER(a_server_that_says_nothing_times_out),
        WITH_SERVER(an_answer_that_breaks_off_is_an_error),
        WITH_SERVER(nobody_there_is_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
