"""Clients that `make test-all` installs, all unmodified: LangChain, Anthropic's Bedrock client, the SDKs for Go, Java and Rust.

Their packages are imported by the tests that use them, since `make test` collects this file without having them.
"""
import json
import subprocess

import pytest

from harness import ROOT
from models import EMBED, TEXT

pytestmark = pytest.mark.slow

QUESTION = "What is the capital of France? Answer in one short sentence."
SCRIPTED = "anthropic.claude-3-sonnet-20240229-v1:0"
SCRIPT = {
    "models": {"map": [{"ids": SCRIPTED, "model": "craton.scripted-v1"}]},
    "scripted": {"rules": [
        {"match": {"text": "weather in Oslo"}, "tool_call": {"name": "get_weather", "input": {"city": "Oslo"}}},
        {"match": {"text": "3 degrees"}, "text": "It is 3 degrees in Oslo, and it snows."},
    ]},
}


def connection(server):
    env = server.environment()
    return {"endpoint_url": env["AWS_ENDPOINT_URL"], "region_name": env["AWS_REGION"],
            "aws_access_key_id": env["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"]}


# ---- LangChain ----------------------------------------------------------------------------------------------------

def chat(server, model=TEXT, **settings):
    from langchain_aws import ChatBedrockConverse
    return ChatBedrockConverse(model=model, max_tokens=40, temperature=0, **connection(server), **settings)


def get_weather(city: str) -> str:
    """The weather in a city at this moment."""
    return f"{city}: 3 degrees, snow"


def test_langchain_asks_and_streams(server):
    model = chat(server)
    reply = model.invoke(QUESTION)
    assert "Paris" in reply.content
    assert 0 < reply.usage_metadata["output_tokens"] <= 40

    whole = None
    for chunk in model.stream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    assert "".join(block.get("text", "") for block in whole.content if isinstance(block, dict)) == reply.content
    assert whole.usage_metadata["total_tokens"] == reply.usage_metadata["total_tokens"]


def test_langchain_forces_a_tool_on_the_real_model_and_hands_its_result_back(server):
    from langchain_core.messages import HumanMessage, ToolMessage
    model = chat(server)
    talk = [HumanMessage("What is the weather in Oslo?")]
    talk.append(model.bind_tools([get_weather], tool_choice="get_weather").invoke(talk))
    call, = talk[-1].tool_calls
    assert call["name"] == "get_weather" and list(call["args"]) == ["city"] and isinstance(call["args"]["city"], str)

    talk.append(ToolMessage(get_weather("Oslo"), tool_call_id=call["id"]))
    answer = model.bind_tools([get_weather]).invoke(talk)
    assert answer.content and answer.usage_metadata["input_tokens"] > talk[1].usage_metadata["input_tokens"]


@pytest.mark.parametrize("streaming", [False, True])
def test_langchain_lets_the_model_choose_a_tool(new_server, streaming):
    from langchain_core.messages import HumanMessage, ToolMessage
    model = chat(new_server(SCRIPT), SCRIPTED, disable_streaming=not streaming).bind_tools([get_weather], tool_choice="auto")

    def ask(talk):
        if not streaming:
            return model.invoke(talk)
        chunks = list(model.stream(talk))
        return sum(chunks[1:], chunks[0])

    talk = [HumanMessage("What is the weather in Oslo?")]
    talk.append(ask(talk))
    call, = talk[-1].tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Oslo"})

    talk.append(ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"]))
    answer = ask(talk)
    assert "It is 3 degrees in Oslo, and it snows." in answer.text and not answer.tool_calls


def test_langchain_embeddings_know_what_is_alike(server):
    from langchain_aws import BedrockEmbeddings
    model = BedrockEmbeddings(model_id=EMBED, **connection(server))
    question = model.embed_query("How is the weather today?")
    near, far = model.embed_documents(["It is sunny and warm this afternoon.", "The committee approved the annual budget."])
    assert len(question) == len(near) == 1024

    def likeness(a, b):
        return sum(x * y for x, y in zip(a, b))

    assert likeness(question, near) > likeness(question, far)


# ---- Anthropic ----------------------------------------------------------------------------------------------------

@pytest.fixture
def anthropic_client(server):
    from anthropic import AnthropicBedrock
    env = server.environment()
    with AnthropicBedrock(base_url=env["AWS_ENDPOINT_URL"], aws_region=env["AWS_REGION"], aws_access_key=env["AWS_ACCESS_KEY_ID"],
                          aws_secret_key=env["AWS_SECRET_ACCESS_KEY"], max_retries=0) as client:
        yield client


def asked(**more):
    return {"model": TEXT, "max_tokens": 40, "messages": [{"role": "user", "content": QUESTION}],
            "extra_body": {"temperature": 0}, **more}


def test_anthropic_client_asks_and_streams(anthropic_client):
    reply = anthropic_client.messages.create(**asked())
    assert reply.type == "message" and reply.stop_reason == "end_turn" and "Paris" in reply.content[0].text
    with anthropic_client.messages.stream(**asked()) as stream:
        text = "".join(stream.text_stream)
        whole = stream.get_final_message()
    assert text == whole.content[0].text == reply.content[0].text
    assert whole.usage.output_tokens == reply.usage.output_tokens


def test_anthropic_client_gets_a_tool_call(anthropic_client):
    tool = {"name": "get_weather", "description": "The weather in a city",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
    reply = anthropic_client.messages.create(**asked(tools=[tool], tool_choice={"type": "tool", "name": "get_weather"}))
    call, = [block for block in reply.content if block.type == "tool_use"]
    assert reply.stop_reason == "tool_use" and call.name == "get_weather" and isinstance(call.input["city"], str)


def test_anthropic_client_gets_a_typed_error(anthropic_client):
    from anthropic import BadRequestError
    with pytest.raises(BadRequestError, match="The provided model identifier is invalid."):
        anthropic_client.messages.create(**{**asked(), "model": "nobody.no-such-model-v1"})


# ---- programs in other languages ------------------------------------------------------------------------------------

def client_command(language):
    place = subprocess.run([ROOT / "tools/setup", "where", f"client-{language}"], check=True, capture_output=True,
                           text=True).stdout.strip()
    if not (ROOT / place).exists():
        pytest.skip(f"there is no {language} client: `tools/setup clients` says what it needs")
    return ["java", "-cp", f"{place}/classes:{place}/dependency/*", "Client"] if language == "java" else [f"{place}/client"]


@pytest.mark.parametrize("language", ["go", "java", "rust"])
def test_sdk_asks_streams_invokes_and_gets_a_typed_error(server, language):
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 40, "temperature": 0,
                       "messages": [{"role": "user", "content": QUESTION}]})
    done = subprocess.run([*client_command(language), TEXT, QUESTION, body], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**server.shell(), "AWS_MAX_ATTEMPTS": "1"})
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert "Paris" in result["converse"]
    assert result["stream"]["events"] == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert result["stream"]["text"] == result["converse"]
    assert result["stream"]["outputTokens"] > 0
    assert "Paris" in json.loads(result["invoke"])["content"][0]["text"]
    assert result["error"] == "The provided model identifier is invalid."
