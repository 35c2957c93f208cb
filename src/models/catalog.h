/* models/catalog.h - the models of Bedrock that are known by name: constant data, generated from catalog/models.json.
 *
 * An entry is one model id, or a pattern for ids that differ only by date and version. It says what the id promises and which
 * native dialect (families/family.h) its bodies are in; whether this server can answer it is the registry's business.
 * Everything here is constant and may be read by any thread.
 */
#ifndef CRATON_MODELS_CATALOG_H
#define CRATON_MODELS_CATALOG_H

#include "base/view.h"

enum model_modality { MODALITY_TEXT = 1, MODALITY_IMAGE = 2, MODALITY_EMBEDDING = 4 };

enum model_customization { CUSTOMIZE_FINE_TUNING = 1, CUSTOMIZE_PRE_TRAINING = 2, CUSTOMIZE_DISTILLATION = 4 };

enum model_inference { INFERENCE_ON_DEMAND = 1, INFERENCE_PROVISIONED = 2, INFERENCE_PROFILE = 4 };

struct catalog_entry {
    struct view id;                                         /* "anthropic.claude-3-haiku-20240307-v1:0" */
    bool pattern;                                           /* id is a pattern: '#' is a run of digits, '*' is anything */
    struct view name;                                       /* "Claude 3 Haiku" */
    struct view provider;                                   /* "Anthropic" */
    struct view family;                                     /* "claude-messages"; empty: no dialect here, such as image models */
    unsigned input, output;                                 /* sets of enum model_modality */
    int32_t context, max_output;                            /* tokens; 0: unknown */
    int32_t dimensions;                                     /* of its vectors when nothing else is asked for; 0: none */
    bool streaming, legacy;
    unsigned customizations, inference;                     /* what Bedrock offers for it: sets */
};

extern const struct catalog_entry catalog_entries[];
extern const size_t catalog_entry_count;

#define CATALOG_MAX_ID 256                                  /* bytes; longer ones fit nothing */

/* Whether a pattern fits the whole id: '#' takes a run of digits, '*' anything or nothing. */
bool catalog_pattern_fits(struct view pattern, struct view id);

/* The entry of a plain id. A context variant counts as its model ("anthropic.claude-v2:1:18k"). NULL when there is none. */
const struct catalog_entry *catalog_find(struct view id);

/* What a modelId is, whatever its form. Percent-encoding has been decoded. */
enum model_id_form {
    MODEL_ID_PLAIN,                                         /* a foundation id, or a name of this server */
    MODEL_ID_PROFILE,                                       /* a system-defined inference profile: "us." and its like before the id */
    MODEL_ID_RESOURCE,                                      /* an ARN of something somebody made: a custom or provisioned model … */
    MODEL_ID_MALFORMED,
};

struct model_id {
    enum model_id_form form;
    struct view id;                                         /* the foundation id without ARN and prefix; for a resource its name */
    struct view profile;                                    /* "us.anthropic.claude-…" of a profile */
    struct view resource_type;                              /* "custom-model", "provisioned-model" … of a resource */
};

/* Takes apart a plain id, a foundation-model ARN, an inference-profile id or ARN, and the ARNs of other resources. Views point
 * into text. */
struct model_id model_id_parse(struct view text);

#endif
