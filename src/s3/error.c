#include "s3/error.h"

static const struct {
    const char *code;
    int status;
    const char *text;
} errors[S3_ERROR_COUNT] = {
    [S3_OK] = { "OK", 200, "" },
#define X(name, code, status, text) [name] = { code, status, text },
    S3_ERRORS(X)
#undef X
};

const char *s3_error_code(enum s3_error error)
{
    return errors[error].code;
}

int s3_error_status(enum s3_error error)
{
    return errors[error].status;
}

const char *s3_error_text(enum s3_error error)
{
    return errors[error].text;
}

enum s3_error s3_error_of(enum object_status status)
{
    static const enum s3_error of[] = {
        [OBJECT_OK] = S3_OK,
        [OBJECT_NO_BUCKET] = S3_NO_BUCKET,
        [OBJECT_NO_KEY] = S3_NO_KEY,
        [OBJECT_NO_UPLOAD] = S3_NO_UPLOAD,
        [OBJECT_BUCKET_OWNED] = S3_BUCKET_OWNED,
        [OBJECT_BUCKET_TAKEN] = S3_BUCKET_EXISTS,
        [OBJECT_BUCKET_NOT_EMPTY] = S3_BUCKET_NOT_EMPTY,
        [OBJECT_BAD_NAME] = S3_INVALID_URI,
        [OBJECT_BAD_DIGEST] = S3_BAD_DIGEST,
        [OBJECT_BAD_PART] = S3_INVALID_PART,
        [OBJECT_PART_TOO_SMALL] = S3_ENTITY_TOO_SMALL,
        [OBJECT_TOO_LARGE] = S3_ENTITY_TOO_LARGE,
        [OBJECT_PRECONDITION_FAILED] = S3_PRECONDITION_FAILED,
        [OBJECT_READ_ONLY] = S3_ACCESS_DENIED,
        [OBJECT_NO_SPACE] = S3_STORAGE_FULL,
        [OBJECT_DENIED] = S3_ACCESS_DENIED,
        [OBJECT_UNREACHABLE] = S3_UNREACHABLE,
        [OBJECT_BUSY] = S3_SLOW_DOWN,
        [OBJECT_NO_MEMORY] = S3_SLOW_DOWN,
        [OBJECT_ERROR] = S3_INTERNAL,
    };
    return of[status];
}
