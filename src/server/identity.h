/* server/identity.h - keys for the doors: the AWS front's credentials, and who asks at the other doors.
 *
 * On the loop, from the current snapshot of src/iam.
 */
#ifndef CRATON_SERVER_IDENTITY_H
#define CRATON_SERVER_IDENTITY_H

#include "aws/credentials.h"
#include "aws/sigv4.h"
#include "iam/snapshot.h"

struct identity {
    struct iam *iam;
    struct iam_snapshot *snapshot; /* the loop's own reference */
    struct credentials credentials;
    struct principal everybody; /* when authentication is off */
    struct sigv4_work work;
};

/* open: authentication is off, everybody is the administrator of the account. */
void identity_init(struct identity *identity, struct iam *iam, bool open, struct view account);
void identity_free(struct identity *identity);
void identity_refresh(struct identity *identity); /* takes the newest snapshot */

/* Whether identity_of() can only be asked when the body is there: a signature covers it. */
bool identity_needs_body(const struct http_request *request);

/* Who sends this request: by bearer key, Basic (access key id and secret), ApiKey (the same pair in base64, or a bearer key) or a Bedrock
 * signature over the whole request. False: nobody that is known. */
bool identity_of(struct identity *identity, const struct http_request *request, int64_t now_ms, struct principal *out);

#endif
