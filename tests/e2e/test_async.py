"""StartAsyncInvoke, GetAsyncInvoke and ListAsyncInvokes with an unmodified boto3."""
import datetime
import json
import uuid

import pytest
from botocore.exceptions import ClientError

import batch
from harness import Server, wait_until

MODEL = batch.SCRIPTED
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 16,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "question 1"}]}]}


def body(number):
    return {**BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": f"question {number}"}]}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("async") / "data", batch.scripted_config(latency_ms=50)) as running:
        running.client("s3").create_bucket(Bucket="answers")
        yield running


@pytest.fixture(scope="module")
def runtime(server):
    return server.client()


def start(runtime, uri="s3://answers/", model=MODEL, **more):
    more.setdefault("modelInput", BODY)
    return runtime.start_async_invoke(modelId=model, outputDataConfig={"s3OutputDataConfig": {"s3Uri": uri}}, **more)["invocationArn"]


def end_of(runtime, arn):
    def ended():
        reply = runtime.get_async_invoke(invocationArn=arn)
        return reply if reply["status"] != "InProgress" else None
    return wait_until(ended, 30, "the invocation's end")


def error_of(call, *arguments, **more):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **more)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_the_answer_lands_in_the_bucket(server, runtime):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=5)
    arn = start(runtime, "s3://answers/of/mine", clientRequestToken="first")
    invocation = arn.rsplit("/", 1)[1]
    assert arn == f"arn:aws:bedrock:us-east-1:123456789012:async-invoke/{invocation}" and len(invocation) == 12
    reply = end_of(runtime, arn)
    assert reply["status"] == "Completed" and "failureMessage" not in reply
    assert reply["modelArn"] == f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"
    assert reply["clientRequestToken"] == "first"
    assert before < reply["submitTime"] <= reply["endTime"] <= reply["lastModifiedTime"]
    assert reply["outputDataConfig"] == {"s3OutputDataConfig": {"s3Uri": "s3://answers/of/mine"}}
    answer = json.loads(batch.read(server, f"s3://answers/of/mine/{invocation}/output.json"))
    assert answer == json.loads(runtime.invoke_model(modelId=MODEL, body=json.dumps(BODY))["body"].read()) | {"id": answer["id"]}
    manifest = json.loads(batch.read(server, f"s3://answers/of/mine/{invocation}/manifest.json"))
    assert manifest["invocationArn"] == arn and manifest["status"] == "Completed"
    assert manifest["outputTokenCount"] == answer["usage"]["output_tokens"]
    [file] = manifest["outputFiles"]
    assert len(batch.read(server, file["s3Uri"]).encode()) == file["sizeBytes"]


def test_a_token_means_the_same_invocation_and_nothing_else(runtime):
    token = str(uuid.uuid4())
    arn = start(runtime, clientRequestToken=token)
    assert start(runtime, clientRequestToken=token) == arn
    code, message = error_of(start, runtime, clientRequestToken=token, modelInput=body(2))
    assert code == "ConflictException" and arn in message
    end_of(runtime, arn)
    assert start(runtime, clientRequestToken=token) == arn   # also when it has ended
    assert start(runtime) != arn


def test_a_refused_body_fails_and_says_why(runtime):
    arn = start(runtime, modelInput=body("5" + batch.BAD))
    reply = end_of(runtime, arn)
    assert reply["status"] == "Failed" and reply["failureMessage"] == "ValidationException: No such answer."
    arn = start(runtime, modelInput={"max_tokens": "many"})
    assert end_of(runtime, arn)["failureMessage"].startswith("ValidationException: ")


def test_what_is_wrong_at_once_is_refused_at_once(server, runtime, tmp_path):
    assert error_of(start, runtime, model="no.such-model")[0] == "ValidationException"
    code, message = error_of(start, runtime, "s3://nowhere/answers")
    assert code == "ValidationException" and "nowhere" in message
    server.craton("bucket", "link", "read-only", tmp_path)
    code, message = error_of(start, runtime, "s3://read-only/answers")
    assert code == "ValidationException" and "read-only" in message
    output = {"s3OutputDataConfig": {"s3Uri": "s3://answers/", "kmsKeyId": "arn:aws:kms:us-east-1:123456789012:alias/mine"}}
    code, message = error_of(runtime.start_async_invoke, modelId=MODEL, modelInput=BODY, outputDataConfig=output)
    assert code == "ValidationException" and "kmsKeyId" in message
    output = {"s3OutputDataConfig": {"s3Uri": "s3://answers/", "bucketOwner": "210987654321"}}
    assert error_of(runtime.start_async_invoke, modelId=MODEL, modelInput=BODY, outputDataConfig=output)[0] == "AccessDeniedException"
    unknown = "arn:aws:bedrock:us-east-1:123456789012:async-invoke/000000000000"
    assert error_of(runtime.get_async_invoke, invocationArn=unknown)[0] == "ValidationException"


def test_lists_are_filtered_sorted_and_paged(new_server):
    server = new_server(config=batch.scripted_config())
    server.client("s3").create_bucket(Bucket="answers")
    runtime = server.client()
    arns = [start(runtime, modelInput=body(number)) for number in ("1", "2", "3", "4", batch.BAD)]
    replies = [end_of(runtime, arn) for arn in arns]

    def listed(**filters):
        return [each["invocationArn"] for each in runtime.list_async_invokes(**filters)["asyncInvokeSummaries"]]
    assert listed(sortOrder="Ascending", sortBy="SubmissionTime") == arns
    assert listed() == arns[::-1]
    assert listed(statusEquals="Failed") == arns[4:]
    assert listed(statusEquals="Completed", sortOrder="Ascending") == arns[:4]
    assert listed(statusEquals="InProgress") == []
    second = datetime.timedelta(seconds=1)
    assert listed(submitTimeAfter=replies[4]["submitTime"] + second) == []
    assert listed(submitTimeBefore=replies[0]["submitTime"] - second) == []
    assert len(listed(submitTimeAfter=replies[0]["submitTime"] - second, submitTimeBefore=replies[4]["submitTime"] + second)) == 5
    pages = list(runtime.get_paginator("list_async_invokes").paginate(maxResults=2, sortOrder="Ascending"))
    assert [[each["invocationArn"] for each in page["asyncInvokeSummaries"]] for page in pages] == [arns[:2], arns[2:4], arns[4:]]
    assert "nextToken" not in pages[-1]
    assert error_of(runtime.list_async_invokes, nextToken="nonsense")[0] == "ValidationException"


def test_tags_are_kept(server, runtime):
    arn = start(runtime, tags=[{"key": "team", "value": "search"}])
    control = server.client("bedrock")
    assert control.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "team", "value": "search"}]
    control.tag_resource(resourceARN=arn, tags=[{"key": "stage", "value": "test"}])
    control.untag_resource(resourceARN=arn, tagKeys=["team"])
    assert control.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "stage", "value": "test"}]


def test_invocations_survive_a_kill_of_the_server(new_server):
    server = new_server(config=batch.scripted_config(latency_ms=1500))
    server.client("s3").create_bucket(Bucket="answers")
    arns = [start(server.client(), modelInput=body(number)) for number in range(3)]
    batch.kill_all(server)
    server.start()
    runtime = server.client()
    assert [end_of(runtime, arn)["status"] for arn in arns] == ["Completed"] * 3
    for arn in arns:
        assert json.loads(batch.read(server, f"s3://answers/{arn.rsplit('/', 1)[1]}/output.json"))["content"]


def test_a_bucket_that_goes_meanwhile_fails_the_invocation(new_server):
    server = new_server(config=batch.scripted_config(latency_ms=700))
    s3 = server.client("s3")
    s3.create_bucket(Bucket="answers")
    arn = start(server.client())
    s3.delete_bucket(Bucket="answers")
    reply = end_of(server.client(), arn)
    assert reply["status"] == "Failed"
    assert reply["failureMessage"] == "The output could not be written to s3://answers/: The specified bucket does not exist"
    assert server.healthy()
