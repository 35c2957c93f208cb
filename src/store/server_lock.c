/* store/server_lock.c - see server_lock.h. */
#include "store/server_lock.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define TAKE_TRIES    10
#define TAKE_PAUSE_US 10000

static bool lock_path(const char *data_dir, char out[PATH_MAX])
{
    int len = snprintf(out, PATH_MAX, "%s/server.lock", data_dir);
    return len > 0 && len < PATH_MAX;
}

static long read_holder(const char *path)
{
    struct buf text = BUF_INIT(32);
    uint64_t pid = 0;
    if (fs_read_file(path, &text) != 0 || !view_to_u64(view_trim(buf_view(&text)), &pid) || pid > INT32_MAX)
        pid = 0;
    buf_free(&text);
    return (long)pid;
}

/* Who asks with server_lock_holder() has the lock for an instant, and is no server. */
static int take(const char *path)
{
    int fd = fs_lock(path);
    for (int tries = 0; fd == -EWOULDBLOCK && tries < TAKE_TRIES; tries++) {
        usleep(TAKE_PAUSE_US);
        fd = fs_lock(path);
    }
    return fd;
}

int server_lock_take(const char *data_dir, long *holder)
{
    char path[PATH_MAX];
    *holder = 0;
    if (!lock_path(data_dir, path))
        return -ENAMETOOLONG;
    int fd = take(path);
    if (fd == -EWOULDBLOCK)
        *holder = read_holder(path);
    return fd;
}

void server_lock_release(int fd)
{
    fs_unlock(fd);
}

long server_lock_holder(const char *data_dir)
{
    char path[PATH_MAX];
    int fd = lock_path(data_dir, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held ? read_holder(path) : 0;
}
