/* craton-worker as a process: how it starts, ends, takes bad input, shares the cores and locks itself in. */
#include "unit.h"
#include "worker_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD "{\"path\":\"" TEST_TEXT_MODEL "\",\"threads\":1,\"context\":512,\"sequences\":2}"

static struct client client;

static void start(void)
{
    assert_true(client_start(&client, TEST_WORKER));
}

static void load(void)
{
    start();
    assert_true(client_load(&client, LOAD, 1));
}

static struct model_request raw_request(int64_t max_tokens)
{
    struct model_request request = client_generate(NULL, 0, max_tokens);
    request.generate.has_raw_prompt = true;
    request.generate.raw_prompt = VIEW("day world time day world time day world time day world time");
    return request;
}

/* Whether the worker ends by itself within ten seconds, and then how. */
static int exit_status(void)
{
    for (int i = 0; i < 1000 && client_pump(&client, 10); i++) {
    }
    return client_stop(&client);
}

static void worker_ends_cleanly_when_its_socket_ends(void **state)
{
    (void)state;
    load();
    struct model_request request = raw_request(400);
    client_call(&client, 1, &request);
    assert_true(client_pump(&client, 5000));
    assert_int_equal(client_stop(&client), 0);
}

static void worker_ends_after_shutdown(void **state)
{
    (void)state;
    load();
    client_send(&client, WIRE_SHUTDOWN, 0, VIEW(""));
    assert_int_equal(exit_status(), 0);
}

static void model_that_cannot_be_loaded_is_reported_by_name(void **state)
{
    (void)state;
    static const char *const loads[] = {
        "{\"path\":\"/nowhere/model.gguf\"}",
        "{\"path\":\"/proc/version\"}",
        "{\"path\":\"" TEST_TEXT_MODEL "\",\"threads\":-1}",
        "{\"path\":\"" TEST_TEXT_MODEL "\",\"embedding\":true}",
        "{\"path\":",
        "[]",
    };
    for (size_t i = 0; i < COUNT_OF(loads); i++) {
        start();
        assert_false(client_load(&client, loads[i], 1));
        assert_true(client.error[0] != '\0');
        assert_int_equal(exit_status(), 1);
    }
}

static void send_bytes(struct view bytes)
{
    assert_int_equal(send(client.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void malformed_frames_end_the_worker_cleanly(void **state)
{
    (void)state;
    static const struct view bad[] = {
        VIEW_INIT("\xff\xff\xff\xff\5\0\0\0\1\0\0\0"),      /* longer than allowed */
        VIEW_INIT("\0\0\0\0\0\0\0\0\0\0\0\0"),              /* no type */
        VIEW_INIT("\0\0\0\0\x7f\0\0\0\0\0\0\0"),            /* unknown type */
        VIEW_INIT("\0\0\0\0\5\1\0\0\1\0\0\0"),              /* padding is not zero */
        VIEW_INIT("\0\0\0\0\5\0\0\0\0\0\0\0"),              /* a call on the worker's own stream */
        VIEW_INIT("\0\0\0\0\6\0\0\0\1\0\0\0"),              /* a frame that only workers send */
        VIEW_INIT("\3\0\0\0\x9\0\0\0\1\0\0\0abc"),          /* CREDIT of three bytes */
        VIEW_INIT("\0\0\0\0\xc\0\0\0\0\0\0\0"),             /* GRANT of none */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        load();
        send_bytes(bad[i]);
        int status = exit_status();
        if (status != 0 && status != 1)
            print_error("case %zu: %d\n", i, status);
        assert_in_range(status, 0, 1);
    }
}

static void stream_that_is_used_twice_breaks_the_protocol(void **state)
{
    (void)state;
    load();
    struct model_request request = raw_request(400);
    client_call(&client, 1, &request);
    client_call(&client, 1, &request);
    assert_int_equal(exit_status(), 1);
}

static void each_step_is_asked_for_while_there_is_no_standing_grant(void **state)
{
    (void)state;
    start();
    client.grants_by_step = true;
    assert_true(client_load(&client, LOAD, 1));
    struct model_request request = raw_request(10);
    client_call(&client, 1, &request);
    assert_true(client_wait(&client, 1, 1, 60000));
    assert_int_equal(client.calls[1].end.status, ENGINE_OK);
    assert_in_range(client.wants, 10, 13);
    assert_true(client_pump(&client, 200));
    assert_int_equal(client.dones, client.wants);
    assert_int_equal(client_stop(&client), 0);
}

static void worker_computes_nothing_without_a_grant(void **state)
{
    (void)state;
    start();
    client.grants_by_step = true;
    assert_true(client_load(&client, LOAD, 1));
    client_send_u32(&client, WIRE_GRANT, 0, 1 | WIRE_GRANT_STANDING);
    client_send(&client, WIRE_REVOKE, 0, VIEW(""));
    assert_true(client_pump(&client, 2000));
    assert_int_equal(client.dones, 1);                      /* of the REVOKE */
    assert_int_equal(client_stop(&client), 0);
}

static void calls_beyond_the_queue_are_turned_away(void **state)
{
    (void)state;
    start();
    assert_true(client_load(&client, "{\"path\":\"" TEST_TEXT_MODEL "\",\"threads\":1,\"context\":512,\"sequences\":2,"
                                     "\"max_queue\":1}", 1));
    struct model_request request = raw_request(300);
    for (uint32_t stream = 1; stream <= 4; stream++)
        client_call(&client, stream, &request);
    assert_true(client_wait(&client, 4, 4, 60000));
    assert_int_equal(client.calls[4].end.status, ENGINE_OVERLOADED);
    assert_int_equal(client_stop(&client), 0);
}

/* ---- the sandbox, seen from outside ---- */

static bool status_line(const char *name, char *value, size_t size)
{
    char path[64], line[256];
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)client.pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            snprintf(value, size, "%s", line + strlen(name));
            found = true;
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static void loaded_worker_has_a_filter_and_no_way_to_new_privileges(void **state)
{
    (void)state;
    char value[256];
    load();
    assert_true(status_line("NoNewPrivs:", value, sizeof(value)));
    assert_int_equal(atoi(value), 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(status_line("Seccomp:", value, sizeof(value)));
    assert_int_equal(atoi(value), 2);
#endif
    assert_int_equal(client_stop(&client), 0);
}

static void worker_inherits_no_descriptors(void **state)
{
    (void)state;
    int leaked = open("/dev/null", O_RDONLY);               /* not close-on-exec */
    int high = fcntl(leaked, F_DUPFD, 100);
    char path[64];
    assert_true(leaked >= 0 && high >= 100);
    start();
    assert_true(client_pump(&client, 10000));               /* HELLO: it has begun */
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)client.pid, high);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(errno, ENOENT);
    close(leaked);
    close(high);
    assert_int_equal(client_stop(&client), 1);              /* it was never told to load */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_ends_cleanly_when_its_socket_ends),
        cmocka_unit_test(worker_ends_after_shutdown),
        cmocka_unit_test(model_that_cannot_be_loaded_is_reported_by_name),
        cmocka_unit_test(malformed_frames_end_the_worker_cleanly),
        cmocka_unit_test(stream_that_is_used_twice_breaks_the_protocol),
        cmocka_unit_test(each_step_is_asked_for_while_there_is_no_standing_grant),
        cmocka_unit_test(worker_computes_nothing_without_a_grant),
        cmocka_unit_test(calls_beyond_the_queue_are_turned_away),
        cmocka_unit_test(loaded_worker_has_a_filter_and_no_way_to_new_privileges),
        cmocka_unit_test(worker_inherits_no_descriptors),
    };
    signal(SIGPIPE, SIG_IGN);
    if (access(TEST_TEXT_MODEL, R_OK) != 0) {
        print_message("the default text model is not in the cache: run make setup\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
