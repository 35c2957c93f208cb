/* async/invocation.h - an asynchronous invocation as it stands in the store. Pure functions.
 *
 * The record's state is the status. Its JSON says what was asked for and how it ended. The model's input is a record of its own, of
 * kind ASYNC_INPUT_KIND and with the same key otherwise, so that lists need not read it; it goes when the invocation has ended.
 */
#ifndef CRATON_ASYNC_INVOCATION_H
#define CRATON_ASYNC_INVOCATION_H

#include "aws/credentials.h"
#include "base/json.h"
#include "store/store.h"

#define ASYNC_KIND        "async-invoke"
#define ASYNC_INPUT_KIND  "async-invoke-input"
#define ASYNC_ID_SIZE     12
#define ASYNC_IN_PROGRESS "InProgress"
#define ASYNC_COMPLETED   "Completed"
#define ASYNC_FAILED      "Failed"

struct invocation {
    struct store_key key;
    struct view status;                                     /* one of the three above */
    struct view token;                                      /* clientRequestToken; ptr NULL: none */
    int64_t submitted_ms, changed_ms;
    struct view model_id, output_uri;                       /* as asked */
    struct view digest;                                     /* of everything asked for: the same request has the same */
    struct principal principal;                             /* who asked */
    struct view message;                                    /* why it has failed; else empty */
    int64_t ended_ms;                                       /* 0: not yet */
};

/* Everything points into the arena or the record. False: not readable, or out of memory. */
bool invocation_read(struct arena *arena, const struct store_record *record, struct invocation *out);
/* Key, token, state and JSON. False: out of memory. */
bool invocation_write(struct arena *arena, const struct invocation *invocation, struct store_record *out);

struct store_key invocation_input_key(const struct store_key *key);

/* ptr NULL: out of memory. */
struct view invocation_arn(struct arena *arena, const struct store_key *key);
struct view invocation_model_arn(struct arena *arena, const struct invocation *invocation);
struct view invocation_digest(struct arena *arena, const struct json *request_body);

/* The object of this name that the invocation leaves: "output.json". False when the URI is none, or out of memory. */
bool invocation_object(struct arena *arena, const struct invocation *invocation, const char *name, struct view *bucket, struct view *key);

/* The members that GetAsyncInvoke and the list show, without the braces. */
void invocation_write_members(struct arena *arena, const struct invocation *invocation, struct json_writer *out);

#endif
