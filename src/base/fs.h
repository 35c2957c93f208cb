/* base/fs.h - files and directories, for threads that may block (never the loop).
 *
 * Functions return 0 or a negative errno value, which fs_error() puts into words. Descriptors are close-on-exec.
 */
#ifndef CRATON_BASE_FS_H
#define CRATON_BASE_FS_H

#include "base/buf.h"

/* Appends the whole file to out. -EFBIG when it does not fit below out's cap (then out is failed). */
int fs_read_file(const char *path, struct buf *out);

/* Replaces the file in one step: readers see the old or the new bytes, also after a power cut. The new file has exactly this
 * mode, whatever the umask. */
int fs_write_file(const char *path, struct view bytes, unsigned mode);

/* The same, but -EEXIST when the file is there already. */
int fs_create_file(const char *path, struct view bytes, unsigned mode);

/* Makes the directory and those above it, each with this mode less the umask; one that exists is fine. */
int fs_make_dirs(const char *path, unsigned mode);

int fs_remove(const char *path);                            /* a file that is not there is fine */
bool fs_exists(const char *path);

/* Takes an exclusive lock that ends with the process, or with fs_unlock(). The file is made when needed, and holds the process
 * id for people to look at. Returns the descriptor to keep, or -EWOULDBLOCK when another process (or this one) has it. */
int fs_lock(const char *path);
void fs_unlock(int fd);                                     /* a negative fd is fine */

const char *fs_error(int code, char *out, size_t size);     /* "No such file or directory"; returns out */

#endif
