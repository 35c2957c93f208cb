/* Many threads at one key: each reader sees one put's bytes whole, and in the end only the last one's are left. */
#include "fixture.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  40

static enum object_status put_round(struct arena *arena, int thread, int round)
{
    char text[4000];
    struct object_info info;
    struct object_put put = { .bucket = BUCKET, .key = VIEW("k") };
    memset(text, 'a' + thread, sizeof text);
    return object_put_bytes(fixture_objects, arena, &put, view_of(text, (size_t)(1 + round * 97 % 4000)), &info);
}

/* One letter throughout, as long as the object says. */
static bool is_whole(struct arena *arena)
{
    struct object_info info;
    struct object_reader *reader;
    char text[4001];
    size_t got = 0;
    enum object_status status = object_read_begin(fixture_objects, arena, BUCKET, VIEW("k"), &info, &reader);
    if (status != OBJECT_OK)
        return status == OBJECT_NO_KEY;
    bool ok = object_read_at(reader, 0, text, sizeof text, &got) == OBJECT_OK && got == info.size;
    for (size_t i = 1; i < got; i++)
        ok = ok && text[i] == text[0];
    object_read_end(reader);
    return ok;
}

static void *hammer(void *arg)
{
    int thread = *(int *)arg;
    struct arena *arena = arena_create(1 << 20);
    const struct object_field tag = { VIEW("a"), VIEW("b") };
    bool ok = arena != NULL;
    for (int round = 0; round < ROUNDS && ok; round++) {
        struct object_info info;
        struct object_put to = { .bucket = BUCKET, .key = VIEW("k") };
        arena_reset(arena);
        enum object_status status = OBJECT_OK;
        switch ((thread + round) % 5) {
        case 0:
            status = object_delete(fixture_objects, BUCKET, VIEW("k"));
            break;
        case 1:
            status = object_set_tags(fixture_objects, BUCKET, VIEW("k"), &tag, 1);
            break;
        case 2:
            status = object_copy(fixture_objects, arena, BUCKET, VIEW("k"), &to, false, false, &info);
            break;
        default:
            status = put_round(arena, thread, round);
        }
        ok = (status == OBJECT_OK || status == OBJECT_NO_KEY) && is_whole(arena);
        if (!ok)
            print_error("thread %d round %d: %s\n", thread, round, object_status_text(status));
    }
    arena_destroy(arena);
    return ok ? NULL : arg;
}

static void threads_at_one_key_never_mix_and_leave_nothing(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    struct object_info info;
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    bool there = object_head(fixture_objects, fixture_arena, BUCKET, VIEW("k"), &info) == OBJECT_OK;
    assert_int_equal(files_in("data"), there ? 1 : 0);
    assert_int_equal(files_in("pending"), 0);
}

/* Deletes and puts alone, so that the record is made anew all the time, with the version it had before. */
static void *flicker(void *arg)
{
    int thread = *(int *)arg;
    struct arena *arena = arena_create(1 << 20);
    bool ok = arena != NULL;
    for (int round = 0; round < 5 * ROUNDS && ok; round++) {
        arena_reset(arena);
        enum object_status status = (thread + round) % 2 == 0 ? object_delete(fixture_objects, BUCKET, VIEW("k"))
                                                              : put_round(arena, thread, round);
        ok = status == OBJECT_OK && is_whole(arena);
    }
    arena_destroy(arena);
    return ok ? NULL : arg;
}

static void an_object_that_comes_and_goes_leaves_nothing(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, flicker, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("k")), OBJECT_OK);
    assert_int_equal(files_in("data"), 0);
    assert_int_equal(files_in("pending"), 0);
}

struct race {
    struct view upload;
    struct object_part part;
    enum object_status status;
};

static void *complete(void *arg)
{
    struct race *race = arg;
    struct arena *arena = arena_create(1 << 20);
    struct object_info info;
    race->status = upload_complete(fixture_objects, arena, BUCKET, VIEW("big"), race->upload, &race->part, 1, NULL, &info);
    arena_destroy(arena);
    return NULL;
}

static void *abort_upload(void *arg)
{
    struct race *race = arg;
    race->status = upload_abort(fixture_objects, BUCKET, VIEW("big"), race->upload);
    return NULL;
}

static void an_upload_is_completed_or_aborted_never_both(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct object_put put = { .bucket = BUCKET, .key = VIEW("big") };
        struct object_writer *writer;
        struct object_info info;
        struct race one = { .status = OBJECT_ERROR }, two;
        pthread_t threads[2];
        assert_int_equal(upload_create(fixture_objects, fixture_arena, &put, &one.upload), OBJECT_OK);
        assert_int_equal(upload_part_begin(fixture_objects, BUCKET, VIEW("big"), one.upload, 1, &writer), OBJECT_OK);
        object_write(writer, VIEW("x"));
        assert_int_equal(object_write_end(writer, fixture_arena, &info), OBJECT_OK);
        one.part = (struct object_part){ .number = 1, .etag = info.etag };
        two = one;
        assert_int_equal(pthread_create(&threads[0], NULL, complete, &one), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, abort_upload, &two), 0);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        assert_true((one.status == OBJECT_OK) != (two.status == OBJECT_OK));
        assert_int_equal(text_of("big").ptr != NULL, one.status == OBJECT_OK);
        assert_int_equal(object_delete(fixture_objects, BUCKET, VIEW("big")), OBJECT_OK);
        assert_int_equal(files_in("data"), 0);
        assert_int_equal(files_in("pending"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_at_one_key_never_mix_and_leave_nothing),
        TEST(an_object_that_comes_and_goes_leaves_nothing),
        TEST(an_upload_is_completed_or_aborted_never_both),
    };
    return cmocka_run_group_tests_name("objects_threads", tests, NULL, NULL);
}
