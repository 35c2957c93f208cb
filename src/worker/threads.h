/* worker/threads.h - ggml's compute threads, owned by us so that their number follows the compute grant. */
#ifndef CRATON_WORKER_THREADS_H
#define CRATON_WORKER_THREADS_H

#include <llama.h>

struct thread_pool;

struct thread_pool *thread_pool_create(unsigned threads);   /* NULL: no CPU backend is loaded, or no memory */
void thread_pool_destroy(struct thread_pool *pool);         /* after every context that it was attached to; NULL is fine */
unsigned thread_pool_size(const struct thread_pool *pool);
void thread_pool_attach(struct thread_pool *pool, struct llama_context *context);

#endif
