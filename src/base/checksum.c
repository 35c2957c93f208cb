/* base/checksum.c - one face for the CRCs and libcrypto's digests: see checksum.h. */
#include "base/checksum.h"

#include "base/encode.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#define CRC32_POLYNOMIAL  UINT64_C(0xedb88320)              /* all reflected */
#define CRC32C_POLYNOMIAL UINT64_C(0x82f63b78)
#define CRC64_POLYNOMIAL  UINT64_C(0x9a6c9329ac4bc9b5)

_Static_assert(sizeof(MD5_CTX) <= sizeof((struct checksum){ 0 }.state), "a digest's state fits");
_Static_assert(sizeof(SHA_CTX) <= sizeof((struct checksum){ 0 }.state), "a digest's state fits");
_Static_assert(sizeof(SHA256_CTX) <= sizeof((struct checksum){ 0 }.state), "a digest's state fits");

size_t checksum_size(enum checksum_type type)
{
    static const size_t sizes[] = {
        [CHECKSUM_CRC32] = 4,
        [CHECKSUM_CRC32C] = 4,
        [CHECKSUM_CRC64NVME] = 8,
        [CHECKSUM_MD5] = MD5_DIGEST_LENGTH,
        [CHECKSUM_SHA1] = SHA_DIGEST_LENGTH,
        [CHECKSUM_SHA256] = SHA256_DIGEST_LENGTH,
    };
    return sizes[type];
}

static void put_number(uint64_t number, size_t size, uint8_t *out)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static uint64_t get_number(size_t size, const uint8_t *bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The functions on contexts are deprecated in favour of EVP, which allocates on each use (see digest.c). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void checksum_begin(struct checksum *sum, enum checksum_type type)
{
    sum->type = type;
    sum->crc = 0;
    if (type == CHECKSUM_MD5)
        MD5_Init((MD5_CTX *)(void *)sum->state);
    else if (type == CHECKSUM_SHA1)
        SHA1_Init((SHA_CTX *)(void *)sum->state);
    else if (type == CHECKSUM_SHA256)
        SHA256_Init((SHA256_CTX *)(void *)sum->state);
}

void checksum_add(struct checksum *sum, struct view bytes)
{
    switch (sum->type) {
    case CHECKSUM_CRC32:
        sum->crc = crc32_ieee((uint32_t)sum->crc, bytes.ptr, bytes.len);
        break;
    case CHECKSUM_CRC32C:
        sum->crc = crc32c((uint32_t)sum->crc, bytes.ptr, bytes.len);
        break;
    case CHECKSUM_CRC64NVME:
        sum->crc = crc64_nvme(sum->crc, bytes.ptr, bytes.len);
        break;
    case CHECKSUM_MD5:
        MD5_Update((MD5_CTX *)(void *)sum->state, bytes.ptr, bytes.len);
        break;
    case CHECKSUM_SHA1:
        SHA1_Update((SHA_CTX *)(void *)sum->state, bytes.ptr, bytes.len);
        break;
    case CHECKSUM_SHA256:
        SHA256_Update((SHA256_CTX *)(void *)sum->state, bytes.ptr, bytes.len);
        break;
    }
}

void checksum_end(struct checksum *sum, uint8_t out[CHECKSUM_SIZE_MAX])
{
    if (sum->type == CHECKSUM_MD5)
        MD5_Final(out, (MD5_CTX *)(void *)sum->state);
    else if (sum->type == CHECKSUM_SHA1)
        SHA1_Final(out, (SHA_CTX *)(void *)sum->state);
    else if (sum->type == CHECKSUM_SHA256)
        SHA256_Final(out, (SHA256_CTX *)(void *)sum->state);
    else
        put_number(sum->crc, checksum_size(sum->type), out);
}

#pragma GCC diagnostic pop

/* ---- joining CRCs: polynomials over GF(2), reflected, so the highest bit is the coefficient of x^0 ---- */

static uint64_t multiply(uint64_t a, uint64_t b, unsigned width, uint64_t polynomial)
{
    uint64_t product = 0;
    for (uint64_t bit = UINT64_C(1) << (width - 1); bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ polynomial : b >> 1;
    }
    return product;
}

/* x to the power of 8 * bytes, by squaring. */
static uint64_t shift_by(uint64_t bytes, unsigned width, uint64_t polynomial)
{
    /* Widths are 32 and 64 alone. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    uint64_t power = UINT64_C(1) << (width - 9), result = UINT64_C(1) << (width - 1);
    for (; bytes > 0; bytes >>= 1) {
        if (bytes & 1)
            result = multiply(result, power, width, polynomial);
        power = multiply(power, power, width, polynomial);
    }
    return result;
}

void checksum_combine(enum checksum_type type, uint8_t a[CHECKSUM_SIZE_MAX], const uint8_t b[CHECKSUM_SIZE_MAX], uint64_t len)
{
    size_t size = checksum_size(type);
    unsigned width = (unsigned)size * 8;
    uint64_t polynomial = type == CHECKSUM_CRC32 ? CRC32_POLYNOMIAL : type == CHECKSUM_CRC32C ? CRC32C_POLYNOMIAL : CRC64_POLYNOMIAL;
    uint64_t moved = multiply(get_number(size, a), shift_by(len, width, polynomial), width, polynomial);
    put_number(moved ^ get_number(size, b), size, a);
}
