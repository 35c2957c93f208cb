"""The engine's limits, each made small: memory for models, waiting for a load, waiting calls, time at work."""
import concurrent.futures
import json
import os
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from harness import ROOT, SANITIZED, wait_until
from models import EMBED, text_of, user

FIRST, SECOND = "smollm2-135m-instruct", "second"


def shared_models():
    cache = subprocess.run([ROOT / "tools/setup", "where", "cache"], check=True, capture_output=True, text=True).stdout.strip()
    return Path(cache) / "models"


def limited(new_server, **engine):
    """A server with these engine settings and a second text model, which is the first one's file under another name."""
    server = new_server(config={"engine": engine}, start=False)
    folder = server.data / "models" / SECOND
    folder.mkdir(parents=True)
    original = shared_models() / FIRST
    (folder / "model.gguf").symlink_to(original / "model.gguf")
    manifest = json.loads((original / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**manifest, "name": SECOND, "default": False}))
    return server.start()


def ask(client, model, text="Say hello.", tokens=4):
    return client.converse(modelId=model, messages=user(text), inferenceConfig={"maxTokens": tokens, "temperature": 0})


def states(server):
    """The state of each model, as `craton status` tells it."""
    return {model["name"]: model for model in json.loads(server.craton("status", "--json").stdout)["models"]}


def loaded(server):
    return {name for name, model in states(server).items() if model["backend"] == "local" and model["state"] == "ready"}


def test_a_model_goes_when_another_needs_its_memory(new_server):
    server = limited(new_server, memory_budget="300MB")
    client = server.client()
    for model, other in ((FIRST, SECOND), (SECOND, FIRST), (FIRST, SECOND)):
        assert text_of(ask(client, model))
        assert model in loaded(server) and other not in loaded(server)
    wait_until(lambda: len(server.workers().get("model", [])) == 1, 20, "the unloaded models' workers to end")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")
def test_the_model_that_was_not_used_for_longest_goes(new_server):
    server = limited(new_server, memory_budget="600MB")     # for any two of them, not for all
    client = server.client()
    embed(client)
    ask(client, FIRST)
    embed(client)
    ask(client, SECOND)
    assert loaded(server) == {"multilingual-e5-small", SECOND}
    assert sum(model["memoryBytes"] for model in states(server).values()) <= 600_000_000


def test_all_models_are_loaded_where_there_is_memory(new_server):
    server = limited(new_server)
    client = server.client()
    for model in (FIRST, SECOND):
        ask(client, model)
    embed(client)
    assert loaded(server) == {"multilingual-e5-small", FIRST, SECOND}


def embed(client):
    reply = client.invoke_model(modelId=EMBED, body=json.dumps({"inputText": "Hello"}))
    assert len(json.loads(reply["body"].read())["embedding"]) == 1024


def test_both_models_of_a_pair_answer_under_load_though_only_one_fits(new_server):
    server = limited(new_server, memory_budget="300MB", load_wait="120s")
    client = server.client(max_pool_connections=8)
    models = [FIRST, SECOND] * 4
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda model: ask(client, model), models))
    served = [reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"].split(";")[0] for reply in replies]
    assert served == models


def test_a_call_that_waits_too_long_for_a_load_is_told_to_come_back(new_server):
    server = limited(new_server, load_wait="0")
    client = server.client()
    with pytest.raises(ClientError) as error:
        ask(client, FIRST)
    reply = error.value.response
    assert reply["Error"]["Code"] == "ModelNotReadyException"
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert int(reply["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
    wait_until(lambda: FIRST in loaded(server), 60, "the load, which goes on")
    assert text_of(ask(client, FIRST))


def test_calls_beyond_the_queue_are_refused_with_503(new_server):
    server = limited(new_server, max_queue=1, load_wait="120s")
    client = server.client(max_pool_connections=6)

    def outcome(_):
        try:
            return text_of(ask(client, FIRST)) and "answered"
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:  # the model is still cold: all but one would have to wait in line
        outcomes = list(pool.map(outcome, range(6)))
    assert set(outcomes) == {"answered", ("ServiceUnavailableException", 503)}
    assert text_of(ask(client, FIRST))


def test_a_model_that_works_too_long_is_stopped_with_408(new_server):
    server = limited(new_server, model_timeout="3s", load_wait="120s")
    client = server.client()
    with pytest.raises(ClientError) as error:
        ask(client, FIRST, text="Write down all numbers from one to one thousand in words. " * 60, tokens=4000)
    assert error.value.response["Error"]["Code"] == "ModelTimeoutException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 408
    wait_until(lambda: states(server)[FIRST]["running"] == 0, 20, "the stopped call's slot")
    assert text_of(ask(client, FIRST))


def test_a_model_whose_file_is_broken_fails_by_name_and_leaves_the_others_alone(new_server):
    server = limited(new_server)
    path = server.data / "models" / SECOND / "model.gguf"
    path.unlink()
    path.write_bytes((shared_models() / FIRST / "model.gguf").open("rb").read(1_000_000))
    client = server.client()
    with pytest.raises(ClientError, match="cannot be loaded") as error:
        ask(client, SECOND)
    assert error.value.response["Error"]["Code"] == "ModelErrorException"
    assert os.fspath(path.parent.parent) not in error.value.response["Error"]["Message"]   # where files lie is no caller's business
    assert text_of(ask(client, FIRST))
