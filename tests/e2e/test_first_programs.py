"""The programs that people write on their first day with Bedrock, as the tutorials have them: one body per family."""
import json

import numpy
import pytest

from models import TEXT


def invoke(runtime, model, body, accept="*/*"):
    reply = runtime.invoke_model(modelId=model, body=json.dumps(body), accept=accept, contentType="application/json")
    assert reply["contentType"] == "application/json"
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-craton-served-by"]
    return json.loads(reply["body"].read()), headers


def test_a_titan_embedding_has_the_1536_numbers_of_its_id(runtime):
    reply, headers = invoke(runtime, "amazon.titan-embed-text-v1", {"inputText": "Hello world!"}, "application/json")
    assert len(reply["embedding"]) == 1536
    assert abs(numpy.linalg.norm(reply["embedding"]) - 1) < 1e-3
    assert reply["inputTextTokenCount"] == int(headers["x-amzn-bedrock-input-token-count"]) > 0


@pytest.mark.parametrize("model", ["anthropic.claude-v2", "anthropic.claude-instant-v1", "anthropic.claude-v1"])
@pytest.mark.parametrize("prompt", ["Human:Who are you?\n\nAssistant:", "\n\nHuman: Who are you?\n\nAssistant:"])
def test_claude_streams_completions(runtime, model, prompt):
    body = {"prompt": prompt, "max_tokens_to_sample": 40, "temperature": 0.5, "top_p": 0.9}
    reply = runtime.invoke_model_with_response_stream(modelId=model, body=json.dumps(body), accept="*/*",
                                                      contentType="application/json")
    chunks = [json.loads(event["chunk"]["bytes"].decode()) for event in reply["body"] if "chunk" in event]
    assert len(chunks) > 2
    assert "".join(chunk["completion"] for chunk in chunks).strip()
    assert [chunk["stop_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["stop_reason"] in ("max_tokens", "stop_sequence")
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert 0 < metrics["outputTokenCount"] <= 40
    assert metrics["invocationLatency"] >= metrics["firstByteLatency"] >= 0


def test_command_answers_with_generations(runtime):
    body = {"prompt": "Translate this sentence to French: Good morning.", "max_tokens": 32, "temperature": 0.8}
    reply, _ = invoke(runtime, "cohere.command-text-v14", body)
    assert reply["generations"][0]["text"].strip()
    assert reply["generations"][0]["finish_reason"] in ("COMPLETE", "MAX_TOKENS")


@pytest.mark.parametrize("model", ["ai21.j2-ultra-v1", "ai21.j2-mid-v1"])
def test_jurassic_answers_with_completions(runtime, model):
    body = {"prompt": "Who are you?", "maxTokens": 32, "temperature": 0.8, "topP": 1, "stopSequences": [],
            "countPenalty": {"scale": 0}, "presencePenalty": {"scale": 0}, "frequencyPenalty": {"scale": 0}}
    reply, _ = invoke(runtime, model, body)
    assert reply["completions"][0]["data"]["text"].strip()


def test_words_of_one_meaning_are_near_in_every_language(runtime):
    def vector(text):
        reply, _ = invoke(runtime, "amazon.titan-embed-text-v1", {"inputText": text}, "application/json")
        return numpy.array(reply["embedding"])

    sorry = vector("对不起")
    texts = ["对不起", "抱歉", "對不起", "對唔住", "I'm sorry", "I apologize", "the weather", "ごめんなさい", "미안해", "Désolé"]
    near = {text: float(vector(text) @ sorry) for text in texts}
    assert near["对不起"] == pytest.approx(1, abs=1e-3)
    for text in ("抱歉", "對不起", "I apologize", "I'm sorry", "ごめんなさい"):
        assert near[text] > near["the weather"], near


def test_a_native_reply_carries_its_counts_in_headers(runtime):
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 16, "messages": [{"role": "user", "content": "Say hello."}]}
    reply, headers = invoke(runtime, TEXT, body)
    assert reply["content"][0]["text"]
    assert reply["usage"]["input_tokens"] == int(headers["x-amzn-bedrock-input-token-count"])
    assert reply["usage"]["output_tokens"] == int(headers["x-amzn-bedrock-output-token-count"])
    assert int(headers["x-amzn-bedrock-invocation-latency"]) >= 0
