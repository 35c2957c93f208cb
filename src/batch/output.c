/* batch/output.c - the output: closed windows one after the other, cut at the ends of the files; then the manifest.
 *
 * Every object is put whole under a name that follows from the job alone, so that a crash on the way costs only the repetition.
 */
#include "batch/internal.h"

#include <stdio.h>

#define WRITE_BYTES (1u << 20)
#define ENTRY_MAX   (256u << 20)
#define PUT_ARENA   (64u << 10)

struct output {
    struct batch_run *run;
    struct object_writer *writer;                           /* of the output of files[file]; NULL: not begun */
    size_t file;
    uint64_t file_end;                                      /* the number of the first record after the file */
    struct buf bytes;                                       /* not written yet */
    char key[OBJECT_KEY_MAX + 1];                           /* of the object at hand, for messages */
};

static struct view output_key(struct output *output, struct view name)
{
    int len = snprintf(output->key, sizeof(output->key), VIEW_FMT VIEW_FMT ".out", VIEW_ARG(output->run->output_prefix), VIEW_ARG(name));
    return view_of(output->key, (size_t)len < sizeof(output->key) ? (size_t)len : sizeof(output->key) - 1);
}

static enum object_status begin_file(struct output *output)
{
    const struct batch_run *run = output->run;
    struct view name = view_from(run->files[output->file].key, run->input_prefix.len);
    const struct object_put put = { .bucket = run->output_bucket, .key = output_key(output, name),
                                    .content_type = VIEW("application/jsonl") };
    return object_write_begin(run->batch->options.objects, &put, &output->writer);
}

static enum object_status flush(struct output *output)
{
    enum object_status status = object_write(output->writer, buf_view(&output->bytes));
    buf_clear(&output->bytes);
    return status;
}

static enum object_status end_file(struct output *output)
{
    struct object_info info;
    flush(output);
    arena_reset(output->run->scratch);
    enum object_status status = object_write_end(output->writer, output->run->scratch, &info);
    output->writer = NULL;
    return status;
}

/* Ends the file at hand and goes on to the one that holds the record; files between them that hold no record get an empty output. */
static enum object_status go_to_file(struct output *output, uint64_t record)
{
    enum object_status status = OBJECT_OK;
    while (status == OBJECT_OK && (output->writer == NULL || record >= output->file_end)) {
        if (output->writer != NULL) {
            status = end_file(output);
            output->file++;
        }
        if (status != OBJECT_OK)
            return status;
        if (output->file == output->run->file_count)
            return OBJECT_ERROR;
        output->file_end += output->run->files[output->file].records;
        status = begin_file(output);
    }
    return status;
}

static enum object_status copy_window(struct output *output, struct segment_reader *window)
{
    struct segment_entry entry;
    enum object_status status;
    while ((status = segment_next(window, &entry)) == OBJECT_OK) {
        status = go_to_file(output, entry.record);
        if (status == OBJECT_OK)
            status = segment_read(window, &entry, &output->bytes);
        if (status == OBJECT_OK && output->bytes.len >= WRITE_BYTES)
            status = flush(output);
        if (status != OBJECT_OK)
            return status;
    }
    return status == OBJECT_NO_KEY ? OBJECT_OK : status;
}

static enum object_status copy_windows(struct output *output)
{
    const struct batch_run *run = output->run;
    enum object_status status = OBJECT_OK;
    for (uint64_t i = 0; status == OBJECT_OK && i < run->state.progress.at.window; i++) {
        char key[SEGMENT_KEY_SIZE];
        struct segment_reader window;
        segment_window_key(key, run->state.key.id, i);
        arena_reset(run->scratch);
        status = segment_open(run->batch->options.objects, run->scratch, key, &window);
        if (status == OBJECT_OK)
            status = copy_window(output, &window);
        segment_close(&window);
    }
    return status;
}

/* The last files may hold no record: then nothing has led to them. */
static enum object_status end_files(struct output *output)
{
    const struct batch_run *run = output->run;
    enum object_status status = output->writer != NULL ? end_file(output) : OBJECT_OK;
    bool whole = batch_counts_done(&run->state.progress.counts) == run->state.progress.counts.total;
    for (output->file++; whole && status == OBJECT_OK && output->file < run->file_count; output->file++) {
        status = begin_file(output);
        if (status == OBJECT_OK)
            status = end_file(output);
    }
    return status;
}

static enum object_status write_manifest(struct output *output)
{
    const struct batch_run *run = output->run;
    struct object_info info;
    struct buf text = BUF_INIT(PUT_ARENA);
    const struct object_put put = { .bucket = run->output_bucket, .key = output_key(output, VIEW("manifest.json")),
                                    .content_type = VIEW("application/json") };
    arena_reset(run->scratch);
    enum object_status status = OBJECT_NO_MEMORY;
    if (batch_write_manifest(&text, &run->state.progress.counts))
        status = object_put_bytes(run->batch->options.objects, run->scratch, &put, buf_view(&text), &info);
    buf_free(&text);
    return status;
}

static enum object_status write_once(struct output *output)
{
    buf_init(&output->bytes, ENTRY_MAX);
    enum object_status status = copy_windows(output);
    if (status == OBJECT_OK)
        status = end_files(output);
    if (status == OBJECT_OK)
        status = write_manifest(output);
    object_write_abort(output->writer);
    output->writer = NULL;
    buf_free(&output->bytes);
    return status;
}

enum course run_write_output(struct batch_run *run)
{
    for (;;) {
        struct output output = { .run = run };
        enum object_status status = write_once(&output);
        if (status == OBJECT_OK)
            return COURSE_ON;
        enum course course = run_object_trouble(run, status, "The output cannot be written", run->output_bucket,
                                                view_from_cstr(output.key));
        if (course == COURSE_FAIL || course == COURSE_RETURN)
            return course;
    }
}
