#include "unit.h"

#include "aws/operation.h"
#include "net/http.h"

#define SIGNED_FOR(service) "AWS4-HMAC-SHA256 Credential=AKID/20250102/us-east-1/" service "/aws4_request, SignedHeaders=host, Signature=0"
#define FORM                "application/x-www-form-urlencoded; charset=utf-8"

static struct destination to;

static void go(const char *method, const char *path, const char *query, const char *header, const char *value, const char *authorization)
{
    const struct http_header headers[] = {
        { view_from_cstr(header), view_from_cstr(value) },
        { VIEW("authorization"), view_from_cstr(authorization) },
    };
    const struct http_request request = { .method = view_from_cstr(method), .path = view_from_cstr(path), .query = view_from_cstr(query),
                                          .headers = headers, .header_count = COUNT_OF(headers) };
    aws_destination(&request, &to);
}

static const char *operation(void)
{
    return to.operation != NULL ? to.operation->name.ptr : to.in_body ? "in the body" : "nothing";
}

static void a_path_leads_to_its_operation(void **state)
{
    (void)state;
    go("POST", "/model/a%3A0/converse", NULL, "x", "y", SIGNED_FOR("bedrock"));
    assert_string_equal(operation(), "Converse");
    assert_view_is(to.service->name, "bedrock-runtime");
    assert_view_is(to.labels[0], "a%3A0");
    go("POST", "/no/such/path", NULL, "x-amz-target", "DynamoDB_20120810.Scan", SIGNED_FOR("dynamodb"));
    assert_string_equal(operation(), "nothing");
    assert_null(to.service);
}

static void a_target_names_service_and_operation(void **state)
{
    (void)state;
    go("POST", "/", NULL, "x-amz-target", "DynamoDB_20120810.Scan", SIGNED_FOR("dynamodb"));
    assert_string_equal(operation(), "Scan");
    assert_view_is(to.service->name, "dynamodb");
}

static void an_unknown_target_is_remembered_by_name(void **state)
{
    (void)state;
    static const char *const targets[] = { "AmazonSSM.GetParameter", "DynamoDB_20120810.Guess", "DynamoDB_20120810", "." };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        go("POST", "/", NULL, "x-amz-target", targets[i], SIGNED_FOR("ssm"));
        assert_string_equal(operation(), "nothing");
        assert_int_equal(to.service->protocol, AWS_JSON);
        assert_view_is(to.asked, targets[i]);
    }
}

static void an_action_stands_in_the_query_or_in_the_form(void **state)
{
    (void)state;
    go("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=AKID%2F20250102%2Fus-east-1%2Fsts%2Faws4_request",
       "x", "y",
       NULL);
    assert_string_equal(operation(), "GetCallerIdentity");
    go("POST", "/", NULL, "content-type", FORM, SIGNED_FOR("sts"));
    assert_string_equal(operation(), "in the body");
    assert_view_is(to.service->name, "sts");
    aws_destination_action(VIEW("Version=2011-06-15&Action=GetCallerIdentity"), &to);
    assert_string_equal(operation(), "GetCallerIdentity");
}

/* The caller was judged by the rules of the service that signed for: a form must not lead elsewhere. */
static void a_form_stays_with_the_service_of_the_signature(void **state)
{
    (void)state;
    go("POST", "/", NULL, "content-type", FORM, SIGNED_FOR("iam"));
    assert_string_equal(operation(), "in the body");
    aws_destination_action(VIEW("Action=GetCallerIdentity"), &to);
    assert_string_equal(operation(), "nothing");
    assert_int_equal(to.service->protocol, AWS_QUERY);
    assert_int_equal(to.service->operation_count, 0);
    assert_view_is(to.asked, "GetCallerIdentity");
}

static void without_a_signature_the_action_tells_the_service(void **state)
{
    (void)state;
    go("POST", "/", NULL, "content-type", FORM, NULL);
    aws_destination_action(VIEW("Action=GetCallerIdentity"), &to);
    assert_string_equal(operation(), "GetCallerIdentity");
    go("POST", "/", NULL, "content-type", FORM, NULL);
    aws_destination_action(VIEW("no action here"), &to);
    assert_string_equal(operation(), "nothing");
}

static void the_root_alone_is_no_operation(void **state)
{
    (void)state;
    go("GET", "/", NULL, "x", "y", SIGNED_FOR("sts"));
    assert_string_equal(operation(), "nothing");
    assert_null(to.service);
    go("POST", "/", NULL, "content-type", "application/json", "Credential=");
    assert_null(to.service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_leads_to_its_operation),
        cmocka_unit_test(a_target_names_service_and_operation),
        cmocka_unit_test(an_unknown_target_is_remembered_by_name),
        cmocka_unit_test(an_action_stands_in_the_query_or_in_the_form),
        cmocka_unit_test(a_form_stays_with_the_service_of_the_signature),
        cmocka_unit_test(without_a_signature_the_action_tells_the_service),
        cmocka_unit_test(the_root_alone_is_no_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
