/* families/chat_build.h - messages put together part by part, in an arena. Pure; failure shows in arena_exhausted(). */
#ifndef CRATON_FAMILIES_CHAT_BUILD_H
#define CRATON_FAMILIES_CHAT_BUILD_H

#include "engine/request.h"

struct chat_build {
    struct arena *arena;
    struct chat_message *messages;
    size_t count, capacity;
    size_t assistant;                                       /* one more than the index of the last assistant message; 0: none */
    struct chat_part *parts;                                /* of the last message */
    size_t part_count, part_capacity;
};

void chat_build_init(struct chat_build *build, struct arena *arena);

/* Begins a message, or goes on with the last one when that has the same role: chat templates want roles to alternate. Each tool
 * result is a message of its own. */
void chat_message(struct chat_build *build, enum chat_role role);
void chat_part(struct chat_build *build, struct chat_part part);        /* into the last message */
void chat_text(struct chat_build *build, enum chat_role role, struct view text);   /* chat_message() and a text part */
void chat_cache_point(struct chat_build *build);                        /* at the last part, if there is one */

/* The name of the tool that id stands for, by the calls of the last assistant message; NULL ptr: there is no such call. Only the
 * first CHAT_LOOKUP parts are looked at. */
#define CHAT_LOOKUP 256
struct view chat_called_name(const struct chat_build *build, struct view id);

/* The messages go into out. When prefill is set, a closing assistant message that holds only text becomes out->assistant_prefix. */
void chat_build_done(struct chat_build *build, struct generate_request *out, bool prefill);

/* The texts of a message as one, each after the first on a line of its own. */
struct view chat_joined_text(struct arena *arena, const struct chat_message *message);

#endif
