/* tags/tags.h - the tags of whatever has an ARN: kept beside the resources, so that tagging never meets a change of the resource.
 *
 * The tags of one resource are one record of kind TAGS_KIND, whose id is "KIND/ID" of the resource's own record. Which resource
 * types can be tagged is a table in tags.c; a capability joins by adding its row, and by writing the tags that a resource is
 * created with in the same transaction. The handlers run in the pool; their call_context() is a struct tags.
 */
#ifndef CRATON_TAGS_TAGS_H
#define CRATON_TAGS_TAGS_H

#include "aws/call.h"
#include "store/store.h"

#define TAGS_KIND "tags"
#define TAGS_MAX  50                                        /* a resource */

struct tags {
    struct store *store;
};

/* Checks a list of {"key", "value"} that a resource is to be created with: NULL and empty are fine. AWS_OK, or what call_fail()
 * returned. */
enum aws_status tags_check(struct call *call, const struct json *list);

/* The write that gives a new resource its tags. False: the arena is exhausted. */
bool tags_first_write(struct arena *arena, const struct store_key *resource, const struct json *list, struct store_write *out);

enum aws_status tag_resource(struct call *call);
enum aws_status untag_resource(struct call *call);
enum aws_status list_tags_for_resource(struct call *call);

extern const struct handler_row tags_handlers[];
extern const size_t tags_handler_count;

#endif
