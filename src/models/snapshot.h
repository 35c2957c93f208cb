/* models/snapshot.h - the inside of a snapshot, for the files of this folder alone. */
#ifndef CRATON_MODELS_SNAPSHOT_H
#define CRATON_MODELS_SNAPSHOT_H

#include "models/registry.h"

#include <stdatomic.h>

struct models_snapshot {
    atomic_uint references;
    uint64_t version;
    struct arena *arena;                                    /* holds all that follows, and the snapshot itself */
    struct local_model *models;                             /* by name */
    size_t count;
    const struct models_rule *rules;
    size_t rule_count;
    const struct local_model *default_text, *default_embedding;
};

#endif
