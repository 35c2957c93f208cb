"""Fixtures of the end-to-end tests. Real programs, real sockets; nothing is mocked.

`server` is one server for the whole run, with the models that the set-up installed. `new_server` makes servers for one
test, with a configuration of its own. When a test fails, the ends of the logs of the servers it used are in its report.
"""
import os

import pytest

from harness import CRATON, Server

# Clients of this process must not see the caller's settings, nor look for credentials elsewhere.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def pytest_sessionstart(session):
    if not CRATON.exists():
        pytest.exit(f"{CRATON} is not there: run `make` first", returncode=1)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


@pytest.fixture
def new_server(tmp_path):
    """new_server(config=..., arguments=[...]) starts a server for this test alone."""
    servers = []

    def make(config=None, arguments=(), name=None, start=True):
        made = Server(tmp_path / (name or f"data{len(servers)}"), config, arguments)
        servers.append(made)
        return made.start() if start else made

    make.servers = servers
    yield make
    for made in servers:
        made.stop()


@pytest.fixture(scope="session")
def runtime(server):
    return server.client("bedrock-runtime")


@pytest.fixture(scope="session")
def bedrock(server):
    return server.client("bedrock")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    used = list(getattr(item.funcargs.get("new_server"), "servers", []))
    if "server" in item.fixturenames and "server" in item.funcargs:
        used.append(item.funcargs["server"])
    for each in used:
        if each.log.exists():
            report.sections.append((f"log of {each.data}", each.log_tail()))
