/* worker/sandbox.h - what a worker gives up before it touches what others have written.
 *
 * sandbox_begin() first of all; sandbox_seal() as soon as libraries and model are loaded and all threads are running. Everything
 * that is given up stays so for the life of the process. A call that is refused returns EPERM; the process goes on.
 */
#ifndef CRATON_WORKER_SANDBOX_H
#define CRATON_WORKER_SANDBOX_H

#include <stdbool.h>

enum sandbox_profile {
    SANDBOX_COMPUTE,                                        /* memory, threads, open descriptors, and nothing else */
    SANDBOX_DEVICES,                                        /* beside a GPU driver: all but new programs, sockets, tracing, names */
    SANDBOX_FILES,                                          /* the same, but files may be renamed and removed */
};

/* Closes all descriptors but 0, 1, 2 and keep_fd, forbids new privileges and core dumps, and lowers the process below the server.
 * Files cannot be written unless may_write. False: the system refused. */
bool sandbox_begin(int keep_fd, bool may_write);

/* Installs the system call filter for all threads. False: the system refused. */
bool sandbox_seal(enum sandbox_profile profile);

/* Sanitizers need system calls and address space of their own, so the roles run without filter and limits under them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_FITS false
#else
#define SANDBOX_FITS true
#endif

#endif
