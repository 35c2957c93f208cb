#include "cli/import.h"

#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "net/http_call.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- progress ---- */

#define BAR_WIDTH 30

static void draw(const char *what, double done)
{
    static int last = -1;
    int percent = (int)(done * 100);
    if (!isatty(STDERR_FILENO) || percent == last)
        return;
    last = percent;
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i * 100 < percent * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r%-12.12s [%s] %3d%%", what, bar, percent);
    if (percent >= 100) {
        fputc('\n', stderr);
        last = -1;
    }
}

/* ---- import ---- */

/* One line of the importer's output: {"step": "converting", "done": 0.4} a result for people: {"text": "…"}, or an error:
 * {"error": {"message": "…"}}. */
static void take_line(const struct import *import, char *line, size_t len)
{
    struct arena *arena = arena_create(1 << 20);
    const struct json *event = arena != NULL ? json_parse(arena, view_of(line, len), 16, NULL) : NULL;
    double done;
    if (json_get_double(event, "done", &done)) {
        char *step = arena_cstr(arena, json_get_string(event, "step"));
        draw(step != NULL ? step : "", done);
    } else if (json_get(event, "error") != NULL) {
        fprintf(stderr, "craton: %s: " VIEW_FMT "\n", import->source, VIEW_ARG(json_get_string(json_get(event, "error"), "message")));
    } else if (event != NULL) {
        printf(VIEW_FMT "\n", VIEW_ARG(json_get_string(event, "text")));
    }
    arena_destroy(arena);
}

static void read_lines(const struct import *import, int fd)
{
    FILE *in = fdopen(fd, "r");
    if (in == NULL) {
        close(fd);
        return;
    }
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, in)) > 0)
        take_line(import, line, (size_t)len);
    free(line);
    fclose(in);
}

static bool spawn(const struct import *import, int out, pid_t *pid)
{
    const char *words[] = { import->worker, "--role=import", "--name", import->name, "--layout", import->layout, import->source,
                            import->folder, import->preferred ? "--default" : NULL, NULL };
    char *argv[sizeof(words) / sizeof(words[0])];
    memcpy(argv, words, sizeof(argv));                      /* posix_spawn changes none of them */
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    bool ok = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) == 0 &&
              posix_spawn(pid, import->worker, &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return ok;
}

int import_run(const struct import *import)
{
    int ends[2], status = 0;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return EXIT_FAILED;
    bool started = spawn(import, ends[1], &pid);
    close(ends[1]);
    if (!started) {
        close(ends[0]);
        return cli_fail("%s cannot be started", import->worker);
    }
    read_lines(import, ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_DONE;
    return WIFSIGNALED(status) ? cli_fail("the importer was ended by signal %d: the file is broken", WTERMSIG(status)) : EXIT_FAILED;
}

/* ---- download ---- */

struct download {
    FILE *file;
    struct sha256_stream *digest;
    uint64_t size, received;
    bool write_failed;
};

static void take_header(void *ctx, struct view name, struct view value)
{
    struct download *download = ctx;
    if (view_is(name, "content-length"))
        view_to_u64(value, &download->size);
}

static bool take_bytes(void *ctx, int status, struct view bytes)
{
    struct download *download = ctx;
    if (status != 200)
        return true;
    download->received += bytes.len;
    sha256_stream_add(download->digest, bytes);
    download->write_failed = fwrite(bytes.ptr, 1, bytes.len, download->file) != bytes.len;
    if (download->size > 0)
        draw("downloading", (double)download->received / (double)download->size);
    return !download->write_failed;
}

static int fetch(const char *url, struct download *download)
{
    const struct http_call call = {
        .method = "GET", .url = url, .follow_redirects = true, .silence_timeout_s = 60,
        .on_header = take_header, .on_body = take_bytes, .ctx = download,
    };
    struct http_call_result result;
    http_call(&call, &result);
    if (download->write_failed)
        return cli_fail("the download could not be written to disk");
    if (!result.complete)
        return cli_fail("%s: %s", url, result.error);
    return result.status == 200 ? EXIT_DONE : cli_fail("%s: the server answered %d", url, result.status);
}

int import_download(const char *url, const char *file, const char *sha256_hex)
{
    uint8_t wanted[SHA256_SIZE], sum[SHA256_SIZE];
    if (!hex_decode(view_from_cstr(sha256_hex), wanted, sizeof(wanted)))
        return cli_fail("--sha256: 64 hexadecimal digits are needed");
    struct download download = { .file = fopen(file, "wbe"), .digest = sha256_stream_create() };
    int status = EXIT_FAILED;
    if (download.file != NULL && download.digest != NULL)
        status = fetch(url, &download);
    else
        cli_fail("%s cannot be written", file);
    if (download.digest != NULL)
        sha256_stream_finish(download.digest, sum);
    if (download.file != NULL && fclose(download.file) != 0 && status == EXIT_DONE)
        status = cli_fail("the download could not be written to disk");
    if (status == EXIT_DONE && memcmp(sum, wanted, sizeof(sum)) != 0)
        status = cli_fail("%s: the checksum is another one: the file is not what was asked for", url);
    if (status != EXIT_DONE)
        fs_remove(file);
    return status;
}
