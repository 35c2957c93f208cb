#include "unit.h"

#include "aws/operation.h"
#include "base/buf.h"

static struct route route;

static const char *routed(const char *method, const char *path)
{
    memset(&route, 0, sizeof route);
    if (!aws_route(view_from_cstr(method), view_from_cstr(path), &route))
        return "nothing";
    return route.operation->name.ptr;
}

#define assert_routes(method, path, operation) assert_string_equal(routed(method, path), operation)

/* Writes the path of an operation with value0, value1 … for its labels, or an ARN that only this operation owns. */
static void sample_path(const struct operation *operation, char *out, size_t size)
{
    struct buf path = BUF_INIT(size - 1);
    size_t label = 0;
    for (size_t i = 0; i < operation->uri.len; i++) {
        if (operation->uri.ptr[i] != '{') {
            buf_append_byte(&path, operation->uri.ptr[i]);
            continue;
        }
        while (operation->uri.ptr[i] != '}')
            i++;
        if (operation->arn_type.len > 0)
            buf_printf(&path, "arn%%3Aaws%%3Abedrock%%3Aus-east-1%%3A1%%3A%s%%2Fx", operation->arn_type.ptr);
        else
            buf_printf(&path, "value%zu", label++);
    }
    assert_false(buf_failed(&path));
    memcpy(out, path.ptr, path.len);
    out[path.len] = '\0';
    buf_free(&path);
}

static void every_operation_is_reached_by_its_own_path(void **state)
{
    (void)state;
    size_t with_path = 0;
    for (size_t i = 0; i < aws_operation_count; i++) {
        const struct operation *operation = aws_operation_at(i);
        char path[512];
        assert_int_equal(operation->index, i);
        if (operation->service->protocol != AWS_REST_JSON)
            continue;
        with_path++;
        sample_path(operation, path, sizeof path);
        assert_string_equal(routed(operation->method.ptr, path), operation->name.ptr);
        assert_ptr_equal(route.operation, operation);
        for (size_t l = 0; operation->arn_type.len == 0 && l < operation->label_count; l++) {
            char value[16];
            snprintf(value, sizeof value, "value%zu", l);
            assert_view_is(route.labels[l], value);
        }
    }
    assert_int_equal(with_path, 245);
}

static void every_operation_is_found_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < aws_operation_count; i++)
        assert_ptr_equal(aws_operation_find(aws_operation_at(i)->name)->name.ptr != NULL, true);
    assert_string_equal(aws_operation_find(VIEW("Converse"))->service->name.ptr, "bedrock-runtime");
    assert_null(aws_operation_find(VIEW("converse")));
    assert_null(aws_operation_find(VIEW("")));
}

static void an_operation_that_several_services_have_is_found_by_its_service(void **state)
{
    (void)state;
    const struct operation *tag = aws_operation_find(VIEW("bedrock:TagResource"));
    assert_string_equal(tag->service->name.ptr, "bedrock");
    assert_string_equal(aws_operation_find(VIEW("bedrock-agent:TagResource"))->service->name.ptr, "bedrock-agent");
    assert_null(aws_operation_find(VIEW("bedrock:Converse")));
}

static void services_hold_their_operations(void **state)
{
    (void)state;
    size_t sum = 0;
    assert_int_equal(aws_service_count, 8);
    for (size_t i = 0; i < aws_service_count; i++) {
        const struct service *service = aws_services[i];
        bool bedrock = service->protocol == AWS_REST_JSON;
        assert_view_is(service->signing_name, bedrock ? "bedrock" : service->name.ptr);
        assert_int_equal(service->encode_path_twice, service->protocol != AWS_REST_XML);
        assert_int_equal(service->skew_seconds, bedrock ? 300 : 900);
        for (size_t o = 0; o < service->operation_count; o++)
            assert_ptr_equal(service->operations[o].service, service);
        sum += service->operation_count;
    }
    assert_int_equal(sum, aws_operation_count);
}

static void a_label_is_one_undecoded_segment(void **state)
{
    (void)state;
    assert_routes("POST", "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc/invoke", "InvokeModel");
    assert_view_is(route.labels[0], "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc");
    assert_routes("POST", "/model/amazon.titan-text-v1:0/converse", "Converse");
    assert_view_is(route.labels[0], "amazon.titan-text-v1:0");
    assert_routes("POST", "/model/a/b/converse", "nothing");
    assert_routes("POST", "/model//converse", "nothing");
}

static void tags_belong_to_the_service_of_the_arn(void **state)
{
    (void)state;
    static const struct {
        const char *arn, *service;
    } rows[] = {
        { "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Asession%2F0a", "bedrock-agent-runtime" },
        { "arn:aws:bedrock:us-east-1:123456789012:session%2f0a", "bedrock-agent-runtime" },
        { "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aknowledge-base%2F0a", "bedrock-agent" },
        { "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aagent-alias%2FA%2FB", "bedrock-agent" },
        { "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Asessions%2F0a", "bedrock-agent" },
        { "session", "bedrock-agent" },
    };
    static const char *const methods[] = { "GET", "POST", "DELETE" };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t m = 0; m < COUNT_OF(methods); m++) {
            char path[256];
            snprintf(path, sizeof path, "/tags/%s", rows[i].arn);
            assert_string_not_equal(routed(methods[m], path), "nothing");
            assert_view_is(route.operation->service->name, rows[i].service);
        }
    }
}

static void a_trailing_slash_tells_prepare_agent_from_invoke_inline_agent(void **state)
{
    (void)state;
    assert_routes("POST", "/agents/ABC/", "PrepareAgent");
    assert_routes("POST", "/agents/ABC", "InvokeInlineAgent");
    assert_routes("POST", "/agents/", "ListAgents");
    assert_routes("PUT", "/agents/", "CreateAgent");
    assert_routes("PUT", "/agents/ABC/", "UpdateAgent");
}

static void a_trailing_slash_is_forgiven_where_nobody_else_claims_the_path(void **state)
{
    (void)state;
    assert_routes("GET", "/agents/ABC", "GetAgent");
    assert_routes("POST", "/agents", "ListAgents");
    assert_routes("GET", "/foundation-models/", "ListFoundationModels");
    assert_routes("POST", "/model/m/converse/", "Converse");
    assert_routes("POST", "/model/m/converse//", "nothing");
}

static void paths_are_case_sensitive(void **state)
{
    (void)state;
    assert_routes("GET", "/agents/A/agentaliases/B/", "GetAgentAlias");
    assert_routes("GET", "/agents/A/agentAliases/B/memories", "GetAgentMemory");
    assert_routes("POST", "/agents/A/agentAliases/B/sessions/C/text", "InvokeAgent");
    assert_routes("GET", "/agents/A/agentaliases/B/memories", "nothing");
    assert_routes("GET", "/Foundation-Models", "nothing");
    assert_routes("post", "/model/m/converse", "nothing");
}

static void one_path_serves_several_methods(void **state)
{
    (void)state;
    assert_routes("GET", "/flows/F/aliases/A", "GetFlowAlias");
    assert_routes("POST", "/flows/F/aliases/A", "InvokeFlow");
    assert_routes("PUT", "/flows/F/aliases/A", "UpdateFlowAlias");
    assert_routes("DELETE", "/flows/F/aliases/A", "DeleteFlowAlias");
    assert_routes("PATCH", "/flows/F/aliases/A", "nothing");
}

static void a_literal_goes_before_a_label_and_gives_way_for_another_method(void **state)
{
    (void)state;
    assert_routes("POST", "/flows/validate-definition", "ValidateFlowDefinition");
    assert_routes("POST", "/flows/validate-definition/", "PrepareFlow");
    assert_routes("GET", "/flows/validate-definition/", "GetFlow");
    assert_routes("POST", "/evaluation-jobs/batch-delete", "BatchDeleteEvaluationJob");
    assert_routes("GET", "/evaluation-jobs/batch-delete", "GetEvaluationJob");
    assert_routes("GET", "/custom-models/create-custom-model", "GetCustomModel");
}

static void unknown_paths_lead_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = { "", "/", "//", "/model", "/model/", "/nope", "model/m/converse", "/tags/", "/%2F", "/model/m",
                                         "/model/m/converse/x/y/z/x/y/z/x/y/z/x/y/z/x/y/z" };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_routes("POST", paths[i], "nothing");
}

static void rows_carry_what_the_wire_needs(void **state)
{
    (void)state;
    const struct operation *converse = aws_operation_find(VIEW("Converse"));
    assert_view_is(converse->action, "bedrock:InvokeModel");
    assert_view_is(converse->resource, "foundation-model/{modelId}");
    assert_int_equal(converse->input_body, AWS_INPUT_JSON);
    assert_false(converse->event_stream);
    const struct operation *stream = aws_operation_find(VIEW("InvokeModelWithResponseStream"));
    assert_view_is(stream->action, "bedrock:InvokeModelWithResponseStream");
    assert_int_equal(stream->input_body, AWS_INPUT_BYTES);
    assert_true(stream->event_stream);
    assert_int_equal(aws_operation_find(VIEW("ListFoundationModels"))->input_body, AWS_INPUT_NONE);
    assert_int_equal(aws_operation_find(VIEW("CreateModelCustomizationJob"))->status, 201);
    assert_int_equal(aws_operation_find(VIEW("InvokeModelWithBidirectionalStream"))->input_body, AWS_INPUT_STREAM);
}

static void the_status_of_an_error_is_a_column_of_its_service(void **state)
{
    (void)state;
    const struct service *bedrock = aws_operation_find(VIEW("CreateGuardrail"))->service;
    const struct service *agent = aws_operation_find(VIEW("CreateAgent"))->service;
    const struct service *runtime = aws_operation_find(VIEW("Converse"))->service;
    const struct service *agent_runtime = aws_operation_find(VIEW("Retrieve"))->service;
    assert_int_equal(aws_status_http(bedrock, AWS_CONFLICT), 400);
    assert_int_equal(aws_status_http(agent, AWS_CONFLICT), 409);
    assert_int_equal(aws_status_http(agent, AWS_SERVICE_QUOTA_EXCEEDED), 402);
    assert_int_equal(aws_status_http(runtime, AWS_SERVICE_QUOTA_EXCEEDED), 400);
    assert_int_equal(aws_status_http(runtime, AWS_MODEL_NOT_READY), 429);
    assert_int_equal(aws_status_http(agent_runtime, AWS_MODEL_NOT_READY), 424);
    assert_int_equal(aws_status_http(runtime, AWS_MODEL_ERROR), 424);
    assert_int_equal(aws_status_http(runtime, AWS_MODEL_TIMEOUT), 408);
    assert_int_equal(aws_status_http(NULL, AWS_UNKNOWN_OPERATION), 404);
    assert_int_equal(aws_status_http(runtime, AWS_INVALID_SIGNATURE), 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_reached_by_its_own_path),
        cmocka_unit_test(every_operation_is_found_by_name),
        cmocka_unit_test(an_operation_that_several_services_have_is_found_by_its_service),
        cmocka_unit_test(services_hold_their_operations),
        cmocka_unit_test(a_label_is_one_undecoded_segment),
        cmocka_unit_test(tags_belong_to_the_service_of_the_arn),
        cmocka_unit_test(a_trailing_slash_tells_prepare_agent_from_invoke_inline_agent),
        cmocka_unit_test(a_trailing_slash_is_forgiven_where_nobody_else_claims_the_path),
        cmocka_unit_test(paths_are_case_sensitive),
        cmocka_unit_test(one_path_serves_several_methods),
        cmocka_unit_test(a_literal_goes_before_a_label_and_gives_way_for_another_method),
        cmocka_unit_test(unknown_paths_lead_nowhere),
        cmocka_unit_test(rows_carry_what_the_wire_needs),
        cmocka_unit_test(the_status_of_an_error_is_a_column_of_its_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
