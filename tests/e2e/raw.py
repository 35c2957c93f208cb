"""Bytes on a socket: requests that no client library would send, and what comes back."""
import json
import socket
import ssl
from urllib.parse import urlsplit

import cases
from models import ECHO, user

TIMEOUT = 20
CONVERSE = f"/model/{ECHO}/converse"
HEALTH = b"GET /_craton/health HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = json.dumps({"messages": user("Hello")}).encode()


def signed(environment, path, body=b"", method="POST", headers=None, sign=None, lines=()):
    """An HTTP/1.1 request as bytes, signed as `sign` says (cases.signed_headers). `lines` are raw header lines beside the signed ones."""
    base = environment["AWS_ENDPOINT_URL"]
    target, headers = cases.signed_headers(base + path, method, dict(headers or {}), body, sign or {}, environment)
    headers = {"Host": urlsplit(base).netloc, "Content-Length": len(body), **headers}
    head = [f"{method} {target} HTTP/1.1".encode(), *(f"{name}: {value}".encode() for name, value in headers.items()), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Connection:
    """One connection. Sending to a peer that has closed is no error here: the reply tells what it thought of it."""

    def __init__(self, url, tls=None):
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=parts.hostname)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        """False when the peer takes no more."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            return False
        return True

    def end(self):
        """Sends no more, but goes on reading."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def line(self):
        line = self.file.readline(65536)
        assert line.endswith(b"\r\n") or not line, f"a line of a reply ends early: {line[:200]!r}"
        return line[:-2]

    def reply(self):
        """The next reply, interim ones (100) included; None when the peer has closed the connection."""
        try:
            status = self.line()
            if not status:
                return None
            version, code, _ = status.split(b" ", 2)
            assert version == b"HTTP/1.1", status
            headers = {}
            while header := self.line():
                name, value = header.split(b": ", 1)
                assert name.lower() not in headers, f"{name!r} twice"
                headers[name.lower().decode()] = value.decode()
            return Reply(int(code), headers, self.body(int(code), headers))
        except ConnectionResetError:
            return None

    def body(self, status, headers):
        if status == 100:
            return b""
        if headers.get("transfer-encoding") != "chunked":
            return self.file.read(int(headers["content-length"]))
        body = b""
        while size := int(self.line(), 16):
            body += self.file.read(size)
            assert self.line() == b""
        assert self.line() == b""
        return body

    def replies(self):
        """All that still comes until the peer closes; a peer that does not within TIMEOUT fails the test."""
        return list(iter(self.reply, None))


def assert_refused(reply, *statuses):
    """An error that any AWS SDK can read."""
    assert reply is not None and reply.status in statuses, reply
    assert reply.headers["content-type"].startswith("application/"), reply
    document = json.loads(reply.body)
    assert document["__type"] and document["message"], reply


class Target:
    """The server under attack: what a client needs to know of it, and whether it is still well."""

    def __init__(self, server, tls=None):
        self.server, self.tls = server, tls
        self.environment, self.url, self.pid = server.environment(), server.url, server.process.pid

    def connect(self):
        return Connection(self.url, self.tls)

    def signed(self, path=CONVERSE, body=HELLO, **more):
        return signed(self.environment, path, body, **more)

    def assert_well(self):
        assert self.server.process.poll() is None, self.server.log_tail()
        with self.connect() as connection:
            connection.send(self.signed())
            reply = connection.reply()
        assert reply is not None and reply.status == 200 and b"Hello" in reply.body, reply
