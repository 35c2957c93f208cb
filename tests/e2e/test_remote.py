"""Models behind an OpenAI-compatible server: what goes there, what comes back, and that nothing else answers in its place."""
import json
import socket

import pytest
from botocore.exceptions import ClientError, EventStreamError

from harness import Server, wait_until
from models import TEXT, text_of, text_of_stream, user
from openai_server import USAGE, OpenAIServer

MODEL = "meta.llama3-1-70b-instruct-v1:0"
EMBED = "amazon.titan-embed-text-v2:0"
UNREACHABLE = "mistral.mistral-7b-instruct-v0:2"
TOOL = {"toolSpec": {"name": "get_weather", "description": "The weather of a city.", "inputSchema": {"json": {
    "type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}}}}


@pytest.fixture(scope="module")
def remote():
    with OpenAIServer() as running:
        yield running


@pytest.fixture(scope="module")
def craton(remote, tmp_path_factory):
    with socket.socket() as unused:                         # bound and never listening: connections are refused
        unused.bind(("127.0.0.1", 0))
        config = {
            "engine": {"model_timeout": "2s"},
            "backends": [
                {"url": remote.url, "api_key": "a-secret", "models": [{"name": "big", "remote": "Org/Big-70B", "context": 4096},
                                                                      {"name": "vectors", "kind": "embedding", "dimensions": 3}]},
                {"url": f"http://127.0.0.1:{unused.getsockname()[1]}/v1", "models": [{"name": "gone"}]}],
            "models": {"map": [{"ids": "meta.llama3*", "model": "big"}, {"ids": EMBED, "model": "vectors"},
                               {"ids": "mistral.*", "model": "gone"}]}}
        with Server(tmp_path_factory.mktemp("remote") / "data", config) as server:
            yield server


@pytest.fixture(scope="module")
def client(craton):
    return craton.client()


def ask(client, text, model=MODEL, **more):
    return client.converse(modelId=model, messages=user(text), **more)


def stream(client, text, model=MODEL, **more):
    return client.converse_stream(modelId=model, messages=user(text), **more)["stream"]


def test_an_answer_and_its_usage_are_the_remote_servers(remote, client):
    reply = ask(client, "Where is the Louvre?", system=[{"text": "Be brief."}],
                inferenceConfig={"maxTokens": 50, "temperature": 0.5, "topP": 0.25, "stopSequences": ["END"]})
    assert text_of(reply) == "Paris is a city." and reply["stopReason"] == "end_turn"
    assert reply["usage"]["outputTokens"] == USAGE["completion_tokens"]
    counted = reply["usage"]["inputTokens"] + reply["usage"].get("cacheReadInputTokens", 0)
    assert counted == USAGE["prompt_tokens"]
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"] == "big"
    path, headers, body = remote.requests[-1]
    assert path == "/v1/chat/completions" and headers["authorization"] == "Bearer a-secret"
    assert body["model"] == "Org/Big-70B"
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is the Louvre?"}]
    assert (body["max_tokens"], body["temperature"], body["top_p"], body["stop"]) == (50, 0.5, 0.25, ["END"])


def test_a_stream_comes_in_pieces_with_the_same_usage(client):
    reply = client.converse_stream(modelId=MODEL, messages=user("Where is the Louvre?"))
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"] == "big"
    events = list(reply["stream"])
    assert sum("contentBlockDelta" in event for event in events) > 1
    text, stop, usage = text_of_stream(events)
    assert (text, stop, usage["outputTokens"]) == ("Paris is a city.", "end_turn", USAGE["completion_tokens"])


def test_a_tool_call_comes_back_and_its_result_goes_there(remote, client):
    tools = {"tools": [TOOL], "toolChoice": {"tool": {"name": "get_weather"}}}
    reply = ask(client, "tool Oslo?", toolConfig=tools)
    call, = [block["toolUse"] for block in reply["output"]["message"]["content"] if "toolUse" in block]
    assert reply["stopReason"] == "tool_use" and call["input"] == {"city": "Oslo", "unit": "celsius", "days": 3}
    body = remote.requests[-1][2]
    assert body["tools"][0]["function"]["parameters"] == TOOL["toolSpec"]["inputSchema"]["json"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}

    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "Rain."}]}}
    messages = user("tool Oslo?") + [reply["output"]["message"], {"role": "user", "content": [result, {"text": "And now?"}]}]
    assert text_of(client.converse(modelId=MODEL, messages=messages, toolConfig={"tools": [TOOL]})) == "Paris is a city."
    sent = remote.requests[-1][2]["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "user"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call["toolUseId"]
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == call["input"] and sent[2]["content"] == "Rain."


def test_a_tool_call_streams(client):
    events = list(stream(client, "tool Oslo?", toolConfig={"tools": [TOOL]}))
    parts = [event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events if "contentBlockDelta" in event]
    assert len(parts) > 1 and json.loads("".join(parts))["city"] == "Oslo"


def test_embeddings_come_from_the_remote_server(remote, client):
    reply = client.invoke_model(modelId=EMBED, body=json.dumps({"inputText": "Hello", "dimensions": 256, "normalize": False}))
    document = json.loads(reply["body"].read())
    assert document["embedding"][:4] == [1, 0, 5, 0] and len(document["embedding"]) == 256
    assert document["inputTextTokenCount"] == 5
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"] == "vectors"


@pytest.mark.parametrize("text, code, status, words", [
    ("status 429", "ThrottlingException", 429, "Too many requests"),
    ("status 400", "ValidationException", 400, "This is status 400."),
    ("status 401", "ModelErrorException", 424, "This is status 401."),
    ("status 404", "ModelErrorException", 424, "This is status 404."),
    ("status 500", "ModelErrorException", 424, "This is status 500."),
    ("status 503", "ServiceUnavailableException", 503, "Try your request again."),
    ("no-json at all", "ModelErrorException", 424, "answered with an error"),
    ("too-long", "ValidationException", 400, "Input is too long for requested model."),
    ("breaks", "ModelErrorException", 424, "remote model server"),
    ("fails", "ModelErrorException", 424, "The device is on fire."),
    ("no-usage", "ModelErrorException", 424, "reported no token usage"),
    ("sleeps", "ModelTimeoutException", 408, "timed out"),
])
def test_an_error_there_is_an_error_here(client, text, code, status, words):
    with pytest.raises(ClientError) as error:
        ask(client, text)
    assert error.value.response["Error"]["Code"] == code and words in error.value.response["Error"]["Message"]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("text", ["breaks", "fails"])
def test_a_stream_that_breaks_there_ends_with_an_exception(client, text):
    seen = []
    with pytest.raises(EventStreamError) as error:
        for event in stream(client, text):
            seen.append(event)
    assert error.value.response["Error"]["Code"] == "modelStreamErrorException"
    assert text_of_stream(seen)[0] == "Half an "


def test_nothing_answers_in_place_of_a_server_that_is_down(client):
    with pytest.raises(ClientError) as error:
        ask(client, "Is anybody there?", model=UNREACHABLE)
    assert error.value.response["Error"]["Code"] == "ModelErrorException"
    assert "cannot be used" in error.value.response["Error"]["Message"]
    assert text_of(ask(client, "Where is the Louvre?")) == "Paris is a city."


def test_a_client_that_hangs_up_ends_the_call_there(remote, client):
    reply = client.converse_stream(modelId=MODEL, messages=user("hangs"))
    next(iter(reply["stream"]))
    reply["stream"].close()
    wait_until(remote.hung_up.is_set, 20, "the remote server to see that its client has gone")


def test_the_models_are_listed_as_remote_ones(craton):
    listed = craton.craton("models", "list", *craton.arguments).stdout
    assert "big" in listed and "remote" in listed
    assert "a-secret" not in craton.craton("models", "show", "big", *craton.arguments).stdout


def test_a_remote_models_own_name_is_an_id(client):
    assert text_of(ask(client, "Where is the Louvre?", model="big")) == "Paris is a city."
