"""The command line: what a person types."""
import re
import subprocess

import pytest

from harness import CRATON, clean_environment, parse_exports
from models import ECHO, user

COMMANDS = ["serve", "env", "chat", "embed", "models", "keys", "jobs", "pipeline", "bucket", "status", "ops", "version"]


def craton(*arguments):
    return subprocess.run([CRATON, *arguments], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=clean_environment())


def test_help_names_every_command():
    done = craton("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.stdout), command


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_text(command):
    done = craton(command, "--help")
    assert done.returncode == 0 and f"craton {command}" in done.stdout


@pytest.mark.parametrize("arguments", [["no-such-command"], ["serve", "--no-such-option"], ["serve", "--listen", "nonsense"]])
def test_a_wrong_command_line_fails_with_a_hint(arguments):
    done = craton(*arguments)
    assert done.returncode != 0 and done.stdout == "" and "help" in done.stderr


def test_a_server_that_cannot_write_its_endpoint_says_so_and_ends(tmp_path):
    (tmp_path / "data" / "endpoint").mkdir(parents=True)
    done = craton("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and "endpoint: Is a directory" in done.stderr


def test_version_prints_a_version():
    assert re.match(r"craton \d+\.\d+\.\d+", craton("version").stdout)


def test_env_exports_what_an_sdk_reads(server):
    exported = server.environment()
    assert set(exported) == {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"}
    assert exported["AWS_ENDPOINT_URL"] == server.url and re.match(r"http://127\.0\.0\.1:\d+$", server.url)


def test_a_created_key_works_at_once_and_a_revoked_one_no_more(new_server):
    server = new_server()
    exported = parse_exports(server.craton("keys", "create").stdout)
    assert set(exported) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    client = server.client("bedrock", {**server.environment(), **exported})
    assert client.list_foundation_models()["modelSummaries"]
    assert exported["AWS_ACCESS_KEY_ID"] in server.craton("keys", "list").stdout
    assert exported["AWS_SECRET_ACCESS_KEY"] not in server.craton("keys", "list").stdout
    server.craton("keys", "revoke", exported["AWS_ACCESS_KEY_ID"])
    with pytest.raises(client.exceptions.ClientError, match="UnrecognizedClientException"):
        client.list_foundation_models()


def test_chat_streams_an_answer(server):
    done = server.craton("chat", "--model", ECHO, "Hello there")
    assert "Hello there" in done.stdout


def test_embed_prints_a_vector(server):
    assert re.search(r"-?\d\.\d+", server.craton("embed", "Hello").stdout)


def test_models_lists_the_default_model(server):
    assert "smollm2-135m-instruct" in server.craton("models", "list").stdout


def test_status_tells_where_the_server_is(server):
    assert server.url in server.craton("status").stdout


def test_ops_knows_every_operation():
    done = craton("ops")
    assert re.search(r"\bConverse\b", done.stdout) and re.search(r"\bCreateGuardrail\b", done.stdout)


def test_a_restart_keeps_the_keys(new_server):
    server = new_server()
    before = server.environment()
    server.stop()
    server.start()
    after = server.environment()
    assert before["AWS_SECRET_ACCESS_KEY"] == after["AWS_SECRET_ACCESS_KEY"]
    assert server.client().converse(modelId=ECHO, messages=user("Hello"))["stopReason"] == "end_turn"
