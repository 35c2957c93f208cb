/* store/server_lock.h - one server for one data directory. The lock ends with its process, however that dies. */
#ifndef CRATON_STORE_SERVER_LOCK_H
#define CRATON_STORE_SERVER_LOCK_H

/* A descriptor to keep, or a negative errno value: -EWOULDBLOCK when another server has it, then *holder is its process id (0 when
 * that cannot be read). */
int server_lock_take(const char *data_dir, long *holder);
void server_lock_release(int fd);                           /* a negative fd is fine */

/* The process id of the server that runs on this directory, or 0. */
long server_lock_holder(const char *data_dir);

#endif
