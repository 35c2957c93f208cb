"""Inference endpoints whose calls another AWS-compatible server carries out: here, a second Craton."""
import json

import httpx
import pytest
from elasticsearch import Elasticsearch

from harness import Server
from test_elastic import EMBED, TEXT, config, keys_of, raw, reason

CLAUDE, COHERE = "anthropic.claude-3-haiku-20240307-v1:0", "cohere.embed-multilingual-v3"


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The server that does the work; its scripted model says what it was asked."""
    rules = {"models": {"map": [{"ids": "amazon.titan-text*", "model": "craton.scripted-v1"},
                                {"ids": "anthropic.*", "model": "craton.scripted-v1"},
                                {"ids": "amazon.titan-embed*", "model": "craton.scripted-v1"},
                                {"ids": "cohere.embed*", "model": "craton.scripted-v1"}]},
             "scripted": {"rules": [
                 {"match": {"text": "weather"}, "tool_call": {"name": "weather", "input": {"city": "Bonn"}}},
                 {"match": {"text": "boom"}, "error": {"status": 429, "message": "slowly"}},
                 {"match": {"text": "wait"}, "text": "late", "latency_ms": 5000}]}}
    with Server(tmp_path_factory.mktemp("other") / "data", rules) as running:
        yield running


@pytest.fixture(scope="module")
def here(tmp_path_factory, other):
    """The server that is asked. It knows the other one by its configuration, and one that does not answer."""
    settings = {"elastic": {"endpoint_urls": [other.url + "/", "http://127.0.0.1:9"]}}
    with Server(tmp_path_factory.mktemp("here") / "data", settings) as running:
        yield running


def away(other, provider="amazontitan", model=TEXT, url=None, **more):
    body = config(other, provider, model, **more)
    body["service_settings"]["endpoint_url"] = url or other.url
    return body


def make(here, task, name, body):
    return raw(here, "PUT", f"/_inference/{task}/{name}", json=body)


def test_a_completion_is_made_there(here, other):
    made = make(here, "completion", "c", away(other))
    assert made.status_code == 200, made.text
    assert made.json()["service_settings"]["endpoint_url"] == other.url
    reply = raw(here, "POST", "/_inference/c", json={"input": ["one", "two"]})
    assert reply.status_code == 200 and "two" in reply.json()["completion"][0]["result"]
    assert reply.headers["x-craton-served-by"] == other.url
    calls = raw(other, "GET", "/_craton/scripted/invocations").json()
    assert "how big" in json.dumps(calls[-2]["request"]) and "two" in json.dumps(calls[-1]["request"])


def test_a_completion_is_streamed_from_there(here, other):
    assert make(here, "completion", "s", away(other)).status_code == 200
    with httpx.stream("POST", here.url + "/_inference/completion/s/_stream", auth=keys_of(here), json={"input": "a b c"}) as reply:
        data = [line.removeprefix("data: ") for line in reply.iter_lines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    assert "".join(json.loads(line)["completion"][0]["delta"] for line in data[:-1]) == "a b c"


def test_a_chat_with_tools_is_streamed_from_there(here, other):
    assert make(here, "chat_completion", "chat", away(other, "anthropic", CLAUDE)).status_code == 200
    body = {"messages": [{"role": "user", "content": "How is the weather in Bonn?"}],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": {
                "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]}
    reply = raw(here, "POST", "/_inference/chat_completion/chat/_stream", json=body)
    chunks = [json.loads(line.removeprefix("data: ")) for line in reply.text.splitlines()
              if line.startswith("data: {")]
    calls = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "weather"
    assert json.loads("".join(call["function"].get("arguments", "") for call in calls)) == {"city": "Bonn"}
    reasons = [choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"]]
    assert [r for r in reasons if r] == ["tool_calls"]
    assert chunks[-1]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("provider, model, calls", [("amazontitan", EMBED, 100), ("cohere", COHERE, 2)])
def test_vectors_come_from_there_in_order(here, other, provider, model, calls):
    made = make(here, "text_embedding", f"v-{provider}", away(other, provider, model))
    assert made.status_code == 200 and made.json()["service_settings"]["dimensions"] == 1024, made.text
    before = len(raw(other, "GET", "/_craton/scripted/invocations").json())
    texts = [f"text {i}" for i in range(100)]
    rows = raw(here, "POST", f"/_inference/v-{provider}", json={"input": texts}).json()["text_embedding"]
    assert len(raw(other, "GET", "/_craton/scripted/invocations").json()) - before == calls
    assert len(rows) == 100
    for i in (0, 57, 99):
        alone = raw(here, "POST", f"/_inference/v-{provider}", json={"input": texts[i]}).json()["text_embedding"][0]["embedding"]
        assert alone == pytest.approx(rows[i]["embedding"], abs=1e-6)


def test_a_wrong_pair_fails_the_validation_call(here, other):
    body = away(other, secret="not-the-secret")
    reply = make(here, "completion", "wrong", body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["reason"] == "Could not complete inference endpoint creation as validation call to service threw an exception."
    assert "signature" in error["caused_by"]["reason"]
    own = make(here, "completion", "wrong", {**away(other), "service_settings": {
        **away(other)["service_settings"], "access_key": keys_of(here)[0], "secret_key": keys_of(here)[1]}})
    assert own.status_code == 400 and "caused_by" in own.json()["error"]
    assert raw(here, "GET", "/_inference/wrong").status_code == 404


def test_servers_that_the_configuration_does_not_name_are_not_called(here, other):
    reply = make(here, "completion", "x", away(other, url="http://127.0.0.1:1"))
    assert reply.status_code == 400
    assert reason(reply) == ("Validation Failed: 1: [service_settings] Invalid value [http://127.0.0.1:1] received. [endpoint_url] must "
                             "be one that the setting elastic.endpoint_urls of this server names;")


def test_a_server_that_does_not_answer_is_an_error(here, other):
    reply = make(here, "completion", "dead", away(other, url="http://127.0.0.1:9"))
    assert reply.status_code == 400 and "cannot be used" in reply.json()["error"]["caused_by"]["reason"]


def test_errors_from_there_keep_their_status(here, other):
    assert make(here, "completion", "e", away(other)).status_code == 200
    reply = raw(here, "POST", "/_inference/e", json={"input": "boom"})
    assert reply.status_code == 429 and "slowly" in reason(reply)
    broken = raw(here, "POST", "/_inference/completion/e/_stream", json={"input": "boom"})
    assert broken.status_code == 429 and "slowly" in reason(broken)


def test_a_time_limit_ends_a_call_there(here, other):
    assert make(here, "completion", "slow", away(other)).status_code == 200
    reply = raw(here, "POST", "/_inference/slow?timeout=300ms", json={"input": "wait"})
    assert reply.status_code == 408 and reason(reply) == "Request timed out after [300ms]"
    with pytest.raises(httpx.TimeoutException):
        httpx.post(here.url + "/_inference/slow", auth=keys_of(here), json={"input": "wait"}, timeout=0.3)
    assert raw(here, "POST", "/_inference/slow", json={"input": "quick"}).status_code == 200


def test_an_update_and_a_restart_keep_the_keys(here, other):
    assert make(here, "completion", "kept", away(other)).status_code == 200
    changed = raw(here, "PUT", "/_inference/kept/_update", json={"task_settings": {"max_new_tokens": 5}})
    assert changed.status_code == 200, changed.text
    here.stop()
    here.start()
    with Elasticsearch(here.url, basic_auth=keys_of(here)) as client:
        assert client.inference.completion(inference_id="kept", input="hello")["completion"] == [{"result": "hello"}]
    assert keys_of(other)[1].encode() not in here.log.read_bytes()
