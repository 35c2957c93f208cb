/* HTTP/1 over real sockets: what must be answered, what must be refused, and who is told when. */
#include "http_fixture.h"

#include "base/encode.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX (64u * 1024 * 1024)

static int set_up_with(void **state, uint64_t timeout_ms)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    fixture_init(fixture);
    fixture->options.header_timeout_ms = timeout_ms;
    fixture->options.idle_timeout_ms = 5 * timeout_ms;
    fixture->options.body_timeout_ms = timeout_ms;
    fixture->options.body_limit = 8u * 1024 * 1024;
    fixture->options.body_budget = 16u * 1024 * 1024;
    fixture->options.body_memory = 64 * 1024;
    fixture->options.high_water = 64 * 1024;
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 10000);
}

static int set_up_impatient(void **state)
{
    return set_up_with(state, 300);
}

static int tear_down(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

static void a_request_is_answered_with_one_date_and_a_length(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "GET /echo?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 200 OK\r\n")));
    assert_int_equal(count_of(buf_view(&reply), "\r\nDate: "), 1);
    assert_int_equal(count_of(buf_view(&reply), "\r\nContent-Length: 14\r\n"), 1);
    assert_int_equal(count_of(buf_view(&reply), "\r\nConnection: close\r\n"), 1);
    assert_true(view_ends_with(buf_view(&reply), VIEW("\r\n\r\nGET /echo?a=b|")));
    buf_free(&reply);
}

static void headers_reach_the_handler_in_order_and_lower_case(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "GET /headers?q=%2F HTTP/1.1\r\nHost: craton.local:80\r\nX-ONE: 1 \t\r\nx-two:\r\nX-One:  a  b\r\n"
                            "Connection: close\r\n\r\n", &reply);
    client_exchange(*state, "GET http://other/headers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), ":authority=craton.local:80\n:path=/headers\n:query=q=%2F\nhost=craton.local:80\n"
                                                "x-one=1\nx-two=\nx-one=a  b\nconnection=close\n"), 1);
    assert_int_equal(count_of(buf_view(&reply), ":authority=other\n:path=/headers\n:query=\n"), 1);
    buf_free(&reply);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX), requests = BUF_INIT(REPLY_MAX);
    for (int i = 0; i < 100; i++)
        buf_printf(&requests, "POST /%s?%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab%d", i % 7 == 3 ? "later" : "echo", i,
                   i % 10);
    buf_append_cstr(&requests, "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    int fd = client_connect(*state);
    client_send(fd, buf_view(&requests));
    client_read_to_end(fd, &reply);
    close(fd);
    struct view rest = buf_view(&reply);
    for (int i = 0; i < 100; i++) {
        char text[40];
        snprintf(text, sizeof(text), "?%d|ab%d", i, i % 10);
        size_t at = view_find(rest, view_from_cstr(text));
        assert_true(at != VIEW_NPOS);
        rest = view_from(rest, at);
    }
    assert_int_equal(count_of(rest, "GET /last|"), 1);
    buf_free(&reply);
    buf_free(&requests);
}

static void a_request_may_arrive_split_at_any_byte(void **state)
{
    static const struct view request = VIEW_INIT("\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
                                  "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (size_t cut = 1; cut < request.len; cut++) {
        struct buf reply = BUF_INIT(REPLY_MAX);
        int fd = client_connect(*state);
        client_send(fd, view_first(request, cut));
        nanosleep(&(struct timespec){ .tv_nsec = 300000 }, NULL);
        client_send(fd, view_from(request, cut));
        client_read_to_end(fd, &reply);
        close(fd);
        assert_int_equal(count_of(buf_view(&reply), "POST /echo|abc0123456789"), 1);
        assert_int_equal(count_of(buf_view(&reply), "GET /next|"), 1);
        buf_free(&reply);
    }
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                                  "3\r\nabc\r\n0\r\n\r\n";
    struct buf reply = BUF_INIT(REPLY_MAX);
    int fd = client_connect(*state);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        client_send(fd, view_of(request + i, 1));
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    client_read_to_end(fd, &reply);
    close(fd);
    assert_int_equal(count_of(buf_view(&reply), "POST /echo|abc"), 1);
    buf_free(&reply);
}

struct bad_request {
    const char *request;
    const char *status;
};

static void ambiguous_and_malformed_requests_are_refused(void **state)
{
    static const struct bad_request cases[] = {
        { "GET / HTTP/1.1\nHost: x\n\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\nA:\r\n c\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\nA: b\x01\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nA: b\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nabc", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\r\n", "400" },
        { "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "400" },
        { "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "GET /\r\n\r\n", "400" },
        { "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "400" },
        { "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "400" },
        { "GET / ICE/1.0\r\nHost: x\r\n\r\n", "400" },
        { "get / HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400" },
        { "\x16\x03\x01\x02\r\n\r\n", "400" },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf reply = BUF_INIT(REPLY_MAX);
        client_exchange(fixture, cases[i].request, &reply);
        char start[40];
        snprintf(start, sizeof(start), "HTTP/1.1 %s ", cases[i].status);
        if (!view_starts_with(buf_view(&reply), view_from_cstr(start)) || count_of(buf_view(&reply), "HTTP/1.1") != 1)
            fail_msg("case %zu: %s\n-> " VIEW_FMT, i, cases[i].request, VIEW_ARG(buf_view(&reply)));
        assert_int_equal(count_of(buf_view(&reply), "X-Refused: yes"), 1);
        buf_free(&reply);
    }
    assert_int_equal(fixture->requests, 0);
    assert_int_equal(fixture->errors, COUNT_OF(cases));
}

static void heads_beyond_the_limits_are_refused(void **state)
{
    struct buf request = BUF_INIT(REPLY_MAX), reply = BUF_INIT(REPLY_MAX);
    buf_append_cstr(&request, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 100; i++)
        buf_printf(&request, "h%d: v\r\n", i);
    buf_append_cstr(&request, "\r\n");
    buf_append_byte(&request, '\0');
    client_exchange(*state, request.ptr, &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 431 ")));

    buf_clear(&request);
    buf_clear(&reply);
    buf_append_cstr(&request, "GET / HTTP/1.1\r\nHost: x\r\nBig: ");
    for (int i = 0; i < 70000; i++)
        buf_append_byte(&request, 'v');
    buf_append(&request, "\r\n\r\n", 5);
    client_exchange(*state, request.ptr, &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 431 ")));

    buf_clear(&request);
    buf_clear(&reply);
    buf_append_cstr(&request, "GET /");
    for (int i = 0; i < 40000; i++)
        buf_append_byte(&request, 'p');
    buf_append_cstr(&request, " HTTP/1.1\r\nHost: x\r\n\r\n");
    buf_append_byte(&request, '\0');
    client_exchange(*state, request.ptr, &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 431 ")));
    buf_free(&request);
    buf_free(&reply);
}

static void a_long_presigned_target_and_99_fields_are_fine(void **state)
{
    struct buf request = BUF_INIT(REPLY_MAX), reply = BUF_INIT(REPLY_MAX);
    buf_append_cstr(&request, "GET /echo?");
    for (int i = 0; i < 20000; i++)
        buf_append_byte(&request, 'q');
    buf_append_cstr(&request, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (int i = 0; i < 97; i++)
        buf_printf(&request, "h%d: v\r\n", i);
    buf_append(&request, "\r\n", 3);
    client_exchange(*state, request.ptr, &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 200 ")));
    buf_free(&request);
    buf_free(&reply);
}

static void a_client_that_waits_for_100_gets_it_once_admitted(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    int fd = client_connect(*state);
    client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    client_expect(fd, &reply, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(count_of(buf_view(&reply), "HTTP/1.1 200"), 0);
    client_say(fd, "body");
    client_expect(fd, &reply, "PUT /echo|body");
    close(fd);
    buf_free(&reply);
}

static void a_refused_client_gets_no_100_and_the_connection_ends(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "PUT /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 400000\r\n\r\n", &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 403 ")));
    assert_int_equal(count_of(buf_view(&reply), "100 Continue"), 0);
    assert_int_equal(count_of(buf_view(&reply), "Connection: close"), 1);
    assert_true(view_ends_with(buf_view(&reply), VIEW("refused")));
    buf_free(&reply);
}

static void a_small_refused_body_keeps_the_connection(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                            "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "HTTP/1.1 403 "), 1);
    assert_int_equal(count_of(buf_view(&reply), "GET /echo|"), 1);
    buf_free(&reply);
}

static void large_refused_bodies_do_not_hide_the_answer(void **state)
{
    struct buf request = BUF_INIT(REPLY_MAX), reply = BUF_INIT(REPLY_MAX);
    buf_append_cstr(&request, "PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n");
    for (int i = 0; i < 900000; i++)
        buf_append_byte(&request, 'b');
    int fd = client_connect(*state);
    client_send(fd, buf_view(&request));
    client_read_to_end(fd, &reply);
    close(fd);
    assert_int_equal(count_of(buf_view(&reply), "HTTP/1.1 403 "), 1);
    buf_free(&request);
    buf_free(&reply);
}

static void send_body(int fd, size_t size, char *digest_hex)
{
    char *body = malloc(size);
    assert_non_null(body);
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i * 31 % 253);
    uint8_t digest[SHA256_SIZE];
    sha256(view_of(body, size), digest);
    hex_encode(digest, sizeof(digest), digest_hex);
    digest_hex[2 * SHA256_SIZE] = '\0';
    client_send(fd, view_of(body, size));
    free(body);
}

static void large_bodies_go_to_a_file_unharmed(void **state)
{
    static const size_t sizes[] = { 65537, 262144, 300000, 5000000 };
    int fd = client_connect(*state);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf reply = BUF_INIT(REPLY_MAX);
        char head[200], digest[2 * SHA256_SIZE + 1], expected[200];
        snprintf(head, sizeof(head), "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
        client_say(fd, head);
        send_body(fd, sizes[i], digest);
        snprintf(expected, sizeof(expected), "file of %zu bytes %s", sizes[i], digest);
        client_expect(fd, &reply, expected);
        buf_free(&reply);
    }
    close(fd);
}

static void bodies_beyond_the_limit_get_413(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8388609\r\n\r\n", &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 413 ")));
    buf_clear(&reply);

    int fd = client_connect(*state);
    char digest[2 * SHA256_SIZE + 1];
    client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800001\r\n");
    send_body(fd, 8u * 1024 * 1024 + 1, digest);
    client_read_to_end(fd, &reply);
    close(fd);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 413 ")));
    buf_free(&reply);
}

static void unfinished_bodies_share_one_budget(void **state)
{
    int clients[2];
    char digest[2 * SHA256_SIZE + 1];
    struct buf reply = BUF_INIT(REPLY_MAX);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {        /* together 15 of 16 MiB */
        clients[i] = client_connect(*state);
        client_say(clients[i], "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n");
        send_body(clients[i], 7900000, digest);
    }
    int fd = client_connect(*state);
    client_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n");
    send_body(fd, 4000000, digest);
    client_expect(fd, &reply, "HTTP/1.1 503 ");
    close(fd);
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close(clients[i]);
    wait_for(&((struct fixture *)*state)->aborted, 3);

    buf_clear(&reply);                                      /* and what they held is free again */
    client_exchange(*state, "PUT /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", &reply);
    assert_int_equal(count_of(buf_view(&reply), "PUT /echo|ok"), 1);
    buf_free(&reply);
}

static void head_answers_have_a_length_and_no_body(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "Content-Length: 11\r\n\r\nHTTP/1.1 200 OK"), 1);
    assert_int_equal(count_of(buf_view(&reply), "HEAD"), 0);
    buf_free(&reply);
}

static void old_clients_get_answers_without_chunks(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "GET /stream?n=3&size=4 HTTP/1.0\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "chunked"), 0);
    assert_true(view_ends_with(buf_view(&reply), VIEW("\r\n\r\nssssssssssss")));
    buf_clear(&reply);
    client_exchange(*state, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "Connection: keep-alive"), 1);
    assert_int_equal(count_of(buf_view(&reply), "GET /echo|"), 2);
    buf_free(&reply);
}

static void pieces_of_one_turn_leave_as_one_chunk(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "GET /stream?n=16&size=16 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "\r\n\r\n100\r\nssss"), 1);
    assert_true(view_ends_with(buf_view(&reply), VIEW("s\r\n0\r\n\r\n")));
    buf_free(&reply);
}

static void a_slow_reader_stops_the_writer(void **state)
{
    struct fixture *fixture = *state;
    struct buf reply = BUF_INIT(REPLY_MAX);
    int fd = client_connect(fixture);
    client_say(fd, "GET /stream?n=8000&size=4096 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    int before = fixture->writables;
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    assert_int_equal(fixture->writables, before);           /* it waits for the reader */
    client_read_to_end(fd, &reply);
    close(fd);
    size_t arrived = 0;
    for (size_t i = view_find(buf_view(&reply), VIEW("\r\n\r\n")); i < reply.len; i++)
        arrived += reply.ptr[i] == 's';
    assert_int_equal(arrived, 8000 * 4096);
    assert_true(fixture->writables > before);
    assert_true(fixture->max_queued_calls <= 64 * 1024 / 4096 + 1);
    buf_free(&reply);
}

static void a_client_that_hangs_up_ends_its_exchange(void **state)
{
    struct fixture *fixture = *state;
    int never = client_connect(fixture), stream = client_connect(fixture), upload = client_connect(fixture);
    client_say(never, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(stream, "GET /stream?n=100000&size=4096 HTTP/1.1\r\nHost: x\r\n\r\n");
    client_say(upload, "PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    wait_for(&fixture->headers, 3);
    assert_int_equal(fixture->closed, 0);
    close(never);
    close(stream);
    close(upload);
    wait_for(&fixture->aborted, 3);
}

static void an_exchange_that_is_held_outlives_its_client(void **state)
{
    struct fixture *fixture = *state;
    struct buf reply = BUF_INIT(REPLY_MAX);
    int fd = client_connect(fixture);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&fixture->requests, 1);
    close(fd);
    wait_for(&fixture->aborted, 1);                         /* at once, while the thread still works */
    client_exchange(fixture, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "GET /hold|"), 1);
    buf_free(&reply);
}

static void a_broken_stream_is_never_taken_for_whole(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "GET /abort HTTP/1.1\r\nHost: x\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "0\r\n\r\n"), 0);
    wait_for(&((struct fixture *)*state)->aborted, 1);
    buf_free(&reply);
}

static void files_are_sent_whole(void **state)
{
    static const size_t sizes[] = { 0, 1, 1000, 262144, 3000000 };
    int fd = client_connect(*state);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf reply = BUF_INIT(REPLY_MAX);
        char text[100];
        snprintf(text, sizeof(text), "GET /file?n=%zu HTTP/1.1\r\nHost: x\r\n\r\n", sizes[i]);
        client_say(fd, text);
        snprintf(text, sizeof(text), "Content-Length: %zu\r\n\r\n", sizes[i]);
        client_expect(fd, &reply, text);
        size_t body = view_find(buf_view(&reply), VIEW("\r\n\r\n")) + 4;
        client_read_bytes(fd, &reply, body + sizes[i]);
        assert_int_equal(reply.len, body + sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            if ((unsigned char)reply.ptr[body + k] != k % 251)
                fail_msg("byte %zu of %zu is wrong", k, sizes[i]);
        buf_free(&reply);
    }
    close(fd);
}

static uint64_t now_ms(void)
{
    return (uint64_t)clock_mono_us(clock_system()) / 1000;
}

static void slow_heads_and_bodies_time_out(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    };
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct buf reply = BUF_INIT(REPLY_MAX);
        uint64_t began = now_ms();
        client_exchange(*state, requests[i], &reply);
        assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 408 ")));
        assert_in_range(now_ms() - began, 250, 2500);
        buf_free(&reply);
    }
}

static void a_silent_connection_is_closed_without_a_word(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    uint64_t began = now_ms();
    client_exchange(*state, "", &reply);
    assert_int_equal(reply.len, 0);
    assert_in_range(now_ms() - began, 250, 2500);

    began = now_ms();                                       /* after an answer it may be silent for longer */
    client_exchange(*state, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "HTTP/1.1 "), 1);
    assert_in_range(now_ms() - began, 1400, 4500);
    buf_free(&reply);
}

static void a_slow_handler_is_no_reason_to_time_out(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    int fd = client_connect(*state);
    client_say(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 800000000 }, NULL);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    close(fd);
    buf_free(&reply);
}

static void stopping_lets_running_answers_end(void **state)
{
    struct fixture *fixture = *state;
    struct buf reply = BUF_INIT(REPLY_MAX), idle = BUF_INIT(REPLY_MAX);
    int silent = client_connect(fixture), fd = client_connect(fixture);
    client_say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&fixture->requests, 1);
    fixture_begin_stop(fixture, 3000);
    uint64_t began = now_ms();
    client_read_to_end(silent, &idle);
    client_read_to_end(fd, &reply);
    assert_int_equal(count_of(buf_view(&reply), "GET /later|"), 1);
    assert_int_equal(count_of(buf_view(&reply), "Connection: close"), 1);
    assert_int_equal(idle.len, 0);
    assert_true(now_ms() - began < 1000);
    close(fd);
    close(silent);
    buf_free(&reply);
    buf_free(&idle);
}

static void stopping_ends_what_outlives_the_grace_time(void **state)
{
    struct fixture *fixture = *state;
    struct buf reply = BUF_INIT(REPLY_MAX);
    int fd = client_connect(fixture);
    client_say(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&fixture->requests, 1);
    fixture_begin_stop(fixture, 50);
    client_read_to_end(fd, &reply);
    assert_int_equal(reply.len, 0);
    close(fd);
    wait_for(&fixture->aborted, 1);
    buf_free(&reply);
}

static int set_up_small(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    fixture_init(fixture);
    fixture->options.max_connections = 2;
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static void connections_beyond_the_limit_get_503(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    int first = client_connect(*state), second = client_connect(*state), third = client_connect(*state);
    client_read_to_end(third, &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 503 ")));
    buf_clear(&reply);
    close(first);
    close(third);
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    client_exchange(*state, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "GET /echo|"), 1);
    close(second);
    buf_free(&reply);
}

#define WITH_SERVER(test)           cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define WITH_IMPATIENT_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up_impatient, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_request_is_answered_with_one_date_and_a_length),
        WITH_SERVER(headers_reach_the_handler_in_order_and_lower_case),
        WITH_SERVER(pipelined_requests_are_answered_in_order),
        WITH_SERVER(a_request_may_arrive_split_at_any_byte),
        WITH_SERVER(a_request_may_arrive_byte_by_byte),
        WITH_SERVER(ambiguous_and_malformed_requests_are_refused),
        WITH_SERVER(heads_beyond_the_limits_are_refused),
        WITH_SERVER(a_long_presigned_target_and_99_fields_are_fine),
        WITH_SERVER(a_client_that_waits_for_100_gets_it_once_admitted),
        WITH_SERVER(a_refused_client_gets_no_100_and_the_connection_ends),
        WITH_SERVER(a_small_refused_body_keeps_the_connection),
        WITH_SERVER(large_refused_bodies_do_not_hide_the_answer),
        WITH_SERVER(large_bodies_go_to_a_file_unharmed),
        WITH_SERVER(bodies_beyond_the_limit_get_413),
        WITH_SERVER(unfinished_bodies_share_one_budget),
        WITH_SERVER(head_answers_have_a_length_and_no_body),
        WITH_SERVER(old_clients_get_answers_without_chunks),
        WITH_SERVER(pieces_of_one_turn_leave_as_one_chunk),
        WITH_SERVER(a_slow_reader_stops_the_writer),
        WITH_SERVER(a_client_that_hangs_up_ends_its_exchange),
        WITH_SERVER(an_exchange_that_is_held_outlives_its_client),
        WITH_SERVER(a_broken_stream_is_never_taken_for_whole),
        WITH_SERVER(files_are_sent_whole),
        WITH_IMPATIENT_SERVER(slow_heads_and_bodies_time_out),
        WITH_IMPATIENT_SERVER(a_silent_connection_is_closed_without_a_word),
        WITH_IMPATIENT_SERVER(a_slow_handler_is_no_reason_to_time_out),
        WITH_SERVER(stopping_lets_running_answers_end),
        WITH_SERVER(stopping_ends_what_outlives_the_grace_time),
        cmocka_unit_test_setup_teardown(connections_beyond_the_limit_get_503, set_up_small, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
