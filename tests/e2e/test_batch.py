"""Batch inference jobs as boto3 and the AWS CLI see them: creating, following, listing, stopping and tagging; what comes out."""
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError

import batch
from batch import SCRIPTED, check_output, lines, put_input, read, scripted_config, state, submit, wait_for_end
from harness import wait_until
from models import EMBED, TEXT, user

AWS = Path(sys.executable).parent / "aws"
SLOW = 20000    # milliseconds of an answer that a test does not wait for


@pytest.fixture
def jobs(new_server):
    """A server whose scripted model answers at once."""
    return new_server(scripted_config())


@pytest.fixture
def slow(new_server):
    """A server whose scripted model takes longer than a test, and that has slots for all jobs."""
    return new_server(scripted_config(SLOW, running_jobs=20))


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def folder_of(arn, target="s3://results/out"):
    return f"{target}/{arn.rsplit('/', 1)[1]}"


def request_for(source="s3://work/in.jsonl", **more):
    return {"jobName": "job", "roleArn": batch.ROLE, "modelId": SCRIPTED,
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": source}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://results/out/"}}, **more}


def make_buckets(server, records=None):
    put_input(server, "work", "in.jsonl", records or lines(3))
    server.client("s3").create_bucket(Bucket="results")


# ---- what comes out ----

def test_every_record_is_answered_in_order(jobs):
    records = lines(10000)
    make_buckets(jobs, records)
    arn = submit(jobs, "s3://work/in.jsonl", "s3://results/out/")
    assert wait_for_end(jobs, arn)["status"] == "Completed"
    output = check_output(jobs, arn, "s3://results/out/", "in.jsonl", records)
    assert {each["error"]["errorCode"] for each in output if "error" in each} == {400}


def test_the_real_model_answers_a_converse_job(server):
    records = [{"recordId": f"Q{number}", "modelInput": {"messages": user(f"Say the number {number}."),
                                                       "inferenceConfig": {"maxTokens": 8, "temperature": 0}}} for number in range(6)]
    put_input(server, "converse", "in.jsonl", [json.dumps(record) for record in records])
    arn = submit(server, "s3://converse/in.jsonl", "s3://converse/out/", TEXT, modelInvocationType="Converse")
    job = wait_for_end(server, arn)
    assert (job["status"], job["successRecordCount"], job["modelInvocationType"]) == ("Completed", 6, "Converse")
    output = [json.loads(each) for each in read(server, folder_of(arn, "s3://converse/out") + "/in.jsonl.out").splitlines()]
    assert [(each["recordId"], each["modelInput"]) for each in output] == [(each["recordId"], each["modelInput"]) for each in records]
    assert all(each["modelOutput"]["output"]["message"]["content"][0]["text"] for each in output)
    manifest = json.loads(read(server, folder_of(arn, "s3://converse/out") + "/manifest.json.out"))
    assert manifest["outputTokenCount"] == sum(each["modelOutput"]["usage"]["outputTokens"] for each in output)
    live = server.client().converse(modelId=TEXT, messages=records[2]["modelInput"]["messages"],
                                    inferenceConfig=records[2]["modelInput"]["inferenceConfig"])
    assert live["usage"] == output[2]["modelOutput"]["usage"]


def test_an_embedding_model_works_through_a_job(server):
    records = [f'{{"modelInput":{{"inputText":"sentence number {number}","dimensions":256}}}}' for number in range(40)]
    put_input(server, "embed", "in.jsonl", records)
    arn = submit(server, "s3://embed/in.jsonl", "s3://embed/out/", EMBED)
    assert wait_for_end(server, arn)["successRecordCount"] == 40
    output = [json.loads(each) for each in read(server, folder_of(arn, "s3://embed/out") + "/in.jsonl.out").splitlines()]
    assert len({each["recordId"] for each in output}) == 40, "ids are made where there are none"
    assert all(len(each["recordId"]) == 11 and each["recordId"].isalnum() for each in output)
    body = json.dumps(output[7]["modelInput"])
    live = json.loads(server.client().invoke_model(modelId=EMBED, body=body)["body"].read())
    assert output[7]["modelOutput"]["inputTextTokenCount"] == live["inputTextTokenCount"]
    assert sum(a * b for a, b in zip(output[7]["modelOutput"]["embedding"], live["embedding"])) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("key", ["with space.jsonl", "a+b.jsonl", "100%25.jsonl", "größe/naïve 数据.jsonl"])
def test_keys_of_any_letters_work(jobs, key):
    records = lines(5)
    put_input(jobs, "letters", "in/" + key, records)
    arn = submit(jobs, "s3://letters/in/" + key, "s3://letters/out put/ü+%")
    assert wait_for_end(jobs, arn)["status"] == "Completed"
    check_output(jobs, arn, "s3://letters/out put/ü+%", key.rsplit("/", 1)[-1], records)


def test_a_folder_is_worked_through_and_keeps_its_names(jobs):
    for key, count in (("set/one.jsonl", 3), ("set/deep/er/two.jsonl", 4), ("set/readme.txt", 1), ("settle.jsonl", 1)):
        put_input(jobs, "work", key, lines(count))
    jobs.client("s3").create_bucket(Bucket="results")
    arn = submit(jobs, "s3://work/set/", "s3://results/out/")
    assert wait_for_end(jobs, arn)["totalRecordCount"] == 7
    found = [each["Key"] for each in jobs.client("s3").list_objects_v2(Bucket="results")["Contents"]]
    folder = folder_of(arn).removeprefix("s3://results/")
    assert found == [f"{folder}/{name}" for name in ("deep/er/two.jsonl.out", "manifest.json.out", "one.jsonl.out")]


def test_records_that_cannot_be_used_fail_alone(jobs):
    make_buckets(jobs, [lines(1)[0], "[]", '{"recordId":"nothing"}', '{"recordId":"bad","modelInput":{"messages":["text"]}}'])
    arn = submit(jobs, "s3://work/in.jsonl", "s3://results/out")
    job = wait_for_end(jobs, arn)
    assert (job["status"], job["successRecordCount"], job["errorRecordCount"]) == ("Completed", 1, 3)
    output = [json.loads(each) for each in read(jobs, folder_of(arn) + "/in.jsonl.out").splitlines()]
    assert ["modelOutput" in each for each in output] == [True, False, False, False]
    assert [each["recordId"] for each in output[2:]] == ["nothing", "bad"]
    assert all(each["error"]["errorCode"] == 400 and each["error"]["errorMessage"] for each in output[1:])


@pytest.mark.parametrize("source, body, message", [
    ("s3://nowhere/in.jsonl", None, "The input bucket nowhere does not exist."),
    ("s3://work/missing.jsonl", None, "The input s3://work/missing.jsonl does not exist."),
    ("s3://work/in.json", "{}", "The name of the input s3://work/in.json does not end in .jsonl."),
    ("s3://work/empty.jsonl", "\n\n", "The input s3://work/empty.jsonl holds no record."),
    ("s3://work/broken.jsonl", "{}\n{}\n{\"a\":}\n", "Line 3 of s3://work/broken.jsonl is not valid JSON: "),
    ("s3://work/nothing/", None, "There is no .jsonl file in the folder s3://work/nothing/."),
])
def test_an_input_that_cannot_be_used_fails_the_job_and_says_where(jobs, source, body, message):
    make_buckets(jobs)
    if body is not None:
        jobs.client("s3").put_object(Bucket="work", Key=source.removeprefix("s3://work/"), Body=body.encode())
    job = wait_for_end(jobs, submit(jobs, source, "s3://results/"))
    assert job["status"] == "Failed" and job["message"].startswith(message)
    assert "endTime" in job and job["processedRecordCount"] == 0


def test_limits_are_settings(new_server):
    server = new_server(scripted_config(min_records=3, max_file_records=5, max_job_records=8, max_file_size="1KiB"))
    make_buckets(server)
    for key, count in (("two", 2), ("six", 6), ("set/a", 5), ("set/b", 4)):
        put_input(server, "work", f"{key}.jsonl", ['{"modelInput":{}}'] * count)
    put_input(server, "work", "big.jsonl", ['{"modelInput":{"text":"' + "x" * 1024 + '"}}'] * 3)
    for source, setting in (("two.jsonl", "min_records"), ("six.jsonl", "max_file_records"), ("set/", "max_job_records"),
                            ("big.jsonl", "max_file_size")):
        job = wait_for_end(server, submit(server, f"s3://work/{source}", "s3://results/"))
        assert job["status"] == "Failed" and f"batch.{setting}" in job["message"]


# ---- creating ----

def test_a_token_makes_one_job(slow):
    make_buckets(slow)
    client = slow.client("bedrock")
    request = request_for(clientRequestToken="token-1", tags=[{"key": "a", "value": "b"}])
    arn = client.create_model_invocation_job(**request)["jobArn"]
    assert client.create_model_invocation_job(**request)["jobArn"] == arn
    for change in ({"jobName": "other"}, {"timeoutDurationInHours": 30}, {"modelInvocationType": "Converse"}, {"tags": []}):
        code, message = error_of(client.create_model_invocation_job, **{**request, **change})
        assert code == "ConflictException" and arn in message
    assert client.create_model_invocation_job(**{**request, "clientRequestToken": "token-2"})["jobArn"] != arn
    assert len(client.list_model_invocation_jobs()["invocationJobSummaries"]) == 2, "names need not be unique"


@pytest.mark.parametrize("change, part", [
    ({"jobName": "-starts-badly"}, "jobName"),
    ({"modelId": "nobody.knows-v1"}, "The provided model identifier is invalid."),
    ({"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "/work/in.jsonl"}}}, "/work/in.jsonl"),
    ({"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://.craton/batch/"}}}, "s3://.craton/batch/"),
    ({"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://out/", "s3EncryptionKeyId": "arn:aws:kms:us-east-1:123456789012:key/"
                                                  "00000000-0000-0000-0000-000000000000"}}}, "s3EncryptionKeyId"),
    ({"modelId": EMBED, "modelInvocationType": "Converse"}, "embeddings"),
    ({"tags": [{"key": "aws:x", "value": "1"}]}, "aws:x"),
    ({"tags": [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]}, "twice"),
])
def test_a_request_that_cannot_be_met_is_refused_by_name(server, change, part):
    code, message = error_of(server.client("bedrock").create_model_invocation_job, **{**request_for(), "modelId": TEXT, **change})
    assert code == "ValidationException" and part in message


def test_the_eleventh_active_job_of_a_model_is_refused(slow):
    make_buckets(slow)
    client = slow.client("bedrock")
    arns = [client.create_model_invocation_job(**request_for())["jobArn"] for _ in range(10)]
    assert error_of(client.create_model_invocation_job, **request_for())[0] == "ServiceQuotaExceededException"
    foundation = f"arn:aws:bedrock:us-east-1::foundation-model/{SCRIPTED}"
    assert error_of(client.create_model_invocation_job, **request_for(modelId=foundation))[0] == "ServiceQuotaExceededException"
    assert client.create_model_invocation_job(**request_for(modelId="craton.scripted-v1"))["jobArn"], "slots are counted by model"
    client.stop_model_invocation_job(jobIdentifier=arns[0])
    assert wait_for_end(slow, arns[0])["status"] == "Stopped"
    assert client.create_model_invocation_job(**request_for())["jobArn"], "an ended job gives its slot back"


# ---- looking ----

def test_a_job_is_found_by_arn_and_by_id_with_all_that_is_known_of_it(jobs):
    make_buckets(jobs)
    client = jobs.client("bedrock")
    vpc = {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    arn = client.create_model_invocation_job(**request_for(timeoutDurationInHours=48, vpcConfig=vpc, clientRequestToken="t0"))["jobArn"]
    job = wait_for_end(jobs, arn)
    assert client.get_model_invocation_job(jobIdentifier=arn.rsplit("/", 1)[1])["jobArn"] == arn
    assert job["inputDataConfig"] == {"s3InputDataConfig": {"s3Uri": "s3://work/in.jsonl", "s3InputFormat": "JSONL"}}
    assert job["outputDataConfig"] == {"s3OutputDataConfig": {"s3Uri": "s3://results/out/"}}
    assert (job["vpcConfig"], job["clientRequestToken"], job["roleArn"], job["modelId"]) == (vpc, "t0", batch.ROLE, SCRIPTED)
    assert job["jobExpirationTime"] - job["submitTime"] == timedelta(hours=48)
    assert job["submitTime"] <= job["endTime"] <= job["lastModifiedTime"] + timedelta(seconds=1)
    assert "message" not in job and job["modelInvocationType"] == "InvokeModel"
    for unknown in ("abcdefghijkl", arn[:-12] + "abcdefghijkl", arn.replace("123456789012", "999999999999")):
        assert error_of(client.get_model_invocation_job, jobIdentifier=unknown)[0] == "ResourceNotFoundException"


def test_jobs_are_listed_filtered_sorted_and_paged(slow):
    make_buckets(slow)
    client = slow.client("bedrock")
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    arns = [client.create_model_invocation_job(**request_for(jobName=f"nightly-{number}" if number % 2 else f"daily-{number}"))["jobArn"]
            for number in range(7)]
    client.stop_model_invocation_job(jobIdentifier=arns[3])
    wait_for_end(slow, arns[3])

    def listed(**filters):
        return [each["jobArn"] for each in client.list_model_invocation_jobs(**filters)["invocationJobSummaries"]]

    assert listed(sortBy="CreationTime", sortOrder="Ascending") == arns
    assert listed(sortOrder="Descending") == listed() == arns[::-1]
    assert listed(statusEquals="Stopped") == [arns[3]]
    assert listed(nameContains="night", sortOrder="Ascending") == arns[1::2]
    assert listed(submitTimeAfter=before, submitTimeBefore=before + timedelta(hours=1), sortOrder="Ascending") == arns
    assert listed(submitTimeBefore=before) == listed(submitTimeAfter=before + timedelta(hours=1)) == []
    pages = client.get_paginator("list_model_invocation_jobs").paginate(sortOrder="Ascending", PaginationConfig={"PageSize": 3})
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["invocationJobSummaries"]))
        found += [each["jobArn"] for each in page["invocationJobSummaries"]]
    assert found == arns and sizes == [3, 3, 1]
    assert error_of(client.list_model_invocation_jobs, nextToken="nonsense")[0] == "ValidationException"


# ---- stopping ----

def test_a_stopped_job_keeps_what_was_done(new_server):
    config = scripted_config()
    config["scripted"]["rules"].insert(0, {"match": {"text": "never"}, "text": "late", "latency_ms": SLOW})
    server = new_server(config)
    records = [batch.line(number, "never" if number in (0, 4) else "question") for number in range(8)]
    make_buckets(server, records)
    client = server.client("bedrock")
    arn = client.create_model_invocation_job(**request_for())["jobArn"]
    wait_until(lambda: state(server, arn)["processedRecordCount"] == 6, 30, "the quick records")
    assert state(server, arn)["status"] == "InProgress"
    client.stop_model_invocation_job(jobIdentifier=arn)
    job = wait_for_end(server, arn)
    assert (job["status"], job["totalRecordCount"], job["processedRecordCount"]) == ("Stopped", 8, 6)
    output = [json.loads(each)["recordId"] for each in read(server, folder_of(arn) + "/in.jsonl.out").splitlines()]
    assert output == [f"R{number:08d}" for number in range(8) if number not in (0, 4)]
    assert json.loads(read(server, folder_of(arn) + "/manifest.json.out"))["processedRecordCount"] == 6
    code, message = error_of(client.stop_model_invocation_job, jobIdentifier=arn)
    assert code == "ValidationException" and "State was: Stopped" in message


def test_a_finished_job_cannot_be_stopped(jobs):
    make_buckets(jobs)
    arn = submit(jobs, "s3://work/in.jsonl", "s3://results/out")
    wait_for_end(jobs, arn)
    code, message = error_of(jobs.client("bedrock").stop_model_invocation_job, jobIdentifier=arn)
    assert code == "ValidationException" and "State was: Completed" in message
    assert error_of(jobs.client("bedrock").stop_model_invocation_job, jobIdentifier="abcdefghijkl")[0] == "ResourceNotFoundException"


# ---- what goes away ----

def test_a_stopped_job_says_that_its_output_could_not_be_written(slow):
    make_buckets(slow)
    arn = submit(slow, "s3://work/in.jsonl", "s3://results/out")
    wait_until(lambda: state(slow, arn)["status"] == "InProgress", 30, "the beginning")
    slow.client("s3").delete_bucket(Bucket="results")
    slow.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    job = wait_for_end(slow, arn)
    assert job["status"] == "Stopped" and "s3://results/out/" in job["message"]
    assert slow.healthy()


# ---- tags ----

def test_jobs_are_tagged(jobs):
    make_buckets(jobs)
    client = jobs.client("bedrock")
    arn = client.create_model_invocation_job(**request_for(tags=[{"key": "team", "value": "red"}]))["jobArn"]

    def tags():
        return {each["key"]: each["value"] for each in client.list_tags_for_resource(resourceARN=arn)["tags"]}

    assert tags() == {"team": "red"}
    client.tag_resource(resourceARN=arn, tags=[{"key": "team", "value": "blue"}, {"key": "cost", "value": ""}])
    assert tags() == {"team": "blue", "cost": ""}
    client.untag_resource(resourceARN=arn, tagKeys=["team", "absent"])
    assert tags() == {"cost": ""}
    many = [{"key": f"k{number}", "value": "v"} for number in range(50)]
    assert error_of(client.tag_resource, resourceARN=arn, tags=many)[0] == "TooManyTagsException"
    assert tags() == {"cost": ""}
    other = arn[:-12] + "abcdefghijkl"
    assert error_of(client.list_tags_for_resource, resourceARN=other)[0] == "ResourceNotFoundException"
    wait_for_end(jobs, arn)
    assert tags() == {"cost": ""}


# ---- other clients, other views ----

def test_the_aws_cli_runs_a_job(jobs):
    records = lines(4)
    make_buckets(jobs, records)

    def aws(*arguments):
        done = subprocess.run([AWS, "--output", "json", *arguments], env=jobs.shell(), capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    arn = aws("bedrock", "create-model-invocation-job", "--job-name", "from-the-cli", "--role-arn", batch.ROLE, "--model-id", SCRIPTED,
              "--input-data-config", "s3InputDataConfig={s3Uri=s3://work/in.jsonl}",
              "--output-data-config", "s3OutputDataConfig={s3Uri=s3://results/out/}")["jobArn"]
    wait_for_end(jobs, arn)
    assert aws("bedrock", "get-model-invocation-job", "--job-identifier", arn)["status"] == "Completed"
    listed = aws("bedrock", "list-model-invocation-jobs", "--name-contains", "cli", "--status-equals", "Completed")
    assert [each["jobArn"] for each in listed["invocationJobSummaries"]] == [arn]
    check_output(jobs, arn, "s3://results/out/", "in.jsonl", records)


def test_metrics_count_records_tokens_and_jobs(jobs):
    make_buckets(jobs, lines(100))
    arn = submit(jobs, "s3://work/in.jsonl", "s3://results/out")
    job = wait_for_end(jobs, arn)
    token = jobs.craton("keys", "create", "--bearer").stdout.strip()
    text = httpx.get(jobs.url + "/_craton/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10).text
    model = f'model="{SCRIPTED}"'
    assert f'craton_batch_records_total{{{model},result="success"}} {job["successRecordCount"]}' in text
    assert f'craton_batch_records_total{{{model},result="error"}} {job["errorRecordCount"]}' in text
    manifest = json.loads(read(jobs, folder_of(arn) + "/manifest.json.out"))
    assert f'craton_batch_tokens_total{{{model},direction="output"}} {manifest["outputTokenCount"]}' in text
    assert "craton_batch_jobs_active 0" in text
