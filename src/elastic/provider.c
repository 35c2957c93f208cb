#include "elastic/provider.h"

static const struct provider providers[PROVIDER_COUNT] = {
    [PROVIDER_AMAZONTITAN] = { "amazontitan", "AMAZONTITAN", .embeddings = true },
    [PROVIDER_ANTHROPIC] = { "anthropic", "ANTHROPIC", .top_k_max = 500 },
    [PROVIDER_AI21LABS] = { "ai21labs", "AI21LABS" },
    [PROVIDER_COHERE] = { "cohere", "COHERE", .embeddings = true, .truncate = true, .top_k_max = 500 },
    [PROVIDER_META] = { "meta", "META" },
    [PROVIDER_MISTRAL] = { "mistral", "MISTRAL", .top_k_max = 200 },
};

bool provider_find(struct view name, enum elastic_provider *out)
{
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        if (view_eq_nocase(name, view_from_cstr(providers[i].name))) {
            *out = (enum elastic_provider)i;
            return true;
        }
    }
    return false;
}

const struct provider *provider_get(enum elastic_provider provider)
{
    return &providers[provider];
}

bool provider_has_task(enum elastic_provider provider, enum elastic_task task)
{
    if (task == TASK_TEXT_EMBEDDING)
        return providers[provider].embeddings;
    return task == TASK_COMPLETION || task == TASK_CHAT_COMPLETION;
}

static const char *const tasks[] = {
    [TASK_ANY] = "any",
    [TASK_TEXT_EMBEDDING] = "text_embedding",
    [TASK_COMPLETION] = "completion",
    [TASK_CHAT_COMPLETION] = "chat_completion",
    [TASK_SPARSE_EMBEDDING] = "sparse_embedding",
    [TASK_RERANK] = "rerank",
    [TASK_EMBEDDING] = "embedding",
    [TASK_UNKNOWN] = "unknown",
};

enum elastic_task task_find(struct view name)
{
    for (int i = TASK_ANY; i < TASK_UNKNOWN; i++) {
        if (view_is(name, tasks[i]))
            return (enum elastic_task)i;
    }
    return TASK_UNKNOWN;
}

const char *task_name(enum elastic_task task)
{
    return tasks[task];
}

bool task_is_served(enum elastic_task task)
{
    return task == TASK_TEXT_EMBEDDING || task == TASK_COMPLETION || task == TASK_CHAT_COMPLETION;
}
