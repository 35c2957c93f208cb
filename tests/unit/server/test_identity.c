#include "unit.h"

#include "server/identity.h"

#define NOW_MS 1700000000000

struct fixture {
    struct arena *arena;
    struct iam *iam;
    struct identity identity;
    struct http_header headers[8];
    struct http_request request;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct iam_key keys[2] = {
        { .id = VIEW("AKIATEST"), .secret = VIEW("top-secret"), .principal = { .name = VIEW("root"), .admin = true } },
        { .id = VIEW("BEAR1"), .bearer = true, .principal = { .name = VIEW("ci"), .admin = true } },
    };
    sha256(VIEW("craton-api-key-abc"), keys[1].bearer_digest);
    f->arena = arena_create(1 << 20);
    f->iam = iam_create(iam_snapshot_create(keys, 2));
    identity_init(&f->identity, f->iam, false, VIEW("123456789012"));
    f->request = (struct http_request){ .arena = f->arena, .method = VIEW("GET"), .path = VIEW("/_craton/metrics"),
                                        .authority = VIEW("127.0.0.1:4747"), .headers = f->headers, .body_fd = -1 };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    identity_free(&f->identity);
    iam_destroy(f->iam);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static bool knows(struct fixture *f, const char *authorization, const char *name)
{
    struct principal who = { .name = VIEW("") };
    f->headers[0] = (struct http_header){ VIEW("authorization"), view_from_cstr(authorization) };
    f->request.header_count = authorization != NULL ? 1 : 0;
    return identity_of(&f->identity, &f->request, NOW_MS, &who) && view_is(who.name, name);
}

static void a_bearer_key_names_its_principal(void **state)
{
    assert_true(knows(*state, "Bearer craton-api-key-abc", "ci"));
    assert_false(knows(*state, "Bearer craton-api-key-abd", "ci"));
    assert_false(knows(*state, "Bearer ", "ci"));
    assert_false(knows(*state, NULL, ""));
}

static void basic_takes_an_access_key_and_its_secret(void **state)
{
    assert_true(knows(*state, "Basic QUtJQVRFU1Q6dG9wLXNlY3JldA==", "root"));     /* AKIATEST:top-secret */
    assert_false(knows(*state, "Basic QUtJQVRFU1Q6dG9wLXNlY3JlcA==", "root"));    /* AKIATEST:top-secrep */
    assert_false(knows(*state, "Basic QUtJQVRFU1Q=", "root"));                    /* AKIATEST */
    assert_false(knows(*state, "Basic ???", "root"));
}

static bool knows_signature(struct fixture *f, int64_t signed_ms)
{
    const struct sigv4_signer signer = { .key_id = VIEW("AKIATEST"), .secret = VIEW("top-secret"), .region = VIEW("us-east-1"),
                                         .rules = { .service = VIEW("bedrock"), .encode_path_twice = true, .skew_seconds = 300 } };
    const struct sigv4_message message = { f->request.method, f->request.path, VIEW(""), f->request.authority, NULL, 0 };
    struct principal who;
    uint8_t body[SHA256_SIZE];
    sha256(VIEW(""), body);
    f->request.header_count = sigv4_sign(&signer, &message, body, signed_ms, f->arena, f->headers);
    assert_true(f->request.header_count > 0);
    return identity_of(&f->identity, &f->request, NOW_MS, &who) && view_is(who.name, "root");
}

static void a_signature_counts_inside_its_window_and_for_its_path(void **state)
{
    struct fixture *f = *state;
    assert_true(knows_signature(f, NOW_MS));
    f->request.path = VIEW("/_craton/status");
    struct principal who;
    assert_false(identity_of(&f->identity, &f->request, NOW_MS, &who));
    assert_false(knows_signature(f, NOW_MS - 3600000));
}

static void a_refresh_forgets_revoked_keys(void **state)
{
    struct fixture *f = *state;
    iam_swap(f->iam, iam_snapshot_create(NULL, 0));
    assert_true(knows(f, "Bearer craton-api-key-abc", "ci"));
    identity_refresh(&f->identity);
    assert_false(knows(f, "Bearer craton-api-key-abc", "ci"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bearer_key_names_its_principal),
        TEST(basic_takes_an_access_key_and_its_secret),
        TEST(a_signature_counts_inside_its_window_and_for_its_path),
        TEST(a_refresh_forgets_revoked_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
