#include "unit.h"

#include "aws/protocol.h"

static struct arena *arena;

static const struct service *service_of(const char *operation)
{
    return aws_operation_find(view_from_cstr(operation))->service;
}

static struct view error_of(const struct service *service, enum aws_status status)
{
    static const struct http_header member = { VIEW_INIT("resourceName"), VIEW_INIT("x") };
    const struct error_reply error = { status, VIEW("Not <here>."), VIEW("id-1"), &member, 1 };
    struct buf out = BUF_INIT(4096);
    protocol_write_error(service, &error, &out);
    struct view text = arena_copy(arena, buf_view(&out));
    buf_free(&out);
    return text;
}

static void each_protocol_has_its_form_of_an_error(void **state)
{
    (void)state;
    assert_view_is(error_of(NULL, AWS_VALIDATION),
                   "{\"__type\":\"ValidationException\",\"message\":\"Not <here>.\",\"resourceName\":\"x\"}");
    assert_view_is(error_of(service_of("Converse"), AWS_CONFLICT),
                   "{\"__type\":\"ConflictException\",\"message\":\"Not <here>.\",\"resourceName\":\"x\"}");
    assert_view_is(error_of(service_of("Scan"), AWS_RESOURCE_NOT_FOUND),
                   "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException\",\"message\":\"Not "
                   "<here>.\",\"resourceName\":\"x\"}");
    assert_view_is(error_of(service_of("GetCallerIdentity"), AWS_ACCESS_DENIED),
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
                   "<Type>Sender</Type><Code>AccessDenied</Code><Message>Not &lt;here&gt;.</Message></Error><RequestId>id-1</RequestId>"
                   "</ErrorResponse>");
}

static void codes_and_statuses_follow_the_protocol(void **state)
{
    (void)state;
    const struct service *json = service_of("Scan"), *query = service_of("GetCallerIdentity"), *rest = service_of("Converse");
    static const struct {
        enum aws_status status;
        const char *query_code;
        int rest, json, query;
    } rows[] = {
        { AWS_UNRECOGNIZED_CLIENT, "InvalidClientTokenId", 403, 400, 403 },
        { AWS_INVALID_SIGNATURE, "SignatureDoesNotMatch", 403, 400, 403 },
        { AWS_UNKNOWN_OPERATION, "InvalidAction", 404, 400, 400 },
        { AWS_THROTTLING, "Throttling", 429, 400, 429 },
        { AWS_INTERNAL_SERVER, "InternalFailure", 500, 500, 500 },
        { AWS_SERVICE_UNAVAILABLE, "ServiceUnavailable", 503, 503, 503 },
        { AWS_NOT_IMPLEMENTED, "NotImplemented", 501, 501, 501 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_view_is(protocol_error_code(query, rows[i].status), rows[i].query_code);
        assert_view_is(protocol_error_code(json, rows[i].status), aws_status_name(rows[i].status));
        assert_int_equal(aws_status_http(rest, rows[i].status), rows[i].rest);
        assert_int_equal(aws_status_http(json, rows[i].status), rows[i].json);
        assert_int_equal(aws_status_http(query, rows[i].status), rows[i].query);
    }
    assert_view_is(protocol_media_type(NULL), "application/json");
    assert_view_is(protocol_media_type(json), "application/x-amz-json-1.0");
    assert_view_is(protocol_media_type(query), "text/xml");
}

static void a_reply_in_xml_has_the_members_of_the_object(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    const struct operation *operation = aws_operation_find(VIEW("GetCallerIdentity"));
    buf_append_cstr(&out, "{\"Account\":\"1\",\"Deep\":{\"List\":[1,true,\"a&b\"]},\"Nothing\":null}");
    assert_true(protocol_write_xml(operation, buf_view(&out), VIEW("id-2"), arena, &out));
    assert_view_is(buf_view(&out),
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<GetCallerIdentityResponse "
                   "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                   "<GetCallerIdentityResult><Account>1</Account><Deep><List><member>1</member><member>true</member>"
                   "<member>a&amp;b</member></List></Deep>"
                   "</GetCallerIdentityResult><ResponseMetadata><RequestId>id-2</RequestId></ResponseMetadata>"
                   "</GetCallerIdentityResponse>");
    assert_false(protocol_write_xml(operation, VIEW("[]"), VIEW("id"), arena, &out));
    assert_false(protocol_write_xml(operation, VIEW(""), VIEW("id"), arena, &out));
    buf_free(&out);
}

static int setup(void **state)
{
    (void)state;
    arena = arena_create(1 << 20);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_protocol_has_its_form_of_an_error),
        cmocka_unit_test(codes_and_statuses_follow_the_protocol),
        cmocka_unit_test(a_reply_in_xml_has_the_members_of_the_object),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
