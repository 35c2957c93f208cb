/* net/tls.c - see tls.h. OpenSSL over two memory BIOs, so that the socket stays the loop's. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_SIZE       (16u * 1024)   /* one TLS record */
#define CERTIFICATE_DAYS 365

struct tls_context {
    SSL_CTX *ctx;
};

struct tls {
    SSL *ssl;
    BIO *from_socket;                                       /* both belong to ssl */
    BIO *to_socket;
    char plain[PLAIN_SIZE];
};

/* ---- contexts ---------------------------------------------------------------------------------------------------------- */

static void explain(char *error, size_t error_size, const char *what)
{
    char reason[160] = "unknown reason";
    unsigned long code = ERR_peek_error();
    if (code != 0)
        ERR_error_string_n(code, reason, sizeof(reason));
    ERR_clear_error();
    snprintf(error, error_size, "TLS: %s: %s", what, reason);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    static const unsigned char offered[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, offered, sizeof(offered) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static struct tls_context *context_alloc(void)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    if (context == NULL)
        return NULL;
    context->ctx = SSL_CTX_new(TLS_server_method());
    if (context->ctx == NULL) {
        free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(context->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                          SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context->ctx, choose_protocol, NULL);
    return context;
}

void tls_context_destroy(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

struct tls_context *tls_context_create(const char *cert_path, const char *key_path, char *error, size_t error_size)
{
    struct tls_context *context = context_alloc();
    const char *failed = context == NULL ? "cannot start" : NULL;
    if (failed == NULL && SSL_CTX_use_certificate_chain_file(context->ctx, cert_path) != 1)
        failed = cert_path;
    if (failed == NULL && (key_path == NULL || SSL_CTX_use_PrivateKey_file(context->ctx, key_path, SSL_FILETYPE_PEM) != 1))
        failed = key_path != NULL ? key_path : "no key given for the certificate";
    if (failed == NULL && SSL_CTX_check_private_key(context->ctx) != 1)
        failed = "the key does not belong to the certificate";
    if (failed == NULL)
        return context;
    explain(error, error_size, failed);
    tls_context_destroy(context);
    return NULL;
}

static bool add_extension(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    BIGNUM *serial = BN_new();
    bool ok = serial != NULL && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;
    BN_free(serial);
    return ok && X509_set_version(certificate, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * CERTIFICATE_DAYS) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") && X509_sign(certificate, key, EVP_sha256()) > 0;
}

struct tls_context *tls_context_self_signed(char *error, size_t error_size)
{
    struct tls_context *context = context_alloc();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool ok = context != NULL && key != NULL && certificate != NULL && fill_certificate(certificate, key) &&
              SSL_CTX_use_certificate(context->ctx, certificate) == 1 && SSL_CTX_use_PrivateKey(context->ctx, key) == 1;
    X509_free(certificate);                                 /* the context holds its own references */
    EVP_PKEY_free(key);
    if (ok)
        return context;
    explain(error, error_size, "cannot make a certificate");
    tls_context_destroy(context);
    return NULL;
}

/* ---- connections --------------------------------------------------------------------------------------------------------- */

struct tls *tls_create(struct tls_context *context)
{
    struct tls *tls = malloc(sizeof(*tls));
    if (tls == NULL)
        return NULL;
    tls->ssl = SSL_new(context->ctx);
    tls->from_socket = BIO_new(BIO_s_mem());
    tls->to_socket = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->from_socket == NULL || tls->to_socket == NULL) {
        SSL_free(tls->ssl);
        BIO_free(tls->from_socket);
        BIO_free(tls->to_socket);
        free(tls);
        return NULL;
    }
    SSL_set_bio(tls->ssl, tls->from_socket, tls->to_socket);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void tls_destroy(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    free(tls);
}

static bool collect_sealed(struct tls *tls, struct buf *sealed)
{
    size_t pending = BIO_ctrl_pending(tls->to_socket);
    if (pending == 0)
        return true;
    char *place = buf_reserve(sealed, pending);
    int n = place != NULL ? BIO_read(tls->to_socket, place, (int)pending) : -1;
    if (n <= 0)
        return false;
    buf_commit(sealed, (size_t)n);
    return true;
}

enum tls_result tls_open(struct tls *tls, struct view bytes, struct view *plain, struct buf *sealed)
{
    ERR_clear_error();
    *plain = (struct view){ NULL, 0 };
    if (bytes.len > 0 && BIO_write(tls->from_socket, bytes.ptr, (int)bytes.len) != (int)bytes.len)
        return TLS_BROKEN;
    int n = SSL_read(tls->ssl, tls->plain, sizeof(tls->plain));     /* shakes hands first */
    int reason = n > 0 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, n);
    if (!collect_sealed(tls, sealed))
        return TLS_BROKEN;
    switch (reason) {
    case SSL_ERROR_NONE: *plain = view_of(tls->plain, (size_t)n); return TLS_PLAIN;
    case SSL_ERROR_WANT_READ: return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
    default: ERR_clear_error(); return TLS_BROKEN;
    }
}

bool tls_ready(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

bool tls_seal(struct tls *tls, struct view plain, struct buf *sealed)
{
    ERR_clear_error();
    while (plain.len > 0) {
        int n = SSL_write(tls->ssl, plain.ptr, plain.len < INT32_MAX ? (int)plain.len : INT32_MAX);
        if (n <= 0)
            return false;                                   /* a memory BIO takes everything, so this is no waiting */
        plain = view_from(plain, (size_t)n);
    }
    return collect_sealed(tls, sealed);
}

void tls_end(struct tls *tls, struct buf *sealed)
{
    ERR_clear_error();
    if (tls_ready(tls))
        SSL_shutdown(tls->ssl);
    collect_sealed(tls, sealed);
}

struct view tls_alpn(const struct tls *tls)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return view_of(name, len);
}
