/* base/encode.h - base64, hexadecimal and percent encodings, digests and checksums.
 *
 * Pure functions. Outputs into arenas are NUL-terminated; decoders return false on malformed input.
 */
#ifndef CRATON_BASE_ENCODE_H
#define CRATON_BASE_ENCODE_H

#include "base/arena.h"
#include "base/buf.h"

bool base64_append(struct buf *out, struct view bytes);                             /* with padding */
bool base64_decode(struct arena *arena, struct view text, struct view *out);       /* padding optional; no blanks */
void hex_encode(const void *bytes, size_t len, char *out);                          /* 2 * len lower-case digits, no NUL */
bool hex_decode(struct view text, void *out, size_t out_len);                       /* exactly 2 * out_len digits */
bool percent_decode(struct arena *arena, struct view text, bool plus_is_space, struct view *out);
bool percent_append(struct buf *out, struct view text, bool keep_slash);            /* unreserved A-Za-z0-9-._~ stay, %XX upper case */

uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t len);                   /* start with 0 */

#define SHA256_SIZE 32
void sha256(struct view bytes, uint8_t out[SHA256_SIZE]);
void hmac_sha256(struct view key, struct view message, uint8_t out[SHA256_SIZE]);

struct sha256_stream;                                                               /* for bodies that come in pieces */
struct sha256_stream *sha256_stream_create(void);                                   /* NULL when out of memory */
void sha256_stream_add(struct sha256_stream *s, struct view bytes);
void sha256_stream_finish(struct sha256_stream *s, uint8_t out[SHA256_SIZE]);       /* frees s */
void sha256_stream_destroy(struct sha256_stream *s);                                /* NULL is fine */

bool equal_constant_time(const void *a, const void *b, size_t len);
bool random_bytes(void *out, size_t len);                                           /* cryptographic; false when the system gives none */

#define UUID_SIZE 37
void uuid_v4(char out[UUID_SIZE]);                                                    /* lower case, NUL-terminated */
/* len characters of the alphabet (1 to 256 of them), then a NUL: out has len + 1 bytes. */
void random_id(char *out, size_t len, const char *alphabet);

#endif
