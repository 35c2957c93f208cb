/* base/crc.c - CRC-32C and CRC-64/NVME, eight bytes a step: see checksum.h. */
#include "base/checksum.h"

#include <pthread.h>

/* tables[k][b] is the CRC of byte b followed by k zero bytes. */
static uint64_t tables64[8][256];
static uint32_t tables32[8][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static uint64_t crc_of_byte(uint64_t byte, uint64_t polynomial)
{
    for (int bit = 0; bit < 8; bit++)
        byte = byte & 1 ? byte >> 1 ^ polynomial : byte >> 1;
    return byte;
}

static void make_tables(void)
{
    for (unsigned i = 0; i < 256; i++) {
        tables64[0][i] = crc_of_byte(i, UINT64_C(0x9a6c9329ac4bc9b5));
        tables32[0][i] = (uint32_t)crc_of_byte(i, UINT64_C(0x82f63b78));
    }
    for (unsigned k = 1; k < 8; k++) {
        for (unsigned i = 0; i < 256; i++) {
            tables64[k][i] = tables64[k - 1][i] >> 8 ^ tables64[0][tables64[k - 1][i] & 0xff];
            tables32[k][i] = tables32[k - 1][i] >> 8 ^ tables32[0][tables32[k - 1][i] & 0xff];
        }
    }
}

static uint64_t load(const unsigned char *at)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | at[i];
    return word;
}

uint64_t crc64_nvme(uint64_t crc, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    pthread_once(&made, make_tables);
    crc = ~crc;
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t w = crc ^ load(at);
        crc = tables64[7][w & 0xff] ^ tables64[6][w >> 8 & 0xff] ^ tables64[5][w >> 16 & 0xff] ^ tables64[4][w >> 24 & 0xff] ^
              tables64[3][w >> 32 & 0xff] ^ tables64[2][w >> 40 & 0xff] ^ tables64[1][w >> 48 & 0xff] ^ tables64[0][w >> 56];
    }
    for (; len > 0; at++, len--)
        crc = crc >> 8 ^ tables64[0][(crc ^ *at) & 0xff];
    return ~crc;
}

static uint32_t crc32c_by_table(uint32_t crc, const unsigned char *at, size_t len)
{
    pthread_once(&made, make_tables);
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t w = crc ^ load(at);
        crc = tables32[7][w & 0xff] ^ tables32[6][w >> 8 & 0xff] ^ tables32[5][w >> 16 & 0xff] ^ tables32[4][w >> 24 & 0xff] ^
              tables32[3][w >> 32 & 0xff] ^ tables32[2][w >> 40 & 0xff] ^ tables32[1][w >> 48 & 0xff] ^ tables32[0][w >> 56];
    }
    for (; len > 0; at++, len--)
        crc = crc >> 8 ^ tables32[0][(crc ^ *at) & 0xff];
    return crc;
}

#if defined(__x86_64__)
/* The processor's own instruction, in SSE 4.2. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_cpu(uint32_t crc, const unsigned char *at, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; at += 8, len -= 8)
        wide = __builtin_ia32_crc32di(wide, load(at));
    crc = (uint32_t)wide;
    for (; len > 0; at++, len--)
        crc = __builtin_ia32_crc32qi(crc, *at);
    return crc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return ~(__builtin_cpu_supports("sse4.2") ? crc32c_by_cpu(~crc, bytes, len) : crc32c_by_table(~crc, bytes, len));
}
#else
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return ~crc32c_by_table(~crc, bytes, len);
}
#endif
