/* aws/signer.h - whose signature is this? What the head of a signed request says, held against the keys.
 *
 * On the loop, before the body is there. The signature itself is verified afterwards, with sigv4_verify() and the key found here.
 */
#ifndef CRATON_AWS_SIGNER_H
#define CRATON_AWS_SIGNER_H

#include "aws/credentials.h"
#include "aws/sigv4.h"

struct signer_options {
    const struct credentials *credentials;
    struct signing_keys *keys;
    const struct sigv4_rules *rules;
    int64_t now_ms;
};

struct signer {
    struct sigv4 signature;                                 /* filled as far as it could be read, also when it is refused */
    struct credential credential;                           /* borrowed: copy what is kept */
    uint8_t key[SHA256_SIZE];
};

/* The message carries a signature (SIGV4_HEADER or SIGV4_QUERY) in proper form, made in time with a key that is known. */
bool signer_find(const struct signer_options *options, const struct sigv4_message *message, struct arena *arena, struct signer *out,
                 struct sigv4_refusal *why);

bool signer_expired(const struct credential *credential, int64_t now_ms);
bool signer_same_token(const struct credential *credential, struct view token);

#endif
