/* The thread itself, on a store and a clock that go by themselves. */
#include "world.h"

#include <time.h>

#define PATIENCE_MS 20000

static enum aws_status guarded_batch(void *ctx, const struct internal_request *request, struct arena *arena,
                                     struct internal_answer *answer)
{
    pthread_mutex_lock(&world_lock);
    enum aws_status status = batch(ctx, request, arena, answer);
    pthread_mutex_unlock(&world_lock);
    return status;
}

/* A change of this kind, as src/objects and src/batch make them. */
static void change(const char *kind)
{
    struct store_record record = { .key = { view_from_cstr(kind), VIEW("a"), VIEW("b"), VIEW("c") }, .json = VIEW("{}") };
    assert_int_equal(store_put(world.store, &record), STORE_OK);
}

static bool comes_true(bool (*condition)(void))
{
    struct timespec step = { .tv_nsec = 5000000 };
    for (int waited = 0; waited < PATIENCE_MS; waited += 5) {
        pthread_mutex_lock(&world_lock);
        bool true_now = condition();
        pthread_mutex_unlock(&world_lock);
        if (true_now)
            return true;
        nanosleep(&step, NULL);
    }
    return false;
}

static bool a_job_was_made(void)
{
    return world.job_count == 1;
}

static bool the_job_was_asked_for(void)
{
    return world.gets > 0;
}

static atomic_int ended;

static void note_end(void *ctx)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
}

static void changes_of_objects_and_jobs_wake_the_thread(void **state)
{
    (void)state;
    atomic_store(&ended, 0);
    put_file("to-process/a.jsonl");
    assert_true(pipelines_start(world.p, guarded_batch, NULL));
    assert_true(comes_true(a_job_was_made));
    change("model-invocation-job");
    assert_true(comes_true(the_job_was_asked_for));
    pipelines_stop(world.p, note_end, &ended);
    pipelines_destroy(world.p);
    world.p = NULL;
    assert_int_equal(atomic_load(&ended), 1);
}

static void a_file_that_comes_later_is_noticed(void **state)
{
    (void)state;
    assert_true(pipelines_start(world.p, guarded_batch, NULL));
    struct timespec until_it_waits = { .tv_nsec = 300000000 };
    nanosleep(&until_it_waits, NULL);
    put_file("to-process/a.jsonl");
    change(OBJECT_KIND);
    assert_true(comes_true(a_job_was_made));
}

static void one_that_was_never_started_stops_at_once(void **state)
{
    (void)state;
    atomic_store(&ended, 0);
    pipelines_stop(world.p, note_end, &ended);
    assert_int_equal(atomic_load(&ended), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_of_objects_and_jobs_wake_the_thread),
        TEST(a_file_that_comes_later_is_noticed),
        TEST(one_that_was_never_started_stops_at_once),
    };
    return cmocka_run_group_tests_name("pipeline thread", tests, NULL, NULL);
}
