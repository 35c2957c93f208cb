/* aws/error.h - the names of AWS errors, and what an error looks like on the wire.
 *
 * An error is a name, an HTTP status and a message. The status is a column of the service (operation.h), since a conflict is 400
 * in one Bedrock service and 409 in the next; the third column below holds where the service says nothing, which is so for all
 * errors of the front door. Services of the json protocol answer 400 to all that is the caller's fault.
 */
#ifndef CRATON_AWS_ERROR_H
#define CRATON_AWS_ERROR_H

#define AWS_ERRORS(X)                                                           \
    X(AWS_ACCESS_DENIED, "AccessDeniedException", 403)                          \
    X(AWS_BAD_GATEWAY, "BadGatewayException", 502)                              \
    X(AWS_CONFLICT, "ConflictException", 409)                                   \
    X(AWS_DEPENDENCY_FAILED, "DependencyFailedException", 424)                  \
    X(AWS_EXPIRED_TOKEN, "ExpiredTokenException", 403)                          \
    X(AWS_INCOMPLETE_SIGNATURE, "IncompleteSignatureException", 400)            \
    X(AWS_INTERNAL_SERVER, "InternalServerException", 500)                      \
    X(AWS_INVALID_SIGNATURE, "InvalidSignatureException", 403)                  \
    X(AWS_MISSING_TOKEN, "MissingAuthenticationTokenException", 403)            \
    X(AWS_MODEL_ERROR, "ModelErrorException", 424)                              \
    X(AWS_MODEL_NOT_READY, "ModelNotReadyException", 429)                       \
    X(AWS_MODEL_STREAM_ERROR, "ModelStreamErrorException", 424)                 \
    X(AWS_MODEL_TIMEOUT, "ModelTimeoutException", 408)                          \
    X(AWS_NOT_IMPLEMENTED, "NotImplementedException", 501)                      \
    X(AWS_REQUEST_TIMEOUT, "RequestTimeoutException", 408)                      \
    X(AWS_REQUEST_TOO_LARGE, "RequestEntityTooLargeException", 413)             \
    X(AWS_RESOURCE_IN_USE, "ResourceInUseException", 400)                       \
    X(AWS_RESOURCE_NOT_FOUND, "ResourceNotFoundException", 404)                 \
    X(AWS_SERIALIZATION, "SerializationException", 400)                         \
    X(AWS_SERVICE_QUOTA_EXCEEDED, "ServiceQuotaExceededException", 400)         \
    X(AWS_SERVICE_UNAVAILABLE, "ServiceUnavailableException", 503)              \
    X(AWS_THROTTLING, "ThrottlingException", 429)                               \
    X(AWS_TOO_MANY_TAGS, "TooManyTagsException", 400)                           \
    X(AWS_UNKNOWN_OPERATION, "UnknownOperationException", 404)                  \
    X(AWS_UNRECOGNIZED_CLIENT, "UnrecognizedClientException", 403)              \
    X(AWS_VALIDATION, "ValidationException", 400)

enum aws_status {
    AWS_OK,
    AWS_PENDING,                                            /* the answer comes later: inference on the loop */
#define X(name, text, http) name,
    AWS_ERRORS(X)
#undef X
    AWS_STATUS_COUNT
};

const char *aws_status_name(enum aws_status status);        /* "ValidationException"; "OK" for AWS_OK */

struct service;
/* The HTTP status of an error of this service. service may be NULL: nothing was routed. 200 for AWS_OK. */
int aws_status_http(const struct service *service, enum aws_status status);

#endif
