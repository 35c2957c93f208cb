/* Any input of a batch job must be cut into lines in bounded memory, and each line must be no JSON, no record, or a record whose
 * parts stand in it; what is written of it must be one line of JSON again. */
#include "batch/lines.h"
#include "batch/record.h"

#include <stdlib.h>

#define DEPTH    64
#define LINE_MAX_ 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_bytes(void *ctx, uint64_t offset, char *out, size_t len, size_t *got)
{
    const struct view *bytes = ctx;
    struct view rest = view_first(view_from(*bytes, (size_t)offset), len);
    *got = rest.len < 7 ? rest.len : 7;                     /* cut in many places */
    memcpy(out, rest.ptr, *got);
    return true;
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool stands_in(struct view part, struct view whole)
{
    return part.ptr >= whole.ptr && part.len <= whole.len && (size_t)(part.ptr - whole.ptr) <= whole.len - part.len;
}

/* The parts are values of their own, and what is written of them is one line that reads back as the same. */
static void check_record(struct arena *arena, struct view line, const struct record *record)
{
    char made[RECORD_ID_TEXT];
    struct buf out = BUF_INIT(1 << 20);
    record_make_id(VIEW("job"), 1, made);
    struct view id = record->id.len > 0 ? record->id : view_of(made, sizeof(made));
    check(stands_in(record->input, line) && (record->id.len == 0 || stands_in(record->id, line)));
    record_write_answer(&out, id, record->input, VIEW("{}"));
    check(!buf_failed(&out) && view_find_byte(buf_view(&out), '\n') == out.len - 1);

    struct record again;
    struct json_error error;
    enum record_status status = record_parse(arena, view_first(buf_view(&out), out.len - 1), DEPTH + 1, &again, &error);
    check(status == RECORD_OK || arena_exhausted(arena));
    if (status == RECORD_OK && record->problem == NULL)
        check(again.problem == NULL && view_eq(again.input, record->input) && view_eq(again.id, id));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view bytes = view_of(data, size);
    const struct line_source source = { &bytes, read_bytes };
    struct lines *lines = lines_open(&source, (struct line_place){ 0, 0 }, LINE_MAX_);
    struct arena *arena = arena_create(8 << 20);
    struct line line;
    while (lines != NULL && arena != NULL && lines_next(lines, &line) == LINES_OK) {
        struct record record;
        struct json_error error;
        arena_reset(arena);
        check(line.text.len > 0 && line.text.len <= LINE_MAX_ && line.after.offset <= size);
        if (record_parse(arena, line.text, DEPTH, &record, &error) == RECORD_OK)
            check_record(arena, line.text, &record);
    }
    arena_destroy(arena);
    lines_close(lines);
    return 0;
}
