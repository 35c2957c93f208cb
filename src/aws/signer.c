#include "aws/signer.h"

#include <stdio.h>

static bool refuse(struct sigv4_refusal *why, enum aws_status status, const char *text)
{
    why->status = status;
    snprintf(why->text, sizeof why->text, "%s", text);
    return false;
}

bool signer_expired(const struct credential *credential, int64_t now_ms)
{
    return credential->expires_ms != 0 && credential->expires_ms <= now_ms;
}

bool signer_same_token(const struct credential *credential, struct view token)
{
    struct view ours = credential->session_token;
    return ours.len == token.len && (ours.len == 0 || equal_constant_time(ours.ptr, token.ptr, ours.len));
}

bool signer_find(const struct signer_options *options, const struct sigv4_message *message, struct arena *arena, struct signer *out,
                 struct sigv4_refusal *why)
{
    const struct credentials *credentials = options->credentials;
    struct sigv4 *signature = &out->signature;
    out->credential = (struct credential){ 0 };
    if (!sigv4_parse(message, arena, signature, why))
        return false;
    if (!credentials->find_key(credentials->ctx, signature->key_id, &out->credential) ||
        !signer_same_token(&out->credential, signature->session_token))
        return refuse(why, AWS_UNRECOGNIZED_CLIENT, "The security token included in the request is invalid.");
    if (signer_expired(&out->credential, options->now_ms))
        return refuse(why, AWS_EXPIRED_TOKEN, "The security token included in the request is expired");
    if (!sigv4_check(signature, options->rules, options->now_ms, why))
        return false;
    signing_keys_get(options->keys, signature->key_id, out->credential.secret, signature, out->key);
    return true;
}
