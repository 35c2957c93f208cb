/* objects/linked.c - an existing directory as a bucket: its files are the objects, read-only.
 *
 * Nothing outside of the directory can be reached: names are opened one by one, never through a symbolic link, and "..", "." and
 * empty names are no part of a key.
 */
#include "objects/list.h"

#include "base/encode.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX (256u << 20)                              /* bytes of all the names that one listing looks at */
#define DEPTH_MAX (OBJECT_KEY_MAX / 2 + 1)

/* ---- one file ---- */

static bool is_name(struct view name)
{
    return name.len > 0 && name.len <= NAME_MAX && !view_is(name, ".") && !view_is(name, "..");
}

static int open_root(const struct bucket *bucket, struct arena *arena)
{
    const char *path = arena_cstr(arena, bucket->directory);
    int fd = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fd >= 0 ? fd : path == NULL ? -ENOMEM : -errno;
}

/* Opens name below the directory that `at` is, and closes that. */
static int step(int at, struct view name, int flags)
{
    char text[NAME_MAX + 1];
    int fd = -ENOENT;
    if (is_name(name)) {
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        fd = openat(at, text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
        fd = fd >= 0 ? fd : -errno;
    }
    close(at);
    return fd;
}

/* The directory of a path that is empty or ends with '/'. */
static int open_dir(const struct bucket *bucket, struct arena *arena, struct view path)
{
    int fd = open_root(bucket, arena);
    while (fd >= 0 && path.len > 0)
        fd = step(fd, view_split(&path, '/'), O_DIRECTORY);
    return fd;
}

static enum object_status describe(struct arena *arena, struct view bucket, struct view key, const struct stat *st,
                                   struct object_info *out)
{
    struct checksum md5;
    uint8_t value[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX];
    const uint64_t what[] = { (uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
                              (uint64_t)st->st_mtim.tv_nsec };
    checksum_begin(&md5, CHECKSUM_MD5);
    checksum_add(&md5, view_of(what, sizeof what));
    checksum_end(&md5, value);
    hex_encode(value, checksum_size(CHECKSUM_MD5), hex);
    /* Not the MD5 of the bytes, which nobody has read; the form is that of an upload in parts, where nobody expects it. */
    struct view etag = view_from_cstr(arena_printf(arena, "%.*s-1", (int)(2 * checksum_size(CHECKSUM_MD5)), hex));
    *out = (struct object_info){
        .bucket = bucket,
        .key = key,
        .id = etag,
        .size = (uint64_t)st->st_size,
        .modified_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
        .etag = etag,
        .content_type = VIEW("binary/octet-stream"),
    };
    return etag.ptr != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
}

static enum object_status status_of_open(int code, const char *what)
{
    bool absent = code == -ENOENT || code == -ENOTDIR || code == -ELOOP || code == -ENAMETOOLONG || code == -ENXIO;
    return absent ? OBJECT_NO_KEY : status_of_errno(code, what);
}

enum object_status linked_open(struct arena *arena, const struct bucket *bucket, struct view name, struct view key,
                               struct object_info *info, int *fd)
{
    size_t dir_len = key.len;
    struct stat st;
    while (dir_len > 0 && key.ptr[dir_len - 1] != '/')
        dir_len--;
    *fd = open_dir(bucket, arena, view_first(key, dir_len));
    if (*fd >= 0)
        *fd = step(*fd, view_from(key, dir_len), 0);
    if (*fd < 0)
        return status_of_open(*fd, "opening a linked file");
    enum object_status status = fstat(*fd, &st) != 0 ? status_of_errno(errno, "looking at a linked file")
                                : S_ISREG(st.st_mode) ? OBJECT_OK
                                                      : OBJECT_NO_KEY;
    struct view copy = status == OBJECT_OK ? arena_copy(arena, key) : VIEW(""), bucket_copy = arena_copy(arena, name);
    if (status == OBJECT_OK && (copy.ptr == NULL || bucket_copy.ptr == NULL))
        status = OBJECT_NO_MEMORY;
    if (status == OBJECT_OK)
        status = describe(arena, bucket_copy, copy, &st, info);
    if (status != OBJECT_OK) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

/* ---- walking through the tree ---- */

/* One directory on the way from the root to where the walk stands. Names of directories end with '/', as they do within keys: so the
 * names' order is that of the keys. */
struct level {
    size_t path_len;                                        /* of the tree's path: this directory */
    struct view *names;
    size_t count, at;
};

struct tree_cursor {
    struct cursor cursor;
    const struct bucket *bucket;
    struct arena *arena;
    struct view bucket_name;
    char path[OBJECT_KEY_MAX];
    struct level levels[DEPTH_MAX];
    size_t depth;
};

static int by_bytes(const void *a, const void *b)
{
    return view_compare(*(const struct view *)a, *(const struct view *)b);
}

/* DT_REG, DT_DIR, or DT_UNKNOWN for all that is no part of a bucket. */
static int type_of(int dir_fd, const struct dirent *entry)
{
    struct stat st;
    int type = entry->d_type;
    if (type == DT_UNKNOWN && fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        type = S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_UNKNOWN;
    return type == DT_REG || type == DT_DIR ? type : DT_UNKNOWN;
}

static bool add_name(struct tree_cursor *t, struct level *level, size_t *capacity, const char *name, bool is_dir)
{
    if (level->count == *capacity) {
        size_t more = *capacity > 0 ? 2 * *capacity : 32;
        struct view *names = arena_resize(t->arena, level->names, *capacity * sizeof *names, more * sizeof *names);
        if (names == NULL)
            return false;
        level->names = names;
        *capacity = more;
    }
    const char *copy = arena_printf(t->arena, "%s%s", name, is_dir ? "/" : "");
    level->names[level->count++] = view_from_cstr(copy);
    return copy != NULL;
}

static enum object_status read_names(struct tree_cursor *t, DIR *dir, struct level *level)
{
    struct dirent *entry;
    size_t capacity = 0;
    while ((entry = readdir(dir)) != NULL) {
        struct view name = view_from_cstr(entry->d_name);
        int type = is_name(name) && utf8_valid(name) ? type_of(dirfd(dir), entry) : DT_UNKNOWN;
        bool fits = level->path_len + name.len + (type == DT_DIR ? 2 : 0) <= OBJECT_KEY_MAX; /* a directory holds a name */
        if (type != DT_UNKNOWN && fits && !add_name(t, level, &capacity, entry->d_name, type == DT_DIR))
            return OBJECT_NO_MEMORY;
    }
    if (level->count > 0)
        qsort(level->names, level->count, sizeof *level->names, by_bytes);
    return OBJECT_OK;
}

/* A directory that went meanwhile, or that we may not read, counts as empty; the root does not. */
static enum object_status push_level(struct tree_cursor *t, size_t path_len)
{
    struct level *level = &t->levels[t->depth];
    *level = (struct level){ .path_len = path_len };
    int fd = open_dir(t->bucket, t->arena, view_of(t->path, path_len));
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int code = fd >= 0 ? -errno : fd;
        if (fd >= 0)
            close(fd);
        return path_len > 0 && (code == -ENOENT || code == -ENOTDIR || code == -EACCES || code == -ELOOP)
                   ? OBJECT_OK
                   : status_of_open(code, "reading a linked directory");
    }
    enum object_status status = read_names(t, dir, level);
    closedir(dir);
    t->depth++;
    return status;
}

/* Whether nothing under this name can be at or behind `from`. */
static bool lies_before(struct tree_cursor *t, const struct level *level, struct view name, struct view from)
{
    struct view parent = view_of(t->path, level->path_len), common = view_first(from, parent.len);
    int order = view_compare(parent, common);
    if (order != 0)
        return order < 0;
    struct view rest = view_from(from, parent.len);
    bool is_dir = name.ptr[name.len - 1] == '/';
    return view_compare(name, rest) < 0 && !(is_dir && view_starts_with(rest, name));
}

static enum object_status look_at(struct tree_cursor *t, struct view key, struct object_info *out, bool *found)
{
    int fd = -1;
    enum object_status status = linked_open(t->arena, t->bucket, t->bucket_name, key, out, &fd);
    if (fd >= 0)
        close(fd);
    *found = status == OBJECT_OK;
    return status;
}

static enum object_status tree_seek(struct cursor *cursor, struct view from, struct object_info *out, bool *found)
{
    struct tree_cursor *t = (struct tree_cursor *)(void *)cursor;
    enum object_status status = OBJECT_OK;
    *found = false;
    while (t->depth > 0 && status == OBJECT_OK && !*found) {
        struct level *level = &t->levels[t->depth - 1];
        while (level->at < level->count && lies_before(t, level, level->names[level->at], from))
            level->at++;
        if (level->at == level->count) {
            t->depth--;
            continue;
        }
        struct view name = level->names[level->at++];
        size_t len = level->path_len + name.len;
        memcpy(t->path + level->path_len, name.ptr, name.len);
        if (name.ptr[name.len - 1] == '/')
            status = push_level(t, len);
        else
            status = look_at(t, view_of(t->path, len), out, found);
        if (status == OBJECT_NO_KEY || status == OBJECT_DENIED) /* it went meanwhile, or is not for us */
            status = OBJECT_OK;
    }
    return status;
}

enum object_status linked_list(struct arena *arena, const struct bucket *bucket, const struct object_list *list,
                               struct object_page *out)
{
    struct arena *own = arena_create(NAMES_MAX);
    struct tree_cursor *t = own != NULL ? ARENA_NEW(own, struct tree_cursor) : NULL;
    enum object_status status = OBJECT_NO_MEMORY;
    if (t != NULL) {
        *t = (struct tree_cursor){ .cursor = { tree_seek }, .bucket = bucket, .arena = own, .bucket_name = list->bucket };
        status = push_level(t, 0);
        status = status == OBJECT_NO_KEY ? OBJECT_NO_BUCKET : status;
    }
    if (status == OBJECT_OK)
        status = list_grouped(&t->cursor, arena, list, out);
    arena_destroy(own);
    return status;
}
