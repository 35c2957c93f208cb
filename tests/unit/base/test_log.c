/* The log: both formats, levels, quoting, and a ring that drops rather than blocks. */
#include "unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"

#include <pthread.h>
#include <unistd.h>

static int ends[2];

static int open_pipe(void **state)
{
    (void)state;
    return pipe(ends);
}

static int close_pipe(void **state)
{
    (void)state;
    close(ends[0]);
    return 0;
}

static struct buf read_all(void)
{
    struct buf all = BUF_INIT(16 << 20);
    char *room;
    ssize_t got;
    while ((room = buf_reserve(&all, 4096)) != NULL && (got = read(ends[0], room, 4096)) > 0)
        buf_commit(&all, (size_t)got);
    return all;
}

static struct buf stop_and_read(void)
{
    log_stop();
    close(ends[1]);
    return read_all();
}

static void json_lines_hold_every_field_with_its_type(void **state)
{
    (void)state;
    assert_true(log_start(ends[1], LOG_INFO, LOG_JSON));
    log_info("call", LOG_STR("op", "Converse\n\"x\""), LOG_INT("status", 200), LOG_REAL("ms", 1.5), LOG_STR("none", NULL));
    struct buf all = stop_and_read();
    struct arena *arena = arena_create(1 << 20);
    const struct json *line = json_parse(arena, buf_view(&all), 5, NULL);
    assert_view_is(json_get_string(line, "level"), "info");
    assert_view_is(json_get_string(line, "message"), "call");
    assert_view_is(json_get_string(line, "op"), "Converse\n\"x\"");
    assert_view_is(json_number_text(json_get(line, "status")), "200");
    assert_view_is(json_number_text(json_get(line, "ms")), "1.5");
    assert_true(json_is(json_get(line, "none"), JSON_STRING));
    assert_int_equal(json_get_string(line, "time").len, 24);
    assert_int_equal(all.ptr[all.len - 1], '\n');
    arena_destroy(arena);
    buf_free(&all);
}

static void text_values_that_could_be_misread_are_quoted(void **state)
{
    (void)state;
    assert_true(log_start(ends[1], LOG_INFO, LOG_TEXT));
    log_warn("odd", LOG_STR("plain", "a/b:c"), LOG_STR("forged", "x\n2025 info fake=1"), LOG_STR("empty", ""), LOG_INT("n", -3));
    struct buf all = stop_and_read();
    buf_append_byte(&all, '\0');
    assert_string_equal(all.ptr + 24, " warn  odd plain=a/b:c forged=\"x\\n2025 info fake=1\" empty=\"\" n=-3\n");
    buf_free(&all);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    assert_true(log_start(ends[1], LOG_WARN, LOG_TEXT));
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_ERROR));
    log_info("hidden");
    log_debug("hidden");
    log_error("shown");
    struct buf all = stop_and_read();
    assert_true(view_find(buf_view(&all), VIEW("hidden")) == VIEW_NPOS);
    assert_true(view_find(buf_view(&all), VIEW("error shown\n")) != VIEW_NPOS);
    buf_free(&all);
}

static void long_strings_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[10001];
    text[0] = 'x';
    for (size_t i = 1; i < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    assert_true(log_start(ends[1], LOG_INFO, LOG_JSON));
    log_info("long", LOG_VIEW("text", view_of(text, sizeof text)));
    struct buf all = stop_and_read();
    struct arena *arena = arena_create(1 << 20);
    struct view logged = json_get_string(json_parse(arena, buf_view(&all), 5, NULL), "text");
    assert_int_equal(logged.len, 4095);
    assert_memory_equal(logged.ptr, text, logged.len);
    arena_destroy(arena);
    buf_free(&all);
}

static void *drain(void *arg)
{
    *(struct buf *)arg = read_all();
    return NULL;
}

static void a_stuck_reader_costs_lines_not_time(void **state)
{
    (void)state;
    uint64_t before = log_dropped();
    size_t wrote = 0;
    assert_true(log_start(ends[1], LOG_INFO, LOG_TEXT));
    for (; wrote < 100000 && log_dropped() < before + 10; wrote++)
        log_info("filler", LOG_STR("text", "0123456789012345678901234567890123456789"));
    assert_true(log_dropped() > before);

    pthread_t reader;
    struct buf all;
    assert_int_equal(pthread_create(&reader, NULL, drain, &all), 0);
    log_stop();
    close(ends[1]);
    pthread_join(reader, NULL);
    size_t lines = 0;
    for (struct view rest = buf_view(&all); rest.ptr != NULL;)
        lines += view_find(view_split(&rest, '\n'), VIEW("filler")) != VIEW_NPOS;
    assert_int_equal(lines + (log_dropped() - before), wrote);
    assert_true(view_find(buf_view(&all), VIEW("log lines were dropped lines=")) != VIEW_NPOS);
    buf_free(&all);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_info("from a thread", LOG_INT("thread", (intptr_t)arg));
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    (void)state;
    pthread_t threads[4], reader;
    struct buf all;
    assert_true(log_start(ends[1], LOG_INFO, LOG_JSON));
    assert_int_equal(pthread_create(&reader, NULL, drain, &all), 0);
    for (intptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_stop();
    close(ends[1]);
    pthread_join(reader, NULL);
    struct arena *arena = arena_create(1 << 20);
    struct view rest = buf_view(&all);
    for (size_t i = 0; i < 800; i++)
        assert_non_null(json_parse(arena, view_split(&rest, '\n'), 5, NULL));
    assert_int_equal(rest.len, 0);
    arena_destroy(arena);
    buf_free(&all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json_lines_hold_every_field_with_its_type),
        TEST(text_values_that_could_be_misread_are_quoted),
        TEST(lines_below_the_level_are_not_written),
        TEST(long_strings_are_cut_at_a_character),
        TEST(a_stuck_reader_costs_lines_not_time),
        TEST(lines_of_several_threads_stay_whole),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
