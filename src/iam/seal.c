#include "iam/seal.h"

#include "base/encode.h"
#include "base/fs.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KEY_SIZE   32
#define NONCE_SIZE 12
#define TAG_SIZE   16
#define VERSION    1
#define SECRET_MAX 4096

struct seal {
    uint8_t key[KEY_SIZE];
};

static struct seal *refuse(struct seal *seal, char *error, size_t size, const char *path, const char *reason)
{
    snprintf(error, size, "%s: %s", path, reason);
    seal_close(seal);
    return NULL;
}

static bool readable_by_others(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & 077) != 0;
}

/* Several processes may start at once: whoever makes the file first wins, the others read it. */
static int make_key(const char *path)
{
    uint8_t key[KEY_SIZE];
    if (!random_bytes(key, sizeof(key)))
        return -EIO;
    int code = fs_create_file(path, view_of(key, sizeof(key)), 0600);
    OPENSSL_cleanse(key, sizeof(key));
    return code == -EEXIST ? 0 : code;
}

struct seal *seal_open(const char *path, char *error, size_t error_size)
{
    char words[128];
    struct seal *seal = calloc(1, sizeof(*seal));
    if (seal == NULL)
        return refuse(NULL, error, error_size, path, "out of memory");

    int code = fs_exists(path) ? 0 : make_key(path);
    struct buf bytes = BUF_INIT(4 * KEY_SIZE);
    if (code == 0)
        code = fs_read_file(path, &bytes);
    size_t len = bytes.len;
    if (code == 0 && len == KEY_SIZE)
        memcpy(seal->key, bytes.ptr, KEY_SIZE);
    if (bytes.ptr != NULL)
        OPENSSL_cleanse(bytes.ptr, bytes.len);
    buf_free(&bytes);

    if (code != 0)
        return refuse(seal, error, error_size, path, fs_error(code, words, sizeof(words)));
    if (len != KEY_SIZE)
        return refuse(seal, error, error_size, path, "is not a key of 32 bytes");
    if (readable_by_others(path))
        return refuse(seal, error, error_size, path, "others may read this key: set its mode to 0600");
    return seal;
}

void seal_close(struct seal *seal)
{
    if (seal == NULL)
        return;
    OPENSSL_cleanse(seal->key, sizeof(seal->key));
    free(seal);
}

/* One AES-256-GCM run over in; out takes len bytes. Encrypting writes the tag, decrypting checks it. */
static bool run_gcm(const struct seal *seal, bool encrypt, const uint8_t *nonce, struct view context, struct view in, uint8_t *out,
                    uint8_t *tag)
{
    int n = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, nonce, encrypt) == 1 &&
              EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)context.ptr, (int)context.len) == 1 &&
              EVP_CipherUpdate(ctx, out, &n, (const uint8_t *)in.ptr, (int)in.len) == 1 &&
              (encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1) &&
              EVP_CipherFinal_ex(ctx, out + n, &n) == 1 &&
              (!encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

bool seal_secret(const struct seal *seal, struct view secret, struct view context, struct buf *out)
{
    uint8_t bytes[1 + NONCE_SIZE + SECRET_MAX + TAG_SIZE];
    uint8_t *nonce = bytes + 1, *cipher = nonce + NONCE_SIZE;
    if (secret.len > SECRET_MAX || !random_bytes(nonce, NONCE_SIZE))
        return false;
    bytes[0] = VERSION;
    return run_gcm(seal, true, nonce, context, secret, cipher, cipher + secret.len) &&
           base64_append(out, view_of(bytes, 1 + NONCE_SIZE + secret.len + TAG_SIZE));
}

bool seal_reveal(const struct seal *seal, struct view sealed, struct view context, struct arena *arena, struct view *out)
{
    struct view bytes;
    if (!base64_decode(arena, sealed, &bytes) || bytes.len < 1 + NONCE_SIZE + TAG_SIZE || bytes.ptr[0] != VERSION)
        return false;
    size_t len = bytes.len - 1 - NONCE_SIZE - TAG_SIZE;
    struct view cipher = view_of(bytes.ptr + 1 + NONCE_SIZE, len);
    uint8_t tag[TAG_SIZE];
    memcpy(tag, cipher.ptr + len, TAG_SIZE);
    uint8_t *plain = arena_alloc(arena, len + 1);
    if (plain == NULL || !run_gcm(seal, false, (const uint8_t *)bytes.ptr + 1, context, cipher, plain, tag))
        return false;
    *out = view_of(plain, len);
    return true;
}
