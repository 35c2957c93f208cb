/* Each call to the disk fails in turn: the status says why, the old object is still there, and nothing is left behind. */
#include "fixture.h"

#include <errno.h>
#include <sys/stat.h>

#define STEPS_MAX 100

/* ---- failing: the linker leads the calls of src/objects through here ---- */

static int steps_left = -1;                                 /* -1: nothing fails */
static int fault;                                           /* errno, or 0: the store is busy */

static bool fails(bool store)
{
    if (steps_left < 0 || (fault == 0) != store || steps_left-- > 0)
        return false;
    errno = fault;
    return true;
}

#define FAILING(type, name, parameters, arguments, failure)                \
    type __real_##name parameters;                                         \
    type __wrap_##name parameters;                                         \
    type __wrap_##name parameters                                          \
    {                                                                      \
        return fails((failure) > 0) ? (type)(failure) : __real_##name arguments; \
    }

FAILING(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags), (from_dir, from, to_dir, to, flags), -1)
FAILING(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), -1)
FAILING(int, fsync, (int fd), (fd), -1)

ssize_t __real_write(int fd, const void *bytes, size_t count);
ssize_t __wrap_write(int fd, const void *bytes, size_t count);

ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
    struct stat st;
    bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode); /* the store wakes its threads by writing too */
    return file && fails(false) ? -1 : __real_write(fd, bytes, count);
}

FAILING(ssize_t, copy_file_range, (int from, off_t *from_at, int to, off_t *to_at, size_t len, unsigned flags),
        (from, from_at, to, to_at, len, flags), -1)
FAILING(enum store_status, store_apply, (struct store * store, struct store_write *writes, size_t count, size_t *failed),
        (store, writes, count, failed), STORE_BUSY)

/* ---- what is done ---- */

static struct view upload_id;

static enum object_status put_over(void)
{
    return put_text("k", "new", NULL);
}

static enum object_status put_fresh(void)
{
    return put_text("fresh", "new", NULL);
}

static enum object_status delete_it(void)
{
    return object_delete(fixture_objects, BUCKET, VIEW("k"));
}

static enum object_status copy_over(void)
{
    struct object_info info;
    struct object_put to = { .bucket = BUCKET, .key = VIEW("k") };
    return object_copy(fixture_objects, fixture_arena, BUCKET, VIEW("other"), &to, false, false, &info);
}

static enum object_status put_part(unsigned number, const char *text, struct object_part *part)
{
    struct object_writer *writer;
    struct object_info info;
    enum object_status status =
        upload_part_begin(fixture_objects, VIEW(OBJECT_OWN_BUCKET), VIEW("big"), upload_id, number, &writer);
    if (status != OBJECT_OK)
        return status;
    object_write(writer, view_from_cstr(text));
    status = object_write_end(writer, fixture_arena, &info);
    *part = (struct object_part){ .number = number, .etag = info.etag };
    return status;
}

static enum object_status complete_it(void)
{
    const struct object_part parts[] = { { .number = 1, .etag = VIEW("4124bc0a9335c27f086f24ba207a4912") },
                                         { .number = 2, .etag = VIEW("21ad0bd836b90d08f4cf640b4c298e7c") } };
    struct object_info info;
    return upload_complete(fixture_objects, fixture_arena, VIEW(OBJECT_OWN_BUCKET), VIEW("big"), upload_id, parts, 2, NULL, &info);
}

static void set_up(void)
{
    struct object_put put = { .bucket = VIEW(OBJECT_OWN_BUCKET), .key = VIEW("big") };
    struct object_part part;
    assert_int_equal(put_text("k", "old", NULL), OBJECT_OK);
    assert_int_equal(put_text("other", "the other", NULL), OBJECT_OK);
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("fresh")), OBJECT_OK);
    assert_int_equal(object_delete(fixture_objects, put.bucket, VIEW("big")), OBJECT_OK);
    assert_int_equal(upload_create(fixture_objects, fixture_arena, &put, &upload_id), OBJECT_OK);
    assert_int_equal(put_part(1, "aa", &part), OBJECT_OK);
    assert_int_equal(put_part(2, "bb", &part), OBJECT_OK);
}

static size_t names_before;

/* What failed has changed nothing; what it could not do can be done afterwards. */
static void fail_at_each_step_of(enum object_status (*change)(void), int code, enum object_status expected)
{
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        set_up();
        names_before = files_in("data");
        fault = code;
        steps_left = steps;
        enum object_status status = change();
        bool came_to_it = steps_left < 0;
        steps_left = -1;
        if (!came_to_it) {
            assert_int_equal(status, OBJECT_OK);
            upload_abort(fixture_objects, VIEW(OBJECT_OWN_BUCKET), VIEW("big"), upload_id);
            return;
        }
        assert_int_equal(status, expected);
        assert_view_is(text_of("k"), "old");
        assert_int_equal(files_in("data"), names_before);
        assert_int_equal(files_in("pending"), 0);
        assert_int_equal(change(), OBJECT_OK);
        upload_abort(fixture_objects, VIEW(OBJECT_OWN_BUCKET), VIEW("big"), upload_id);
    }
    fail_msg("there is no end to its steps");
}

static const struct {
    int code;
    enum object_status status;
} faults[] = { { ENOSPC, OBJECT_NO_SPACE }, { EDQUOT, OBJECT_NO_SPACE }, { EACCES, OBJECT_DENIED }, { EIO, OBJECT_ERROR },
               { EFBIG, OBJECT_TOO_LARGE } };

static void a_full_or_failing_disk_is_told_and_the_old_object_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        fail_at_each_step_of(put_over, faults[i].code, faults[i].status);
        fail_at_each_step_of(put_fresh, faults[i].code, faults[i].status);
        fail_at_each_step_of(copy_over, faults[i].code, faults[i].status);
        fail_at_each_step_of(delete_it, faults[i].code, faults[i].status);
    }
}

static void parts_that_cannot_be_joined_stay_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        fail_at_each_step_of(complete_it, faults[i].code, faults[i].status);
}

static void a_busy_store_is_told(void **state)
{
    (void)state;
    static enum object_status (*const changes[])(void) = { put_over, put_fresh, copy_over, delete_it };
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        set_up();
        fault = 0;
        steps_left = 0;
        names_before = files_in("data");
        assert_int_equal(changes[i](), OBJECT_BUSY);
        assert_true(object_status_is_passing(OBJECT_BUSY));
        assert_view_is(text_of("k"), "old");
        assert_int_equal(files_in("data"), names_before);
        assert_int_equal(files_in("pending"), 0);
        assert_int_equal(changes[i](), OBJECT_OK);
    }
}

static void files_that_cannot_be_copied_in_the_kernel_are_copied_by_hand(void **state)
{
    (void)state;
    set_up();
    fault = EXDEV;
    steps_left = 0;
    /* The first call that fails so would be a link; completing has none before it copies. */
    assert_int_equal(complete_it(), OBJECT_OK);
    assert_true(steps_left < 0);
    assert_view_is(bytes_of(VIEW(OBJECT_OWN_BUCKET), "big"), "aabb");
}

static void a_directory_that_cannot_be_used_says_why(void **state)
{
    (void)state;
    char error[256] = "", path[256];
    snprintf(path, sizeof path, "%s/store/craton.db", fixture_dir);     /* a file */
    struct objects_options options = { .store = fixture_store, .clock = fixture_clock, .dir = path, .account = ACCOUNT };
    assert_null(objects_open(&options, error, sizeof error));
    assert_non_null(strstr(error, "Not a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_or_failing_disk_is_told_and_the_old_object_stays),
        TEST(parts_that_cannot_be_joined_stay_as_they_are),
        TEST(a_busy_store_is_told),
        TEST(files_that_cannot_be_copied_in_the_kernel_are_copied_by_hand),
        TEST(a_directory_that_cannot_be_used_says_why),
    };
    return cmocka_run_group_tests_name("objects_faults", tests, NULL, NULL);
}
