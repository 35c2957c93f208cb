#include "families/families.h"

static const struct family *const families[] = {
    &family_claude_messages,
    &family_claude_text,
    &family_cohere_embed_v3,
    &family_cohere_embed_v4,
    &family_command,
    &family_command_r,
    &family_deepseek,
    &family_jamba,
    &family_jurassic2,
    &family_llama,
    &family_mistral_chat,
    &family_mistral_text,
    &family_nova,
    &family_openai_chat,
    &family_titan_embed_image,
    &family_titan_embed_v1,
    &family_titan_embed_v2,
    &family_titan_text,
};

const struct family *family_at(size_t index)
{
    return index < sizeof(families) / sizeof(families[0]) ? families[index] : NULL;
}

const struct family *family_find(struct view name)
{
    for (size_t i = 0; family_at(i) != NULL; i++) {
        if (view_is(name, family_at(i)->name))
            return family_at(i);
    }
    return NULL;
}
