/* base/checksum.h - checksums and digests of bytes that come in pieces, all behind one type.
 *
 * A struct checksum lies where the caller wants it, needs no memory of its own and no end: one that is not finished is simply dropped.
 * One thread at a time. Values are in network order, as they are put into base64.
 */
#ifndef CRATON_BASE_CHECKSUM_H
#define CRATON_BASE_CHECKSUM_H

#include "base/view.h"

enum checksum_type { CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME, CHECKSUM_MD5, CHECKSUM_SHA1, CHECKSUM_SHA256 };

#define CHECKSUM_SIZE_MAX 32

struct checksum {
    enum checksum_type type;
    uint64_t crc;
    uint64_t state[16];                                     /* of a digest */
};

size_t checksum_size(enum checksum_type type);              /* bytes of a value */
void checksum_begin(struct checksum *sum, enum checksum_type type);
void checksum_add(struct checksum *sum, struct view bytes);
void checksum_end(struct checksum *sum, uint8_t out[CHECKSUM_SIZE_MAX]);

/* CRCs only: makes the value of A the value of A followed by B, whose length is len. */
void checksum_combine(enum checksum_type type, uint8_t a[CHECKSUM_SIZE_MAX], const uint8_t b[CHECKSUM_SIZE_MAX], uint64_t len);

/* CRC-32C (Castagnoli) and CRC-64/NVME; start with 0, go on with what came out. crc32_ieee() is in base/encode.h. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
uint64_t crc64_nvme(uint64_t crc, const void *bytes, size_t len);

#endif
