/* s3/error.h - S3's errors: code, HTTP status and the text that S3 itself gives. */
#ifndef CRATON_S3_ERROR_H
#define CRATON_S3_ERROR_H

#include "objects/objects.h"

#define S3_ERRORS(X)                                                                                                                     \
    X(S3_ACCESS_DENIED, "AccessDenied", 403, "Access Denied")                                                                            \
    X(S3_ACL_NOT_SUPPORTED, "AccessControlListNotSupported", 400, "The bucket does not allow ACLs")                                      \
    X(S3_BAD_AUTHORIZATION, "AuthorizationHeaderMalformed", 400, "The authorization s3_header that you provided is not valid.")          \
    X(S3_BAD_AUTHORIZATION_QUERY, "AuthorizationQueryParametersError", 400, "The authorization query parameters are not valid.")         \
    X(S3_BAD_DIGEST, "BadDigest", 400, "The checksum you specified did not match the calculated checksum.")                              \
    X(S3_BUCKET_EXISTS, "BucketAlreadyExists", 409,                                                                                      \
      "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a "          \
      "different name and try again.")                                                                                                   \
    X(S3_BUCKET_OWNED, "BucketAlreadyOwnedByYou", 409,                                                                                   \
      "Your previous request to create the named bucket succeeded and you already own it.")                                              \
    X(S3_BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty")                                         \
    X(S3_CONDITION_CONFLICT, "ConditionalRequestConflict", 409, "The conditional request cannot succeed due to a conflicting operation.") \
    X(S3_CONTENT_SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,                                                                      \
      "The provided 'x-amz-content-sha256' s3_header does not match what was computed.")                                                 \
    X(S3_ENTITY_TOO_LARGE, "EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size")                               \
    X(S3_ENTITY_TOO_SMALL, "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")                       \
    X(S3_EXPIRED_TOKEN, "ExpiredToken", 400, "The provided token has expired.")                                                          \
    X(S3_ILLEGAL_LOCATION, "IllegalLocationConstraintException", 400,                                                                    \
      "The location constraint is incompatible for the region specific endpoint this request was sent to.")                              \
    X(S3_INCOMPLETE_BODY, "IncompleteBody", 400,                                                                                         \
      "You did not provide the number of bytes specified by the Content-Length HTTP header")                                             \
    X(S3_INTERNAL, "InternalError", 500, "We encountered an internal error. Please try again.")                                          \
    X(S3_INVALID_ACCESS_KEY, "InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records.")             \
    X(S3_INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid Argument")                                                                   \
    X(S3_INVALID_BUCKET_NAME, "InvalidBucketName", 400, "The specified bucket is not valid.")                                            \
    X(S3_INVALID_CHUNK, "InvalidChunkSizeError", 400, "The chunks of the request body are malformed.")                                   \
    X(S3_INVALID_DIGEST, "InvalidDigest", 400, "The Content-MD5 you specified was invalid.")                                             \
    X(S3_INVALID_PART, "InvalidPart", 400,                                                                                               \
      "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may "    \
      "not match the part's entity tag.")                                                                                                \
    X(S3_INVALID_PART_ORDER, "InvalidPartOrder", 400,                                                                                    \
      "The list of parts was not in ascending order. Parts must be ordered by part number.")                                             \
    X(S3_INVALID_RANGE, "InvalidRange", 416, "The requested range is not satisfiable")                                                   \
    X(S3_INVALID_REQUEST, "InvalidRequest", 400, "Invalid Request")                                                                      \
    X(S3_INVALID_TAG, "InvalidTag", 400, "The tag provided was not a valid tag.")                                                        \
    X(S3_INVALID_TOKEN, "InvalidToken", 400, "The provided token is malformed or otherwise invalid.")                                    \
    X(S3_INVALID_URI, "InvalidURI", 400, "Couldn't parse the specified URI.")                                                            \
    X(S3_KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long")                                                                   \
    X(S3_MALFORMED_TRAILER, "MalformedTrailerError", 400, "The request contained trailing data that was not well-formed.")               \
    X(S3_MALFORMED_XML, "MalformedXML", 400,                                                                                             \
      "The XML you provided was not well-formed or did not validate against our published schema")                                       \
    X(S3_METADATA_TOO_LARGE, "MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size")                  \
    X(S3_METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, "The specified method is not allowed against this resource.")                      \
    X(S3_NO_BUCKET, "NoSuchBucket", 404, "The specified bucket does not exist")                                                          \
    X(S3_NO_KEY, "NoSuchKey", 404, "The specified key does not exist.")                                                                  \
    X(S3_NO_UPLOAD, "NoSuchUpload", 404,                                                                                                 \
      "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")            \
    X(S3_NO_VERSION, "NoSuchVersion", 404, "The specified version does not exist.")                                                      \
    X(S3_NO_CONFIGURATION, "NoSuchConfiguration", 404, "The specified configuration does not exist.")                                    \
    X(S3_NO_CORS, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")                                               \
    X(S3_NO_ENCRYPTION, "ServerSideEncryptionConfigurationNotFoundError", 404,                                                           \
      "The server side encryption configuration was not found")                                                                          \
    X(S3_NO_LIFECYCLE, "NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist")                                \
    X(S3_NO_OBJECT_LOCK, "ObjectLockConfigurationNotFoundError", 404, "Object Lock configuration does not exist for this bucket")        \
    X(S3_NO_OBJECT_LOCK_ON_OBJECT, "NoSuchObjectLockConfiguration", 404,                                                                 \
      "The specified object does not have a ObjectLock configuration")                                                                   \
    X(S3_NO_OWNERSHIP, "OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found")                            \
    X(S3_NO_POLICY, "NoSuchBucketPolicy", 404, "The bucket policy does not exist")                                                       \
    X(S3_NO_PUBLIC_ACCESS_BLOCK, "NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found")     \
    X(S3_NO_REPLICATION, "ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found")                    \
    X(S3_NO_TAGS, "NoSuchTagSet", 404, "The TagSet does not exist")                                                                      \
    X(S3_NO_WEBSITE, "NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration")                    \
    X(S3_NOT_IMPLEMENTED, "NotImplemented", 501, "A s3_header or query you provided implies functionality that is not implemented")      \
    X(S3_NOT_MODIFIED, "NotModified", 304, "Not Modified")                                                                               \
    X(S3_PRECONDITION_FAILED, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")                \
    X(S3_REQUEST_TIMEOUT, "RequestTimeout", 400,                                                                                         \
      "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.") \
    X(S3_SIGNATURE_MISMATCH, "SignatureDoesNotMatch", 403,                                                                               \
      "The request signature we calculated does not match the signature you provided. Check your key and signing method.")               \
    X(S3_SLOW_DOWN, "SlowDown", 503, "Please reduce your request rate.")                                                                 \
    X(S3_STORAGE_FULL, "InsufficientStorage", 507, "There is no space left where the bucket lies.")                                      \
    X(S3_TIME_SKEWED, "RequestTimeTooSkewed", 403, "The difference between the request time and the server's time is too large.")        \
    X(S3_UNREACHABLE, "ServiceUnavailable", 503, "The remote object store does not answer.")

enum s3_error {
    S3_OK,
#define X(name, code, status, text) name,
    S3_ERRORS(X)
#undef X
    S3_ERROR_COUNT
};

const char *s3_error_code(enum s3_error error);             /* "NoSuchKey"; "OK" for S3_OK */
int s3_error_status(enum s3_error error);                   /* of HTTP; 200 for S3_OK */
const char *s3_error_text(enum s3_error error);
enum s3_error s3_error_of(enum object_status status);

#endif
