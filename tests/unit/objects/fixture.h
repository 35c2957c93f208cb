/* fixture.h - objects of their own for every test, over a store with a clock that stands still. */
#ifndef CRATON_OBJECTS_FIXTURE_H
#define CRATON_OBJECTS_FIXTURE_H

#include "unit.h"

#include "base/buf.h"
#include "objects/objects.h"

#include <dirent.h>
#include <unistd.h>

#define START_MS INT64_C(1735786984000)
#define ACCOUNT  VIEW("123456789012")
#define REGION   VIEW("us-east-1")
#define BUCKET   VIEW("a-bucket")

static char fixture_dir[64];
static char fixture_objects_dir[128];
static struct clock *fixture_clock;
static struct store *fixture_store;
static struct arena *fixture_arena;
static struct objects *fixture_objects;

static inline bool open_objects(bool recover)
{
    char path[128], error[256];
    struct store_error store_error;
    snprintf(path, sizeof path, "%s/store/craton.db", fixture_dir);
    snprintf(fixture_objects_dir, sizeof fixture_objects_dir, "%s/objects", fixture_dir);
    fixture_store = store_open(path, fixture_clock, &store_error);
    if (fixture_store == NULL)
        return false;
    struct objects_options options = {
        .store = fixture_store, .clock = fixture_clock, .dir = fixture_objects_dir, .account = ACCOUNT, .recover = recover
    };
    fixture_objects = objects_open(&options, error, sizeof error);
    return fixture_objects != NULL;
}

static inline void close_objects(void)
{
    objects_close(fixture_objects);
    store_close(fixture_store);
}

static inline int fixture_open(void **state)
{
    (void)state;
    /* In memory where that can be: the many syncs of these tests are not about the disk. */
    snprintf(fixture_dir, sizeof fixture_dir, "%s/craton-objects-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(fixture_dir) == NULL)
        return -1;
    fixture_clock = clock_manual_create(START_MS);
    fixture_arena = arena_create(256 << 20);
    return !open_objects(false) || bucket_create(fixture_objects, ACCOUNT, REGION, BUCKET) != OBJECT_OK;
}

static inline int fixture_close(void **state)
{
    (void)state;
    char command[128];
    close_objects();
    arena_destroy(fixture_arena);
    clock_manual_destroy(fixture_clock);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_dir);
    return system(command);
}

static inline enum object_status put_text(const char *key, const char *text, struct object_info *info)
{
    struct object_info unused;
    struct object_put put = { .bucket = BUCKET, .key = view_from_cstr(key) };
    return object_put_bytes(fixture_objects, fixture_arena, &put, view_from_cstr(text), info != NULL ? info : &unused);
}

/* The object's bytes; ptr NULL when it cannot be read. */
static inline struct view bytes_of(struct view bucket, const char *key)
{
    struct object_info info;
    struct object_reader *reader;
    size_t got = 0;
    if (object_read_begin(fixture_objects, fixture_arena, bucket, view_from_cstr(key), &info, &reader) != OBJECT_OK)
        return view_of(NULL, 0);
    char *bytes = arena_bytes(fixture_arena, (size_t)info.size + 1);
    bool ok = object_read_at(reader, 0, bytes, (size_t)info.size + 1, &got) == OBJECT_OK && got == info.size;
    object_read_end(reader);
    return ok ? view_of(bytes, got) : view_of(NULL, 0);
}

static inline struct view text_of(const char *key)
{
    return bytes_of(BUCKET, key);
}

/* Files in a directory below that of the objects, and in those below it. */
static inline size_t files_in(const char *name)
{
    struct dirent *entry;
    size_t count = 0;
    DIR *dir = opendir(arena_printf(fixture_arena, "%s/%s", fixture_objects_dir, name));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            count += entry->d_type == DT_DIR ? files_in(arena_printf(fixture_arena, "%s/%s", name, entry->d_name)) : 1;
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

#endif
