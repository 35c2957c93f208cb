"""TLS: a certificate of its own, one from files, and the clients that speak through it."""
import json
import ssl
import subprocess
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError

from harness import Server, run_js
from models import ECHO, text_of, text_of_stream, user
from raw import HEALTH, Connection, Target


def certificate(folder, name="server"):
    """A certificate for 127.0.0.1, signed by itself, and its key, as PEM files."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=craton-test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-out", cert, "-keyout", key],
                   check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return cert, key


def shown_certificate(server, path):
    """Keeps what the server shows, for clients that shall trust it."""
    parts = urlsplit(server.url)
    path.write_text(ssl.get_server_certificate((parts.hostname, parts.port)))
    return path


@pytest.fixture(scope="module", params=["self-signed", "files"])
def secure(request, tmp_path_factory):
    """A server with TLS, and the certificate that its clients trust."""
    folder = tmp_path_factory.mktemp("tls")
    if request.param == "self-signed":
        with Server(folder / "data", arguments=["--tls", "self-signed"]) as server:
            yield server, shown_certificate(server, folder / "shown.pem")
    else:
        cert, key = certificate(folder)
        with Server(folder / "data", arguments=["--tls-cert", cert, "--tls-key", key]) as server:
            yield server, cert


def client(server, verify):
    env = server.environment()
    return boto3.session.Session().client(
        "bedrock-runtime", endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"], verify=str(verify),
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60))


def trusting(cert, *protocols, **limits):
    context = ssl.create_default_context(cafile=cert)
    if protocols:
        context.set_alpn_protocols(protocols)
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def test_the_endpoint_says_https(secure):
    server, _ = secure
    assert server.url.startswith("https://127.0.0.1:") and server.environment()["AWS_ENDPOINT_URL"] == server.url


def test_boto3_asks_and_streams(secure):
    runtime = client(*secure)
    assert "Hello there" in text_of(runtime.converse(modelId=ECHO, messages=user("Hello there")))
    text, stop, _ = text_of_stream(runtime.converse_stream(modelId=ECHO, messages=user("Hello there"))["stream"])
    assert "Hello there" in text and stop == "end_turn"


def test_boto3_without_the_certificate_does_not_trust_it(secure, tmp_path):
    server, _ = secure
    with pytest.raises(SSLError):
        client(server, certificate(tmp_path, "other")[0]).converse(modelId=ECHO, messages=user("Hello"))


def test_js_streams_over_http2(secure):
    server, cert = secure
    result = run_js(server, "converse_stream.js", ECHO, "Hello there", environment={"NODE_EXTRA_CA_CERTS": str(cert)})
    assert "Hello there" in result["text"] and result["types"][-1] == "metadata"


@pytest.mark.parametrize("offered,chosen", [
    (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2"], "h2"), ([], None),
    (["nonsense", "http/1.1"], "http/1.1"),
])
def test_the_protocol_is_agreed_upon(secure, offered, chosen):
    server, cert = secure
    with Connection(server.url, trusting(cert, *offered)) as connection:
        assert connection.socket.selected_alpn_protocol() == chosen
        if chosen != "h2":
            connection.send(HEALTH)
            assert json.loads(connection.reply().body) == {"status": "ok"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_of_tls_are_refused(secure):
    server, cert = secure
    with Connection(server.url, trusting(cert, minimum_version=ssl.TLSVersion.TLSv1_2, maximum_version=ssl.TLSVersion.TLSv1_2)):
        pass
    old = trusting(cert)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        Connection(server.url, old)


def test_clear_text_is_refused_and_hinders_nobody(secure):
    server, cert = secure
    with Connection(server.url) as connection:
        connection.send(HEALTH)
        connection.end()
        try:
            assert not connection.file.read().startswith(b"HTTP/")
        except ConnectionResetError:
            pass
    Target(server, trusting(cert)).assert_well()


def test_the_command_line_trusts_the_server_of_its_directory(secure):
    server, _ = secure
    assert "Hello there" in server.craton("chat", "--model", ECHO, "Hello there").stdout


# ---- files that do not fit --------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    cert, key = certificate(folder)
    (folder / "nonsense.pem").write_text("this is no certificate\n")
    return {"cert": cert, "key": key, "other_key": certificate(folder, "other")[1], "nonsense": folder / "nonsense.pem",
            "missing": folder / "missing.pem"}


@pytest.mark.parametrize("cert,key", [
    ("cert", None), (None, "key"), ("cert", "other_key"), ("nonsense", "key"), ("cert", "nonsense"), ("missing", "key"), ("cert", "missing"),
])
def test_a_certificate_that_cannot_be_used_is_explained(new_server, files, cert, key):
    arguments = (["--tls-cert", files[cert]] if cert else []) + (["--tls-key", files[key]] if key else [])
    server = new_server(arguments=arguments, start=False)
    with pytest.raises(AssertionError, match="ended with [1-9]"):
        server.start()
    said = server.log_tail()
    assert "tls" in said.lower() and "Traceback" not in said and len(said.splitlines()) <= 3
