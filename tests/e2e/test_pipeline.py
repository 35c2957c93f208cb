"""The queue pipeline: files that are put into a bucket become batch jobs, and their answers come back to it."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import CRATON, ROOT, clean_environment, wait_until

SCRIPTED = "anthropic.claude-3-sonnet-20240229-v1:0"
BUCKET = "br-batch-inference-123456789012-us-east-1"
ENDED = {"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"}
CONFIG = """
models:
  map:
    - {ids: anthropic.claude-3-sonnet-20240229-v1:0, model: craton.scripted-v1}
scripted:
  rules:
    - match: {text: capital of France}
      text: The capital of France is Paris.
    - match: {text: slow}
      text: At last.
      latency_ms: 300
"""
PATIENCE = 120


def call(server, method, path, body=None):
    """A signed call of one of the pipeline's operations; returns status and document."""
    env = server.environment()
    request = AWSRequest(method, server.url + path, data=json.dumps(body) if body is not None else "",
                         headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]), "bedrock", env["AWS_REGION"]).add_auth(request)
    reply = httpx.request(method, request.url, headers=dict(request.headers), content=request.data, timeout=60)
    return reply.status_code, reply.json()


def rows(server, name="nightly"):
    status, page = call(server, "GET", f"/_craton/pipelines/{name}/rows?maxResults=1000")
    assert status == 200 and "nextToken" not in page
    return page["rows"]


def states(server):
    return sorted(row["status"] for row in rows(server))


def await_end(server, count, patience=PATIENCE):
    """Waits until there are so many rows and all of them have ended; returns them."""
    def ended():
        found = rows(server)
        return found if len(found) == count and all(row["status"] in ENDED for row in found) else None
    return wait_until(ended, patience, f"{count} rows to end")


def lines(text, count=1):
    """Records that ask the scripted model one thing."""
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": [{"role": "user", "content": text}]}
    return "".join(json.dumps({"recordId": f"record{i:05d}", "modelInput": body}) + "\n" for i in range(count)).encode()


def outputs(s3, row):
    """The lines of a row's results, and its manifest."""
    folder = row["outputUri"].removeprefix(f"s3://{BUCKET}/")
    file = row["inputUri"].rsplit("/", 1)[1]
    text = s3.get_object(Bucket=BUCKET, Key=f"{folder}{file}.out")["Body"].read()
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=f"{folder}manifest.json.out")["Body"].read())
    return [json.loads(line) for line in text.splitlines()], manifest


def aws(server, *arguments):
    """The AWS CLI, as a person has it after `eval "$(craton env)"`."""
    done = subprocess.run([Path(sys.executable).parent / "aws", *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=server.shell())
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def scripted(new_server):
    return new_server(CONFIG)


@pytest.fixture
def nightly(scripted):
    """A server with a pipeline on the scripted model."""
    scripted.craton("pipeline", "create", "nightly", "--model-id", SCRIPTED)
    return scripted


# ---- the command ----

def test_a_pipeline_is_made_listed_shown_and_deleted(scripted):
    made = scripted.craton("pipeline", "create", "nightly", "--model-id", SCRIPTED).stdout
    assert f"s3://{BUCKET}/to-process/" in made and f"s3://{BUCKET}/processed/" in made
    assert re.search(r"nightly-DynamoDBTable-[A-Z0-9]{12}\b", made)
    assert re.search(rf"nightly +{re.escape(SCRIPTED)} +ACTIVE +{BUCKET}", scripted.craton("pipeline", "list").stdout)
    assert "no files yet" in scripted.craton("pipeline", "status").stdout
    assert json.loads(scripted.craton("pipeline", "status", "nightly", "--json").stdout)["pipeline"]["bucket"] == BUCKET
    assert "stay" in scripted.craton("pipeline", "delete", "nightly").stderr
    assert "nightly" not in scripted.craton("pipeline", "list").stdout
    assert scripted.craton("pipeline", "status", "nightly", check=False).returncode == 1
    made_again = scripted.craton("pipeline", "create", "nightly", "--model-id", SCRIPTED).stdout
    assert made_again.splitlines()[2] != made.splitlines()[2]           # another life, another table


def test_role_and_bucket_are_as_they_were_asked_for(scripted):
    scripted.craton("pipeline", "create", "weekly", "--model-id", SCRIPTED, "--bucket", "my-own-bucket",
                    "--role-arn", "arn:aws:iam::123456789012:role/mine")
    _, made = call(scripted, "GET", "/_craton/pipelines/weekly")
    assert made["pipeline"]["bucket"] == "my-own-bucket" and made["pipeline"]["roleArn"] == "arn:aws:iam::123456789012:role/mine"
    assert made["pipeline"]["pipelineArn"].endswith(":pipeline/weekly")
    assert set(made["rowCounts"].values()) == {0}


@pytest.mark.parametrize("arguments", [
    [], ["start"], ["create"], ["create", "x"], ["create", "x", "y", "--model-id", "m"], ["list", "x"], ["delete"],
    ["list", "--model-id", "m"], ["create", "x", "--model-id", "m", "--watch"], ["status", "--watch", "--json"], ["status", "--watch"],
])
def test_a_wrong_command_line_is_explained(server, arguments):
    done = server.craton("pipeline", *arguments, check=False)
    assert done.returncode == 2 and "usage: craton pipeline" in done.stderr and done.stdout == ""


def test_what_cannot_be_made_is_refused(nightly):
    def refused(body):
        status, answer = call(nightly, "POST", "/_craton/pipelines", body)
        return status, answer["__type"]
    assert refused({"name": "nightly", "modelId": SCRIPTED, "bucket": "other-bucket"}) == (409, "ConflictException")
    assert refused({"name": "second", "modelId": SCRIPTED}) == (409, "ConflictException")     # the bucket is taken
    assert refused({"name": "9 lives", "modelId": SCRIPTED}) == (400, "ValidationException")
    assert refused({"name": "second"}) == (400, "ValidationException")
    assert refused({"name": "second", "modelId": SCRIPTED, "bucket": "No_Bucket"}) == (400, "ValidationException")
    assert refused({"name": "second", "modelId": SCRIPTED, "bucket": "a-b", "roleArn": "me"}) == (400, "ValidationException")
    assert call(nightly, "GET", "/_craton/pipelines/second")[0] == 404
    assert call(nightly, "DELETE", "/_craton/pipelines/second")[0] == 404


# ---- files ----

def test_a_file_uploaded_with_the_aws_cli_is_answered(nightly, tmp_path):
    file = tmp_path / "questions of today.jsonl"
    file.write_bytes(lines("What is the capital of France?", 5))
    account = aws(nightly, "sts", "get-caller-identity", "--query", "Account", "--output", "text").strip()
    region = nightly.environment()["AWS_REGION"]
    aws(nightly, "s3", "cp", file, f"s3://br-batch-inference-{account}-{region}/to-process/")
    row = await_end(nightly, 1)[0]
    assert row["status"] == "Completed" and row["attempts"] == 1
    assert row["inputUri"] == f"s3://{BUCKET}/to-process/questions of today.jsonl"
    aws(nightly, "s3", "cp", "--recursive", f"s3://{BUCKET}/processed/", tmp_path / "answers")
    answers = list((tmp_path / "answers").glob("*/questions of today.jsonl.out"))
    assert len(answers) == 1
    records = [json.loads(line) for line in answers[0].read_text().splitlines()]
    assert [record["recordId"] for record in records] == [f"record{i:05d}" for i in range(5)]
    assert all(record["modelOutput"]["content"][0]["text"] == "The capital of France is Paris." for record in records)
    shown = nightly.craton("pipeline", "status", "nightly").stdout
    assert "1 Completed" in shown and "questions of today.jsonl" in shown and "5 records" in shown


def test_the_table_is_read_with_the_aws_cli_and_boto3(nightly):
    s3 = nightly.client("s3")
    s3.put_object(Bucket=BUCKET, Key="to-process/good.jsonl", Body=lines("capital of France", 3))
    s3.put_object(Bucket=BUCKET, Key="to-process/bad.jsonl", Body=b"this is no JSON\n")
    await_end(nightly, 2)
    table = json.loads(aws(nightly, "dynamodb", "list-tables"))["TableNames"][0]
    assert re.fullmatch(r"nightly-DynamoDBTable-[A-Z0-9]{12}", table)
    scanned = json.loads(aws(nightly, "dynamodb", "scan", "--table-name", table))
    good, bad = sorted(scanned["Items"], key=lambda item: item["Status"]["S"])
    assert good["Status"] == {"S": "Completed"} and good["TotalRecordCount"] == {"N": "3"} == good["SuccessRecordCount"]
    assert good["InputUri"]["S"] == f"s3://{BUCKET}/to-process/good.jsonl" and good["ModelId"]["S"] == SCRIPTED
    assert good["OutputUri"]["S"] == f"s3://{BUCKET}/processed/" + good["JobArn"]["S"].rsplit("/", 1)[1] + "/"
    assert good["CreatedAt"]["S"] <= good["SubmittedAt"]["S"] <= good["FinishedAt"]["S"]
    assert bad["Status"] == {"S": "Failed"} and "bad.jsonl" in bad["ErrorMessage"]["S"] and bad["Attempts"] == {"N": "1"}

    dynamodb = nightly.client("dynamodb")
    described = dynamodb.describe_table(TableName=table)["Table"]
    assert described["KeySchema"] == [{"AttributeName": "JobId", "KeyType": "HASH"}]
    assert described["GlobalSecondaryIndexes"][0]["IndexName"] == "Status-index"
    key = {"JobId": good["JobId"]}
    assert dynamodb.get_item(TableName=table, Key=key)["Item"] == good
    failed = dynamodb.query(TableName=table, IndexName="Status-index", KeyConditionExpression="#s = :s",
                            ExpressionAttributeNames={"#s": "Status"}, ExpressionAttributeValues={":s": {"S": "Failed"}})
    assert failed["Items"] == [bad]
    pages = list(dynamodb.get_paginator("scan").paginate(TableName=table, PaginationConfig={"PageSize": 1}))
    assert sorted(item["JobId"]["S"] for page in pages for item in page["Items"]) == sorted([good["JobId"]["S"], bad["JobId"]["S"]])
    nightly.craton("pipeline", "delete", "nightly")
    assert dynamodb.list_tables()["TableNames"] == []


def test_files_that_were_there_before_are_run_and_a_new_upload_is_a_new_row(scripted):
    s3 = scripted.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="to-process/deep/er/early.jsonl", Body=lines("capital of France"))
    s3.put_object(Bucket=BUCKET, Key="to-process/notes.txt", Body=b"no records")
    s3.put_object(Bucket=BUCKET, Key="elsewhere/other.jsonl", Body=lines("capital of France"))
    scripted.craton("pipeline", "create", "nightly", "--model-id", SCRIPTED)
    first = await_end(scripted, 1)[0]
    s3.put_object(Bucket=BUCKET, Key="to-process/deep/er/early.jsonl", Body=lines("something else"))
    both = await_end(scripted, 2)
    second = next(row for row in both if row["jobId"] != first["jobId"])
    assert outputs(s3, first)[0][0]["modelOutput"]["content"][0]["text"] == "The capital of France is Paris."
    assert outputs(s3, second)[0][0]["modelOutput"]["content"][0]["text"] == "something else"


def test_a_model_that_nobody_serves_is_refused_and_one_that_went_fails_the_row_with_its_reason(new_server):
    server = new_server("models: {map: [{ids: my.own-v1, model: craton.scripted-v1}]}")
    refused = server.craton("pipeline", "create", "nightly", "--model-id", "my.other-v1", check=False)
    assert refused.returncode == 1 and "model identifier is invalid" in refused.stderr
    server.craton("pipeline", "create", "nightly", "--model-id", "my.own-v1")
    server.stop()
    Path(server.arguments[-1]).write_text("{}")
    server.start()
    server.client("s3").put_object(Bucket=BUCKET, Key="to-process/a.jsonl", Body=lines("x"))
    row = await_end(server, 1)[0]
    assert row["status"] == "Failed" and "model identifier is invalid" in row["errorMessage"]
    assert "model identifier is invalid" in server.craton("pipeline", "status").stdout


def test_without_immediate_a_job_waits_for_the_interval(new_server):
    server = new_server(CONFIG + "pipeline:\n  interval: 2s\n  immediate: off\n")
    server.craton("pipeline", "create", "nightly", "--model-id", SCRIPTED)
    server.client("s3").put_object(Bucket=BUCKET, Key="to-process/a.jsonl", Body=lines("capital of France"))
    wait_until(lambda: states(server) == ["Pending"], 10, "a Pending row")
    assert await_end(server, 1)[0]["status"] == "Completed"


def test_watch_draws_again_and_again_on_a_terminal(nightly):
    nightly.client("s3").put_object(Bucket=BUCKET, Key="to-process/a.jsonl", Body=lines("slow", 6))
    terminal, end = pty.openpty()
    watching = subprocess.Popen([CRATON, "pipeline", "status", "nightly", "--watch", "--data", nightly.data], stdin=subprocess.DEVNULL,
                                stdout=end, stderr=end, env=clean_environment())
    os.close(end)
    seen = b""
    try:
        while b"1 Completed" not in seen:
            assert select.select([terminal], [], [], PATIENCE)[0], seen
            seen += os.read(terminal, 65536)
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait(10)
        os.close(terminal)
    assert seen.count(b"\x1b[H") >= 2 and b"a.jsonl" in seen


# ---- more files than slots, and crashes ----

def active_jobs(bedrock):
    summaries = bedrock.list_model_invocation_jobs(maxResults=1000)["invocationJobSummaries"]
    return [job for job in summaries if job["status"] not in ENDED]


def test_more_files_than_slots_are_all_run_in_their_turn(nightly):
    s3, bedrock = nightly.client("s3"), nightly.client("bedrock")
    for i in range(24):
        s3.put_object(Bucket=BUCKET, Key=f"to-process/{i:02d}.jsonl", Body=lines(f"slow {i}", 2))
    most = 0

    def done():
        nonlocal most
        most = max(most, len(active_jobs(bedrock)))
        found = states(nightly)
        return len(found) == 24 and set(found) <= ENDED
    wait_until(done, PATIENCE, "24 files")
    assert states(nightly) == ["Completed"] * 24 and most <= 10
    for row in rows(nightly):
        records, manifest = outputs(s3, row)
        assert len(records) == 2 and manifest["successRecordCount"] == 2


def test_killed_again_and_again_every_file_is_run_once(nightly):
    s3 = nightly.client("s3")
    for i in range(30):
        s3.put_object(Bucket=BUCKET, Key=f"to-process/{i:02d}.jsonl", Body=lines(f"slow {i}", 2))
        if i % 6 == 5:
            nightly.kill()
            nightly.start()
            s3 = nightly.client("s3")
    for row in await_end(nightly, 30):
        assert row["status"] == "Completed"
        records, _ = outputs(s3, row)
        assert [record["recordId"] for record in records] == ["record00000", "record00001"]
    jobs = nightly.client("bedrock").list_model_invocation_jobs(maxResults=1000)["invocationJobSummaries"]
    inputs = sorted(job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"] for job in jobs)
    assert inputs == [f"s3://{BUCKET}/to-process/{i:02d}.jsonl" for i in range(30)]     # no file twice


# ---- the real model ----

def test_the_documented_commands_bring_answers_of_the_real_model(server, tmp_path):
    text = (ROOT / "docs/pipeline.md").read_text()
    commands = text.split("```sh\n")[1].split("```")[0]
    before, after = re.split(r"^craton pipeline status .*--watch.*$", commands, flags=re.M)
    path = f"{CRATON.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(script):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=120, cwd=tmp_path,
                              stdin=subprocess.DEVNULL, env={**clean_environment(), "PATH": path, "CRATON_DATA": str(server.data)})
        assert done.returncode == 0, done.stderr
        return done.stdout
    run(before)
    row = await_end(server, 1)[0]
    assert row["status"] == "Completed", row
    shown = run(re.sub(r"^(craton pipeline create|aws s3 cp questions).*$", "", before, flags=re.M) + after)
    records = {record["recordId"]: record for record in map(json.loads, re.findall(r"^\{.*\}$", shown, re.M))}
    assert "Paris" in records["1"]["modelOutput"]["content"][0]["text"]
    assert records["2"]["modelOutput"]["usage"]["output_tokens"] > 0
    assert "manifest.json.out" in shown
    server.craton("pipeline", "delete", "nightly")
