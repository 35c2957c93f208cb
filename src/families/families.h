/* families/families.h - every family by its C name, for family_find() and for tests. */
#ifndef CRATON_FAMILIES_FAMILIES_H
#define CRATON_FAMILIES_FAMILIES_H

#include "families/family.h"

extern const struct family family_claude_text;
extern const struct family family_claude_messages;
extern const struct family family_command;
extern const struct family family_command_r;
extern const struct family family_cohere_embed_v3;
extern const struct family family_cohere_embed_v4;
extern const struct family family_deepseek;
extern const struct family family_jamba;
extern const struct family family_jurassic2;
extern const struct family family_llama;
extern const struct family family_mistral_chat;
extern const struct family family_mistral_text;
extern const struct family family_nova;
extern const struct family family_openai_chat;
extern const struct family family_titan_embed_image;
extern const struct family family_titan_embed_v1;
extern const struct family family_titan_embed_v2;
extern const struct family family_titan_text;

#endif
