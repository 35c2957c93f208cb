/* sts/sts.h - the Security Token Service: who asks? Roles and temporary keys are not served. */
#ifndef CRATON_STS_STS_H
#define CRATON_STS_STS_H

#include "aws/call.h"

enum aws_status get_caller_identity(struct call *call);

extern const struct handler_row sts_handlers[];             /* they need no context */
extern const size_t sts_handler_count;

#endif
