"""Elasticsearch's inference API with Elasticsearch's own clients, unmodified."""
import base64
import json
import math
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from threading import Thread

import elasticsearch
import httpx
import pytest
from elasticsearch import Elasticsearch

from harness import ROOT, Server, wait_until
from raw import Connection

EMBED, TEXT = "amazon.titan-embed-text-v2:0", "amazon.titan-text-premier-v1:0"
VENDOR = "application/vnd.elasticsearch+json; compatible-with=9"


def keys_of(server):
    env = server.environment()
    return env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]


def config(server, provider="amazontitan", model=TEXT, secret=None, rate=60000, **more):
    access_key, secret_key = keys_of(server)
    return {"service": "amazonbedrock",
            "service_settings": {"access_key": access_key, "secret_key": secret or secret_key, "region": "us-east-1",
                                 "provider": provider, "model": model, "rate_limit": {"requests_per_minute": rate}}, **more}


def connect(server, **options):
    return Elasticsearch(server.url, basic_auth=keys_of(server), max_retries=0, request_timeout=120, **options)


def raw(server, method, path, **options):
    return httpx.request(method, server.url + path, auth=keys_of(server), timeout=180, **options)


def basic(server):
    return "Basic " + base64.b64encode(":".join(keys_of(server)).encode()).decode()


def reason(reply):
    return reply.json()["error"]["reason"]


@pytest.fixture(scope="module")
def client(server):
    with connect(server) as connected:
        yield connected


@pytest.fixture(scope="module")
def endpoints(server, client):
    """One endpoint of each task, for the whole module."""
    made = {"completion": config(server), "text_embedding": config(server, model=EMBED),
            "chat_completion": config(server, "anthropic", "anthropic.claude-3-haiku-20240307-v1:0")}
    for task, body in made.items():
        client.inference.put(task_type=task, inference_id=f"shared_{task}", inference_config=body)
    yield made
    for task in made:
        client.inference.delete(inference_id=f"shared_{task}")


# ---- the documented examples ----

def test_the_documented_python_examples(server, client):
    aws_access_key, aws_secret_key = keys_of(server)
    resp = client.inference.put(
        task_type="text_embedding",
        inference_id="amazon_bedrock_embeddings",
        inference_config={
            "service": "amazonbedrock",
            "service_settings": {
                "access_key": aws_access_key,
                "secret_key": aws_secret_key,
                "region": "us-east-1",
                "provider": "amazontitan",
                "model": "amazon.titan-embed-text-v2:0"
            }
        },
    )
    assert resp.body == {
        "inference_id": "amazon_bedrock_embeddings", "task_type": "text_embedding", "service": "amazonbedrock",
        "service_settings": {"region": "us-east-1", "model": "amazon.titan-embed-text-v2:0", "provider": "AMAZONTITAN",
                             "rate_limit": {"requests_per_minute": 240}, "dimensions": 1024, "similarity": "cosine"},
        "chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 1}}
    resp = client.inference.put(
        task_type="completion",
        inference_id="amazon_bedrock_completion",
        inference_config={
            "service": "amazonbedrock",
            "service_settings": {
                "access_key": aws_access_key,
                "secret_key": aws_secret_key,
                "region": "us-east-1",
                "provider": "amazontitan",
                "model": "amazon.titan-text-premier-v1:0"
            }
        },
    )
    assert resp["task_type"] == "completion"
    answer = client.inference.completion(inference_id="amazon_bedrock_completion", task_settings={"temperature": 0.0},
                                         input="What is the capital of France? Answer in one short sentence.")
    assert "Paris" in answer["completion"][0]["result"]
    vectors = client.inference.text_embedding(inference_id="amazon_bedrock_embeddings", input=["a cat", "a kitten", "tax law"])
    cat, kitten, law = [row["embedding"] for row in vectors["text_embedding"]]
    assert len(cat) == 1024 and math.isclose(math.hypot(*cat), 1, rel_tol=1e-3)
    assert sum(a * b for a, b in zip(cat, kitten)) > sum(a * b for a, b in zip(cat, law))
    assert aws_secret_key not in str(client.inference.get())
    assert client.inference.delete(inference_id="amazon_bedrock_completion").body == {"acknowledged": True, "pipelines": [], "indexes": []}
    client.inference.delete(task_type="text_embedding", inference_id="amazon_bedrock_embeddings")


def test_the_typed_python_method(server, client):
    body = config(server, "cohere", "cohere.embed-english-v3")
    made = client.inference.put_amazonbedrock(task_type="text_embedding", amazonbedrock_inference_id="typed", service="amazonbedrock",
                                              service_settings=body["service_settings"], task_settings={"truncate": "END"},
                                              chunking_settings={"strategy": "word", "max_chunk_size": 100, "overlap": 10})
    assert made["task_settings"] == {"truncate": "END"}
    assert made["chunking_settings"] == {"strategy": "word", "max_chunk_size": 100, "overlap": 10}
    long_text = "many words " * 2000
    reply = client.inference.text_embedding(inference_id="typed", input=long_text, input_type="ingest")
    assert len(reply["text_embedding"]) == 1
    with pytest.raises(elasticsearch.BadRequestError) as error:
        client.inference.text_embedding(inference_id="typed", input=long_text, task_settings={"truncate": "NONE"})
    assert "Input is too long" in str(error.value.info)
    client.inference.delete(inference_id="typed")


@pytest.fixture(scope="module")
def js(server):
    place = subprocess.run([ROOT / "tools/setup", "where", "node"], check=True, capture_output=True, text=True).stdout.strip()
    done = subprocess.run(["node", ROOT / "tests/e2e/js/elastic.js"], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
                          env={**server.shell(), "NODE_PATH": place + "/node_modules", "NODE_NO_WARNINGS": "1"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_javascript_makes_endpoints_and_gets_answers(js):
    assert js["info"]["tagline"] == "You Know, for Search"
    assert js["embeddings"]["service_settings"]["dimensions"] == 1024
    assert js["completion"]["service_settings"]["provider"] == "AMAZONTITAN"
    assert js["typed"]["task_type"] == "chat_completion"
    assert js["answer"]["completion"][0]["result"]
    assert [len(row["embedding"]) for row in js["vectors"]["text_embedding"]] == [1024, 1024]
    assert {"js_embeddings", "js_completion", "js_chat"} <= set(js["list"])
    assert js["error"] == {"status": 404, "type": "resource_not_found_exception"}
    assert js["deleted"]["acknowledged"] is True


def test_javascript_streams_a_completion(js):
    assert {frame["event"] for frame in js["stream"]} == {"message"}
    assert js["stream"][-1]["data"] == "[DONE]"
    assert "".join(frame["data"]["completion"][0]["delta"] for frame in js["stream"][:-1]).strip()


def test_javascript_streams_a_chat(js):
    chunks = [frame["data"] for frame in js["chat"][:-1]]
    assert js["chat"][-1]["data"] == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]).strip()
    assert chunks[-2]["choices"][0]["finish_reason"] in ("stop", "length")
    usage = chunks[-1]["usage"]
    assert chunks[-1]["choices"] == [] and 0 < usage["completion_tokens"] <= 12
    assert usage["total_tokens"] == usage["completion_tokens"] + usage["prompt_tokens"]


def test_javascript_streams_a_tool_call(js):
    choices = [choice for frame in js["tools"][:-1] for choice in frame["data"]["choices"]]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "get_weather" and calls[0]["id"] and calls[0]["type"] == "function"
    assert "city" in json.loads("".join(call["function"]["arguments"] for call in calls if call["index"] == 0))
    assert choices[-1]["finish_reason"] == "tool_calls"


# ---- who may ask ----

def test_every_way_to_authenticate(server):
    access_key, secret = keys_of(server)
    bearer = server.craton("keys", "create", "--bearer").stdout.strip()
    encoded = base64.b64encode(f"{access_key}:{secret}".encode()).decode()
    for options in ({"basic_auth": (access_key, secret)}, {"api_key": (access_key, secret)}, {"api_key": encoded}, {"api_key": bearer},
                    {"bearer_auth": bearer}):
        with Elasticsearch(server.url, max_retries=0, **options) as client:
            assert client.info()["name"] == "craton"
            assert "endpoints" in client.inference.get()


@pytest.mark.parametrize("header", [None, "Basic bm9ib2R5OndybW9uZw==", "ApiKey abc", "ApiKey craton-api-key-none", "Bearer none"])
def test_nobody_gets_in_with_a_wrong_key(server, header):
    reply = httpx.get(server.url + "/_inference", headers={"Authorization": header} if header else {})
    assert reply.status_code == 401
    assert reply.json()["error"]["type"] == "security_exception" and reply.json()["status"] == 401
    assert reply.headers["www-authenticate"].startswith("Basic")


def test_a_strangers_body_is_not_read(server):
    with Connection(server.url) as stranger:
        stranger.send(b"POST /_inference/completion/x HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n")
        reply = stranger.reply()
    assert (reply.status, reply.headers["x-elastic-product"]) == (401, "Elasticsearch")


def test_what_http_refuses_names_the_product_too(server):
    with Connection(server.url) as client:
        client.send(f"POST /_inference/completion/x HTTP/1.1\r\nHost: h\r\nAuthorization: {basic(server)}\r\n"
                    "Content-Length: 99000000\r\n\r\n".encode())
        reply = client.reply()
    assert (reply.status, reply.headers["x-elastic-product"]) == (413, "Elasticsearch")
    assert b"The request's body is too large." in reply.body


def test_a_wrong_key_pair_fails_the_validation_call(server):
    for settings, cause in ((config(server, secret="wrong"), "signature"), (config(server), "security token")):
        if cause == "security token":
            settings["service_settings"]["access_key"] = "AKIANOBODY"
        reply = raw(server, "PUT", "/_inference/completion/wrong", json=settings)
        assert reply.status_code == 400
        assert reason(reply) == \
            "Could not complete inference endpoint creation as validation call to service threw an exception."
        assert cause in reply.json()["error"]["caused_by"]["reason"]
        assert raw(server, "GET", "/_inference/wrong").status_code == 404


# ---- endpoints ----

def test_endpoints_are_listed_by_id_and_by_type(server, client, endpoints):
    def ids(**which):
        return [endpoint["inference_id"] for endpoint in client.inference.get(**which)["endpoints"]]

    everything = ids()
    assert everything == sorted(everything) and len(everything) >= 3
    assert ids(inference_id="_all") == ids(inference_id="*") == everything
    assert ids(task_type="completion", inference_id="_all") == ["shared_completion"]
    assert ids(task_type="completion", inference_id="shared_completion") == ["shared_completion"]
    with pytest.raises(elasticsearch.BadRequestError):
        client.inference.get(task_type="completion", inference_id="shared_text_embedding")


def test_an_id_is_taken_once(server, endpoints):
    reply = raw(server, "PUT", "/_inference/completion/shared_completion", json=config(server))
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "resource_already_exists_exception")
    assert reason(reply) == "Inference endpoint [shared_completion] already exists"


def test_the_task_may_stand_in_the_body(server):
    reply = raw(server, "PUT", "/_inference/by%2Dbody", json=config(server, task_type="completion"))
    assert reply.status_code == 200 and reply.json()["inference_id"] == "by-body"
    assert raw(server, "DELETE", "/_inference/by-body?dry_run=true").json() == \
        {"acknowledged": False, "pipelines": [], "indexes": [], "error_message": ""}
    assert raw(server, "DELETE", "/_inference/by-body?force=true").json()["acknowledged"]
    gone = raw(server, "DELETE", "/_inference/by-body")
    assert gone.status_code == 404 and reason(gone) == "Inference endpoint not found [by-body]"


def test_an_update_is_merged_and_validated(server, client):
    client.inference.put(task_type="completion", inference_id="changing", inference_config=config(server))
    changed = client.inference.update(inference_id="changing", inference_config={
        "service_settings": {"rate_limit": {"requests_per_minute": 77}}, "task_settings": {"max_new_tokens": 3}})
    assert changed["service_settings"]["rate_limit"] == {"requests_per_minute": 77}
    assert changed["task_settings"] == {"max_new_tokens": 3}
    assert client.inference.get(inference_id="changing")["endpoints"][0] == changed.body
    wrong = raw(server, "PUT", "/_inference/completion/changing/_update",
                json={"service_settings": {"access_key": keys_of(server)[0], "secret_key": "wrong"}})
    assert wrong.status_code == 400 and "caused_by" in wrong.json()["error"]
    assert client.inference.completion(inference_id="changing", input="Hello")["completion"]
    client.inference.delete(inference_id="changing")
    assert raw(server, "PUT", "/_inference/changing/_update", json={"task_settings": {}}).status_code == 404


def test_endpoints_survive_a_restart_and_secrets_are_sealed(new_server):
    server = new_server()
    secret = "a-secret-" + keys_of(server)[1]
    assert raw(server, "PUT", "/_inference/text_embedding/kept", json=config(server, model=EMBED)).status_code == 200
    before = raw(server, "GET", "/_inference/kept").json()
    server.stop()
    server.start()
    assert raw(server, "GET", "/_inference/kept").json() == before
    assert len(raw(server, "POST", "/_inference/kept", json={"input": "x"}).json()["text_embedding"][0]["embedding"]) == 1024
    real = secret.removeprefix("a-secret-").encode()
    assert real not in server.log.read_bytes()
    for file in (server.data / "store").iterdir():
        assert real not in file.read_bytes()


# ---- what is wrong is said ----

@pytest.mark.parametrize("task, body, status, words", [
    ("completion", b"{", 400, "is not JSON"),
    ("completion", b"", 400, "request body is required"),
    ("completion", b"[]", 400, "must be a JSON object"),
    ("completion", b"{}", 400, "Validation Failed: 1: Field [input] cannot be null;"),
    ("completion", b'{"input": null}', 400, "Validation Failed: 1: Field [input] cannot be null;"),
    ("completion", b'{"input": []}', 400, "Validation Failed: 1: Field [input] cannot be an empty array;"),
    ("completion", b'{"input": 4}', 400, "input doesn't support values of type: number"),
    ("completion", b'{"input": ["a", {}]}', 400, "input doesn't support values of type: object"),
    ("completion", b'{"input": " "}', 400, "is blank"),
    ("completion", b'{"input": "a", "input_type": "search"}', 400,
     "Validation Failed: 1: Field [input_type] cannot be specified for task type [completion];"),
    ("text_embedding", b'{"input": "a", "query": "b"}', 400,
     "Validation Failed: 1: Field [query] cannot be specified for task type [text_embedding];"),
    ("text_embedding", b'{"input": "a", "top_n": 1}', 400, "Field [top_n] cannot be specified"),
    ("text_embedding", b'{"input": "a", "return_documents": true}', 400, "Field [return_documents] cannot be specified"),
    ("text_embedding", b'{"input": "a", "input_type": "dream"}', 400, "Unrecognized input_type [dream]"),
    ("text_embedding", b'{"input": "a", "colour": 1}', 400, "unknown field [colour]"),
    ("text_embedding", b'{"input": "a", "task_settings": {"truncate": "END"}}', 400, "does not allow [truncate] field"),
    ("completion", b'{"input": "a", "task_settings": {"temperature": 1}}', 400, "The value [1] cannot be converted to a [Double]"),
    ("completion", b'{"input": "a", "task_settings": {"top_k": 0.1}}', 400, "[top_k] task parameter is not available"),
    ("completion", b'{"input": "a", "task_settings": {"seed": 1}}', 400, "Configuration contains settings [{seed=1}]"),
    ("completion", b'{"input": "a", "task_settings": 5}', 400, "task_settings doesn't support values of type: number"),
    ("chat_completion", b'{"input": "a"}', 400, "please use the _inference/chat_completion/shared_chat_completion/_stream URL."),
    ("completion", b'{"input": "\xff"}', 400, "is not JSON"),
])
def test_wrong_bodies_of_inference(server, endpoints, task, body, status, words):
    reply = raw(server, "POST", f"/_inference/shared_{task}", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == status
    assert words in reason(reply)
    assert reply.json()["error"]["root_cause"][0]["reason"] == reason(reply)


@pytest.mark.parametrize("path, status, words", [
    ("/_inference/text_embedding/shared_completion", 400,
     "Incompatible task_type, the requested type [text_embedding] does not match the model type [completion]"),
    ("/_inference/nothing", 404, "Inference endpoint not found [nothing]"),
    ("/_inference/poems/shared_completion", 400, "Unknown task_type [poems]"),
    ("/_inference/shared_text_embedding/_stream", 405,
     "Streaming is not allowed for service [amazonbedrock] and task [text_embedding]. Supported tasks: [completion,chat_completion]"),
    ("/_inference/shared_completion?colour=red", 400, "contains unrecognized parameter: [colour]"),
])
def test_wrong_paths_of_inference(server, endpoints, path, status, words):
    reply = raw(server, "POST", path, json={"input": "a"})
    assert (reply.status_code, reason(reply)) == (status, reason(reply)) and words in reason(reply)


@pytest.mark.parametrize("body, words", [
    ({}, "required key [messages] not found"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "king", "content": "a"}]}, "role"),
    ({"messages": [{"role": "user", "content": "a"}], "colour": 1}, "extraneous key [colour]"),
    ({"messages": [{"role": "user", "content": "a"}], "temperature": 9}, "temperature"),
    ({"messages": [{"role": "user", "content": "a"}], "tool_choice": "required"}, "tool_choice"),
])
def test_chat_errors_are_in_the_unified_form(server, endpoints, body, words):
    reply = raw(server, "POST", "/_inference/chat_completion/shared_chat_completion/_stream", json=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["code"] == "bad_request" and words in error["message"] and error["type"] and "status" not in reply.json()


@pytest.mark.parametrize("headers, status", [
    ({"Content-Type": "text/xml"}, 406), ({"Content-Type": VENDOR.replace("9", "7")}, 400), ({}, 406),
    ({"Content-Type": "application/json", "Accept": "image/png"}, 406), ({"Content-Type": VENDOR, "Accept": VENDOR}, 200),
    ({"Content-Type": VENDOR.replace("9", "8"), "Accept": "*/*"}, 200),
    ({"Content-Type": "application/json", "Accept": VENDOR + ",text/plain"}, 200)])
def test_media_types(server, endpoints, headers, status):
    reply = raw(server, "POST", "/_inference/shared_text_embedding", content=b'{"input": "a"}', headers=headers)
    assert reply.status_code == status
    assert reply.headers["x-elastic-product"] == "Elasticsearch"
    if "vnd" in headers.get("Accept", "") and status == 200:
        assert reply.headers["content-type"] == "application/vnd.elasticsearch+json;compatible-with=9"
    else:
        assert reply.headers["content-type"] == "application/json"


def test_there_is_no_region_policy_to_rely_on(server, client):
    with pytest.raises(elasticsearch.NotFoundError):
        client.perform_request("GET", "/_inference/_region_policy", headers={"accept": "application/json"})
    refused = raw(server, "PUT", "/_inference/_region_policy", json={"region_policy": {"allowed": ["eu"]}})
    assert refused.status_code == 400 and "keeps no inference region policy" in reason(refused)


def test_methods_and_pages(server):
    wrong = raw(server, "PATCH", "/_inference/x")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "GET, PUT, POST, DELETE"
    assert raw(server, "HEAD", "/").status_code == 200
    assert [service["service"] for service in raw(server, "GET", "/_inference/_services").json()] == ["amazonbedrock"]
    assert raw(server, "GET", "/_inference/_services/rerank").json() == []
    assert raw(server, "GET", "/_inference/a/b/c/d").status_code == 400


def test_filter_path_and_pretty(server, endpoints):
    reply = raw(server, "GET", "/_inference/shared_completion?filter_path=endpoints.inference_id&pretty")
    assert reply.text == '{\n  "endpoints" : [\n    {\n      "inference_id" : "shared_completion"\n    }\n  ]\n}\n'
    error = raw(server, "GET", "/_inference/nothing?filter_path=status").json()
    assert error == {"status": 404}


# ---- sizes ----

@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """A server whose embeddings come from the scripted backend: they cost nothing, and calls are recorded."""
    rules = {"models": {"map": [{"ids": "amazon.titan-embed*", "model": "craton.scripted-v1"}]}}
    with Server(tmp_path_factory.mktemp("scripted") / "data", rules) as running:
        made = raw(running, "PUT", "/_inference/text_embedding/many", json=config(running, model=EMBED))
        assert made.status_code == 200, made.text
        yield running


def recorded(server):
    """The calls that the scripted backend has recorded."""
    return raw(server, "GET", "/_craton/scripted/invocations").json()


def test_ten_thousand_texts_at_once(scripted):
    reply = raw(scripted, "POST", "/_inference/many", json={"input": [f"word {i % 7}" for i in range(10000)]})
    assert reply.status_code == 200
    vectors = [row["embedding"] for row in reply.json()["text_embedding"]]
    assert len(vectors) == 10000 and all(len(vector) == 1024 for vector in vectors)
    assert vectors[0] == vectors[7] != vectors[1]


def test_more_texts_than_an_answer_can_hold_are_refused(scripted):
    reply = raw(scripted, "POST", "/_inference/many", json={"input": ["a"] * 20001})
    assert reply.status_code == 400
    assert reason(reply) == "Validation Failed: 1: Field [input] cannot have more than 20000 elements;"


def test_a_thousand_texts_reach_the_engine_as_one_call(scripted):
    before = len(recorded(scripted))
    reply = raw(scripted, "POST", "/_inference/many?filter_path=nothing", json={"input": [f"text {i}" for i in range(1000)]})
    assert reply.status_code == 200 and reply.json() == {}
    assert len(recorded(scripted)) == before + 1


def test_two_megabytes_of_text(server, endpoints):
    text = "sea and sky " * 180000
    completion = raw(server, "POST", "/_inference/shared_completion", json={"input": text})
    assert completion.status_code == 400 and "too long" in reason(completion)
    unknown = raw(server, "POST", "/_inference/nothing", json={"input": text})
    assert unknown.status_code == 404


# ---- the engine behind ----

def test_a_killed_worker_is_an_error_and_the_next_call_works(new_server):
    server = new_server()
    assert raw(server, "PUT", "/_inference/completion/fragile", json=config(server)).status_code == 200
    with httpx.stream("POST", server.url + "/_inference/completion/fragile/_stream", auth=keys_of(server), timeout=60,
                      json={"input": "Tell a long story.", "task_settings": {"max_new_tokens": 2000}}) as reply:
        lines = reply.iter_lines()
        next(lines)
        for pid in server.workers()["model"]:
            os.kill(pid, signal.SIGKILL)
        rest = list(lines)
    assert "event: error" in rest and "data: [DONE]" not in rest
    error = json.loads(rest[rest.index("event: error") + 1].removeprefix("data: "))
    assert error["status"] >= 500 and error["error"]["reason"]

    def answered():
        again = raw(server, "POST", "/_inference/completion/fragile", json={"input": "Hello"})
        assert again.status_code in (200, 500, 503)
        return again.status_code == 200

    wait_until(answered, 60, "an answer of the new worker")


def computing(server):
    """Whether some model is computing an answer."""
    return any(line.startswith("craton_model_running{") and not line.endswith(" 0")
               for line in raw(server, "GET", "/_craton/metrics").text.splitlines())


@pytest.mark.parametrize("task, model, body", [
    ("completion", TEXT, {"input": "Tell a very long story.", "task_settings": {"max_new_tokens": 4000, "temperature": 0.0}}),
    ("text_embedding", EMBED, {"input": ["word " * 400] * 2000})])
def test_a_worker_killed_at_an_answer_is_a_server_error(new_server, task, model, body):
    server = new_server()
    assert raw(server, "PUT", f"/_inference/{task}/fragile", json=config(server, model=model)).status_code == 200
    replies = []
    asking = Thread(target=lambda: replies.append(raw(server, "POST", "/_inference/fragile", json=body)))
    wait_until(lambda: not computing(server), 60, "the end of the validation call")
    asking.start()
    wait_until(lambda: computing(server), 60, "the model to be at it")
    for pid in server.workers()["model"]:
        os.kill(pid, signal.SIGKILL)
    asking.join(60)
    assert replies[0].status_code in (500, 503) and "error response for request from inference entity id [fragile]" in reason(replies[0])
    wait_until(lambda: raw(server, "POST", "/_inference/fragile", json={"input": "Hello"}).status_code == 200, 60, "an answer of the new worker")


def test_a_client_that_goes_leaves_nothing_behind(server, endpoints):
    for _ in range(3):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(server.url + "/_inference/shared_completion", auth=keys_of(server), timeout=0.2,
                       json={"input": "Tell a story.", "task_settings": {"max_new_tokens": 4000}})
    assert raw(server, "POST", "/_inference/shared_completion", json={"input": "Hello"}).status_code == 200


# ---- what is told of a request ----

def lines_of(server, path):
    return [line for line in map(json.loads, server.log.read_text().splitlines()) if line.get("path") == path]


def test_a_request_leaves_one_line_and_is_counted(scripted):
    raw(scripted, "PUT", "/_inference/completion/told", json=config(scripted, model="craton.scripted-v1"))
    counted = raw(scripted, "GET", "/_craton/metrics").text
    path = "/_inference/completion/told"
    assert raw(scripted, "POST", path, json={"input": "one two"}).status_code == 200
    assert raw(scripted, "POST", path, json={"input": []}).status_code == 400
    wait_until(lambda: len(lines_of(scripted, path)) >= 3, 10, "three lines")
    made, good, bad = lines_of(scripted, path)
    assert (made["operation"], made["method"], made["status"]) == ("elastic.put", "PUT", 200)
    assert (good["operation"], good["status"], good["model"], good["servedBy"]) == ("elastic.completion", 200, *2 * ["craton.scripted-v1"])
    assert good["inputTokens"] > 0 and good["outputTokens"] > 0 and good["principal"].startswith("arn:aws:")
    assert (bad["status"], bad["error"]) == (400, "action_request_validation_exception") and "model" not in bad
    for status in (200, 400):
        assert f'craton_calls_total{{operation="elastic.completion",status="{status}"}} ' in raw(scripted, "GET", "/_craton/metrics").text
    assert 'operation="elastic.completion",status="400"' not in counted
    with httpx.stream("POST", scripted.url + path + "/_stream", auth=keys_of(scripted), json={"input": "three"}) as reply:
        list(reply.iter_lines())
    line = wait_until(lambda: lines_of(scripted, path + "/_stream"), 10, "the stream's line")[0]
    assert (line["operation"], line["status"]) == ("elastic.completion_stream", 200)
    assert httpx.get(scripted.url + "/_inference/nobody").status_code == 401
    line = wait_until(lambda: lines_of(scripted, "/_inference/nobody"), 10, "the stranger's line")[0]
    assert (line["operation"], line["status"], line["principal"]) == ("elastic.none", 401, "")


# ---- the rate limit ----

def test_the_rate_limit_queues_and_times_out(new_server):
    server = new_server()
    slow = config(server, model="craton.scripted-v1", rate=6)
    assert raw(server, "PUT", "/_inference/completion/slow", json=slow).status_code == 200
    assert raw(server, "POST", "/_inference/slow", json={"input": "one"}).json() == {"completion": [{"result": "one"}]}
    late = raw(server, "POST", "/_inference/slow?timeout=300ms", json={"input": "two"})
    assert late.status_code == 408 and reason(late) == "Request timed out after [300ms]"
    faster = {"service_settings": {"rate_limit": {"requests_per_minute": 6000}}}
    assert raw(server, "PUT", "/_inference/slow/_update", json=faster).status_code == 200
    assert raw(server, "POST", "/_inference/slow?timeout=5s", json={"input": "three"}).status_code == 200


def test_a_full_queue_is_too_many_requests(new_server):
    server = new_server()
    slow = config(server, model="craton.scripted-v1", rate=1)
    assert raw(server, "PUT", "/_inference/completion/slow", json=slow).status_code == 200
    body = b'{"input": "x"}'
    request = (f"POST /_inference/completion/slow?timeout=2m HTTP/1.1\r\nHost: h\r\nAuthorization: {basic(server)}\r\n"
               f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    with ExitStack() as stack:
        for _ in range(2001):           # one goes at once, the others wait
            stack.enter_context(Connection(server.url)).send(request)

        def refused():
            reply = raw(server, "POST", "/_inference/completion/slow?timeout=100ms", json={"input": "x"})
            return reply if reply.status_code == 429 else None
        reply = wait_until(refused, 30, "the queue to be full")
        assert reply.json()["error"]["type"] == "es_rejected_execution_exception" and reply.headers["retry-after"] == "1"
        assert "inference id [slow]" in reason(reply)
    assert wait_until(lambda: raw(server, "POST", "/_inference/completion/slow?timeout=100ms", json={"input": "x"}).status_code == 408, 30,
                      "those who left to leave the queue")


# ---- the second port ----

def test_the_second_listener_speaks_elasticsearch_alone(new_server):
    server = new_server(arguments=["--elastic-listen", "127.0.0.1:0"])
    line = next(line for line in server.log.read_text().splitlines() if "Elasticsearch" in line)
    url = f"http://127.0.0.1:{json.loads(line)['port']}"
    with Elasticsearch(url, basic_auth=keys_of(server)) as client:
        assert client.ping()
        client.inference.put(task_type="completion", inference_id="there", inference_config=config(server, model="craton.scripted-v1"))
        assert client.inference.completion(inference_id="there", input="echo")["completion"] == [{"result": "echo"}]
    assert raw(server, "GET", "/_inference/there").status_code == 200
    assert httpx.get(url + "/_craton/status", auth=keys_of(server)).status_code == 400
