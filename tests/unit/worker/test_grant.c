#include "worker/grant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

struct bench {
    struct grant grant;
    struct buf out;
    size_t read;
};

static struct bench fresh(void)
{
    return (struct bench){ .out = BUF_INIT(1 << 16) };
}

static void clear(struct bench *bench)
{
    buf_free(&bench->out);
}

/* The next frame that was sent, or 0. */
static int sent(struct bench *bench)
{
    struct wire_frame frame;
    return wire_next(&bench->out, &bench->read, &frame) == WIRE_FRAME ? (int)frame.type : 0;
}

static bool take(struct bench *bench, enum wire_type type, struct view payload)
{
    struct wire_frame frame = { .type = type, .payload = payload };
    return grant_frame(&bench->grant, &frame, &bench->out);
}

#define TWO          VIEW("\2\0\0\0")
#define TWO_STANDING VIEW("\2\0\0\x80")

static void step_is_asked_for_granted_and_given_back(void **state)
{
    (void)state;
    struct bench bench = fresh();
    assert_false(grant_ready(&bench.grant, PRIORITY_ON_DEMAND, &bench.out));
    assert_int_equal(sent(&bench), WIRE_WANT);
    assert_false(grant_ready(&bench.grant, PRIORITY_ON_DEMAND, &bench.out));
    assert_int_equal(sent(&bench), 0);                      /* asked once only */
    assert_true(take(&bench, WIRE_GRANT, TWO));
    assert_true(grant_ready(&bench.grant, PRIORITY_ON_DEMAND, &bench.out));
    assert_int_equal(bench.grant.threads, 2);
    grant_step_done(&bench.grant, &bench.out);
    assert_int_equal(sent(&bench), WIRE_DONE);
    assert_false(grant_ready(&bench.grant, PRIORITY_ON_DEMAND, &bench.out));
    assert_int_equal(sent(&bench), WIRE_WANT);
    clear(&bench);
}

static void standing_grant_needs_no_messages_until_it_is_revoked(void **state)
{
    (void)state;
    struct bench bench = fresh();
    assert_true(take(&bench, WIRE_GRANT, TWO_STANDING));
    for (int i = 0; i < 3; i++) {
        assert_true(grant_ready(&bench.grant, PRIORITY_BATCH, &bench.out));
        grant_step_done(&bench.grant, &bench.out);
    }
    assert_int_equal(bench.grant.threads, 2);
    assert_int_equal(sent(&bench), 0);
    assert_true(take(&bench, WIRE_REVOKE, VIEW("")));
    assert_int_equal(sent(&bench), WIRE_DONE);
    assert_false(grant_ready(&bench.grant, PRIORITY_BATCH, &bench.out));
    assert_int_equal(sent(&bench), WIRE_WANT);
    clear(&bench);
}

static void revoke_without_a_standing_grant_is_ignored(void **state)
{
    (void)state;
    struct bench bench = fresh();
    assert_true(take(&bench, WIRE_REVOKE, VIEW("")));
    assert_int_equal(sent(&bench), 0);
    clear(&bench);
}

static void grant_that_nobody_asked_for_or_of_no_threads_is_broken(void **state)
{
    (void)state;
    struct bench bench = fresh();
    assert_false(take(&bench, WIRE_GRANT, TWO));
    assert_false(take(&bench, WIRE_GRANT, VIEW("\2")));
    assert_false(take(&bench, WIRE_GRANT, VIEW("\0\0\0\x80")));
    clear(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_is_asked_for_granted_and_given_back),
        cmocka_unit_test(standing_grant_needs_no_messages_until_it_is_revoked),
        cmocka_unit_test(revoke_without_a_standing_grant_is_ignored),
        cmocka_unit_test(grant_that_nobody_asked_for_or_of_no_threads_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
