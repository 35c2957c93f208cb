/* base/fs.c - see fs.h. */
#include "base/fs.h"

#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP (64u * 1024u)

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        /* At the cap one byte more is asked for, which tells a file that just fits from one that does not. */
        char probe;
        size_t space = out->max - out->len;
        size_t want = space < READ_STEP ? space : READ_STEP;
        char *room = want > 0 ? buf_reserve(out, want) : &probe;
        if (room == NULL)
            return -ENOMEM;
        ssize_t got = read(fd, room, want > 0 ? want : 1);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return 0;
        if (got > 0 && want == 0)
            return buf_append_byte(out, probe) ? 0 : -EFBIG;
        if (got > 0)
            buf_commit(out, (size_t)got);
    }
}

int fs_read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int result = read_all(fd, out);
    close(fd);
    return result;
}

static int write_all(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        bytes = view_from(bytes, wrote > 0 ? (size_t)wrote : 0);
    }
    return 0;
}

/* A name is durable once its directory is. */
static int sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? snprintf(parent, sizeof parent, ".")
                            : snprintf(parent, sizeof parent, "%.*s", (int)(slash - path) + 1, path);
    if (len < 0 || (size_t)len >= sizeof parent)
        return -ENAMETOOLONG;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return result;
}

static int write_new(const char *path, struct view bytes, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int result = write_all(fd, bytes);
    if (result == 0 && fchmod(fd, mode) != 0)
        result = -errno;
    if (result == 0 && fsync(fd) != 0)
        result = -errno;
    if (close(fd) != 0 && result == 0)
        result = -errno;
    if (result != 0)
        unlink(path);
    return result;
}

/* Writes beside the path, then gives the file its name; link() refuses a name that is taken, rename() replaces it. */
static int write_beside(const char *path, struct view bytes, unsigned mode, bool replace)
{
    char beside[PATH_MAX];
    char id[13];
    random_id(id, 12, "abcdefghijklmnopqrstuvwxyz0123456789");
    int len = snprintf(beside, sizeof beside, "%s.%s.tmp", path, id);
    if (len < 0 || (size_t)len >= sizeof beside)
        return -ENAMETOOLONG;
    int result = write_new(beside, bytes, mode);
    if (result != 0)
        return result;
    if ((replace ? rename(beside, path) : link(beside, path)) != 0)
        result = -errno;
    if (!replace || result != 0)
        unlink(beside);
    return result != 0 ? result : sync_parent(path);
}

int fs_write_file(const char *path, struct view bytes, unsigned mode)
{
    return write_beside(path, bytes, mode, true);
}

int fs_create_file(const char *path, struct view bytes, unsigned mode)
{
    return write_beside(path, bytes, mode, false);
}

static int make_dir(const char *path, unsigned mode)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) != 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fs_make_dirs(const char *path, unsigned mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return -ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        int result = make_dir(part, mode);
        if (result != 0)
            return result;
        part[i] = '/';
    }
    return make_dir(path, mode);
}

int fs_remove(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

bool fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int fs_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    /* The id is for people only; the lock holds without it. */
    char pid[24];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0)
        (void)write_all(fd, view_of(pid, (size_t)len));
    return fd;
}

void fs_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}

const char *fs_error(int code, char *out, size_t size)
{
    const char *text = strerror_r(code < 0 ? -code : code, out, size);
    if (text != out)
        snprintf(out, size, "%s", text);
    return out;
}
