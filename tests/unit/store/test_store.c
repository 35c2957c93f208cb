/* Records: creation, compare-and-swap, tokens, all or nothing, two processes' worth of openings, durability of the schema. */
#include "fixture.h"

#include <pthread.h>
#include <sqlite3.h>

static void a_created_record_reads_back_whole(void **state)
{
    (void)state;
    struct store_record record = record_of("a", "{\"x\":1}"), back;
    record.state = VIEW("ACTIVE");
    record.token = VIEW("token");
    record.index[1] = VIEW("name");
    record.index[3] = VIEW("");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    assert_int_equal(record.version, 1);
    assert_int_equal(record.created_ms, START_MS);
    assert_int_equal(store_get(fixture_store, fixture_arena, &record.key, &back), STORE_OK);
    assert_view_is(back.key.kind, "job");
    assert_view_is(back.key.account, "123456789012");
    assert_view_is(back.key.region, "us-east-1");
    assert_view_is(back.key.id, "a");
    assert_view_is(back.state, "ACTIVE");
    assert_view_is(back.token, "token");
    assert_null(back.index[0].ptr);
    assert_view_is(back.index[1], "name");
    assert_non_null(back.index[3].ptr);
    assert_view_is(back.json, "{\"x\":1}");
    assert_int_equal(back.version, 1);
    assert_int_equal(back.created_ms, START_MS);
}

static void a_key_can_be_created_once_and_differs_in_every_part(void **state)
{
    (void)state;
    struct store_record record = record_of("a", "1");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    assert_int_equal(store_create(fixture_store, &record), STORE_EXISTS);
    record.key.region = (struct view){ NULL, 0 };
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    record.key.account = VIEW("2");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    record.key.kind = VIEW("other");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    struct store_key absent = key_of("b");
    assert_int_equal(store_get(fixture_store, fixture_arena, &absent, &record), STORE_NOT_FOUND);
}

static void an_update_needs_the_version_it_was_made_from(void **state)
{
    (void)state;
    struct store_record record = record_of("a", "1"), back;
    assert_int_equal(store_update(fixture_store, &record), STORE_NOT_FOUND);
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    struct store_record other = record;
    clock_manual_advance(fixture_clock, 5);
    record.json = VIEW("2");
    assert_int_equal(store_update(fixture_store, &record), STORE_OK);
    assert_int_equal(record.version, 2);
    other.json = VIEW("3");
    assert_int_equal(store_update(fixture_store, &other), STORE_CONFLICT);
    assert_int_equal(other.version, 1);
    assert_int_equal(store_get(fixture_store, fixture_arena, &record.key, &back), STORE_OK);
    assert_view_is(back.json, "2");
    assert_int_equal(back.created_ms, START_MS);
    assert_int_equal(back.updated_ms, START_MS + 5);
    other.version = 0;
    assert_int_equal(store_update(fixture_store, &other), STORE_OK);
    assert_int_equal(other.version, 3);
    assert_int_equal(store_delete(fixture_store, &record.key, 2), STORE_CONFLICT);
    assert_int_equal(store_delete(fixture_store, &record.key, 3), STORE_OK);
    assert_int_equal(store_delete(fixture_store, &record.key, 0), STORE_NOT_FOUND);
}

static void put_creates_or_replaces(void **state)
{
    (void)state;
    struct store_record record = record_of("a", "1");
    assert_int_equal(store_put(fixture_store, &record), STORE_OK);
    assert_int_equal(record.version, 1);
    assert_int_equal(store_put(fixture_store, &record), STORE_OK);
    assert_int_equal(record.version, 2);
}

static void a_request_token_names_the_record_it_made(void **state)
{
    (void)state;
    struct store_record first = record_of("a", "1"), second = record_of("b", "2"), back;
    first.token = second.token = VIEW("t");
    assert_int_equal(store_create(fixture_store, &first), STORE_OK);
    assert_int_equal(store_create(fixture_store, &second), STORE_TOKEN_USED);
    assert_int_equal(store_get_by_token(fixture_store, fixture_arena, &second.key, VIEW("t"), &back), STORE_OK);
    assert_view_is(back.key.id, "a");
    assert_int_equal(store_get_by_token(fixture_store, fixture_arena, &second.key, VIEW("u"), &back), STORE_NOT_FOUND);
    second.key.region = VIEW("eu-west-1"); /* tokens belong to account and region */
    assert_int_equal(store_create(fixture_store, &second), STORE_OK);
    first.json = VIEW("3");
    first.token = (struct view){ NULL, 0 };
    assert_int_equal(store_update(fixture_store, &first), STORE_OK);
    assert_int_equal(store_get(fixture_store, fixture_arena, &first.key, &back), STORE_OK);
    assert_view_is(back.token, "t");
}

static void several_writes_happen_together_or_not_at_all(void **state)
{
    (void)state;
    struct store_write writes[] = {
        { .action = STORE_CREATE, .record = record_of("a", "1") },
        { .action = STORE_PUT, .record = record_of("b", "2") },
        { .action = STORE_UPDATE, .record = record_of("c", "3") },
    };
    struct store_record back;
    size_t failed = 99;
    assert_int_equal(store_apply(fixture_store, writes, 3, &failed), STORE_NOT_FOUND);
    assert_int_equal(failed, 2);
    assert_int_equal(writes[0].record.version, 0);
    assert_int_equal(store_get(fixture_store, fixture_arena, &writes[0].record.key, &back), STORE_NOT_FOUND);
    assert_int_equal(store_apply(fixture_store, writes, 2, &failed), STORE_OK);
    assert_int_equal(writes[1].record.version, 1);
    assert_int_equal(store_get(fixture_store, fixture_arena, &writes[0].record.key, &back), STORE_OK);
    assert_int_equal(store_apply(fixture_store, NULL, 0, NULL), STORE_OK);
}

static void bytes_of_any_kind_survive(void **state)
{
    (void)state;
    struct store_record record = record_of("x", ""), back;
    record.key.id = VIEW("a\0b'\"%;--\n");
    record.json = VIEW("{\"\xe5\xaf\xb9\":\"'\"}");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    assert_int_equal(store_get(fixture_store, fixture_arena, &record.key, &back), STORE_OK);
    assert_view_eq(back.key.id, record.key.id);
    assert_view_eq(back.json, record.json);
}

static void a_full_arena_is_reported(void **state)
{
    (void)state;
    struct store_record record = record_of("a", "0123456789012345678901234567890123456789"), back;
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    struct arena *small = arena_create(64);
    assert_int_equal(store_get(fixture_store, small, &record.key, &back), STORE_NO_MEMORY);
    arena_destroy(small);
}

#define THREADS 8
#define ROUNDS  25

static void *count_up(void *arg)
{
    struct arena *arena = arena_create(1 << 20);
    struct store_key key = key_of("counter");
    for (int done = 0; done < ROUNDS;) {
        struct store_record record;
        arena_reset(arena);
        assert_int_equal(store_get(arg, arena, &key, &record), STORE_OK);
        int64_t value = 0;
        view_to_i64(record.json, &value);
        record.json = view_from_cstr(arena_printf(arena, "%lld", (long long)value + 1));
        enum store_status status = store_update(arg, &record);
        assert_true(status == STORE_OK || status == STORE_CONFLICT);
        done += status == STORE_OK;
    }
    arena_destroy(arena);
    return NULL;
}

/* Half of the threads go through a second opening, as another process would. */
static void compare_and_swap_loses_no_update(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct store_error error;
    struct store *second = store_open(fixture_path, fixture_clock, &error);
    assert_non_null(second);
    struct store_record record = record_of("counter", "0"), back;
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, i % 2 ? fixture_store : second), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(store_get(second, fixture_arena, &record.key, &back), STORE_OK);
    assert_int_equal(back.version, 1 + THREADS * ROUNDS);
    char expected[16];
    snprintf(expected, sizeof expected, "%d", THREADS * ROUNDS);
    assert_view_is(back.json, expected);
    store_close(second);
}

static void records_outlive_the_store(void **state)
{
    (void)state;
    struct store_error error;
    struct store_record record = record_of("a", "1"), back;
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    store_close(fixture_store);
    fixture_store = store_open(fixture_path, fixture_clock, &error);
    assert_non_null(fixture_store);
    assert_int_equal(store_get(fixture_store, fixture_arena, &record.key, &back), STORE_OK);
}

static void a_store_of_a_newer_program_is_refused(void **state)
{
    (void)state;
    struct store_error error;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1000", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_null(store_open(fixture_path, fixture_clock, &error));
    assert_non_null(strstr(error.message, "newer version"));
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    struct store_error error = { "" };
    char path[160];
    snprintf(path, sizeof path, "%s/craton.db", fixture_path); /* below a file */
    assert_null(store_open(path, fixture_clock, &error));
    assert_non_null(strstr(error.message, "Not a directory"));
    assert_null(store_open("/dev/null", fixture_clock, &error));
    assert_true(strlen(error.message) > 0);
    store_close(NULL);
}

static void a_check_changes_nothing_but_must_hold_for_the_others(void **state)
{
    (void)state;
    struct store_record home = record_of("home", "1"), back;
    assert_int_equal(store_create(fixture_store, &home), STORE_OK);
    struct store_write writes[] = {
        { .action = STORE_PUT, .record = record_of("b", "2") },
        { .action = STORE_CHECK, .record = { .key = home.key, .version = 2 } },
    };
    size_t failed = 99;
    assert_int_equal(store_apply(fixture_store, writes, 2, &failed), STORE_CONFLICT);
    assert_int_equal(failed, 1);
    assert_int_equal(store_get(fixture_store, fixture_arena, &writes[0].record.key, &back), STORE_NOT_FOUND);
    writes[1].record.version = 1;
    assert_int_equal(store_apply(fixture_store, writes, 2, &failed), STORE_OK);
    assert_int_equal(store_get(fixture_store, fixture_arena, &home.key, &back), STORE_OK);
    assert_int_equal(back.version, 1);
    assert_int_equal(store_delete(fixture_store, &home.key, 0), STORE_OK);
    writes[1].record.version = 0;
    assert_int_equal(store_apply(fixture_store, writes, 2, &failed), STORE_NOT_FOUND);
}

static void a_write_may_ask_for_what_the_record_holds(void **state)
{
    (void)state;
    struct store_record record = record_of("a", "1"), back;
    record.index[0] = VIEW("old");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    assert_int_equal(store_delete(fixture_store, &record.key, 0), STORE_OK);
    record.index[0] = VIEW("new");
    assert_int_equal(store_create(fixture_store, &record), STORE_OK);
    struct store_write write = { .action = STORE_UPDATE, .record = record, .holds = VIEW("old") };
    write.record.json = VIEW("2");
    assert_int_equal(write.record.version, 1);              /* as the first one's */
    assert_int_equal(store_apply(fixture_store, &write, 1, NULL), STORE_CONFLICT);
    write.action = STORE_DELETE;
    assert_int_equal(store_apply(fixture_store, &write, 1, NULL), STORE_CONFLICT);
    assert_int_equal(store_get(fixture_store, fixture_arena, &record.key, &back), STORE_OK);
    assert_view_is(back.json, "1");
    write.holds = VIEW("new");
    assert_int_equal(store_apply(fixture_store, &write, 1, NULL), STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_created_record_reads_back_whole),
        TEST(a_key_can_be_created_once_and_differs_in_every_part),
        TEST(an_update_needs_the_version_it_was_made_from),
        TEST(put_creates_or_replaces),
        TEST(a_request_token_names_the_record_it_made),
        TEST(several_writes_happen_together_or_not_at_all),
        TEST(bytes_of_any_kind_survive),
        TEST(a_full_arena_is_reported),
        TEST(compare_and_swap_loses_no_update),
        TEST(records_outlive_the_store),
        TEST(a_store_of_a_newer_program_is_refused),
        TEST(a_check_changes_nothing_but_must_hold_for_the_others),
        TEST(a_write_may_ask_for_what_the_record_holds),
        TEST(what_cannot_be_opened_says_why),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
