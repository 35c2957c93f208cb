/* batch/close.c - the end of a window: what its segments hold, in the order of the input, becomes one object. */
#include "batch/internal.h"

#define OPEN_SEGMENTS 64                                    /* readers kept at once */
#define WRITE_BYTES   (1u << 20)
#define ENTRY_MAX     (256u << 20)

struct place {                                              /* of one result; length 0: there is none */
    uint64_t segment, offset, length;
};

struct closing {
    struct batch_run *run;
    struct arena *arena;
    struct place *places;                                   /* by record, from the window's first */
    struct segment_reader readers[OPEN_SEGMENTS];
    uint64_t segments[OPEN_SEGMENTS];                       /* whose reader it is, plus one; 0: none */
};

static enum object_status open_segment(struct closing *closing, uint64_t segment, struct segment_reader *out)
{
    char key[SEGMENT_KEY_SIZE];
    const struct batch_run *run = closing->run;
    segment_key(key, run->state.key.id, run->state.progress.at.window, segment);
    arena_reset(run->scratch);
    return segment_open(run->batch->options.objects, run->scratch, key, out);
}

static enum object_status reader_of(struct closing *closing, uint64_t segment, struct segment_reader **out)
{
    size_t slot = (size_t)(segment % OPEN_SEGMENTS);
    *out = &closing->readers[slot];
    if (closing->segments[slot] == segment + 1)
        return OBJECT_OK;
    segment_close(*out);
    enum object_status status = open_segment(closing, segment, *out);
    closing->segments[slot] = status == OBJECT_OK ? segment + 1 : 0;
    return status;
}

static enum object_status find_places(struct closing *closing, uint64_t segment)
{
    struct segment_reader *reader;
    struct segment_entry entry;
    uint64_t first = closing->run->state.progress.at.record;
    enum object_status status = reader_of(closing, segment, &reader);
    if (status != OBJECT_OK)
        return status;
    reader->at = 0;
    while ((status = segment_next(reader, &entry)) == OBJECT_OK) {
        if (entry.record < first || entry.record - first >= BATCH_WINDOW_RECORDS)
            return OBJECT_ERROR;
        closing->places[entry.record - first] = (struct place){ segment, entry.offset, entry.length };
    }
    return status == OBJECT_NO_KEY ? OBJECT_OK : status;
}

static enum object_status copy_place(struct closing *closing, size_t place, struct buf *bytes)
{
    struct segment_reader *reader;
    const struct place *from = &closing->places[place];
    const struct segment_entry entry = { .offset = from->offset, .length = from->length };
    enum object_status status = reader_of(closing, from->segment, &reader);
    if (status != OBJECT_OK)
        return status;
    size_t begun = segment_begin(bytes, closing->run->state.progress.at.record + place);
    status = segment_read(reader, &entry, bytes);
    segment_end(bytes, begun);
    return status;
}

static enum object_status copy_places(struct closing *closing, struct object_writer *writer)
{
    struct buf bytes = BUF_INIT(ENTRY_MAX);
    enum object_status status = OBJECT_OK;
    for (size_t i = 0; status == OBJECT_OK && i < BATCH_WINDOW_RECORDS; i++) {
        if (closing->places[i].length > 0)
            status = copy_place(closing, i, &bytes);
        if (bytes.len >= WRITE_BYTES) {
            object_write(writer, buf_view(&bytes));
            buf_clear(&bytes);
        }
    }
    object_write(writer, buf_view(&bytes));
    if (buf_failed(&bytes))
        status = OBJECT_NO_MEMORY;
    buf_free(&bytes);
    return status;
}

static enum object_status write_window(struct closing *closing)
{
    const struct batch_run *run = closing->run;
    char key[SEGMENT_KEY_SIZE];
    struct object_info info;
    struct object_writer *writer;
    segment_window_key(key, run->state.key.id, run->state.progress.at.window);
    const struct object_put put = { .bucket = VIEW(OBJECT_OWN_BUCKET), .key = view_from_cstr(key) };
    enum object_status status = object_write_begin(run->batch->options.objects, &put, &writer);
    if (status != OBJECT_OK)
        return status;
    status = copy_places(closing, writer);
    if (status == OBJECT_OK)
        return object_write_end(writer, closing->arena, &info);
    object_write_abort(writer);
    return status;
}

static enum object_status merge(struct closing *closing)
{
    closing->places = ARENA_ARRAY(closing->arena, struct place, BATCH_WINDOW_RECORDS);
    enum object_status status = closing->places != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
    for (uint64_t i = 0; status == OBJECT_OK && i < closing->run->state.progress.segments; i++)
        status = find_places(closing, i);
    return status == OBJECT_OK ? write_window(closing) : status;
}

static enum object_status merge_once(struct batch_run *run)
{
    struct closing closing = { .run = run, .arena = arena_create(4u << 20) };
    enum object_status status = closing.arena != NULL ? merge(&closing) : OBJECT_NO_MEMORY;
    for (size_t i = 0; i < OPEN_SEGMENTS; i++)
        segment_close(&closing.readers[i]);
    arena_destroy(closing.arena);
    return status;
}

/* Repeated after a crash: the window is written again under its name until the record counts it. */
enum course run_close_window(struct batch_run *run)
{
    struct batch_progress *progress = &run->state.progress;
    enum object_status status;
    while ((status = merge_once(run)) != OBJECT_OK) {
        enum course course = run_object_trouble(run, status, "Results cannot be put in order", VIEW(OBJECT_OWN_BUCKET), VIEW(""));
        if (course == COURSE_FAIL || course == COURSE_RETURN)
            return course;
    }
    uint64_t window = progress->at.window, segments = progress->segments;
    progress->at.window++;
    progress->at.file = run->window_end.file;
    progress->at.offset = run->window_end.place.offset;
    progress->at.line = run->window_end.place.number;
    progress->at.record = run->window_end.record;
    progress->segments = 0;
    enum course course = run_save(run);
    if (course == COURSE_ON)
        segments_remove_of(run->batch->options.objects, run->state.key.id, window, segments);   /* else the job's end removes them */
    return course;
}
