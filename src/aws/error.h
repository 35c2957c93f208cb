/* aws/error.h - the names of AWS errors. The HTTP status of one is a column of the service (operation.h): a conflict is 400 in one
 * Bedrock service and 409 in the next. */
#ifndef CRATON_AWS_ERROR_H
#define CRATON_AWS_ERROR_H

#define AWS_ERRORS(X)                                                      \
    X(AWS_ACCESS_DENIED, "AccessDeniedException")                          \
    X(AWS_BAD_GATEWAY, "BadGatewayException")                              \
    X(AWS_CONFLICT, "ConflictException")                                   \
    X(AWS_DEPENDENCY_FAILED, "DependencyFailedException")                  \
    X(AWS_EXPIRED_TOKEN, "ExpiredTokenException")                          \
    X(AWS_INCOMPLETE_SIGNATURE, "IncompleteSignatureException")            \
    X(AWS_INTERNAL_SERVER, "InternalServerException")                      \
    X(AWS_INVALID_SIGNATURE, "InvalidSignatureException")                  \
    X(AWS_MISSING_TOKEN, "MissingAuthenticationTokenException")            \
    X(AWS_MODEL_ERROR, "ModelErrorException")                              \
    X(AWS_MODEL_NOT_READY, "ModelNotReadyException")                       \
    X(AWS_MODEL_STREAM_ERROR, "ModelStreamErrorException")                 \
    X(AWS_MODEL_TIMEOUT, "ModelTimeoutException")                          \
    X(AWS_NOT_IMPLEMENTED, "NotImplementedException")                      \
    X(AWS_REQUEST_TOO_LARGE, "RequestEntityTooLargeException")             \
    X(AWS_RESOURCE_IN_USE, "ResourceInUseException")                       \
    X(AWS_RESOURCE_NOT_FOUND, "ResourceNotFoundException")                 \
    X(AWS_SERIALIZATION, "SerializationException")                         \
    X(AWS_SERVICE_QUOTA_EXCEEDED, "ServiceQuotaExceededException")         \
    X(AWS_SERVICE_UNAVAILABLE, "ServiceUnavailableException")              \
    X(AWS_THROTTLING, "ThrottlingException")                               \
    X(AWS_TOO_MANY_TAGS, "TooManyTagsException")                           \
    X(AWS_UNKNOWN_OPERATION, "UnknownOperationException")                  \
    X(AWS_UNRECOGNIZED_CLIENT, "UnrecognizedClientException")              \
    X(AWS_VALIDATION, "ValidationException")

enum aws_status {
    AWS_OK,
    AWS_PENDING,                                            /* the answer comes later: inference on the loop */
#define X(name, text) name,
    AWS_ERRORS(X)
#undef X
    AWS_STATUS_COUNT
};

const char *aws_status_name(enum aws_status status);        /* "ValidationException"; "OK" for AWS_OK */

#endif
