/* models/manifest.h - model.json, which the importer writes beside model.gguf, read as a local model.
 *
 *     {"name": "multilingual-e5-small", "kind": "embedding", "layout": "Q4_0", "architecture": "bert",
 *      "context": 512, "dimensions": 384, "query_prefix": "query: ", "document_prefix": "passage: ", "default": true}
 *
 * kind is "text" or "embedding" and the only member that must be there. The name of a model is that of its folder; a name in the
 * file must be the same. Members that this reader does not know are for people.
 */
#ifndef CRATON_MODELS_MANIFEST_H
#define CRATON_MODELS_MANIFEST_H

#include "models/registry.h"

/* A model's name: 1 to 128 of a-z A-Z 0-9 . _ -, the first a letter or a digit. */
bool model_name_valid(struct view name);

/* Fills all of out but folder, path and shared. Strings live in the arena. False: *problem says why, in the arena or constant. */
bool manifest_read(struct arena *arena, struct view name, struct view json, struct local_model *out, const char **problem);

#endif
