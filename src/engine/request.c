/* engine/request.c - see request.h. */
#include "engine/request.h"

void sampling_init(struct sampling *sampling)
{
    *sampling = (struct sampling){
        .temperature = MODEL_UNSET_FLOAT,
        .top_p = MODEL_UNSET_FLOAT,
        .min_p = MODEL_UNSET_FLOAT,
        .frequency_penalty = MODEL_UNSET_FLOAT,
        .presence_penalty = MODEL_UNSET_FLOAT,
        .repeat_penalty = MODEL_UNSET_FLOAT,
        .top_k = -1,
    };
}

void model_request_init(struct model_request *request)
{
    *request = (struct model_request){ .kind = MODEL_GENERATE, .priority = PRIORITY_ON_DEMAND };
    request->generate.max_tokens = -1;
    sampling_init(&request->generate.sampling);
}
