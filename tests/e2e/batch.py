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


def lines(count, **how):
    return [line(number, **how) for number in range(count)]


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


def check_output(server, arn, target, key, records):
    """Every record once, in the order of the input, echoed as it was; and counts that add up. Returns the output's lines."""
    folder = f"{target.rstrip('/')}/{arn.rsplit('/', 1)[1]}"
    output = [json.loads(each) for each in read(server, f"{folder}/{key}.out").splitlines()]
    raw = read(server, f"{folder}/{key}.out").splitlines()
    assert [each["recordId"] for each in output] == [json.loads(record)["recordId"] for record in records]
    good = [each for each in output if "modelOutput" in each]
    bad = [each for each in output if "error" in each]
    assert len(good) + len(bad) == len(records)
    for record, text in zip(records, raw):
        assert record.partition('"modelInput":')[2][:-1] in text, "the input is echoed byte for byte"
    manifest = json.loads(read(server, f"{folder}/manifest.json.out"))
    usage = [each["modelOutput"]["usage"] for each in good]
    assert manifest == {
        "totalRecordCount": len(records), "processedRecordCount": len(records), "successRecordCount": len(good),
        "errorRecordCount": len(bad), "inputTokenCount": sum(each["input_tokens"] for each in usage),
        "outputTokenCount": sum(each["output_tokens"] for each in usage)}
    job = state(server, arn)
    assert (job["totalRecordCount"], job["successRecordCount"], job["errorRecordCount"]) == (len(records), len(good), len(bad))
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
