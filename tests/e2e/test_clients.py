"""Other unmodified clients: the AWS CLI and the AWS SDK for JavaScript."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import run_js
from models import ECHO, TEXT, user

AWS = Path(sys.executable).with_name("aws")


def aws(server, *arguments):
    done = subprocess.run([AWS, *arguments, "--output", "json"], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env=server.shell())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_aws_cli_converse(server):
    reply = aws(server, "bedrock-runtime", "converse", "--model-id", ECHO, "--messages", json.dumps(user("Hello there")))
    assert "Hello there" in reply["output"]["message"]["content"][0]["text"]


def test_aws_cli_lists_models(server):
    reply = aws(server, "bedrock", "list-foundation-models", "--by-provider", "anthropic")
    assert reply["modelSummaries"] and all(model["providerName"] == "Anthropic" for model in reply["modelSummaries"])


@pytest.mark.parametrize("model", [ECHO, TEXT])
def test_js_streams_over_its_own_http2(server, model):
    result = run_js(server, "converse_stream.js", model, "What is the capital of France? Answer in one short sentence.")
    assert result["types"][0] == "messageStart" and result["types"][-2:] == ["messageStop", "metadata"]
    assert ("France" if model == ECHO else "Paris") in result["text"]
    assert result["usage"]["outputTokens"] > 0


def test_js_gets_a_typed_error(server):
    result = run_js(server, "converse_stream.js", "nobody.no-such-model-v1", "Hello")
    assert result["error"] == {"name": "ValidationException", "message": "The provided model identifier is invalid.", "status": 400}


def test_js_control_plane_lists_models(server):
    assert TEXT in run_js(server, "list_models.js")
