/* The old signatures, against values made by another implementation. */
#include "unit.h"

#include "s3/sigv2.h"

#define SECRET VIEW("secret key")

static int setup(void **state)
{
    *state = arena_create(1 << 20);
    return *state == NULL;
}

static int teardown(void **state)
{
    arena_destroy(*state);
    return 0;
}

static void a_signed_header_covers_amz_fields_and_parameters(void **state)
{
    struct http_header headers[] = {
        { VIEW_INIT("x-amz-meta-b"), VIEW_INIT(" x ") },
        { VIEW_INIT("authorization"), VIEW_INIT("AWS AKID:ygXDQw2FIvMSLqqh0eM/J8tMuoE=") },
        { VIEW_INIT("content-md5"), VIEW_INIT("md5") },
        { VIEW_INIT("content-type"), VIEW_INIT("text/plain") },
        { VIEW_INIT("x-amz-meta-a"), VIEW_INIT("1") },
        { VIEW_INIT("x-amz-meta-a"), VIEW_INIT("2") },
        { VIEW_INIT("x-amz-date"), VIEW_INIT("Tue, 27 Mar 2007 19:36:42 GMT") },
    };
    struct http_request request = { .method = VIEW("PUT"), .path = VIEW("/a%20b"), .query = VIEW("uploadId=x%2Fy&other=1&partNumber=1"),
                                    .headers = headers, .header_count = COUNT_OF(headers) };
    struct sigv2 signature;
    assert_true(sigv2_parse(&request, *state, &signature));
    assert_false(signature.query);
    assert_view_is(signature.key_id, "AKID");
    assert_int_equal(signature.signed_ms, 1175024202000);
    assert_true(sigv2_verify(&signature, &request, VIEW("bucket"), SECRET, *state));
    assert_false(sigv2_verify(&signature, &request, VIEW(""), SECRET, *state));
    assert_false(sigv2_verify(&signature, &request, VIEW("bucket"), VIEW("secret"), *state));
    headers[3].value = VIEW("text/html");
    assert_false(sigv2_verify(&signature, &request, VIEW("bucket"), SECRET, *state));
}

static void a_presigned_url_covers_its_end_and_what_it_overrides(void **state)
{
    struct http_request request = { .method = VIEW("GET"), .path = VIEW("/bucket/k"),
                                    .query = VIEW("acl&response-content-type=text%2Fx&AWSAccessKeyId=AKID&Expires=1175139620"
                                                  "&Signature=xDvPrCb%2Be%2BOkmtdwB4L3t5K4ZxQ%3D") };
    struct sigv2 signature;
    assert_true(sigv2_parse(&request, *state, &signature));
    assert_true(signature.query);
    assert_int_equal(signature.expires_ms, 1175139620000);
    assert_true(sigv2_verify(&signature, &request, VIEW(""), SECRET, *state));
    request.method = VIEW("PUT");
    assert_false(sigv2_verify(&signature, &request, VIEW(""), SECRET, *state));
}

static void malformed_signatures_are_refused(void **state)
{
    static const struct {
        const char *authorization, *query;
    } cases[] = {
        { "AWS AKID", "" },
        { "AWS AKID:", "" },
        { "AWS :ygXDQw2FIvMSLqqh0eM/J8tMuoE=", "" },
        { "AWS AKID:short", "" },
        { "AWS AKID:ygXDQw2FIvMSLqqh0eM/J8tMuoE=", "" },    /* no date */
        { NULL, "AWSAccessKeyId=AKID&Expires=1" },
        { NULL, "AWSAccessKeyId=AKID&Expires=soon&Signature=xDvPrCb%2Be%2BOkmtdwB4L3t5K4ZxQ%3D" },
        { NULL, "AWSAccessKeyId=AKID&Expires=18446744073709551615&Signature=xDvPrCb%2Be%2BOkmtdwB4L3t5K4ZxQ%3D" },
        { NULL, "AWSAccessKeyId=%zz&Expires=1&Signature=xDvPrCb%2Be%2BOkmtdwB4L3t5K4ZxQ%3D" },
        { NULL, "AWSAccessKeyId=AKID&Expires=1&Signature=%zz" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_header header = { VIEW_INIT("authorization"), view_from_cstr(cases[i].authorization) };
        const struct http_request request = { .query = view_from_cstr(cases[i].query), .headers = &header,
                                              .header_count = cases[i].authorization != NULL };
        struct sigv2 signature;
        if (sigv2_parse(&request, *state, &signature))
            fail_msg("case %zu was taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signed_header_covers_amz_fields_and_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(a_presigned_url_covers_its_end_and_what_it_overrides, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_signatures_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
