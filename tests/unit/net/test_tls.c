/* TLS on the server's port: both protocols by ALPN, versions, certificates, and clients that never finish a handshake. */
#include "http_fixture.h"
#include "net/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MAX (64u * 1024 * 1024)

static int set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    assert_non_null(fixture);
    fixture_init(fixture);
    fixture->options.tls_self_signed = true;
    fixture->options.header_timeout_ms = 500;
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

struct secure_client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static bool secure_connect(struct secure_client *client, const struct fixture *fixture, struct view alpn, int max_version)
{
    client->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(client->ctx);
    if (max_version != 0) {
        SSL_CTX_set_max_proto_version(client->ctx, max_version);
        SSL_CTX_set_security_level(client->ctx, 0);
    }
    if (alpn.len > 0)
        SSL_CTX_set_alpn_protos(client->ctx, (const unsigned char *)alpn.ptr, (unsigned)alpn.len);
    client->ssl = SSL_new(client->ctx);
    client->fd = client_connect(fixture);
    SSL_set_fd(client->ssl, client->fd);
    return SSL_connect(client->ssl) == 1;
}

static void secure_close(struct secure_client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    close(client->fd);
}

static void secure_read_to_end(struct secure_client *client, struct buf *reply)
{
    char bytes[16384];
    for (int n; (n = SSL_read(client->ssl, bytes, sizeof(bytes))) > 0;)
        buf_append(reply, bytes, (size_t)n);
}

static struct view agreed(const struct secure_client *client)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(client->ssl, &name, &len);
    return view_of(name, len);
}

static void http1_runs_over_tls_with_and_without_alpn(void **state)
{
    static const struct view offers[] = { VIEW_INIT(""), VIEW_INIT("\x08http/1.1") };
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        struct secure_client client;
        struct buf reply = BUF_INIT(REPLY_MAX);
        assert_true(secure_connect(&client, *state, offers[i], 0));
        assert_view_is(agreed(&client), i == 0 ? "" : "http/1.1");
        const char request[] = "GET /stream?n=1000&size=4096 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_int_equal(SSL_write(client.ssl, request, sizeof(request) - 1), sizeof(request) - 1);
        secure_read_to_end(&client, &reply);
        assert_true(view_starts_with(buf_view(&reply), VIEW("HTTP/1.1 200 OK\r\n")));
        assert_true(reply.len > 1000 * 4096);
        assert_true(view_ends_with(buf_view(&reply), VIEW("0\r\n\r\n")));
        assert_true((SSL_get_shutdown(client.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);   /* a proper end, not a cut */
        buf_free(&reply);
        secure_close(&client);
    }
}

static void http2_is_preferred_and_answers_with_its_settings(void **state)
{
    struct secure_client client;
    unsigned char frame[9];
    assert_true(secure_connect(&client, *state, VIEW("\x08http/1.1\x02h2"), 0));
    assert_view_is(agreed(&client), "h2");
    SSL_write(client.ssl, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    assert_int_equal(SSL_read(client.ssl, frame, sizeof(frame)), sizeof(frame));
    assert_int_equal(frame[3], 4);
    secure_close(&client);
}

static void unknown_protocols_are_refused(void **state)
{
    struct secure_client client;
    assert_false(secure_connect(&client, *state, VIEW("\x05spdy/"), 0) && agreed(&client).len > 0);
    secure_close(&client);
}

static void old_tls_versions_are_refused(void **state)
{
    struct secure_client client;
    assert_false(secure_connect(&client, *state, VIEW(""), TLS1_1_VERSION));
    secure_close(&client);
    assert_true(secure_connect(&client, *state, VIEW(""), TLS1_2_VERSION));
    secure_close(&client);
}

static void the_self_signed_certificate_is_valid_for_this_machine(void **state)
{
    struct secure_client client;
    assert_true(secure_connect(&client, *state, VIEW(""), 0));
    X509 *certificate = SSL_get1_peer_certificate(client.ssl);
    assert_non_null(certificate);
    assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
    assert_int_not_equal(X509_check_host(certificate, "example.com", 0, 0, NULL), 1);
    X509_free(certificate);
    secure_close(&client);
}

static void a_handshake_that_never_ends_times_out(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "", &reply);
    assert_int_equal(reply.len, 0);
    buf_free(&reply);
}

static void clear_text_on_the_secure_port_is_refused(void **state)
{
    struct buf reply = BUF_INIT(REPLY_MAX);
    client_exchange(*state, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", &reply);
    assert_int_equal(count_of(buf_view(&reply), "HTTP/1.1"), 0);
    assert_int_equal(((struct fixture *)*state)->requests, 0);
    buf_free(&reply);
}

static void an_impatient_client_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    struct secure_client client;
    assert_true(secure_connect(&client, fixture, VIEW(""), 0));
    const char request[] = "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
    SSL_write(client.ssl, request, sizeof(request) - 1);
    wait_for(&fixture->requests, 1);
    secure_close(&client);
    wait_for(&fixture->aborted, 1);
}

static void certificate_files_that_cannot_be_used_are_explained(void **state)
{
    char error[300] = "";
    (void)state;
    assert_null(tls_context_create("/nonexistent.pem", "/nonexistent.key", error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent.pem"));
    assert_null(tls_context_create("/dev/null", NULL, error, sizeof(error)));
    assert_non_null(strstr(error, "/dev/null"));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(http1_runs_over_tls_with_and_without_alpn),
        WITH_SERVER(http2_is_preferred_and_answers_with_its_settings),
        WITH_SERVER(unknown_protocols_are_refused),
        WITH_SERVER(old_tls_versions_are_refused),
        WITH_SERVER(the_self_signed_certificate_is_valid_for_this_machine),
        WITH_SERVER(a_handshake_that_never_ends_times_out),
        WITH_SERVER(clear_text_on_the_secure_port_is_refused),
        WITH_SERVER(an_impatient_client_leaves_nothing_behind),
        cmocka_unit_test(certificate_files_that_cannot_be_used_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
