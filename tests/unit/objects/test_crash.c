/* The process dies before each step of each change, in turn. What was there before is there, or what shall be: whole, and nothing else. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

#define DIED      77
#define OWN       VIEW(OBJECT_OWN_BUCKET)
#define STEPS_MAX 200

/* ---- dying: the linker leads the calls of src/objects through here ---- */

static int steps_left = -1;                                 /* -1: live */

static void step(void)
{
    if (steps_left == 0)
        _exit(DIED);
    if (steps_left > 0)
        steps_left--;
}

#define WRAPPED(type, name, parameters, arguments) \
    type __real_##name parameters;                 \
    type __wrap_##name parameters;                 \
    type __wrap_##name parameters                  \
    {                                              \
        step();                                    \
        return __real_##name arguments;            \
    }

WRAPPED(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags), (from_dir, from, to_dir, to, flags))
WRAPPED(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
WRAPPED(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAPPED(int, fsync, (int fd), (fd))
WRAPPED(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
WRAPPED(ssize_t, copy_file_range, (int from, off_t *from_at, int to, off_t *to_at, size_t len, unsigned flags),
        (from, from_at, to, to_at, len, flags))
WRAPPED(enum store_status, store_apply, (struct store * store, struct store_write *writes, size_t count, size_t *failed),
        (store, writes, count, failed))
WRAPPED(enum store_status, store_update, (struct store * store, struct store_record *record), (store, record))
WRAPPED(enum store_status, store_delete, (struct store * store, const struct store_key *key, uint64_t version), (store, key, version))

/* ---- what is done, in a process that may die ---- */

static struct view upload_id; /* of the upload that is there before */

static bool put_over(void)
{
    return put_text("k", "new", NULL) == OBJECT_OK;
}

static bool put_fresh(void)
{
    return put_text("fresh", "new", NULL) == OBJECT_OK;
}

static bool put_big(void)
{
    static char big[200000];
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k") };
    struct object_info info;
    memset(big, 'n', sizeof big);
    return object_put_bytes(fixture_objects, fixture_arena, &put, view_of(big, sizeof big), &info) == OBJECT_OK;
}

static bool delete_it(void)
{
    return object_delete(fixture_objects, BUCKET, VIEW("k")) == OBJECT_OK;
}

static bool delete_both(void)
{
    const struct view keys[] = { VIEW("k"), VIEW("other") };
    return object_delete_many(fixture_objects, BUCKET, keys, 2, NULL) == OBJECT_OK;
}

static bool copy_over(void)
{
    struct object_info info;
    struct object_put to = { .bucket = BUCKET, .key = VIEW("k") };
    return object_copy(fixture_objects, fixture_arena, BUCKET, VIEW("other"), &to, false, false, &info) == OBJECT_OK;
}

static bool tag_it(void)
{
    const struct object_field tag = { VIEW("a"), VIEW("b") };
    return object_set_tags(fixture_objects, BUCKET, VIEW("k"), &tag, 1) == OBJECT_OK;
}

static bool put_part(unsigned number, const char *text)
{
    struct object_writer *writer;
    struct object_info info;
    if (upload_part_begin(fixture_objects, OWN, VIEW("big"), upload_id, number, &writer) != OBJECT_OK)
        return false;
    object_write(writer, view_from_cstr(text));
    return object_write_end(writer, fixture_arena, &info) == OBJECT_OK;
}

static bool part_again(void)
{
    return put_part(1, "AA");
}

static bool complete_it(void)
{
    const struct object_part parts[] = { { .number = 1, .etag = VIEW("4124bc0a9335c27f086f24ba207a4912") },
                                         { .number = 2, .etag = VIEW("21ad0bd836b90d08f4cf640b4c298e7c") } };
    struct object_info info;
    return upload_complete(fixture_objects, fixture_arena, OWN, VIEW("big"), upload_id, parts, 2, NULL, &info) == OBJECT_OK;
}

static bool complete_with_one(void)
{
    const struct object_part part = { .number = 2, .etag = VIEW("21ad0bd836b90d08f4cf640b4c298e7c") };
    struct object_info info;
    return upload_complete(fixture_objects, fixture_arena, OWN, VIEW("big"), upload_id, &part, 1, NULL, &info) == OBJECT_OK;
}

static bool abort_it(void)
{
    return upload_abort(fixture_objects, OWN, VIEW("big"), upload_id) == OBJECT_OK;
}

static bool delete_a_full_bucket(void)
{
    return bucket_delete(fixture_objects, BUCKET) == OBJECT_BUCKET_NOT_EMPTY;
}

/* ---- what must be true afterwards ---- */

static bool is_one_of(struct view text, const char *const *wanted)
{
    for (; *wanted != NULL; wanted++) {
        if (view_is(text, *wanted))
            return true;
    }
    return false;
}

static void check_object(struct view bucket, const char *key, const char *const *wanted, bool may_be_absent)
{
    struct view text = bytes_of(bucket, key);
    struct object_info info;
    if (text.ptr == NULL) {
        assert_true(may_be_absent);
        assert_int_equal(object_head(fixture_objects, fixture_arena, bucket, view_from_cstr(key), &info), OBJECT_NO_KEY);
    } else if (text.len == 200000) {
        assert_int_equal(text.ptr[0], 'n');
        assert_int_equal(text.ptr[199999], 'n');
    } else {
        assert_true(is_one_of(text, wanted));
    }
}

/* Names of bytes that there should be: one for each object and each part. */
static size_t names_there_should_be(void)
{
    static const char *const buckets[] = { "a-bucket", OBJECT_OWN_BUCKET };
    size_t names = 0, count;
    bool more;
    for (size_t b = 0; b < COUNT_OF(buckets); b++) {
        struct object_page page;
        struct object_upload *uploads;
        struct view bucket = view_from_cstr(buckets[b]);
        assert_int_equal(object_list(fixture_objects, fixture_arena, &(struct object_list){ .bucket = bucket }, &page), OBJECT_OK);
        names += page.count;
        assert_int_equal(upload_list(fixture_objects, fixture_arena, bucket, VIEW(""), VIEW(""), VIEW(""), 0, &uploads, &count, &more),
                         OBJECT_OK);
        for (size_t i = 0, of_one; i < count; i++) {
            struct object_part *parts;
            assert_int_equal(upload_parts(fixture_objects, fixture_arena, bucket, uploads[i].key, uploads[i].id, 0, 0, &parts, &of_one,
                                          &more),
                             OBJECT_OK);
            names += of_one;
        }
    }
    return names;
}

static void check_all(void)
{
    static const char *const of_k[] = { "old", "new", "the other", NULL };
    static const char *const of_big[] = { "aabb", "AAbb", "bb", NULL };
    static const char *const of_other[] = { "the other", NULL };
    static const char *const of_fresh[] = { "new", NULL };
    check_object(BUCKET, "k", of_k, true);
    check_object(BUCKET, "other", of_other, true);
    check_object(BUCKET, "fresh", of_fresh, true);
    check_object(OWN, "big", of_big, true);
    assert_int_equal(files_in("pending"), 0);
    assert_int_equal(files_in("data"), names_there_should_be());
    assert_int_equal(put_text("after", "usable", NULL), OBJECT_OK);
    assert_view_is(text_of("after"), "usable");
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("after")), OBJECT_OK);
}

/* ---- all steps in turn ---- */

/* True when the process came to its end. The store's threads are its own. */
static bool run_until(bool (*change)(void), int steps)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool ok = open_objects(false);
        steps_left = steps;
        ok = ok && change();
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
    return WEXITSTATUS(status) == 0;
}

static void set_up(void)
{
    struct object_put put = { .bucket = OWN, .key = VIEW("big") };
    assert_true(bucket_create(fixture_objects, ACCOUNT, REGION, BUCKET) != OBJECT_ERROR);
    assert_int_equal(put_text("k", "old", NULL), OBJECT_OK);
    assert_int_equal(put_text("other", "the other", NULL), OBJECT_OK);
    assert_int_equal(upload_create(fixture_objects, fixture_arena, &put, &upload_id), OBJECT_OK);
    assert_true(put_part(1, "aa") && put_part(2, "bb"));
}

static void die_at_each_step_of(bool (*change)(void))
{
    bool ended = false;
    int steps = 0;
    for (; !ended; steps++) {
        assert_true(steps < STEPS_MAX);
        set_up();
        close_objects();
        ended = run_until(change, steps);
        assert_true(open_objects(true));
        check_all();
        if (!ended)
            upload_abort(fixture_objects, OWN, VIEW("big"), upload_id);
    }
    assert_true(steps > 1);
}

static void a_put_that_is_cut_off_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    die_at_each_step_of(put_over);
    die_at_each_step_of(put_fresh);
    die_at_each_step_of(put_big);
}

static void a_delete_that_is_cut_off_leaves_the_object_or_nothing(void **state)
{
    (void)state;
    die_at_each_step_of(delete_it);
    die_at_each_step_of(delete_both);
}

static void a_copy_that_is_cut_off_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    die_at_each_step_of(copy_over);
    die_at_each_step_of(tag_it);
}

static void an_upload_that_is_cut_off_is_as_before_or_over(void **state)
{
    (void)state;
    die_at_each_step_of(part_again);
    die_at_each_step_of(complete_it);
    die_at_each_step_of(complete_with_one);
    die_at_each_step_of(abort_it);
}

static void a_bucket_whose_deleting_is_cut_off_is_usable(void **state)
{
    (void)state;
    die_at_each_step_of(delete_a_full_bucket);
}

static void what_a_living_process_writes_is_let_alone(void **state)
{
    (void)state;
    struct object_writer *writer;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k") };
    struct object_info info;
    char big[100000] = { 0 }, error[256];
    assert_int_equal(object_write_begin(fixture_objects, &put, &writer), OBJECT_OK);
    assert_int_equal(object_write(writer, view_of(big, sizeof big)), OBJECT_OK);
    struct objects_options options = {
        .store = fixture_store, .clock = fixture_clock, .dir = fixture_objects_dir, .account = ACCOUNT, .recover = true
    };
    struct objects *other = objects_open(&options, error, sizeof error);
    assert_non_null(other);
    objects_close(other);
    assert_int_equal(files_in("pending"), 1);
    assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
    assert_int_equal(text_of("k").len, sizeof big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_that_is_cut_off_leaves_the_old_or_the_new),
        TEST(a_delete_that_is_cut_off_leaves_the_object_or_nothing),
        TEST(a_copy_that_is_cut_off_leaves_the_old_or_the_new),
        TEST(an_upload_that_is_cut_off_is_as_before_or_over),
        TEST(a_bucket_whose_deleting_is_cut_off_is_usable),
        TEST(what_a_living_process_writes_is_let_alone),
    };
    return cmocka_run_group_tests_name("objects_crash", tests, NULL, NULL);
}
