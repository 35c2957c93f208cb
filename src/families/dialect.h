/* families/dialect.h - prompts that carry a model's own turn markers, taken apart into messages.
 *
 * A prompt written for one model reads badly to another: "[INST]" means nothing to a model that was taught "<|im_start|>". So the
 * markers are read here, and the local model's own template writes its own. A prompt without markers is one user message. What an
 * open assistant turn at the end already says becomes the prefix of the answer. Pure functions, linear in the prompt.
 */
#ifndef CRATON_FAMILIES_DIALECT_H
#define CRATON_FAMILIES_DIALECT_H

#include "families/family.h"

enum dialect {
    DIALECT_HUMAN = 1,                                      /* "\n\nHuman: … \n\nAssistant:" */
    DIALECT_INST = 2,                                       /* "<s>[INST] <<SYS>> … <</SYS>> … [/INST] … </s>" */
    DIALECT_HEADERS = 4,                                    /* Llama 3 and 4, ChatML, Gemma: "<|start_header_id|>user<|end_header_id|>" … */
    DIALECT_DEEPSEEK = 8,                                   /* "<｜User｜> … <｜Assistant｜>" */
    DIALECT_USER_BOT = 16,                                  /* "User: … \nBot:" */
};

/* Fills out's messages and assistant_prefix from the prompt, by the first of the dialects whose markers it has; or raw_prompt,
 * when the mapping of the model asks for that. */
void dialect_prompt(struct family_input *in, unsigned dialects, struct view prompt, struct generate_request *out);

/* What is wrong with a prompt of DIALECT_HUMAN, or NULL: it must hold a human turn and end in an assistant turn. */
const char *dialect_human_problem(struct view prompt);

#endif
