/* fixture.h - a store of its own for every test, with a clock that stands still. */
#ifndef CRATON_STORE_FIXTURE_H
#define CRATON_STORE_FIXTURE_H

#include "unit.h"

#include "store/store.h"

#define START_MS INT64_C(1735786984000)

static char fixture_dir[64];
static char fixture_path[128];
static struct clock *fixture_clock;
static struct store *fixture_store;
static struct arena *fixture_arena;

static inline int fixture_open(void **state)
{
    (void)state;
    struct store_error error;
    snprintf(fixture_dir, sizeof fixture_dir, "/tmp/craton-store-XXXXXX");
    if (mkdtemp(fixture_dir) == NULL)
        return -1;
    snprintf(fixture_path, sizeof fixture_path, "%s/sub/craton.db", fixture_dir);
    fixture_clock = clock_manual_create(START_MS);
    fixture_arena = arena_create(16 << 20);
    fixture_store = store_open(fixture_path, fixture_clock, &error);
    return fixture_store == NULL;
}

static inline int fixture_close(void **state)
{
    (void)state;
    char command[128];
    store_close(fixture_store);
    arena_destroy(fixture_arena);
    clock_manual_destroy(fixture_clock);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_dir);
    return system(command);
}

static inline struct store_key key_of(const char *id)
{
    return (struct store_key){ .kind = VIEW("job"), .account = VIEW("123456789012"), .region = VIEW("us-east-1"),
                               .id = view_from_cstr(id) };
}

static inline struct store_record record_of(const char *id, const char *json)
{
    return (struct store_record){ .key = key_of(id), .json = view_from_cstr(json) };
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

#endif
