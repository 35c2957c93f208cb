/* HTTP/2 with prior knowledge over real sockets, driven by nghttp2's client side. */
#include "http_fixture.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 300
#define REPLY_MAX   (64u * 1024 * 1024)

struct client_stream {
    int status;
    bool informed;                                          /* had an interim answer */
    struct buf body;
    struct buf headers;                                     /* "name=value\n" */
    bool closed;
    uint32_t error;
    struct view upload;
    size_t uploaded;
    bool upload_stuck;                                      /* never says that its body has ended */
};

struct client {
    int fd;
    nghttp2_session *ng;
    struct client_stream streams[2 * STREAMS_MAX];          /* by id */
    unsigned closed;
    bool goaway, ended;
    uint32_t goaway_error;
    bool lazy;                                              /* does not give windows back */
};

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *user)
{
    struct client *client = user;
    struct client_stream *stream = &client->streams[frame->hd.stream_id];
    (void)ng;
    (void)flags;
    if (view_is(view_of(name, name_len), ":status"))
        stream->status = atoi((const char *)value);
    stream->informed = stream->informed || stream->status == 100;
    buf_printf(&stream->headers, "%.*s=%.*s\n", (int)name_len, (const char *)name, (int)value_len, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct client *client = user;
    (void)flags;
    buf_append(&client->streams[id].body, data, len);
    if (!client->lazy)
        nghttp2_session_consume(ng, id, len);
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error, void *user)
{
    struct client *client = user;
    (void)ng;
    client->streams[id].closed = true;
    client->streams[id].error = error;
    client->closed++;
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct client *client = user;
    (void)ng;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->goaway = true;
        client->goaway_error = frame->goaway.error_code;
    }
    return 0;
}

static ssize_t read_upload(nghttp2_session *ng, int32_t id, uint8_t *place, size_t size, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
    struct client_stream *stream = source->ptr;
    (void)ng;
    (void)id;
    (void)user;
    struct view rest = view_first(view_from(stream->upload, stream->uploaded), size);
    if (rest.len > 0)
        memcpy(place, rest.ptr, rest.len);
    stream->uploaded += rest.len;
    if (stream->uploaded == stream->upload.len) {
        if (stream->upload_stuck)
            return rest.len > 0 ? (ssize_t)rest.len : NGHTTP2_ERR_DEFERRED;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)rest.len;
}

static void client_open(struct client *client, const struct fixture *fixture)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    memset(client, 0, sizeof(*client));
    for (size_t i = 0; i < COUNT_OF(client->streams); i++) {
        buf_init(&client->streams[i].body, REPLY_MAX);
        buf_init(&client->streams[i].headers, REPLY_MAX);
    }
    client->fd = client_connect(fixture);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    assert_int_equal(nghttp2_session_client_new2(&client->ng, callbacks, client, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->ng, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void client_close(struct client *client)
{
    for (size_t i = 0; i < COUNT_OF(client->streams); i++) {
        buf_free(&client->streams[i].body);
        buf_free(&client->streams[i].headers);
    }
    nghttp2_session_del(client->ng);
    close(client->fd);
}

static void client_flush(struct client *client)
{
    const uint8_t *bytes;
    ssize_t len;
    while ((len = nghttp2_session_mem_send(client->ng, &bytes)) > 0)
        client_send(client->fd, view_of(bytes, (size_t)len));
}

/* Sends what waits and takes what comes within timeout_ms. False when nothing came. */
static bool client_step(struct client *client, int timeout_ms)
{
    char bytes[65536];
    client_flush(client);
    struct pollfd poller = { .fd = client->fd, .events = POLLIN };
    if (client->ended || poll(&poller, 1, timeout_ms) != 1)
        return false;
    ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);
    client->ended = n <= 0;
    if (n > 0)
        nghttp2_session_mem_recv(client->ng, (const uint8_t *)bytes, (size_t)n);
    return n > 0;
}

static void client_run(struct client *client, unsigned closed)
{
    while (client->closed < closed)
        if (!client_step(client, 5000))
            fail_msg("only %u of %u streams have ended", client->closed, closed);
    client_flush(client);
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static struct client_stream *client_ask(struct client *client, const char *method, const char *path, struct view upload,
                                        const char *extra_name, const char *extra_value)
{
    nghttp2_nv fields[] = { pair(":method", method), pair(":scheme", "http"), pair(":authority", "craton:4747"),
                            pair(":path", path), pair(extra_name != NULL ? extra_name : "x-none", extra_value != NULL ? extra_value : "") };
    int32_t id = nghttp2_session_get_next_stream_id(client->ng);
    struct client_stream *stream = &client->streams[id];
    stream->upload = upload;
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = read_upload };
    assert_int_equal(nghttp2_submit_request(client->ng, NULL, fields, COUNT_OF(fields), upload.ptr != NULL ? &provider : NULL, NULL),
                     id);
    return stream;
}

static struct client_stream *client_get(struct client *client, const char *path)
{
    return client_ask(client, "GET", path, (struct view){ NULL, 0 }, NULL, NULL);
}

static struct client *the_client;

static int set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    fixture_init(fixture);
    fixture->options.body_limit = 8u * 1024 * 1024;
    fixture->options.body_memory = 64 * 1024;
    fixture->options.high_water = 64 * 1024;
    fixture->options.body_timeout_ms = 300;
    fixture->options.idle_timeout_ms = 800;
    fixture->options.max_streams = 100;
    fixture_start(fixture);
    the_client = malloc(sizeof(*the_client));
    assert_non_null(the_client);
    client_open(the_client, fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    client_close(the_client);
    free(the_client);
    fixture_stop(*state);
    free(*state);
    return 0;
}

static void a_request_is_answered_with_date_and_length(void **state)
{
    struct client_stream *stream = client_ask(the_client, "POST", "/echo?a", VIEW("body"), NULL, NULL);
    (void)state;
    client_run(the_client, 1);
    assert_int_equal(stream->status, 200);
    assert_view_is(buf_view(&stream->body), "POST /echo?a|body");
    assert_int_equal(count_of(buf_view(&stream->headers), "\ndate="), 1);
    assert_int_equal(count_of(buf_view(&stream->headers), "\ncontent-length=17\n"), 1);
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
}

static void the_authority_is_known_and_pseudo_fields_are_not_headers(void **state)
{
    struct client_stream *stream = client_ask(the_client, "GET", "/headers?x", (struct view){ NULL, 0 }, "x-mine", "1");
    (void)state;
    client_run(the_client, 1);
    assert_view_is(buf_view(&stream->body), ":authority=craton:4747\n:path=/headers\n:query=x\nx-mine=1\n");
}

static void many_streams_run_at_once(void **state)
{
    (void)state;
    struct client_stream *streams[90];
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        streams[i] = client_get(the_client, i % 3 == 0 ? "/later" : i % 3 == 1 ? "/stream?n=30&size=1000" : "/echo");
    client_run(the_client, COUNT_OF(streams));
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        assert_int_equal(streams[i]->status, 200);
        assert_int_equal(streams[i]->body.len, i % 3 == 0 ? 11 : i % 3 == 1 ? 30000 : 10);
    }
}

static void large_bodies_arrive_whole_in_both_directions(void **state)
{
    size_t size = 3000000;
    char *upload = malloc(size);
    assert_non_null(upload);
    memset(upload, 'u', size);
    struct client_stream *up = client_ask(the_client, "PUT", "/echo", view_of(upload, size), NULL, NULL);
    struct client_stream *down = client_get(the_client, "/file?n=3000000");
    (void)state;
    client_run(the_client, 2);
    assert_int_equal(count_of(buf_view(&up->body), "file of 3000000 bytes "), 1);
    assert_int_equal(down->body.len, size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)down->body.ptr[i] != i % 251)
            fail_msg("byte %zu is wrong", i);
    free(upload);
}

static void a_client_without_window_stops_the_writer(void **state)
{
    struct fixture *fixture = *state;
    the_client->lazy = true;
    struct client_stream *stream = client_get(the_client, "/stream?n=1000&size=4096");
    while (client_step(the_client, 100))
        ;
    assert_int_equal(stream->body.len, 65535);              /* the initial window */
    assert_true(fixture->max_queued_calls <= 64 * 1024 / 4096 + 1);
    the_client->lazy = false;
    nghttp2_session_consume(the_client->ng, 1, 65535);
    client_run(the_client, 1);
    assert_int_equal(stream->body.len, 1000 * 4096);
    assert_true(fixture->writables > 0);
}

static void offer_window(struct client *client, uint32_t window)
{
    const nghttp2_settings_entry setting = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window };
    assert_int_equal(nghttp2_submit_settings(client->ng, NGHTTP2_FLAG_NONE, &setting, 1), 0);
}

static void answers_that_never_get_a_window_are_reset(void **state)
{
    struct fixture *fixture = *state;
    offer_window(the_client, 0);
    const char *const paths[] = { "/echo", "/stream?n=1000&size=4096", "/file?n=300000" };
    struct client_stream *streams[COUNT_OF(paths)];
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        streams[i] = client_get(the_client, paths[i]);
    client_run(the_client, COUNT_OF(paths));
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(streams[i]->status, 200);
        assert_int_equal(streams[i]->body.len, 0);
        assert_int_equal(streams[i]->error, NGHTTP2_INTERNAL_ERROR);
    }
    wait_for(&fixture->aborted, COUNT_OF(paths));
    while (client_step(the_client, 3000))
        ;
    assert_true(the_client->goaway && the_client->ended);   /* idle from then on */
}

static void an_answer_that_is_taken_slowly_is_not_reset(void **state)
{
    (void)state;
    offer_window(the_client, 10000);
    the_client->lazy = true;
    struct client_stream *stream = client_get(the_client, "/stream?n=20&size=2500");
    for (size_t taken = 10000; taken <= 50000; taken += 10000) {    /* longer than idle_timeout_ms in all, but never at a stretch */
        while (client_step(the_client, 300))
            ;
        assert_int_equal(stream->body.len, taken);
        nghttp2_session_consume(the_client->ng, 1, 10000);
    }
    client_run(the_client, 1);
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
}

static void an_answer_that_is_taken_byte_by_byte_is_reset(void **state)
{
    (void)state;
    offer_window(the_client, 100);
    the_client->lazy = true;
    struct client_stream *stream = client_get(the_client, "/stream?n=20&size=2500");
    for (int i = 0; i < 100 && !stream->closed; i++) {
        while (client_step(the_client, 100))
            ;
        if (!stream->closed)
            assert_int_equal(nghttp2_submit_window_update(the_client->ng, NGHTTP2_FLAG_NONE, 1, 1), 0);
        client_flush(the_client);
    }
    assert_true(stream->closed && stream->body.len > 100 && stream->body.len < 200);
    assert_int_equal(stream->error, NGHTTP2_INTERNAL_ERROR);
}

static void a_reset_stream_ends_its_exchange_alone(void **state)
{
    struct fixture *fixture = *state;
    client_get(the_client, "/never");
    while (fixture->requests < 1)
        client_step(the_client, 10);
    nghttp2_submit_rst_stream(the_client->ng, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL);
    client_flush(the_client);
    wait_for(&fixture->aborted, 1);
    struct client_stream *next = client_get(the_client, "/echo");
    client_run(the_client, 2);
    assert_view_is(buf_view(&next->body), "GET /echo|");
}

static void a_client_that_hangs_up_ends_all_its_exchanges(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++)
        client_get(the_client, "/never");
    while (fixture->requests < 5)
        client_step(the_client, 10);
    shutdown(the_client->fd, SHUT_RDWR);
    wait_for(&fixture->aborted, 5);
}

static void a_broken_stream_is_reset(void **state)
{
    struct client_stream *stream = client_get(the_client, "/abort");
    client_run(the_client, 1);
    assert_int_equal(stream->error, NGHTTP2_INTERNAL_ERROR);
    wait_for(&((struct fixture *)*state)->aborted, 1);
}

static void a_refused_body_is_answered_and_cut_off(void **state)
{
    static char upload[600000];
    struct client_stream *stream = client_ask(the_client, "PUT", "/refuse", view_of(upload, sizeof(upload)), NULL, NULL);
    (void)state;
    stream->upload_stuck = true;
    client_run(the_client, 1);
    assert_int_equal(stream->status, 403);
    assert_view_is(buf_view(&stream->body), "refused");
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
}

static void a_refused_body_that_ends_soon_is_read_to_its_end(void **state)
{
    static char upload[600000];
    struct client_stream *stream = client_ask(the_client, "PUT", "/refuse", view_of(upload, sizeof(upload)), NULL, NULL);
    (void)state;
    client_run(the_client, 1);
    assert_int_equal(stream->status, 403);
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
    assert_int_equal(stream->uploaded, sizeof(upload));
}

static void a_body_beyond_all_measure_is_cut_off_at_once(void **state)
{
    static char upload[600000];
    struct client_stream *stream =
        client_ask(the_client, "PUT", "/refuse", view_of(upload, sizeof(upload)), "content-length", "1000000000");
    (void)state;
    stream->upload_stuck = true;
    client_run(the_client, 1);
    assert_int_equal(stream->status, 403);
    assert_int_equal(stream->error, NGHTTP2_NO_ERROR);
    assert_true(stream->uploaded < sizeof(upload));
}

static void a_body_beyond_the_limit_gets_413(void **state)
{
    struct client_stream *stream = client_ask(the_client, "PUT", "/echo", VIEW("x"), "content-length", "8388609");
    (void)state;
    stream->upload_stuck = true;
    client_run(the_client, 1);
    assert_int_equal(stream->status, 413);
}

static void a_stuck_body_gets_408(void **state)
{
    struct client_stream *stream = client_ask(the_client, "PUT", "/echo", VIEW("half"), NULL, NULL);
    (void)state;
    stream->upload_stuck = true;
    client_run(the_client, 1);
    assert_int_equal(stream->status, 408);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
    struct client_stream *stream = client_ask(the_client, "PUT", "/echo", VIEW("body"), "expect", "100-continue");
    (void)state;
    stream->upload_stuck = true;
    while (!stream->informed)
        assert_true(client_step(the_client, 5000));
    stream->upload_stuck = false;
    nghttp2_session_resume_data(the_client->ng, 1);
    client_run(the_client, 1);
    assert_int_equal(stream->status, 200);
}

static void too_many_or_too_large_fields_get_431(void **state)
{
    static char large[30000];
    (void)state;
    memset(large, 'v', sizeof(large) - 1);
    nghttp2_nv fields[110] = { pair(":method", "GET"), pair(":scheme", "http"), pair(":authority", "x"), pair(":path", "/echo") };
    for (size_t i = 4; i < COUNT_OF(fields); i++)
        fields[i] = pair("x-many", "1");
    nghttp2_submit_request(the_client->ng, NULL, fields, COUNT_OF(fields), NULL, NULL);
    for (size_t i = 4; i < 8; i++)
        fields[i] = pair("x-large", large);
    nghttp2_submit_request(the_client->ng, NULL, fields, 8, NULL, NULL);
    client_run(the_client, 2);
    assert_int_equal(the_client->streams[1].status, 431);
    /* nghttp2 itself stops a head beyond 64 KiB. */
    assert_true(the_client->streams[3].status == 431 || the_client->streams[3].error != NGHTTP2_NO_ERROR || the_client->ended);
}

static void head_and_file_answers_have_the_length_alone(void **state)
{
    struct client_stream *stream = client_ask(the_client, "HEAD", "/file?n=5000", (struct view){ NULL, 0 }, NULL, NULL);
    (void)state;
    client_run(the_client, 1);
    assert_int_equal(stream->body.len, 0);
    assert_int_equal(count_of(buf_view(&stream->headers), "content-length=5000\n"), 1);
}

static void a_reset_flood_gets_goaway(void **state)
{
    struct fixture *fixture = *state;
    struct buf flood = BUF_INIT(1024 * 1024), reply = BUF_INIT(1024 * 1024);
    buf_append(&flood, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    buf_append(&flood, "\0\0\0\4\0\0\0\0\0", 9);
    for (uint32_t id = 1; id < 6000; id += 2) {             /* HEADERS with GET / http, then RST_STREAM(CANCEL) */
        const unsigned char frames[] = { 0, 0, 3, 1, 5, 0, 0, (unsigned char)(id >> 8), (unsigned char)id, 0x82, 0x84, 0x86,
                                         0, 0, 4, 3, 0, 0, 0, (unsigned char)(id >> 8), (unsigned char)id, 0, 0, 0, 8 };
        buf_append(&flood, frames, sizeof(frames));
    }
    int fd = client_connect(fixture);
    client_send(fd, buf_view(&flood));
    client_read_to_end(fd, &reply);
    close(fd);
    assert_in_range(count_of(view_of(reply.ptr, reply.len), "\x7"), 1, reply.len);
    assert_true(fixture->headers < 1200);                   /* far fewer than were opened */
    buf_free(&flood);
    buf_free(&reply);
}

static void a_ping_flood_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;
    struct buf flood = BUF_INIT(64u * 1024 * 1024);
    buf_append(&flood, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    buf_append(&flood, "\0\0\0\4\0\0\0\0\0", 9);
    for (int i = 0; i < 20000; i++)
        buf_append(&flood, "\0\0\10\6\0\0\0\0\0" "12345678", 17);
    int fd = client_connect(fixture);
    client_send(fd, buf_view(&flood));
    struct buf reply = BUF_INIT(64u * 1024 * 1024);
    client_read_to_end(fd, &reply);
    close(fd);
    assert_true(reply.len < 5000 * 17);                     /* most were never answered */
    buf_free(&reply);
    buf_free(&flood);
}

static void an_idle_connection_ends_with_goaway(void **state)
{
    (void)state;
    client_get(the_client, "/echo");
    client_run(the_client, 1);
    while (client_step(the_client, 3000))
        ;
    assert_true(the_client->ended);
    assert_true(the_client->goaway);
    assert_int_equal(the_client->goaway_error, NGHTTP2_NO_ERROR);
}

static void stopping_says_goaway_and_lets_answers_end(void **state)
{
    struct fixture *fixture = *state;
    struct client_stream *stream = client_get(the_client, "/later");
    while (fixture->requests < 1)
        client_step(the_client, 10);
    fixture_begin_stop(fixture, 3000);
    client_run(the_client, 1);
    assert_view_is(buf_view(&stream->body), "GET /later|");
    while (client_step(the_client, 3000))
        ;
    assert_true(the_client->goaway && the_client->ended);
}

static void a_wrong_preface_is_an_http1_error(void **state)
{
    struct buf reply = BUF_INIT(1024 * 1024);
    client_exchange(*state, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &reply);
    assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 400 ")));
    buf_free(&reply);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_request_is_answered_with_date_and_length),
        WITH_SERVER(the_authority_is_known_and_pseudo_fields_are_not_headers),
        WITH_SERVER(many_streams_run_at_once),
        WITH_SERVER(large_bodies_arrive_whole_in_both_directions),
        WITH_SERVER(a_client_without_window_stops_the_writer),
        WITH_SERVER(answers_that_never_get_a_window_are_reset),
        WITH_SERVER(an_answer_that_is_taken_slowly_is_not_reset),
        WITH_SERVER(an_answer_that_is_taken_byte_by_byte_is_reset),
        WITH_SERVER(a_reset_stream_ends_its_exchange_alone),
        WITH_SERVER(a_client_that_hangs_up_ends_all_its_exchanges),
        WITH_SERVER(a_broken_stream_is_reset),
        WITH_SERVER(a_refused_body_is_answered_and_cut_off),
        WITH_SERVER(a_refused_body_that_ends_soon_is_read_to_its_end),
        WITH_SERVER(a_body_beyond_all_measure_is_cut_off_at_once),
        WITH_SERVER(a_body_beyond_the_limit_gets_413),
        WITH_SERVER(a_stuck_body_gets_408),
        WITH_SERVER(a_client_that_waits_for_100_gets_it),
        WITH_SERVER(too_many_or_too_large_fields_get_431),
        WITH_SERVER(head_and_file_answers_have_the_length_alone),
        WITH_SERVER(a_reset_flood_gets_goaway),
        WITH_SERVER(a_ping_flood_ends_the_connection),
        WITH_SERVER(an_idle_connection_ends_with_goaway),
        WITH_SERVER(stopping_says_goaway_and_lets_answers_end),
        WITH_SERVER(a_wrong_preface_is_an_http1_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
