#include "unit.h"

#include "aws/internal_call.h"
#include "sts/sts.h"

#include <pthread.h>

static struct arena *arena;
static struct loop *loop;
static struct aws_front *front;
static pthread_t thread;

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    static const struct credentials credentials = { .authorize = NULL };
    const struct handler_set set = { sts_handlers, sts_handler_count, NULL };
    char error[256];
    struct aws_front_options options;
    aws_front_defaults(&options);
    arena = arena_create(1 << 20);
    loop = loop_create(clock_system(), 1);
    options.loop = loop;
    options.credentials = &credentials;
    options.handlers = &set;
    options.handler_count = 1;
    front = aws_front_create(&options, error, sizeof error);
    return arena == NULL || front == NULL || pthread_create(&thread, NULL, run_loop, loop) != 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_stop(loop);
    pthread_join(thread, NULL);
    loop_destroy(loop);
    aws_front_destroy(front);
    arena_destroy(arena);
    return 0;
}

static struct view who_is(const char *arn)
{
    const struct principal principal = { .account = VIEW("111122223333"), .arn = view_from_cstr(arn) };
    const struct internal_request request = { .operation = VIEW("GetCallerIdentity"), .principal = &principal };
    struct internal_answer answer;
    assert_int_equal(internal_call(front, &request, arena, &answer), AWS_OK);
    return answer.body;
}

static struct view element(struct view xml, const char *open, const char *close)
{
    size_t from = view_find(xml, view_from_cstr(open)), to = view_find(xml, view_from_cstr(close));
    assert_true(from != VIEW_NPOS && to != VIEW_NPOS);
    return view_first(view_from(xml, from + strlen(open)), to - from - strlen(open));
}

static void the_caller_is_named_by_account_arn_and_user(void **state)
{
    (void)state;
    struct view xml = who_is("arn:aws:iam::111122223333:user/ann");
    assert_view_is(element(xml, "<Account>", "</Account>"), "111122223333");
    assert_view_is(element(xml, "<Arn>", "</Arn>"), "arn:aws:iam::111122223333:user/ann");
    assert_int_equal(element(xml, "<UserId>", "</UserId>").len, 21);
}

static void a_user_has_always_the_same_id_and_no_other_user_has_it(void **state)
{
    (void)state;
    struct view ann = element(who_is("arn:aws:iam::111122223333:user/ann"), "<UserId>", "</UserId>");
    struct view again = element(who_is("arn:aws:iam::111122223333:user/ann"), "<UserId>", "</UserId>");
    struct view bob = element(who_is("arn:aws:iam::111122223333:user/bob"), "<UserId>", "</UserId>");
    assert_view_eq(ann, again);
    assert_false(view_eq(ann, bob));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_caller_is_named_by_account_arn_and_user),
        cmocka_unit_test(a_user_has_always_the_same_id_and_no_other_user_has_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
