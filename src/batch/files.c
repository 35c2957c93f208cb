/* batch/files.c - the files of a job's input: their list, kept as an object while the job lives, and their bytes. */
#include "batch/internal.h"

#define LIST_MAX  (64u << 20)
#define LINE_MAX_ (16u << 10)                               /* of the list: a key and four more members */
#define DEPTH     4

static void write_list(const struct batch_run *run, struct buf *out)
{
    struct json_writer line;
    json_writer_init(&line, out);
    for (size_t i = 0; i < run->file_count; i++) {
        const struct batch_file *file = &run->files[i];
        json_object(&line);
        json_put_string(&line, "key", file->key);
        json_put_string(&line, "id", file->id);
        json_put_i64(&line, "size", (int64_t)file->size);
        json_put_i64(&line, "records", (int64_t)file->records);
        json_end(&line);
        buf_append_byte(out, '\n');
    }
}

enum course run_save_files(struct batch_run *run)
{
    char key[SEGMENT_KEY_SIZE];
    struct buf list = BUF_INIT(LIST_MAX);
    write_list(run, &list);
    enum course course = COURSE_FAIL;
    segment_files_key(key, run->state.key.id);
    if (buf_failed(&list))
        run_fail(run, "The list of the input's files is too large for this server.");
    else
        course = run_put_own(run, key, buf_view(&list));
    buf_free(&list);
    return course;
}

static bool read_line(struct batch_run *run, struct view text, struct batch_file *out)
{
    int64_t size, records;
    const struct json *line = json_parse(run->scratch, text, DEPTH, NULL);
    if (!json_get_i64(line, "size", &size) || !json_get_i64(line, "records", &records))
        return false;
    *out = (struct batch_file){ .key = arena_copy(run->arena, json_get_string(line, "key")),
                                .id = arena_copy(run->arena, json_get_string(line, "id")),
                                .size = (uint64_t)size,
                                .records = (uint64_t)records };
    return out->key.ptr != NULL && out->id.ptr != NULL;
}

static bool read_lines(struct batch_run *run, struct view text)
{
    run->files = ARENA_ARRAY(run->arena, struct batch_file, run->state.progress.files);
    for (run->file_count = 0; run->files != NULL && text.len > 0; run->file_count++) {
        struct view line = view_split(&text, '\n');
        arena_reset(run->scratch);
        if (run->file_count == run->state.progress.files || !read_line(run, line, &run->files[run->file_count]))
            return false;
    }
    return run->file_count == run->state.progress.files;
}

static enum object_status read_own(struct batch_run *run, const char *key, struct buf *out)
{
    struct segment_reader reader;
    arena_reset(run->scratch);
    enum object_status status = segment_open(run->batch->options.objects, run->scratch, key, &reader);
    const struct segment_entry all = { .offset = 0, .length = reader.size };
    if (status == OBJECT_OK)
        status = segment_read(&reader, &all, out);
    segment_close(&reader);
    return status;
}

enum course run_load_files(struct batch_run *run)
{
    char key[SEGMENT_KEY_SIZE];
    enum course course;
    segment_files_key(key, run->state.key.id);
    do {
        struct buf list = BUF_INIT(LIST_MAX);
        enum object_status status = read_own(run, key, &list);
        if (status != OBJECT_OK)
            course = run_object_trouble(run, status, "What the validation has found cannot be read", VIEW(OBJECT_OWN_BUCKET),
                                        view_from_cstr(key));
        else if (read_lines(run, buf_view(&list)))
            course = COURSE_ON;
        else
            course = run_fail(run, "What the validation has found cannot be read.");
        buf_free(&list);
    } while (course == COURSE_ON && run->files == NULL);
    return course;
}

/* ---- bytes ---- */

static bool read_bytes(void *ctx, uint64_t offset, char *out, size_t len, size_t *got)
{
    struct batch_run *run = ctx;
    const struct batch_file *file = &run->files[run->reader_file];
    enum object_status status;
    while ((status = object_read_at(run->reader, offset, out, len, got)) != OBJECT_OK) {
        if (run_object_trouble(run, status, "The input cannot be read", run->input_bucket, file->key) != COURSE_ON)
            return false;
    }
    return true;
}

void run_close_file(struct batch_run *run)
{
    object_read_end(run->reader);
    run->reader = NULL;
}

static enum course open_object(struct batch_run *run, struct batch_file *file)
{
    struct object_info info;
    for (;;) {
        arena_reset(run->scratch);
        enum object_status status = object_read_begin(run->batch->options.objects, run->scratch, run->input_bucket, file->key, &info,
                                                      &run->reader);
        if (status == OBJECT_OK && view_eq(info.id, file->id))
            return COURSE_ON;
        if (status == OBJECT_OK)
            return run_fail(run, "The input s3://" VIEW_FMT "/" VIEW_FMT " was replaced while the job was running.",
                            VIEW_ARG(run->input_bucket), VIEW_ARG(file->key));
        enum course course = run_object_trouble(run, status, "The input cannot be read", run->input_bucket, file->key);
        if (course != COURSE_ON)
            return course;
    }
}

enum course run_open_file(struct batch_run *run, size_t file, struct line_source *out)
{
    *out = (struct line_source){ run, read_bytes };
    if (run->reader != NULL && run->reader_file == file)
        return COURSE_ON;
    run_close_file(run);
    run->reader_file = file;
    return open_object(run, &run->files[file]);
}
