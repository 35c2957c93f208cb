/* elastic/provider.h - the providers and tasks of the service `amazonbedrock`, and what each provider can do. Constant data. */
#ifndef CRATON_ELASTIC_PROVIDER_H
#define CRATON_ELASTIC_PROVIDER_H

#include "base/view.h"

#define ELASTIC_SERVICE "amazonbedrock"

enum elastic_task {
    TASK_ANY, /* none was named */
    TASK_TEXT_EMBEDDING,
    TASK_COMPLETION,
    TASK_CHAT_COMPLETION,
    TASK_SPARSE_EMBEDDING, /* Elasticsearch has these, this service does not */
    TASK_RERANK,
    TASK_EMBEDDING,
    TASK_UNKNOWN,
};

enum elastic_task task_find(struct view name); /* "text_embedding" …; TASK_UNKNOWN */
const char *task_name(enum elastic_task task); /* "any" for TASK_ANY */
bool task_is_served(enum elastic_task task);

enum elastic_provider {
    PROVIDER_AMAZONTITAN,
    PROVIDER_ANTHROPIC,
    PROVIDER_AI21LABS,
    PROVIDER_COHERE,
    PROVIDER_META,
    PROVIDER_MISTRAL,
    PROVIDER_COUNT,
};

#define PROVIDER_LIST "ai21labs, amazontitan, anthropic, cohere, meta, mistral"

struct provider {
    const char *name;  /* "amazontitan" */
    const char *shown; /* "AMAZONTITAN" */
    bool embeddings;   /* besides completion and chat_completion, which all have */
    bool truncate;     /* the task setting `truncate` */
    int top_k_max;     /* what top_k 1.0 stands for; 0: it has no top_k */
};

bool provider_find(struct view name, enum elastic_provider *out); /* in any case */
const struct provider *provider_get(enum elastic_provider provider);
bool provider_has_task(enum elastic_provider provider, enum elastic_task task);

#endif
