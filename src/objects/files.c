/* objects/files.c - the files that hold the bytes, and what is left of them after a crash: see internal.h. */
#include "objects/internal.h"

#include "base/fs.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PLACE_SIZE (ID_SIZE + 3)

/* ---- directories ---- */

static int open_dir(const char *dir, const char *name)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return -ENAMETOOLONG;
    int code = fs_make_dirs(path, 0700);
    if (code != 0)
        return code;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* The journals of these take a new name and the file that it names in one transaction, which the file's sync waits for. Elsewhere the
 * directory needs a sync of its own. */
static bool names_follow_files(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC);
}

bool files_open_dirs(struct objects *objects, const char *dir, char *error, size_t error_size)
{
    char reason[128];
    struct {
        const char *name;
        int *fd;
    } rows[] = { { "data", &objects->data_fd }, { "pending", &objects->pending_fd } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = open_dir(dir, rows[i].name);
        if (fd < 0) {
            snprintf(error, error_size, "%s/%s: %s", dir, rows[i].name, fs_error(fd, reason, sizeof reason));
            return false;
        }
        *rows[i].fd = fd;
    }
    objects->names_follow_files = names_follow_files(objects->data_fd);
    return true;
}

void files_close_dirs(struct objects *objects)
{
    const int fds[] = { objects->data_fd, objects->pending_fd };
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* ---- files ---- */

static void place_of(const char *id, char out[PLACE_SIZE])
{
    snprintf(out, PLACE_SIZE, "%.2s/%s", id, id);
}

int files_create(struct objects *objects, const char *id)
{
    int fd = openat(objects->pending_fd, id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    flock(fd, LOCK_EX | LOCK_NB);                           /* nobody else knows the name */
    return fd;
}

int files_adopt(struct objects *objects, const char *id, int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    flock(fd, LOCK_EX | LOCK_NB);
    if (linkat(AT_FDCWD, path, objects->pending_fd, id, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    int code = -errno;
    flock(fd, LOCK_UN);
    return code;
}

static int make_fan(struct objects *objects, const char *id)
{
    char name[3] = { id[0], id[1], '\0' };
    if (mkdirat(objects->data_fd, name, 0700) != 0 && errno != EEXIST)
        return -errno;
    return fsync(objects->data_fd) == 0 ? 0 : -errno;
}

static int sync_fan(struct objects *objects, const char *id)
{
    char name[3] = { id[0], id[1], '\0' };
    int fd = openat(objects->data_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int code = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return code;
}

/* The name comes before the sync, so that one transaction of the file system takes both. Nobody looks at the name until a record gives
 * it. */
int files_place(struct objects *objects, const char *id, int fd)
{
    char place[PLACE_SIZE];
    place_of(id, place);
    int code = linkat(objects->pending_fd, id, objects->data_fd, place, 0) == 0 ? 0 : -errno;
    if (code == -ENOENT) {
        code = make_fan(objects, id);
        if (code == 0 && linkat(objects->pending_fd, id, objects->data_fd, place, 0) != 0)
            code = -errno;
    }
    if (code == 0 && fsync(fd) != 0)
        code = -errno;
    return code == 0 && !objects->names_follow_files ? sync_fan(objects, id) : code;
}

int files_doubt(struct objects *objects, const char *id)
{
    char place[PLACE_SIZE];
    place_of(id, place);
    int code = linkat(objects->data_fd, place, objects->pending_fd, id, 0) == 0 ? 0 : errno;
    return code == EEXIST || code == ENOENT ? 0 : -code;    /* another does the same, or was faster */
}

void files_settle(struct objects *objects, const char *id)
{
    if (unlinkat(objects->pending_fd, id, 0) != 0 && errno != ENOENT)
        status_of_errno(errno, "removing a file");
}

void files_drop(struct objects *objects, const char *id)
{
    char place[PLACE_SIZE];
    place_of(id, place);
    if (unlinkat(objects->data_fd, place, 0) != 0 && errno != ENOENT)
        status_of_errno(errno, "removing a file");
    files_settle(objects, id);
}

int files_open(struct objects *objects, const char *id)
{
    char place[PLACE_SIZE];
    place_of(id, place);
    int fd = openat(objects->data_fd, place, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int write_whole(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        bytes = view_from(bytes, wrote > 0 ? (size_t)wrote : 0);
    }
    return 0;
}

int files_link(struct objects *objects, const char *from, const char *id)
{
    char place[PLACE_SIZE];
    place_of(from, place);
    return linkat(objects->data_fd, place, objects->pending_fd, id, 0) == 0 ? 0 : -errno;
}

static int copy_by_hand(int from, off_t offset, uint64_t length, int to)
{
    char piece[64 << 10];
    while (length > 0) {
        ssize_t got = pread(from, piece, length < sizeof piece ? (size_t)length : sizeof piece, offset);
        if (got == 0 || (got < 0 && errno != EINTR))
            return got == 0 ? -EIO : -errno;
        int code = got > 0 ? write_whole(to, view_of(piece, (size_t)got)) : 0;
        if (code != 0)
            return code;
        offset += got > 0 ? got : 0;
        length -= got > 0 ? (uint64_t)got : 0;
    }
    return 0;
}

int files_copy(int from, uint64_t offset, uint64_t length, int to)
{
    off_t at = (off_t)offset;
    while (length > 0) {
        ssize_t copied = copy_file_range(from, &at, to, NULL, length < SSIZE_MAX ? (size_t)length : SSIZE_MAX, 0);
        if (copied < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
            return copy_by_hand(from, at, length, to);
        if (copied == 0 || (copied < 0 && errno != EINTR))
            return copied == 0 ? -EIO : -errno;
        length -= copied > 0 ? (uint64_t)copied : 0;
    }
    return 0;
}

/* ---- after a crash ---- */

static enum store_status is_named(struct objects *objects, struct arena *arena, const char *kind, struct view id, bool *named)
{
    struct view after = view_from_cstr(arena_printf(arena, VIEW_FMT "\x01", VIEW_ARG(id)));
    struct store_scan scan = {
        .kind = view_from_cstr(kind), .account = VIEW(""), .region = VIEW(""), .order = STORE_BY_INDEX, .from = id, .before = after,
        .limit = 1
    };
    struct store_page page;
    enum store_status status = after.ptr != NULL ? store_scan(objects->store, arena, &scan, &page) : STORE_NO_MEMORY;
    *named = *named || (status == STORE_OK && page.count > 0);
    return status;
}

/* False when the store does not say. */
static bool recover_one(struct objects *objects, struct arena *arena, const char *id)
{
    int fd = openat(objects->pending_fd, id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    bool busy = flock(fd, LOCK_EX | LOCK_NB) != 0, named = false;
    close(fd);
    if (busy)                                               /* a process that lives is at it */
        return true;
    arena_reset(arena);
    static const char *const kinds[] = { OBJECT_KIND, OBJECT_OWN_KIND, PART_KIND };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !named; i++) {
        if (is_named(objects, arena, kinds[i], view_from_cstr(id), &named) != STORE_OK)
            return false;
    }
    if (named)
        files_settle(objects, id);
    else
        files_drop(objects, id);
    return true;
}

bool files_recover(struct objects *objects)
{
    int fd = openat(objects->pending_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct arena *arena = arena_create(SCRATCH_MAX);
    bool ok = dir != NULL && arena != NULL;
    struct dirent *entry;
    size_t count = 0;
    while (ok && (entry = readdir(dir)) != NULL) {
        if (strlen(entry->d_name) != ID_SIZE - 1)
            continue;
        ok = recover_one(objects, arena, entry->d_name);
        count++;
    }
    if (count > 0)
        log_info("looked through half-written objects", LOG_INT("count", count));
    arena_destroy(arena);
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return ok;
}
