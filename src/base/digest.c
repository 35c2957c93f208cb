/* base/digest.c - SHA-256, HMAC and random bytes over libcrypto: see encode.h. */
#include "base/encode.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

#define BLOCK 64 /* of SHA-256 */

/* The functions on SHA256_CTX are deprecated in favour of EVP, which looks the algorithm up and allocates on each use: that
 * costs more than hashing the short texts of a signature. They are part of every libcrypto there is. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void sha256(struct view bytes, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, bytes.ptr, bytes.len);
    SHA256_Final(out, &ctx);
}

static void keyed_hash(const uint8_t pad[BLOCK], struct view message, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    SHA256_Update(&ctx, pad, BLOCK);
    SHA256_Update(&ctx, message.ptr, message.len);
    SHA256_Final(out, &ctx);
    OPENSSL_cleanse(&ctx, sizeof ctx);
}

void hmac_sha256(struct view key, struct view message, uint8_t out[SHA256_SIZE])
{
    uint8_t pad[BLOCK] = { 0 };
    uint8_t inner[SHA256_SIZE];
    if (key.len > BLOCK)
        sha256(key, pad);
    else if (key.len > 0)
        memcpy(pad, key.ptr, key.len);
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36;
    keyed_hash(pad, message, inner);
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    keyed_hash(pad, view_of(inner, sizeof inner), out);
    OPENSSL_cleanse(pad, sizeof pad);
}

struct sha256_stream {
    SHA256_CTX ctx;
};

struct sha256_stream *sha256_stream_create(void)
{
    struct sha256_stream *s = malloc(sizeof *s);
    if (s != NULL)
        SHA256_Init(&s->ctx);
    return s;
}

void sha256_stream_add(struct sha256_stream *s, struct view bytes)
{
    SHA256_Update(&s->ctx, bytes.ptr, bytes.len);
}

void sha256_stream_finish(struct sha256_stream *s, uint8_t out[SHA256_SIZE])
{
    SHA256_Final(out, &s->ctx);
    free(s);
}

void sha256_stream_destroy(struct sha256_stream *s)
{
    free(s);
}

#pragma GCC diagnostic pop

bool equal_constant_time(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

bool random_bytes(void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len < 256 ? len : 256, 0); /* up to 256 bytes are never cut short */
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

/* Ids need no secret, but must not collide: a system that gives no random bytes at all cannot be served on. */
static void random_or_abort(void *out, size_t len)
{
    if (!random_bytes(out, len))
        abort();
}

void uuid_v4(char out[UUID_SIZE])
{
    uint8_t bytes[16];
    char hex[32];
    random_or_abort(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    hex_encode(bytes, sizeof bytes, hex);
    for (size_t from = 0, to = 0; from < sizeof hex; from++) {
        if (to == 8 || to == 13 || to == 18 || to == 23)
            out[to++] = '-';
        out[to++] = hex[from];
    }
    out[UUID_SIZE - 1] = '\0';
}

void random_id(char *out, size_t len, const char *alphabet)
{
    size_t letters = strlen(alphabet);
    size_t fair = 256 - 256 % letters; /* bytes from here on would favour the first letters */
    size_t at = 0;
    while (at < len) {
        uint8_t bytes[32];
        random_or_abort(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes && at < len; i++) {
            if (bytes[i] < fair)
                out[at++] = alphabet[bytes[i] % letters];
        }
    }
    out[len] = '\0';
}
