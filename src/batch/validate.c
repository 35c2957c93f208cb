/* batch/validate.c - what a job is to work on: which objects, how many records, and whether each line is JSON. */
#include "batch/internal.h"

#include "batch/record.h"

#define PAGE      1000
#define DISTURBED 256                                       /* lines between two looks at what else is due */

/* ---- the bucket ---- */

static enum course check_bucket(struct batch_run *run, struct view name, struct view owner, const char *what, bool write)
{
    struct bucket_info info;
    enum course course = COURSE_ON;
    for (;;) {
        arena_reset(run->scratch);
        enum object_status status = bucket_get(run->batch->options.objects, run->scratch, name, &info);
        if (status == OBJECT_OK)
            break;
        if (status == OBJECT_NO_BUCKET)
            return run_fail(run, "The %s bucket " VIEW_FMT " does not exist.", what, VIEW_ARG(name));
        course = run_object_trouble(run, status, "The bucket cannot be reached", name, VIEW(""));
        if (course != COURSE_ON)
            return course;
    }
    if (!view_eq(info.account, run->state.key.account) || (owner.len > 0 && !view_eq(info.account, owner)))
        return run_fail(run, "The %s bucket " VIEW_FMT " belongs to another account.", what, VIEW_ARG(name));
    if (write && info.place == BUCKET_LINKED)
        return run_fail(run, "The output bucket " VIEW_FMT " is a linked directory, which is read-only.", VIEW_ARG(name));
    return COURSE_ON;
}

/* ---- the files ---- */

static enum course add_file(struct batch_run *run, const struct object_info *info)
{
    const struct batch_options *options = &run->batch->options;
    if (run->file_count == BATCH_FILES_MAX)
        return run_fail(run, "The input has more than %d .jsonl files.", BATCH_FILES_MAX);
    if (info->size > options->max_file_bytes)
        return run_fail(run, "The input file s3://" VIEW_FMT "/" VIEW_FMT " has %llu bytes, %llu are allowed (batch.max_file_size).",
                        VIEW_ARG(run->input_bucket), VIEW_ARG(info->key), (unsigned long long)info->size,
                        (unsigned long long)options->max_file_bytes);
    if ((run->file_count & (run->file_count - 1)) == 0) {   /* full: doubled at each power of two */
        size_t size = run->file_count * sizeof(*run->files);
        run->files = arena_resize(run->arena, run->files, size, size == 0 ? sizeof(*run->files) : 2 * size);
        if (run->files == NULL)
            return run_fail(run, "The server is out of memory.");
    }
    run->files[run->file_count++] = (struct batch_file){ .key = arena_copy(run->arena, info->key),
                                                         .id = arena_copy(run->arena, info->id), .size = info->size };
    return arena_exhausted(run->arena) ? run_fail(run, "The server is out of memory.") : COURSE_ON;
}

static enum course find_one(struct batch_run *run, struct view key)
{
    struct object_info info;
    for (;;) {
        arena_reset(run->scratch);
        enum object_status status = object_head(run->batch->options.objects, run->scratch, run->input_bucket, key, &info);
        if (status == OBJECT_OK)
            return add_file(run, &info);
        if (status == OBJECT_NO_KEY)
            return run_fail(run, "The input s3://" VIEW_FMT "/" VIEW_FMT " does not exist.", VIEW_ARG(run->input_bucket), VIEW_ARG(key));
        enum course course = run_object_trouble(run, status, "The input cannot be read", run->input_bucket, key);
        if (course != COURSE_ON)
            return course;
    }
}

static enum course add_page(struct batch_run *run, const struct object_page *page)
{
    enum course course = COURSE_ON;
    for (size_t i = 0; course == COURSE_ON && i < page->count; i++) {
        if (view_ends_with(page->objects[i].key, VIEW(".jsonl")))
            course = add_file(run, &page->objects[i]);
    }
    return course;
}

/* Every .jsonl object whose key begins with the prefix. */
static enum course find_all(struct batch_run *run, struct view prefix)
{
    struct object_list list = { .bucket = run->input_bucket, .prefix = prefix, .limit = PAGE };
    char after[OBJECT_KEY_MAX + 1];
    struct object_page page = { .more = true };
    while (page.more) {
        arena_reset(run->scratch);
        enum object_status status = object_list(run->batch->options.objects, run->scratch, &list, &page);
        enum course course = status == OBJECT_OK
                                 ? add_page(run, &page)
                                 : run_object_trouble(run, status, "The input cannot be listed", run->input_bucket, prefix);
        if (course == COURSE_ON && status == OBJECT_OK)
            course = run_course(run);
        if (course != COURSE_ON)
            return course;
        page.more = page.more || status != OBJECT_OK;
        if (status != OBJECT_OK)
            continue;
        size_t len = page.last.len < sizeof(after) ? page.last.len : sizeof(after);
        memcpy(after, page.last.ptr != NULL ? page.last.ptr : "", len);
        list.after = view_of(after, len);
    }
    return COURSE_ON;
}

static bool object_exists(struct batch_run *run, struct view key)
{
    struct object_info info;
    arena_reset(run->scratch);
    return object_head(run->batch->options.objects, run->scratch, run->input_bucket, key, &info) == OBJECT_OK;
}

static enum course find_folder(struct batch_run *run, struct view key)
{
    enum course course = find_all(run, run->input_prefix);
    if (course != COURSE_ON || run->file_count > 0)
        return course;
    if (key.len > 0 && !view_ends_with(key, VIEW("/")) && object_exists(run, key))
        return run_fail(run, "The name of the input s3://" VIEW_FMT "/" VIEW_FMT " does not end in .jsonl.", VIEW_ARG(run->input_bucket),
                        VIEW_ARG(key));
    return run_fail(run, "There is no .jsonl file in the folder s3://" VIEW_FMT "/" VIEW_FMT ".", VIEW_ARG(run->input_bucket),
                    VIEW_ARG(run->input_prefix));
}

static enum course find_files(struct batch_run *run)
{
    struct view bucket, key;
    run->files = NULL;
    run->file_count = 0;
    if (!object_uri_parse(run->state.request.input_uri, &bucket, &key))
        return run_fail(run, "The input is no S3 URI.");
    return view_ends_with(key, VIEW(".jsonl")) ? find_one(run, key) : find_folder(run, key);
}

/* The job's size, and whether its longest name still is a key in the output. */
static enum course check_files(struct batch_run *run)
{
    const struct batch_options *options = &run->batch->options;
    uint64_t bytes = 0;
    for (size_t i = 0; i < run->file_count; i++) {
        const struct view key = run->files[i].key;
        bytes += run->files[i].size;
        if (run->output_prefix.len + key.len - run->input_prefix.len + strlen(".out") > OBJECT_KEY_MAX)
            return run_fail(run, "The name of the output for s3://" VIEW_FMT "/" VIEW_FMT " would be longer than %d bytes.",
                            VIEW_ARG(run->input_bucket), VIEW_ARG(key), OBJECT_KEY_MAX);
    }
    if (bytes > options->max_job_bytes)
        return run_fail(run, "The input has %llu bytes, %llu are allowed (batch.max_job_size).", (unsigned long long)bytes,
                        (unsigned long long)options->max_job_bytes);
    return COURSE_ON;
}

/* ---- the lines ---- */

static enum course bad_line(struct batch_run *run, const struct batch_file *file, uint64_t number, const char *why)
{
    return run_fail(run, "Line %llu of s3://" VIEW_FMT "/" VIEW_FMT " is not valid JSON: %s.", (unsigned long long)number,
                    VIEW_ARG(run->input_bucket), VIEW_ARG(file->key), why);
}

static enum course check_line(struct batch_run *run, const struct batch_file *file, const struct line *line)
{
    struct json_error error;
    struct record record;
    arena_reset(run->scratch);
    switch (record_parse(run->scratch, line->text, run->batch->options.json_depth, &record, &error)) {
    case RECORD_OK:
        return COURSE_ON;
    case RECORD_NOT_JSON:
        return bad_line(run, file, line->number, error.message);
    default:
        return run_fail(run, "Line %llu of s3://" VIEW_FMT "/" VIEW_FMT " needs more memory than this server gives it.",
                        (unsigned long long)line->number, VIEW_ARG(run->input_bucket), VIEW_ARG(file->key));
    }
}

static enum course line_trouble(struct batch_run *run, const struct batch_file *file, enum lines_status status, uint64_t number)
{
    if (status == LINES_TOO_LONG)
        return run_fail(run, "Line %llu of s3://" VIEW_FMT "/" VIEW_FMT " is longer than %zu bytes (net.body_max).",
                        (unsigned long long)number, VIEW_ARG(run->input_bucket), VIEW_ARG(file->key),
                        run->batch->options.max_record_bytes);
    if (status == LINES_NO_MEMORY)
        return run_fail(run, "The server is out of memory.");
    enum course course = run_course(run);                   /* reading has failed, and has said why; or it was disturbed */
    return course != COURSE_ON ? course : COURSE_FAIL;
}

static enum course count_lines(struct batch_run *run, struct batch_file *file, struct lines *lines)
{
    const struct batch_options *options = &run->batch->options;
    struct line line;
    enum lines_status status;
    enum course course = COURSE_ON;
    while (course == COURSE_ON && (status = lines_next(lines, &line)) != LINES_END) {
        course = status == LINES_OK ? check_line(run, file, &line) : line_trouble(run, file, status, line.number);
        if (course == COURSE_ON && ++file->records > options->max_file_records)
            course = run_fail(run, "The input file s3://" VIEW_FMT "/" VIEW_FMT " has more than %llu records (batch.max_file_records).",
                              VIEW_ARG(run->input_bucket), VIEW_ARG(file->key), (unsigned long long)options->max_file_records);
        if (course == COURSE_ON && file->records % DISTURBED == 0)
            course = run_course(run);
    }
    return course;
}

static enum course count_records(struct batch_run *run, size_t at)
{
    struct line_source source;
    struct batch_file *file = &run->files[at];
    enum course course = run_open_file(run, at, &source);
    if (course != COURSE_ON)
        return course;
    struct lines *lines = lines_open(&source, (struct line_place){ 0, 0 }, run->batch->options.max_record_bytes);
    file->records = 0;
    course = lines != NULL ? count_lines(run, file, lines) : run_fail(run, "The server is out of memory.");
    lines_close(lines);
    run_close_file(run);
    return course;
}

static enum course count_all(struct batch_run *run, uint64_t *total)
{
    const struct batch_options *options = &run->batch->options;
    enum course course = COURSE_ON;
    *total = 0;
    for (size_t i = 0; course == COURSE_ON && i < run->file_count; i++) {
        course = count_records(run, i);
        *total += run->files[i].records;
        if (course == COURSE_ON && *total > options->max_job_records)
            course = run_fail(run, "The input has more than %llu records (batch.max_job_records).",
                              (unsigned long long)options->max_job_records);
    }
    if (course == COURSE_ON && *total == 0)
        course = run_fail(run, "The input " VIEW_FMT " holds no record.", VIEW_ARG(run->state.request.input_uri));
    if (course == COURSE_ON && *total < options->min_records)
        course = run_fail(run, "The input has %llu records, at least %llu are needed (batch.min_records).", (unsigned long long)*total,
                          (unsigned long long)options->min_records);
    return course;
}

enum course run_validate(struct batch_run *run)
{
    const struct batch_request *request = &run->state.request;
    uint64_t total = 0;
    enum course course = check_bucket(run, run->input_bucket, request->input_owner, "input", false);
    if (course == COURSE_ON)
        course = check_bucket(run, run->output_bucket, request->output_owner, "output", true);
    if (course == COURSE_ON)
        course = find_files(run);
    if (course == COURSE_ON)
        course = check_files(run);
    if (course == COURSE_ON)
        course = count_all(run, &total);
    if (course == COURSE_ON)
        course = run_save_files(run);
    if (course != COURSE_ON)
        return course;
    run->state.progress.files = run->file_count;
    run->state.progress.counts = (struct batch_counts){ .total = total };
    return COURSE_ON;
}
