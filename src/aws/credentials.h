/* aws/credentials.h - what the front asks of whoever keeps keys and policies (src/iam).
 *
 * All functions are called on the loop and must not block: they answer from an immutable snapshot. What they hand out must stay
 * valid until they return to the loop's next turn; the front copies what it keeps.
 */
#ifndef CRATON_AWS_CREDENTIALS_H
#define CRATON_AWS_CREDENTIALS_H

#include "aws/operation.h"
#include "base/arena.h"

struct principal {
    struct view account;
    struct view name;
    struct view arn;                                        /* "arn:aws:iam::123456789012:user/root" */
    struct view access_key_id;                              /* empty for bearer keys */
    bool admin;
};

struct credential {
    struct view secret;
    struct view session_token;                              /* a request must carry exactly this one; empty: none */
    int64_t expires_ms;                                     /* Unix time; 0: never */
    struct principal principal;
};

struct credentials {
    void *ctx;
    bool (*find_key)(void *ctx, struct view key_id, struct credential *out);            /* false: unknown or revoked */
    bool (*find_bearer)(void *ctx, struct view token, struct credential *out);          /* out->secret stays empty */
    /* May this principal call this operation on this resource (an ARN, or "*")? AWS_OK, or the error to answer:
     * AWS_ACCESS_DENIED (message empty: Bedrock's text), AWS_THROTTLING … The message lives in the arena or is static.
     * NULL: everything is allowed. */
    enum aws_status (*authorize)(void *ctx, const struct principal *principal, const struct operation *operation,
                                 struct view resource, struct arena *arena, struct view *message);
    /* Who everybody is when authentication is off; NULL: it is on. Signatures are then neither required nor verified. */
    const struct principal *open;
};

#endif
