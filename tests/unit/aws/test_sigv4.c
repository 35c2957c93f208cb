#include "unit.h"

#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/json.h"

#define HEADERS   32
#define FILE_SIZE 65536

/* One signed request of a vector file. */
struct vector {
    const char *name;
    struct sigv4_message message;
    struct http_header headers[HEADERS];
    struct view key_id, secret, body;
    struct sigv4_rules rules;
    int64_t now_ms;
};

static struct arena *arena;
static struct sigv4_work work;
static struct signing_keys *keys;

static int setup(void **state)
{
    (void)state;
    arena = arena_create(64u << 20);
    sigv4_work_init(&work);
    keys = signing_keys_create();
    return arena != NULL && keys != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    signing_keys_destroy(keys);
    sigv4_work_free(&work);
    arena_destroy(arena);
    return 0;
}

static const struct json *load(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", VECTORS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = arena_alloc(arena, FILE_SIZE);
    assert_non_null(text);
    size_t len = fread(text, 1, FILE_SIZE, file);
    fclose(file);
    const struct json *root = json_parse(arena, view_of(text, len), JSON_DEPTH_DEFAULT, NULL);
    assert_non_null(root);
    return root;
}

static void read_vector(const struct json *row, struct vector *out)
{
    *out = (struct vector){
        .name = json_get_string(row, "name").ptr,
        .message = { .method = json_get_string(row, "method"), .path = json_get_string(row, "path"),
                     .query = json_get_string(row, "query"), .authority = json_get_string(row, "authority") },
        .key_id = json_get_string(row, "key"),
        .secret = json_get_string(row, "secret"),
        .body = json_get_string(row, "body"),
        .rules = { .service = json_get_string(row, "service"), .skew_seconds = 300 },
    };
    out->rules.encode_path_twice = !view_is(out->rules.service, "s3");
    out->rules.allow_unsigned_payload = !out->rules.encode_path_twice;
    assert_true(clock_parse_amz(json_get_string(row, "now"), &out->now_ms));
    struct json_iter it = json_iter(json_get(row, "headers"));
    while (json_next(&it)) {
        assert_in_range(out->message.header_count, 0, HEADERS - 1);
        out->headers[out->message.header_count++] =
            (struct http_header){ json_string(json_at(it.value, 0)), json_string(json_at(it.value, 1)) };
    }
    out->message.headers = out->headers;
}

/* The whole way of a request: parse, check, hash, key, verify. */
static bool accepted(const struct vector *v, struct sigv4_refusal *why)
{
    struct sigv4 signature;
    uint8_t key[SHA256_SIZE], hash[SHA256_SIZE];
    if (!sigv4_parse(&v->message, arena, &signature, why) || !sigv4_check(&signature, &v->rules, v->now_ms, why))
        return false;
    assert_view_eq(signature.key_id, v->key_id);
    bool needs_body = sigv4_needs_body(&signature, &v->rules);
    if (needs_body)
        sha256(v->body, hash);
    signing_keys_get(keys, signature.key_id, v->secret, &signature, key);
    return sigv4_verify(&signature, &v->message, &v->rules, key, needs_body ? hash : NULL, &work, why);
}

static void assert_refused(const struct vector *v, enum aws_status status, const char *part)
{
    struct sigv4_refusal why = { 0 };
    assert_false(accepted(v, &why));
    if (why.status != status || strstr(why.text, part) == NULL)
        fail_msg("%s: %s: %s", v->name, aws_status_name(why.status), why.text);
}

static void first_vector(struct vector *out)
{
    read_vector(json_at(load("sigv4_vectors.json"), 0), out);
}

static struct view *header(struct vector *v, const char *name)
{
    for (size_t i = 0; i < v->message.header_count; i++) {
        if (view_is(v->headers[i].name, name))
            return &v->headers[i].value;
    }
    fail_msg("no header %s", name);
    return NULL;
}

static struct view replaced(struct view text, const char *old, const char *new)
{
    size_t at = view_find(text, view_from_cstr(old));
    assert_int_not_equal(at, VIEW_NPOS);
    return view_from_cstr(arena_printf(arena, VIEW_FMT "%s" VIEW_FMT, VIEW_ARG(view_first(text, at)), new,
                                       VIEW_ARG(view_from(text, at + strlen(old)))));
}

/* ---- what must be accepted ---- */

static void accept_all(const char *file, size_t at_least)
{
    const struct json *root = load(file);
    size_t count = 0;
    for (struct json_iter it = json_iter(root); json_next(&it); count++) {
        struct vector v;
        struct sigv4_refusal why = { 0 };
        read_vector(it.value, &v);
        if (!accepted(&v, &why))
            fail_msg("%s: %s: %s\n%.*s", v.name, aws_status_name(why.status), why.text, VIEW_ARG(buf_view(&work.canonical)));
    }
    assert_in_range(count, at_least, 1000);
}

static void what_botocore_signs_is_accepted(void **state)
{
    (void)state;
    accept_all("sigv4_vectors.json", 10);
}

static void published_examples_and_http2_clients_are_accepted(void **state)
{
    (void)state;
    accept_all("sigv4_published.json", 12);
}

static void blanks_between_the_parameters_are_optional(void **state)
{
    (void)state;
    struct vector v;
    struct sigv4_refusal why = { 0 };
    first_vector(&v);
    struct view *authorization = header(&v, "authorization");
    *authorization = replaced(replaced(*authorization, ", Signed", ",Signed"), ", Sig", ",  Sig");
    assert_true(accepted(&v, &why));
}

static void headers_that_are_not_signed_do_not_matter(void **state)
{
    (void)state;
    struct vector v;
    struct sigv4_refusal why = { 0 };
    first_vector(&v);
    v.headers[v.message.header_count++] = (struct http_header){ VIEW("user-agent"), VIEW("anything") };
    assert_true(accepted(&v, &why));
}

static void a_request_is_good_up_to_the_last_second_of_the_window(void **state)
{
    (void)state;
    struct vector v;
    struct sigv4_refusal why = { 0 };
    first_vector(&v);
    int64_t signed_ms = v.now_ms;
    v.now_ms = signed_ms + 300000;
    assert_true(accepted(&v, &why));
    v.now_ms = signed_ms + 301000;
    assert_refused(&v, AWS_INVALID_SIGNATURE, "Signature expired: 20250102T030405Z is now earlier than 20250102T030406Z "
                                              "(20250102T030906Z - 5 min.)");
    v.now_ms = signed_ms - 300000;
    assert_true(accepted(&v, &why));
    v.now_ms = signed_ms - 301000;
    assert_refused(&v, AWS_INVALID_SIGNATURE, "Signature not yet current: 20250102T030405Z is still later than");
}

static void a_presigned_url_lives_as_long_as_it_says(void **state)
{
    (void)state;
    struct vector v;
    struct sigv4_refusal why = { 0 };
    struct json_iter it = json_iter(load("sigv4_vectors.json"));
    do {
        assert_true(json_next(&it));
        read_vector(it.value, &v);
    } while (strcmp(v.name, "presigned") != 0);
    v.now_ms += 600000;
    assert_true(accepted(&v, &why));
    v.now_ms += 1000;
    assert_refused(&v, AWS_INVALID_SIGNATURE, "Signature expired");
}

/* ---- what must be refused ---- */

static void any_changed_byte_is_refused(void **state)
{
    (void)state;
    struct vector v;
    first_vector(&v);
    v.body = VIEW("{}");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
    first_vector(&v);
    v.message.path = VIEW("/model/amazon.titan-text-express-v1:0/converse");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
    first_vector(&v);
    v.message.query = VIEW("a=b");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
    first_vector(&v);
    v.message.method = VIEW("PUT");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
    first_vector(&v);
    v.message.authority = VIEW("127.0.0.1:4748");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
    first_vector(&v);
    *header(&v, "content-type") = VIEW("text/plain");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
    first_vector(&v);
    v.secret = VIEW("another");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
}

static void a_repeated_signed_header_is_joined_and_so_refused(void **state)
{
    (void)state;
    struct vector v;
    first_vector(&v);
    v.headers[v.message.header_count++] = (struct http_header){ VIEW("content-type"), VIEW("text/plain") };
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
}

static void a_signed_header_that_is_missing_is_refused(void **state)
{
    (void)state;
    struct vector v;
    first_vector(&v);
    struct view *authorization = header(&v, "authorization");
    *authorization = replaced(*authorization, "content-type;host", "content-type;cookie;host");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "SignedHeaders is missing");
}

static void a_content_hash_that_is_not_the_bodys_is_refused(void **state)
{
    (void)state;
    static const char *const hashes[] = { "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        struct vector v;
        first_vector(&v);
        v.headers[v.message.header_count++] = (struct http_header){ VIEW("x-amz-content-sha256"), view_from_cstr(hashes[i]) };
        assert_refused(&v, AWS_INVALID_SIGNATURE, "x-amz-content-sha256");
    }
}

static void malformed_authorizations_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        enum aws_status status;
        const char *text;
    } rows[] = {
        { "Credential=", "Credenzial=", AWS_INCOMPLETE_SIGNATURE, "requires 'Credential' parameter" },
        { "Signature=5c8099f3", "Signature=zz8099f3", AWS_INCOMPLETE_SIGNATURE, "64 hexadecimal digits" },
        { "Signature=5c", "Signature=", AWS_INCOMPLETE_SIGNATURE, "64 hexadecimal digits" },
        { "SignedHeaders=", "SignedHeaders", AWS_INCOMPLETE_SIGNATURE, "missing equal-sign" },
        { "AKIDEXAMPLE/", "", AWS_INCOMPLETE_SIGNATURE, "exactly 5 slash-delimited elements" },
        { "aws4_request", "aws4_request/x", AWS_INCOMPLETE_SIGNATURE, "exactly 5 slash-delimited elements" },
        { "aws4_request", "aws5_request", AWS_INVALID_SIGNATURE, "valid terminator" },
        { "/bedrock/", "/s3/", AWS_INVALID_SIGNATURE, "correct service: 'bedrock'" },
        { "/us-east-1/", "//", AWS_INVALID_SIGNATURE, "valid region" },
        { "/20250102/", "/20250103/", AWS_INVALID_SIGNATURE, "Date in Credential scope does not match" },
        { "host;", "", AWS_INVALID_SIGNATURE, "'Host' or ':authority' must be" },
        { ";x-amz-date", "", AWS_INVALID_SIGNATURE, "'x-amz-date' must be" },
        { "host;", "host;;", AWS_INCOMPLETE_SIGNATURE, "empty name" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct vector v;
        first_vector(&v);
        struct view *authorization = header(&v, "authorization");
        *authorization = replaced(*authorization, rows[i].old, rows[i].new);
        assert_refused(&v, rows[i].status, rows[i].text);
    }
}

static void a_date_is_required_and_must_be_readable(void **state)
{
    (void)state;
    struct vector v;
    first_vector(&v);
    *header(&v, "x-amz-date") = VIEW("yesterday");
    assert_refused(&v, AWS_INCOMPLETE_SIGNATURE, "ISO-8601 'basic format'");
    first_vector(&v);
    for (size_t i = 0; i < v.message.header_count; i++) {
        if (view_is(v.headers[i].name, "x-amz-date"))
            v.headers[i].name = VIEW("x-else");
    }
    assert_refused(&v, AWS_INCOMPLETE_SIGNATURE, "either a 'X-Amz-Date' or a 'Date' header");
}

static void the_kind_of_authentication_is_told(void **state)
{
    (void)state;
    struct http_header bearer = { VIEW("authorization"), VIEW("Bearer abc") };
    struct sigv4_message message = { .method = VIEW("GET"), .path = VIEW("/"), .headers = &bearer };
    assert_int_equal(sigv4_kind(&message), SIGV4_ABSENT);
    message.header_count = 1;
    assert_int_equal(sigv4_kind(&message), SIGV4_OTHER);
    bearer.value = VIEW("AWS4-HMAC-SHA256 x");
    assert_int_equal(sigv4_kind(&message), SIGV4_HEADER);
    message.header_count = 0;
    message.query = VIEW("a=b&X-Amz-Algorithm=AWS4-HMAC-SHA256");
    assert_int_equal(sigv4_kind(&message), SIGV4_QUERY);
}

/* ---- the signer and the cache of keys ---- */

static void what_the_signer_signs_is_what_botocore_signs(void **state)
{
    (void)state;
    struct vector v;
    first_vector(&v);
    struct view theirs = *header(&v, "authorization");
    struct sigv4_signer signer = { .key_id = v.key_id, .secret = v.secret, .region = VIEW("us-east-1"), .rules = v.rules };
    v.message.header_count = 1; /* content-type */
    assert_view_is(v.headers[0].name, "content-type");
    uint8_t hash[SHA256_SIZE];
    struct http_header added[SIGV4_SIGNED_FIELDS];
    sha256(v.body, hash);
    size_t count = sigv4_sign(&signer, &v.message, hash, v.now_ms, arena, added);
    assert_int_equal(count, 2);
    assert_view_is(added[0].name, "x-amz-date");
    assert_view_is(added[0].value, "20250102T030405Z");
    assert_view_is(added[1].name, "authorization");
    assert_view_eq(added[1].value, theirs);
}

static void a_signed_s3_request_with_a_token_verifies(void **state)
{
    (void)state;
    struct vector v = {
        .name = "own", .key_id = VIEW("AK"), .secret = VIEW("secret"), .now_ms = 1735787045000,
        .message = { .method = VIEW("PUT"), .path = VIEW("/b/k%20"), .query = VIEW("partNumber=1&uploadId=x"), .authority = VIEW("h") },
        .rules = { .service = VIEW("s3"), .allow_unsigned_payload = true, .skew_seconds = 900 },
    };
    struct sigv4_signer signer = { v.key_id, v.secret, VIEW("token"), VIEW("eu-west-1"), v.rules };
    struct sigv4_refusal why = { 0 };
    v.message.header_count = sigv4_sign(&signer, &v.message, NULL, v.now_ms, arena, v.headers);
    v.message.headers = v.headers;
    assert_int_equal(v.message.header_count, 4);
    assert_view_is(*header(&v, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert_true(accepted(&v, &why));
    *header(&v, "x-amz-security-token") = VIEW("Token");
    assert_refused(&v, AWS_INVALID_SIGNATURE, "does not match");
}

static void a_changed_secret_is_not_answered_from_the_cache(void **state)
{
    (void)state;
    struct sigv4 signature = { .scope = VIEW("20250102/us-east-1/bedrock/aws4_request"), .date = VIEW("20250102"),
                               .region = VIEW("us-east-1"), .service = VIEW("bedrock") };
    uint8_t first[SHA256_SIZE], again[SHA256_SIZE], other[SHA256_SIZE], derived[SHA256_SIZE];
    signing_keys_get(keys, VIEW("AK"), VIEW("one"), &signature, first);
    signing_keys_get(keys, VIEW("AK"), VIEW("one"), &signature, again);
    signing_keys_get(keys, VIEW("AK"), VIEW("two"), &signature, other);
    assert_memory_equal(first, again, SHA256_SIZE);
    assert_memory_not_equal(first, other, SHA256_SIZE);
    sigv4_derive_key(VIEW("two"), signature.date, signature.region, signature.service, derived);
    assert_memory_equal(other, derived, SHA256_SIZE);
}

static void the_cache_stays_right_when_it_overflows(void **state)
{
    (void)state;
    struct sigv4 signature = { .scope = VIEW("20250102/us-east-1/bedrock/aws4_request"), .date = VIEW("20250102"),
                               .region = VIEW("us-east-1"), .service = VIEW("bedrock") };
    for (int i = 0; i < 2000; i++) {
        char id[32];
        uint8_t got[SHA256_SIZE], derived[SHA256_SIZE];
        snprintf(id, sizeof id, "AK%d", i % 700);
        signing_keys_get(keys, view_from_cstr(id), view_from_cstr(id), &signature, got);
        sigv4_derive_key(view_from_cstr(id), signature.date, signature.region, signature.service, derived);
        assert_memory_equal(got, derived, SHA256_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_botocore_signs_is_accepted),
        cmocka_unit_test(published_examples_and_http2_clients_are_accepted),
        cmocka_unit_test(blanks_between_the_parameters_are_optional),
        cmocka_unit_test(headers_that_are_not_signed_do_not_matter),
        cmocka_unit_test(a_request_is_good_up_to_the_last_second_of_the_window),
        cmocka_unit_test(a_presigned_url_lives_as_long_as_it_says),
        cmocka_unit_test(any_changed_byte_is_refused),
        cmocka_unit_test(a_repeated_signed_header_is_joined_and_so_refused),
        cmocka_unit_test(a_signed_header_that_is_missing_is_refused),
        cmocka_unit_test(a_content_hash_that_is_not_the_bodys_is_refused),
        cmocka_unit_test(malformed_authorizations_are_refused_by_name),
        cmocka_unit_test(a_date_is_required_and_must_be_readable),
        cmocka_unit_test(the_kind_of_authentication_is_told),
        cmocka_unit_test(what_the_signer_signs_is_what_botocore_signs),
        cmocka_unit_test(a_signed_s3_request_with_a_token_verifies),
        cmocka_unit_test(a_changed_secret_is_not_answered_from_the_cache),
        cmocka_unit_test(the_cache_stays_right_when_it_overflows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
