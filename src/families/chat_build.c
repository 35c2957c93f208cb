#include "families/chat_build.h"

void chat_build_init(struct chat_build *build, struct arena *arena)
{
    *build = (struct chat_build){ .arena = arena };
}

void chat_message(struct chat_build *build, enum chat_role role)
{
    if (build->count > 0 && build->messages[build->count - 1].role == role && role != CHAT_TOOL)
        return;
    if (build->count == build->capacity) {
        size_t capacity = build->capacity == 0 ? 8 : build->capacity * 2;
        struct chat_message *larger = arena_resize(build->arena, build->messages, build->capacity * sizeof(*larger),
                                                   capacity * sizeof(*larger));
        if (larger == NULL)
            return;
        build->messages = larger;
        build->capacity = capacity;
    }
    build->messages[build->count++] = (struct chat_message){ .role = role };
    if (role == CHAT_ASSISTANT)
        build->assistant = build->count;
    build->parts = NULL;
    build->part_count = build->part_capacity = 0;
}

void chat_part(struct chat_build *build, struct chat_part part)
{
    if (build->count == 0)
        return;
    if (build->part_count == build->part_capacity) {
        size_t capacity = build->part_capacity == 0 ? 2 : build->part_capacity * 2;
        struct chat_part *larger = arena_resize(build->arena, build->parts, build->part_capacity * sizeof(*larger),
                                                capacity * sizeof(*larger));
        if (larger == NULL)
            return;
        build->parts = larger;
        build->part_capacity = capacity;
    }
    build->parts[build->part_count++] = part;
    struct chat_message *last = &build->messages[build->count - 1];
    last->parts = build->parts;
    last->part_count = build->part_count;
}

void chat_text(struct chat_build *build, enum chat_role role, struct view text)
{
    chat_message(build, role);
    chat_part(build, (struct chat_part){ .type = CHAT_TEXT, .text = text });
}

void chat_cache_point(struct chat_build *build)
{
    if (build->part_count > 0)
        build->parts[build->part_count - 1].cache_point = true;
}

struct view chat_called_name(const struct chat_build *build, struct view id)
{
    const struct chat_message *message = build->assistant > 0 ? &build->messages[build->assistant - 1] : NULL;
    for (size_t i = 0; message != NULL && i < message->part_count && i < CHAT_LOOKUP; i++) {
        if (message->parts[i].type == CHAT_TOOL_CALL && view_eq(message->parts[i].id, id))
            return message->parts[i].name;
    }
    return view_of(NULL, 0);
}

struct view chat_joined_text(struct arena *arena, const struct chat_message *message)
{
    size_t total = 0, texts = 0;
    struct view only = VIEW("");
    for (size_t i = 0; i < message->part_count; i++) {
        if (message->parts[i].type != CHAT_TEXT)
            continue;
        only = message->parts[i].text;
        total += only.len + 1;
        texts++;
    }
    if (texts <= 1)
        return only;
    char *joined = arena_bytes(arena, total);
    if (joined == NULL)
        return VIEW("");
    size_t at = 0;
    for (size_t i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type != CHAT_TEXT)
            continue;
        if (at > 0)
            joined[at++] = '\n';
        if (part->text.len > 0)
            memcpy(joined + at, part->text.ptr, part->text.len);
        at += part->text.len;
    }
    return view_of(joined, at);
}

static bool only_text(const struct chat_message *message)
{
    for (size_t i = 0; i < message->part_count; i++) {
        if (message->parts[i].type != CHAT_TEXT)
            return false;
    }
    return message->part_count > 0;
}

void chat_build_done(struct chat_build *build, struct generate_request *out, bool prefill)
{
    if (prefill && build->count > 1) {
        const struct chat_message *last = &build->messages[build->count - 1];
        if (last->role == CHAT_ASSISTANT && only_text(last)) {
            out->assistant_prefix = chat_joined_text(build->arena, last);
            build->count--;
        }
    }
    out->messages = build->messages;
    out->message_count = build->count;
}
