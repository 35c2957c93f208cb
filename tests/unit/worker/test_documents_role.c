/* craton-worker --role=documents as a process, over its socket. */
#include "unit.h"
#include "worker_client.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static struct client client;

/* The next frame; WIRE_BROKEN when the worker is gone or silent. */
static enum wire_result receive(struct wire_frame *frame)
{
    enum wire_result result;
    while ((result = wire_next(&client.in, &client.taken, frame)) == WIRE_MORE) {
        struct pollfd ready = { .fd = client.fd, .events = POLLIN };
        char *room = buf_reserve(&client.in, 65536);
        if (room == NULL || poll(&ready, 1, PATIENCE_MS) != 1)
            return WIRE_BROKEN;
        ssize_t got = recv(client.fd, room, 65536, 0);
        if (got <= 0)
            return WIRE_BROKEN;
        buf_commit(&client.in, (size_t)got);
    }
    return result;
}

static void start(void)
{
    struct wire_frame frame;
    assert_true(client_start_as(&client, TEST_WORKER, "--role=documents"));
    assert_int_equal(receive(&frame), WIRE_FRAME);
    assert_int_equal(frame.type, WIRE_HELLO);
}

static void ask(struct view text, struct text_segments *segments)
{
    struct wire_frame frame;
    client_send(&client, WIRE_TEXT, 7, text);
    assert_int_equal(receive(&frame), WIRE_FRAME);
    assert_int_equal(frame.type, WIRE_SEGMENTS);
    assert_int_equal(frame.stream, 7);
    assert_true(wire_read_segments(client.arena, frame.payload, text, segments));
}

static void text_comes_back_as_words_and_sentences(void **state)
{
    (void)state;
    struct text_segments segments;
    start();
    ask(VIEW("Hi you. 今天天气"), &segments);
    assert_int_equal(segments.count, 7);
    assert_int_equal(segments.ends[5].at, 14);
    assert_true(segments.ends[5].word);
    assert_false(segments.ends[3].word);
    assert_int_equal(segments.sentence_count, 2);
    assert_int_equal(segments.sentences[0], 8);
    assert_int_equal(client_stop(&client), 0);
}

static void the_largest_text_is_answered(void **state)
{
    (void)state;
    struct text_segments segments;
    char *text = malloc(SEGMENTS_TEXT_MAX);
    assert_non_null(text);
    memset(text, '.', SEGMENTS_TEXT_MAX);
    start();
    arena_destroy(client.arena);
    client.arena = arena_create(256u << 20);
    ask(view_of(text, SEGMENTS_TEXT_MAX), &segments);
    assert_int_equal(segments.count, SEGMENTS_TEXT_MAX);
    ask(VIEW("still there"), &segments);
    assert_int_equal(segments.count, 3);
    free(text);
    assert_int_equal(client_stop(&client), 0);
}

static void what_breaks_the_protocol_ends_the_worker_cleanly(void **state)
{
    (void)state;
    char *large = calloc(1, SEGMENTS_TEXT_MAX + 1);
    assert_non_null(large);
    const struct {
        enum wire_type type;
        struct view payload;
    } wrong[] = {
        { WIRE_TEXT, VIEW("") },
        { WIRE_TEXT, VIEW("\xC3(") },
        { WIRE_TEXT, view_of(large, SEGMENTS_TEXT_MAX + 1) },
        { WIRE_CALL, VIEW("{}") },
        { WIRE_SEGMENTS, VIEW("") },
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct wire_frame frame;
        start();
        client_send(&client, wrong[i].type, 1, wrong[i].payload);
        assert_int_equal(receive(&frame), WIRE_BROKEN);
        assert_int_equal(client_stop(&client), 1);
    }
    free(large);
}

static void it_ends_after_shutdown(void **state)
{
    (void)state;
    struct wire_frame frame;
    start();
    client_send(&client, WIRE_SHUTDOWN, 0, VIEW(""));
    assert_int_equal(receive(&frame), WIRE_BROKEN);
    assert_int_equal(client_stop(&client), 0);
}

static bool status_has(const char *wanted)
{
    char path[64], line[512];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)client.pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = strcmp(line, wanted) == 0;
    if (file != NULL)
        fclose(file);
    return found;
}

static void it_is_sealed_before_it_takes_a_text(void **state)
{
    (void)state;
    start();
    assert_true(status_has("NoNewPrivs:\t1\n"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(status_has("Seccomp:\t2\n"));
#endif
    assert_int_equal(client_stop(&client), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back_as_words_and_sentences),
        cmocka_unit_test(the_largest_text_is_answered),
        cmocka_unit_test(what_breaks_the_protocol_ends_the_worker_cleanly),
        cmocka_unit_test(it_ends_after_shutdown),
        cmocka_unit_test(it_is_sealed_before_it_takes_a_text),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
