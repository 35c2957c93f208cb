/* server/handlers.h - every operation that has a handler: the tables of the capabilities, joined. */
#ifndef CRATON_SERVER_HANDLERS_H
#define CRATON_SERVER_HANDLERS_H

#include "aws/front.h"
#include "runtime/runtime.h"

#define HANDLER_SETS 2

/* The sets of all capabilities; contexts may be NULL when only their names are wanted. Returns how many were written. */
size_t handlers_all(struct runtime *runtime, struct models *models, struct handler_set out[HANDLER_SETS]);

bool handlers_serve(struct view operation); /* has the operation a handler? */

#endif
