"""`craton models` beside a running server: what is added, pulled or removed counts at once, and what is no model is refused in words."""
import hashlib
import http.server
import json
import struct
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from harness import CRATON, ROOT, clean_environment
from models import TEXT, text_of, user

REFUSED = {
    "empty.gguf": (b"", "is empty"),
    "text.gguf": (b"This is a letter, no model.", "neither GGUF nor"),
    "version.gguf": (b"GGUF" + struct.pack("<I", 99) + bytes(64), "not a GGUF file, or it is damaged"),
    "tensors.gguf": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "not a GGUF file, or it is damaged"),
    "bare.gguf": (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "does not name its architecture"),
}
BROKEN_FOLDERS = {
    "nothing": ({}, "no config.json"),
    "no-json": ({"config.json": b'{"a":'}, "config.json is not JSON"),
    "stranger": ({"config.json": b'{"architectures": ["GPTNeoForCausalLM"]}'}, "GPTNeoForCausalLM"),
    "half": ({"config.json": b'{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}',
              "model.safetensors": struct.pack("<Q", 1 << 50) + b"{}"}, "config.json"),
}


@pytest.fixture(scope="module")
def weights():
    """The file that the default text model was made from."""
    place = subprocess.run([ROOT / "tools/setup", "where", "downloads"], check=True, capture_output=True, text=True).stdout.strip()
    return place + "/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def file_server(weights):
    """Serves the weights over HTTP; returns the URL."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return weights if path == "/model.gguf" else "/nonexistent"

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def ask(client, model):
    return client.converse(modelId=model, messages=user("Say hello."), inferenceConfig={"maxTokens": 4, "temperature": 0})


def test_a_model_is_an_id_from_when_it_is_added_until_it_is_removed(server, weights):
    client = server.client()
    with pytest.raises(ClientError, match="The provided model identifier is invalid."):
        ask(client, "a-new-one")
    assert "layout Q4_1" in server.craton("models", "add", "a-new-one", weights, "--layout", "keep").stdout
    reply = ask(client, "a-new-one")
    assert text_of(reply)
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"] == "a-new-one; layout=Q4_1"
    assert text_of(ask(client, TEXT))                       # the default stays what it was, and both are loaded
    assert len(server.workers()["model"]) >= 2
    again = server.craton("models", "add", "a-new-one", weights, check=False)
    assert again.returncode == 1 and "there is a model a-new-one already" in again.stderr

    server.craton("models", "remove", "a-new-one")
    with pytest.raises(ClientError, match="The provided model identifier is invalid."):
        ask(client, "a-new-one")
    assert "a-new-one" not in server.craton("models", "list").stdout
    assert not list((server.data / "models").glob("*"))


def test_show_names_the_layout_and_what_it_loses(server):
    shown = server.craton("models", "show", "smollm2-135m-instruct").stdout
    assert "layout      Q8_0" in shown
    assert float(next(line.split()[1] for line in shown.splitlines() if line.startswith("loss"))) < 0.1


def test_a_shared_model_cannot_be_removed_from_a_data_directory(server):
    done = server.craton("models", "remove", "smollm2-135m-instruct", check=False)
    assert done.returncode == 1 and "shared models" in done.stderr


def test_pull_takes_the_file_only_with_the_right_checksum(server, weights, file_server):
    with open(weights, "rb") as file:
        right = hashlib.file_digest(file, "sha256").hexdigest()
    wrong = server.craton("models", "pull", "pulled", file_server + "/model.gguf", "--sha256", "0" * 64, check=False)
    assert wrong.returncode == 1 and "checksum" in wrong.stderr
    missing = server.craton("models", "pull", "pulled", file_server + "/none", "--sha256", right, check=False)
    assert missing.returncode == 1 and "answered 404" in missing.stderr
    assert "pulled" not in server.craton("models", "list").stdout
    server.craton("models", "pull", "pulled", file_server + "/model.gguf", "--sha256", right, "--layout", "keep")
    assert "pulled" in server.craton("models", "list").stdout
    assert not list((server.data / "spool").glob("pull*"))
    server.craton("models", "remove", "pulled")


def test_pull_without_a_server_at_the_other_end_says_so(server):
    done = server.craton("models", "pull", "pulled", "http://127.0.0.1:9/model.gguf", "--sha256", "0" * 64, check=False)
    assert done.returncode == 1 and "http://127.0.0.1:9/model.gguf" in done.stderr


def refused(server, path, words):
    done = server.craton("models", "add", "broken", path, "--layout", "keep", check=False)
    assert done.returncode == 1 and done.stdout == "", done.stderr
    assert words in done.stderr and str(path) in done.stderr
    assert "signal" not in done.stderr and "terminate" not in done.stderr and "GGML_ASSERT" not in done.stderr
    assert not list((server.data / "models").glob("*broken*"))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_model_is_refused_by_name(server, tmp_path, name):
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    refused(server, tmp_path / name, words)


@pytest.mark.parametrize("size", [1_000_000, 30_000_000])
def test_a_file_that_was_cut_off_is_refused(server, tmp_path, weights, size):
    with open(weights, "rb") as file:
        (tmp_path / "cut.gguf").write_bytes(file.read(size))
    refused(server, tmp_path / "cut.gguf", "damaged")


@pytest.mark.parametrize("name", BROKEN_FOLDERS)
def test_a_folder_that_is_no_model_is_refused_by_name(server, tmp_path, name):
    files, words = BROKEN_FOLDERS[name]
    (tmp_path / name).mkdir()
    for file, content in files.items():
        (tmp_path / name / file).write_bytes(content)
    refused(server, tmp_path / name, words)


def test_models_need_no_server(tmp_path, weights):
    def craton(*arguments):
        return subprocess.run([CRATON, *arguments, "--data", tmp_path / "data"], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, env=clean_environment())
    assert craton("models", "add", "early", weights, "--layout", "keep").returncode == 0
    assert "early" in craton("models", "list").stdout
    manifest = json.loads((tmp_path / "data/models/early/model.json").read_text())
    assert manifest["layout"] == "Q4_1"
    assert craton("models", "remove", "early").returncode == 0
    assert "early" not in craton("models", "list").stdout
