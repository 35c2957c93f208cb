/* Which bucket a request names, and whether it is meant for S3. */
#include "unit.h"

#include "s3/address.h"

static const struct view names[] = { VIEW_INIT("s3.example.com"), VIEW_INIT("s3.localhost") };
static const struct s3_domains domains = { names, COUNT_OF(names) };

static void a_bucket_stands_in_the_host_or_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *host, *path, *bucket, *key;
        bool virtual_host;
    } cases[] = {
        { "localhost:4747", "/b/k", "b", "k", false },
        { "127.0.0.1", "/b/k/l//m", "b", "k/l//m", false },
        { "[::1]:4747", "/b", "b", "", false },
        { "localhost", "/b/", "b", "", false },
        { "localhost", "/", "", "", false },
        { "b.localhost:4747", "/k/l", "b", "k/l", true },
        { "b.LocalHost", "/", "b", "", true },
        { "b.c.localhost", "/k", "b.c", "k", true },
        { "s3.localhost", "/b/k", "b", "k", false },
        { "b.s3.localhost:1", "/k", "b", "k", true },
        { "b.s3.example.com", "//k", "b", "/k", true },
        { "s3.example.com", "/b/%2F", "b", "%2F", false },
        { "example.com", "/b/k", "b", "k", false },
        { "blocalhost", "/b/k", "b", "k", false },
        { ".localhost", "/b/k", "b", "k", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_request request = { .authority = view_from_cstr(cases[i].host), .path = view_from_cstr(cases[i].path) };
        struct s3_address address = s3_address_of(&domains, &request);
        assert_view_is(address.bucket, cases[i].bucket);
        assert_view_is(address.key, cases[i].key);
        assert_int_equal(address.virtual_host, cases[i].virtual_host);
    }
}

#define V4(service) "AWS4-HMAC-SHA256 Credential=AKID/20250102/us-east-1/" service "/aws4_request, SignedHeaders=host, Signature=0"

static void a_signature_says_for_whom_a_request_is(void **state)
{
    (void)state;
    static const struct {
        const char *host, *authorization, *query;
        enum s3_claim claim;
    } cases[] = {
        { "localhost", V4("s3"), "", S3_CLAIM_SIGNED },
        { "localhost", V4("bedrock"), "", S3_CLAIM_NONE },
        { "b.localhost", V4("bedrock"), "", S3_CLAIM_NONE },
        { "localhost", V4("s3express"), "", S3_CLAIM_NONE },
        { "localhost", "AWS4-HMAC-SHA256 nonsense", "", S3_CLAIM_NONE },
        { "localhost", "AWS AKID:sig", "", S3_CLAIM_SIGNED },
        { "localhost", "Bearer x", "", S3_CLAIM_NONE },
        { "localhost", NULL, "X-Amz-Credential=AKID%2F20250102%2Fus-east-1%2Fs3%2Faws4_request", S3_CLAIM_SIGNED },
        { "localhost", NULL, "a=b&X-Amz-Credential=AKID/20250102/us-east-1/s3/aws4_request", S3_CLAIM_SIGNED },
        { "localhost", NULL, "X-Amz-Credential=AKID%2f20250102%2fus-east-1%2fbedrock%2faws4_request", S3_CLAIM_NONE },
        { "localhost", NULL, "X-Amz-Credential=", S3_CLAIM_NONE },
        { "localhost", NULL, "AWSAccessKeyId=AKID&Expires=1&Signature=x", S3_CLAIM_SIGNED },
        { "localhost", NULL, "AWSAccessKeyId=AKID", S3_CLAIM_UNSIGNED },
        { "localhost", NULL, "", S3_CLAIM_UNSIGNED },
        { "b.localhost", NULL, "", S3_CLAIM_HOST },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_header header = { VIEW_INIT("authorization"), view_from_cstr(cases[i].authorization) };
        const struct http_request request = { .authority = view_from_cstr(cases[i].host), .path = VIEW("/b/k"),
                                              .query = view_from_cstr(cases[i].query), .headers = &header,
                                              .header_count = cases[i].authorization != NULL };
        if (s3_claim_of(&domains, &request) != cases[i].claim)
            fail_msg("case %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_stands_in_the_host_or_the_path),
        cmocka_unit_test(a_signature_says_for_whom_a_request_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
