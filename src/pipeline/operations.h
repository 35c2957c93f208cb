/* pipeline/operations.h - CreatePipeline, DeletePipeline, GetPipeline, ListPipelines, ListPipelineRows. */
#ifndef CRATON_PIPELINE_OPERATIONS_H
#define CRATON_PIPELINE_OPERATIONS_H

#include "aws/call.h"

/* Makes the pipeline's bucket when it is missing. A bucket feeds one pipeline only. */
enum aws_status create_pipeline(struct call *call);

/* The pipeline takes no more files at once; its thread removes the rows, then the pipeline. Bucket, objects and jobs stay. */
enum aws_status delete_pipeline(struct call *call);

enum aws_status get_pipeline(struct call *call);            /* with the number of rows in each status */
enum aws_status list_pipelines(struct call *call);
enum aws_status list_pipeline_rows(struct call *call);

#endif
