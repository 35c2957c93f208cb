/* craton-worker as a process, with the default text model. */
#include "worker_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOAD      "{\"path\":\"" TEST_TEXT_MODEL "\",\"threads\":2,\"context\":2048,\"sequences\":16}"
#define LONG_WAIT 300000

static struct client client;

static int start(void **state)
{
    (void)state;
    return client_start(&client, TEST_WORKER) && client_load(&client, LOAD, 2) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    return client_stop(&client) == 0 ? 0 : -1;
}

static int forget_all(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CLIENT_MAX_STREAMS; i++)
        client_forget(&client, i);
    return 0;
}

static struct client_call *ask(uint32_t stream, const struct model_request *request)
{
    client_call(&client, stream, request);
    assert_true(client_wait(&client, stream, stream, LONG_WAIT));
    return &client.calls[stream];
}

static struct chat_message user_says(const struct chat_part *part)
{
    return (struct chat_message){ .role = CHAT_USER, .parts = part, .part_count = 1 };
}

static void model_answers_a_question(void **state)
{
    (void)state;
    struct chat_part part = { .type = CHAT_TEXT, .text = VIEW("What is the capital of France? Answer with one sentence.") };
    struct chat_message message = user_says(&part);
    struct model_request request = client_generate(&message, 1, 40);
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.status, ENGINE_OK);
    assert_int_equal(call->end.reason, GEN_END);
    assert_true(view_find(buf_view(&call->text), VIEW("Paris")) != VIEW_NPOS);
    assert_true(call->input_tokens > 10);
    assert_int_equal(call->end.usage.input_tokens, call->input_tokens);
    assert_in_range(call->end.usage.output_tokens, 3, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(model_answers_a_question, forget_all),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
