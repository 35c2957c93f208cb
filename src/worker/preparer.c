#include "worker/preparer.h"

#include "worker/prepare.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job_list {
    struct job *first, **end;
};

struct preparer {
    const struct model *model;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job_list waiting, done;                          /* under lock */
    bool stop;                                              /* under lock */
    int wake_fd;
};

static void list_init(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *list_take(struct job_list *list)
{
    struct job *job = list->first;
    if (job == NULL)
        return NULL;
    list->first = job->next;
    if (list->first == NULL)
        list->end = &list->first;
    job->next = NULL;
    return job;
}

static struct job *next_job(struct preparer *preparer, struct job *finished)
{
    pthread_mutex_lock(&preparer->lock);
    if (finished != NULL) {
        list_add(&preparer->done, finished);
        (void)eventfd_write(preparer->wake_fd, 1);          /* fails only when it is readable already */
    }
    while (!preparer->stop && preparer->waiting.first == NULL)
        pthread_cond_wait(&preparer->more, &preparer->lock);
    struct job *job = preparer->stop ? NULL : list_take(&preparer->waiting);
    pthread_mutex_unlock(&preparer->lock);
    return job;
}

static void *prepare_jobs(void *ctx)
{
    struct preparer *preparer = ctx;
    struct job *job = next_job(preparer, NULL);
    while (job != NULL) {
        prepare_job(preparer->model, job);
        job = next_job(preparer, job);
    }
    return NULL;
}

struct preparer *preparer_create(const struct model *model)
{
    struct preparer *preparer = calloc(1, sizeof(*preparer));
    if (preparer == NULL)
        return NULL;
    preparer->model = model;
    list_init(&preparer->waiting);
    list_init(&preparer->done);
    preparer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&preparer->lock, NULL);
    pthread_cond_init(&preparer->more, NULL);
    if (preparer->wake_fd >= 0 && pthread_create(&preparer->thread, NULL, prepare_jobs, preparer) == 0)
        return preparer;
    if (preparer->wake_fd >= 0)
        close(preparer->wake_fd);
    free(preparer);
    return NULL;
}

void preparer_destroy(struct preparer *preparer)
{
    if (preparer == NULL)
        return;
    pthread_mutex_lock(&preparer->lock);
    preparer->stop = true;
    pthread_cond_signal(&preparer->more);
    pthread_mutex_unlock(&preparer->lock);
    pthread_join(preparer->thread, NULL);
    pthread_cond_destroy(&preparer->more);
    pthread_mutex_destroy(&preparer->lock);
    close(preparer->wake_fd);
    free(preparer);
}

void preparer_submit(struct preparer *preparer, struct job *job)
{
    pthread_mutex_lock(&preparer->lock);
    list_add(&preparer->waiting, job);
    pthread_cond_signal(&preparer->more);
    pthread_mutex_unlock(&preparer->lock);
}

struct job *preparer_take(struct preparer *preparer)
{
    eventfd_t count;
    pthread_mutex_lock(&preparer->lock);
    struct job *job = list_take(&preparer->done);
    if (job == NULL)
        (void)eventfd_read(preparer->wake_fd, &count);      /* under the lock: a job done later makes it readable again */
    pthread_mutex_unlock(&preparer->lock);
    return job;
}

int preparer_wake_fd(const struct preparer *preparer)
{
    return preparer->wake_fd;
}
