/* s3/sigv2.h - AWS Signature Version 2 for S3: HMAC-SHA1, as old clients and boto3's presigned URLs still make it.
 *
 *     header   Authorization: AWS KEYID:BASE64
 *     query    ?AWSAccessKeyId=KEYID&Expires=UNIX-SECONDS&Signature=BASE64
 *
 * The body is not signed. Pure functions.
 */
#ifndef CRATON_S3_SIGV2_H
#define CRATON_S3_SIGV2_H

#include "base/arena.h"
#include "net/http.h"

#define SIGV2_SIZE 20

struct sigv2 {
    bool query;
    struct view key_id;
    struct view session_token;                              /* empty: none */
    uint8_t signature[SIGV2_SIZE];
    struct view date;                                       /* the line that is signed: Date, Expires, or nothing */
    int64_t signed_ms;                                      /* of the header form */
    int64_t expires_ms;                                     /* of the query form */
};

/* False: the request has no signature of this kind, or a malformed one. */
bool sigv2_parse(const struct http_request *request, struct arena *arena, struct sigv2 *out);
/* bucket: of a virtual host, else empty. In constant time. */
bool sigv2_verify(const struct sigv2 *signature, const struct http_request *request, struct view bucket, struct view secret,
                  struct arena *arena);

#endif
