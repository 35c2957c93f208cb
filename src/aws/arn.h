/* aws/arn.h - Amazon resource names: arn:PARTITION:SERVICE:REGION:ACCOUNT:TYPE/ID.
 *
 * Pure functions over views; the parts of a parsed ARN point into the text.
 */
#ifndef CRATON_AWS_ARN_H
#define CRATON_AWS_ARN_H

#include "base/buf.h"

struct arn {
    struct view partition, service, region, account;
    struct view resource;                                   /* all that follows the account: "custom-model/abc" */
    struct view type;                                       /* up to the first '/' or ':' of the resource; empty without one */
    struct view id;                                         /* what follows it, else the whole resource */
};

bool arn_parse(struct view text, struct arn *out);          /* false when the text is no ARN */

/* The resource type of an ARN that is still percent-encoded, as a path holds it; empty when there is none. */
struct view arn_encoded_resource_type(struct view encoded);

/* Appends "arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE". */
bool arn_append(struct buf *out, struct view service, struct view region, struct view account, struct view resource);

#endif
