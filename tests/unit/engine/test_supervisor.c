#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define LOCAL(model_name, file) { .name = VIEW_INIT(model_name), .backend = ENGINE_LOCAL, .path = VIEW_INIT(file) }

#define SLOTS 4                                             /* of the fake worker: two for each of its sequences */

static struct rig rig;

static void start_with(struct engine_options options, const char *path)
{
    const struct engine_model model = { .name = VIEW("m"), .path = view_from_cstr(path) };
    rig_start(&rig, options, &model, 1);
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("FAKE_HELLO");
    rig_stop(&rig);
    return 0;
}

static void first_call_loads_the_model_and_is_answered(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    assert_int_equal(rig_info(&rig, "m").state, ENGINE_MODEL_COLD);
    struct answer answer;
    rig_ask(&rig, "m", "say Paris", &answer);
    assert_int_equal(rig_info(&rig, "m").state, ENGINE_MODEL_LOADING);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_OK);
    assert_string_equal(answer.text, "Paris");
    assert_int_equal(answer.end.usage.output_tokens, 1);
    assert_true(answer.end.first_token_us > 0 && answer.end.first_token_us <= answer.end.total_us);

    struct engine_model_info info = rig_info(&rig, "m");
    assert_int_equal(info.state, ENGINE_MODEL_READY);
    assert_true(info.pid > 0);
    assert_int_equal(info.context, 2048);
    assert_int_equal(info.memory_bytes, 1000);
    assert_view_is(info.layout, "Q8_0");
    assert_int_equal(info.prompt_tokens, 3);
    assert_int_equal(info.output_tokens, 1);
    assert_int_equal(info.restarts, 0);
}

static void more_calls_than_slots_are_all_answered(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    static struct answer answers[5 * SLOTS];
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char text[32];
        snprintf(text, sizeof text, "say %zu", i);
        rig_ask(&rig, "m", text, &answers[i]);
    }
    assert_int_equal(rig_info(&rig, "m").queued, COUNT_OF(answers));
    rig_run(&rig);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char text[32];
        snprintf(text, sizeof text, "%zu", i);
        assert_int_equal(answers[i].status, ENGINE_OK);
        assert_string_equal(answers[i].text, text);
    }
}

static void crash_ends_the_calls_in_flight_and_spares_the_queue(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    static struct answer hanging[SLOTS - 1], crashing, waiting[3], later;
    for (size_t i = 0; i < COUNT_OF(hanging); i++)
        rig_ask(&rig, "m", "hang", &hanging[i]);
    rig_ask(&rig, "m", "crash", &crashing);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        rig_ask(&rig, "m", "say still here", &waiting[i]);
    rig_run(&rig);
    assert_int_equal(crashing.status, ENGINE_MODEL_ERROR);
    for (size_t i = 0; i < COUNT_OF(hanging); i++)
        assert_int_equal(hanging[i].status, ENGINE_MODEL_ERROR);
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        assert_int_equal(waiting[i].status, ENGINE_OK);
        assert_string_equal(waiting[i].text, "still here");
    }
    assert_int_equal(rig_info(&rig, "m").restarts, 1);
    rig_ask(&rig, "m", "say again", &later);
    rig_run(&rig);
    assert_string_equal(later.text, "again");
}

static void killed_worker_is_restarted_for_the_next_call(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    struct answer first, second, third;
    rig_ask(&rig, "m", "say one", &first);
    rig_run(&rig);
    int pid = rig_info(&rig, "m").pid;
    rig_ask(&rig, "m", "hang", &second);
    rig_run_for(&rig, 50);
    assert_int_equal(kill(pid, SIGKILL), 0);
    rig_run(&rig);
    assert_int_equal(second.status, ENGINE_MODEL_ERROR);
    assert_int_equal(rig_info(&rig, "m").state, ENGINE_MODEL_BACKING_OFF);
    rig_ask(&rig, "m", "say three", &third);
    rig_run(&rig);
    assert_string_equal(third.text, "three");
    assert_int_not_equal(rig_info(&rig, "m").pid, pid);
}

static void pauses_between_crashes_grow(void **state)
{
    (void)state;
    start_with((struct engine_options){ .load_wait_ms = 1000 }, "crash");
    struct answer answer;
    rig_ask(&rig, "m", "say x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_NOT_READY);
    assert_in_range(rig_info(&rig, "m").restarts, 2, 4);    /* at 0, 100, 300 and 700 ms, and some for the start itself */
}

static void call_does_not_wait_for_ever_for_a_load(void **state)
{
    (void)state;
    start_with((struct engine_options){ .load_wait_ms = 50 }, "slow 400");
    struct answer impatient, later;
    rig_ask(&rig, "m", "say x", &impatient);
    rig_run(&rig);
    assert_int_equal(impatient.status, ENGINE_NOT_READY);
    rig_run_for(&rig, 600);
    assert_int_equal(rig_info(&rig, "m").state, ENGINE_MODEL_READY);
    rig_ask(&rig, "m", "say x", &later);
    rig_run(&rig);
    assert_int_equal(later.status, ENGINE_OK);
}

static void load_that_fails_says_why(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "fail");
    struct answer answer, soon;
    rig_ask(&rig, "m", "say x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    assert_non_null(strstr(answer.message, "the file is no model"));
    rig_ask(&rig, "m", "say x", &soon);
    rig_run(&rig);
    assert_int_equal(soon.status, ENGINE_MODEL_ERROR);
}

static void worker_that_says_no_hello_is_given_up(void **state)
{
    (void)state;
    setenv("FAKE_HELLO", "none", 1);
    start_with((struct engine_options){ .hello_wait_ms = 50, .load_wait_ms = 400 }, "normal");
    struct answer answer;
    rig_ask(&rig, "m", "say x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_NOT_READY);
    assert_true(rig_info(&rig, "m").restarts >= 1);
}

static void worker_of_another_build_is_refused(void **state)
{
    (void)state;
    setenv("FAKE_HELLO", "wrong", 1);
    start_with((struct engine_options){ 0 }, "normal");
    struct answer answer;
    rig_ask(&rig, "m", "say x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    assert_non_null(strstr(answer.message, "another build"));
}

static void missing_program_harms_nobody(void **state)
{
    (void)state;
    start_with((struct engine_options){ .worker_path = "/does/not/exist" }, "normal");
    struct answer answer, later;
    rig_ask(&rig, "m", "say x", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    rig_run_for(&rig, 150);                                 /* the next try */
    rig_ask(&rig, "m", "say x", &later);
    rig_run(&rig);
    assert_int_equal(later.status, ENGINE_MODEL_ERROR);
    assert_int_equal(rig_info(&rig, "m").restarts, 2);
}

static void garbage_costs_the_worker_its_life(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    struct answer answer, next;
    rig_ask(&rig, "m", "garbage", &answer);
    rig_run(&rig);
    assert_int_equal(answer.status, ENGINE_MODEL_ERROR);
    rig_ask(&rig, "m", "say fine", &next);
    rig_run(&rig);
    assert_string_equal(next.text, "fine");
}

static void fill_slots(struct answer *answers)
{
    for (size_t i = 0; i < SLOTS; i++)
        rig_ask(&rig, "m", "hang", &answers[i]);
    rig_run_for(&rig, 200);
    assert_int_equal(rig_info(&rig, "m").running, SLOTS);
}

static void cancel_all(struct answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        engine_cancel(answers[i].call);
}

static void call_that_waits_too_long_in_the_queue_is_refused(void **state)
{
    (void)state;
    start_with((struct engine_options){ .queue_wait_ms = 100 }, "normal");
    static struct answer hanging[SLOTS], late;
    fill_slots(hanging);
    rig_ask(&rig, "m", "say x", &late);
    rig_run_for(&rig, 250);
    assert_true(late.ended);
    assert_int_equal(late.status, ENGINE_OVERLOADED);
    cancel_all(hanging, SLOTS);
    rig_run(&rig);
}

static void full_queue_refuses_at_once(void **state)
{
    (void)state;
    start_with((struct engine_options){ .max_queue = 2 }, "normal");
    static struct answer hanging[SLOTS], queued[2], refused;
    rig_ask(&rig, "m", "hang", &hanging[0]);
    rig_ask(&rig, "m", "hang", &hanging[1]);
    rig_run_for(&rig, 200);
    rig_ask(&rig, "m", "hang", &hanging[2]);
    rig_ask(&rig, "m", "hang", &hanging[3]);
    rig_ask(&rig, "m", "say x", &queued[0]);
    rig_ask(&rig, "m", "say x", &queued[1]);
    rig_ask(&rig, "m", "say x", &refused);
    rig_run_for(&rig, 20);
    assert_true(refused.ended);
    assert_int_equal(refused.status, ENGINE_OVERLOADED);
    assert_false(queued[0].ended || queued[1].ended);
    cancel_all(hanging, SLOTS);
    rig_run(&rig);
    assert_int_equal(queued[1].status, ENGINE_OK);
}

static void submit_batch(struct answer *answers, size_t count)
{
    const struct chat_part part = { .type = CHAT_TEXT, .text = VIEW_INIT("hang") };
    const struct chat_message message = { CHAT_USER, &part, 1 };
    struct model_request request;
    model_request_init(&request);
    request.model = VIEW("m");
    request.priority = PRIORITY_BATCH;
    request.generate.messages = &message;
    request.generate.message_count = 1;
    for (size_t i = 0; i < count; i++)
        rig_submit(&rig, &request, &answers[i]);
}

static void batch_waits_without_limit_and_fills_no_live_queue(void **state)
{
    (void)state;
    start_with((struct engine_options){ .queue_wait_ms = 50, .max_queue = SLOTS }, "normal");
    static struct answer batch[2 * SLOTS + 1], hanging[SLOTS], late;
    rig_ask(&rig, "m", "say x", &late);                     /* loads the model: what follows finds slots */
    rig_run(&rig);
    submit_batch(batch, COUNT_OF(batch));
    for (size_t i = 0; i < SLOTS; i++)
        rig_ask(&rig, "m", "hang", &hanging[i]);
    rig_ask(&rig, "m", "say x", &late);
    rig_run_for(&rig, 20);
    assert_false(late.ended);                               /* it waits: batch has not filled the queue */
    rig_run_for(&rig, 200);
    assert_int_equal(late.status, ENGINE_OVERLOADED);
    assert_int_equal(batch[2 * SLOTS].status, ENGINE_OVERLOADED);  /* one more than its own queue takes */
    for (size_t i = 0; i < 2 * SLOTS; i++)
        assert_false(batch[i].ended);
    cancel_all(batch, 2 * SLOTS);
    cancel_all(hanging, SLOTS);
    rig_run(&rig);
}

static void waiting_batch_work_keeps_no_live_call_from_the_worker(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    static struct answer batch[2 * SLOTS], live;
    submit_batch(batch, COUNT_OF(batch));
    rig_ask(&rig, "m", "say now", &live);
    rig_run_for(&rig, 300);
    assert_true(live.ended);
    assert_string_equal(live.text, "now");
    cancel_all(batch, COUNT_OF(batch));
    rig_run(&rig);
}

static void call_over_the_time_limit_is_ended_and_cancelled_at_the_worker(void **state)
{
    (void)state;
    start_with((struct engine_options){ .model_timeout_ms = 50 }, "normal");
    struct answer slow, count;
    rig_ask(&rig, "m", "hang", &slow);
    rig_run(&rig);
    assert_int_equal(slow.status, ENGINE_TIMEOUT);
    rig_ask(&rig, "m", "cancels", &count);
    rig_run(&rig);
    assert_string_equal(count.text, "1");
}

static void cancelled_calls_end_so_whatever_their_state(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    struct answer waiting, running, count;
    rig_ask(&rig, "m", "say never", &waiting);
    engine_cancel(waiting.call);
    assert_false(waiting.ended);                            /* on_end follows, not from inside */
    engine_cancel(waiting.call);                            /* twice is once */
    rig_run(&rig);
    assert_int_equal(waiting.status, ENGINE_CANCELLED);
    assert_int_equal(waiting.deltas, 0);
    rig_ask(&rig, "m", "hang", &running);
    rig_run_for(&rig, 200);
    engine_cancel(running.call);
    rig_run(&rig);
    assert_int_equal(running.status, ENGINE_CANCELLED);
    rig_ask(&rig, "m", "cancels", &count);
    rig_run(&rig);
    assert_string_equal(count.text, "1");
}

static void paused_call_sends_no_more_than_its_credit(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    struct answer answer;
    rig_ask(&rig, "m", "many 2000", &answer);
    engine_pause(answer.call, true);
    rig_run_for(&rig, 300);
    assert_int_equal(answer.deltas, 256);
    engine_pause(answer.call, false);
    rig_run(&rig);
    assert_int_equal(answer.deltas, 2000);
    assert_int_equal(answer.status, ENGINE_OK);
}

static void two_workers_take_turns_at_computing(void **state)
{
    (void)state;
    const struct engine_model models[] = { LOCAL("a", "normal"), LOCAL("b", "normal") };
    rig_start(&rig, (struct engine_options){ .threads = 2 }, models, 2);
    struct answer a, b;
    rig_ask(&rig, "a", "steps 50", &a);
    rig_ask(&rig, "b", "steps 50", &b);
    rig_run(&rig);
    assert_int_equal(a.end.usage.output_tokens, 50);
    assert_int_equal(b.end.usage.output_tokens, 50);
}

static void grant_of_a_killed_worker_goes_to_the_next(void **state)
{
    (void)state;
    const struct engine_model models[] = { LOCAL("a", "normal"), LOCAL("b", "normal") };
    rig_start(&rig, (struct engine_options){ .threads = 2 }, models, 2);
    struct answer a, b;
    rig_ask(&rig, "a", "steps 100000", &a);
    rig_ask(&rig, "b", "steps 20", &b);
    rig_run_for(&rig, 200);
    assert_int_equal(kill(rig_info(&rig, "a").pid, SIGKILL), 0);
    rig_run(&rig);
    assert_int_equal(a.status, ENGINE_MODEL_ERROR);
    assert_int_equal(b.status, ENGINE_OK);
}

static void memory_budget_unloads_the_one_unused_for_longest(void **state)
{
    (void)state;
    const struct engine_model models[] = { LOCAL("a", "normal,400"), LOCAL("b", "normal,401"), LOCAL("c", "normal,402") };
    rig_start(&rig, (struct engine_options){ .memory_budget = 1000 }, models, 3);
    struct answer answer;
    const char *const order[] = { "a", "b", "a", "c" };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        rig_ask(&rig, order[i], "say x", &answer);
        rig_run(&rig);
        assert_int_equal(answer.status, ENGINE_OK);
        rig_run_for(&rig, 5);
    }
    assert_int_equal(rig_info(&rig, "a").state, ENGINE_MODEL_READY);
    assert_int_equal(rig_info(&rig, "b").state, ENGINE_MODEL_COLD);
    assert_int_equal(rig_info(&rig, "c").state, ENGINE_MODEL_READY);
}

static void model_that_grows_beyond_the_budget_unloads_an_idle_one(void **state)
{
    (void)state;
    const struct engine_model models[] = { LOCAL("a", "normal,400"), LOCAL("b", "normal,401") };
    rig_start(&rig, (struct engine_options){ .memory_budget = 1000 }, models, 2);
    struct answer answer;
    const char *const asked[] = { "say x", "grow 500", "grow 700" };
    rig_ask(&rig, "a", "say x", &answer);
    rig_run(&rig);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        assert_int_equal(rig_info(&rig, "a").state, ENGINE_MODEL_READY);
        rig_ask(&rig, "b", asked[i], &answer);
        rig_run(&rig);
        assert_int_equal(answer.status, ENGINE_OK);
    }
    assert_int_equal(rig_info(&rig, "b").memory_bytes, 700);
    assert_int_equal(rig_info(&rig, "b").state, ENGINE_MODEL_READY);
    assert_int_equal(rig_info(&rig, "a").state, ENGINE_MODEL_COLD);
}

static void load_waits_for_memory_that_busy_models_hold(void **state)
{
    (void)state;
    const struct engine_model models[] = { LOCAL("a", "normal,800"),
                                           { .name = VIEW_INIT("b"), .path = VIEW_INIT("normal,800"), .file_bytes = 800 } };
    rig_start(&rig, (struct engine_options){ .memory_budget = 1000 }, models, 2);
    struct answer busy, waiting;
    rig_ask(&rig, "a", "hang", &busy);
    rig_run_for(&rig, 200);
    rig_ask(&rig, "b", "say x", &waiting);
    rig_run_for(&rig, 100);
    assert_int_equal(rig_info(&rig, "b").pid, 0);
    engine_cancel(busy.call);
    rig_run(&rig);
    assert_int_equal(waiting.status, ENGINE_OK);
    assert_int_equal(rig_info(&rig, "a").state, ENGINE_MODEL_COLD);
}

static void idle_model_is_unloaded(void **state)
{
    (void)state;
    start_with((struct engine_options){ .idle_unload_ms = 100 }, "normal");
    struct answer answer;
    rig_ask(&rig, "m", "say x", &answer);
    rig_run(&rig);
    int pid = rig_info(&rig, "m").pid;
    rig_run_for(&rig, 20);
    assert_int_equal(rig_info(&rig, "m").state, ENGINE_MODEL_READY);
    rig_run_for(&rig, 400);
    assert_int_equal(rig_info(&rig, "m").state, ENGINE_MODEL_COLD);
    assert_int_equal(rig_info(&rig, "m").restarts, 0);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void changed_model_is_served_anew_and_the_old_one_finishes(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    struct answer old, fresh, gone;
    rig_ask(&rig, "m", "hang", &old);
    rig_run_for(&rig, 200);
    int pid = rig_info(&rig, "m").pid;
    const struct engine_model changed = LOCAL("m", "normal,77");
    assert_true(engine_set_models(rig.engine, &changed, 1));
    rig_ask(&rig, "m", "say new", &fresh);
    rig_run_for(&rig, 200);
    assert_true(fresh.ended && !old.ended);
    assert_int_equal(rig_info(&rig, "m").memory_bytes, 77);
    assert_int_equal(kill(pid, 0), 0);
    engine_cancel(old.call);
    rig_run(&rig);
    rig_run_for(&rig, 200);
    assert_int_equal(kill(pid, 0), -1);

    assert_true(engine_set_models(rig.engine, NULL, 0));
    rig_ask(&rig, "m", "say x", &gone);
    rig_run(&rig);
    assert_int_equal(gone.status, ENGINE_NO_MODEL);
}

static void model_is_asked_only_what_it_can_do(void **state)
{
    (void)state;
    const struct engine_model models[] = {
        LOCAL("text", "normal"),
        { .name = VIEW_INIT("vectors"), .path = VIEW_INIT("normal"), .embedding = true },
    };
    rig_start(&rig, (struct engine_options){ 0 }, models, 2);
    const struct view texts[] = { VIEW_INIT("abc"), VIEW_INIT("") };
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_EMBED;
    request.embed.texts = texts;
    request.embed.text_count = 2;
    struct answer right, wrong, reversed;
    request.model = VIEW("vectors");
    rig_submit(&rig, &request, &right);
    request.model = VIEW("text");
    rig_submit(&rig, &request, &wrong);
    rig_ask(&rig, "vectors", "say x", &reversed);
    rig_run(&rig);
    assert_int_equal(right.status, ENGINE_OK);
    assert_int_equal(right.vector_count, 2);
    assert_int_equal(right.dimensions, 2);
    assert_true(right.vectors[0] == 3.0f && right.vectors[2] == 0.0f);
    assert_int_equal(wrong.status, ENGINE_INVALID);
    assert_int_equal(reversed.status, ENGINE_INVALID);
}

static void end_of_the_engine_ends_its_calls_and_its_workers(void **state)
{
    (void)state;
    start_with((struct engine_options){ 0 }, "normal");
    struct answer running, waiting;
    rig_ask(&rig, "m", "hang", &running);
    rig_run_for(&rig, 200);
    int pid = rig_info(&rig, "m").pid;
    rig_ask(&rig, "m", "say x", &waiting);
    engine_stop(rig.engine);
    assert_int_equal(running.status, ENGINE_CANCELLED);
    assert_true(waiting.ended);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_call_loads_the_model_and_is_answered),
        TEST(more_calls_than_slots_are_all_answered),
        TEST(crash_ends_the_calls_in_flight_and_spares_the_queue),
        TEST(killed_worker_is_restarted_for_the_next_call),
        TEST(pauses_between_crashes_grow),
        TEST(call_does_not_wait_for_ever_for_a_load),
        TEST(load_that_fails_says_why),
        TEST(worker_that_says_no_hello_is_given_up),
        TEST(worker_of_another_build_is_refused),
        TEST(missing_program_harms_nobody),
        TEST(garbage_costs_the_worker_its_life),
        TEST(call_that_waits_too_long_in_the_queue_is_refused),
        TEST(full_queue_refuses_at_once),
        TEST(batch_waits_without_limit_and_fills_no_live_queue),
        TEST(waiting_batch_work_keeps_no_live_call_from_the_worker),
        TEST(call_over_the_time_limit_is_ended_and_cancelled_at_the_worker),
        TEST(cancelled_calls_end_so_whatever_their_state),
        TEST(paused_call_sends_no_more_than_its_credit),
        TEST(two_workers_take_turns_at_computing),
        TEST(grant_of_a_killed_worker_goes_to_the_next),
        TEST(memory_budget_unloads_the_one_unused_for_longest),
        TEST(model_that_grows_beyond_the_budget_unloads_an_idle_one),
        TEST(load_waits_for_memory_that_busy_models_hold),
        TEST(idle_model_is_unloaded),
        TEST(changed_model_is_served_anew_and_the_old_one_finishes),
        TEST(model_is_asked_only_what_it_can_do),
        TEST(end_of_the_engine_ends_its_calls_and_its_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
