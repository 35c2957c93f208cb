"""A real Craton server as a test object: started on a free port, asked over its own command line, stopped for good."""
import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import boto3
import httpx
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("CRATON_BUILD", "build")).resolve()
CRATON = BUILD / "craton"
SANITIZED = CRATON.exists() and b"__asan_init" in CRATON.read_bytes()      # memory and time are the sanitizer's then

START_SECONDS = 60
STOP_SECONDS = 45
SANITIZER_REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")


def clean_environment():
    """The environment of every program under test: nothing of the caller's AWS or Craton settings leaks in."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("AWS_", "CRATON_")) or name == "CRATON_CACHE"}
    env["AWS_EC2_METADATA_DISABLED"] = "true"
    env["AWS_CONFIG_FILE"] = env["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    env.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


def run_js(server, script, *arguments, environment=None):
    """Runs one of the programs of js/ as a client of this server and returns the document that it prints."""
    place = subprocess.run([ROOT / "tools/setup", "where", "node"], check=True, capture_output=True, text=True).stdout.strip()
    done = subprocess.run(["node", Path(__file__).parent / "js" / script, *arguments], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**server.shell(), "NODE_PATH": place + "/node_modules", "NODE_NO_WARNINGS": "1",
                                                         **(environment or {})})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_until(condition, seconds, what):
    """Polls until condition() is true and returns its value; fails the test after that many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class Server:
    """One `craton serve` with its data directory. Use start() and stop(), or it as a context manager."""

    def __init__(self, data, config=None, arguments=()):
        self.data = Path(data)
        self.arguments = list(arguments)
        self.process = None
        self.url = None
        self.log = self.data.parent / f"{self.data.name}.log"
        if config is not None:
            path = self.data.parent / f"{self.data.name}.yaml"
            path.write_text(config if isinstance(config, str) else json.dumps(config))
            self.arguments += ["--config", str(path)]

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    # ---- life ----

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        endpoint = self.data / "endpoint"
        endpoint.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [CRATON, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *self.arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(), start_new_session=True)
        try:
            wait_until(lambda: self._alive() and endpoint.exists() and endpoint.read_text().strip(), START_SECONDS, "DIR/endpoint")
            self.url = endpoint.read_text().strip()
            wait_until(lambda: self._alive() and self.healthy(), START_SECONDS, "health")
        except BaseException:
            self.kill()
            raise
        return self

    def _alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"craton serve ended with {self.process.returncode} while it started:\n{self.log_tail()}")
        return True

    def healthy(self):
        try:
            reply = httpx.get(self.url + "/_craton/health", timeout=5, verify=False)
        except httpx.HTTPError:
            return False
        return reply.status_code == 200 and reply.json() == {"status": "ok"}

    def stop(self):
        """Ends the server by SIGTERM, as an operator would; it must go in time, with 0, and without sanitizer reports."""
        if self.process is None:
            return
        process = self.process
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s of SIGTERM:\n{self.log_tail()}") from None
        self.kill()
        log = self.log.read_text(errors="replace")
        reports = [line for line in log.splitlines() if any(mark in line for mark in SANITIZER_REPORTS)]
        assert not reports, "\n".join(reports[:20]) + "\n" + self.log_tail()
        assert status == 0, f"the server ended with {status}:\n{self.log_tail()}"

    def kill(self):
        """Ends at once what is left of the server. Its workers end by themselves when their socket closes."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def log_tail(self, lines=60):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def workers(self):
        """Process ids of the craton-worker processes of this server, by role: {"model": [..]}."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == self.process.pid and command[0].endswith(b"craton-worker"):
                role = next((a.split(b"=", 1)[1].decode() for a in command if a.startswith(b"--role=")), "")
                found.setdefault(role, []).append(int(folder.name))
        return found

    # ---- use ----

    def craton(self, *arguments, input=None, timeout=120, check=True):
        """Runs one command of the command line against this data directory; returns it with its text."""
        done = subprocess.run([CRATON, *map(str, arguments), "--data", self.data], input=input or "", capture_output=True,
                              text=True, timeout=timeout, env=clean_environment())
        if check and done.returncode != 0:
            raise AssertionError(f"craton {shlex.join(map(str, arguments))} ended with {done.returncode}:\n{done.stderr}")
        return done

    def environment(self):
        """What `craton env` exports, as a mapping."""
        return parse_exports(self.craton("env").stdout)

    def shell(self):
        """A whole environment for a client program of this server."""
        return {**clean_environment(), **self.environment()}

    def client(self, service="bedrock-runtime", environment=None, **config):
        """A boto3 client that knows this server by `craton env` alone, and does not retry."""
        env = environment or self.environment()
        settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 120, "connect_timeout": 10, **config}
        return boto3.session.Session().client(
            service, endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(**settings))


def parse_exports(text):
    """Names and values of the `export NAME=VALUE` lines of a shell text."""
    words = (shlex.split(line) for line in text.splitlines())
    return dict(word.split("=", 1) for line in words if line[:1] == ["export"] for word in line[1:])
