#include "unit.h"

#include "base/encode.h"
#include "iam/snapshot.h"

static struct iam_key access_key(const char *id, const char *secret)
{
    return (struct iam_key){ .id = view_from_cstr(id), .secret = view_from_cstr(secret),
                             .principal = { .account = VIEW("123456789012"), .arn = VIEW("arn:aws:iam::123456789012:user/root"),
                                            .admin = true } };
}

static struct iam_key bearer_key(const char *id, const char *token)
{
    struct iam_key key = { .id = view_from_cstr(id), .bearer = true };
    sha256(view_from_cstr(token), key.bearer_digest);
    return key;
}

static void keys_are_found_by_id_and_by_token(void **state)
{
    (void)state;
    const struct iam_key keys[] = { access_key("AKIA1", "s1"), access_key("AKIA2", "s2"), bearer_key("BEAR1", "craton-api-key-x") };
    struct iam_snapshot *snapshot = iam_snapshot_create(keys, 3);
    assert_view_is(iam_find_access_key(snapshot, VIEW("AKIA2"))->secret, "s2");
    assert_view_is(iam_find_access_key(snapshot, VIEW("AKIA1"))->principal.access_key_id, "AKIA1");
    assert_null(iam_find_access_key(snapshot, VIEW("AKIA3")));
    assert_null(iam_find_access_key(snapshot, VIEW("BEAR1")));
    assert_view_is(iam_find_bearer(snapshot, VIEW("craton-api-key-x"))->id, "BEAR1");
    assert_null(iam_find_bearer(snapshot, VIEW("craton-api-key-y")));
    assert_null(iam_find_bearer(snapshot, VIEW("")));
    iam_snapshot_release(snapshot);
}

static void a_snapshot_outlives_its_source_and_its_successor(void **state)
{
    (void)state;
    char id[] = "AKIA1";
    struct iam_key key = access_key(id, "s1");
    struct iam *iam = iam_create(iam_snapshot_create(&key, 1));
    memset(id, 'X', strlen(id));
    struct iam_snapshot *held = iam_acquire(iam);
    iam_swap(iam, iam_snapshot_create(NULL, 0));
    assert_view_is(iam_find_access_key(held, VIEW("AKIA1"))->secret, "s1");
    struct iam_snapshot *now = iam_acquire(iam);
    assert_null(iam_find_access_key(now, VIEW("AKIA1")));
    iam_snapshot_release(now);
    iam_snapshot_release(held);
    iam_destroy(iam);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_id_and_by_token),
        cmocka_unit_test(a_snapshot_outlives_its_source_and_its_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
