"""boto3, unmodified, with nothing but what `craton env` exports."""
import json
import os
import signal

import pytest
from botocore.exceptions import ClientError, EventStreamError

from harness import wait_until
from models import ECHO, EMBED, TEXT, text_of, text_of_stream, user


def test_a_question_gets_a_real_answer(runtime):
    reply = runtime.converse(modelId=TEXT, messages=user("What is the capital of France? Answer in one short sentence."),
                             inferenceConfig={"maxTokens": 40, "temperature": 0})
    assert "Paris" in text_of(reply)
    usage = reply["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert 0 < usage["outputTokens"] <= 40
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"]


def test_a_stream_gives_the_text_of_the_whole_reply(runtime):
    question = {"modelId": TEXT, "messages": user("Name three colours."), "inferenceConfig": {"maxTokens": 32, "temperature": 0}}
    whole = runtime.converse(**question)
    text, stop, usage = text_of_stream(runtime.converse_stream(**question)["stream"])
    assert (text, stop) == (text_of(whole), whole["stopReason"])
    assert usage["outputTokens"] == whole["usage"]["outputTokens"]


def test_max_tokens_ends_a_reply(runtime):
    reply = runtime.converse(modelId=TEXT, messages=user("Write three sentences about the sea."),
                             inferenceConfig={"maxTokens": 5, "temperature": 0})
    assert (reply["stopReason"], reply["usage"]["outputTokens"]) == ("max_tokens", 5)


def test_counted_tokens_are_those_of_the_real_call(runtime):
    messages = user("How many tokens is this?")
    counted = runtime.count_tokens(modelId=TEXT, input={"converse": {"messages": messages}})["inputTokens"]
    reply = runtime.converse(modelId=TEXT, messages=messages, inferenceConfig={"maxTokens": 1})
    assert counted == reply["usage"]["inputTokens"]


def test_an_embedding_has_the_asked_dimensions(runtime):
    body = json.dumps({"inputText": "The weather is fine", "dimensions": 256, "normalize": True})
    reply = json.loads(runtime.invoke_model(modelId=EMBED, body=body)["body"].read())
    assert len(reply["embedding"]) == 256
    assert sum(x * x for x in reply["embedding"]) == pytest.approx(1.0, abs=1e-3)


def test_an_unknown_model_is_a_validation_error(runtime):
    with pytest.raises(ClientError) as error:
        runtime.converse(modelId="nobody.no-such-model-v1", messages=user("Hello"))
    assert error.value.response["Error"] == {
        "Code": "ValidationException", "Message": "The provided model identifier is invalid."}


def test_models_are_listed_as_they_are_served(bedrock):
    summaries = bedrock.list_foundation_models()["modelSummaries"]
    ids = [summary["modelId"] for summary in summaries]
    assert TEXT in ids and EMBED in ids and len(ids) == len(set(ids))
    embedding = bedrock.list_foundation_models(byOutputModality="EMBEDDING")["modelSummaries"]
    assert embedding and all(summary["outputModalities"] == ["EMBEDDING"] for summary in embedding)


def test_a_killed_worker_costs_its_calls_and_no_more(new_server):
    server = new_server()
    client = server.client()
    question = {"modelId": TEXT, "messages": user("Tell me a very long story."), "inferenceConfig": {"maxTokens": 2000}}
    with pytest.raises((EventStreamError, ClientError)) as error:
        events = iter(client.converse_stream(**question)["stream"])
        wait_until(lambda: "contentBlockDelta" in next(events), 60, "the first text")
        for pid in server.workers()["model"]:
            os.kill(pid, signal.SIGKILL)
        for _ in events:
            pass
    assert "modelStreamErrorException" in str(error.value)

    def answered():
        try:
            return client.converse(modelId=TEXT, messages=user("Hello"), inferenceConfig={"maxTokens": 4})
        except ClientError as failed:
            assert failed.response["ResponseMetadata"]["HTTPStatusCode"] in (424, 429, 503)
            return None

    assert wait_until(answered, 30, "an answer after the restart")


def test_running_calls_end_before_the_server_does(new_server):
    server = new_server()
    events = iter(server.client().converse_stream(modelId=ECHO, messages=user("Hello"))["stream"])
    assert "messageStart" in next(events)
    server.stop()
    assert [event for event in events if "messageStop" in event]
