"""Batch jobs as test objects: input that can be checked record by record, and a server that dies at random instants.

A scripted model answers "question N" with "answer N"; records whose number ends in BAD are refused, and fail alone.
"""
import json
import os
import random
import signal
import time

from harness import wait_until

SCRIPTED = "anthropic.claude-3-sonnet-20240229-v1:0"
BAD = "77"
ROLE = "arn:aws:iam::123456789012:role/Batch"
ENDED = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")


def scripted_config(latency_ms=0, **batch):
    """A server whose SCRIPTED model answers as told above, each time after latency_ms."""
    latency = {"latency_ms": latency_ms} if latency_ms else {}
    return {"models": {"map": [{"ids": SCRIPTED, "model": "craton.scripted-v1"}]},
            "scripted": {"rules": [
                {"match": {"regex": f"question [0-9]*{BAD}$"}, "error": {"type": "ValidationException", "message": "No such answer."}},
                {"match": {"text": "question"}, "text": "This is an answer.", **latency}]},
            **({"batch": batch} if batch else {})}


def line(number, text="question", max_tokens=16):
    """One record of the input. Ids, key order and blanks are such that only an exact echo passes."""
    body = (f'{{"anthropic_version":"bedrock-2023-05-31", "max_tokens":{max_tokens},"temperature":0.0,"messages":[{{"role":"user",'
            f'"content":[{{"type":"text","text":"{text} {number}"}}]}}]}}')
    return f'{{"recordId":"R{number:08d}","modelInput":{body}}}'


def lines(count, first=0, **how):
    return [line(number, **how) for number in range(first, first + count)]


def put_input(server, bucket, key, records):
    s3 = server.client("s3")
    if bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body="\n".join(records).encode() + b"\n")
    return f"s3://{bucket}/{key}"


def submit(server, source, target, model=SCRIPTED, name="job", **more):
    """Creates a job and returns its ARN."""
    return server.client("bedrock").create_model_invocation_job(
        jobName=name, roleArn=ROLE, modelId=model, inputDataConfig={"s3InputDataConfig": {"s3Uri": source}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": target}}, **more)["jobArn"]


def state(server, arn):
    return server.client("bedrock").get_model_invocation_job(jobIdentifier=arn)


def wait_for_end(server, arn, seconds=120):
    client = server.client("bedrock")

    def ended():
        job = client.get_model_invocation_job(jobIdentifier=arn)
        return job if job["status"] in ENDED else None
    return wait_until(ended, seconds, f"the end of {arn}")


def read(server, uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def check_file(server, uri, records):
    """Every record once, in the order of the input, echoed as it was. Returns the output's lines as objects."""
    raw = read(server, uri).splitlines()
    output = [json.loads(each) for each in raw]
    assert [each["recordId"] for each in output] == [json.loads(record)["recordId"] for record in records]
    for record, text in zip(records, raw):
        assert record.partition('"modelInput":')[2][:-1] in text, "the input is echoed byte for byte"
    assert all(("modelOutput" in each) != ("error" in each) for each in output)
    return output


def check_counts(server, arn, folder, output, total):
    """The manifest and the job count what the output holds."""
    good = [each["modelOutput"]["usage"] for each in output if "modelOutput" in each]
    assert json.loads(read(server, f"{folder}/manifest.json.out")) == {
        "totalRecordCount": total, "processedRecordCount": len(output), "successRecordCount": len(good),
        "errorRecordCount": len(output) - len(good), "inputTokenCount": sum(usage["input_tokens"] for usage in good),
        "outputTokenCount": sum(usage["output_tokens"] for usage in good)}
    job = state(server, arn)
    assert (job["totalRecordCount"], job["processedRecordCount"], job["successRecordCount"]) == (total, len(output), len(good))


def folder_of(arn, target):
    """Where the job's output lies."""
    return f"{target.rstrip('/')}/{arn.rsplit('/', 1)[1]}"


def check_output(server, arn, target, key, records):
    """The output of a job of one file that has ended by itself. Returns its lines as objects."""
    output = check_file(server, f"{folder_of(arn, target)}/{key}.out", records)
    check_counts(server, arn, folder_of(arn, target), output, len(records))
    return output


def kill_all(server):
    """kill -9 of the server and its workers, all at once."""
    pids = [server.process.pid, *(pid for of_role in server.workers().values() for pid in of_role)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    server.kill()


def kill_at_random(server, kills, seed, longest):
    """Kills and restarts the server, each time after up to `longest` seconds of work. Yields after each restart."""
    chance = random.Random(seed)
    for _ in range(kills):
        time.sleep(chance.uniform(0, longest))
        kill_all(server)
        server.start()
        yield
