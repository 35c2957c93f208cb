"""The scripted backend: rules of the configuration for people who test their own programs, and echo without any."""
import json
import time

import httpx
import pytest
from botocore.exceptions import ClientError, EventStreamError

from harness import Server
from models import ECHO, text_of, text_of_stream, user

MODEL = "anthropic.claude-3-sonnet-20240229-v1:0"
EMBEDDING = "amazon.titan-embed-text-v2:0"
TOOL = {"toolSpec": {"name": "get_weather", "inputSchema": {"json": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]}}}}

CONFIG = """
models:
  map:
    - {ids: anthropic.claude-3-sonnet-20240229-v1:0, model: craton.scripted-v1}
    - {ids: amazon.titan-embed-text-v2:0, model: craton.scripted-v1}
scripted:
  rules:
    - match: {text: capital of France}
      text: The capital of France is Paris.
    - match: {regex: '^order #[0-9]{4}$'}
      text: Your order is on its way.
    - match: {text: weather}
      tool_call: {name: get_weather, input: {city: Oslo, days: 3}}
    - match: {text: too often}
      error: {status: 429, message: Slow down.}
    - match: {text: bad request}
      error: {type: ValidationException, message: This is no request.}
    - match: {text: broken model}
      error: {type: ModelErrorException, message: The model is broken.}
    - match: {text: overworked}
      error: {status: 503, message: Come back later.}
    - match: {text: stranger}
      error: {status: 403, message: You may not.}
    - match: {text: fallen}
      error: {status: 500}
    - match: {text: slow}
      text: At last.
      latency_ms: 400
    - match: {text: drip}
      text: one two three four five six
      tokens_per_second: 20
    - match: {text: long}
      text: This was cut.
      stop_reason: max_tokens
    - match: {text: unit vector}
      embedding: [0, 0, 1, 0]
    - match: {text: seeded}
      embedding: the same seed
"""


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("scripted") / "data", CONFIG) as server:
        yield server


@pytest.fixture(scope="module")
def client(scripted):
    return scripted.client()


def ask(client, text, model=MODEL, **more):
    return client.converse(modelId=model, messages=user(text), **more)


def stream(client, text, **more):
    return client.converse_stream(modelId=MODEL, messages=user(text), **more)["stream"]


@pytest.mark.parametrize("question,answer", [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("order #1234", "Your order is on its way."),
])
def test_a_rule_answers_with_its_text(client, question, answer):
    reply = ask(client, question)
    assert text_of(reply) == answer and reply["stopReason"] == "end_turn"
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"] == ECHO
    text, stop, usage = text_of_stream(stream(client, question))
    assert (text, stop) == (answer, "end_turn") and usage == reply["usage"]


def test_what_no_rule_fits_is_echoed(client):
    assert "order #12345" in text_of(ask(client, "order #12345"))


def test_the_answer_of_a_rule_goes_through_every_family(client):
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50,
                       "messages": [{"role": "user", "content": "What is the capital of France?"}]})
    reply = json.loads(client.invoke_model(modelId=MODEL, body=body)["body"].read())
    assert reply["content"] == [{"type": "text", "text": "The capital of France is Paris."}]


def test_a_rule_calls_a_tool_where_one_is_offered(client):
    reply = ask(client, "What is the weather?", toolConfig={"tools": [TOOL], "toolChoice": {"auto": {}}})
    call, = [block["toolUse"] for block in reply["output"]["message"]["content"] if "toolUse" in block]
    assert reply["stopReason"] == "tool_use"
    assert (call["name"], call["input"]) == ("get_weather", {"city": "Oslo", "days": 3})


def test_a_tool_call_streams_as_json(client):
    events = list(stream(client, "What is the weather?", toolConfig={"tools": [TOOL]}))
    start, = [event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event]
    arguments = "".join(event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events if "contentBlockDelta" in event)
    assert start["name"] == "get_weather" and json.loads(arguments) == {"city": "Oslo", "days": 3}
    assert [event["messageStop"]["stopReason"] for event in events if "messageStop" in event] == ["tool_use"]


def test_a_tool_that_is_not_offered_is_not_called(client):
    reply = ask(client, "What is the weather?")
    assert reply["stopReason"] == "end_turn" and "weather" in text_of(reply)


def test_a_forced_tool_gets_an_input_that_fits_its_schema(client):
    reply = ask(client, "Hello", toolConfig={"tools": [TOOL], "toolChoice": {"tool": {"name": "get_weather"}}})
    call, = [block["toolUse"] for block in reply["output"]["message"]["content"] if "toolUse" in block]
    assert isinstance(call["input"]["city"], str) and isinstance(call["input"]["days"], int)


@pytest.mark.parametrize("question,status,code,message", [
    ("You ask too often", 429, "ThrottlingException", "Slow down."),
    ("a bad request", 400, "ValidationException", "This is no request."),
    ("a broken model", 424, "ModelErrorException", "The model is broken."),
    ("an overworked model", 503, "ServiceUnavailableException", "Come back later."),
    ("a stranger's request", 403, "AccessDeniedException", "You may not."),
    ("a fallen model", 500, "InternalServerException", "This error was asked for by a scripted rule."),
])
def test_a_rule_fails_as_a_model_would(client, question, status, code, message):
    for call in (ask, stream):
        with pytest.raises(ClientError) as error:
            list(call(client, question))
        assert not isinstance(error.value, EventStreamError)
        assert error.value.response["Error"]["Code"] == code
        assert error.value.response["Error"]["Message"] == message
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_latency_is_kept(client):
    begun = time.monotonic()
    assert text_of(ask(client, "a slow question")) == "At last."
    assert 0.4 <= time.monotonic() - begun < 5


def test_pace_spreads_a_stream(client):
    begun = time.monotonic()
    times = [time.monotonic() - begun for event in stream(client, "drip") if "contentBlockDelta" in event]
    assert len(times) >= 3 and times[-1] - times[0] >= 0.15


def test_a_stop_reason_may_be_given(client):
    reply = ask(client, "a long question")
    assert (text_of(reply), reply["stopReason"]) == ("This was cut.", "max_tokens")


def test_limits_and_stop_sequences_hold_for_scripted_text(client):
    cut = ask(client, "What is the capital of France?", inferenceConfig={"maxTokens": 2})
    assert cut["stopReason"] == "max_tokens" and cut["usage"]["outputTokens"] == 2
    stopped = ask(client, "What is the capital of France?", inferenceConfig={"stopSequences": [" is"]})
    assert (stopped["stopReason"], text_of(stopped)) == ("stop_sequence", "The capital of France")


# ---- embeddings -----------------------------------------------------------------------------------------------------------

def embed(client, text, **more):
    body = json.dumps({"inputText": text, **more})
    return json.loads(client.invoke_model(modelId=EMBEDDING, body=body)["body"].read())["embedding"]


def test_a_rule_gives_an_embedding(client):
    vector = embed(client, "a unit vector")
    assert vector[2] == pytest.approx(1) and sum(x * x for x in vector) == pytest.approx(1)


def test_embeddings_depend_on_the_text_or_on_the_seed(client):
    assert embed(client, "an apple") == embed(client, "an apple") != embed(client, "a pear")
    assert embed(client, "seeded, first") == embed(client, "seeded, second")


# ---- what was asked -----------------------------------------------------------------------------------------------------------

def invocations(server, headers):
    return httpx.get(server.url + "/_craton/scripted/invocations", headers=headers, timeout=10)


def bearer(server):
    return {"Authorization": "Bearer " + server.craton("keys", "create", "--bearer").stdout.strip()}


def test_invocations_are_recorded_for_who_has_an_admin_key(scripted, client):
    ask(client, "Remember me: capital of France", system=[{"text": "Be brief."}])
    ask(client, "Remember me too", model=ECHO)
    reply = invocations(scripted, bearer(scripted))
    assert reply.status_code == 200
    by_rule, echoed = reply.json()[-2:]
    assert (by_rule["rule"], echoed["rule"]) == (0, None)
    assert by_rule["answer"]["text"] == "The capital of France is Paris."
    assert "Remember me: capital of France" in json.dumps(by_rule["request"]) and "Be brief." in json.dumps(by_rule["request"])
    assert "Remember me too" in json.dumps(echoed["request"])
    assert by_rule["output_tokens"] > 0 and by_rule["input_tokens"] > 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer not-a-key"}])
def test_invocations_are_not_for_everybody(scripted, headers):
    reply = invocations(scripted, headers)
    assert reply.status_code in (401, 403) and "Remember" not in reply.text


# ---- without configuration, and with a wrong one --------------------------------------------------------------------------------

def test_the_built_in_model_echoes_without_configuration(server):
    client = server.client()
    reply = ask(client, "Say this again, please: äöü 对不起", model=ECHO)
    assert text_of(reply) == "Say this again, please: äöü 对不起"
    assert reply["usage"]["inputTokens"] > 0 and reply["usage"]["outputTokens"] > 0


@pytest.mark.parametrize("rules,complaint", [
    ("[{match: {txt: a}, text: b}]", "txt"),
    ("[{match: {text: a}}]", "exactly one"),
    ("[{text: a, error: {status: 429}}]", "exactly one"),
    ("[{match: {regex: '((('}, text: b}]", "pattern"),
    ("[{error: {status: 299}}]", "status"),
    ("[{text: a, latency_ms: -5}]", "latency_ms"),
    ("nonsense", "list"),
])
def test_a_wrong_rule_is_explained_by_its_line(new_server, rules, complaint):
    server = new_server(f"scripted:\n  rules: {rules}\n", start=False)
    with pytest.raises(AssertionError, match="ended with [1-9]"):
        server.start()
    said = server.log_tail()
    assert complaint in said and "2" in said
