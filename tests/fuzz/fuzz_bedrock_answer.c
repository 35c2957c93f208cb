/* What another Bedrock answers to an endpoint's calls: whole answers, streams of events, vectors, errors. What cannot be read says so. */
#include "elastic/bedrock.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *ctx, const struct gen_delta *delta)
{
    size_t *bytes = ctx;
    *bytes += delta->text.len + delta->id.len + delta->name.len;
}

static void read_stream(struct bedrock_reader *reader, struct arena *arena, struct view bytes)
{
    struct eventstream_frame frame;
    while (eventstream_read(bytes, &frame) == EVENTSTREAM_FRAME) {
        if (!bedrock_read_event(reader, arena, &frame) && reader->end.status == ENGINE_OK)
            abort();
        bytes = view_from(bytes, frame.size);
    }
}

/* Frames with right checksums, which no fuzzer finds: each line is an event's type and its payload. */
static void read_lines(struct bedrock_reader *reader, struct arena *arena, struct view lines)
{
    while (lines.ptr != NULL) {
        struct view payload = view_split(&lines, '\n'), type = view_split(&payload, ' ');
        const struct eventstream_frame frame = {
            .headers = { { VIEW(":message-type"), view_starts_with(type, VIEW("e")) ? VIEW("exception") : VIEW("event") },
                         { VIEW(":event-type"), type },
                         { VIEW(":exception-type"), type } },
            .header_count = 3,
            .payload = payload,
        };
        if (!bedrock_read_event(reader, arena, &frame) && reader->end.status == ENGINE_OK)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view all = view_of(data, size);
    struct arena *arena = arena_create(64u << 20);
    struct bedrock_reader reader;
    size_t bytes = 0, dimensions = 0;
    float *rows = NULL;
    if (arena == NULL)
        abort();
    bedrock_reader_init(&reader, look, &bytes);
    read_stream(&reader, arena, all);
    read_lines(&reader, arena, all);
    if (!bedrock_read_converse(&reader, arena, all) && reader.end.status == ENGINE_OK)
        abort();
    bedrock_read_error(&reader, arena, 400, all);
    if (reader.end.original_status != 400 || reader.end.message == NULL)
        abort();
    if (bedrock_read_vectors(arena, all, PROVIDER_COHERE, 2, &rows, &dimensions) && (rows == NULL || dimensions == 0))
        abort();
    if (bedrock_read_vectors(arena, all, PROVIDER_AMAZONTITAN, 1, &rows, &dimensions) && (rows == NULL || dimensions == 0))
        abort();
    arena_destroy(arena);
    return 0;
}
