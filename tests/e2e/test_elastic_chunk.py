"""POST /_inference/text_embedding/{id}/_chunk: texts cut as Elasticsearch would, each piece with its vector."""
import os
import signal
import time

import httpx
import pytest

from harness import wait_until

TEXT = "Ships came in at dawn. 今天天气很好。我们去公园散步吧！ The 😀 harbour was full of them, and nobody slept.\n\nThen came the rain."


def keys_of(server):
    env = server.environment()
    return env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]


def call(server, method, path, body=None):
    return httpx.request(method, server.url + path, auth=keys_of(server), json=body, timeout=180)


def make(server, name, model="amazon.titan-embed-text-v2:0", task="text_embedding", provider="amazontitan", rate=60000, **more):
    access_key, secret_key = keys_of(server)
    body = {"service": "amazonbedrock", **more,
            "service_settings": {"access_key": access_key, "secret_key": secret_key, "region": "us-east-1", "provider": provider,
                                 "model": model, "rate_limit": {"requests_per_minute": rate}}}
    made = call(server, "PUT", f"/_inference/{task}/{name}", body)
    assert made.status_code == 200, made.text


def chunk(server, body, name="cutter"):
    return call(server, "POST", f"/_inference/text_embedding/{name}/_chunk", body)


@pytest.fixture(scope="module")
def cutter(server):
    make(server, "cutter", chunking_settings={"strategy": "word", "max_chunk_size": 10, "overlap": 2})
    yield server
    call(server, "DELETE", "/_inference/cutter")


def assert_places(text, chunks):
    """Bytes and UTF-16 units name the same piece, and all pieces together are the whole text."""
    utf8, utf16, covered = text.encode(), text.encode("utf-16-le"), 0
    for each in chunks:
        assert utf8[each["start"]:each["end"]].decode() == each["text"]
        assert utf16[2 * each["start_utf16"]:2 * each["end_utf16"]].decode("utf-16-le") == each["text"]
        assert each["start"] <= covered < each["end"]
        covered = each["end"]
    assert covered == len(utf8)


def test_a_text_is_cut_by_the_settings_of_its_endpoint(cutter):
    reply = chunk(cutter, {"input": TEXT})
    assert reply.status_code == 200 and reply.headers["x-craton-served-by"]
    chunks = reply.json()["chunks"]
    assert_places(TEXT, chunks)
    assert [each["text"] for each in chunks][:2] == ["Ships came in at dawn. 今天天气很好。我们去", "。我们去公园散步吧！ The 😀 harbour was full of"]
    assert {len(each["embedding"]) for each in chunks} == {1024}


def test_chunks_have_the_vectors_of_their_texts(cutter):
    chunks = chunk(cutter, {"input": TEXT, "chunking_settings": {"strategy": "sentence", "max_chunk_size": 20}}).json()["chunks"]
    assert_places(TEXT, chunks)
    assert len(chunks) > 1
    alone = call(cutter, "POST", "/_inference/cutter", {"input": [each["text"] for each in chunks]}).json()["text_embedding"]
    for each, other in zip(chunks, alone, strict=True):
        assert sum(a * b for a, b in zip(each["embedding"], other["embedding"])) > 0.999


def test_every_strategy_and_the_other_spelling_of_the_size(cutter):
    words = "one two three four five\n\nsix seven eight nine ten\n\neleven twelve"
    for settings, expected in [
        ({"strategy": "recursive", "max_chunk_size": 10}, ["one two three four five\n\nsix seven eight nine ten", "\n\neleven twelve"]),
        ({"strategy": "recursive", "max_chunk_size": 11, "separators": ["seven"]}, ["one two three four five\n\nsix ", "seven eight nine ten\n\neleven twelve"]),
        ({"strategy": "word", "max_chunking_size": 10, "overlap": 5}, ["one two three four five\n\nsix seven eight nine ten",
                                                                       "\n\nsix seven eight nine ten\n\neleven twelve"]),
        ({"strategy": "none"}, [words]),
    ]:
        reply = chunk(cutter, {"input": words, "chunking_settings": settings})
        assert reply.status_code == 200, reply.text
        assert [each["text"] for each in reply.json()["chunks"]] == expected


def test_a_blank_text_is_one_chunk(cutter):
    chunks = chunk(cutter, {"input": " \n"}).json()["chunks"]
    assert [(each["start"], each["end"], each["text"]) for each in chunks] == [(0, 2, " \n")]


@pytest.mark.parametrize("body, words", [
    ({}, "Field [input] cannot be null"),
    ({"input": ["a", "b"]}, "Field [input] must be one string"),
    ({"input": "x" * (4 * 1024 * 1024 + 1)}, "Field [input] cannot be larger than 4 MiB"),
    ({"input": "a", "inputs": "b"}, "unknown field [inputs]"),
    ({"input": "a", "chunking_settings": {"strategy": "word", "max_chunk_size": 5}}, "max_chunk_size"),
    ({"input": "a b " * 20, "chunking_settings": {"strategy": "recursive", "max_chunk_size": 10, "separators": ["("]}},
     "The separator [(] is not a valid regular expression."),
    ({"input": "a" * 90 + " b" * 20, "chunking_settings": {"strategy": "recursive", "max_chunk_size": 10, "separators": ["(?:a+)+[cd]"]}},
     "takes too long on this text"),
])
def test_what_is_wrong_is_named(cutter, body, words):
    reply = chunk(cutter, body)
    assert reply.status_code == 400
    assert words in reply.json()["error"]["reason"]


def test_only_embedding_endpoints_cut(cutter):
    make(cutter, "talker", "craton.scripted-v1", task="completion")
    wrong = call(cutter, "POST", "/_inference/completion/talker/_chunk", {"input": "a"})
    assert wrong.status_code == 400 and "[text_embedding]" in wrong.json()["error"]["reason"]
    assert chunk(cutter, {"input": "a"}, "talker").status_code == 400
    assert chunk(cutter, {"input": "a"}, "nobody").status_code == 404
    assert call(cutter, "GET", "/_inference/text_embedding/cutter/_chunk").status_code == 405
    call(cutter, "DELETE", "/_inference/talker")


def test_a_killed_documents_worker_is_replaced(new_server):
    server = new_server()
    make(server, "cutter")
    assert chunk(server, {"input": TEXT}).status_code == 200
    first, = server.workers()["documents"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in server.workers().get("documents", []), 10, "the end of the killed worker")
    assert chunk(server, {"input": TEXT}).status_code == 200
    assert server.workers()["documents"] != [first]


def stopped(server):
    """Stops the documents worker (it is started when there is none), so that it answers nobody."""
    chunk(server, {"input": "wake up"})
    pid, = server.workers()["documents"]
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_time_limit_holds_while_words_are_sought(cutter):
    pid = stopped(cutter)
    try:
        begun = time.monotonic()
        reply = call(cutter, "POST", "/_inference/text_embedding/cutter/_chunk?timeout=300ms", {"input": TEXT})
        took = time.monotonic() - begun
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (reply.status_code, reply.json()["error"]["reason"]) == (408, "Request timed out after [300ms]")
    assert 0.25 < took < 5
    wait_until(lambda: chunk(cutter, {"input": TEXT}).status_code == 200, 30, "the worker to go on")


def test_a_time_limit_holds_behind_the_rate_limit(new_server):
    server = new_server()
    make(server, "slow-cutter", rate=1)
    assert call(server, "POST", "/_inference/slow-cutter/_chunk", {"input": "one"}).status_code == 200
    reply = call(server, "POST", "/_inference/slow-cutter/_chunk?timeout=400ms", {"input": "two"})
    assert (reply.status_code, reply.json()["error"]["reason"]) == (408, "Request timed out after [400ms]")
