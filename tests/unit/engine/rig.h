/* rig.h - an engine on a loop, and calls whose answers a test can look at when they have ended. */
#ifndef CRATON_ENGINE_RIG_H
#define CRATON_ENGINE_RIG_H

#include "unit.h"

#include "engine/engine.h"

#define RIG_PATIENCE_MS 20000                               /* a test that waits longer fails */

struct rig {
    struct loop *loop;
    struct engine *engine;
    unsigned open;                                          /* calls that have not ended */
};

struct answer {
    struct rig *rig;
    struct engine_call *call;                               /* NULL once it has ended */
    bool ended;
    enum engine_status status;
    char message[256];
    char text[4096];
    size_t text_len;
    unsigned deltas;
    struct engine_end end;
    float vectors[1024];
    size_t vector_count, dimensions;
    struct gen_delta last;
};

/* options.worker_path and waits that are zero get values that suit tests. */
void rig_start(struct rig *rig, struct engine_options options, const struct engine_model *models, size_t count);
void rig_stop(struct rig *rig);
void rig_run(struct rig *rig);                              /* until all calls have ended */
void rig_run_for(struct rig *rig, uint64_t ms);
void rig_ask(struct rig *rig, const char *model, const char *text, struct answer *answer);
void rig_submit(struct rig *rig, const struct model_request *request, struct answer *answer);
struct engine_model_info rig_info(struct rig *rig, const char *model);

#endif
