/* models/operations.h - ListFoundationModels and GetFoundationModel: what this server can really answer.
 *
 * The handlers run in the pool; their call_context() is a struct models. Every model of the catalogue that some local model stands
 * in for is listed, and every local, remote and scripted model under its own name; what Bedrock offers but this server does not
 * (provisioned throughput, customization, images of a model without vision) is left out of their descriptions.
 */
#ifndef CRATON_MODELS_OPERATIONS_H
#define CRATON_MODELS_OPERATIONS_H

#include "aws/call.h"
#include "models/registry.h"

enum aws_status list_foundation_models(struct call *call);
enum aws_status get_foundation_model(struct call *call);

extern const struct handler_row models_handlers[];
extern const size_t models_handler_count;

struct models_filter {                                      /* empty views: any */
    struct view provider;                                   /* by name, in any case */
    struct view output_modality, inference_type, customization;
};

/* One array of summaries. False when the arena is exhausted. */
bool models_write_summaries(const struct models_snapshot *snapshot, struct arena *arena, struct view region,
                            const struct models_filter *filter, struct json_writer *out);

/* One object: what a resolved model is, under the id that was asked for. */
void models_write_details(const struct model_target *target, struct view region, struct json_writer *out);

#endif
