/* s3/address.h - which bucket and key a request names, and whether it is meant for S3 at all. Pure functions over a request.
 *
 *     path-style            localhost:4747/BUCKET/KEY
 *     virtual-host style    BUCKET.localhost:4747/KEY      below "localhost" and the configured domains
 */
#ifndef CRATON_S3_ADDRESS_H
#define CRATON_S3_ADDRESS_H

#include "net/http.h"

struct s3_domains {                                         /* lower case, borrowed; "localhost" need not be among them */
    const struct view *names;
    size_t count;
};

struct s3_address {
    struct view bucket;                                     /* as on the wire; empty: the service itself */
    struct view key;                                        /* still percent-encoded; empty: the bucket itself */
    bool virtual_host;
};

struct s3_address s3_address_of(const struct s3_domains *domains, const struct http_request *request);

enum s3_claim {
    S3_CLAIM_NONE,                                          /* signed for somebody else */
    S3_CLAIM_HOST,                                          /* not signed, but the host names a bucket */
    S3_CLAIM_SIGNED,                                        /* signed for s3, in whatever form */
    S3_CLAIM_UNSIGNED,                                      /* nothing says whose it is */
};
enum s3_claim s3_claim_of(const struct s3_domains *domains, const struct http_request *request);

/* The undecoded value of a query parameter; NULL ptr: it is not there. */
struct view s3_query_raw(struct view query, struct view name);

#endif
