#include "worker/import_role.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/fs.h"
#include "worker/import.h"
#include "worker/model.h"
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_MAX    ((size_t)4 << 30)
#define JSON_MAX     (256u << 20) /* tokenizer.json of a large vocabulary */
#define NAME_MAX_LEN 128
#define NICENESS     10           /* below the workers that answer */

/* ---- what the steps use ---- */

static void print_line(struct buf *line)
{
    buf_append_byte(line, '\n');
    if (!buf_failed(line))
        fwrite(line->ptr, 1, line->len, stdout);
    fflush(stdout);
    buf_free(line);
}

void import_tell(struct import *im, const char *name, const char *format, ...)
{
    if (im->error[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(im->error, sizeof im->error, format, args);
    va_end(args);
    snprintf(im->error_name, sizeof im->error_name, "%s", name);
}

void import_tell_system(struct import *im, const char *name, const char *what)
{
    char reason[128];
    import_tell(im, name, "%s: %s", what, fs_error(-errno, reason, sizeof reason));
}

void import_progress(struct import *im, const char *step, double done)
{
    int percent = (int)(done * 100);
    if (im->quiet || (im->shown_step == step && im->shown_percent == percent))
        return;
    im->shown_step = step;
    im->shown_percent = percent;
    struct buf line = BUF_INIT(4096);
    struct json_writer writer;
    json_writer_init(&writer, &line);
    json_object(&writer);
    json_put_cstr(&writer, "step", step);
    json_put_double(&writer, "done", percent / 100.0);
    json_end(&writer);
    print_line(&line);
}

bool import_read(struct import *im, const char *file, size_t max, struct view *out)
{
    char reason[128];
    struct buf bytes = BUF_INIT(max);
    int status = fs_read_file(arena_printf(im->arena, "%s/%s", im->source, file), &bytes);
    *out = view_of(NULL, 0);
    if (status == 0)
        *out = arena_copy(im->arena, buf_view(&bytes));
    buf_free(&bytes);
    if (status != 0 && status != -ENOENT)
        return import_fail(im, "NotAModel", "%s: %s", file, fs_error(status, reason, sizeof reason));
    return !arena_exhausted(im->arena) || IMPORT_NO_MEMORY(im);
}

bool import_read_json(struct import *im, const char *file, const struct json **out)
{
    struct view text;
    struct json_error error;
    *out = NULL;
    if (!import_read(im, file, JSON_MAX, &text))
        return false;
    if (text.ptr == NULL)
        return true;
    *out = json_parse(im->arena, text, 64, &error);
    return *out != NULL || import_fail(im, "BrokenConfiguration", "%s is not JSON: %s at byte %zu", file, error.message, error.offset);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool import_map(struct import *im, const char *path, struct view *out)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        if (fd < 0)
            return import_fail_system(im, "NotFound", file_name(path));
        close(fd);
        return import_fail(im, "NotFound", "%s is not a file", file_name(path));
    }
    void *bytes = status.st_size > 0 ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (bytes == NULL || bytes == MAP_FAILED)
        return import_fail(im, "NotAModel", "%s is empty or cannot be read", file_name(path));
    *out = view_of(bytes, (size_t)status.st_size);
    return true;
}

/* ---- the source ---- */

static bool hash_file(struct import *im, const char *path, char out[2 * SHA256_SIZE + 1])
{
    struct view bytes;
    uint8_t digest[SHA256_SIZE];
    struct sha256_stream *stream = import_map(im, path, &bytes) ? sha256_stream_create() : NULL;
    if (stream == NULL)
        return IMPORT_NO_MEMORY(im);
    for (size_t at = 0; at < bytes.len; at += 16u << 20) {
        sha256_stream_add(stream, view_first(view_from(bytes, at), 16u << 20));
        import_progress(im, "checking", (double)at / (double)bytes.len);
    }
    sha256_stream_finish(stream, digest);
    hex_encode(digest, sizeof digest, out);
    out[2 * SHA256_SIZE] = '\0';
    munmap((void *)(uintptr_t)bytes.ptr, bytes.len);
    return true;
}

static bool convert(struct import *im, struct view file, const char *to)
{
    struct weights weights;
    bool fine = weights_init(im, &weights) && (file.ptr != NULL ? import_e5(im, file, &weights) : import_folder(im, &weights)) &&
                weights_write(im, &weights, to);
    weights_free(&weights);
    return fine;
}

/* Makes a GGUF of whatever the source is: *gguf is the source itself, or the converted file. */
static bool open_source(struct import *im, const char *work, const char **gguf, const char **hashed, bool *converted)
{
    struct stat status;
    struct view file = { NULL, 0 };
    if (stat(im->source, &status) != 0)
        return import_fail_system(im, "NotFound", im->source);
    *converted = true;
    *gguf = arena_printf(im->arena, "%s/converted.gguf", work);
    *hashed = im->source;
    if (S_ISDIR(status.st_mode)) {
        const char *index = arena_printf(im->arena, "%s/model.safetensors.index.json", im->source);
        *hashed = fs_exists(index) ? index : arena_printf(im->arena, "%s/model.safetensors", im->source);
        return convert(im, view_of(NULL, 0), *gguf);
    }
    if (!import_map(im, im->source, &file))
        return false;
    if (import_is_e5(file))
        return convert(im, file, *gguf);
    if (!view_starts_with(file, VIEW("GGUF")))
        return import_fail(im, "NotAModel", "the file is neither GGUF nor a packed e5 model; safetensors are added by their folder");
    *gguf = im->source;
    *converted = false;
    return true;
}

/* ---- model.json ---- */

static void write_manifest(const struct import *im, const struct layout_result *result, const char *hash, struct buf *out)
{
    struct json_writer w;
    char now[CLOCK_ISO_SIZE];
    clock_format_iso(clock_wall_ms(clock_system()), false, now);
    json_writer_init(&w, out);
    json_object(&w);
    json_put_string(&w, "name", im->name);
    json_put_cstr(&w, "kind", result->embedding ? "embedding" : "text");
    json_put_cstr(&w, "source", im->source);
    json_put_cstr(&w, "sha256", hash);
    json_put_cstr(&w, "layout", result->layout);
    json_put_cstr(&w, "architecture", result->architecture);
    json_put_i64(&w, "parameters", result->parameters);
    json_put_i64(&w, "context", result->context);
    if (result->embedding) {
        json_put_i64(&w, "dimensions", result->dimensions);
        json_put_string(&w, "query_prefix", im->query_prefix);
        json_put_string(&w, "document_prefix", im->document_prefix);
    } else {
        json_put_bool(&w, "template", result->has_template);
    }
    if (result->measured) {
        json_key(&w, "loss");
        json_object(&w);
        json_put_double(&w, result->embedding ? "cosine" : "kl", result->loss);
        json_end(&w);
    }
    if (im->preferred)
        json_put_bool(&w, "default", true);
    json_put_cstr(&w, "added", now);
    json_end(&w);
}

static void put_summary(const struct import *im, const struct layout_result *result, struct json_writer *w)
{
    char loss[64] = "";
    if (result->measured)
        snprintf(loss, sizeof loss,
                 result->embedding ? " (1 - cosine to the source: %.5f)" : " (KL divergence to the source: %.4f)", result->loss);
    json_put_cstr(w, "text",
                  arena_printf(im->arena, VIEW_FMT ": %s, %s, %.1f million parameters, context %lld, layout %s%s",
                               VIEW_ARG(im->name), result->embedding ? "embedding model" : "text model", result->architecture,
                               (double)result->parameters / 1e6, (long long)result->context, result->layout, loss));
}

static void print_result(const struct import *im, const struct layout_result *result, struct view manifest)
{
    struct buf line = BUF_INIT(1u << 20);
    struct json_writer w;
    json_writer_init(&w, &line);
    json_object(&w);
    if (im->error[0] == '\0') {
        put_summary(im, result, &w);
        json_key(&w, "result");
        json_write_raw(&w, manifest);
    } else {
        json_key(&w, "error");
        json_object(&w);
        json_put_cstr(&w, "type", im->error_name);
        json_put_cstr(&w, "message", im->error);
        json_end(&w);
    }
    json_end(&w);
    print_line(&line);
}

/* ---- the folder ---- */

static void remove_work(struct import *im, const char *work)
{
    static const char *const files[] = { "converted.gguf", "model.gguf", "model.json" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = arena_printf(im->arena, "%s/%s", work, files[i]);
        if (path != NULL)
            unlink(path);
    }
    rmdir(work);
}

/* The folder's entries are on the disk before its new name is. */
static bool finish_folder(struct import *im, const char *work)
{
    int fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool fine = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    fine = fine && rename(work, im->dest) == 0;
    return fine || import_fail_system(im, errno == EEXIST || errno == ENOTEMPTY ? "AlreadyThere" : "CannotWrite", im->dest);
}

static bool run_in(struct import *im, const char *work, struct layout_result *result, struct buf *manifest)
{
    const char *gguf = NULL, *hashed = NULL, *model = arena_printf(im->arena, "%s/model.gguf", work);
    char hash[2 * SHA256_SIZE + 1], reason[128];
    bool converted = false;
    if (!open_source(im, work, &gguf, &hashed, &converted) || !hash_file(im, hashed, hash) ||
        !import_layout(im, gguf, converted, model, result))
        return false;
    write_manifest(im, result, hash, manifest);
    int status = buf_failed(manifest) ? -ENOMEM
                                      : fs_write_file(arena_printf(im->arena, "%s/model.json", work), buf_view(manifest), 0644);
    if (status != 0)
        return import_fail(im, "CannotWrite", "model.json: %s", fs_error(status, reason, sizeof reason));
    return finish_folder(im, work);
}

static bool run(struct import *im, struct layout_result *result, struct buf *manifest)
{
    const char *work = arena_printf(im->arena, "%s.tmp", im->dest);
    char reason[128];
    if (fs_exists(im->dest))
        return import_fail(im, "AlreadyThere", "%s is there already", im->dest);
    remove_work(im, work);
    int status = fs_make_dirs(work, 0755);
    if (status != 0)
        return import_fail(im, "CannotWrite", "%s: %s", work, fs_error(status, reason, sizeof reason));
    bool fine = run_in(im, work, result, manifest);
    if (!fine)
        remove_work(im, work);
    return fine;
}

/* ---- command line ---- */

/* The value of --name=VALUE, or of --name VALUE; NULL: it is another option. */
static const char *option_value(const char *name, char **argv, int *at)
{
    size_t len = strlen(name);
    if (strncmp(argv[*at], name, len) != 0)
        return NULL;
    if (argv[*at][len] == '=')
        return argv[*at] + len + 1;
    if (argv[*at][len] != '\0' || argv[*at + 1] == NULL)    /* the last one is followed by NULL */
        return NULL;
    return argv[++*at];
}

static bool read_option(struct import *im, char **argv, int *at)
{
    const char *value;
    uint64_t threads;
    if ((value = option_value("--name", argv, at)) != NULL) {
        im->name = view_from_cstr(value);
    } else if ((value = option_value("--layout", argv, at)) != NULL) {
        im->keep_layout = strcmp(value, "keep") == 0;
        return im->keep_layout || strcmp(value, "auto") == 0;
    } else if ((value = option_value("--query-prefix", argv, at)) != NULL) {
        im->query_prefix = view_from_cstr(value);
        im->has_prefixes = true;
    } else if ((value = option_value("--document-prefix", argv, at)) != NULL) {
        im->document_prefix = view_from_cstr(value);
        im->has_prefixes = true;
    } else if ((value = option_value("--threads", argv, at)) != NULL) {
        if (!view_to_u64(view_from_cstr(value), &threads) || threads < 1 || threads > 512)
            return false;
        im->threads = (int)threads;
    } else if (strcmp(argv[*at], "--default") == 0) {
        im->preferred = true;
    } else {
        return option_value("--role", argv, at) != NULL;
    }
    return true;
}

static bool read_options(struct import *im, int argc, char **argv)
{
    im->threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && im->source == NULL)
            im->source = argv[i];
        else if (argv[i][0] != '-' && im->dest == NULL)
            im->dest = argv[i];
        else if (argv[i][0] != '-' || !read_option(im, argv, &i))
            return import_fail(im, "Usage", "the option %.100s is not known, or its value makes no sense", argv[i]);
    }
    if (im->source == NULL || im->dest == NULL || *im->source == '\0' || *im->dest == '\0')
        return import_fail(im, "Usage", "a source and a folder to make must be given");
    if (im->name.len == 0)
        im->name = view_from_cstr(basename(arena_printf(im->arena, "%s", im->dest)));
    if (im->name.len == 0 || im->name.len > NAME_MAX_LEN)
        return import_fail(im, "Usage", "a model's name has 1 to %d characters", NAME_MAX_LEN);
    return true;
}

/* Foreign files are parsed here: from now on files can be read and written, and nothing else be done; everybody else goes first. */
static bool be_modest(void)
{
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    return sandbox_begin(STDERR_FILENO, true) && (!SANDBOX_FITS || sandbox_seal(SANDBOX_FILES));
}

int import_role(int argc, char **argv)
{
    struct import im = { .arena = arena_create(ARENA_MAX) };
    struct layout_result result = { .embedding = false };
    struct buf manifest = BUF_INIT(1u << 20);
    if (im.arena == NULL)
        return 1;
    if (!model_find_backends())
        import_tell(&im, "UnsupportedModel", "the engine's libraries for this processor are missing");
    else if (!be_modest())
        import_tell_system(&im, "CannotStart", "the system refused the sandbox");
    else if (read_options(&im, argc, argv))
        run(&im, &result, &manifest);
    print_result(&im, &result, buf_view(&manifest));
    buf_free(&manifest);
    arena_destroy(im.arena);
    return im.error[0] == '\0' ? 0 : 1;
}
