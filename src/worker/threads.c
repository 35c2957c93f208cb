#include "worker/threads.h"

#include <stdlib.h>

typedef struct ggml_threadpool *pool_new(struct ggml_threadpool_params *params);
typedef void pool_free(struct ggml_threadpool *pool);

struct thread_pool {
    struct ggml_threadpool *ggml;
    pool_free *release;
    unsigned threads;
};

/* The functions are in whichever CPU variant was loaded, so they cannot be linked. */
static void *backend_function(const char *name)
{
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    return device == NULL ? NULL : ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name);
}

struct thread_pool *thread_pool_create(unsigned threads)
{
    pool_new *create = (pool_new *)backend_function("ggml_threadpool_new");
    pool_free *release = (pool_free *)backend_function("ggml_threadpool_free");
    struct thread_pool *pool = calloc(1, sizeof(*pool));
    if (create == NULL || release == NULL || pool == NULL) {
        free(pool);
        return NULL;
    }
    struct ggml_threadpool_params params = ggml_threadpool_params_default((int)threads);
    params.poll = 0;                                        /* between steps the cores are the server's */
    pool->release = release;
    pool->threads = threads;
    pool->ggml = create(&params);
    if (pool->ggml == NULL) {
        free(pool);
        return NULL;
    }
    return pool;
}

void thread_pool_destroy(struct thread_pool *pool)
{
    if (pool == NULL)
        return;
    pool->release(pool->ggml);
    free(pool);
}

unsigned thread_pool_size(const struct thread_pool *pool)
{
    return pool->threads;
}

void thread_pool_attach(struct thread_pool *pool, struct llama_context *context)
{
    llama_attach_threadpool(context, pool->ggml, pool->ggml);
}
