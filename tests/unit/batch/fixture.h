/* fixture.h - a store and objects of their own for every test, with a clock that the test moves. */
#ifndef CRATON_BATCH_FIXTURE_H
#define CRATON_BATCH_FIXTURE_H

#include "unit.h"

#include "base/buf.h"
#include "objects/objects.h"

#include <ftw.h>
#include <unistd.h>

#define START_MS INT64_C(1735786984000)
#define ACCOUNT  VIEW("123456789012")
#define REGION   VIEW("us-east-1")

struct fixture {
    char dir[64];
    struct clock *clock;
    struct arena *arena;
    struct store *store;
    struct objects *objects;
};

static inline int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void fixture_reopen(struct fixture *fixture)
{
    char path[128], error[256];
    struct store_error store_error;
    snprintf(path, sizeof(path), "%s/store/craton.db", fixture->dir);
    fixture->store = store_open(path, fixture->clock, &store_error);
    assert_non_null(fixture->store);
    snprintf(path, sizeof(path), "%s/objects", fixture->dir);
    const struct objects_options options = {
        .store = fixture->store, .clock = fixture->clock, .dir = path, .account = ACCOUNT, .recover = true
    };
    fixture->objects = objects_open(&options, error, sizeof(error));
    assert_non_null(fixture->objects);
}

static inline void fixture_shut(struct fixture *fixture)
{
    objects_close(fixture->objects);
    store_close(fixture->store);
}

static inline void fixture_open(struct fixture *fixture)
{
    snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/craton-batch-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->clock = clock_manual_create(START_MS);
    fixture->arena = arena_create(64 << 20);
    fixture_reopen(fixture);
}

static inline void fixture_close(struct fixture *fixture)
{
    fixture_shut(fixture);
    arena_destroy(fixture->arena);
    clock_manual_destroy(fixture->clock);
    assert_int_equal(nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void put_object(struct fixture *fixture, struct view bucket, const char *key, struct view bytes)
{
    struct object_info info;
    const struct object_put put = { .bucket = bucket, .key = view_from_cstr(key) };
    assert_int_equal(object_put_bytes(fixture->objects, fixture->arena, &put, bytes, &info), OBJECT_OK);
}

/* The bytes of an object in the fixture's arena; empty with a NULL pointer when there is none. */
static inline struct view get_object(struct fixture *fixture, struct view bucket, const char *key)
{
    struct object_info info;
    struct object_reader *reader;
    size_t got = 0;
    if (object_read_begin(fixture->objects, fixture->arena, bucket, view_from_cstr(key), &info, &reader) != OBJECT_OK)
        return (struct view){ .ptr = NULL };
    char *bytes = arena_bytes(fixture->arena, info.size + 1);
    assert_non_null(bytes);
    assert_int_equal(object_read_at(reader, 0, bytes, info.size, &got), OBJECT_OK);
    assert_int_equal(got, info.size);
    object_read_end(reader);
    return view_of(bytes, got);
}

#endif
