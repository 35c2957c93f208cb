"""Attacks on a real server. Each ends in an error that an SDK can read or in a closed connection, and the server goes on.

What a request and its reply can express is in tests/cases, HTTP/2 in test_hostile_h2.py; here is what needs a socket of its own.
"""
import json
import os
import random
import select
import socket
import struct
import threading
import time

import pytest

from harness import Server
from models import ECHO, TEXT, user
from raw import CONVERSE, HEALTH, HELLO, TIMEOUT, Target, assert_refused

SMUGGLED = b"GET /_craton/health HTTP/1.1\r\nHost: smuggled\r\n\r\n"


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("hostile") / "data") as server:
        yield Target(server)


@pytest.fixture
def target(patient):
    """A server with the usual limits, shared by the tests of this file and asked after each whether it is well."""
    yield patient
    patient.assert_well()


@pytest.fixture
def hasty(new_server):
    """A server that waits for nobody."""
    made = Target(new_server({"net": {"header_timeout": "1s", "idle_timeout": "1s"}}))
    yield made
    made.assert_well()


def chunked_head(target):
    """The head of a call that a known client signs, whose body comes in chunks."""
    return target.signed(body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


def attack(target, payload, *statuses):
    """Sends the bytes and no more; there must be one error of these statuses, or none, and then the end of the connection."""
    with target.connect() as connection:
        connection.send(payload)
        connection.end()
        replies = connection.replies()
    assert len(replies) <= 1, replies
    if replies:
        assert_refused(replies[0], *statuses)
    return replies


# ---- malformed and ambiguous requests -----------------------------------------------------------------------------------

def post(*lines, body=b"", version=b"HTTP/1.1", target=CONVERSE.encode()):
    return b"\r\n".join([b"POST " + target + b" " + version, b"Host: x", *lines]) + b"\r\n\r\n" + body


AMBIGUOUS = {
    "a length and a transfer coding": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "a transfer coding and a length": post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n" + SMUGGLED),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 44", body=SMUGGLED),
    "a list of lengths": post(b"Content-Length: 0, 44", body=SMUGGLED),
    "a negative length": post(b"Content-Length: -1", body=SMUGGLED),
    "a length with a sign": post(b"Content-Length: +4", body=b"{}  "),
    "a length in hexadecimal": post(b"Content-Length: 0x4", body=b"{}  "),
    "a length beyond 64 bits": post(b"Content-Length: 18446744073709551620", body=b"{}  "),
    "chunked, then identity": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED),
    "identity, then chunked": post(b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "chunked twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "an unknown transfer coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
    "a transfer coding of HTTP/1.0": post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED, version=b"HTTP/1.0"),
    "a blank before the colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "a control character in a value": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + SMUGGLED),
    "a NUL in a value": post(b"X-A: a\0b", b"Content-Length: 0"),
    "a carriage return in a value": post(b"X-A: a\rContent-Length: 44", body=SMUGGLED),
    "a folded field": post(b"X-A: a", b" Content-Length: 44", body=SMUGGLED),
    "a folded first field": b"POST / HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare line feeds": b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + SMUGGLED,
    "one bare line feed": b"POST / HTTP/1.1\r\nHost: x\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    "a field without a colon": post(b"Content-Length"),
    "a field without a name": post(b": 4"),
    "two hosts": post(b"Host: y", b"Content-Length: 0"),
    "no host": b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two blanks in the request line": b"GET  /_craton/health HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank in the target": b"GET /_craton/health HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a version without a meaning": b"GET / HTTP/1.9\r\nHost: x\r\n\r\n",
    "HTTP/2 in a request line": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "no version": b"GET /_craton/health\r\n\r\n",
    "no such method": b"get /_craton/health HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    "a target without a slash": b"GET _craton/health HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a preface": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(197),
    "an old TLS hello": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + bytes(18),
    "NULs": bytes(4096),
    "high bytes": b"\xff" * 4096,
    "empty lines": b"\r\n" * 1000,
}


@pytest.mark.parametrize("payload", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_request_ends_the_connection(target, payload):
    attack(target, payload, 400, 501, 505)


def test_a_signed_request_does_not_carry_a_second_one_in(target):
    """The signature is good, the framing is not: nothing behind it may be answered."""
    for line in (b"Transfer-Encoding: chunked", b"Content-Length: 0"):
        replies = attack(target, target.signed(lines=[line]) + SMUGGLED, 400)
        assert replies


CHUNKS = {
    "a chunk size with a sign": b"+2\r\n{}\r\n0\r\n\r\n",
    "a chunk size with a prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk size without digits": b"\r\n{}\r\n0\r\n\r\n",
    "a chunk size that ends in a line feed": b"2\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": b"2\r\n{}GET\r\n0\r\n\r\n",
    "an extension without end": b"2;" + b"a" * 1_000_000,
    "trailers without end": b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 100_000,
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_broken_chunks_end_the_connection(target, body):
    attack(target, chunked_head(target) + body + SMUGGLED, 400)


@pytest.mark.parametrize("cut", [1, 10, 40, 0.3, 0.6, 0.9, -2, -1])
def test_a_request_that_ends_early_gets_no_answer_but_an_error(target, cut):
    whole = target.signed()
    attack(target, whole[:int(len(whole) * cut) if isinstance(cut, float) else cut], 400, 408)


def test_random_bytes_are_survived(target):
    dice = random.Random(4747)
    whole = target.signed()
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        with target.connect() as connection:
            connection.send(bytes(damaged))
            connection.end()
            for reply in connection.replies():
                assert reply.status < 500 or reply.status in (501, 505), (reply, damaged)


# ---- too much ------------------------------------------------------------------------------------------------------------

LARGE = {
    "one large field": post(b"X-A: " + b"a" * 70_000),
    "a thousand fields": post(*(b"X-%d: a" % i for i in range(1000))),
    "a large target": post(target=b"/" + b"a" * 70_000),
    "a field that never ends": post()[:-2] + b"X-A: " + b"a" * 1_000_000,
    "a name that never ends": post()[:-2] + b"a" * 1_000_000,
    "a request line that never ends": b"GET /" + b"a" * 1_000_000,
    "a method that never ends": b"A" * 1_000_000,
}


@pytest.mark.parametrize("payload", LARGE.values(), ids=LARGE.keys())
def test_a_head_beyond_the_limit_is_refused(target, payload):
    attack(target, payload, 400, 414, 431)


def test_a_body_beyond_the_limit_is_refused_before_it_comes(target):
    head = target.signed(body=b"").replace(b"Content-Length: 0", b"Content-Length: 25000001")
    with target.connect() as connection:
        connection.send(head)
        assert_refused(connection.reply(), 413)


def test_chunks_beyond_the_limit_are_refused_while_they_come(target):
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    with target.connect() as connection:
        connection.send(chunked_head(target))
        sent = 0
        while sent < 64 and not select.select([connection.socket], [], [], 0)[0] and connection.send(chunk):
            sent += 1
        assert sent < 64
        reply = connection.reply()
    if reply is not None:                                   # what was under way may have cut the answer off
        assert_refused(reply, 413)


def test_a_thousand_requests_in_one_write_are_answered_in_order(target):
    unknown = HEALTH.replace(b"_craton/health", b"_craton/nowhere")
    with target.connect() as connection:
        sender = threading.Thread(target=connection.send, args=((HEALTH + unknown) * 500,))
        sender.start()
        statuses = [connection.reply().status for _ in range(1000)]
        sender.join(TIMEOUT)
    assert statuses[::2] == [200] * 500 and set(statuses[1::2]) <= {401, 403, 404}


# ---- who may not ---------------------------------------------------------------------------------------------------------

BAD_SIGNATURES = {
    "an unknown key": {"access_key": "AKIAIOSFODNN7EXAMPLE"},
    "an old date": {"skew": -600},
    "a date to come": {"skew": 600},
    "a date that was not signed": {"tamper": {"X-Amz-Date": "19700101T000000Z"}},
    "no signature": {"with": "none"},
    "an empty authorization": {"with": "none", "tamper": {"Authorization": ""}},
    "another scheme": {"with": "none", "tamper": {"Authorization": "Basic YWRtaW46YWRtaW4="}},
    "a scheme alone": {"with": "none", "tamper": {"Authorization": "AWS4-HMAC-SHA256"}},
    "a credential without end": {"with": "none", "tamper": {"Authorization": "AWS4-HMAC-SHA256 Credential=" + "a/" * 9000}},
}


@pytest.mark.parametrize("sign", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES.keys())
def test_a_stranger_is_refused_before_the_body(target, sign):
    """The client waits for 100, and hears 403 in its stead."""
    head = target.signed(body=b"x" * 20_000_000, headers={"Expect": "100-continue"}, sign=sign)[:-20_000_000]
    with target.connect() as connection:
        connection.send(head)
        replies = connection.replies()
    assert len(replies) == 1
    assert_refused(replies[0], 400, 403)
    assert replies[0].headers["x-amzn-requestid"] and replies[0].headers["x-amzn-errortype"]


def test_a_signature_by_another_secret_is_refused_with_its_body(target):
    """Such a signature covers the body, so the body has to come first."""
    whole = target.signed(headers={"Expect": "100-continue"}, sign={"secret_key": "x" * 40})
    with target.connect() as connection:
        connection.send(whole[:-len(HELLO)])
        assert connection.reply().status == 100
        connection.send(HELLO)
        assert_refused(connection.reply(), 403)


def test_a_known_client_that_waits_is_told_to_go_on(target):
    whole = target.signed(headers={"Expect": "100-continue"})
    with target.connect() as connection:
        connection.send(whole[:-len(HELLO)])
        assert connection.reply().status == 100
        connection.send(HELLO)
        assert connection.reply().status == 200


def test_a_body_that_differs_from_the_signed_one_is_refused(target):
    with target.connect() as connection:
        connection.send(target.signed().replace(b"Hello", b"Jello"))
        assert_refused(connection.reply(), 403)


def test_a_thousand_strangers_are_refused(target):
    stranger = target.signed(sign={"secret_key": "x" * 40})
    for _ in range(10):
        with target.connect() as connection:
            sender = threading.Thread(target=connection.send, args=(stranger * 100,))
            sender.start()
            for _ in range(100):
                assert_refused(connection.reply(), 403)
            sender.join(TIMEOUT)


# ---- too slow ------------------------------------------------------------------------------------------------------------

def closed_within(connections, seconds, drip=b""):
    """Waits until the peer has closed all connections; sends one more byte on each now and then. What it said, by connection."""
    said = {connection: b"" for connection in connections}
    open_ones, deadline = set(connections), time.monotonic() + seconds
    while open_ones:
        assert time.monotonic() < deadline, f"{len(open_ones)} connections are still open after {seconds} s"
        ready, _, _ = select.select([c.socket for c in open_ones], [], [], 0.1)
        for connection in list(open_ones):
            if connection.socket in ready:
                try:
                    data = connection.socket.recv(65536)
                except ConnectionResetError:
                    data = b""
                said[connection] += data
                if not data:
                    open_ones.discard(connection)
                    continue
            if drip:
                connection.send(drip)
    return list(said.values())


def test_slow_heads_are_cut_off_and_hinder_nobody(hasty):
    connections = [hasty.connect() for _ in range(200)]
    for connection in connections:
        connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    hasty.assert_well()
    for said in closed_within(connections, 8, drip=b"a"):
        assert said == b"" or said.startswith(b"HTTP/1.1 408 ")
    for connection in connections:
        connection.close()


def test_silent_connections_are_closed(hasty):
    connections = [hasty.connect() for _ in range(50)]
    connections[0].send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
    connections[1].send(HEALTH)
    assert connections[1].reply().status == 200
    closed_within(connections, 8)
    for connection in connections:
        connection.close()


def test_readers_that_do_not_read_hinder_nobody(target):
    text = json.dumps({"messages": user("word " * 100_000)}).encode()
    connections = [target.connect() for _ in range(20)]
    for connection in connections:
        connection.send(target.signed(f"/model/{ECHO}/converse-stream", text))
    target.assert_well()
    for connection in connections:                          # gone at once, with all that it has not read
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def test_clients_that_hang_up_at_once_cost_nothing(target):
    files = len(os.listdir(f"/proc/{target.pid}/fd"))
    for _ in range(300):
        connection = target.connect()
        connection.send(target.signed(f"/model/{ECHO}/converse-stream"))
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    target.assert_well()
    assert len(os.listdir(f"/proc/{target.pid}/fd")) <= files + 10


# ---- schemas that explode --------------------------------------------------------------------------------------------------

def nested(depth, make):
    schema = {"type": "string"}
    for _ in range(depth):
        schema = make(schema)
    return schema


SCHEMAS = {
    "deep objects": nested(200, lambda inner: {"type": "object", "properties": {"a": inner}, "required": ["a"]}),
    "deep arrays": nested(200, lambda inner: {"type": "array", "items": inner}),
    "deep alternatives": nested(100, lambda inner: {"anyOf": [inner, {"type": "null"}]}),
    "a doubling of references": {
        "type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "required": ["a"],
        "$defs": {**{f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(20)}, "d20": {"type": "null"}}},
    "a reference to itself": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "a circle of references": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "a reference to nothing": {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}, "required": ["a"]},
    "a reference to elsewhere": {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/schema.json"}}, "required": ["a"]},
    "many properties": {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(3000)},
                        "required": [f"p{i}" for i in range(3000)]},
    "many optional properties": {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(1000)}},
    "a catastrophic pattern": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}, "required": ["a"]},
    "an exploding pattern": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^((a{1,999}){1,999}){1,999}$"}},
                             "required": ["a"]},
    "a broken pattern": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^((("}}, "required": ["a"]},
    "very long texts": {"type": "object", "properties": {"a": {"type": "string", "minLength": 1_000_000_000}}, "required": ["a"]},
    "very many items": {"type": "array", "items": {"type": "string"}, "minItems": 1_000_000_000},
    "impossible lengths": {"type": "string", "minLength": 5, "maxLength": 2},
    "large choices": {"enum": [f"choice {i}" for i in range(20_000)]},
    "no choice": {"enum": []},
    "wrong types": {"type": 7, "properties": [], "required": "a"},
    "names that are code": {"type": "object", "properties": {"\"::=\n root": {"type": "string"}}, "required": ["\"::=\n root"]},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_a_schema_that_explodes_is_served_or_refused_in_time(target, schema):
    wrapped = schema if schema.get("type") == "object" else {"type": "object", "properties": {"v": schema}, "required": ["v"]}
    tool = {"toolSpec": {"name": "t", "inputSchema": {"json": wrapped}}}
    body = json.dumps({"messages": user("Go"), "inferenceConfig": {"maxTokens": 4},
                       "toolConfig": {"tools": [tool], "toolChoice": {"tool": {"name": "t"}}}}).encode()
    with target.connect() as connection:
        connection.send(target.signed(f"/model/{TEXT}/converse", body))
        reply = connection.reply()
    if reply is None or reply.status != 200:
        assert_refused(reply, 400)
