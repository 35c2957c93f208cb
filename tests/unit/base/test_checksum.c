/* Checksums and digests: the published check values, cut anywhere, and CRCs that are joined. */
#include "unit.h"

#include "base/checksum.h"
#include "base/encode.h"

static const enum checksum_type types[] = { CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME,
                                            CHECKSUM_MD5,   CHECKSUM_SHA1,   CHECKSUM_SHA256 };

static void sum_of(enum checksum_type type, struct view bytes, uint8_t out[CHECKSUM_SIZE_MAX])
{
    struct checksum sum;
    checksum_begin(&sum, type);
    checksum_add(&sum, bytes);
    checksum_end(&sum, out);
}

static void each_gives_its_published_check_value(void **state)
{
    (void)state;
    static const struct {
        enum checksum_type type;
        const char *hex;
    } rows[] = {
        { CHECKSUM_CRC32, "cbf43926" },
        { CHECKSUM_CRC32C, "e3069283" },
        { CHECKSUM_CRC64NVME, "ae8b14860a799888" },
        { CHECKSUM_MD5, "25f9e794323b453885f5181f1b624d0b" },
        { CHECKSUM_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441" },
        { CHECKSUM_SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t value[CHECKSUM_SIZE_MAX];
        char hex[2 * CHECKSUM_SIZE_MAX];
        sum_of(rows[i].type, VIEW("123456789"), value);
        hex_encode(value, checksum_size(rows[i].type), hex);
        assert_view_is(view_of(hex, 2 * checksum_size(rows[i].type)), rows[i].hex);
    }
}

static void where_the_bytes_are_cut_makes_no_difference(void **state)
{
    (void)state;
    char bytes[67];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37);
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        uint8_t whole[CHECKSUM_SIZE_MAX], cut[CHECKSUM_SIZE_MAX];
        sum_of(types[t], view_of(bytes, sizeof bytes), whole);
        for (size_t at = 0; at <= sizeof bytes; at++) {
            struct checksum sum;
            checksum_begin(&sum, types[t]);
            checksum_add(&sum, view_of(bytes, at));
            checksum_add(&sum, view_of(bytes + at, sizeof bytes - at));
            checksum_end(&sum, cut);
            assert_memory_equal(cut, whole, checksum_size(types[t]));
        }
    }
}

static void joined_crcs_are_those_of_the_joined_bytes(void **state)
{
    (void)state;
    char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * i);
    for (size_t t = 0; t < 3; t++) {
        for (size_t at = 0; at <= sizeof bytes; at += 125) {
            uint8_t whole[CHECKSUM_SIZE_MAX], a[CHECKSUM_SIZE_MAX], b[CHECKSUM_SIZE_MAX];
            sum_of(types[t], view_of(bytes, sizeof bytes), whole);
            sum_of(types[t], view_of(bytes, at), a);
            sum_of(types[t], view_of(bytes + at, sizeof bytes - at), b);
            checksum_combine(types[t], a, b, sizeof bytes - at);
            assert_memory_equal(a, whole, checksum_size(types[t]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gives_its_published_check_value),
        cmocka_unit_test(where_the_bytes_are_cut_makes_no_difference),
        cmocka_unit_test(joined_crcs_are_those_of_the_joined_bytes),
    };
    return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
