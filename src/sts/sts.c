#include "sts/sts.h"

#include "base/encode.h"

#define USER_ID_PREFIX "AIDA"
#define USER_ID_DIGITS 17                                   /* of base 32, after the prefix */

/* Opaque, and the same for a user as long as its name is. */
static void user_id(struct view arn, char out[sizeof USER_ID_PREFIX + USER_ID_DIGITS])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t hash[SHA256_SIZE];
    sha256(arn, hash);
    memcpy(out, USER_ID_PREFIX, sizeof USER_ID_PREFIX - 1);
    for (size_t i = 0; i < USER_ID_DIGITS; i++)
        out[sizeof USER_ID_PREFIX - 1 + i] = digits[hash[i] % (sizeof digits - 1)];
    out[sizeof USER_ID_PREFIX - 1 + USER_ID_DIGITS] = '\0';
}

/* GetCallerIdentity: account, ARN and user of whoever signed. */
enum aws_status get_caller_identity(struct call *call)
{
    const struct principal *principal = call_principal(call);
    char user[sizeof USER_ID_PREFIX + USER_ID_DIGITS];
    user_id(principal->arn, user);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "Arn", principal->arn);
    json_put_cstr(reply, "UserId", user);
    json_put_string(reply, "Account", principal->account);
    json_end(reply);
    return AWS_OK;
}

const struct handler_row sts_handlers[] = {
    { "GetCallerIdentity", get_caller_identity, true },
};
const size_t sts_handler_count = sizeof sts_handlers / sizeof sts_handlers[0];
