/* SHA-256, HMAC, random ids. */
#include "unit.h"

#include "base/encode.h"

static void assert_digest(const uint8_t digest[SHA256_SIZE], const char *hex)
{
    char text[2 * SHA256_SIZE];
    hex_encode(digest, SHA256_SIZE, text);
    assert_view_eq(view_of(text, sizeof text), view_from_cstr(hex));
}

static void sha256_matches_published_values(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    sha256((struct view){ NULL, 0 }, digest);
    assert_digest(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(VIEW("abc"), digest);
    assert_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_stream_of_pieces_gives_the_digest_of_the_whole(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    struct sha256_stream *s = sha256_stream_create();
    sha256_stream_add(s, VIEW("a"));
    sha256_stream_add(s, VIEW(""));
    sha256_stream_add(s, VIEW("bc"));
    sha256_stream_finish(s, digest);
    assert_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_stream_destroy(sha256_stream_create());
    sha256_stream_destroy(NULL);
}

/* RFC 4231, cases 1, 2, 6 */
static void hmac_matches_published_values(void **state)
{
    (void)state;
    uint8_t digest[SHA256_SIZE];
    char key[131];
    memset(key, 0x0b, 20);
    hmac_sha256(view_of(key, 20), VIEW("Hi There"), digest);
    assert_digest(digest, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(VIEW("Jefe"), VIEW("what do ya want for nothing?"), digest);
    assert_digest(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(view_of(key, sizeof key), VIEW("Test Using Larger Than Block-Size Key - Hash Key First"), digest);
    assert_digest(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void comparison_sees_every_byte(void **state)
{
    (void)state;
    assert_true(equal_constant_time("abc", "abc", 3));
    assert_false(equal_constant_time("abc", "abd", 3));
    assert_false(equal_constant_time("abc", "bbc", 3));
    assert_true(equal_constant_time("abc", "xyz", 0));
}

static void uuids_have_version_4_and_differ(void **state)
{
    (void)state;
    char a[UUID_SIZE], b[UUID_SIZE];
    uuid_v4(a);
    uuid_v4(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(strspn(a, "0123456789abcdef-"), 36);
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    static const size_t dashes[] = { 8, 13, 18, 23 };
    for (size_t i = 0; i < COUNT_OF(dashes); i++)
        assert_int_equal(a[dashes[i]], '-');
}

static void random_ids_use_the_whole_alphabet_and_nothing_else(void **state)
{
    (void)state;
    char id[1001];
    random_id(id, 1000, "abcdefghij");
    assert_int_equal(strlen(id), 1000);
    assert_int_equal(strspn(id, "abcdefghij"), 1000);
    for (char c = 'a'; c <= 'j'; c++)
        assert_non_null(strchr(id, c));
    unsigned char bytes[600] = { 0 };
    assert_true(random_bytes(bytes, sizeof bytes));
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_matches_published_values),
        cmocka_unit_test(a_stream_of_pieces_gives_the_digest_of_the_whole),
        cmocka_unit_test(hmac_matches_published_values),
        cmocka_unit_test(comparison_sees_every_byte),
        cmocka_unit_test(uuids_have_version_4_and_differ),
        cmocka_unit_test(random_ids_use_the_whole_alphabet_and_nothing_else),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
