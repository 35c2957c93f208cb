/* worker/prepare_embed.h - the embedding half of prepare.h: texts to windows of tokens. */
#ifndef CRATON_WORKER_PREPARE_EMBED_H
#define CRATON_WORKER_PREPARE_EMBED_H

#include "worker/job.h"
#include "worker/model.h"

/* Each text becomes one window, or several when it is longer than the model's positions and the request wants windows. Every
 * window has the model's prefix and special tokens. text_tokens counts what will be computed. */
void prepare_embed(const struct model *model, struct job *job);

#endif
