"""Batch inference as Airflow users run it: a bucket, an input file, a job, somebody who waits for it, and the cleaning up.

One DAG for each way to wait. Their connection is `craton`; nothing else points to the server. The model and the number of
records come from the environment, so that the tests choose them.
"""
import json
import os
from datetime import datetime

from airflow.providers.amazon.aws.hooks.bedrock import BedrockHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.ssm import SsmHook
from airflow.providers.amazon.aws.operators.bedrock import BedrockBatchInferenceOperator
from airflow.providers.amazon.aws.operators.s3 import S3CreateBucketOperator, S3DeleteBucketOperator
from airflow.providers.amazon.aws.sensors.bedrock import BedrockBatchInferenceSensor
from airflow.sdk import DAG, TriggerRule, chain, task
from botocore.exceptions import ClientError

CONNECTION = "craton"
MODEL = os.environ.get("BATCH_MODEL", "anthropic.claude-3-sonnet-20240229-v1:0")
RECORDS = int(os.environ.get("BATCH_RECORDS", "100"))
ROLE = "arn:aws:iam::123456789012:role/airflow"
ARGUMENTS = {"aws_conn_id": CONNECTION}


def claude_body(messages):
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 16, "messages": messages}


def valid_body(n):
    return claude_body([{"role": "user", "content": f"Say the number {n}."}])


def bare_strings(n):
    """What Claude refuses: its messages must be objects. The job takes the file all the same."""
    return claude_body([f"Say the number {n}."])


@task
def ask_for_a_parameter():
    """A service that the server does not have must fail in the words of AWS, which callers of SSM expect."""
    try:
        SsmHook(aws_conn_id=CONNECTION).get_parameter_value("batch")
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    return None


@task
def upload(bucket, body):
    make = {"valid": valid_body, "bare strings": bare_strings}[body]
    lines = "".join(json.dumps({"modelInput": make(n)}) + "\n" for n in range(RECORDS))
    S3Hook(aws_conn_id=CONNECTION).load_string(lines, "in/input.jsonl", bucket_name=bucket)


@task(trigger_rule=TriggerRule.ALL_DONE)
def stop(arn):
    """Stops the job, whose end may have come before."""
    try:
        BedrockHook(aws_conn_id=CONNECTION).conn.stop_model_invocation_job(jobIdentifier=arn)
    except ClientError as error:
        response = error.response["Error"]
        if response["Code"] != "ValidationException" or "State was: Completed" not in response["Message"]:
            raise
        return response["Message"]
    return "stopped"


@task
def read_results(bucket, arn):
    hook = S3Hook(aws_conn_id=CONNECTION)
    folder = "out/" + arn.rpartition("/")[2]
    lines = [json.loads(line) for line in hook.read_key(folder + "/input.jsonl.out", bucket).splitlines()]
    manifest = json.loads(hook.read_key(folder + "/manifest.json.out", bucket))
    return {"manifest": manifest, "asked": [line["modelInput"] for line in lines], "answers": [line.get("modelOutput") for line in lines]}


def batch_dag(name, body, operator, sensor=None, results=True):
    """The operator's and the sensor's arguments say who waits and how."""
    bucket = f"airflow-{name.replace('_', '-')}"
    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1), catchup=False, default_args=ARGUMENTS):
        create = S3CreateBucketOperator(task_id="create_bucket", bucket_name=bucket)
        infer = BedrockBatchInferenceOperator(
            task_id="infer", job_name=f"{name.replace('_', '-')}", role_arn=ROLE, model_id=MODEL, input_uri=f"s3://{bucket}/in/",
            output_uri=f"s3://{bucket}/out/", **operator)
        steps = [ask_for_a_parameter(), create, upload(bucket, body), infer]
        if sensor is not None:
            steps.append(BedrockBatchInferenceSensor(task_id="wait", job_arn=infer.output, poke_interval=1, **sensor))
        if results:
            steps.append(read_results(bucket, infer.output))
        steps.append(stop(infer.output))
        steps.append(S3DeleteBucketOperator(task_id="delete_bucket", bucket_name=bucket, force_delete=True,
                                            trigger_rule=TriggerRule.ALL_DONE))
        chain(*steps)


SCHEDULED, COMPLETED = BedrockBatchInferenceSensor.SuccessState.SCHEDULED, BedrockBatchInferenceSensor.SuccessState.COMPLETED
PATIENT = {"waiter_delay": 1, "waiter_max_attempts": 300}

batch_dag("invalid_bodies", "bare strings", {"wait_for_completion": False}, {"success_state": SCHEDULED}, results=False)
batch_dag("operator_waits", "valid", {"wait_for_completion": True, **PATIENT})
batch_dag("operator_defers", "valid", {"deferrable": True, **PATIENT})
batch_dag("sensor_waits", "valid", {"wait_for_completion": False}, {"success_state": COMPLETED})
batch_dag("sensor_defers", "valid", {"wait_for_completion": False}, {"success_state": COMPLETED, "deferrable": True})
