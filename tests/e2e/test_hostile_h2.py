"""HTTP/2 attacks on a real server: broken frames, broken requests, floods. See test_hostile.py."""
import json
import struct
from pathlib import Path

import pytest
from hyperframe.frame import PingFrame, RstStreamFrame, SettingsFrame

from h2raw import H2, PREFACE, fields_of, frame
from harness import SANITIZED, Server
from models import ECHO, user
from raw import CONVERSE, HELLO, Connection, Target

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED = 4, 8
HEALTH = "/_craton/health"
GET = fields_of(HEALTH)
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("hostile") / "data") as server:
        yield Target(server)


@pytest.fixture
def target(patient):
    """A server that is asked after each test whether it is well, and has not grown by what was thrown at it."""
    before = resident(patient)
    yield patient
    patient.assert_well()
    assert resident(patient) - before < (400 if SANITIZED else 64) * MEGABYTE


def resident(target):
    return int(Path(f"/proc/{target.pid}/statm").read_text().split()[1]) * 4096


# ---- frames ---------------------------------------------------------------------------------------------------------------

def settings(*pairs):
    return frame(SETTINGS, 0, b"".join(struct.pack(">HI", name, value) for name, value in pairs))


BROKEN = {
    "data on an idle stream": frame(DATA, 1, b"x"),
    "data on stream 0": frame(DATA, 0, b"x"),
    "a head on stream 0": frame(HEADERS, 0, b"\x82", END_HEADERS),
    "a head on an even stream": frame(HEADERS, 2, b"\x82", END_HEADERS),
    "a reset of an idle stream": frame(RST_STREAM, 1, bytes(4)),
    "a reset of a wrong length": frame(RST_STREAM, 1, bytes(3)),
    "a window of nothing": frame(WINDOW_UPDATE, 0, bytes(4)),
    "a window beyond the limit": frame(WINDOW_UPDATE, 0, b"\x7f\xff\xff\xff") * 2,
    "settings of a wrong length": frame(SETTINGS, 0, bytes(5)),
    "settings on a stream": frame(SETTINGS, 1),
    "an acknowledgement with a payload": frame(SETTINGS, 0, bytes(6), ACK),
    "a first window beyond the limit": settings((4, 0x80000000)),
    "a frame size below the limit": settings((5, 1)),
    "a push setting that is no truth": settings((2, 2)),
    "ten thousand settings in a frame": settings(*[(9, 1)] * 2700),
    "a ping of a wrong length": frame(PING, 0, bytes(7)),
    "a ping on a stream": frame(PING, 1, bytes(8)),
    "a frame beyond the size": frame(DATA, 1, bytes(20_000)),
    "a continuation of nothing": frame(CONTINUATION, 1, b"\x82", END_HEADERS),
    "a head that is interrupted": frame(HEADERS, 1, b"\x82") + frame(PING, 0, bytes(8)),
    "a head that another stream continues": frame(HEADERS, 1, b"\x82") + frame(CONTINUATION, 3, b"\x82", END_HEADERS),
    "a promise by the client": frame(PUSH_PROMISE, 1, bytes(5), END_HEADERS),
    "more padding than frame": frame(HEADERS, 1, b"\xff\x82", END_HEADERS | PADDED),
    "a field that no table has": frame(HEADERS, 1, b"\xff\xff\xff\x0f", END_HEADERS | END_STREAM),
    "field number 0": frame(HEADERS, 1, b"\x80", END_HEADERS | END_STREAM),
    "a number without end": frame(HEADERS, 1, b"\xff" * 64, END_HEADERS | END_STREAM),
    "a broken Huffman code": frame(HEADERS, 1, b"\x00\x84\xff\xff\xff\xff\x00", END_HEADERS | END_STREAM),
    "a table larger than was allowed": frame(HEADERS, 1, b"\x3f\xff\xff\xff\x07\x82", END_HEADERS | END_STREAM),
    "HTTP/1.1 after the preface": b"GET /_craton/health HTTP/1.1\r\nHost: x\r\n\r\n" * 2,
    "noise": bytes(range(1, 256)) * 8,
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_ends_the_connection(target, payload):
    with H2(target.url) as h2:
        h2.send(payload)
        h2.closed()


def test_a_stream_that_goes_back_is_not_answered(target):
    with H2(target.url) as h2:
        h2.send(h2.headers(5, GET) + h2.headers(3, GET) + h2.headers(7, GET))
        if h2.finished(5, 7):
            assert h2.answers[7].status == 200
        assert 3 not in h2.answers or h2.answers[3].reset is not None


def test_a_preface_that_ends_early_is_survived(target):
    for end in (1, 10, 20, len(PREFACE)):
        with Connection(target.url) as connection:
            connection.send(PREFACE[:end])
            connection.end()
            assert b" 200 " not in connection.file.read()


# ---- requests -------------------------------------------------------------------------------------------------------------

def without(name):
    return [field for field in GET if field[0] != name]


def but(fields, **changes):
    return [(name, changes.get(name.strip(":"), value)) for name, value in fields]


MALFORMED = {
    "an upper-case name": GET + [("X-Upper", "a")],
    "a connection field": GET + [("connection", "close")],
    "a transfer coding": GET + [("transfer-encoding", "chunked")],
    "an upgrade": GET + [("upgrade", "websocket")],
    "a TE that is not trailers": GET + [("te", "gzip")],
    "no path": without(":path"),
    "no method": without(":method"),
    "two paths": GET[:1] + [(":path", "/other")] + GET[1:],
    "a pseudo field after a field": [("accept", "*/*")] + GET,
    "an unknown pseudo field": [(":nothing", "a")] + GET,
    "a status": [(":status", "200")] + GET,
    "an empty path": but(GET, path=""),
    "a path without a slash": but(GET, path="_craton/health"),
    "a line end in a path": but(GET, path="/_craton/health HTTP/1.1\r\nx: y"),
    "a line end in a value": GET + [("x-a", "b\r\ncontent-length: 0")],
    "a NUL in a value": GET + [("x-a", "b\0c")],
    "a line end in a name": GET + [("x-a\r\nb", "c")],
    "a blank in a method": but(GET, method="GET /x"),
    "a length without a body": GET + [("content-length", "5")],
    "two lengths": GET + [("content-length", "0"), ("content-length", "5")],
    "a length that is no number": GET + [("content-length", "-1")],
    "a field of 70,000 bytes": GET + [("x-a", "b" * 70_000)],
    "two hundred fields": GET + [(f"x-{i}", "a") for i in range(200)],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_costs_its_stream(target, fields):
    with H2(target.url) as h2:
        block = h2.encoder.encode(fields)
        parts = [block[i:i + 16_000] for i in range(0, len(block), 16_000)]
        h2.send(frame(HEADERS, 1, parts[0], END_STREAM | (END_HEADERS if len(parts) == 1 else 0)))
        for part in parts[1:]:
            h2.send(frame(CONTINUATION, 1, part, END_HEADERS if part is parts[-1] else 0))
        if h2.finished(1):
            assert h2.answers[1].reset is not None or 400 <= h2.answers[1].status < 500
            h2.send(h2.headers(3, GET))
            if h2.finished(3):
                assert h2.answers[3].status == 200


def test_a_body_longer_than_its_length_costs_its_stream(target):
    with H2(target.url) as h2:
        h2.send(h2.headers(1, fields_of(CONVERSE, "POST", content_length="2"), end=False))
        h2.send(frame(DATA, 1, b"{}{}", END_STREAM))
        h2.send(h2.headers(3, GET))
        h2.finished(1, 3)
        assert h2.answers[1].reset is not None or h2.answers[1].status in (400, 403)
        assert h2.answers[3].status == 200


def test_a_body_beyond_the_limit_is_refused_before_it_comes(target):
    with H2(target.url) as h2:
        fields = h2.signed_fields(target.environment, CONVERSE, HELLO) + [("content-length", "25000001")]
        h2.send(h2.headers(1, fields, end=False))
        assert h2.finished(1) and h2.answers[1].status == 413
        assert json.loads(h2.answers[1].body)["__type"]
        h2.send(h2.headers(3, GET))
        assert h2.finished(3) and h2.answers[3].status == 200


# ---- floods ---------------------------------------------------------------------------------------------------------------

def throw(h2, wave, waves):
    """Sends until the peer takes no more. It must not take all of it."""
    for _ in range(waves):
        if not h2.send(wave):
            break
    h2.closed()


def test_a_head_without_end_is_cut_off(target):
    with H2(target.url) as h2:
        h2.send(frame(HEADERS, 1, h2.encoder.encode(GET), END_STREAM))
        throw(h2, frame(CONTINUATION, 1, b"\x00\x01a\x7f\xe1\x7e" + b"b" * 16_000), 4000)


def test_a_head_of_empty_pieces_is_cut_off(target):
    with H2(target.url) as h2:
        h2.send(frame(HEADERS, 1, h2.encoder.encode(GET), END_STREAM))
        throw(h2, frame(CONTINUATION, 1) * 1000, 1000)


def test_a_small_head_that_unpacks_to_much_is_refused(target):
    with H2(target.url) as h2:
        bomb = [("x-bomb", "b" * 4000)]
        h2.send(h2.headers(1, GET + bomb))
        assert h2.finished(1) and h2.answers[1].status == 200
        for stream in range(3, 43, 2):                      # each byte stands for 4,000
            h2.send(frame(HEADERS, stream, h2.encoder.encode(GET) + b"\xbe" * 16_000, END_STREAM | END_HEADERS))
            if not h2.finished(stream):
                break
            assert h2.answers[stream].reset is not None or h2.answers[stream].status == 431


@pytest.mark.parametrize("answered", [False, True])
def test_streams_opened_and_reset_at_once_end_the_connection(target, answered):
    with H2(target.url) as h2:
        for first in range(1, 200_001, 2000):
            wave = b"".join(h2.headers(stream, GET, end=answered) + RstStreamFrame(stream, error_code=8).serialize()
                            for stream in range(first, first + 2000, 2))
            if not h2.send(wave):
                break
        h2.closed()


def test_pings_whose_answers_nobody_reads_end_the_connection(target):
    with H2(target.url) as h2:
        throw(h2, PingFrame(0, opaque_data=b"12345678").serialize() * 1000, 2000)


def test_settings_whose_answers_nobody_reads_end_the_connection(target):
    with H2(target.url) as h2:
        throw(h2, settings((3, 100)) * 1000, 2000)


FLOODS = {
    "empty data": frame(DATA, 1) * 1000,
    "padding": frame(DATA, 1, b"\xfe" + bytes(254), PADDED) * 100,
    "tiny windows": frame(WINDOW_UPDATE, 1, b"\0\0\0\1") * 1000,
    "priorities": frame(PRIORITY, 1, bytes([0, 0, 0, 3, 7])) * 1000,
    "unknown frames": frame(0xbe, 0, bytes(100)) * 500,
}


@pytest.mark.parametrize("wave", FLOODS.values(), ids=FLOODS.keys())
def test_frames_that_bring_nothing_hinder_nobody(target, wave):
    with H2(target.url) as h2:
        h2.send(h2.headers(1, fields_of(CONVERSE, "POST"), end=False))
        for _ in range(100):
            if not h2.send(wave):
                break
        target.assert_well()


def test_streams_beyond_the_limit_are_refused(target):
    with H2(target.url) as h2:
        streams = range(1, 2001, 2)
        for stream in streams:
            h2.send(h2.headers(stream, fields_of(CONVERSE, "POST"), end=False))
        refused = lambda: h2.goaway or any(answer.reset == 7 for answer in h2.answers.values())
        assert not h2.pump(refused) or refused()
        target.assert_well()


# ---- windows --------------------------------------------------------------------------------------------------------------

def test_a_client_without_a_window_gets_its_bytes_when_it_opens_one(target):
    with H2(target.url, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}) as h2:
        streams = range(1, 101, 2)
        for stream in streams:
            h2.send(h2.headers(stream, GET))
        assert h2.pump(lambda: all(stream in h2.answers for stream in streams))
        target.assert_well()
        assert all(h2.answers[stream].body == b"" for stream in streams)
        for stream in streams:
            h2.send(h2.window(stream, 1))
        assert h2.pump(lambda: all(h2.answers[stream].body for stream in streams))
        assert all(len(h2.answers[stream].body) == 1 for stream in streams)
        for stream in streams:
            h2.send(h2.window(stream, 1000))
        assert h2.finished(*streams)
        assert all(json.loads(h2.answers[stream].body) == {"status": "ok"} for stream in streams)


def test_a_window_taken_back_is_honoured(target):
    """SETTINGS may make a stream's window negative; the stream goes on once it is positive again."""
    with H2(target.url, {SettingsFrame.INITIAL_WINDOW_SIZE: 10}) as h2:
        h2.send(h2.signed(1, target.environment, CONVERSE, HELLO))
        assert h2.pump(lambda: 1 in h2.answers and len(h2.answers[1].body) == 10)
        h2.send(settings((4, 0)) + h2.window(1, 5) + h2.window(1, 20))
        assert h2.pump(lambda: len(h2.answers[1].body) == 25)
        h2.send(settings((4, 100_000)))
        assert h2.finished(1) and b"Hello" in h2.answers[1].body


def test_streams_whose_answers_nobody_takes_hinder_nobody(target):
    body = json.dumps({"messages": user("word " * 2000)}).encode()
    with H2(target.url, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}) as h2:
        for stream in range(1, 101, 2):
            h2.send(h2.signed(stream, target.environment, f"/model/{ECHO}/converse-stream", body))
        assert h2.pump(lambda: all(stream in h2.answers for stream in range(1, 101, 2)))
        target.assert_well()
