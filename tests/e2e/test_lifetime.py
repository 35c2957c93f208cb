"""How a server comes and goes: second starts, kill -9, and data directories that cannot be used."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import CRATON, SANITIZED, clean_environment, wait_until
from models import ECHO, TEXT, text_of, user

IDLE_MIB = 15
READY_MS = 50


def run(*arguments):
    return subprocess.run([CRATON, *map(str, arguments)], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                          env=clean_environment())


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_server_leaves_no_worker_and_starts_again(new_server):
    server = new_server()
    assert text_of(server.client().converse(modelId=TEXT, messages=user("Say hello."), inferenceConfig={"maxTokens": 4}))
    workers = server.workers()["model"]
    old_url = server.url
    os.kill(server.process.pid, signal.SIGKILL)             # the server alone: its workers see their sockets close
    server.process.wait()
    wait_until(lambda: not any(map(alive, workers)), 30, "the workers to end")

    assert (server.data / "endpoint").read_text().strip() == old_url
    for command in (["status"], ["chat", "Hello"], ["embed", "Hello"]):
        done = server.craton(*command, check=False)
        assert done.returncode == 1 and "no server runs" in done.stderr and "craton serve" in done.stderr
    assert old_url not in server.craton("env").stdout
    server.start()
    assert "serves at" in server.craton("status").stdout
    assert server.client().converse(modelId=ECHO, messages=user("Hello"))["stopReason"] == "end_turn"


def test_a_second_server_on_the_same_data_is_refused(new_server):
    server = new_server()
    done = run("serve", "--data", server.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert str(server.process.pid) in done.stderr and "--data DIR" in done.stderr
    assert "serves at" in server.craton("status").stdout    # nothing of the first one has changed


def test_a_port_that_is_taken_is_named(new_server, tmp_path):
    server = new_server()
    address = server.url.removeprefix("http://")
    done = run("serve", "--data", tmp_path / "other", "--listen", address)
    assert done.returncode == 1 and address in done.stderr and "in use" in done.stderr


def test_a_data_directory_that_is_no_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for command in (["serve", "--listen", "127.0.0.1:0"], ["env"]):
        done = run(*command, "--data", tmp_path / "file")
        assert done.returncode == 1 and str(tmp_path / "file") in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own; mount(options) may be called again to change them."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True).returncode

    mount.place = place
    if mount("size=8m,mode=0700") != 0:
        pytest.skip("this needs the right to mount")
    yield mount
    subprocess.run(["umount", "-l", place], check=True)


def test_a_read_only_data_directory_is_told_in_words(small_disk):
    assert run("env", "--data", small_disk.place / "data").returncode == 0
    assert small_disk("remount,ro") == 0
    for command in (["serve", "--listen", "127.0.0.1:0"], ["keys", "create"]):
        done = run(*command, "--data", small_disk.place / "data")
        assert done.returncode == 1 and str(small_disk.place) in done.stderr and "ead-only" in done.stderr, done.stderr


def test_a_full_disk_is_told_in_words_and_breaks_nothing(small_disk):
    data = small_disk.place / "data"
    assert run("keys", "create", "--data", data).returncode == 0
    before = run("keys", "list", "--data", data).stdout
    with pytest.raises(OSError), open(small_disk.place / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    done = run("keys", "create", "--data", data)
    assert done.returncode == 1 and str(data) in done.stderr and ("is full" in done.stderr or "No space" in done.stderr), done.stderr
    (small_disk.place / "filler").unlink()
    assert run("keys", "list", "--data", data).stdout == before
    assert run("keys", "create", "--data", data).returncode == 0


@pytest.mark.parametrize("text, line, words", [
    ("listen: [unclosed\n", 2, "expected"),
    ("region: eu-west-1\nlistn: x\n", 2, "did you mean 'listen'"),
    ("net:\n  idle_timeout: soon\n", 2, "duration"),
    ("models:\n  map:\n    - ids: x\n", 3, "`model`"),
    ("models:\n  map:\n    - {ids: x, model: y}\n    - {ids: x, model: y, rwa: true}\n", 4, "rwa"),
    ("backends:\n  - models:\n    - name: x\n", 2, "`url`"),
    ("backends:\n  - url: ftp://here\n    models:\n    - name: x\n", 2, "http"),
    ("backends:\n  - url: http://here\n    modles: []\n", 3, "modles"),
    ("backends:\n  - url: http://here\n    models:\n    - {name: x, kind: image}\n", 4, "kind"),
    ("scripted:\n  rules:\n    - match: {txt: a}\n", 3, "txt"),
])
def test_a_broken_configuration_is_told_with_its_file_and_line(tmp_path, text, line, words):
    path = tmp_path / "craton.yaml"
    path.write_text(text)
    done = run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--config", path)
    assert done.returncode == 2
    assert str(path) in done.stderr and words in done.stderr, done.stderr
    assert f":{line}:" in done.stderr or f"line {line}:" in done.stderr, done.stderr


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory and time of its own")
def test_an_idle_server_is_small_and_quickly_there(new_server):
    server = new_server()
    server.stop()
    server.start()
    time.sleep(5)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024
    assert resident <= IDLE_MIB
    server.stop()
    assert min(ready_ms(server.data) for _ in range(5)) <= READY_MS     # the best of five: other work is not the server's fault


def ready_ms(data):
    """From the start of the process until it says that it serves."""
    begun = time.monotonic()
    with subprocess.Popen([CRATON, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log-format", "json"], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean_environment()) as process:
        for line in process.stderr:
            if json.loads(line)["message"] == "craton serves":
                break
        taken = (time.monotonic() - begun) * 1000
        process.terminate()
        process.communicate(timeout=30)
    return taken
