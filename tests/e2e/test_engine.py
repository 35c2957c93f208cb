"""What the engine promises, seen through the API and on the real model."""
import concurrent.futures
import json
import os
import re
import signal

import httpx
import jsonschema
import pytest
from botocore.exceptions import ClientError, EventStreamError

from harness import wait_until
from models import TEXT, text_of, text_of_stream, user

WEATHER = {"type": "object", "required": ["city", "unit", "days"], "additionalProperties": False,
           "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]},
                          "days": {"type": "integer", "minimum": 1, "maximum": 7}}}
TOOLS = [{"toolSpec": {"name": "get_weather", "description": "The weather of a city.", "inputSchema": {"json": WEATHER}}},
         {"toolSpec": {"name": "get_time", "description": "The time in a city.",
                       "inputSchema": {"json": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}}}}]


def ask(runtime, text, tokens=48, seed=7, **more):
    return runtime.converse(modelId=TEXT, messages=user(text), inferenceConfig={"maxTokens": tokens, "temperature": 0.8},
                            additionalModelRequestFields={"seed": seed}, **more)


def metric(server, name):
    """Sum of a metric over all labels."""
    token = server.craton("keys", "create", "--bearer").stdout.strip()
    text = httpx.get(server.url + "/_craton/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))


def test_equal_seed_gives_equal_text_warm_or_cold(new_server):
    """One compute thread: a worker takes as many as are free, and past 256 tokens their number shows in the last digits of a logit."""
    question = "Write two sentences about the sea. " + "It is wide and deep and full of fish. " * 20
    texts = []
    for _ in range(2):                                      # each server is cold for its first call and warm for its second
        server = new_server(config={"engine": {"threads": 1}})
        runtime = server.client()
        texts += [text_of(ask(runtime, question)), text_of(ask(runtime, question))]
        server.stop()
        new_server.servers.remove(server)
    assert len(set(texts)) == 1
    assert texts[0].strip()


def test_another_seed_gives_another_text(runtime):
    assert text_of(ask(runtime, "Invent a name for a cat and say why.", seed=1)) != \
        text_of(ask(runtime, "Invent a name for a cat and say why.", seed=2))


def test_sixteen_streams_never_mix(runtime):
    """Each stream must speak of its own animal, whatever runs beside it, and count its own tokens."""
    animals = ["cat", "dog", "horse", "whale", "eagle", "snake", "tiger", "mouse", "rabbit", "shark", "camel", "spider", "wolf", "bear",
               "frog", "goat"]

    def stream(animal):
        reply = runtime.converse_stream(modelId=TEXT, messages=user(f"Write one short sentence about a {animal}."),
                                        inferenceConfig={"maxTokens": 40, "temperature": 0})
        return text_of_stream(reply["stream"])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = dict(zip(animals, pool.map(stream, animals)))
    for animal, (text, stop, usage) in answers.items():
        others = [other for other in animals if other != animal and re.search(rf"\b{other}s?\b", text.lower())]
        assert stop in ("end_turn", "max_tokens") and usage["outputTokens"] <= 40
        assert re.search(rf"\b{animal}", text.lower()) or not others, (animal, text)


@pytest.mark.parametrize("choice, names", [({"any": {}}, {"get_weather", "get_time"}), ({"tool": {"name": "get_weather"}}, {"get_weather"})])
@pytest.mark.parametrize("seed", range(3))
def test_a_forced_tool_is_called_with_valid_input(runtime, choice, names, seed):
    reply = ask(runtime, "What will the weather be in Paris?", tokens=200, seed=seed, toolConfig={"tools": TOOLS, "toolChoice": choice})
    assert reply["stopReason"] == "tool_use"
    calls = [block["toolUse"] for block in reply["output"]["message"]["content"] if "toolUse" in block]
    assert calls
    schemas = {tool["toolSpec"]["name"]: tool["toolSpec"]["inputSchema"]["json"] for tool in TOOLS}
    for call in calls:
        assert call["name"] in names
        jsonschema.validate(call["input"], schemas[call["name"]])


def test_a_forced_tool_streams_its_input(runtime):
    reply = runtime.converse_stream(modelId=TEXT, messages=user("Weather in Oslo for three days?"),
                                    inferenceConfig={"maxTokens": 200, "temperature": 0},
                                    toolConfig={"tools": TOOLS[:1], "toolChoice": {"any": {}}})
    events = list(reply["stream"])
    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert starts[0]["start"]["toolUse"]["name"] == "get_weather"
    fragments = [event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events
                 if "toolUse" in event.get("contentBlockDelta", {}).get("delta", {})]
    assert len(fragments) > 1
    jsonschema.validate(json.loads("".join(fragments)), WEATHER)
    assert [event["messageStop"]["stopReason"] for event in events if "messageStop" in event] == ["tool_use"]


def test_a_tool_conversation_goes_on_with_the_result(runtime):
    call = {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Paris", "unit": "celsius", "days": 1}}}
    result = {"toolResult": {"toolUseId": "tooluse_1", "content": [{"json": {"forecast": "rain"}}], "status": "success"}}
    messages = user("Weather in Paris?") + [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    reply = runtime.converse(modelId=TEXT, messages=messages, inferenceConfig={"maxTokens": 32, "temperature": 0},
                             toolConfig={"tools": TOOLS})
    assert reply["stopReason"] in ("end_turn", "max_tokens", "tool_use")
    assert reply["output"]["message"]["content"]


def test_an_answer_keeps_to_its_schema(runtime):
    schema = {"type": "object", "required": ["name", "age"], "additionalProperties": False,
              "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150}}}
    reply = ask(runtime, "Invent a person.", tokens=120, outputConfig={"textFormat": {
        "type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema), "name": "person"}}}})
    assert reply["stopReason"] == "end_turn"
    jsonschema.validate(json.loads(text_of(reply)), schema)


def test_a_stop_sequence_never_leaks(runtime):
    plain = text_of(runtime.converse(modelId=TEXT, messages=user("Write three sentences about the sea."),
                                     inferenceConfig={"maxTokens": 60, "temperature": 0}))
    word = re.findall(r"\w{6,}", plain)[0]
    reply = runtime.converse(modelId=TEXT, messages=user("Write three sentences about the sea."),
                             inferenceConfig={"maxTokens": 60, "temperature": 0, "stopSequences": [word]})
    assert reply["stopReason"] == "stop_sequence"
    assert word not in text_of(reply)
    assert text_of(reply) == plain[:plain.index(word)]


def test_additional_response_fields_are_just_those_asked_for(runtime):
    reply = runtime.converse(modelId=TEXT, messages=user("Count from one to ten."), inferenceConfig={"maxTokens": 60, "temperature": 0},
                             additionalModelResponseFieldPaths=["/stop_sequence", "/nothing_there"])
    assert list(reply["additionalModelResponseFields"]) == ["stop_sequence"]


def test_a_cache_point_is_written_then_read(runtime):
    content = [{"text": "You know these facts. " + "The harbour opens at nine and closes at five. " * 40},
               {"cachePoint": {"type": "default"}}, {"text": "When does the harbour open?"}]
    usages = [runtime.converse(modelId=TEXT, messages=[{"role": "user", "content": content}],
                               inferenceConfig={"maxTokens": 8, "temperature": 0})["usage"] for _ in range(2)]
    assert usages[1]["cacheReadInputTokens"] > 0
    totals = {usage["inputTokens"] + usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"] for usage in usages}
    assert len(totals) == 1


def test_a_prompt_beyond_the_context_is_refused(runtime):
    with pytest.raises(ClientError) as error:
        runtime.converse(modelId=TEXT, messages=user("word " * 20000), inferenceConfig={"maxTokens": 8})
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert error.value.response["Error"]["Message"] == \
        "The model returned the following errors: Input is too long for requested model."


def test_a_client_that_hangs_up_frees_its_slot(server, runtime):
    reply = runtime.converse_stream(modelId=TEXT, messages=user("Write a very long story."), inferenceConfig={"maxTokens": 2000})
    stream = iter(reply["stream"])
    for _ in range(3):
        next(stream)
    assert metric(server, "craton_model_running") >= 1
    reply["stream"].close()
    wait_until(lambda: metric(server, "craton_model_running") == 0, 10, "the slot to be free")


def test_a_killed_worker_ends_its_streams_with_an_exception(new_server):
    server = new_server()
    runtime = server.client()
    reply = runtime.converse_stream(modelId=TEXT, messages=user("Write a very long story."), inferenceConfig={"maxTokens": 2000})
    stream = iter(reply["stream"])
    next(stream)
    next(stream)
    for pid in server.workers()["model"]:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(EventStreamError) as error:
        list(stream)
    assert error.value.response["Error"]["Code"] == "modelStreamErrorException"
    assert text_of(ask(runtime, "Say hello.", tokens=8))
