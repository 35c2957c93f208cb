/* engine/process.h - one craton-worker process: its start, its socket, its stderr, its end. On the loop.
 *
 * The owner embeds a struct process, zeroed, and sets what is marked so before process_start(). Frames come to the channel's
 * on_frame and its loss to the channel's on_lost; most owners answer the latter with process_kill(). libuv lets go of handles on a
 * later turn, so the owner's memory must stay until on_freed, which comes once for each process_start().
 */
#ifndef CRATON_ENGINE_PROCESS_H
#define CRATON_ENGINE_PROCESS_H

#include "engine/channel.h"
#include "net/loop.h"

struct process {
    struct channel channel;                                 /* ctx, on_frame, on_lost: the owner's */
    void *owner;                                            /* the owner's, as the next three are */
    struct view label;                                      /* names it in the log; borrowed, may change */
    void (*on_exit)(void *owner);                           /* it has ended, whatever the reason; NULL is fine */
    void (*on_freed)(void *owner);                          /* nothing here is used any more */
    uv_process_t handle;
    uv_pipe_t errors;                                       /* its stderr: each line goes to the log */
    unsigned handles;                                       /* of libuv, not yet closed */
    bool exited, killed;
    char line[1024];                                        /* of its stderr, not yet ended */
    size_t line_len;
};

/* Runs `program --role=… --socket=3`. False, and logged: it cannot be started. */
bool process_start(struct process *process, struct loop *loop, const char *program, const char *role);
void process_kill(struct process *process);                 /* at once; the channel is closed. Again is fine */
/* Kills it and waits until the kernel has buried it, so that none outlives the server: for the server's own end. on_exit is not called. */
void process_destroy(struct process *process);
int process_pid(const struct process *process);             /* 0 once it has ended */

/* A process's first frame. PROCESS_FOREIGN, and logged: it is of another build. */
enum process_hello { PROCESS_HELLO, PROCESS_FOREIGN, PROCESS_NO_HELLO };
enum process_hello process_hello(const struct wire_frame *frame);

/* How long to wait before the next start after so many crashes (less the last) in a row. */
uint64_t process_pause_ms(unsigned crashes);

#endif
