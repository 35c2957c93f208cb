"""`make install PREFIX=`: the installed programs work without the build folder, with their own copies of the engine."""
import os
import subprocess

import pytest

import harness
from models import TEXT, text_of, user

pytestmark = pytest.mark.slow


def test_the_installed_server_answers_with_its_own_libraries(tmp_path, monkeypatch):
    prefix = tmp_path / "prefix"
    subprocess.run(["make", "install", f"PREFIX={prefix}", f"BUILD={harness.BUILD}"], cwd=harness.ROOT, check=True, timeout=600,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    worker = prefix / "bin" / "craton-worker"
    linked = subprocess.run(["ldd", worker], check=True, capture_output=True, text=True).stdout
    engine = [line.split("=>")[1].split()[0] for line in linked.splitlines() if "libllama" in line or "libggml" in line]
    assert engine and all(os.path.realpath(path).startswith(str(prefix)) for path in engine)

    monkeypatch.setattr(harness, "CRATON", prefix / "bin" / "craton")
    with harness.Server(tmp_path / "data") as server:
        reply = server.client().converse(modelId=TEXT, messages=user("Hello"), inferenceConfig={"maxTokens": 8})
        assert text_of(reply)
