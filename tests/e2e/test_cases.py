"""Runs every case of tests/cases against a server, over HTTP/1.1 and over HTTP/2."""
import pytest

import cases
from harness import ROOT, Server

FILES = sorted((ROOT / "tests" / "cases").glob("*.yaml"))


def parameters():
    for path in FILES:
        document = cases.load(path)
        for case in document["cases"]:
            for protocol in case.get("over", cases.PROTOCOLS):
                yield pytest.param(path.stem, document.get("config"), case, protocol,
                                   id=f"{path.stem}: {case['name']} [{protocol}]")


@pytest.fixture(scope="session")
def environment_of(request, tmp_path_factory):
    """environment_of(file, config): the client environment of the server for a file's cases, started at its first case."""
    made, servers = {}, []

    def get(name, config):
        if name not in made:
            if config is None:
                server = request.getfixturevalue("server")
            else:
                server = Server(tmp_path_factory.mktemp("cases") / name, config)
                servers.append(server)
                server.start()
            made[name] = {**server.environment(), "bearer": server.craton("keys", "create", "--bearer").stdout.strip()}
        return made[name]

    yield get
    for server in servers:
        server.stop()


@pytest.mark.parametrize("name,config,case,protocol", list(parameters()))
def test_case(environment_of, name, config, case, protocol):
    reply = cases.send(case, protocol, environment_of(name, config))
    found = cases.problems(case["expect"], reply)
    assert not found, "\n".join(found)
