/* Calls from inside, on a front without a server, with handlers that do what a test needs. */
#include "unit.h"

#include "aws/internal_call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define TALK    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hello\"}]}]}"
#define MANY    20000
#define SLOW    2000
#define SECONDS 20

static struct {
    struct loop *loop;
    struct aws_front *front;
    pthread_t thread;
    atomic_int deferred, reported;
    atomic_bool waiting;
} fix;

static struct arena *arena;

static const struct principal worker = { .name = VIEW_INIT("worker"), .arn = VIEW_INIT("arn:aws:iam::111122223333:user/worker"),
                                         .account = VIEW_INIT("111122223333") };

/* ---- handlers ---- */

static void count_deferred(void *arg)
{
    (void)arg;
    fix.deferred++;
}

static enum aws_status list_guardrails(struct call *call)
{
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "account", call_principal(call)->account);
    json_put_string(reply, "region", call_region(call));
    json_put_string(reply, "identifier", call_query(call, "guardrailIdentifier"));
    json_put_bool(reply, "batch", call_is_batch(call));
    json_end(reply);
    call_defer(call, count_deferred, NULL);
    return AWS_OK;
}

static enum aws_status get_guardrail(struct call *call)
{
    return call_fail(call, AWS_RESOURCE_NOT_FOUND, "No guardrail " VIEW_FMT ".", VIEW_ARG(call_label(call, "guardrailIdentifier")));
}

static void later(void *arg)
{
    struct call *call = arg;
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "model", call_label(call, "modelId"));
    json_put_i64(reply, "messages", (int64_t)json_size(json_get(call_body(call), "messages")));
    json_end(reply);
    call_finish(call);
}

static enum aws_status converse(struct call *call)
{
    call_stats(call)->input_tokens = 7;
    call_stats(call)->served_by = VIEW("a local model");
    return loop_timer_start(fix.loop, 1, later, call) != NULL ? AWS_PENDING : AWS_INTERNAL_SERVER;
}

static void gone(struct call *call, void *arg)
{
    (void)arg;
    call_fail_later(call, AWS_SERVICE_UNAVAILABLE, "Nobody waits.");
}

static enum aws_status count_tokens(struct call *call)
{
    call_on_gone(call, gone, NULL);
    fix.waiting = true;
    return AWS_PENDING;
}

static enum aws_status create_guardrail(struct call *call)
{
    nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    json_object(call_reply(call));
    json_end(call_reply(call));
    return AWS_OK;
}

static enum aws_status converse_stream(struct call *call)
{
    call_stream_start(call);
    call_stream_end(call);
    return AWS_PENDING;
}

static enum aws_status authorize(void *ctx, const struct principal *principal, const struct operation *operation, struct view resource,
                                 struct arena *memory, struct view *message)
{
    (void)ctx, (void)principal, (void)operation, (void)memory, (void)message;
    return view_ends_with(resource, VIEW("forbidden")) ? AWS_ACCESS_DENIED : AWS_OK;
}

static void on_done(void *ctx, const struct call *call, const struct call_outcome *outcome)
{
    (void)ctx, (void)call, (void)outcome;
    fix.reported++;
}

/* ---- the fixture ---- */

static void *run_loop(void *arg)
{
    (void)arg;
    loop_run(fix.loop);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    static const struct handler_row rows[] = {
        { "ListGuardrails", list_guardrails, false }, { "GetGuardrail", get_guardrail, false },
        { "Converse", converse, true },               { "CountTokens", count_tokens, true },
        { "ConverseStream", converse_stream, true },  { "CreateGuardrail", create_guardrail, true },
    };
    static const struct handler_set set = { rows, COUNT_OF(rows), NULL };
    static const struct credentials credentials = { .authorize = authorize };
    char error[256];
    struct aws_front_options options;
    aws_front_defaults(&options);
    arena = arena_create(1 << 20);
    fix.loop = loop_create(clock_system(), 4);
    options.loop = fix.loop;
    options.credentials = &credentials;
    options.handlers = &set;
    options.handler_count = 1;
    options.on_done = on_done;
    fix.front = aws_front_create(&options, error, sizeof error);
    return arena == NULL || fix.front == NULL || pthread_create(&fix.thread, NULL, run_loop, NULL) != 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_stop(fix.loop);
    pthread_join(fix.thread, NULL);
    loop_destroy(fix.loop);
    int left = (int)aws_front_running(fix.front);
    aws_front_destroy(fix.front);
    arena_destroy(arena);
    return left;
}

static struct internal_answer ask(struct internal_request request)
{
    struct internal_answer answer;
    if (request.principal == NULL)
        request.principal = &worker;
    enum aws_status status = internal_call(fix.front, &request, arena, &answer);
    assert_int_equal(answer.status, status);
    return answer;
}

/* ---- tests ---- */

static void a_handler_in_the_pool_sees_who_asks_and_answers(void **state)
{
    (void)state;
    int reported = fix.reported, deferred = fix.deferred;
    struct internal_answer answer = ask((struct internal_request){
        .operation = VIEW("ListGuardrails"), .region = VIEW("eu-west-1"), .query = VIEW("guardrailIdentifier=abc%31"), .batch = true });
    assert_int_equal(answer.status, AWS_OK);
    assert_int_equal(answer.http_status, 200);
    assert_view_is(answer.body, "{\"account\":\"111122223333\",\"region\":\"eu-west-1\",\"identifier\":\"abc1\",\"batch\":true}");
    struct internal_answer after = ask((struct internal_request){ .operation = VIEW("ListGuardrails") });
    assert_view_is(after.body, "{\"account\":\"111122223333\",\"region\":\"us-east-1\",\"identifier\":\"\",\"batch\":false}");
    assert_true(fix.reported >= reported + 1 && fix.deferred >= deferred + 1);
}

static void a_handler_on_the_loop_answers_later_with_its_numbers(void **state)
{
    (void)state;
    struct internal_answer answer = ask((struct internal_request){
        .operation = VIEW("Converse"), .labels = { VIEW("a/model:0") }, .body = VIEW(TALK) });
    assert_int_equal(answer.status, AWS_OK);
    assert_view_is(answer.body, "{\"model\":\"a/model:0\",\"messages\":1}");
    assert_int_equal(answer.stats->input_tokens, 7);
    assert_view_is(answer.stats->served_by, "a local model");
}

static void failures_come_with_their_message_and_their_body(void **state)
{
    (void)state;
    struct internal_answer answer = ask((struct internal_request){ .operation = VIEW("GetGuardrail"), .labels = { VIEW("abc") } });
    assert_int_equal(answer.status, AWS_RESOURCE_NOT_FOUND);
    assert_int_equal(answer.http_status, 404);
    assert_view_is(answer.message, "No guardrail abc.");
    assert_view_is(answer.body, "{\"__type\":\"ResourceNotFoundException\",\"message\":\"No guardrail abc.\"}");
}

static void bad_input_is_refused_before_the_handler(void **state)
{
    (void)state;
    struct internal_request request = { .operation = VIEW("Converse"), .labels = { VIEW("m") }, .body = VIEW("{\"messages\":[}") };
    assert_int_equal(ask(request).status, AWS_SERIALIZATION);
    request.body = VIEW("{\"messages\":[{\"role\":\"x\",\"content\":[]}]}");
    struct internal_answer answer = ask(request);
    assert_int_equal(answer.status, AWS_VALIDATION);
    assert_true(view_find(answer.message, VIEW("'messages.1.member.role'")) != VIEW_NPOS);
}

static void policies_hold_inside_too(void **state)
{
    (void)state;
    struct internal_answer answer = ask((struct internal_request){
        .operation = VIEW("Converse"), .labels = { VIEW("forbidden") }, .body = VIEW(TALK) });
    assert_int_equal(answer.status, AWS_ACCESS_DENIED);
}

static void what_nobody_serves_is_refused(void **state)
{
    (void)state;
    assert_int_equal(ask((struct internal_request){ .operation = VIEW("NoSuchOperation") }).status, AWS_UNKNOWN_OPERATION);
    assert_int_equal(ask((struct internal_request){ .operation = VIEW("CreateAgent") }).status, AWS_NOT_IMPLEMENTED);
    assert_int_equal(ask((struct internal_request){ .operation = VIEW("ConverseStream"), .labels = { VIEW("m") },
                                                    .body = VIEW(TALK) }).status,
                     AWS_NOT_IMPLEMENTED);
}

static atomic_int answers, failed;

static void count_answer(void *ctx, const struct internal_answer *answer)
{
    (void)ctx;
    if (answer->status != AWS_OK)
        failed++;
    answers++;
}

static void wait_for_answers(int wanted)
{
    for (int i = 0; i < SECONDS * 1000 && answers < wanted; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_int_equal(answers, wanted);
}

static void many_are_under_way_at_once(void **state)
{
    (void)state;
    const struct internal_request request = { .operation = VIEW("Converse"), .principal = &worker, .labels = { VIEW("m") },
                                              .body = VIEW(TALK) };
    answers = failed = 0;
    for (int i = 0; i < MANY; i++)
        assert_non_null(internal_call_submit(fix.front, &request, count_answer, NULL));
    wait_for_answers(MANY);
    assert_int_equal(failed, 0);
}

static const struct internal_request slow = {
    .operation = VIEW_INIT("CreateGuardrail"), .principal = &worker,
    .body = VIEW_INIT("{\"name\":\"n\",\"blockedInputMessaging\":\"a\",\"blockedOutputsMessaging\":\"b\"}")
};

static atomic_int answers_before, refused;

static void look(void *arg)
{
    (void)arg;
    answers_before = answers;
}

/* On the loop, so that all are there before the first begins. */
static void submit_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < SLOW; i++)
        refused += internal_call_submit(fix.front, &slow, count_answer, NULL) == NULL;
    loop_post(fix.loop, look, NULL);
}

static void thousands_that_come_at_once_leave_the_loop_to_others(void **state)
{
    (void)state;
    answers = failed = refused = 0;
    answers_before = -1;
    assert_true(loop_post(fix.loop, submit_many, NULL));
    wait_for_answers(SLOW);
    assert_int_equal(failed + refused, 0);
    assert_in_range(answers_before, 1, SLOW / 10);
}

static void submit_one_behind_many_and_cancel_it(void *arg)
{
    static const struct internal_request request = { .operation = VIEW_INIT("CountTokens"), .principal = &worker,
                                                     .labels = { VIEW_INIT("m") },
                                                     .body = VIEW_INIT("{\"input\":{\"converse\":{}}}") };
    submit_many(arg);
    struct internal_call *call = internal_call_submit(fix.front, &request, count_answer, NULL);
    if (call != NULL)
        internal_call_cancel(call);
}

static void a_call_that_is_cancelled_before_it_begins_never_reaches_its_handler(void **state)
{
    (void)state;
    answers = failed = refused = 0;
    fix.waiting = false;
    assert_true(loop_post(fix.loop, submit_one_behind_many_and_cancel_it, NULL));
    wait_for_answers(SLOW + 1);
    assert_int_equal(failed, 1);
    assert_int_equal(refused, 0);
    assert_false(fix.waiting);
}

static void a_call_that_is_cancelled_ends_before_its_time(void **state)
{
    (void)state;
    const struct internal_request request = { .operation = VIEW("CountTokens"), .principal = &worker, .labels = { VIEW("m") },
                                              .body = VIEW("{\"input\":{\"converse\":{}}}") };
    answers = failed = 0;
    fix.waiting = false;
    struct internal_call *call = internal_call_submit(fix.front, &request, count_answer, NULL);
    assert_non_null(call);
    for (int i = 0; i < SECONDS * 1000 && !fix.waiting; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    internal_call_cancel(call);
    wait_for_answers(1);
    assert_int_equal(failed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_in_the_pool_sees_who_asks_and_answers),
        cmocka_unit_test(a_handler_on_the_loop_answers_later_with_its_numbers),
        cmocka_unit_test(failures_come_with_their_message_and_their_body),
        cmocka_unit_test(bad_input_is_refused_before_the_handler),
        cmocka_unit_test(policies_hold_inside_too),
        cmocka_unit_test(what_nobody_serves_is_refused),
        cmocka_unit_test(many_are_under_way_at_once),
        cmocka_unit_test(thousands_that_come_at_once_leave_the_loop_to_others),
        cmocka_unit_test(a_call_that_is_cancelled_before_it_begins_never_reaches_its_handler),
        cmocka_unit_test(a_call_that_is_cancelled_ends_before_its_time),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
