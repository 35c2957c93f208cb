/* async/internal.h - what the files of this folder share. */
#ifndef CRATON_ASYNC_INTERNAL_H
#define CRATON_ASYNC_INTERNAL_H

#include "async/async.h"
#include "async/invocation.h"

struct async {
    struct async_options options;
    struct async_caller caller;
};

void async_run(struct job *job, void *ctx);                 /* ctx is the struct async */

#endif
