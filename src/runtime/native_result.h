/* runtime/native_result.h - a gathered answer as the native body of its family. */
#ifndef CRATON_RUNTIME_NATIVE_RESULT_H
#define CRATON_RUNTIME_NATIVE_RESULT_H

#include "runtime/inference.h"

/* What the family's result writer takes. Borrows from the answer and the call's arena. */
bool native_result(const struct answer *answer, const struct engine_end *end, struct gen_result *result);

/* Each path must be a JSON pointer; writes why not into the call's error and returns false. */
bool response_paths_valid(struct call *call, const struct json *paths, enum aws_status *status);

/* The members of the native body that paths name, as one JSON object in the arena; empty when none is there. */
struct view response_fields(struct inference *inference, const struct answer *answer, const struct engine_end *end,
                            const struct json *paths);

#endif
