#include "aws/error.h"
#include "aws/operation.h"

static const struct {
    const char *name;
    int http;
} errors[AWS_STATUS_COUNT] = {
    [AWS_OK]      = { "OK", 200 },
    [AWS_PENDING] = { "Pending", 200 },
#define X(id, text, status) [id] = { text, status },
    AWS_ERRORS(X)
#undef X
};

const char *aws_status_name(enum aws_status status)
{
    return (unsigned)status < AWS_STATUS_COUNT ? errors[status].name : errors[AWS_INTERNAL_SERVER].name;
}

int aws_status_http(const struct service *service, enum aws_status status)
{
    if ((unsigned)status >= AWS_STATUS_COUNT)
        status = AWS_INTERNAL_SERVER;
    if (service != NULL && service->error_status[status] != 0)
        return service->error_status[status];
    enum aws_protocol protocol = service != NULL ? service->protocol : AWS_REST_JSON;
    bool callers_fault = errors[status].http >= 400 && errors[status].http < 500;
    if ((protocol == AWS_JSON && callers_fault) || (protocol == AWS_QUERY && status == AWS_UNKNOWN_OPERATION))
        return 400;
    return errors[status].http;
}
